/**
 * The training forward pass on devices of highest precision, in pairs of float32 from the first sum to the last: sums of
 * deviations from the channel's first value and of their squares, then y = (x - mean) scale + beta [+ residual], rounded once.
 */
import { pairArithmetic } from '../pairs.wgsl.ts';
import {
  elementwise,
  entry,
  header,
  isNegative,
  laneIndices,
  openGradient,
  type ReductionShape,
  tree,
} from './sources.wgsl.ts';

const arithmetic = (vector: boolean): string => pairArithmetic(vector ? 'vec4f' : 'f32', 'sizes.count >> 31u');

/** The workgroup's sums; a lane without rows has zeros. Of the gradient the second ones are of g (x - mean). */
const memory = /* wgsl */ `
var<workgroup> sums: array<FloatPair, LANES>;
var<workgroup> squares: array<FloatPair, LANES>;

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
  var sum = FloatPair();
  var square = FloatPair();
  if (live) {
    let base = FloatPair(-x[column], T(0.0));
    for (var row = first; row < end; row += ROWS) {
      let d = plus(FloatPair(x[row * sizes.columns + column], T(0.0)), base);
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

/** The lane's share of the partials [chunks, 4, C]. */
const joinPartials = /* wgsl */ `var sum = FloatPair();
  var square = FloatPair();
  if (live) {
    for (var chunk = rowLane; chunk < sizes.chunks; chunk += ROWS) {
      let at = chunk * 4u * sizes.columns + column;
      sum = plus(sum, FloatPair(partials[at], partials[at + sizes.columns]));
      square = plus(square, FloatPair(partials[at + 2u * sizes.columns], partials[at + 3u * sizes.columns]));
    }
  }
  sums[local] = sum;
  squares[local] = square;`;

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
  ${joinPartials}
  ${tree(shape.rowLanes, 'join(a, b);')}
  if (live && rowLane == 0u) {
    let count = f32(sizes.count);
    let offset = over(sums[local], T(count));
    let batchMean = plus(FloatPair(x[column], T(0.0)), offset);
    let total = minus(squares[local], times(sums[local], offset));
    // Rounding may leave a variance of zero just below zero; a NaN must stay one.
    let negative = ${isNegative('total.high')};
    let deviations = FloatPair(select(total.high, T(0.0), negative), select(total.low, T(0.0), negative));
    let inverse = inverseRoot(plus(over(deviations, T(count)), FloatPair(T(sizes.epsilon), T(0.0))));
    let scale = times(FloatPair(gamma[column], T(0.0)), inverse);
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

/** With fixed statistics, centre and scale are computed here. */
export function normalizePairsSource(options: {
  vector: boolean;
  residual: boolean;
  relu: boolean;
  fixed: boolean;
}): string {
  const { vector, residual, relu, fixed } = options;
  const statistics = fixed ? ['read> gamma', 'read> mean', 'read> variance'] : ['read_write> table'];
  return elementwise({
    vector,
    bindings: ['read> x', ...(residual ? ['read> residual'] : []), 'read_write> y', 'read> beta', ...statistics],
    numbers: fixed ? ', epsilon: f32' : '',
    functions: arithmetic(vector),
    column: /* wgsl */ `
  ${
    fixed
      ? /* wgsl */ `let centre = FloatPair(mean[column], T(0.0));
  let scale = times(FloatPair(gamma[column], T(0.0)), inverseRoot(sumOf(variance[column], T(sizes.epsilon))));`
      : /* wgsl */ `let centre = FloatPair(table[column], table[sizes.columns + column]);
  let scale = FloatPair(table[2u * sizes.columns + column], table[3u * sizes.columns + column]);`
  }
  let shift = FloatPair(beta[column], T(0.0));`,
    element: /* wgsl */ `
    let scaled = plus(times(minus(FloatPair(x[i], T(0.0)), centre), scale), shift);
    let value = rounded(${residual ? 'plus(scaled, FloatPair(residual[i], T(0.0)))' : 'scaled'});
    y[i] = ${relu ? `select(value, T(0.0), ${isNegative('value')})` : 'value'};`,
  });
}

/** partials [chunks, 4, C]: sums of g and g (x - mean) over every stretch of rows. Writes g as dresidual. */
export function gradientPairSumsSource(
  shape: ReductionShape,
  { relu, residual }: { relu: boolean; residual: boolean },
): string {
  const next = 4 + Number(relu);
  return /* wgsl */ `${header(shape)}
