/**
 * Bilinear resampling in WGSL, one invocation per value of the output. The gradient of resizing is a gather too: an input
 * pixel computes which output pixels read it and adds up its share of each, in order, so no atomics are needed.
 */
import { input, output, type WgslVariant } from '../../devices/kernel.ts';
import { sizeOf } from '../../devices/shape.ts';
import { linearGrid, linearIndex } from '../../devices/webgpu/dispatch.ts';
import { uniforms } from '../../devices/webgpu/uniforms.ts';
import {
  type AffineParams,
  type ResizeAxis,
  type ResizeGradientParams,
  type ResizeParams,
  resizeAxis,
} from './resample.ts';

const WORKGROUP = 64;

const affineSource = /* wgsl */ `
struct Params { total: u32, height: i32, width: i32, channels: u32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> matrices: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

fn pixel(n: u32, row: i32, column: i32, channel: u32) -> f32 {
  if (row < 0 || row >= params.height || column < 0 || column >= params.width) { return 0.0; }
  let place = (n * u32(params.height) + u32(row)) * u32(params.width) + u32(column);
  return x[place * params.channels + channel];
}

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  ${linearIndex(WORKGROUP)}
  if (i >= params.total) { return; }
  let place = i / params.channels;
  let channel = i - place * params.channels;
  let line = place / u32(params.width);
  let n = line / u32(params.height);
  let column = f32(place - line * u32(params.width));
  let row = f32(line - n * u32(params.height));

  let m = 6u * n;
  let source = vec2f(
    matrices[m] * column + matrices[m + 1u] * row + matrices[m + 2u],
    matrices[m + 3u] * column + matrices[m + 4u] * row + matrices[m + 5u],
  );
  let corner = floor(source);
  let fraction = source - corner;
  // Clamped before it becomes an integer; beyond these bounds all four neighbours are outside in any case.
  let leftTop = vec2i(clamp(corner, vec2f(-2.0), vec2f(f32(params.width), f32(params.height))));
  let upper = mix2(pixel(n, leftTop.y, leftTop.x, channel), pixel(n, leftTop.y, leftTop.x + 1, channel), fraction.x);
  let lower = mix2(pixel(n, leftTop.y + 1, leftTop.x, channel), pixel(n, leftTop.y + 1, leftTop.x + 1, channel), fraction.x);
  y[i] = mix2(upper, lower, fraction.y);
}

fn mix2(a: f32, b: f32, fraction: f32) -> f32 {
  return (1.0 - fraction) * a + fraction * b;
}
`;

export const affineImagesWgsl: readonly WgslVariant<AffineParams>[] = [
  {
    name: 'any',
    applies: () => true,
    plan([{ shape }], _, { maxComputeWorkgroupsPerDimension }) {
      const total = sizeOf(shape);
      return {
        passes: [
          {
            source: affineSource,
            bindings: [input(0), input(1), output(0)],
            uniforms: uniforms([total, ...shape.slice(1)]),
            workgroups: linearGrid(total, WORKGROUP, maxComputeWorkgroupsPerDimension),
          },
        ],
      };
    },
  },
];

const axisWgsl = /* wgsl */ `
// Output position o lies at max(0, o * step + offset) / denominator input pixels.
struct Axis { step: i32, offset: i32, denominator: i32, extent: i32 }
struct Params { vertical: vec4i, horizontal: vec4i, total: u32, channels: u32, height: u32, width: u32 }
@group(0) @binding(2) var<uniform> params: Params;

fn axisOf(words: vec4i) -> Axis { return Axis(words.x, words.y, words.z, words.w); }

/** The two input pixels that output position o lies between, and the weight of the second. */
struct Neighbours { first: i32, second: i32, fraction: f32 }
fn neighbours(o: i32, axis: Axis) -> Neighbours {
  let position = max(0, o * axis.step + axis.offset);
  let first = position / axis.denominator;
  let fraction = f32(position - first * axis.denominator) / f32(axis.denominator);
  return Neighbours(first, min(first + 1, axis.extent - 1), fraction);
}
`;

