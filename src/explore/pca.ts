/**
 * Principal components by the covariance matrix, which suits many points of few dimensions (60,000 x 784): the product
 * X^T X, nearly all of the work, runs on the device a few thousand centred rows at a time; the pieces are added up in
 * float64, and the 784 x 784 matrix that remains is decomposed on the host. What float32 rounds away stays below 1e-6 of
 * the variance, because rows are centred before they are rounded and no sum on the device is longer than one piece.
 *
 * Images of more pixels (32 x 32 x 3 and up) have covariances that take minutes or do not fit; of those only the leading
 * directions are found (see `leading-components.ts`).
 *
 * An eigenvector's sign means nothing, so it is fixed: the loading of largest magnitude is positive.
 *
 * K. Pearson: On lines and planes of closest fit to systems of points in space. Philosophical Magazine, 1901.
 */
import { matmul } from '../autograd/ops/matmul.ts';
import type { Device } from '../devices/device.ts';
import { ShapeError, UsageError } from '../devices/errors.ts';
import { giveWay } from '../devices/event-loop.ts';
import { tensor } from '../tensor/creation.ts';
import { tidy } from '../tensor/lifetime.ts';
import { extentOf, powerOfTwoBelow } from './distances.ts';
import { leadingComponents } from './leading-components.ts';
import { checkPoints, type Points } from './points.ts';
import { symmetricEigen } from './symmetric-eigen.ts';

/** Rows that are on the device at a time. */
const CHUNK = 2048;
/** Dimensions up to which the whole covariance is decomposed: a matter of seconds, and exact to the last direction. */
const MOST_COVARIANCE = 1024;
/** Differences of coordinates below it, or above its inverse, have squares that float64 does not hold. */
const LEAST_UNIT = 2 ** -480;

export interface Pca {
  /** `[dimensions]` */
  readonly mean: Float64Array;
  /** `[components, dimensions]`: orthonormal rows, the direction of most variance first. */
  readonly components: Float64Array;
  /** `[components]`: variances along them, S^2 / (n - 1). */
  readonly explainedVariance: Float64Array;
  /** The same as shares of the total variance. */
  readonly explainedVarianceRatio: Float64Array;
  /** Sum of all dimensions' variances. */
  readonly totalVariance: number;
  /** Points that it was fitted to. */
  readonly samples: number;
  /** Whether scores are divided by their standard deviation. */
  readonly whiten: boolean;
}

export interface PcaOptions {
  /** How many to keep; at most as many as there are dimensions or points. */
  readonly components: number;
  readonly device: Device;
  readonly whiten?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (rowsDone: number, rows: number) => void;
}

/**
 * Fits principal components to points.
 *
 * @throws UsageError for fewer than two points, a number of components that cannot be, a coordinate that is not finite, or
 *   variances beyond float64; the signal's reason when aborted
 * @example const pca = await fitPca(pixelsOf(train), { components: 50, device });
 */
export async function fitPca(points: Points, options: PcaOptions): Promise<Pca> {
  checkPoints(points, 'PCA');
  const { count, dimensions } = points;
  const { components, whiten = false } = options;
  if (count < 2) throw new UsageError(`PCA needs at least two points, not ${count}.`);
  const most = Math.min(count, dimensions);
  if (!Number.isInteger(components) || components < 1 || components > most) {
    throw new UsageError(
      `PCA: ${components} components cannot be had of ${count} points of ${dimensions} dimensions; ask for 1 to ${most}.`,
    );
  }
  const { largest } = extentOf(points);
  const unit = powerOfTwoBelow(largest);
  if (!(largest === 0 || (unit > LEAST_UNIT && unit < 1 / LEAST_UNIT))) {
    throw new UsageError(
      `PCA: coordinates differ by ${largest} at most, so variances are beyond float64; rescale them.`,
    );
  }
  const mean = meanOf(points);
  const { values, kept, totalVariance } =
    dimensions > MOST_COVARIANCE && components < dimensions / 4
      ? await leading(points, mean, unit, options)
      : await all(points, mean, unit, options);
  for (let row = 0; row < components; row++) {
    fixSign(kept.subarray(row * dimensions, (row + 1) * dimensions));
  }
  // Rounding may leave the variance of a direction without any a little below 0; n points have n - 1 directions with some.
  const explainedVariance = values.slice(0, components).map((value, i) => (i < count - 1 ? Math.max(0, value) : 0));
  return {
    mean,
    components: kept,
    explainedVariance,
    explainedVarianceRatio: explainedVariance.map(value => (totalVariance > 0 ? value / totalVariance : 0)),
    totalVariance,
    samples: count,
    whiten,
  };
}

