/**
 * Points in a space of many dimensions, as all of this folder takes them: one row per point, on the host. Images stay the
 * bytes they came as, with the factor that makes pixels of them, so that 60,000 of them take 47 MB and not 376.
 */
import type { ImageSet } from '../data/fashion-mnist.ts';
import { ShapeError } from '../devices/errors.ts';

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

/** @throws ShapeError when values, count and dimensions do not fit */
export function checkPoints({ values, count, dimensions }: Points, what: string): void {
  if (values.length !== count * dimensions || dimensions < 1) {
    throw new ShapeError(`${what}: ${values.length} values do not make ${count} points of ${dimensions} coordinates.`);
  }
}

/** The points at `indices`, in that order. */
export function selectPoints(points: Points, indices: ArrayLike<number>): Points {
  const { values, dimensions } = points;
  const OfTheSameKind = values.constructor as new (length: number) => Points['values'];
  const chosen = new OfTheSameKind(indices.length * dimensions);
  for (let i = 0; i < indices.length; i++) {
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
