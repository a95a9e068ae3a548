/**
 * Element by element: arithmetic with broadcasting and functions of one value (comparisons: `conditions.ts`). What they
 * compute stands in the tables of `kernels/elementwise`. The gradient of a function of one value is one fused kernel; when
 * that gradient is itself to be differentiated, the table below gives it in terms of other operations.
 */
import type { Storage } from '../../devices/storage.ts';
import {
  accumulate as accumulateKernel,
  affine as affineKernel,
  type BinaryOp,
  type BinaryParams,
  clamp as clampKernel,
  type UnaryOp,
  type UnaryParams,
  unaryGradient,
  unary as unaryKernel,
} from '../../kernels/elementwise/index.ts';
import { full } from '../../tensor/creation.ts';
import { Tensor } from '../../tensor/tensor.ts';
import { apply, type GradientContext, kernelOp, type Op, runKernel, type VectorJacobianProduct } from '../op.ts';
import type { BinaryRow, OpRows, Sample, UnaryRow } from '../row.ts';
import { sumTo } from './broadcast.ts';
import {
  applyBinary,
  binaryOp,
  type ConditionOp,
  cast,
  equal,
  greater,
  greaterEqual,
  lessEqual,
  logicalAnd,
  logicalNot,
  type TensorLike,
  where,
} from './conditions.ts';

// ------------------------------------------------------------------------------------------------------ arithmetic

const affineOp = kernelOp('affine', affineKernel, {
  gradient: ({ params: { scale }, upstream }) => [affine(upstream, scale, 0)],
});

/** x * scale + shift, in one pass. float32. */
export function affine(x: Tensor, scale: number, shift: number): Tensor {
  return apply(affineOp, [x], { scale, shift });
}

export type ArithmeticOp = Exclude<BinaryOp, ConditionOp>;

/** Gradients with respect to both operands, summed back over the axes along which they were broadcast. */
const perOperand =
  (left: (c: GradientContext) => Tensor, right: (c: GradientContext) => Tensor): VectorJacobianProduct =>
  c => [
    c.needs[0] ? sumTo(left(c), c.inputs[0].shape) : undefined,
    c.needs[1] ? sumTo(right(c), c.inputs[1].shape) : undefined,
  ];

export const ARITHMETIC: Readonly<Record<ArithmeticOp, Op<BinaryParams>>> = {
  add: binaryOp(
    'add',
    perOperand(
      c => c.upstream,
      c => c.upstream,
    ),
  ),
  sub: binaryOp(
    'sub',
    perOperand(
      c => c.upstream,
      c => neg(c.upstream),
    ),
  ),
  mul: binaryOp(
    'mul',
    perOperand(
      c => mul(c.upstream, c.inputs[1]),
      c => mul(c.upstream, c.inputs[0]),
    ),
  ),
  div: binaryOp(
    'div',
    perOperand(
      c => div(c.upstream, c.inputs[1]),
      c => neg(div(mul(c.upstream, c.outputs[0]), c.inputs[1])),
    ),
  ),
  pow: binaryOp(
    'pow',
    perOperand(
      // b a^(b-1), and 0 where that is 0 times infinity or NaN: a^0 is 1 for every a. Computed with b = 1 there, so that the
      // derivatives of this derivative do not meet the infinity either.
      c => {
        const [a, b] = c.inputs;
        const isConstant = logicalAnd(equal(b, 0), logicalNot(greater(abs(a), 0)));
        return where(isConstant, 0, mul(c.upstream, mul(b, pow(a, sub(where(isConstant, 1, b), 1)))));
      },
      // a^b log a, with the limit 0 at a = 0 for b >= 0; NaN where a < 0. All as in PyTorch.
      c => {
        const [a, b] = c.inputs;
        const vanishes = logicalAnd(equal(a, 0), greaterEqual(b, 0));
        return where(vanishes, 0, mul(c.upstream, mul(c.outputs[0], log(where(vanishes, 1, a)))));
      },
    ),
  ),
  // At a tie each side gets half, and where one is NaN both get all of it, as in PyTorch.
  maximum: binaryOp(
    'maximum',
    perOperand(
      c => mul(c.upstream, halfAtTies(notAtMost(c.inputs[0], c.inputs[1]), equal(c.inputs[0], c.inputs[1]))),
      c => mul(c.upstream, halfAtTies(notAtMost(c.inputs[1], c.inputs[0]), equal(c.inputs[0], c.inputs[1]))),
    ),
  ),
  minimum: binaryOp(
    'minimum',
    perOperand(
      c => mul(c.upstream, halfAtTies(notAtMost(c.inputs[1], c.inputs[0]), equal(c.inputs[0], c.inputs[1]))),
      c => mul(c.upstream, halfAtTies(notAtMost(c.inputs[0], c.inputs[1]), equal(c.inputs[0], c.inputs[1]))),
    ),
  ),
};

