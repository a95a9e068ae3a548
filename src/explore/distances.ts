/**
 * Distances in float64 that neither overflow nor vanish, whatever unit the coordinates are in: differences are taken first
 * and then divided by a power of two near the largest of them, which rounds nothing away.
 */
import { ShapeError, UsageError } from '../devices/errors.ts';
import { checkPoints, type Points } from './points.ts';

/** The power of two in (x / 2, x] for a positive float64 (the least normal one for what is smaller); 1 for 0. */
export function powerOfTwoBelow(x: number): number {
  if (x === 0) return 1;
  const power = 2 ** Math.min(1023, Math.max(-1022, Math.floor(Math.log2(x))));
  // The logarithm of a number next to a power of two may round across it.
  return power > x && power > 2 ** -1022 ? power / 2 : power;
}

/** Where the coordinates of points lie. */
export interface Extent {
  /** `[dimensions]` */
  readonly low: Float64Array;
  readonly high: Float64Array;
  /** The largest difference of two points in one coordinate. */
  readonly largest: number;
}

/** The extent of all points of several sets together. */
export function extentOf(...sets: readonly Points[]): Extent {
  const { dimensions } = sets[0];
  const low = new Float64Array(dimensions).fill(Number.POSITIVE_INFINITY);
  const high = new Float64Array(dimensions).fill(Number.NEGATIVE_INFINITY);
  for (const { values, count, scale = 1 } of new Set(sets)) {
    for (let row = 0, at = 0; row < count; row++) {
      for (let k = 0; k < dimensions; k++, at++) {
        const coordinate = scale * values[at];
        if (coordinate < low[k]) low[k] = coordinate;
        if (coordinate > high[k]) high[k] = coordinate;
      }
    }
  }
  // Sets without points have no extent.
  const largest = low.reduce((most, from, k) => Math.max(most, high[k] >= from ? high[k] - from : 0), 0);
  return { low, high, largest };
}

/**
 * Squared distances between the points of one set and those of another (or the same). A scale that both have in common is
 * left to the end, so that distances between bytes are whole numbers and equal ones are equal.
 */
export class Distances {
  /** The points as they are measured: with a common scale taken out. */
  readonly points: Points;
  readonly among: Points;
  /** Of both sets, as they are measured. */
  readonly extent: Extent;
  /** The power of two that differences are divided by. */
  readonly unit: number;
  readonly #scale: number;

  /**
   * @throws ShapeError when the two do not fit; UsageError for a coordinate that is not finite, or when a distance would be
   *   beyond float64
   */
  constructor(points: Points, among: Points, what: string) {
    checkPoints(points, what);
    if (among !== points) checkPoints(among, what);
    if (points.dimensions !== among.dimensions) {
      throw new ShapeError(
        `${what}: the points have ${points.dimensions} coordinates, those they are compared with ${among.dimensions}.`,
      );
    }
    const { scale = 1 } = points;
    const isCommon = scale === (among.scale ?? 1) && scale !== 0;
    this.#scale = isCommon ? Math.abs(scale) : 1;
    this.points = isCommon ? { ...points, scale: 1 } : points;
    this.among = among === points ? this.points : isCommon ? { ...among, scale: 1 } : among;
    this.extent = extentOf(this.points, this.among);
    const { largest } = this.extent;
    if (!(largest <= Number.MAX_VALUE / Math.sqrt(points.dimensions) / Math.max(1, this.#scale))) {
      throw new UsageError(
        `${what}: coordinates differ by ${this.#scale * largest}, so distances are beyond float64; rescale them.`,
      );
    }
    this.unit = powerOfTwoBelow(largest);
  }

  /**
   * The square of the distance of point `i` and point `j` among the others, in units squared; of one that exceeds `most`, any
   * number above `most`.
   */
  squared(i: number, j: number, most = Number.POSITIVE_INFINITY): number {
    const { values: x, dimensions, scale: scaleX = 1 } = this.points;
    const { values: y, scale: scaleY = 1 } = this.among;
    const inverse = 1 / this.unit;
    let sum = 0;
    for (let k = 0, p = i * dimensions, q = j * dimensions; k < dimensions; k++, p++, q++) {
      const difference = (scaleX * x[p] - scaleY * y[q]) * inverse;
      sum += difference * difference;
      // Squares are not negative, so the sum only grows.
      if (sum > most) return sum;
    }
    return sum;
  }

  /** The distance whose square in units squared is given. */
  length(squared: number): number {
    return Math.sqrt(squared) * this.unit * this.#scale;
  }
}
