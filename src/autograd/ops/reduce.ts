/** Summaries along axes beyond the plain sum (which lives with broadcasting, its gradient). */
import { normalizeAxes } from '../../devices/shape.ts';
import {
  argReduce as argReduceKernel,
  type ReduceOp,
  type ReduceParams,
  reduce as reduceKernel,
} from '../../kernels/reduce/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { apply, kernelOp, type VectorJacobianProduct } from '../op.ts';
import { broadcastTo, keptShape, sum } from './broadcast.ts';
import { affine, cast, div, equal, mul, square, sub } from './elementwise.ts';
import { reshape } from './layout.ts';

const count = (x: Tensor, axes: readonly number[]): number => axes.reduce((total, axis) => total * x.shape[axis], 1);

/** The gradient, and the output, spread over the reduced axes again. */
const spread = (reduced: Tensor, x: Tensor, axes: readonly number[]): Tensor =>
  broadcastTo(reshape(reduced, keptShape(x, axes)), x.shape);

/** Elements that attain the extremum share its gradient evenly, as in PyTorch. */
const extremumGradient: VectorJacobianProduct<ReduceParams> = ({
  inputs: [x],
  outputs: [y],
  params: { axes },
  upstream,
}) => {
  const attains = cast(equal(x, spread(y, x, axes)), 'float32');
  return [mul(spread(upstream, x, axes), div(attains, sum(attains, axes, true)))];
};

const OPS = {
  mean: kernelOp(reduceKernel, {
    name: 'mean',
    gradient: ({ inputs: [x], params: { axes }, upstream }) => [
      spread(affine(upstream, 1 / count(x, axes), 0), x, axes),
    ],
  }),
  max: kernelOp(reduceKernel, { name: 'max', gradient: extremumGradient }),
  min: kernelOp(reduceKernel, { name: 'min', gradient: extremumGradient }),
  // The product of the others, as product / x: right as long as no element is 0.
  prod: kernelOp(reduceKernel, {
    name: 'prod',
    gradient: ({ inputs: [x], outputs: [y], params: { axes }, upstream }) => [
      div(spread(mul(upstream, y), x, axes), x),
    ],
  }),
  sumOfSquares: kernelOp(reduceKernel, {
    name: 'sumOfSquares',
    gradient: ({ inputs: [x], params: { axes }, upstream }) => [mul(affine(x, 2, 0), spread(upstream, x, axes))],
  }),
};

type Axes = number | readonly number[];

function reduce(op: Exclude<ReduceOp, 'sum'>, x: Tensor, axes: Axes | undefined, keepDims: boolean): Tensor {
  return apply(OPS[op], [x], { op, axes: normalizeAxes(axes, x.rank, op), keepDims });
}

/** Mean over `axes` (all when absent). */
export const mean = (x: Tensor, axes?: Axes, keepDims = false): Tensor => reduce('mean', x, axes, keepDims);
/** Largest value over `axes`; NaN if one is among them. Ties share the gradient. */
export const max = (x: Tensor, axes?: Axes, keepDims = false): Tensor => reduce('max', x, axes, keepDims);
/** Smallest value over `axes`; NaN if one is among them. Ties share the gradient. */
export const min = (x: Tensor, axes?: Axes, keepDims = false): Tensor => reduce('min', x, axes, keepDims);
/** Product over `axes`; its gradient is NaN where an element is 0. */
export const prod = (x: Tensor, axes?: Axes, keepDims = false): Tensor => reduce('prod', x, axes, keepDims);
/** Sum of squares over `axes`. */
export const sumOfSquares = (x: Tensor, axes?: Axes, keepDims = false): Tensor =>
  reduce('sumOfSquares', x, axes, keepDims);

/** Variance over `axes`, about the mean, divided by the count (or by count - 1 when `unbiased`). */
export function variance(x: Tensor, axes?: Axes, options: { keepDims?: boolean; unbiased?: boolean } = {}): Tensor {
  const { keepDims = false, unbiased = false } = options;
  const list = normalizeAxes(axes, x.rank, 'variance');
  const value = mean(square(sub(x, mean(x, list, true))), list, keepDims);
  const n = count(x, list);
  return unbiased ? affine(value, n / (n - 1), 0) : value;
}

const argReduceOp = kernelOp(argReduceKernel, { gradient: () => [undefined] });

/** Index of the largest value along `axis` (int32); the first of several. */
export function argMax(x: Tensor, axis = -1, keepDims = false): Tensor {
  return apply(argReduceOp, [x], { op: 'argMax', axis: normalizeAxes(axis, x.rank, 'argMax')[0], keepDims });
}

/** Index of the smallest value along `axis` (int32); the first of several. */
export function argMin(x: Tensor, axis = -1, keepDims = false): Tensor {
  return apply(argReduceOp, [x], { op: 'argMin', axis: normalizeAxes(axis, x.rank, 'argMin')[0], keepDims });
}
