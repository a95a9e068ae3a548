/**
 * The shaders of pooling. An invocation makes one output value of four channels (vec4f) or one (f32). Sizes come from the
 * uniform block, so one compilation serves every geometry; the 2 x 2 windows of the models are also compiled with their
 * geometry as constants, which lets the compiler write the loops out.
 */
import { pairSumsAndArithmetic } from '../pairs.wgsl.ts';

export interface SourceOptions {
  /** Four channels to an invocation. */
  readonly vector: boolean;
  /** 2 x 2 windows, strides 2, no padding, nothing hanging over: as constants. */
  readonly two: boolean;
  /** Sums are pairs of float32: for devices of highest precision. */
  readonly pairs?: boolean;
}

/** How sums are written. `quotient` divides the finished sum, `addQuotient` what is added. */
interface Sums {
  readonly begin: string;
  add(value: string): string;
  addQuotient(value: string, divisor: string): string;
  readonly result: string;
  quotient(divisor: string): string;
}

const sumsOf = (pairs: boolean | undefined): Sums =>
  pairs
    ? {
        begin: 'var sum = T(0.0); var low = T(0.0);',
        add: value => `accumulate(&sum, &low, ${value});`,
        addQuotient: (value, divisor) => `addQuotient(&sum, &low, ${value}, T(${divisor}));`,
        result: 'joined(sum, low)',
        quotient: divisor => `quotient(sum, low, T(${divisor}))`,
      }
    : {
        begin: 'var sum = T(0.0);',
        add: value => `sum += ${value};`,
        addQuotient: (value, divisor) => `sum += ${value} / ${divisor};`,
        result: 'sum',
        quotient: divisor => `sum / ${divisor}`,
      };

const pairLibrary = ({ vector, pairs }: Pick<SourceOptions, 'vector' | 'pairs'>): string =>
  pairs ? pairSumsAndArithmetic(vector ? 'vec4f' : 'f32', 'u32(sizes.batch) >> 31u') : '';

/** In the order of `geometryNumbers` in pool.wgsl.ts; `channels` counts vectors where there are any. */
const members = [
  'batch',
  'height',
  'width',
  'channels',
  'outputHeight',
  'outputWidth',
  'kernelHeight',
  'kernelWidth',
  'strideHeight',
  'strideWidth',
  'top',
  'bottom',
  'left',
  'right',
];

const GEOMETRY = ['kernelHeight', 'kernelWidth', 'strideHeight', 'strideWidth', 'top', 'bottom', 'left', 'right'];

/** Types, bindings, sizes, and the window of output pixel (oy, ox) clipped to the image. */
function header({ vector, two, pairs }: SourceOptions, arrays: readonly string[]): string {
  const constants = GEOMETRY.map((name, i) => `const ${name} = ${i < 4 ? 2 : 0};`).join('\n');
  const macros = GEOMETRY.map(name => `let ${name} = sizes.${name};`);
  const load = two ? '' : macros.join(' ');
  return /* wgsl */ `
${vector ? 'alias T = vec4f;\nalias Bits = vec4u;\nalias Mask = vec4<bool>;' : 'alias T = f32;\nalias Bits = u32;\nalias Mask = bool;'}
struct Sizes { ${members.map(name => `${name}: i32`).join(', ')} }
${arrays.map((array, i) => `@group(0) @binding(${i}) var<storage, ${array}: array<T>;`).join('\n')}
@group(0) @binding(${arrays.length}) var<uniform> sizes: Sizes;
${two ? constants : ''}
${pairLibrary({ vector, pairs })}

struct Window { y0: i32, y1: i32, x0: i32, x1: i32 }

fn windowAt(oy: i32, ox: i32) -> Window {
  ${load}
  let y = oy * strideHeight - top;
  let x = ox * strideWidth - left;
  return Window(max(y, 0), min(y + kernelHeight, sizes.height), max(x, 0), min(x + kernelWidth, sizes.width));
}

/** By its bits, because a comparison with NaN may be folded away. */
fn isNaN(value: T) -> Mask {
  return (bitcast<Bits>(value) & Bits(0x7fffffffu)) > Bits(0x7f800000u);
}

/** Larger than the best so far, or NaN: the first maximum wins, or the last NaN. */
fn beats(value: T, best: T) -> Mask {
  return isNaN(value) | ((value > best) & !isNaN(best));
}`;
}

const entry = /* wgsl */ `
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let thread = i32(id.x + id.y * (groups.x * 64u));`;

/** Splits `thread` into c, x, y, n of a grid of `height` by `width` pixels. */
const pixelOf = (height: string, width: string): string => /* wgsl */ `
  let c = thread % sizes.channels;
  let column = (thread / sizes.channels) % ${width};
  let row = (thread / sizes.channels / ${width}) % ${height};
  let n = thread / sizes.channels / ${width} / ${height};
  if (n >= sizes.batch) { return; }`;

