/**
 * Small random computations as data, so that weft and PyTorch (expected-programs.py) can run the same ones: leaves whose
 * values follow from a seed, steps that name operations, a scalar at the end. What is compared is the scalar y, its
 * gradients g by some of the leaves, and the gradients by all of them of y + sum(g^2): first and second derivatives.
 */
import * as w from '../../src/index.ts';

export type Shape = readonly number[];

/** Values by a hash of `seed`: `both` in [-1, 1), `positive` in [0.25, 1.25). Exact in float32. */
export interface Leaf {
  readonly shape: Shape;
  readonly seed: number;
  readonly kind: 'both' | 'positive';
}

/** `in` counts leaves first, then steps. */
export interface Step {
  readonly op: string;
  readonly in: readonly number[];
  readonly [attribute: string]: unknown;
}

export interface Program {
  readonly leaves: readonly Leaf[];
  readonly steps: readonly Step[];
  /** The leaves by which the first derivatives are taken. */
  readonly first: readonly number[];
}

/** Projections on fixed random directions, so that a few numbers stand for all elements. */
export interface Digest {
  readonly value: number;
  readonly first: readonly number[];
  readonly second: readonly number[];
}

export const sizeOf = (shape: Shape): number => shape.reduce((product, extent) => product * extent, 1);

function mix(n: number): number {
  let x = n >>> 0;
  for (let round = 0; round < 2; round++) x = Math.imul(x ^ (x >>> 16), 0x45d9f3b) >>> 0;
  return (x ^ (x >>> 16)) >>> 0;
}

export function leafValues({ shape, seed, kind }: Leaf): Float64Array {
  return Float64Array.from({ length: sizeOf(shape) }, (_, i) => {
    const unit = (mix(seed * 7919 + i * 104729 + 1) >>> 11) / 2 ** 21;
    return kind === 'both' ? 2 * unit - 1 : unit + 0.25;
  });
}

/** The direction on which gradients by leaf `index` are projected. */
export const directionOf = (shape: Shape, index: number): Float64Array =>
  leafValues({ shape, seed: 1_000_003 + index, kind: 'both' });

type Numbers = readonly number[];
type Pair = readonly [number, number];
/** An operation on its inputs, with the attributes of its step. */
type Run = (x: readonly w.Tensor[], a: any) => w.Tensor;

const integers = (values: Numbers, like: w.Tensor) =>
  w.tensor(Int32Array.from(values), [values.length], { device: like.device });
const floats = (values: Numbers, like: w.Tensor) =>
  w.tensor(Float64Array.from(values), [values.length], { dtype: 'float32', device: like.device });

const reduction =
  (f: (x: w.Tensor, axes?: Numbers, keepDims?: boolean) => w.Tensor): Run =>
  ([x], { axes, keep }: { axes: Numbers; keep: boolean }) =>
    f(x, axes, keep);

