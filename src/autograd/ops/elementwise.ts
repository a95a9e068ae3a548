/**
 * Element by element: arithmetic with broadcasting, comparisons, activations. The gradient of an activation is one fused
 * kernel; when that gradient is itself to be differentiated, the table below gives it in terms of other operations.
 */
import type { DType } from '../../devices/dtype.ts';
import { UsageError } from '../../devices/errors.ts';
import type { Storage } from '../../devices/storage.ts';
import {
  accumulate as accumulateKernel,
  affine as affineKernel,
  type BinaryOp,
  binary as binaryKernel,
  cast as castKernel,
  clamp as clampKernel,
  type UnaryOp,
  type UnaryParams,
  unaryGradient,
  unary as unaryKernel,
  where as whereKernel,
} from '../../kernels/elementwise/index.ts';
import { parameterNumber } from '../../kernels/parameter-number.ts';
import { full } from '../../tensor/creation.ts';
import { Tensor } from '../../tensor/tensor.ts';
import { apply, type GradientContext, kernelOp, type Op, runKernel, type VectorJacobianProduct } from '../op.ts';
import { sumTo } from './broadcast.ts';

/** A tensor, or a number standing for a tensor of rank 0. */
export type TensorLike = Tensor | number;

// ------------------------------------------------------------------------------------------------------ arithmetic

const affineOp = kernelOp(affineKernel, {
  gradient: ({ params: { scale }, upstream }) => [affine(upstream, scale, 0)],
});

/** x * scale + shift, in one pass. float32. */
export function affine(x: Tensor, scale: number, shift: number): Tensor {
  return apply(affineOp, [x], { scale, shift });
}

function binaryOp(op: BinaryOp, gradient: VectorJacobianProduct<{ op: BinaryOp }>): Op<{ op: BinaryOp }> {
  return kernelOp(binaryKernel, { name: op, gradient });
}

const noGradient: VectorJacobianProduct = () => [undefined, undefined];

/** Gradients with respect to both operands, summed back over the axes along which they were broadcast. */
const pair =
  (left: (c: GradientContext) => Tensor, right: (c: GradientContext) => Tensor): VectorJacobianProduct =>
  c => [
    c.needs[0] ? sumTo(left(c), c.inputs[0].shape) : undefined,
    c.needs[1] ? sumTo(right(c), c.inputs[1].shape) : undefined,
  ];

const BINARY: Record<BinaryOp, Op<{ op: BinaryOp }>> = {
  add: binaryOp(
    'add',
    pair(
      c => c.upstream,
      c => c.upstream,
    ),
  ),
  sub: binaryOp(
    'sub',
    pair(
      c => c.upstream,
      c => neg(c.upstream),
    ),
  ),
  mul: binaryOp(
    'mul',
    pair(
      c => mul(c.upstream, c.inputs[1]),
      c => mul(c.upstream, c.inputs[0]),
    ),
  ),
  div: binaryOp(
    'div',
    pair(
      c => div(c.upstream, c.inputs[1]),
      c => neg(div(mul(c.upstream, c.outputs[0]), c.inputs[1])),
    ),
  ),
  pow: binaryOp(
    'pow',
    pair(
      c => mul(c.upstream, mul(c.inputs[1], pow(c.inputs[0], sub(c.inputs[1], 1)))),
      // The derivative a^b log a is taken as 0 where a <= 0 (PyTorch gives 0 at a = 0, NaN below).
      c => {
        const positive = greater(c.inputs[0], 0);
        const safe = where(positive, c.inputs[0], 1);
        return mul(c.upstream, mul(c.outputs[0], mul(log(safe), cast(positive, 'float32'))));
      },
    ),
  ),
  // At a tie each side gets half, as in PyTorch.
  maximum: binaryOp(
    'maximum',
    pair(
      c => mul(c.upstream, share(greater(c.inputs[0], c.inputs[1]), equal(c.inputs[0], c.inputs[1]))),
      c => mul(c.upstream, share(less(c.inputs[0], c.inputs[1]), equal(c.inputs[0], c.inputs[1]))),
    ),
  ),
  minimum: binaryOp(
    'minimum',
    pair(
      c => mul(c.upstream, share(less(c.inputs[0], c.inputs[1]), equal(c.inputs[0], c.inputs[1]))),
      c => mul(c.upstream, share(greater(c.inputs[0], c.inputs[1]), equal(c.inputs[0], c.inputs[1]))),
    ),
  ),
  equal: binaryOp('equal', noGradient),
  notEqual: binaryOp('notEqual', noGradient),
  less: binaryOp('less', noGradient),
  lessEqual: binaryOp('lessEqual', noGradient),
  greater: binaryOp('greater', noGradient),
  greaterEqual: binaryOp('greaterEqual', noGradient),
  and: binaryOp('and', noGradient),
  or: binaryOp('or', noGradient),
};

/** 1 where `wins`, 0.5 where `ties`, 0 elsewhere. */
function share(wins: Tensor, ties: Tensor): Tensor {
  return add(cast(wins, 'float32'), affine(cast(ties, 'float32'), 0.5, 0));
}

function binary(op: BinaryOp, a: TensorLike, b: TensorLike): Tensor {
  if (typeof a === 'number' && typeof b === 'number') {
    throw new UsageError(`${op}: at least one operand must be a tensor.`);
  }
  const [x, y] = [lift(a, b), lift(b, a)];
  return apply(BINARY[op], [x, y], { op });
}