/** 1 where `wins`, 0.5 where `ties`, 0 elsewhere. */
function halfAtTies(wins: Tensor, ties: Tensor): Tensor {
  return add(cast(wins, 'float32'), affine(cast(ties, 'float32'), 0.5, 0));
}

/** Whether a > b or either is NaN. */
const notAtMost = (a: Tensor, b: Tensor): Tensor => logicalNot(lessEqual(a, b));

const binary = (op: ArithmeticOp, a: TensorLike, b: TensorLike): Tensor => applyBinary(ARITHMETIC, op, a, b);

const isFloat = (x: TensorLike): x is Tensor => typeof x !== 'number' && x.dtype === 'float32';

/** a + b, broadcasting. A finite number costs no tensor of its own. */
export function add(a: TensorLike, b: TensorLike): Tensor {
  if (isFloat(a) && typeof b === 'number' && Number.isFinite(b)) return affine(a, 1, b);
  if (isFloat(b) && typeof a === 'number' && Number.isFinite(a)) return affine(b, 1, a);
  return binary('add', a, b);
}
/** a - b, broadcasting. */
export function sub(a: TensorLike, b: TensorLike): Tensor {
  if (isFloat(a) && typeof b === 'number' && Number.isFinite(b)) return affine(a, 1, -b);
  if (isFloat(b) && typeof a === 'number' && Number.isFinite(a)) return affine(b, -1, a);
  return binary('sub', a, b);
}
/** a * b, element by element, broadcasting. */
export function mul(a: TensorLike, b: TensorLike): Tensor {
  if (isFloat(a) && typeof b === 'number' && Number.isFinite(b)) return affine(a, b, 0);
  if (isFloat(b) && typeof a === 'number' && Number.isFinite(a)) return affine(b, a, 0);
  return binary('mul', a, b);
}
/** a / b, broadcasting. float32. */
export const div = (a: TensorLike, b: TensorLike): Tensor => binary('div', a, b);
/** a to the power b, broadcasting. float32. */
export const pow = (a: TensorLike, b: TensorLike): Tensor => binary('pow', a, b);
/** The larger of two, broadcasting; NaN if either is. */
export const maximum = (a: TensorLike, b: TensorLike): Tensor => binary('maximum', a, b);
/** The smaller of two, broadcasting; NaN if either is. */
export const minimum = (a: TensorLike, b: TensorLike): Tensor => binary('minimum', a, b);
const clampOp = kernelOp('clamp', clampKernel, {
  gradient: ({ inputs: [x], outputs: [y], upstream }) => [mul(upstream, cast(equal(x, y), 'float32'))],
});

/** min(max(x, low), high); the gradient flows where x lies within the bounds. */
export function clamp(x: Tensor, low: number, high: number): Tensor {
  return apply(clampOp, [x], { min: low, max: high });
}

/** target += x, in place and off the tape: for sums of gradients. */
export function accumulateInto(target: Storage, x: Tensor): void {
  x.device.run(accumulateKernel, [x], [{ storage: target, shape: x.shape }], {});
}

