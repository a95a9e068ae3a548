/**
 * The training forward pass on devices of highest precision, in pairs of float32 from the first sum to the last: sums of
 * deviations from the channel's first value and of their squares, then y = (x - mean) scale + beta [+ residual], rounded once.
 */
import { pairArithmetic } from '../pairs.wgsl.ts';
import { elementwise, entry, header, isNegative, laneIndices, type ReductionShape, tree } from './sources.wgsl.ts';

const arithmetic = (vector: boolean): string => pairArithmetic(vector ? 'vec4f' : 'f32', 'sizes.count >> 31u');

/** The workgroup's sums; a lane without rows has zeros. */
const memory = /* wgsl */ `
var<workgroup> sums: array<Pair, LANES>;
var<workgroup> squares: array<Pair, LANES>;

fn join(a: u32, b: u32) {
  sums[a] = plus(sums[a], sums[b]);
  squares[a] = plus(squares[a], squares[b]);
}`;

/** partials [chunks, 4, C]: the sum of deviations and the sum of their squares of every stretch of rows. */
export function pairSumsSource(shape: ReductionShape): string {
  return /* wgsl */ `${header(shape)}
struct Sizes { count: u32, columns: u32, chunkRows: u32 }
@group(0) @binding(0) var<storage, read> x: array<T>;
@group(0) @binding(1) var<storage, read_write> partials: array<T>;
@group(0) @binding(2) var<uniform> sizes: Sizes;
${arithmetic(shape.vector)}
${memory}
${entry(shape)} {
  ${laneIndices(shape)}
  let first = group.y * sizes.chunkRows + rowLane;
  let end = min((group.y + 1u) * sizes.chunkRows, sizes.count);
  var sum = Pair();
  var square = Pair();
  if (live) {
    let base = Pair(-x[column], T(0.0));
    for (var row = first; row < end; row += ROWS) {
      let d = plus(Pair(x[row * sizes.columns + column], T(0.0)), base);
      sum = plus(sum, d);
      square = plus(square, times(d, d));
    }
  }
  sums[local] = sum;
  squares[local] = square;
  ${tree(shape.rowLanes, 'join(a, b);')}
  if (live && rowLane == 0u) {
    let at = group.y * 4u * sizes.columns + column;
    partials[at] = sums[local].high;
    partials[at + sizes.columns] = sums[local].low;
    partials[at + 2u * sizes.columns] = squares[local].high;
    partials[at + 3u * sizes.columns] = squares[local].low;
  }
}`;
}

/** Joins the partials: mean, inverseStd, running statistics, and table [4, C] of mean and scale, as pairs. */
export function finishPairsSource(shape: ReductionShape): string {
  return /* wgsl */ `${header(shape)}
struct Sizes { count: u32, columns: u32, chunks: u32, epsilon: f32, momentum: f32, keep: f32 }
@group(0) @binding(0) var<storage, read_write> partials: array<T>;
@group(0) @binding(1) var<storage, read> x: array<T>;
@group(0) @binding(2) var<storage, read> gamma: array<T>;
@group(0) @binding(3) var<storage, read_write> mean: array<T>;
@group(0) @binding(4) var<storage, read_write> inverseStd: array<T>;
@group(0) @binding(5) var<storage, read_write> runningMean: array<T>;
@group(0) @binding(6) var<storage, read_write> runningVariance: array<T>;
@group(0) @binding(7) var<storage, read_write> table: array<T>;
@group(0) @binding(8) var<uniform> sizes: Sizes;
${arithmetic(shape.vector)}
${memory}
${entry(shape)} {
  ${laneIndices(shape)}
  var sum = Pair();
  var square = Pair();
  if (live) {
    for (var chunk = rowLane; chunk < sizes.chunks; chunk += ROWS) {
      let at = chunk * 4u * sizes.columns + column;
      sum = plus(sum, Pair(partials[at], partials[at + sizes.columns]));
      square = plus(square, Pair(partials[at + 2u * sizes.columns], partials[at + 3u * sizes.columns]));
    }
  }
  sums[local] = sum;
  squares[local] = square;
  ${tree(shape.rowLanes, 'join(a, b);')}
  if (live && rowLane == 0u) {
    let count = f32(sizes.count);
    let offset = over(sums[local], T(count));
    let batchMean = plus(Pair(x[column], T(0.0)), offset);
    let total = minus(squares[local], times(sums[local], offset));
    // Rounding may leave a variance of zero just below zero; a NaN must stay one.
    let negative = ${isNegative('total.high')};
    let deviations = Pair(select(total.high, T(0.0), negative), select(total.low, T(0.0), negative));
    let inverse = inverseRoot(plus(over(deviations, T(count)), Pair(T(sizes.epsilon), T(0.0))));
    let scale = times(Pair(gamma[column], T(0.0)), inverse);
    mean[column] = rounded(batchMean);
    inverseStd[column] = rounded(inverse);
    runningMean[column] = sizes.keep * runningMean[column] + sizes.momentum * rounded(batchMean);
    runningVariance[column] =
      sizes.keep * runningVariance[column] + sizes.momentum * (rounded(deviations) / max(count - 1.0, 1.0));
    table[column] = batchMean.high;
    table[sizes.columns + column] = batchMean.low;
    table[2u * sizes.columns + column] = scale.high;
    table[3u * sizes.columns + column] = scale.low;
  }
}`;
}

export function normalizePairsSource(options: { vector: boolean; residual: boolean; relu: boolean }): string {
  const { vector, residual, relu } = options;
  return elementwise({
    vector,
    bindings: ['read> x', ...(residual ? ['read> residual'] : []), 'read_write> y', 'read> beta', 'read_write> table'],
    numbers: '',
    functions: arithmetic(vector),
    column: /* wgsl */ `
  let centre = Pair(table[column], table[sizes.columns + column]);
  let scale = Pair(table[2u * sizes.columns + column], table[3u * sizes.columns + column]);
  let shift = Pair(beta[column], T(0.0));`,
    element: /* wgsl */ `
    let scaled = plus(times(minus(Pair(x[i], T(0.0)), centre), scale), shift);
    let value = rounded(${residual ? 'plus(scaled, Pair(residual[i], T(0.0)))' : 'scaled'});
    y[i] = ${relu ? `select(value, T(0.0), ${isNegative('value')})` : 'value'};`,
  });
}