/** Variances, the directions that are kept, and the sum of all variances. */
interface Directions {
  readonly values: Float64Array;
  readonly kept: Float64Array;
  readonly totalVariance: number;
}

/** By the whole covariance. */
async function all(points: Points, mean: Float64Array, unit: number, options: PcaOptions): Promise<Directions> {
  const { dimensions } = points;
  const covariance = await covarianceOf(points, mean, unit, options);
  let totalVariance = 0;
  for (let i = 0; i < dimensions; i++) totalVariance += covariance[i * (dimensions + 1)];
  const { values, vectors } = symmetricEigen(covariance, dimensions);
  return { values, kept: vectors.slice(0, options.components * dimensions), totalVariance };
}

/** By products with the points, where the covariance would be too large. */
async function leading(points: Points, mean: Float64Array, unit: number, options: PcaOptions): Promise<Directions> {
  const { count, dimensions } = points;
  const { components, device, signal, onProgress } = options;
  const rows = (start: number, end: number): Float64Array => centred(points, mean, start, end, unit);
  // No more at a time than 2048 rows of 784 coordinates.
  const chunk = Math.max(16, Math.floor((CHUNK * 784) / dimensions));
  const { values, vectors } = await leadingComponents({ count, dimensions, rows }, components, {
    device,
    chunk,
    signal,
    onProgress,
  });
  let squares = 0;
  for (let start = 0; start < count; start += chunk) {
    for (const value of rows(start, Math.min(start + chunk, count))) squares += value * value;
  }
  const scale = unit * unit;
  return { values: values.map(value => value * scale), kept: vectors, totalVariance: (squares / (count - 1)) * scale };
}

/**
 * Mean of every coordinate. A sum of numbers that lie far from zero has rounded away more than their spread may be, so what
 * the first mean leaves is averaged in turn (bytes add up exactly).
 */
export function meanOf(points: Points): Float64Array {
  const { values, count, dimensions, scale = 1 } = points;
  const sums = new Float64Array(dimensions);
  if (values instanceof Uint8Array) {
    for (let row = 0, at = 0; row < count; row++) for (let k = 0; k < dimensions; k++) sums[k] += values[at++];
    return sums.map(sum => (scale * sum) / count);
  }
  // In units of the largest number, so that no sum overflows.
  let largest = 0;
  for (let at = 0; at < values.length; at++) largest = Math.max(largest, Math.abs(values[at]));
  const unit = powerOfTwoBelow(largest);
  for (let row = 0, at = 0; row < count; row++) for (let k = 0; k < dimensions; k++) sums[k] += values[at++] / unit;
  const mean = sums.map(sum => sum / count);
  const rest = new Float64Array(dimensions);
  for (let row = 0, at = 0; row < count; row++) {
    for (let k = 0; k < dimensions; k++) rest[k] += values[at++] / unit - mean[k];
  }
  return mean.map((value, k) => scale * ((value + rest[k] / count) * unit));
}

/** Rows `start` to `end`, less the mean, divided by a unit. */
function centred(
  { values, dimensions, scale = 1 }: Points,
  mean: Float64Array,
  start: number,
  end: number,
  unit: number,
): Float64Array {
  const rows = new Float64Array((end - start) * dimensions);
  for (let at = 0, from = start * dimensions; at < rows.length; ) {
    for (let k = 0; k < dimensions; k++) rows[at++] = (scale * values[from++] - mean[k]) / unit;
  }
  return rows;
}

/** Divides rows by a power of two near their largest element, so that they and their products are within float32. */
function inUnits(rows: Float64Array): number {
  const largest = rows.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  if (!Number.isFinite(largest)) throw new UsageError('PCA: coordinates lie beyond float64; rescale them.');
  const unit = powerOfTwoBelow(largest);
  for (let i = 0; i < rows.length; i++) rows[i] /= unit;
  return unit;
}

