/**
 * All eigenvalues and eigenvectors of a symmetric matrix, in float64 on the host. Householder reflections make it
 * tridiagonal (a similarity, so the eigenvalues stay), then rotations chase what stands beside the diagonal to zero, an
 * eigenvalue at a time, with shifts that make it converge cubically. Eigenvectors are kept as rows: both steps then run
 * along memory. 784 x 784 takes a few seconds.
 *
 * G. H. Golub, C. F. Van Loan: Matrix computations, 4th edition, 2013, sections 5.1, 8.3.
 * J. H. Wilkinson, C. Reinsch: Handbook for automatic computation II, linear algebra, 1971.
 */
import { NonFiniteError, ShapeError, UsageError } from '../devices/errors.ts';
import { powerOfTwoBelow } from './distances.ts';

export interface SymmetricEigen {
  /** `[n]`, largest first. */
  readonly values: Float64Array;
  /** `[n, n]`: row i is the unit eigenvector of `values[i]`. */
  readonly vectors: Float64Array;
}

/** Sweeps that one eigenvalue may take; two are usual. */
const MOST_SWEEPS = 60;

/**
 * Eigenvalues and eigenvectors of a symmetric matrix, of which only the lower triangle is read. The matrix is first divided by
 * a power of two near its largest element, which rounds nothing away: squares of very large or very small elements would
 * overflow or vanish.
 *
 * @param matrix row-major `[n, n]`; left as it is
 * @throws UsageError when n is no whole number of at least 1, ShapeError when the matrix is not square, NonFiniteError when it
 *   holds NaN or infinity, or has an eigenvalue beyond float64
 */
export function symmetricEigen(matrix: ArrayLike<number>, n: number): SymmetricEigen {
  if (!Number.isInteger(n) || n < 1) throw new UsageError(`symmetricEigen: there is no matrix of ${n} rows.`);
  if (matrix.length !== n * n)
    throw new ShapeError(`symmetricEigen: ${matrix.length} values are no ${n} x ${n} matrix.`);
  const a = Float64Array.from(matrix);
  let largest = 0;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      if (!Number.isFinite(a[i * n + j])) {
        throw new NonFiniteError(`symmetricEigen: element [${i}, ${j}] is ${a[i * n + j]}.`);
      }
      largest = Math.max(largest, Math.abs(a[i * n + j]));
    }
  }
  const unit = powerOfTwoBelow(largest);
  for (let i = 0; i < a.length; i++) a[i] /= unit;
  const { diagonal, beside, vectors } = tridiagonal(a, n);
  diagonalize(diagonal, beside, vectors, n);
  const { values, vectors: ordered } = sorted(diagonal, vectors, n);
  for (let i = 0; i < n; i++) values[i] *= unit;
  if (!Number.isFinite(values[0]) || !Number.isFinite(values[n - 1])) {
    throw new NonFiniteError(`symmetricEigen: an eigenvalue is beyond float64; the largest element is ${largest}.`);
  }
  return { values, vectors: ordered };
}

interface Tridiagonal {
  readonly diagonal: Float64Array;
  /** Element i stands between rows i and i + 1; the last is 0. */
  readonly beside: Float64Array;
  /** Rows of the orthogonal V with A = V^T T V. */
  readonly vectors: Float64Array;
}

