/**
 * Softmax and cross-entropy for WebGPU. A row belongs to one invocation (few classes, and software adapters, where
 * workgroup memory is slow) or to one workgroup, whose lanes take every LANES-th column and join by a tree in a fixed
 * order. One text serves both: with one lane the joins are nothing.
 *
 * A NaN among the logits need not survive `max`, but it survives the sum of exponentials, and so reaches every output. exp
 * and log are those of `elementwise/exponential.wgsl.ts`: drivers' own may make a number of NaN.
 */
import { input, output, type Slot, type WebGpuAdapterInfo, type WgslVariant } from '../../devices/kernel.ts';
import { linearGrid } from '../../devices/webgpu/dispatch.ts';
import { f32Bits, uniforms } from '../../devices/webgpu/uniforms.ts';
import * as pairs from './pairs.wgsl.ts';
import { forEachColumn, labelOf, ROWS_PER_GROUP, sourceOf } from './rows.wgsl.ts';
import { type CrossEntropyParams, DIFFERENCE_UNIT, type SoftmaxParams, softmaxSizes } from './softmax.ts';

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

const lossBody = (hard: boolean, smooth: boolean): string => /* wgsl */ `${exponentials}
  ${labelOf}
  let shift = largest * ${DIFFERENCE_UNIT};
  var value = logarithm(sum);
  ${hard ? `value -= sizes.keep * (x[start + label] * ${DIFFERENCE_UNIT} - shift);` : ''}
  ${
    smooth
      ? /* wgsl */ `var totalHere = 0.0;
  ${forEachColumn(`totalHere += x[i] * ${DIFFERENCE_UNIT} - shift;`)}
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
  let logSum = logarithm(sum) * ${DIFFERENCE_UNIT};
  let shift = largest * ${DIFFERENCE_UNIT};
  var totalHere = 0.0;
  ${forEachColumn(/* wgsl */ `
    let logp = x[i] * ${DIFFERENCE_UNIT} - shift - logSum;
    let isMasked = (bitcast<u32>(goals[i]) & 0x7fffffffu) == 0u && bitcast<u32>(logp) == 0xff800000u; // 0 log 0 = 0
    totalHere += select(goals[i] * logp, 0.0, isMasked);`)}
  let total = joinSum(totalHere, lane);
  if (lane == 0u) { loss[row] = total * ${-1 / DIFFERENCE_UNIT}; }`;

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
  /** The same in pairs of float32. */
  pairsBody(params: P): string;
  /** The factors keep and spread are divided by this. Default 1. */
  readonly factorUnit?: number;
}

/** Most classes that one invocation takes on. */
const serialClasses = ({ isSoftware }: WebGpuAdapterInfo): number => (isSoftware ? 1024 : 32);

function variantOf<P>(kernel: RowKernel<P>, serial: boolean, inPairs: boolean): WgslVariant<P> {
  const form = serial ? 'invocation' : 'workgroup';
  return {
    name: inPairs ? `pairs-${form}` : form,
    precision: inPairs ? 'highest' : undefined,
    applies: (specs, _, adapter) => !serial || softmaxSizes(specs).classes <= serialClasses(adapter),
    plan(specs, params, adapter) {
      const { rows, classes } = softmaxSizes(specs);
      const lanes = serial ? 1 : classes > 1024 && !adapter.isSoftware ? 256 : 64;
      const smoothing = (params as Partial<CrossEntropyParams>).smoothing ?? 0;
      const { factorUnit = 1 } = kernel;
      const factors = [1 - smoothing, smoothing / classes].map(factor => factor / factorUnit);
      const lowParts = inPairs ? factors.map(factor => factor - Math.fround(factor)) : [];
      const body = inPairs ? kernel.pairsBody(params) : kernel.body(params);
      return {
        passes: [
          {
            source: sourceOf(lanes, kernel.arrays, body, inPairs),
            bindings: kernel.bindings,
            uniforms: uniforms([rows, classes, 0x7fc00000, ...[...factors, ...lowParts].map(f32Bits)]),
            workgroups: linearGrid(rows, serial ? ROWS_PER_GROUP : 1, adapter.maxComputeWorkgroupsPerDimension),
          },
        ],
      };
    },
  };
}

/** The two for devices of highest precision, and the two for others. */
const variants = <P>(kernel: RowKernel<P>): WgslVariant<P>[] =>
  [true, false].flatMap(inPairs => [true, false].map(serial => variantOf(kernel, serial, inPairs)));

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
  pairsBody: () => pairs.softmaxBody,
});

export const logSoftmaxWgsl = variants<SoftmaxParams>({
  arrays: [X, Y],
  bindings: [input(0), output(0)],
  body: () => logSoftmaxBody,
  pairsBody: () => pairs.logSoftmaxBody,
});

const gradientArrays = ['read> y: array<f32>', 'read> dy: array<f32>', DX];

export const softmaxGradientWgsl = variants<SoftmaxParams>({
  arrays: gradientArrays,
  bindings: [input(0), input(1), output(0)],
  body: () => softmaxGradientBody,
  pairsBody: () => pairs.softmaxGradientBody,
});

export const logSoftmaxGradientWgsl = variants<SoftmaxParams>({
  arrays: gradientArrays,
  bindings: [input(0), input(1), output(0)],
  body: () => logSoftmaxGradientBody,
  pairsBody: () => pairs.logSoftmaxGradientBody,
});

export const crossEntropyWgsl = variants<CrossEntropyParams>({
  arrays: [X, LABELS, LOSS],
  bindings: [input(0), input(1), output(0)],
  body: ({ smoothing }) => lossBody(smoothing < 1, smoothing > 0),
  pairsBody: ({ smoothing }) => pairs.lossBody(smoothing < 1, smoothing > 0),
  factorUnit: DIFFERENCE_UNIT,
});

export const crossEntropyGradientWgsl = variants<CrossEntropyParams>({
  arrays: [X, LABELS, DLOSS, DX],
  bindings: [input(0), input(1), input(2), output(0)],
  body: () => lossGradientBody,
  pairsBody: () => pairs.lossGradientBody,
});

export const crossEntropySoftWgsl = variants<SoftmaxParams>({
  arrays: [X, GOALS, LOSS],
  bindings: [input(0), input(1), output(0)],
  body: () => softLossBody,
  pairsBody: () => pairs.softLossBody,
});

export const crossEntropySoftGradientWgsl = variants<SoftmaxParams>({
  arrays: [X, GOALS, DLOSS, DX],
  bindings: [input(0), input(1), input(2), output(0)],
  body: () => softGradientBody,
  pairsBody: () => pairs.softGradientBody,
});