// ------------------------------------------------------------------------------------------- functions of one value

/** The factor of dy in differentiable operations; `x` is the input and `y` the output. */
type Derivative = (x: Tensor, y: Tensor, params: UnaryParams) => Tensor;

// Filled, not computed from x: 0 times infinity is no number.
const constantDerivative =
  (value: number): Derivative =>
  ({ shape, device }) =>
    full(shape, value, { device });
const mask = (condition: Tensor): Tensor => cast(condition, 'float32');

const DERIVATIVES: Record<UnaryOp, Derivative> = {
  relu: x => affine(mask(lessEqual(x, 0)), -1, 1), // 1 at NaN, as the fused kernel
  leakyRelu: (x, _, { alpha = 0.01 }) => affine(mask(greater(x, 0)), 1 - alpha, alpha),
  elu: (x, _, { alpha = 1 }) => where(lessEqual(x, 0), affine(exp(minimum(x, 0)), alpha, 0), 1),
  gelu: x =>
    add(
      affine(erf(affine(x, Math.SQRT1_2, 0)), 0.5, 0.5),
      mul(x, affine(exp(affine(square(x), -0.5, 0)), 1 / Math.sqrt(2 * Math.PI), 0)),
    ),
  silu: x => {
    const s = sigmoid(x);
    return mul(s, affine(mul(x, affine(s, -1, 1)), 1, 1));
  },
  mish: outer => {
    // From 20 on it is 1 to the last digit, and stays so at infinity; NaN passes.
    const x = minimum(outer, 20);
    const t = tanh(softplus(x));
    return add(t, mul(x, mul(sigmoid(x), affine(square(t), -1, 1))));
  },
  tanh: (_, y) => affine(square(y), -1, 1),
  sigmoid: (_, y) => mul(y, affine(y, -1, 1)),
  softplus: x => sigmoid(x),
  exp: (_, y) => y,
  log: x => reciprocal(x),
  sqrt: (_, y) => affine(reciprocal(y), 0.5, 0),
  rsqrt: (_, y) => affine(mul(y, square(y)), -0.5, 0),
  square: x => affine(x, 2, 0),
  abs: x => sign(x),
  neg: constantDerivative(-1),
  sign: constantDerivative(0),
  reciprocal: (_, y) => neg(square(y)),
  sin: x => cos(x),
  cos: x => neg(sin(x)),
  erf: x => affine(exp(neg(square(x))), 2 / Math.sqrt(Math.PI), 0),
  floor: constantDerivative(0),
  ceil: constantDerivative(0),
  round: constantDerivative(0),
};

export const UNARY: ReadonlyMap<UnaryOp, Op<UnaryParams>> = new Map(
  (Object.keys(DERIVATIVES) as UnaryOp[]).map(op => [
    op,
    kernelOp(op, unaryKernel, {
      gradient: ({ inputs: [x], outputs: [y], params, upstream, recorded }) => [
        recorded ? mul(upstream, DERIVATIVES[op](x, y, params)) : fusedGradient(x, y, upstream, params),
      ],
    }),
  ]),
);

function fusedGradient(x: Tensor, y: Tensor, dy: Tensor, params: UnaryParams): Tensor {
  const [{ storage, shape }] = runKernel(unaryGradient, [x, y, dy], params);
  return new Tensor(storage, shape);
}

/** dy where y > 0, else 0: the gradient through a relu of which only the output is known. Not recorded. */
export function reluGradientFromOutput(y: Tensor, dy: Tensor): Tensor {
  return fusedGradient(y, y, dy, { op: 'relu' });
}

/** Any function of the table by name: `unary('gelu', x)`. */
export function unary(op: UnaryOp, x: Tensor, alpha?: number): Tensor {
  return apply(UNARY.get(op)!, [x], alpha === undefined ? UNARY_PARAMS[op] : { op, alpha });
}

