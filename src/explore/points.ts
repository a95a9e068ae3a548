/**
 * Points in a space of many dimensions, as all of this folder takes them: one row per point, on the host. Images stay the
 * bytes they came as, with the factor that makes pixels of them, so that 60,000 of them take 47 MB and not 376.
 */
import type { ImageSet } from '../data/fashion-mnist.ts';
import { ShapeError, UsageError } from '../devices/errors.ts';

/** `values` is row-major `[count, dimensions]`; a coordinate is `scale` (1 unless said otherwise) times its value. */
export interface Points {
  readonly values: Float32Array | Float64Array | Uint8Array;
  readonly count: number;
  readonly dimensions: number;
  readonly scale?: number;
}

/** Images as points whose coordinates are pixels in [0, 1]. */
export function pixelsOf({ images, count, height, width, channels }: Omit<ImageSet, 'labels'>): Points {
  return { values: images, count, dimensions: height * width * channels, scale: 1 / 255 };
}

/**
 * @throws ShapeError when values, count and dimensions do not fit; UsageError for a coordinate that is not a finite number,
 *   naming the first
 */
export function checkPoints({ values, count, dimensions, scale = 1 }: Points, what: string): void {
  const isWhole = Number.isInteger(count) && count >= 0 && Number.isInteger(dimensions) && dimensions >= 1;
  if (!isWhole || values.length !== count * dimensions) {
    throw new ShapeError(`${what}: ${values.length} values do not make ${count} points of ${dimensions} coordinates.`);
  }
  if (!Number.isFinite(scale)) throw new UsageError(`${what}: the scale of points is a finite number, not ${scale}.`);
  if (values instanceof Uint8Array && Math.abs(scale) < 1e300) return;
  for (let at = 0; at < values.length; at++) {
    if (Number.isFinite(scale * values[at])) continue;
    const [point, coordinate] = [Math.floor(at / dimensions), at % dimensions];
    throw new UsageError(
      `${what}: coordinate ${coordinate} of point ${point} is ${scale * values[at]}; coordinates must be finite numbers.`,
    );
  }
}

/**
 * The points at `indices`, in that order.
 * @throws UsageError for an index that there is not
 */
export function selectPoints(points: Points, indices: ArrayLike<number>): Points {
  const { values, dimensions, count } = points;
  const OfTheSameKind = values.constructor as new (length: number) => Points['values'];
  const chosen = new OfTheSameKind(indices.length * dimensions);
  for (let i = 0; i < indices.length; i++) {
    if (!(Number.isInteger(indices[i]) && indices[i] >= 0 && indices[i] < count))
      throw new UsageError(`There is no point ${indices[i]} among ${count}.`);
    chosen.set(values.subarray(indices[i] * dimensions, (indices[i] + 1) * dimensions), i * dimensions);
  }
  return { ...points, values: chosen, count: indices.length };
}

/** The square of the distance between a point of one set and a point of another (or the same). */
export function squaredDistance(a: Points, i: number, b: Points, j: number): number {
  const { values: x, dimensions, scale: scaleA = 1 } = a;
  const { values: y, scale: scaleB = 1 } = b;
  let sum = 0;
  for (let k = 0, p = i * dimensions, q = j * dimensions; k < dimensions; k++, p++, q++) {
    const difference = scaleA * x[p] - scaleB * y[q];
    sum += difference * difference;
  }
  return sum;
}
