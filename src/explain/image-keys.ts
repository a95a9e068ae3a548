/**
 * What the random numbers of an image follow from: its own values, and the caller's seed. The same image gets the same numbers
 * wherever it stands in a batch, alone or twice, for whichever class; other images get others, so that errors average out over
 * many images.
 */
import { ShapeError, UsageError } from '../devices/errors.ts';
import type { FloatArray } from './attribution.ts';

/** 32 bits of 32 bits, each of which depends on all (the finalizer of A. Appleby's MurmurHash3). */
function scrambled(bits: number): number {
  let h = bits;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/**
 * A substream for each image [N, ...], by its values in float32 (in which all devices hold them).
 *
 * @param images how many there are in `values`
 */
export function imageKeys(values: FloatArray, images: number): Uint32Array {
  const size = values.length / images;
  // 0 and -0 are one value.
  const words = new Uint32Array(Float32Array.from(values, value => value + 0).buffer);
  const keys = new Uint32Array(images);
  for (let image = 0; image < images; image++) {
    let key = size;
    for (let k = image * size; k < (image + 1) * size; k++) {
      key = (Math.imul((key ^ scrambled(words[k])) >>> 0, 0x9e3779b1) + k - image * size) >>> 0;
    }
    keys[image] = scrambled(key);
  }
  return keys;
}

/**
 * The keys that a caller gave, or those of the images themselves.
 * @throws ShapeError unless there is one for each image; UsageError for one that is no whole number of 32 bits
 */
export function keysOf(given: ArrayLike<number> | undefined, values: FloatArray, images: number): Uint32Array {
  if (given === undefined) return imageKeys(values, images);
  if (given.length !== images)
    throw new ShapeError(`There are ${given.length} keys for ${images} images; give one each.`);
  return Uint32Array.from(given, key => {
    if (Number.isInteger(key) && key >= 0 && key <= 0xffffffff) return key;
    throw new UsageError(`The key of an image is a whole number from 0 to 4294967295, not ${key}.`);
  });
}

/** A substream for the `index`-th of something of one image. */
export function keyOf(image: number, index: number): number {
  return scrambled((image ^ Math.imul(index + 1, 0x9e3779b1)) >>> 0);
}
