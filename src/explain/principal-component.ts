/**
 * The first principal component of a small matrix, on the host in float64. The symmetric matrix of the smaller side is
 * squared over and over, which raises it to a power of a thousand in ten products, so that close eigenvalues part too.
 */

const SQUARINGS = 12;
const ITERATIONS = 200;

/** A A^T for A [n, inner]. */
function gram(a: Float64Array, n: number, inner: number): Float64Array {
  const g = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let k = 0; k < inner; k++) sum += a[i * inner + k] * a[j * inner + k];
      g[i * n + j] = g[j * n + i] = sum;
    }
  }
  return g;
}

function transposed(a: Float64Array, rows: number, columns: number): Float64Array {
  return Float64Array.from({ length: a.length }, (_, i) => a[(i % rows) * columns + Math.floor(i / rows)]);
}

/** S S for a symmetric S [n, n], scaled to a largest element of 1. */
function squared(s: Float64Array, n: number): Float64Array {
  const out = gram(s, n, n);
  const largest = out.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  return largest > 0 ? out.map(value => value / largest) : out;
}

function normalized(v: Float64Array): Float64Array {
  const norm = Math.sqrt(v.reduce((sum, value) => sum + value * value, 0));
  return norm > 0 ? v.map(value => value / norm) : v;
}

/** The unit eigenvector of the largest eigenvalue of a positive semidefinite matrix [n, n]; zeros for the zero matrix. */
function leadingVector(matrix: Float64Array, n: number): Float64Array {
  let power = matrix;
  for (let i = 0; i < SQUARINGS; i++) power = squared(power, n);
  // The column with the largest diagonal is never orthogonal to the leading eigenvector.
  let start = 0;
  for (let i = 1; i < n; i++) if (power[i * n + i] > power[start * n + start]) start = i;
  let v = normalized(power.slice(start * n, start * n + n));
  for (let step = 0; step < ITERATIONS; step++) {
    const next = new Float64Array(n);
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) next[i] += power[i * n + j] * v[j];
    const moved = normalized(next);
    const change = moved.reduce((sum, value, i) => sum + Math.abs(value - v[i]), 0);
    v = moved;
    if (change < 1e-14) break;
  }
  return v;
}

/**
 * Positions' scores on the first principal component of A [positions, channels], whose columns are centred first. The
 * sign makes them correlate positively with the sums over channels; a matrix without variance gives zeros.
 */
export function firstPrincipalScores(values: ArrayLike<number>, positions: number, channels: number): Float64Array {
  // In a unit near the largest value, a power of two: squares of very small or very large values leave float64.
  let largest = 0;
  for (let i = 0; i < values.length; i++) largest = Math.max(largest, Math.abs(values[i]));
  const unit = largest > 0 ? 2 ** Math.min(1022, Math.max(-1022, Math.floor(Math.log2(largest)))) : 1;
  const a = Float64Array.from(values, value => value / unit);
  const totals = new Float64Array(positions);
  for (let k = 0; k < channels; k++) {
    // Measured from the first position, so that a flat channel is exactly 0.
    const first = a[k];
    let mean = 0;
    for (let i = 0; i < positions; i++) mean += (a[i * channels + k] - first) / positions;
    for (let i = 0; i < positions; i++) {
      a[i * channels + k] -= first + mean;
      totals[i] += a[i * channels + k];
    }
  }
  const ofColumns = channels <= positions;
  const side = ofColumns ? channels : positions;
  const v = leadingVector(
    ofColumns ? gram(transposed(a, positions, channels), side, positions) : gram(a, side, channels),
    side,
  );
  let direction = v;
  if (!ofColumns) {
    const along = new Float64Array(channels);
    for (let i = 0; i < positions; i++) for (let k = 0; k < channels; k++) along[k] += a[i * channels + k] * v[i];
    direction = normalized(along);
  }
  const scores = new Float64Array(positions);
  let agreement = 0;
  for (let i = 0; i < positions; i++) {
    for (let k = 0; k < channels; k++) scores[i] += a[i * channels + k] * direction[k];
    agreement += scores[i] * totals[i];
  }
  return scores.map(score => (agreement < 0 ? 0 - score : score) * unit);
}
