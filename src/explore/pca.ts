/**
 * Principal components by the covariance matrix, which suits many points of few dimensions (60,000 x 784): the product
 * X^T X, nearly all of the work, runs on the device a few thousand centred rows at a time; the pieces are added up in
 * float64, and the 784 x 784 matrix that remains is decomposed on the host. What float32 rounds away stays below 1e-6 of
 * the variance, because rows are centred before they are rounded and no sum on the device is longer than one piece.
 *
 * An eigenvector's sign means nothing, so it is fixed: the loading of largest magnitude is positive.
 *
 * K. Pearson: On lines and planes of closest fit to systems of points in space. Philosophical Magazine, 1901.
 */
import { matmul } from '../autograd/ops/matmul.ts';
import type { Device } from '../devices/device.ts';
import { ShapeError, UsageError } from '../devices/errors.ts';
import { tensor } from '../tensor/creation.ts';
import { tidy } from '../tensor/lifetime.ts';
import { giveWay } from './event-loop.ts';
import { checkPoints, type Points } from './points.ts';
import { symmetricEigen } from './symmetric-eigen.ts';

/** Rows that are on the device at a time. */
const CHUNK = 2048;

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
 * @throws UsageError for fewer than two points or a number of components that cannot be; the signal's reason when aborted
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
  const mean = meanOf(points);
  const covariance = await covarianceOf(points, mean, options);
  let totalVariance = 0;
  for (let i = 0; i < dimensions; i++) totalVariance += covariance[i * (dimensions + 1)];
  const { values, vectors } = symmetricEigen(covariance, dimensions);
  const kept = vectors.slice(0, components * dimensions);
  for (let row = 0; row < components; row++) {
    fixSign(kept.subarray(row * dimensions, (row + 1) * dimensions));
  }
  // Rounding may leave the variance of a direction without any a little below 0.
  const explainedVariance = values.slice(0, components).map(value => Math.max(0, value));
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

/** Mean of every coordinate. */
export function meanOf({ values, count, dimensions, scale = 1 }: Points): Float64Array {
  const mean = new Float64Array(dimensions);
  for (let row = 0, at = 0; row < count; row++) for (let k = 0; k < dimensions; k++) mean[k] += values[at++];
  return mean.map(sum => (scale * sum) / count);
}

/** Rows `start` to `end`, less the mean. */
function centred({ values, dimensions, scale = 1 }: Points, mean: Float64Array, start: number, end: number) {
  const rows = new Float64Array((end - start) * dimensions);
  for (let at = 0, from = start * dimensions; at < rows.length; ) {
    for (let k = 0; k < dimensions; k++) rows[at++] = scale * values[from++] - mean[k];
  }
  return rows;
}

async function covarianceOf(points: Points, mean: Float64Array, options: PcaOptions): Promise<Float64Array> {
  const { device, signal, onProgress } = options;
  const { count, dimensions } = points;
  const sum = new Float64Array(dimensions * dimensions);
  for (let start = 0; start < count; start += CHUNK) {
    await giveWay();
    signal?.throwIfAborted();
    const end = Math.min(start + CHUNK, count);
    const product = tidy(() => {
      const x = tensor(centred(points, mean, start, end), [end - start, dimensions], { device });
      return matmul(x, x, { transposeA: true });
    });
    const part = await product.data();
    product.dispose();
    for (let i = 0; i < sum.length; i++) sum[i] += part[i];
    onProgress?.(end, count);
  }
  return sum.map(value => value / (count - 1));
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
      const product = tidy(() =>
        matmul(tensor(centred(points, mean, start, end), [end - start, mean.length], { device }), basis, {
          transposeB: true,
        }),
      );
      scores.set(await product.data(), start * components);
      product.dispose();
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
  const product = tidy(() =>
    matmul(
      tensor(plain, [scores.count, components], { device }),
      tensor(pca.components, [components, mean.length], { device }),
    ),
  );
  const values = Float64Array.from(await product.data(), (value, i) => value + mean[i % mean.length]);
  product.dispose();
  return { values, count: scores.count, dimensions: mean.length };
}