const resizeSource = /* wgsl */ `
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
${axisWgsl}
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  ${linearIndex(WORKGROUP)}
  if (i >= params.total) { return; }
  let place = i / params.channels;
  let channel = i - place * params.channels;
  let line = place / params.width;
  let n = line / params.height;
  let vertical = axisOf(params.vertical);
  let horizontal = axisOf(params.horizontal);
  let rows = neighbours(i32(line - n * params.height), vertical);
  let columns = neighbours(i32(place - line * params.width), horizontal);

  let stride = u32(horizontal.extent) * params.channels;
  let top = (n * u32(vertical.extent) + u32(rows.first)) * stride + channel;
  let bottom = (n * u32(vertical.extent) + u32(rows.second)) * stride + channel;
  let left = u32(columns.first) * params.channels;
  let right = u32(columns.second) * params.channels;
  let upper = (1.0 - columns.fraction) * x[top + left] + columns.fraction * x[top + right];
  let lower = (1.0 - columns.fraction) * x[bottom + left] + columns.fraction * x[bottom + right];
  y[i] = (1.0 - rows.fraction) * upper + rows.fraction * lower;
}
`;

const gradientSource = /* wgsl */ `
@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read_write> dx: array<f32>;
${axisWgsl}
/** First and one past the last output position, of \`count\`, that reads input position i. */
fn readers(i: i32, axis: Axis, count: i32) -> vec2i {
  var range = vec2i(0, count);
  if (i > 0) {
    let before = (i - 1) * axis.denominator - axis.offset;
    range.x = select(select(0, before / max(1, axis.step) + 1, before >= 0), count, axis.step == 0);
  }
  if (i < axis.extent - 1) {
    let after = (i + 1) * axis.denominator - axis.offset;
    let last = select(0, (after + axis.step - 1) / max(1, axis.step), after > 0);
    range.y = select(min(last, count), count, axis.step == 0);
  }
  return range;
}

/** What output position o takes of input position i. */
fn weight(i: i32, o: i32, axis: Axis) -> f32 {
  let n = neighbours(o, axis);
  return select(0.0, 1.0 - n.fraction, n.first == i) + select(0.0, n.fraction, n.second == i);
}

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  ${linearIndex(WORKGROUP)}
  if (i >= params.total) { return; }
  let vertical = axisOf(params.vertical);
  let horizontal = axisOf(params.horizontal);
  let place = i / params.channels;
  let channel = i - place * params.channels;
  let line = place / u32(horizontal.extent);
  let n = line / u32(vertical.extent);
  let row = i32(line - n * u32(vertical.extent));
  let column = i32(place - line * u32(horizontal.extent));

  let rows = readers(row, vertical, i32(params.height));
  let columns = readers(column, horizontal, i32(params.width));
  var total = 0.0;
  for (var oy = rows.x; oy < rows.y; oy++) {
    var sum = 0.0;
    for (var ox = columns.x; ox < columns.y; ox++) {
      let place = (n * params.height + u32(oy)) * params.width + u32(ox);
      sum += weight(column, ox, horizontal) * dy[place * params.channels + channel];
    }
    total += weight(row, oy, vertical) * sum;
  }
  dx[i] = total;
}
`;

function resizePass(
  source: string,
  total: number,
  channels: number,
  [vertical, horizontal]: readonly [ResizeAxis, ResizeAxis],
  maxPerDimension: number,
) {
  const words = ({ step, offset, denominator, from }: ResizeAxis): number[] => [step, offset, denominator, from];
  return {
    source,
    bindings: [input(0), output(0)],
    uniforms: uniforms([...words(vertical), ...words(horizontal), total, channels, vertical.to, horizontal.to]),
    workgroups: linearGrid(total, WORKGROUP, maxPerDimension),
  };
}

export const resizeBilinearWgsl: readonly WgslVariant<ResizeParams>[] = [
  {
    name: 'any',
    applies: () => true,
    plan([{ shape }], { size, alignCorners }, { maxComputeWorkgroupsPerDimension }) {
      const [batch, height, width, channels] = shape;
      const axes = [resizeAxis(height, size[0], alignCorners), resizeAxis(width, size[1], alignCorners)] as const;
      const total = batch * size[0] * size[1] * channels;
      return { passes: [resizePass(resizeSource, total, channels, axes, maxComputeWorkgroupsPerDimension)] };
    },
  },
];

export const resizeBilinearGradientWgsl: readonly WgslVariant<ResizeGradientParams>[] = [
  {
    name: 'any',
    applies: () => true,
    plan([{ shape }], { inputSize, alignCorners }, { maxComputeWorkgroupsPerDimension }) {
      const [batch, height, width, channels] = shape;
      const [fromHeight, fromWidth] = inputSize;
      const axes = [resizeAxis(fromHeight, height, alignCorners), resizeAxis(fromWidth, width, alignCorners)] as const;
      const total = batch * fromHeight * fromWidth * channels;
      return { passes: [resizePass(gradientSource, total, channels, axes, maxComputeWorkgroupsPerDimension)] };
    },
  },
];
