/**
 * Softmax and cross-entropy for WebGPU. A row belongs to one invocation (few classes, and software adapters, where
 * workgroup memory is slow) or to one workgroup, whose lanes take every LANES-th column and join by a tree in a fixed
 * order. One text serves both: with one lane the joins are nothing.
 *
 * A NaN among the logits need not survive `max`, but it survives the sum of exponentials, and so reaches every output.
 */
import { input, output, type Slot, type WebGpuAdapterInfo, type WgslVariant } from '../../devices/kernel.ts';
import { linearGrid } from '../../devices/webgpu/dispatch.ts';
import { f32Bits, uniforms } from '../../devices/webgpu/uniforms.ts';
import { type CrossEntropyParams, type SoftmaxParams, softmaxSizes } from './softmax.ts';

/** Invocations of a workgroup that serves one row each. */
const ROWS_PER_GROUP = 64;

/** Keeps a NaN, of which some drivers (SwiftShader) make a number; by the bits, because `v != v` may be folded away. */
const EXPONENTIAL = /* wgsl */ `
fn isNaN(v: f32) -> bool {
  return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
}
fn exponential(v: f32) -> f32 {
  return select(exp(v), v, isNaN(v));
}
fn logarithm(v: f32) -> f32 {
  return select(log(v), v, isNaN(v));
}`;

const joins = (lanes: number): string => /* wgsl */ `
var<workgroup> joined: array<f32, LANES>;

fn joinSum(value: f32, lane: u32) -> f32 {
  joined[lane] = value;
  workgroupBarrier();
  for (var half = ${lanes / 2}u; half > 0u; half /= 2u) {
    if (lane < half) { joined[lane] += joined[lane + half]; }
    workgroupBarrier();
  }
  let result = joined[0];
  workgroupBarrier();
  return result;
}

fn joinMax(value: f32, lane: u32) -> f32 {
  joined[lane] = value;
  workgroupBarrier();
  for (var half = ${lanes / 2}u; half > 0u; half /= 2u) {
    if (lane < half) { joined[lane] = max(joined[lane], joined[lane + half]); }
    workgroupBarrier();
  }
  let result = joined[0];
  workgroupBarrier();
  return result;
}`;

const noJoins = /* wgsl */ `
fn joinSum(value: f32, lane: u32) -> f32 { return value; }
fn joinMax(value: f32, lane: u32) -> f32 { return value; }`;

const inWorkgroup = (lanes: number): string => /* wgsl */ `
@compute @workgroup_size(${lanes})
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.x + group.y * groups.x;`;

const inInvocation = /* wgsl */ `
@compute @workgroup_size(${ROWS_PER_GROUP})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = id.x + id.y * (groups.x * ${ROWS_PER_GROUP}u);
  let lane = 0u;`;

/** `arrays` in the order of their bindings; `body` sees row, lane, start (element of the row's first column), sizes. */
function sourceOf(lanes: number, arrays: readonly string[], body: string): string {
  return /* wgsl */ `
struct Sizes { rows: u32, classes: u32, notANumber: u32, keep: f32, spread: f32 }
const LANES = ${lanes}u;
${arrays.map((array, i) => `@group(0) @binding(${i}) var<storage, ${array};`).join('\n')}
@group(0) @binding(${arrays.length}) var<uniform> sizes: Sizes;
${EXPONENTIAL}
${lanes === 1 ? noJoins : joins(lanes)}
${lanes === 1 ? inInvocation : inWorkgroup(lanes)}
  if (row >= sizes.rows) { return; }
  let start = row * sizes.classes;
  ${body}
}`;
}

/** Runs \`statement\` for the lane's columns, \`i\` being their element and \`j\` their number. */
const forEachColumn = (statement: string): string => /* wgsl */ `
  for (var j = lane; j < sizes.classes; j += LANES) {
    let i = start + j;
    ${statement}
  }`;

/** \`largest\` and \`sum\` of exp(x - largest) of the row of array \`x\`. */
const exponentials = /* wgsl */ `
  var largestHere = -3.4028234e38;
  ${forEachColumn('largestHere = max(largestHere, x[i]);')}
  let largest = joinMax(largestHere, lane);
  var sumHere = 0.0;
  ${forEachColumn('sumHere += exponential(x[i] - largest);')}
  let sum = joinSum(sumHere, lane);`;

const X = 'read> x: array<f32>';

const softmaxBody = /* wgsl */ `${exponentials}
  ${forEachColumn('y[i] = exponential(x[i] - largest) / sum;')}`;

const logSoftmaxBody = /* wgsl */ `${exponentials}
  let logSum = logarithm(sum);
  ${forEachColumn('y[i] = x[i] - largest - logSum;')}`;

const softmaxGradientBody = /* wgsl */ `
  var productHere = 0.0;
  ${forEachColumn('productHere += y[i] * dy[i];')}
  let product = joinSum(productHere, lane);
  ${forEachColumn('dx[i] = y[i] * (dy[i] - product);')}`;

const logSoftmaxGradientBody = /* wgsl */ `
  var totalHere = 0.0;
  ${forEachColumn('totalHere += dy[i];')}
  let total = joinSum(totalHere, lane);
  ${forEachColumn('dx[i] = dy[i] - exponential(y[i]) * total;')}`;

