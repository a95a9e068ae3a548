/** Images that are, byte for byte, another image mirrored left for right: a repetition that comparing bytes does not show. */
import type { ImageSet, Split } from '../data/fashion-mnist.ts';
import { areEqual, hashOf, type ImageRef } from './cleaning.ts';

/** Rows of an image in reverse, [height, width, channels]. */
function mirrorInto(mirrored: Uint8Array, image: Uint8Array, { width, channels }: ImageSet): void {
  const row = width * channels;
  for (let start = 0; start < image.length; start += row) {
    for (let x = 0; x < width; x++) {
      const from = start + x * channels;
      const to = start + (width - 1 - x) * channels;
      for (let c = 0; c < channels; c++) mirrored[to + c] = image[from + c];
    }
  }
}

/**
 * Pairs of images of which one is the other mirrored, each once, training images first. An image that is its own mirror image
 * makes no pair, nor do two equal ones of that kind, which are plain duplicates.
 */
export function mirroredDuplicates(sets: Readonly<Record<Split, ImageSet>>): (readonly [ImageRef, ImageRef])[] {
  const seen = new Map<number, ImageRef[]>();
  const found: (readonly [ImageRef, ImageRef])[] = [];
  const bytesOf = ({ split, index }: ImageRef): Uint8Array => {
    const set = sets[split];
    const size = set.height * set.width * set.channels;
    return set.images.subarray(index * size, (index + 1) * size);
  };
  for (const split of ['train', 'test'] as const) {
    const set = sets[split];
    const mirrored = new Uint8Array(set.height * set.width * set.channels);
    for (let index = 0; index < set.count; index++) {
      const ref: ImageRef = { split, index, label: set.labels[index] };
      const own = bytesOf(ref);
      mirrorInto(mirrored, own, set);
      if (!areEqual(mirrored, own)) {
        const others = seen.get(hashOf(mirrored, 0, mirrored.length)) ?? [];
        for (const other of others) if (areEqual(bytesOf(other), mirrored)) found.push([other, ref]);
      }
      const hash = hashOf(own, 0, own.length);
      const same = seen.get(hash);
      if (same) same.push(ref);
      else seen.set(hash, [ref]);
    }
  }
  return found;
}