function lift(value: TensorLike, partner: TensorLike): Tensor {
  if (typeof value !== 'number') return value;
  const { dtype, device } = partner as Tensor;
  return full([], value, { dtype, device });
}

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
/** Comparisons: int32 1 where true, else 0; broadcasting. */
export const equal = (a: TensorLike, b: TensorLike): Tensor => binary('equal', a, b);
export const notEqual = (a: TensorLike, b: TensorLike): Tensor => binary('notEqual', a, b);
export const less = (a: TensorLike, b: TensorLike): Tensor => binary('less', a, b);
export const lessEqual = (a: TensorLike, b: TensorLike): Tensor => binary('lessEqual', a, b);
export const greater = (a: TensorLike, b: TensorLike): Tensor => binary('greater', a, b);
export const greaterEqual = (a: TensorLike, b: TensorLike): Tensor => binary('greaterEqual', a, b);
/** Truth values of int32: 0 is false. */
export const logicalAnd = (a: TensorLike, b: TensorLike): Tensor => binary('and', a, b);
export const logicalOr = (a: TensorLike, b: TensorLike): Tensor => binary('or', a, b);
export const logicalNot = (a: Tensor): Tensor => binary('equal', a, 0);

const whereOp = kernelOp(whereKernel, {
  gradient: ({ inputs: [condition, a, b], needs, upstream }) => [
    undefined,
    needs[1] ? sumTo(where(condition, upstream, 0), a.shape) : undefined,
    needs[2] ? sumTo(where(condition, 0, upstream), b.shape) : undefined,
  ],
});

/** `a` where the int32 condition is not 0, else `b`; all three broadcast. */
export function where(condition: Tensor, a: TensorLike, b: TensorLike): Tensor {
  const partner = typeof a !== 'number' ? a : b;
  const model = typeof partner !== 'number' ? partner : undefined;
  const lifted = (value: TensorLike) =>
    typeof value !== 'number' ? value : full([], value, { dtype: model?.dtype ?? 'float32', device: condition.device });
  return apply(whereOp, [condition, lifted(a), lifted(b)], {});
}

const clampOp = kernelOp(clampKernel, {
  gradient: ({ inputs: [x], outputs: [y], upstream }) => [mul(upstream, cast(equal(x, y), 'float32'))],
});

/** min(max(x, low), high); the gradient flows where x lies within the bounds. */
export function clamp(x: Tensor, low: number, high: number): Tensor {
  return apply(clampOp, [x], { min: parameterNumber(low), max: parameterNumber(high) });
}

const castOp = kernelOp(castKernel, {
  gradient: ({ inputs: [x], upstream }) => [x.dtype === 'float32' ? cast(upstream, x.dtype) : undefined],
});

/** The same values as another dtype; floats are cut towards zero and saturate. */
export function cast(x: Tensor, to: DType): Tensor {
  return x.dtype === to ? x : apply(castOp, [x], { to });
}

/** target += x, in place and off the tape: for sums of gradients. */
export function accumulateInto(target: Storage, x: Tensor): void {
  x.device.run(accumulateKernel, [x], [{ storage: target, shape: x.shape }], {});
}

// ------------------------------------------------------------------------------------------- functions of one value

/** The factor of dy in differentiable operations; `x` is the input and `y` the output. */
type Derivative = (x: Tensor, y: Tensor, params: UnaryParams) => Tensor;

const zeroDerivative: Derivative = x => affine(x, 0, 0);
const mask = (condition: Tensor): Tensor => cast(condition, 'float32');

const DERIVATIVES: Record<UnaryOp, Derivative> = {
  relu: x => mask(greater(x, 0)),
  leakyRelu: (x, _, { alpha = 0.01 }) => affine(mask(greater(x, 0)), 1 - alpha, alpha),
  // Left of zero alpha e^x = y + alpha.
  elu: (x, _, { alpha = 1 }) => where(greater(x, 0), 1, affine(exp(minimum(x, 0)), alpha, 0)),
  gelu: x =>
    add(
      affine(erf(affine(x, Math.SQRT1_2, 0)), 0.5, 0.5),
      mul(x, affine(exp(affine(square(x), -0.5, 0)), 1 / Math.sqrt(2 * Math.PI), 0)),
    ),
  silu: x => {
    const s = sigmoid(x);
    return mul(s, affine(mul(x, affine(s, -1, 1)), 1, 1));
  },
  tanh: (_, y) => affine(square(y), -1, 1),
  sigmoid: (_, y) => mul(y, affine(y, -1, 1)),
  softplus: x => sigmoid(x),
  exp: (_, y) => y,
  log: x => reciprocal(x),
  sqrt: (_, y) => affine(reciprocal(y), 0.5, 0),
  rsqrt: (x, y) => affine(div(y, x), -0.5, 0),
  square: x => affine(x, 2, 0),
  abs: x => sign(x),
  neg: x => affine(x, 0, -1),
  sign: zeroDerivative,
  reciprocal: (_, y) => neg(square(y)),
  sin: x => cos(x),
  cos: x => neg(sin(x)),
  erf: x => affine(exp(neg(square(x))), 2 / Math.sqrt(Math.PI), 0),
  floor: zeroDerivative,
  ceil: zeroDerivative,
  round: zeroDerivative,
};

const UNARY = new Map<UnaryOp, Op<UnaryParams>>(
  (Object.keys(DERIVATIVES) as UnaryOp[]).map(op => [
    op,
    kernelOp(unaryKernel, {
      name: op,
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