/** The label as an index that exists, and whether it was one. */
const labelOf = /* wgsl */ `
  let given = labels[row];
  let possible = given >= 0 && u32(given) < sizes.classes;
  let label = select(0u, u32(given), possible);`;

const lossBody = (smooth: boolean): string => /* wgsl */ `${exponentials}
  ${labelOf}
  var value = logarithm(sum) - sizes.keep * (x[start + label] - largest);
  ${
    smooth
      ? /* wgsl */ `var totalHere = 0.0;
  ${forEachColumn('totalHere += x[i] - largest;')}
  value -= sizes.spread * joinSum(totalHere, lane);`
      : ''
  }
  if (lane == 0u) { loss[row] = select(bitcast<f32>(sizes.notANumber), value, possible); }`;

const lossGradientBody = /* wgsl */ `${exponentials}
  ${labelOf}
  let factor = select(bitcast<f32>(sizes.notANumber), dloss[row], possible);
  ${forEachColumn(/* wgsl */ `
    let goal = sizes.spread + select(0.0, sizes.keep, j == label);
    dx[i] = (exponential(x[i] - largest) / sum - goal) * factor;`)}`;

const softLossBody = /* wgsl */ `${exponentials}
  let logSum = logarithm(sum);
  var totalHere = 0.0;
  ${forEachColumn('totalHere += goals[i] * (x[i] - largest - logSum);')}
  let total = joinSum(totalHere, lane);
  if (lane == 0u) { loss[row] = -total; }`;

const softGradientBody = /* wgsl */ `${exponentials}
  var goalsHere = 0.0;
  ${forEachColumn('goalsHere += goals[i];')}
  let scale = joinSum(goalsHere, lane) / sum;
  let factor = dloss[row];
  ${forEachColumn('dx[i] = (exponential(x[i] - largest) * scale - goals[i]) * factor;')}`;

interface RowKernel<P> {
  readonly arrays: readonly string[];
  readonly bindings: readonly Slot[];
  body(params: P): string;
}

/** Most classes that one invocation takes on. */
const serialClasses = ({ isSoftware }: WebGpuAdapterInfo): number => (isSoftware ? 1024 : 32);

function variants<P>(kernel: RowKernel<P>): WgslVariant<P>[] {
  const variant = (serial: boolean): WgslVariant<P> => ({
    name: serial ? 'invocation' : 'workgroup',
    applies: (specs, _, adapter) => !serial || softmaxSizes(specs).classes <= serialClasses(adapter),
    plan(specs, params, adapter) {
      const { rows, classes } = softmaxSizes(specs);
      const lanes = serial ? 1 : classes > 1024 && !adapter.isSoftware ? 256 : 64;
      const smoothing = (params as Partial<CrossEntropyParams>).smoothing ?? 0;
      const numbers = [rows, classes, 0x7fc00000, f32Bits(1 - smoothing), f32Bits(smoothing / classes)];
      return {
        passes: [
          {
            source: sourceOf(lanes, kernel.arrays, kernel.body(params)),
            bindings: kernel.bindings,
            uniforms: uniforms(numbers),
            workgroups: linearGrid(rows, serial ? ROWS_PER_GROUP : 1, adapter.maxComputeWorkgroupsPerDimension),
          },
        ],
      };
    },
  });
  return [variant(true), variant(false)];
}

const Y = 'read_write> y: array<f32>';
const DX = 'read_write> dx: array<f32>';
const LOSS = 'read_write> loss: array<f32>';
const LABELS = 'read> labels: array<i32>';
const GOALS = 'read> goals: array<f32>';
const DLOSS = 'read> dloss: array<f32>';

export const softmaxWgsl = variants<SoftmaxParams>({
  arrays: [X, Y],
  bindings: [input(0), output(0)],
  body: () => softmaxBody,
});

export const logSoftmaxWgsl = variants<SoftmaxParams>({
  arrays: [X, Y],
  bindings: [input(0), output(0)],
  body: () => logSoftmaxBody,
});

const gradientArrays = ['read> y: array<f32>', 'read> dy: array<f32>', DX];

export const softmaxGradientWgsl = variants<SoftmaxParams>({
  arrays: gradientArrays,
  bindings: [input(0), input(1), output(0)],
  body: () => softmaxGradientBody,
});

export const logSoftmaxGradientWgsl = variants<SoftmaxParams>({
  arrays: gradientArrays,
  bindings: [input(0), input(1), output(0)],
  body: () => logSoftmaxGradientBody,
});

export const crossEntropyWgsl = variants<CrossEntropyParams>({
  arrays: [X, LABELS, LOSS],
  bindings: [input(0), input(1), output(0)],
  body: ({ smoothing }) => lossBody(smoothing > 0),
});

export const crossEntropyGradientWgsl = variants<CrossEntropyParams>({
  arrays: [X, LABELS, DLOSS, DX],
  bindings: [input(0), input(1), input(2), output(0)],
  body: () => lossGradientBody,
});

export const crossEntropySoftWgsl = variants<SoftmaxParams>({
  arrays: [X, GOALS, LOSS],
  bindings: [input(0), input(1), output(0)],
  body: () => softLossBody,
});

export const crossEntropySoftGradientWgsl = variants<SoftmaxParams>({
  arrays: [X, GOALS, DLOSS, DX],
  bindings: [input(0), input(1), input(2), output(0)],
  body: () => softGradientBody,
});
