/**
 * The shaders of batch normalisation. `T` is what one invocation holds: four channels (vec4f) or one (f32); every formula
 * is written once for both. In a reduction the workgroup is `columnLanes` by `rowLanes` invocations: each adds up every
 * rowLanes-th row of its stretch, then a tree in workgroup memory joins the row lanes, always in the same order.
 */

export interface ReductionShape {
  /** Four channels to an invocation. */
  readonly vector: boolean;
  readonly columnLanes: number;
  readonly rowLanes: number;
}

export const types = (vector: boolean): string =>
  vector ? 'alias T = vec4f;\nalias Bits = vec4u;' : 'alias T = f32;\nalias Bits = u32;';

/** Joins the results of all row lanes into those of row lane 0; `join` adds lane `b`'s to lane `a`'s. */
export const tree = (rowLanes: number, join: string): string => /* wgsl */ `
  workgroupBarrier();
  for (var half = ${rowLanes / 2}u; half > 0u; half /= 2u) {
    if (rowLane < half) {
      let a = rowLane * COLUMNS + columnLane;
      let b = a + half * COLUMNS;
      ${join}
    }
    workgroupBarrier();
  }`;

export const laneIndices = ({ columnLanes }: ReductionShape): string => /* wgsl */ `
  let columnLane = local % ${columnLanes}u;
  let rowLane = local / ${columnLanes}u;
  let column = group.x * ${columnLanes}u + columnLane;
  let live = column < sizes.columns;`;

export const header = ({ vector, columnLanes, rowLanes }: ReductionShape): string => /* wgsl */ `
${types(vector)}
const COLUMNS = ${columnLanes}u;
const ROWS = ${rowLanes}u;
const LANES = ${columnLanes * rowLanes}u;`;

export const entry = ({ columnLanes, rowLanes }: ReductionShape): string => /* wgsl */ `
@compute @workgroup_size(${columnLanes * rowLanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32)`;

/**
 * Means and sums of squared deviations are joined by Chan's formula; a lane without rows has count 0 and changes nothing.
 */
const momentsMemory = /* wgsl */ `
var<workgroup> counts: array<f32, LANES>;
var<workgroup> means: array<T, LANES>;
var<workgroup> squares: array<T, LANES>;

fn join(a: u32, b: u32) {
  let n = counts[a] + counts[b];
  let delta = means[b] - means[a];
  let weight = counts[b] / max(n, 1.0);
  if (counts[b] > 0.0) {
    squares[a] += squares[b] + delta * delta * (counts[a] * weight);
    means[a] += delta * weight;
  }
  counts[a] = n;
}`;

/**
 * partials [chunks, 2, C]: mean (less the channel's first value, so that a large common offset costs no digits) and sum of
 * squared deviations of every stretch of rows; then those first values [C].
 */
export function statisticsSource(shape: ReductionShape): string {
  return /* wgsl */ `${header(shape)}
struct Sizes { count: u32, columns: u32, chunkRows: u32, chunks: u32 }
@group(0) @binding(0) var<storage, read> x: array<T>;
@group(0) @binding(1) var<storage, read_write> partials: array<T>;
@group(0) @binding(2) var<uniform> sizes: Sizes;
${momentsMemory}
${entry(shape)} {
  ${laneIndices(shape)}
  let first = group.y * sizes.chunkRows + rowLane;
  let end = min((group.y + 1u) * sizes.chunkRows, sizes.count);
  counts[local] = 0.0;
  means[local] = T(0.0);
  squares[local] = T(0.0);
  if (live && first < end) {
    // Deviations from the lane's own first value: what is subtracted below is no larger than what is wanted.
    let shift = x[first * sizes.columns + column];
    var sum = T(0.0);
    var sumSquares = T(0.0);
    var n = 0.0;
    for (var row = first; row < end; row += ROWS) {
      let d = x[row * sizes.columns + column] - shift;
      sum += d;
      sumSquares += d * d;
      n += 1.0;
    }
    counts[local] = n;
    means[local] = (shift - x[column]) + sum / n;
    squares[local] = sumSquares - sum * (sum / n);
  }
  ${tree(shape.rowLanes, 'join(a, b);')}
  if (live && rowLane == 0u) {
    let at = group.y * 2u * sizes.columns + column;
    partials[at] = means[local];
    partials[at + sizes.columns] = squares[local];
    if (group.y == 0u) { partials[2u * sizes.chunks * sizes.columns + column] = x[column]; }
  }
}`;
}