/** @param unit a power of two near the largest difference of coordinates, which keeps squares within float32 */
async function covarianceOf(
  points: Points,
  mean: Float64Array,
  unit: number,
  options: PcaOptions,
): Promise<Float64Array> {
  const { device, signal, onProgress } = options;
  const { count, dimensions } = points;
  const sum = new Float64Array(dimensions * dimensions);
  for (let start = 0; start < count; start += CHUNK) {
    await giveWay();
    signal?.throwIfAborted();
    const end = Math.min(start + CHUNK, count);
    const product = tidy(() => {
      const x = tensor(centred(points, mean, start, end, unit), [end - start, dimensions], { device });
      return matmul(x, x, { transposeA: true });
    });
    const part = await product.data();
    product.dispose();
    for (let i = 0; i < sum.length; i++) sum[i] += part[i];
    onProgress?.(end, count);
  }
  return sum.map(value => (value / (count - 1)) * unit * unit);
}

function fixSign(vector: Float64Array): void {
  let largest = 0;
  for (let i = 1; i < vector.length; i++) if (Math.abs(vector[i]) > Math.abs(vector[largest])) largest = i;
  if (vector[largest] < 0) for (let i = 0; i < vector.length; i++) vector[i] = -vector[i];
}

function componentCount({ components, mean }: Pca): number {
  return components.length / mean.length;
}

/** Standard deviations along the components; 1 where there is none, so that nothing is divided by 0. */
function deviations({ explainedVariance }: Pca): Float64Array {
  return explainedVariance.map(variance => (variance > 0 ? Math.sqrt(variance) : 1));
}

/** Coordinates of points along the components (their scores): `[count, components]`. */
export async function transformPca(pca: Pca, points: Points, device: Device): Promise<Points> {
  checkPoints(points, 'PCA');
  const { mean, whiten } = pca;
  const components = componentCount(pca);
  if (points.dimensions !== mean.length) {
    throw new ShapeError(`PCA: points of ${points.dimensions} coordinates, but it was fitted to ${mean.length}.`);
  }
  const scores = new Float64Array(points.count * components);
  const basis = tensor(pca.components, [components, mean.length], { device });
  try {
    for (let start = 0; start < points.count; start += CHUNK) {
      const end = Math.min(start + CHUNK, points.count);
      const rows = centred(points, mean, start, end, 1);
      const unit = inUnits(rows);
      const product = tidy(() =>
        matmul(tensor(rows, [end - start, mean.length], { device }), basis, { transposeB: true }),
      );
      const some = await product.data();
      product.dispose();
      for (let i = 0; i < some.length; i++) scores[start * components + i] = some[i] * unit;
    }
  } finally {
    basis.dispose();
  }
  if (whiten) {
    const sd = deviations(pca);
    for (let i = 0; i < scores.length; i++) scores[i] /= sd[i % components];
  }
  return { values: scores, count: points.count, dimensions: components };
}

/** The points that scores stand for, `[count, dimensions]`: exact when all components were kept, else the nearest. */
export async function inverseTransformPca(pca: Pca, scores: Points, device: Device): Promise<Points> {
  checkPoints(scores, 'PCA');
  const { mean, whiten } = pca;
  const components = componentCount(pca);
  if (scores.dimensions !== components) {
    throw new ShapeError(`PCA: scores of ${scores.dimensions} coordinates for ${components} components.`);
  }
  const sd = whiten ? deviations(pca) : undefined;
  const { scale = 1 } = scores;
  const plain = Float64Array.from(scores.values, (value, i) => scale * value * (sd ? sd[i % components] : 1));
  const unit = inUnits(plain);
  const product = tidy(() =>
    matmul(
      tensor(plain, [scores.count, components], { device }),
      tensor(pca.components, [components, mean.length], { device }),
    ),
  );
  const values = Float64Array.from(await product.data(), (value, i) => value * unit + mean[i % mean.length]);
  product.dispose();
  return { values, count: scores.count, dimensions: mean.length };
}
