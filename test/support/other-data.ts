/** Small data sets of every form, as files: MNIST's and EMNIST's, colour, one big class beside a small one, JPEGs of mixed sizes. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import type { ImageSet } from '../../src/data/fashion-mnist.ts';
import { serializeIdx } from '../../src/data/idx.ts';
import { serializeNpy } from '../../src/interop/npy.ts';
import { exchanged, randomSet } from './image-sets.ts';
import { zip } from './zip.ts';

/** Noise with a bright bar, whose place tells the class. */
export function barred(
  count: number,
  shape: readonly [number, number, number],
  classes: number,
  seed: number,
): ImageSet {
  const set = randomSet(count, shape, classes, seed);
  const [height, width, channels] = shape;
  const pixels = height * width * channels;
  set.images.forEach((value, i) => {
    const x = Math.floor((i % (width * channels)) / channels);
    const label = set.labels[Math.floor(i / pixels)];
    set.images[i] = Math.floor((x * classes) / width) === label ? 200 + (value >> 3) : value >> 2;
  });
  return set;
}

/** Writes a file, and the folders it is in. */
export function putFile(root: string, name: string, bytes: Uint8Array | string): void {
  mkdirSync(dirname(join(root, name)), { recursive: true });
  writeFileSync(join(root, name), bytes);
}

function putIdx(root: string, folder: string, prefix: string, parts: Readonly<Record<string, ImageSet>>): void {
  for (const [part, { images, labels, count, height, width }] of Object.entries(parts)) {
    putFile(root, `${folder}/${prefix}${part}-images-idx3-ubyte`, serializeIdx([count, height, width], images));
    putFile(root, `${folder}/${prefix}${part}-labels-idx1-ubyte`, serializeIdx([count], labels));
  }
}

/**
 * Writes `digits`, `letters` (47 classes), `uneven` (two classes 10:1, 64 x 64), `colour` (32 x 32 x 3) and `photos`.
 * @param pictures in `photos`, half of them of each class
 */
export async function putDataSets(root: string, pictures = 40): Promise<void> {
  putIdx(root, 'digits', '', { train: barred(320, [28, 28, 1], 10, 1), t10k: barred(100, [28, 28, 1], 10, 2) });
  const turned = (set: ImageSet): ImageSet => ({ ...set, images: exchanged(set) });
  putIdx(root, 'letters', 'emnist-balanced-', {
    train: turned(barred(188, [28, 28, 1], 47, 1)),
    test: turned(barred(94, [28, 28, 1], 47, 2)),
  });
  const uneven = (set: ImageSet): ImageSet => ({ ...set, labels: set.labels.map(label => Number(label === 0)) });
  putIdx(root, 'uneven', '', {
    train: uneven(barred(110, [64, 64, 1], 11, 1)),
    t10k: uneven(barred(44, [64, 64, 1], 11, 2)),
  });
  const [colour, held] = [barred(96, [32, 32, 3], 4, 1), barred(40, [32, 32, 3], 4, 2)];
  const arrays = {
    'x_train.npy': serializeNpy([96, 32, 32, 3], colour.images),
    'y_train.npy': serializeNpy([96], colour.labels),
    'x_test.npy': serializeNpy([40, 32, 32, 3], held.images),
    'y_test.npy': serializeNpy([40], held.labels),
  };
  putFile(root, 'colour/data.npz', zip(arrays));
  for (let i = 0; i < pictures; i++) {
    const [height, width] = [30 + (i % 3), 28 + (i % 5)];
    const { images } = barred(2, [height, width, 3], 2, i);
    const pixels = images.subarray((i % 2) * height * width * 3, ((i % 2) + 1) * height * width * 3);
    const jpeg = await sharp(pixels, { raw: { width, height, channels: 3 } })
      .jpeg()
      .toBuffer();
    putFile(root, `photos/${i % 2 === 0 ? 'left' : 'right'}/${i}.jpg`, jpeg);
  }
}
