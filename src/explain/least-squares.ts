/**
 * Linear least squares as an explanation needs it: many right-hand sides, few unknowns, and an answer also where the
 * coalitions drawn do not determine one. Cholesky's factorisation with the largest remaining diagonal first shows the rank as it
 * goes; below full rank the solution of least norm follows from the same factor.
 *
 * N. J. Higham: Analysis of the Cholesky decomposition of a semi-definite matrix. 1990.
 */

export interface Solution {
  /** [n, k] */
  readonly values: Float64Array;
  readonly rank: number;
}

/**
 * Solves A x = b for a symmetric positive semi-definite A, b in its range; the solution of least norm where there are many.
 *
 * @param a [n, n], row-major; only the lower triangle is read
 * @param b [n, k], row-major
 */
export function solvePositive(a: Float64Array, b: Float64Array, n: number): Solution {
  const columns = n === 0 ? 0 : b.length / n;
  const { factor, order, rank } = pivotedCholesky(a, n);
  const values = new Float64Array(b.length);
  if (rank === 0) return { values, rank };
  // y with factor y = P b: its first `rank` rows determine it.
  let y = new Float64Array(rank * columns);
  for (let i = 0; i < rank; i++) y.set(b.subarray(order[i] * columns, (order[i] + 1) * columns), i * columns);
  substituteForward(factor, n, y, rank, columns);
  if (rank === n) {
    substituteBackward(factor, n, y, rank, columns);
    for (let i = 0; i < n; i++) values.set(y.subarray(i * columns, (i + 1) * columns), order[i] * columns);
    return { values, rank };
  }
  // The least-norm x with factor^T x = y is factor (factor^T factor)^-1 y.
  y = solveFull(gramOf(factor, n, rank), y, rank, columns);
  for (let i = 0; i < n; i++) {
    const to = order[i] * columns;
    for (let k = 0; k < rank; k++) {
      const entry = factor[i * n + k];
      for (let c = 0; c < columns; c++) values[to + c] += entry * y[k * columns + c];
    }
  }
  return { values, rank };
}

/** factor [n, n] (lower trapezoid of `rank` columns), with A[order[i], order[j]] = (factor factor^T)[i, j]. */
function pivotedCholesky(a: Float64Array, n: number): { factor: Float64Array; order: Int32Array; rank: number } {
  const factor = new Float64Array(n * n);
  const order = Int32Array.from({ length: n }, (_, i) => i);
  const diagonal = Float64Array.from({ length: n }, (_, i) => a[i * n + i]);
  const tolerance = 8 * n * Number.EPSILON * diagonal.reduce((most, value) => Math.max(most, value), 0);
  for (let j = 0; j < n; j++) {
    let pivot = j;
    for (let i = j + 1; i < n; i++) if (diagonal[i] > diagonal[pivot]) pivot = i;
    if (!(diagonal[pivot] > tolerance)) return { factor, order, rank: j };
    if (pivot !== j) {
      [order[j], order[pivot]] = [order[pivot], order[j]];
      [diagonal[j], diagonal[pivot]] = [diagonal[pivot], diagonal[j]];
      for (let k = 0; k < j; k++) {
        const entry = factor[j * n + k];
        factor[j * n + k] = factor[pivot * n + k];
        factor[pivot * n + k] = entry;
      }
    }
    const root = Math.sqrt(diagonal[j]);
    factor[j * n + j] = root;
    for (let i = j + 1; i < n; i++) {
      const [row, column] = order[i] > order[j] ? [order[i], order[j]] : [order[j], order[i]];
      let entry = a[row * n + column];
      for (let k = 0; k < j; k++) entry -= factor[i * n + k] * factor[j * n + k];
      entry /= root;
      factor[i * n + j] = entry;
      diagonal[i] -= entry * entry;
    }
  }
  return { factor, order, rank: n };
}

/** factor^T factor of the first `rank` columns, [rank, rank]. */
function gramOf(factor: Float64Array, n: number, rank: number): Float64Array {
  const gram = new Float64Array(rank * rank);
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < rank; k++) {
      const entry = factor[i * n + k];
      if (entry === 0) continue;
      for (let l = 0; l <= k; l++) gram[k * rank + l] += entry * factor[i * n + l];
    }
  }
  return gram;
}

/** Solves a positive definite system [n, n] (its lower triangle is overwritten) for b [n, columns]. */
function solveFull(a: Float64Array, b: Float64Array, n: number, columns: number): Float64Array<ArrayBuffer> {
  for (let j = 0; j < n; j++) {
    for (let i = j; i < n; i++) {
      let entry = a[i * n + j];
      for (let k = 0; k < j; k++) entry -= a[i * n + k] * a[j * n + k];
      a[i * n + j] = i === j ? Math.sqrt(entry) : entry / a[j * n + j];
    }
  }
  const x = Float64Array.from(b);
  substituteForward(a, n, x, n, columns);
  substituteBackward(a, n, x, n, columns);
  return x;
}

/** b <- L^-1 b, for the leading [rank, rank] triangle of rows of `stride`. */
function substituteForward(l: Float64Array, stride: number, b: Float64Array, rank: number, columns: number): void {
  for (let i = 0; i < rank; i++) {
    for (let c = 0; c < columns; c++) {
      let entry = b[i * columns + c];
      for (let k = 0; k < i; k++) entry -= l[i * stride + k] * b[k * columns + c];
      b[i * columns + c] = entry / l[i * stride + i];
    }
  }
}

/** b <- L^-T b. */
function substituteBackward(l: Float64Array, stride: number, b: Float64Array, rank: number, columns: number): void {
  for (let i = rank - 1; i >= 0; i--) {
    for (let c = 0; c < columns; c++) {
      let entry = b[i * columns + c];
      for (let k = i + 1; k < rank; k++) entry -= l[k * stride + i] * b[k * columns + c];
      b[i * columns + c] = entry / l[i * stride + i];
    }
  }
}