/** Reduces `a` (destroyed) to tridiagonal form. */
function tridiagonal(a: Float64Array, n: number): Tridiagonal {
  const beside = new Float64Array(n);
  const factors = new Float64Array(n);
  const product = new Float64Array(n);
  const v = new Float64Array(n);
  for (let k = 0; k < n - 2; k++) {
    // The reflection that turns column k below the diagonal into a multiple of its first unit vector.
    let norm = 0;
    for (let i = k + 1; i < n; i++) {
      v[i] = a[i * n + k];
      norm = Math.hypot(norm, v[i]);
    }
    if (norm === 0) continue;
    const alpha = v[k + 1] > 0 ? -norm : norm;
    v[k + 1] -= alpha;
    beside[k] = alpha;
    let square = 0;
    for (let i = k + 1; i < n; i++) square += v[i] * v[i];
    if (square === 0) continue;
    const factor = 2 / square;
    factors[k] = factor;
    // A <- H A H on the remaining rows: p = factor A v, w = p - factor/2 (p . v) v, A <- A - v w^T - w v^T.
    product.fill(0);
    for (let i = k + 1; i < n; i++) {
      const row = i * n;
      const vi = v[i];
      let sum = 0;
      for (let j = k + 1; j < i; j++) {
        sum += a[row + j] * v[j];
        product[j] += a[row + j] * vi;
      }
      product[i] += sum + a[row + i] * vi;
    }
    let projection = 0;
    for (let i = k + 1; i < n; i++) {
      product[i] *= factor;
      projection += product[i] * v[i];
    }
    const half = (factor / 2) * projection;
    for (let i = k + 1; i < n; i++) product[i] -= half * v[i];
    for (let i = k + 1; i < n; i++) {
      const row = i * n;
      const vi = v[i];
      const wi = product[i];
      for (let j = k + 1; j <= i; j++) a[row + j] -= vi * product[j] + wi * v[j];
    }
    // The reflection's vector rests where the column was.
    for (let i = k + 1; i < n; i++) a[i * n + k] = v[i];
  }
  if (n > 1) beside[n - 2] = a[(n - 1) * n + n - 2];
  const diagonal = Float64Array.from({ length: n }, (_, i) => a[i * (n + 1)]);

  // Q^T = H_last ... H_0, built from the last reflection on: rows and columns up to k are still those of the identity.
  const vectors = new Float64Array(n * n);
  for (let i = 0; i < n; i++) vectors[i * (n + 1)] = 1;
  for (let k = n - 3; k >= 0; k--) {
    if (factors[k] === 0) continue;
    for (let i = k + 1; i < n; i++) v[i] = a[i * n + k];
    for (let r = k + 1; r < n; r++) {
      const row = r * n;
      let sum = 0;
      for (let j = k + 1; j < n; j++) sum += vectors[row + j] * v[j];
      sum *= factors[k];
      for (let j = k + 1; j < n; j++) vectors[row + j] -= sum * v[j];
    }
  }
  return { diagonal, beside, vectors };
}

/** QL steps with Wilkinson's shift until nothing stands beside the diagonal; `vectors` are rotated along. */
function diagonalize(d: Float64Array, e: Float64Array, vectors: Float64Array, n: number): void {
  let largest = 0;
  for (let i = 0; i < n; i++) largest = Math.max(largest, Math.abs(d[i]), Math.abs(e[i]));
  // What the reduction has already rounded away of the whole matrix.
  const negligible = Number.EPSILON * largest;
  for (let low = 0; low < n; low++) {
    for (let sweep = 0; ; sweep++) {
      let high = low;
      while (high < n - 1 && Math.abs(e[high]) > negligible) high++;
      if (high === low) break;
      if (sweep === MOST_SWEEPS) throw new NonFiniteError(`symmetricEigen: eigenvalue ${low} does not converge.`);
      // The eigenvalue of the first 2 x 2 block that is nearer to its first element.
      const half = (d[low + 1] - d[low]) / (2 * e[low]);
      const shift = d[low] - e[low] / (half + (half >= 0 ? 1 : -1) * Math.hypot(half, 1));
      let bulge = d[high] - shift;
      let cosine = 1;
      let sine = 1;
      let carried = 0;
      let i = high - 1;
      for (; i >= low; i--) {
        const off = sine * e[i];
        const next = cosine * e[i];
        const radius = Math.hypot(off, bulge);
        e[i + 1] = radius;
        if (radius === 0) {
          // The block has come apart here; start over with what is left of it.
          d[i + 1] -= carried;
          e[high] = 0;
          break;
        }
        sine = off / radius;
        cosine = bulge / radius;
        const base = d[i + 1] - carried;
        const step = (d[i] - base) * sine + 2 * cosine * next;
        carried = sine * step;
        d[i + 1] = base + carried;
        bulge = cosine * step - next;
        rotateRows(vectors, i * n, n, cosine, sine);
      }
      if (i >= low) continue;
      d[low] -= carried;
      e[low] = bulge;
      e[high] = 0;
    }
  }
}

/** Turns row pair (at, at + n) by the rotation that a QL step applied to the matrix. */
function rotateRows(vectors: Float64Array, at: number, n: number, cosine: number, sine: number): void {
  for (let upper = at, lower = at + n; upper < at + n; upper++, lower++) {
    const x = vectors[upper];
    const y = vectors[lower];
    vectors[lower] = sine * x + cosine * y;
    vectors[upper] = cosine * x - sine * y;
  }
}

function sorted(values: Float64Array, vectors: Float64Array, n: number): SymmetricEigen {
  const order = Array.from(values.keys()).sort((a, b) => values[b] - values[a] || a - b);
  const ordered = new Float64Array(n * n);
  for (let to = 0; to < n; to++) ordered.set(vectors.subarray(order[to] * n, (order[to] + 1) * n), to * n);
  return { values: Float64Array.from(order, index => values[index]), vectors: ordered };
}