/** Joins the partials: mean, inverseStd, running statistics, and table [3, C] of mean, scale, shift. */
export function finishStatisticsSource(shape: ReductionShape): string {
  return /* wgsl */ `${header(shape)}
struct Sizes { count: u32, columns: u32, chunkRows: u32, chunks: u32, epsilon: f32, momentum: f32, keep: f32 }
@group(0) @binding(0) var<storage, read_write> partials: array<T>;
@group(0) @binding(1) var<storage, read> gamma: array<T>;
@group(0) @binding(2) var<storage, read> beta: array<T>;
@group(0) @binding(3) var<storage, read_write> mean: array<T>;
@group(0) @binding(4) var<storage, read_write> inverseStd: array<T>;
@group(0) @binding(5) var<storage, read_write> runningMean: array<T>;
@group(0) @binding(6) var<storage, read_write> runningVariance: array<T>;
@group(0) @binding(7) var<storage, read_write> table: array<T>;
@group(0) @binding(8) var<uniform> sizes: Sizes;
${momentsMemory}
${entry(shape)} {
  ${laneIndices(shape)}
  var n = 0.0;
  var m = T(0.0);
  var s = T(0.0);
  if (live) {
    for (var chunk = rowLane; chunk < sizes.chunks; chunk += ROWS) {
      let rows = f32(min(sizes.chunkRows, sizes.count - chunk * sizes.chunkRows));
      let at = chunk * 2u * sizes.columns + column;
      let delta = partials[at] - m;
      let weight = rows / (n + rows);
      s += partials[at + sizes.columns] + delta * delta * (n * weight);
      m += delta * weight;
      n += rows;
    }
  }
  counts[local] = n;
  means[local] = m;
  squares[local] = s;
  ${tree(shape.rowLanes, 'join(a, b);')}
  if (live && rowLane == 0u) {
    let base = partials[2u * sizes.chunks * sizes.columns + column];
    let batchMean = base + means[local];
    let count = f32(sizes.count);
    // Rounding may leave a variance of zero just below zero. A NaN must stay one, which max() does not promise.
    let total = squares[local];
    let sum = select(total, T(0.0), ${isNegative('total')});
    let inverse = T(1.0) / sqrt(sum / count + T(sizes.epsilon));
    mean[column] = batchMean;
    inverseStd[column] = inverse;
    runningMean[column] = sizes.keep * runningMean[column] + sizes.momentum * batchMean;
    runningVariance[column] = sizes.keep * runningVariance[column] + sizes.momentum * (sum / max(count - 1.0, 1.0));
    // What rounding took from the mean comes back through the shift: y is exact to its own digits, not to the mean's.
    let lost = (base - batchMean) + means[local];
    let scale = gamma[column] * inverse;
    table[column] = batchMean;
    table[sizes.columns + column] = scale;
    table[2u * sizes.columns + column] = beta[column] - lost * scale;
  }
}`;
}

/** Below zero and not NaN, by its bits: comparisons with NaN may be folded away. */
export const isNegative = (value: string): string =>
  `(bitcast<Bits>(${value}) - Bits(0x80000000u)) <= Bits(0x7f800000u)`;

/** The ReLU's gradient: dy where y is positive (or NaN). */
export const openGradient = (dy: string, y: string): string => `select(${dy}, T(0.0), ${y} <= T(0.0))`;