const outputPixel = pixelOf('sizes.outputHeight', 'sizes.outputWidth');
const inputPixel = pixelOf('sizes.height', 'sizes.width');

/** Runs `body` for the pixels of `window` in row-major order, `i` being their element. */
const forEachPixel = (body: string): string => /* wgsl */ `
  for (var y = window.y0; y < window.y1; y++) {
    for (var x = window.x0; x < window.x1; x++) {
      let i = ((n * sizes.height + y) * sizes.width + x) * sizes.channels + c;
      ${body}
    }
  }`;

/** With \`pick\`, v at the winner; without, the winner itself. */
export function maxPoolSource(options: SourceOptions, pick: boolean): string {
  const arrays = pick ? ['read> image', 'read> values', 'read_write> result'] : ['read> image', 'read_write> result'];
  return /* wgsl */ `${header(options, arrays)}
${entry}
  ${outputPixel}
  let window = windowAt(row, column);
  let first = ((n * sizes.height + window.y0) * sizes.width + window.x0) * sizes.channels + c;
  var best = image[first];
  ${pick ? 'var picked = values[first];' : ''}
  ${forEachPixel(/* wgsl */ `
      let value = image[i];
      let wins = beats(value, best);
      best = select(best, value, wins);
      ${pick ? 'picked = select(picked, values[i], wins);' : ''}`)}
  result[thread] = ${pick ? 'picked' : 'best'};
}`;
}

const findWinner = /* wgsl */ `
  let first = ((n * sizes.height + window.y0) * sizes.width + window.x0) * sizes.channels + c;
  var best = image[first];
  var winner = Bits(u32(first));
  ${forEachPixel(/* wgsl */ `
      let value = image[i];
      let wins = beats(value, best);
      best = select(best, value, wins);
      winner = select(winner, Bits(u32(i)), wins);`)}`;

/** Windows that contain pixel (row, column), as half-open ranges of output rows and columns. */
const windowsAround = (two: boolean): string => /* wgsl */ `
  ${
    two
      ? ''
      : GEOMETRY.slice(0, 4)
          .map(name => `let ${name} = sizes.${name};`)
          .join(' ')
  }
  ${two ? '' : 'let top = sizes.top; let left = sizes.left;'}
  let oy0 = max(row + top - kernelHeight + strideHeight, 0) / strideHeight;
  let oy1 = min((row + top) / strideHeight + 1, sizes.outputHeight);
  let ox0 = max(column + left - kernelWidth + strideWidth, 0) / strideWidth;
  let ox1 = min((column + left) / strideWidth + 1, sizes.outputWidth);`;

/** An input pixel looks at every window that contains it and adds the gradients of those it won. */
export function maxPoolGradientSource(options: SourceOptions): string {
  const sums = sumsOf(options.pairs);
  return /* wgsl */ `${header(options, ['read> image', 'read> dy', 'read_write> dx'])}

fn gradientFrom(n: i32, c: i32, oy: i32, ox: i32, pixel: i32) -> T {
  let window = windowAt(oy, ox);
  ${findWinner}
  let gradient = dy[((n * sizes.outputHeight + oy) * sizes.outputWidth + ox) * sizes.channels + c];
  return select(T(0.0), gradient, winner == Bits(u32(pixel)));
}
${entry}
  ${inputPixel}
  ${windowsAround(options.two)}
  ${sums.begin}
  for (var oy = oy0; oy < oy1; oy++) {
    for (var ox = ox0; ox < ox1; ox++) {
      ${sums.add('gradientFrom(n, c, oy, ox, thread)')}
    }
  }
  dx[thread] = ${sums.result};
}`;
}

/**
 * Disjoint windows: an invocation writes all pixels of its window. The grid goes on past the last windows, as far as the
 * image does, and clears what no window covers.
 */
export function disjointMaxPoolGradientSource(options: SourceOptions): string {
  const { two } = options;
  const [kernelHeight, kernelWidth] = two ? ['2', '2'] : ['sizes.kernelHeight', 'sizes.kernelWidth'];
  return /* wgsl */ `${header(options, ['read> image', 'read> dy', 'read_write> dx'])}
${entry}
  let tilesDown = (sizes.height + ${kernelHeight} - 1) / ${kernelHeight};
  let tilesAcross = (sizes.width + ${kernelWidth} - 1) / ${kernelWidth};
  ${pixelOf('tilesDown', 'tilesAcross')}
  let window = windowAt(row, column);
  var gradient = T(0.0);
  if (row < sizes.outputHeight && column < sizes.outputWidth) {
    gradient = dy[((n * sizes.outputHeight + row) * sizes.outputWidth + column) * sizes.channels + c];
  }
  ${findWinner}
  ${forEachPixel('dx[i] = select(T(0.0), gradient, winner == Bits(u32(i)));')}
}`;
}

