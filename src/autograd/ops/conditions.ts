/**
 * Truth values, int32 0 or 1: comparisons and logic make them, `where` chooses by them, and `cast` turns them into numbers
 * that can be multiplied. No gradient passes a comparison.
 */
import type { DType } from '../../devices/dtype.ts';
import { UsageError } from '../../devices/errors.ts';
import {
  type BinaryOp,
  type BinaryParams,
  binary as binaryKernel,
  type ComparisonOp,
  cast as castKernel,
  where as whereKernel,
} from '../../kernels/elementwise/index.ts';
import { full } from '../../tensor/creation.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { apply, kernelOp, type Op, type VectorJacobianProduct } from '../op.ts';
import type { BinaryRow, OpRows, Sample } from '../row.ts';
import { sumTo } from './broadcast.ts';

/** A tensor, or a number standing for a tensor of rank 0. */
export type TensorLike = Tensor | number;

function lift(value: TensorLike, partner: TensorLike): Tensor {
  if (typeof value !== 'number') return value;
  const { dtype, device } = partner as Tensor;
  return full([], value, { dtype, device });
}

/** An operation of the kernel for two operands. */
export function binaryOp(op: BinaryOp, gradient: VectorJacobianProduct<BinaryParams>): Op<BinaryParams> {
  return kernelOp(op, binaryKernel, { gradient });
}

/** Runs an operation of the kernel for two operands, one of which may be a number. */
export function applyBinary<N extends BinaryOp>(
  ops: Readonly<Record<N, Op<BinaryParams>>>,
  op: N,
  a: TensorLike,
  b: TensorLike,
): Tensor {
  if (typeof a === 'number' && typeof b === 'number') {
    throw new UsageError(`${op}: at least one operand must be a tensor.`);
  }
  return apply(ops[op], [lift(a, b), lift(b, a)], { op });
}

// -------------------------------------------------------------------------------------------- comparisons and logic

/** The operations of two operands whose values are truth values. */
export type ConditionOp = ComparisonOp | 'and' | 'or';

const noGradient: VectorJacobianProduct = () => [undefined, undefined];

export const CONDITIONS: Readonly<Record<ConditionOp, Op<BinaryParams>>> = {
  equal: binaryOp('equal', noGradient),
  notEqual: binaryOp('notEqual', noGradient),
  less: binaryOp('less', noGradient),
  lessEqual: binaryOp('lessEqual', noGradient),
  greater: binaryOp('greater', noGradient),
  greaterEqual: binaryOp('greaterEqual', noGradient),
  and: binaryOp('and', noGradient),
  or: binaryOp('or', noGradient),
};

const condition = (op: ConditionOp, a: TensorLike, b: TensorLike): Tensor => applyBinary(CONDITIONS, op, a, b);

/** Comparisons: int32 1 where true, else 0; broadcasting. */
export const equal = (a: TensorLike, b: TensorLike): Tensor => condition('equal', a, b);
export const notEqual = (a: TensorLike, b: TensorLike): Tensor => condition('notEqual', a, b);
export const less = (a: TensorLike, b: TensorLike): Tensor => condition('less', a, b);
export const lessEqual = (a: TensorLike, b: TensorLike): Tensor => condition('lessEqual', a, b);
export const greater = (a: TensorLike, b: TensorLike): Tensor => condition('greater', a, b);
export const greaterEqual = (a: TensorLike, b: TensorLike): Tensor => condition('greaterEqual', a, b);
/** Truth values of int32: 0 is false. */
export const logicalAnd = (a: TensorLike, b: TensorLike): Tensor => condition('and', a, b);
export const logicalOr = (a: TensorLike, b: TensorLike): Tensor => condition('or', a, b);
export const logicalNot = (a: Tensor): Tensor => condition('equal', a, 0);

// ---------------------------------------------------------------------------------------- choosing and converting

const whereOp = kernelOp('where', whereKernel, {
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

// One side of a cast is always integers, whose derivative is 0 wherever there is one.
const castOp = kernelOp('cast', castKernel, { gradient: () => [undefined] });

/** The same values as another dtype; floats are cut towards zero and saturate. */
export function cast(x: Tensor, to: DType): Tensor {
  return x.dtype === to ? x : apply(castOp, [x], { to });
}

// ------------------------------------------------------------------------------------------------------------- rows

const x234: Sample = { shape: [2, 3, 4] };

export const conditionRows = {
  where: {
    about: 'a where a condition is not 0, else b; DeepSHAP can say nothing of a condition that differs between images.',
    op: whereOp,
    functions: [where],
    kernels: [whereKernel],
    linearity: 'open',
    reach: 'same',
    examples: [
      { inputs: [{ shape: [2, 3] }, { shape: [3] }], run: (a: Tensor, b: Tensor) => where(greater(a, 0.5), a, b) },
    ],
    onnx: 'Where',
  },
  cast: {
    about: 'The same values as another dtype; floats are cut towards zero and saturate.',
    op: castOp,
    functions: [cast],
    kernels: [castKernel],
    linearity: 'stop',
    reach: 'same',
    examples: [{ inputs: [x234], run: (x: Tensor) => cast(x, 'int32') }],
    onnx: 'Cast',
  },
} satisfies OpRows;

export const comparisonRows = {
  equal: { about: 'int32 1 where a = b, else 0.', linearity: 'stop', onnx: 'Equal' },
  notEqual: { about: 'int32 1 where a and b differ, else 0.', linearity: 'stop' },
  less: { about: 'int32 1 where a < b, else 0.', linearity: 'stop', onnx: 'Less' },
  lessEqual: { about: 'int32 1 where a <= b, else 0.', linearity: 'stop', onnx: 'LessOrEqual' },
  greater: { about: 'int32 1 where a > b, else 0.', linearity: 'stop', onnx: 'Greater' },
  greaterEqual: { about: 'int32 1 where a >= b, else 0.', linearity: 'stop', onnx: 'GreaterOrEqual' },
  and: {
    about: 'int32 1 where neither a nor b is 0, else 0.',
    linearity: 'stop',
    onnx: 'And',
    examples: [{ inputs: [x234, x234], run: (a: Tensor, b: Tensor) => logicalAnd(greater(a, 0), greater(b, 0)) }],
  },
  or: {
    about: 'int32 1 where a or b is not 0, else 0.',
    linearity: 'stop',
    onnx: 'Or',
    examples: [{ inputs: [x234, x234], run: (a: Tensor, b: Tensor) => logicalOr(greater(a, 0), greater(b, 0)) }],
  },
} satisfies Record<ConditionOp, BinaryRow>;