// One object per op, so that devices can cache plans by identity.
const UNARY_PARAMS = Object.fromEntries((Object.keys(DERIVATIVES) as UnaryOp[]).map(op => [op, { op }])) as Record<
  UnaryOp,
  UnaryParams
>;

/** max(x, 0); passes NaN on; derivative 0 at 0. */
export const relu = (x: Tensor): Tensor => unary('relu', x);
/** x right of zero, `slope` x left of it. */
export const leakyRelu = (x: Tensor, slope = 0.01): Tensor => unary('leakyRelu', x, slope);
/** x right of zero, alpha (e^x - 1) left of it. */
export const elu = (x: Tensor, alpha = 1): Tensor => unary('elu', x, alpha);
/** x Phi(x), with the exact normal distribution function (erf). */
export const gelu = (x: Tensor): Tensor => unary('gelu', x);
/** x sigmoid(x), also called swish. */
export const silu = (x: Tensor): Tensor => unary('silu', x);
/** x tanh(softplus(x)) */
export const mish = (x: Tensor): Tensor => unary('mish', x);
export const tanh = (x: Tensor): Tensor => unary('tanh', x);
/** 1 / (1 + e^-x) */
export const sigmoid = (x: Tensor): Tensor => unary('sigmoid', x);
/** log(1 + e^x) */
export const softplus = (x: Tensor): Tensor => unary('softplus', x);
export const exp = (x: Tensor): Tensor => unary('exp', x);
/** Natural logarithm. */
export const log = (x: Tensor): Tensor => unary('log', x);
export const sqrt = (x: Tensor): Tensor => unary('sqrt', x);
/** 1 / sqrt(x) */
export const rsqrt = (x: Tensor): Tensor => unary('rsqrt', x);
export const square = (x: Tensor): Tensor => unary('square', x);
export const abs = (x: Tensor): Tensor => unary('abs', x);
export const neg = (x: Tensor): Tensor => unary('neg', x);
/** -1, 0 or 1. */
export const sign = (x: Tensor): Tensor => unary('sign', x);
/** 1 / x */
export const reciprocal = (x: Tensor): Tensor => unary('reciprocal', x);
export const sin = (x: Tensor): Tensor => unary('sin', x);
export const cos = (x: Tensor): Tensor => unary('cos', x);
/** 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x. */
export const erf = (x: Tensor): Tensor => unary('erf', x);
export const floor = (x: Tensor): Tensor => unary('floor', x);
export const ceil = (x: Tensor): Tensor => unary('ceil', x);
/** To the nearest integer, halves to even. */
export const round = (x: Tensor): Tensor => unary('round', x);

// ------------------------------------------------------------------------------------------------------------- rows

const x234: Sample = { shape: [2, 3, 4] };

export const elementwiseRows = {
  affine: {
    about: 'x scale + shift, for two numbers, in one pass.',
    op: affineOp,
    functions: [affine],
    kernels: [affineKernel],
    linearity: 'linear',
    reach: 'same',
    examples: [
      { inputs: [x234], run: (x: Tensor) => affine(x, -2.5, 0.25) },
      { title: 'from numbers', inputs: [x234], run: (x: Tensor) => sub(3, mul(add(x, 1), 2)) },
    ],
  },
  clamp: {
    about: 'min(max(x, low), high); the gradient flows where x lies within the bounds.',
    op: clampOp,
    functions: [clamp],
    kernels: [clampKernel],
    linearity: 'elementwise',
    reach: 'same',
    examples: [{ inputs: [x234], run: (x: Tensor) => clamp(x, -1.1, 0.9) }],
    onnx: 'Clip',
  },
} satisfies OpRows;