/** Pixels that window (oy, ox) is divided by. */
const countedArea = (countPadding: boolean, two: boolean): string => /* wgsl */ `
fn countedArea(oy: i32, ox: i32) -> f32 {
  ${
    countPadding
      ? /* wgsl */ `${two ? '' : GEOMETRY.map(name => `let ${name} = sizes.${name};`).join(' ')}
  let y = oy * strideHeight - top;
  let x = ox * strideWidth - left;
  let area = (min(y + kernelHeight, sizes.height + bottom) - y) * (min(x + kernelWidth, sizes.width + right) - x);`
      : /* wgsl */ `let window = windowAt(oy, ox);
  let area = (window.y1 - window.y0) * (window.x1 - window.x0);`
  }
  return f32(area);
}`;

export function averagePoolSource(options: SourceOptions, countPadding: boolean): string {
  const sums = sumsOf(options.pairs);
  return /* wgsl */ `${header(options, ['read> image', 'read_write> result'])}
${countedArea(countPadding, options.two)}
${entry}
  ${outputPixel}
  let window = windowAt(row, column);
  ${sums.begin}
  ${forEachPixel(sums.add('image[i]'))}
  result[thread] = ${sums.quotient('countedArea(row, column)')};
}`;
}

export function averagePoolGradientSource(options: SourceOptions, countPadding: boolean): string {
  const sums = sumsOf(options.pairs);
  return /* wgsl */ `${header(options, ['read> dy', 'read_write> dx'])}
${countedArea(countPadding, options.two)}
${entry}
  ${inputPixel}
  ${windowsAround(options.two)}
  ${sums.begin}
  for (var oy = oy0; oy < oy1; oy++) {
    for (var ox = ox0; ox < ox1; ox++) {
      let i = ((n * sizes.outputHeight + oy) * sizes.outputWidth + ox) * sizes.channels + c;
      ${sums.addQuotient('dy[i]', 'countedArea(oy, ox)')}
    }
  }
  dx[thread] = ${sums.result};
}`;
}

const globalHeader = (vector: boolean): string => /* wgsl */ `
alias T = ${vector ? 'vec4f' : 'f32'};
struct Sizes { batch: i32, height: i32, width: i32, channels: i32 }
@group(0) @binding(0) var<storage, read> input: array<T>;
@group(0) @binding(1) var<storage, read_write> result: array<T>;
@group(0) @binding(2) var<uniform> sizes: Sizes;`;

/** One invocation per image and channel: sums of rows, then of the rows' sums. */
export function globalAverageSource(vector: boolean): string {
  return /* wgsl */ `${globalHeader(vector)}
${entry}
  let n = thread / sizes.channels;
  if (n >= sizes.batch) { return; }
  var i = n * sizes.height * sizes.width * sizes.channels + thread % sizes.channels;
  var total = T(0.0);
  for (var row = 0; row < sizes.height; row++) {
    var sum = T(0.0);
    for (var column = 0; column < sizes.width; column++) {
      sum += input[i];
      i += sizes.channels;
    }
    total += sum;
  }
  result[thread] = total / f32(sizes.height * sizes.width);
}`;
}

/** The same in pairs: one sum, and one quotient. */
export function globalAveragePairsSource(vector: boolean): string {
  return /* wgsl */ `${globalHeader(vector)}
${pairLibrary({ vector, pairs: true })}
${entry}
  let n = thread / sizes.channels;
  if (n >= sizes.batch) { return; }
  let area = sizes.height * sizes.width;
  let first = n * area * sizes.channels + thread % sizes.channels;
  var sum = T(0.0);
  var low = T(0.0);
  for (var pixel = 0; pixel < area; pixel++) { accumulate(&sum, &low, input[first + pixel * sizes.channels]); }
  result[thread] = quotient(sum, low, T(f32(area)));
}`;
}

export function globalAverageGradientPairsSource(vector: boolean): string {
  return /* wgsl */ `${globalHeader(vector)}
${pairLibrary({ vector, pairs: true })}
${entry}
  let area = sizes.height * sizes.width;
  let n = thread / (area * sizes.channels);
  if (n >= sizes.batch) { return; }
  result[thread] = quotient(input[n * sizes.channels + thread % sizes.channels], T(0.0), T(f32(area)));
}`;
}

export function globalAverageGradientSource(vector: boolean): string {
  return /* wgsl */ `${globalHeader(vector)}
${entry}
  let area = sizes.height * sizes.width;
  let n = thread / (area * sizes.channels);
  if (n >= sizes.batch) { return; }
  result[thread] = input[n * sizes.channels + thread % sizes.channels] / f32(area);
}`;
}