/** partials [chunks, 2, C]: sums of g and g (x - mean) over every stretch of rows. Writes g as dresidual. */
export function gradientSumsSource(
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
var<workgroup> sums: array<T, LANES>;
var<workgroup> deviations: array<T, LANES>;
${entry(shape)} {
  ${laneIndices(shape)}
  let first = group.y * sizes.chunkRows + rowLane;
  let end = min((group.y + 1u) * sizes.chunkRows, sizes.count);
  var sum = T(0.0);
  var deviation = T(0.0);
  if (live) {
    let centre = mean[column];
    for (var row = first; row < end; row += ROWS) {
      let i = row * sizes.columns + column;
      let g = ${relu ? openGradient('dy[i]', 'y[i]') : 'dy[i]'};
      sum += g;
      deviation += g * (x[i] - centre);
      ${residual ? 'dresidual[i] = g;' : ''}
    }
  }
  sums[local] = sum;
  deviations[local] = deviation;
  ${tree(shape.rowLanes, 'sums[a] += sums[b]; deviations[a] += deviations[b];')}
  if (live && rowLane == 0u) {
    let at = group.y * 2u * sizes.columns + column;
    partials[at] = sums[local];
    partials[at + sizes.columns] = deviations[local];
  }
}`;
}

/** Joins the partials: dgamma, dbeta, and table [3, C] of scale, slope, offset with dx = scale (g - (slope x + offset)). */
export function finishGradientSource(shape: ReductionShape, fixed: boolean): string {
  return /* wgsl */ `${header(shape)}
struct Sizes { count: u32, columns: u32, chunks: u32, epsilon: f32 }
@group(0) @binding(0) var<storage, read_write> partials: array<T>;
@group(0) @binding(1) var<storage, read> gamma: array<T>;
@group(0) @binding(2) var<storage, read> mean: array<T>;
@group(0) @binding(3) var<storage, read> spread: array<T>;
@group(0) @binding(4) var<storage, read_write> dgamma: array<T>;
@group(0) @binding(5) var<storage, read_write> dbeta: array<T>;
@group(0) @binding(6) var<storage, read_write> table: array<T>;
@group(0) @binding(7) var<uniform> sizes: Sizes;
var<workgroup> sums: array<T, LANES>;
var<workgroup> deviations: array<T, LANES>;
${entry(shape)} {
  ${laneIndices(shape)}
  var sum = T(0.0);
  var deviation = T(0.0);
  if (live) {
    for (var chunk = rowLane; chunk < sizes.chunks; chunk += ROWS) {
      let at = chunk * 2u * sizes.columns + column;
      sum += partials[at];
      deviation += partials[at + sizes.columns];
    }
  }
  sums[local] = sum;
  deviations[local] = deviation;
  ${tree(shape.rowLanes, 'sums[a] += sums[b]; deviations[a] += deviations[b];')}
  if (live && rowLane == 0u) {
    let inverseStd = ${fixed ? 'T(1.0) / sqrt(spread[column] + T(sizes.epsilon))' : 'spread[column]'};
    let gammaGradient = deviations[local] * inverseStd;
    dbeta[column] = sums[local];
    dgamma[column] = gammaGradient;
    let slope = gammaGradient * inverseStd / max(f32(sizes.count), 1.0);
    table[column] = gamma[column] * inverseStd;
    table[sizes.columns + column] = slope;
    table[2u * sizes.columns + column] = sums[local] / max(f32(sizes.count), 1.0) - mean[column] * slope;
  }
}`;
}

/** What an elementwise pass declares, computes once per column, and does to element i. */
interface Body {
  readonly vector: boolean;
  readonly bindings: readonly string[];
  readonly numbers: string;
  /** Declared after the bindings. */
  readonly functions?: string;
  readonly column: string;
  readonly element: string;
}

/** y = act((x - mean) scale + shift [+ residual]); with fixed statistics the parameters are computed here. */
export function normalizeSource(options: {
  vector: boolean;
  residual: boolean;
  relu: boolean;
  fixed: boolean;
}): string {
  const { vector, residual, relu, fixed } = options;
  return elementwise({
    vector,
    bindings: [
      'read> x',
      ...(residual ? ['read> residual'] : []),
      'read_write> y',
      ...(fixed ? ['read> gamma', 'read> beta', 'read> mean', 'read> variance'] : ['read_write> table']),
    ],
    numbers: fixed ? ', epsilon: f32' : '',
    column: fixed
      ? /* wgsl */ `
  let centre = mean[column];
  let scale = gamma[column] * (T(1.0) / sqrt(variance[column] + T(sizes.epsilon)));
  let shift = beta[column];`
      : /* wgsl */ `
  let centre = table[column];
  let scale = table[sizes.columns + column];
  let shift = table[2u * sizes.columns + column];`,
    element: /* wgsl */ `
    let value = (x[i] - centre) * scale + shift${residual ? ' + residual[i]' : ''};
    y[i] = ${relu ? `select(value, T(0.0), ${isNegative('value')})` : 'value'};`,
  });
}

/** dx = scale (g - (slope x + offset)), or scale g with fixed statistics; g is dresidual, or dy masked by y where `masked`. */
export function inputGradientSource(options: {
  vector: boolean;
  masked: boolean;
  fixed: boolean;
  fromResidual: boolean;
}): string {
  const { vector, masked, fixed, fromResidual } = options;
  return elementwise({
    vector,
    bindings: [
      fromResidual ? 'read_write> dy' : 'read> dy',
      'read_write> dx',
      'read_write> table',
      ...(fixed ? [] : ['read> x']),
      ...(masked ? ['read> y'] : []),
    ],
    numbers: '',
    column: /* wgsl */ `
  let scale = table[column];
  ${fixed ? '' : 'let slope = table[sizes.columns + column];'}
  ${fixed ? '' : 'let offset = table[2u * sizes.columns + column];'}`,
    element: /* wgsl */ `
    let g = ${masked ? openGradient('dy[i]', 'y[i]') : 'dy[i]'};
    dx[i] = scale * ${fixed ? 'g' : '(g - (slope * x[i] + offset))'};`,
  });
}

/** Several rows of one column to an invocation, rowStep rows apart, so that neighbours read neighbours. */
export function elementwise({ vector, bindings, numbers, functions = '', column, element }: Body): string {
  return /* wgsl */ `
${types(vector)}
struct Sizes { count: u32, columns: u32, rowStep: u32${numbers} }
${bindings.map((binding, i) => `@group(0) @binding(${i}) var<storage, ${binding}: array<T>;`).join('\n')}
@group(0) @binding(${bindings.length}) var<uniform> sizes: Sizes;
${functions}
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let thread = id.x + id.y * (groups.x * 64u);
  let column = thread % sizes.columns;
  let first = thread / sizes.columns;
  if (first >= sizes.rowStep) { return; }
  ${column}
  for (var row = first; row < sizes.count; row += sizes.rowStep) {
    let i = row * sizes.columns + column;
    ${element}
  }
}`;
}