export const arithmeticRows = {
  add: { about: 'a + b.', linearity: 'linear', onnx: 'Add' },
  sub: { about: 'a - b.', linearity: 'linear', onnx: 'Sub' },
  mul: {
    about: 'a b.',
    linearity: 'bilinear',
    onnx: 'Mul',
    examples: [
      { inputs: [{ shape: [2, 1, 4] }, { shape: [3, 1] }], run: mul },
      { title: 'by itself', inputs: [x234], run: (x: Tensor) => mul(x, x) },
    ],
  },
  div: { about: 'a / b.', linearity: 'pairwise', onnx: 'Div' },
  pow: {
    about: 'a to the power b; its derivative with respect to b is 0 at a = 0 where b >= 0, and NaN where a < 0.',
    linearity: 'pairwise',
    onnx: 'Pow',
    examples: [{ inputs: [{ shape: [2, 3], values: 'positive' }, { shape: [3] }], run: pow }],
  },
  maximum: {
    about: 'The larger of two; at a tie each side gets half of the gradient.',
    linearity: 'pairwise',
    onnx: 'Max',
  },
  minimum: {
    about: 'The smaller of two; at a tie each side gets half of the gradient.',
    linearity: 'pairwise',
    onnx: 'Min',
  },
} satisfies Record<ArithmeticOp, BinaryRow>;

export const unaryRows = {
  relu: { about: 'max(x, 0); NaN passes, the derivative at 0 is 0.', linearity: 'elementwise', onnx: 'Relu' },
  leakyRelu: { about: 'x where x > 0, else slope x.', linearity: 'elementwise', alpha: 0.3, onnx: 'LeakyRelu' },
  elu: { about: 'x where x > 0, else alpha (e^x - 1).', linearity: 'elementwise', alpha: 0.5, onnx: 'Elu' },
  gelu: { about: 'x Phi(x), with the normal distribution function Phi.', linearity: 'elementwise', onnx: 'Gelu' },
  silu: { about: 'x sigmoid(x).', linearity: 'elementwise' },
  mish: { about: 'x tanh(softplus(x)).', linearity: 'elementwise', onnx: 'Mish' },
  tanh: { about: 'Hyperbolic tangent.', linearity: 'elementwise', onnx: 'Tanh' },
  sigmoid: { about: '1 / (1 + e^-x).', linearity: 'elementwise', onnx: 'Sigmoid' },
  softplus: { about: 'log(1 + e^x).', linearity: 'elementwise', onnx: 'Softplus' },
  exp: { about: 'e^x.', linearity: 'elementwise', onnx: 'Exp' },
  log: { about: 'Natural logarithm.', linearity: 'elementwise', values: 'positive', onnx: 'Log' },
  sqrt: { about: 'Square root.', linearity: 'elementwise', values: 'positive', onnx: 'Sqrt' },
  rsqrt: { about: '1 / sqrt(x).', linearity: 'elementwise', values: 'positive' },
  square: { about: 'x x.', linearity: 'quadratic' },
  abs: { about: '|x|; the derivative at 0 is 0.', linearity: 'elementwise', onnx: 'Abs' },
  neg: { about: '-x.', linearity: 'linear', onnx: 'Neg' },
  sign: { about: '-1, 0 or 1; the derivative is 0.', linearity: 'elementwise', onnx: 'Sign' },
  reciprocal: { about: '1 / x.', linearity: 'elementwise', onnx: 'Reciprocal' },
  sin: { about: 'Sine, for |x| <= 1e5; NaN beyond.', linearity: 'elementwise', onnx: 'Sin' },
  cos: { about: 'Cosine, for |x| <= 1e5; NaN beyond.', linearity: 'elementwise', onnx: 'Cos' },
  erf: { about: '2 / sqrt(pi) times the integral of e^(-t t) from 0 to x.', linearity: 'elementwise', onnx: 'Erf' },
  floor: { about: 'The largest integer up to x; the derivative is 0.', linearity: 'elementwise', onnx: 'Floor' },
  ceil: { about: 'The smallest integer from x on; the derivative is 0.', linearity: 'elementwise', onnx: 'Ceil' },
  round: {
    about: 'The nearest integer, halves to even; the derivative is 0.',
    linearity: 'elementwise',
    onnx: 'Round',
  },
} satisfies Record<UnaryOp, UnaryRow>;
