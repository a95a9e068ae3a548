/** What a corruption is, and the two tools that most of them need: reading between pixels, and a Gaussian blur. */
import type { PhiloxStream } from '../kernels/random/philox.ts';

/** One grey image in [0, 1], row by row from the top left, 0 black. */
export interface GreyImage {
  /** `[height, width]` */
  readonly values: Float64Array;
  readonly width: number;
  readonly height: number;
}

/** 1 (hardly seen) to 5 (severe). */
export type Severity = number;

export interface Corruption {
  readonly family: 'noise' | 'blur' | 'tone' | 'geometry' | 'overlay';
  /** False where there is nothing to grade (a mirror image): every severity is the same. */
  readonly graded: boolean;
  /** What happens to a picture, in a few plain words. */
  readonly what: string;
  /**
   * A corrupted copy `[height, width]`; what lies outside [0, 1] is cut off by the caller.
   *
   * @param random of this image alone; whatever the severity, the numbers drawn must begin with the same ones
   */
  apply(image: GreyImage, severity: Severity, random: PhiloxStream): Float64Array;
}

/** The severity's parameter from a list of five. */
export function graded<T>(five: readonly [T, T, T, T, T], severity: Severity): T {
  return five[severity - 1];
}

/** -1 or 1. */
export function randomSign(random: PhiloxStream): number {
  return random.nextUint32() >>> 31 ? 1 : -1;
}

/** The value at (x, y) between pixel centres, bilinear; black outside the image. */
export function sampleAt({ values, width, height }: GreyImage, x: number, y: number): number {
  const left = Math.floor(x);
  const top = Math.floor(y);
  if (left < -1 || top < -1 || left >= width || top >= height) return 0;
  const right = x - left;
  const below = y - top;
  const place = top * width + left;
  const hasLeft = left >= 0;
  const hasRight = left + 1 < width;
  let sum = 0;
  if (top >= 0) {
    if (hasLeft) sum += (1 - below) * (1 - right) * values[place];
    if (hasRight) sum += (1 - below) * right * values[place + 1];
  }
  if (top + 1 < height) {
    if (hasLeft) sum += below * (1 - right) * values[place + width];
    if (hasRight) sum += below * right * values[place + width + 1];
  }
  return sum;
}

/** Convolution with a Gaussian in both directions, out to three sigma; the edge's value goes on beyond the edge. */
export function gaussianBlur({ values, width, height }: GreyImage, sigma: number): Float64Array {
  const reach = Math.max(1, Math.ceil(3 * sigma));
  const kernel = Float64Array.from({ length: 2 * reach + 1 }, (_, i) =>
    Math.exp(-((i - reach) ** 2) / (2 * sigma ** 2)),
  );
  const total = kernel.reduce((sum, weight) => sum + weight, 0);
  const pass = (from: Float64Array, length: number, lines: number, step: number, line: number): Float64Array => {
    const to = new Float64Array(from.length);
    for (let j = 0; j < lines; j++) {
      for (let i = 0; i < length; i++) {
        let sum = 0;
        for (let k = -reach; k <= reach; k++) {
          const place = Math.min(length - 1, Math.max(0, i + k));
          sum += kernel[k + reach] * from[j * line + place * step];
        }
        to[j * line + i * step] = sum / total;
      }
    }
    return to;
  };
  return pass(pass(values, width, height, 1, width), height, width, width, 1);
}