struct Sizes { count: u32, columns: u32, chunkRows: u32 }
@group(0) @binding(0) var<storage, read> x: array<T>;
@group(0) @binding(1) var<storage, read> dy: array<T>;
@group(0) @binding(2) var<storage, read> mean: array<T>;
@group(0) @binding(3) var<storage, read_write> partials: array<T>;
${relu ? '@group(0) @binding(4) var<storage, read> y: array<T>;' : ''}
${residual ? `@group(0) @binding(${next}) var<storage, read_write> dresidual: array<T>;` : ''}
@group(0) @binding(${next + Number(residual)}) var<uniform> sizes: Sizes;
${arithmetic(shape.vector)}
${memory}
${entry(shape)} {
  ${laneIndices(shape)}
  let first = group.y * sizes.chunkRows + rowLane;
  let end = min((group.y + 1u) * sizes.chunkRows, sizes.count);
  var sum = FloatPair();
  var deviation = FloatPair();
  if (live) {
    let centre = -mean[column];
    for (var row = first; row < end; row += ROWS) {
      let i = row * sizes.columns + column;
      let g = FloatPair(${relu ? openGradient('dy[i]', 'y[i]') : 'dy[i]'}, T(0.0));
      sum = plus(sum, g);
      deviation = plus(deviation, times(g, sumOf(x[i], centre)));
      ${residual ? 'dresidual[i] = g.high;' : ''}
    }
  }
  sums[local] = sum;
  squares[local] = deviation;
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

/** Joins the partials: dgamma, dbeta, and table [6, C] of the pairs scale, offset, slope. */
export function finishGradientPairsSource(shape: ReductionShape, fixed: boolean): string {
  return /* wgsl */ `${header(shape)}
struct Sizes { count: u32, columns: u32, chunks: u32, epsilon: f32 }
@group(0) @binding(0) var<storage, read_write> partials: array<T>;
@group(0) @binding(1) var<storage, read> gamma: array<T>;
@group(0) @binding(2) var<storage, read> spread: array<T>;
@group(0) @binding(3) var<storage, read_write> dgamma: array<T>;
@group(0) @binding(4) var<storage, read_write> dbeta: array<T>;
@group(0) @binding(5) var<storage, read_write> table: array<T>;
@group(0) @binding(6) var<uniform> sizes: Sizes;
${arithmetic(shape.vector)}
${memory}

fn keep(at: u32, value: FloatPair) {
  table[at] = value.high;
  table[at + sizes.columns] = value.low;
}
${entry(shape)} {
  ${laneIndices(shape)}
  ${joinPartials}
  ${tree(shape.rowLanes, 'join(a, b);')}
  if (live && rowLane == 0u) {
    let count = T(max(f32(sizes.count), 1.0));
    let inverse = ${fixed ? 'inverseRoot(sumOf(spread[column], T(sizes.epsilon)))' : 'FloatPair(spread[column], T(0.0))'};
    let gammaGradient = times(squares[local], inverse);
    dbeta[column] = rounded(sums[local]);
    dgamma[column] = rounded(gammaGradient);
    keep(column, times(FloatPair(gamma[column], T(0.0)), inverse));
    keep(2u * sizes.columns + column, over(sums[local], count));
    keep(4u * sizes.columns + column, over(times(gammaGradient, inverse), count));
  }
}`;
}

/** dx = scale (g - offset - slope (x - mean)), or scale g with fixed statistics. */
export function inputGradientPairsSource(options: { vector: boolean; relu: boolean; fixed: boolean }): string {
  const { vector, relu, fixed } = options;
  const part = (row: number): string =>
    `FloatPair(table[${row}u * sizes.columns + column], table[${row + 1}u * sizes.columns + column])`;
  return elementwise({
    vector,
    bindings: [
      'read> dy',
      'read_write> dx',
      'read_write> table',
      ...(fixed ? [] : ['read> x', 'read> mean']),
      ...(relu ? ['read> y'] : []),
    ],
    numbers: '',
    functions: arithmetic(vector),
    column: /* wgsl */ `
  let scale = ${part(0)};
  ${fixed ? '' : `let offset = ${part(2)};\n  let slope = ${part(4)};\n  let centre = -mean[column];`}`,
    element: /* wgsl */ `
    let g = FloatPair(${relu ? openGradient('dy[i]', 'y[i]') : 'dy[i]'}, T(0.0));
    dx[i] = rounded(times(scale, ${fixed ? 'g' : 'minus(minus(g, offset), times(slope, sumOf(x[i], centre)))'}));`,
  });
}