const OPERATIONS: Record<string, Run> = {
  add: ([x, y]) => w.add(x, y),
  sub: ([x, y]) => w.sub(x, y),
  mul: ([x, y]) => w.mul(x, y),
  div: ([x, y]) => w.div(x, y),
  pow: ([x, y]) => w.pow(x, y),
  maximum: ([x, y]) => w.maximum(x, y),
  minimum: ([x, y]) => w.minimum(x, y),
  affine: ([x], { scale, shift }) => w.affine(x, scale, shift),
  clamp: ([x], { low, high }) => w.clamp(x, low, high),
  where: ([x, y], { above }) => w.where(w.greater(x, above), x, y),
  clone: ([x]) => w.clone(x),
  reshape: ([x], { shape }) => w.reshape(x, shape),
  transpose: ([x], { perm }) => w.transpose(x, perm),
  slice: ([x], { starts, sizes, steps }) => w.slice(x, starts, sizes, steps),
  flip: ([x], { axes }) => w.flip(x, axes),
  concat: (xs, { axis }) => w.concat(xs, axis),
  stack: (xs, { axis }) => w.stack(xs, axis),
  pad: ([x], { before, after, value }) => w.pad(x, before, after, { value }),
  gather: ([x], { indices, axis }) => w.gather(x, integers(indices, x), axis),
  scatterAdd: ([x], { indices, size, axis }) => w.scatterAdd(x, integers(indices, x), size, axis),
  broadcastTo: ([x], { shape }) => w.broadcastTo(x, shape),
  sum: reduction(w.sum),
  mean: reduction(w.mean),
  max: reduction(w.max),
  min: reduction(w.min),
  prod: reduction(w.prod),
  sumOfSquares: reduction(w.sumOfSquares),
  variance: ([x], { axes, keep, unbiased }) => w.variance(x, axes, { keepDims: keep, unbiased }),
  matmul: ([x, y, bias], { transposeA, transposeB, activation }) =>
    w.matmul(x, y, { transposeA, transposeB, bias, activation }),
  conv2d: ([x, filters, bias], { stride, padding, dilation, groups, activation }) =>
    w.conv2d(x, filters, { stride, padding, dilation, groups, bias, activation }),
  conv2dTranspose: ([x, filters], { outputSize, stride, padding }) =>
    w.conv2dTranspose(x, filters, outputSize as Pair, { stride, padding }),
  batchNorm: ([x, gamma, beta, residual], { training, activation, mean, variance }) =>
    w.batchNorm(x, gamma, beta, {
      // Of its own each time: training changes them.
      runningMean: floats(mean, x),
      runningVariance: floats(variance, x),
      training,
      activation,
      residual,
    }),
  maxPool2d: ([x], { kernel, stride, padding }) => w.maxPool2d(x, { kernel, stride, padding }),
  avgPool2d: ([x], { kernel, stride, padding, countPadding }) =>
    w.avgPool2d(x, { kernel, stride, padding, countPadding }),
  globalAveragePool: ([x]) => w.globalAveragePool(x),
  softmax: ([x]) => w.softmax(x),
  logSoftmax: ([x]) => w.logSoftmax(x),
  crossEntropy: ([x], { labels, smoothing, reduction: how }) =>
    w.crossEntropy(x, integers(labels, x), { smoothing, reduction: how }),
  crossEntropySoft: ([x, targets], { smoothing }) => w.crossEntropy(x, targets, { smoothing }),
  dropout: ([x], { rate, state }) => w.dropout(x, rate, w.tensor(Uint32Array.from(state), [4], { device: x.device })),
};

export function runProgram({ steps }: Program, leaves: readonly w.Tensor[]): w.Tensor {
  const values = [...leaves];
  for (const step of steps) {
    const inputs = step.in.map(i => values[i]);
    const run = OPERATIONS[step.op];
    values.push(run ? run(inputs, step) : w.unary(step.op as never, inputs[0], step['alpha'] as number | undefined));
  }
  return values[values.length - 1];
}

/** y + sum(g^2), whose gradients are the second derivatives; y and g beside it. */
export function penalized(
  program: Program,
  leaves: readonly w.Tensor[],
  createGraph: boolean,
): { total: w.Tensor; value: w.Tensor; first: readonly w.Tensor[] } {
  const asked = program.first.map(i => leaves[i]);
  const { value, grads: first } = w.valueAndGrad(() => runProgram(program, leaves), asked, { createGraph });
  const total = first.reduce((sum, g) => w.add(sum, w.sumOfSquares(g)), value);
  return { total, value, first };
}

/** @param moved leaf values to use in place of the program's own */
export async function digest(
  program: Program,
  device: w.Device,
  moved: readonly Float64Array[] = program.leaves.map(leafValues),
): Promise<Digest> {
  const leaves = program.leaves.map(({ shape }, i) => w.watch(w.tensor(moved[i], shape, { device })));
  const held = w.tidy(() => {
    const { total, value, first } = penalized(program, leaves, true);
    return { value, first: [...first], second: w.gradients(total, leaves) };
  });
  const project = async (gradients: readonly w.Tensor[], indices: Numbers) =>
    Promise.all(
      gradients.map(async (gradient, k) => {
        const direction = directionOf(gradient.shape, indices[k]);
        const values = await gradient.data();
        return direction.reduce((total, d, i) => total + d * values[i], 0);
      }),
    );
  const result = {
    value: await held.value.item(),
    first: await project(held.first, program.first),
    second: await project(
      held.second,
      leaves.map((_, i) => i),
    ),
  };
  w.dispose(held.value, ...held.first, ...held.second, ...leaves);
  return result;
}

/** Largest deviation between two digests, relative to the size of what it is a part of. */
export function deviation(actual: Digest, expected: Digest): number {
  const parts: [Numbers, Numbers][] = [
    [[actual.value], [expected.value]],
    [actual.first, expected.first],
    [actual.second, expected.second],
  ];
  let worst = 0;
  for (const [a, b] of parts) {
    const scale = Math.max(1, ...b.map(Math.abs));
    for (let i = 0; i < b.length; i++) {
      const error = Math.abs(a[i] - b[i]) / scale;
      if (!(error <= worst)) worst = error;
    }
  }
  return worst;
}
