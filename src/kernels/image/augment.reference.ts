/** Augmentation, image by image: decide, then copy pixels from where they come. */
import type { TypedArray } from '../../devices/dtype.ts';
import type { Spec } from '../../devices/kernel.ts';
import { philoxBlock, uniformFromBits } from '../random/philox.ts';
import { thresholdOf } from '../random/random.ts';
import { type AugmentParams, eraseRectangles } from './augment.ts';

/** A whole number in [0, n): the high 32 bits of word * n (exact in float64, as n stays far below 2^21). */
const below = (word: number, n: number): number => Math.floor((word * n) / 2 ** 32);

/** The pixel that position i shows when the row is mirrored about its first and its last pixel. */
function reflect(i: number, extent: number): number {
  if (i < 0) return -i;
  return i >= extent ? 2 * (extent - 1) - i : i;
}

export function augmentImagesReference(
  [images, indices, state]: readonly TypedArray[],
  [y]: readonly TypedArray[],
  [{ shape }]: readonly Spec[],
  { crop, flip, erase }: AugmentParams,
): void {
  const [count, height, width, channels] = shape;
  const [seed, stream, low, high] = state;
  const rectangles = erase && eraseRectangles(erase, height, width);
  const odds = thresholdOf(erase ? erase.probability : 0);
  const a = new Uint32Array(4);
  const b = new Uint32Array(4);
  const own = new Uint32Array(4);
  const noise = new Uint32Array(4);

  for (let n = 0; n < indices.length; n++) {
    const index = indices[n];
    const exists = index >= 0 && index < count;
    philoxBlock(a, 0, n, 1, low, high, seed, stream);
    philoxBlock(b, 0, n, 2, low, high, seed, stream);
    philoxBlock(own, 0, index, 0, 0, 0, seed, stream);

    const shiftY = below(a[0], 2 * crop + 1) - crop;
    const shiftX = below(a[1], 2 * crop + 1) - crop;
    const mirrored = flip === 'none' ? 0 : flip === 'random' ? a[2] & 1 : (own[0] ^ high) & 1;
    const erased = rectangles !== null && (odds.always || a[3] < odds.threshold);
    const rectangle = rectangles ? rectangles[b[0] >>> 24] : 0;
    const eraseHeight = rectangle >>> 16;
    const eraseWidth = rectangle & 0xffff;
    const top = below(b[1], height - eraseHeight + 1);
    const left = below(b[2], width - eraseWidth + 1);

    for (let row = 0; row < height; row++) {
      for (let column = 0; column < width; column++) {
        const inside = erased && row >= top && row < top + eraseHeight && column >= left && column < left + eraseWidth;
        const fromRow = reflect(row + shiftY, height);
        const unflipped = reflect(column + shiftX, width);
        const fromColumn = mirrored ? width - 1 - unflipped : unflipped;
        for (let c = 0; c < channels; c++) {
          const element = (row * width + column) * channels + c;
          const to = n * height * width * channels + element;
          if (!exists) {
            y[to] = Number.NaN;
          } else if (inside) {
            if (erase?.fill === 'random') {
              philoxBlock(noise, 0, n, 3 + (element >>> 2), low, high, seed, stream);
              y[to] = uniformFromBits(noise[element & 3]);
            } else {
              y[to] = 0;
            }
          } else {
            y[to] = images[((index * height + fromRow) * width + fromColumn) * channels + c] / 255;
          }
        }
      }
    }
  }
}
