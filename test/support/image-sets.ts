/** Small image data sets of every kind, drawn from counted random numbers. */
import type { ImageSet } from '../../src/data/fashion-mnist.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';

/** Random images; labels go round through the classes. */
export function randomSet(
  count: number,
  [height, width, channels]: readonly [number, number, number],
  classes: number,
  seed = 0,
): ImageSet {
  const random = new PhiloxStream(seed, 1, 0);
  const images = Uint8Array.from({ length: count * height * width * channels }, () => random.below(256));
  return { images, labels: Uint8Array.from({ length: count }, (_, i) => i % classes), count, height, width, channels };
}

/** Rows and columns of grey images exchanged. */
export function exchanged({ images, count, height, width }: ImageSet): Uint8Array {
  return Uint8Array.from(images, (_, i) => {
    const [image, x, y] = [Math.floor(i / (height * width)), Math.floor(i / height) % width, i % height];
    return images[(image * height + y) * width + x];
  }).subarray(0, count * height * width);
}
