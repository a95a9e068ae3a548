/**
 * The leading eigenvectors of a covariance that is too large to be written down: images of 64 x 64 x 3 pixels have one of
 * 12,288 x 12,288. A few dozen random directions are multiplied with it again and again, which takes only products with the
 * rows (on the device, a piece at a time), and made orthonormal in between: they turn into the space of the leading
 * eigenvectors, in which a small eigenproblem finds them. It ends when the variances stand still.
 *
 * N. Halko, P. G. Martinsson, J. A. Tropp: Finding structure with randomness: probabilistic algorithms for constructing
 * approximate matrix decompositions. SIAM Review 53(2), 2011, algorithms 4.4 and 5.3.
 */
import { matmul } from '../autograd/ops/matmul.ts';
import type { Device } from '../devices/device.ts';
import { giveWay } from '../devices/event-loop.ts';
import { PhiloxStream, streamNamed } from '../kernels/random/philox.ts';
import { tensor } from '../tensor/creation.ts';
import { tidy } from '../tensor/lifetime.ts';
import { symmetricEigen } from './symmetric-eigen.ts';

/** Directions beyond those that are wanted: the last ones converge slowly. */
const SPARE = 10;
const MOST_PASSES = 20;
/** Relative change of a variance below which it stands still. */
const STILL = 1e-5;

export interface CentredRows {
  readonly count: number;
  readonly dimensions: number;
  /** Rows `start` to `end` less the mean, of magnitude about 1 at most. */
  rows(start: number, end: number): Float64Array;
}

export interface LeadingOptions {
  readonly device: Device;
  /** Rows on the device at a time. */
  readonly chunk: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (rowsDone: number, rows: number) => void;
}

export interface LeadingComponents {
  /** `[components]`: eigenvalues of X^T X / (n - 1), the largest first. */
  readonly values: Float64Array;
  /** `[components, dimensions]`: orthonormal rows. */
  readonly vectors: Float64Array;
}

/**
 * Leading eigenvalues and eigenvectors of the covariance of centred rows.
 * @param components at most as many as there are rows or dimensions
 */
export async function leadingComponents(
  data: CentredRows,
  components: number,
  options: LeadingOptions,
): Promise<LeadingComponents> {
  const { count, dimensions } = data;
  const size = Math.min(components + SPARE, count, dimensions);
  const random = new PhiloxStream(0, streamNamed('leading-components'), 0);
  let basis = Float64Array.from({ length: size * dimensions }, () => random.normal());
  orthonormalize(basis, size, dimensions);
  let before: Float64Array | undefined;
  for (let pass = 0; ; pass++) {
    const { products, covariance } = await multiply(data, basis, size, options);
    // Within the space that the directions span: eigenvectors of a matrix of a few dozen rows.
    const { values, vectors } = symmetricEigen(covariance, size);
    const isStill =
      before?.slice(0, components).every((value, i) => Math.abs(value - values[i]) <= STILL * Math.abs(values[0])) ??
      false;
    if (isStill || pass === MOST_PASSES) {
      return { values: values.slice(0, components), vectors: combine(vectors, basis, components, size, dimensions) };
    }
    before = values;
    basis = combine(vectors, products, size, size, dimensions);
    orthonormalize(basis, size, dimensions);
  }
}

/** The covariance times the directions `[size, dimensions]`, and within the space that they span `[size, size]`. */
async function multiply(
  { count, dimensions, rows }: CentredRows,
  basis: Float64Array,
  size: number,
  { device, chunk, signal, onProgress }: LeadingOptions,
): Promise<{ products: Float64Array; covariance: Float64Array }> {
  const products = new Float64Array(size * dimensions);
  const covariance = new Float64Array(size * size);
  const directions = tensor(basis, [size, dimensions], { device });
  try {
    for (let start = 0; start < count; start += chunk) {
      await giveWay();
      signal?.throwIfAborted();
      const end = Math.min(start + chunk, count);
      const [along, within] = tidy(() => {
        const x = tensor(rows(start, end), [end - start, dimensions], { device });
        const scores = matmul(x, directions, { transposeB: true });
        return [matmul(scores, x, { transposeA: true }), matmul(scores, scores, { transposeA: true })];
      });
      add(products, await along.data());
      add(covariance, await within.data());
      along.dispose();
      within.dispose();
      onProgress?.(end, count);
    }
  } finally {
    directions.dispose();
  }
  const scale = 1 / Math.max(1, count - 1);
  return { products: products.map(value => value * scale), covariance: covariance.map(value => value * scale) };
}

function add(sum: Float64Array, part: ArrayLike<number>): void {
  for (let i = 0; i < sum.length; i++) sum[i] += part[i];
}

/** The first `wanted` rows of a product of matrices, `[size, size]` and `[size, dimensions]`. */
function combine(
  weights: Float64Array,
  rows: Float64Array,
  wanted: number,
  size: number,
  dimensions: number,
): Float64Array<ArrayBuffer> {
  const combined = new Float64Array(wanted * dimensions);
  for (let i = 0; i < wanted; i++) {
    for (let j = 0; j < size; j++) {
      const weight = weights[i * size + j];
      for (let k = 0; k < dimensions; k++) combined[i * dimensions + k] += weight * rows[j * dimensions + k];
    }
  }
  return combined;
}

/**
 * Makes the rows orthonormal, one after the other, each twice (once leaves rounding errors where rows were nearly parallel).
 * A row of which nothing is left, since the points span fewer directions, becomes zero.
 */
function orthonormalize(rows: Float64Array, size: number, dimensions: number): void {
  for (let i = 0; i < size; i++) {
    const row = rows.subarray(i * dimensions, (i + 1) * dimensions);
    const first = Math.sqrt(dot(row, row));
    for (let round = 0; round < 2; round++) {
      for (let j = 0; j < i; j++) {
        const other = rows.subarray(j * dimensions, (j + 1) * dimensions);
        const along = dot(row, other);
        for (let k = 0; k < dimensions; k++) row[k] -= along * other[k];
      }
    }
    const length = Math.sqrt(dot(row, row));
    const scale = length > 1e-12 * first && length > 0 ? 1 / length : 0;
    for (let k = 0; k < dimensions; k++) row[k] *= scale;
  }
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k] * b[k];
  return sum;
}
