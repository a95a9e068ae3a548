/** Summaries along axes beyond the plain sum (which lives with broadcasting, its gradient). */
import { ShapeError } from '../../devices/errors.ts';
import { formatShape, normalizeAxes } from '../../devices/shape.ts';
import { retain } from '../../devices/storage.ts';
import { precisionOf } from '../../devices/variants.ts';
import {
  type ArgReduceParams,
  argReduce as argReduceKernel,
  type ReduceOp,
  type ReduceParams,
  reduce as reduceKernel,
} from '../../kernels/reduce/index.ts';
import { zerosLike } from '../../tensor/creation.ts';
import { tidy } from '../../tensor/lifetime.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { apply, kernelOp, type Op, type VectorJacobianProduct } from '../op.ts';
import { everywhereAlong, type OpRow, type OpRows, type Sample } from '../row.ts';
import { noGrad } from '../tape.ts';
import { broadcastTo, keptShape, reachOfReduction, sum } from './broadcast.ts';
import { cast, equal, less, where } from './conditions.ts';
import { abs, add, affine, div, exp, log, mul, sqrt, square, sub } from './elementwise.ts';
import { concat, pad, reshape, slice, transpose } from './layout.ts';

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

/**
 * upstream [m, 1] times, for each element of x [m, n], the product of the other elements of its row. Pairs are multiplied
 * up a tree, and what surrounds each pair is handed down again; nothing is divided, so zeros (one, several) are right, and
 * so are all further derivatives.
 */
function timesTheOthers(x: Tensor, upstream: Tensor): Tensor {
  const [m, n] = x.shape;
  if (n === 1) return upstream;
  const half = Math.ceil(n / 2);
  const even = n % 2 === 0 ? x : pad(x, [0, 0], [0, 1], { value: 1 });
  const pairs = reshape(even, [m, half, 2]);
  const [left, right] = [0, 1].map(side => slice(pairs, [0, 0, side], [m, half, 1]));
  const around = timesTheOthers(reshape(mul(left, right), [m, half]), upstream);
  const outside = reshape(around, [m, half, 1]);
  const both = reshape(concat([mul(outside, right), mul(outside, left)], 2), [m, 2 * half]);
  return n % 2 === 0 ? both : slice(both, [0, 0], [m, n]);
}

type SummaryOp = Exclude<ReduceOp, 'sum'>;

export const SUMMARIES = {
  mean: kernelOp('mean', reduceKernel, {
    gradient: ({ inputs: [x], params: { axes }, upstream }) => [
      spread(affine(upstream, 1 / count(x, axes), 0), x, axes),
    ],
  }),
  max: kernelOp('max', reduceKernel, { gradient: extremumGradient }),
  min: kernelOp('min', reduceKernel, { gradient: extremumGradient }),
  prod: kernelOp('prod', reduceKernel, {
    gradient({ inputs: [x], params: { axes }, upstream }) {
      if (x.size === 0) return [zerosLike(x)];
      const kept = x.shape.map((_, axis) => axis).filter(axis => !axes.includes(axis));
      const order = [...kept, ...axes];
      const rows = reshape(transpose(x, order), [-1, count(x, axes)]);
      const gradient = timesTheOthers(rows, reshape(upstream, [-1, 1]));
      const ordered = reshape(
        gradient,
        order.map(axis => x.shape[axis]),
      );
      return [
        transpose(
          ordered,
          order.map((_, axis) => order.indexOf(axis)),
        ),
      ];
    },
  }),
  sumOfSquares: kernelOp('sumOfSquares', reduceKernel, {
    gradient: ({ inputs: [x], params: { axes }, upstream }) => [mul(affine(x, 2, 0), spread(upstream, x, axes))],
  }),
};

type Axes = number | readonly number[];

function reduce(op: SummaryOp, x: Tensor, axes: Axes | undefined, keepDims: boolean): Tensor {
  return apply(SUMMARIES[op], [x], { op, axes: normalizeAxes(axes, x.rank, op), keepDims });
}

/** Mean over `axes` (all when absent). */
export const mean = (x: Tensor, axes?: Axes, keepDims = false): Tensor => reduce('mean', x, axes, keepDims);
/** Largest value over `axes`; NaN if one is among them. Ties share the gradient. */
export const max = (x: Tensor, axes?: Axes, keepDims = false): Tensor => reduce('max', x, axes, keepDims);
/** Smallest value over `axes`; NaN if one is among them. Ties share the gradient. */
export const min = (x: Tensor, axes?: Axes, keepDims = false): Tensor => reduce('min', x, axes, keepDims);
/** Product over `axes`. */
export const prod = (x: Tensor, axes?: Axes, keepDims = false): Tensor => reduce('prod', x, axes, keepDims);
/** Sum of squares over `axes`. */
export const sumOfSquares = (x: Tensor, axes?: Axes, keepDims = false): Tensor =>
  reduce('sumOfSquares', x, axes, keepDims);

/** Where the sum of squares overflows the norm is computed of x 2^-80, where it is below 2^-80 of x 2^80: both are exact. */
const NORM_UNIT = 2 ** 80;

const normOp: Op<{ axes: readonly number[]; keepDims: boolean }> = {
  name: 'norm',
  run([x], { axes, keepDims }) {
    const result = tidy(() =>
      noGrad(() => {
        const squares = (unit: number): Tensor => sumOfSquares(unit === 1 ? x : affine(x, 1 / unit, 0), axes, keepDims);
        const scaled = (unit: number): Tensor => affine(sqrt(squares(unit)), unit, 0);
        const plain = squares(1);
        const upper = where(equal(plain, Infinity), scaled(NORM_UNIT), sqrt(plain));
        return where(less(plain, 1 / NORM_UNIT), scaled(1 / NORM_UNIT), upper);
      }),
    );
    const saved = { storage: retain(result.storage), shape: result.shape, dtype: result.dtype };
    result.dispose();
    return [saved];
  },
  // x / y, and 0 where all of x is 0, as in PyTorch.
  gradient: ({ inputs: [x], outputs: [y], params: { axes }, upstream }) => {
    const divisor = where(equal(y, 0), 1, y);
    return [mul(spread(upstream, x, axes), div(x, spread(divisor, x, axes)))];
  },
};

/**
 * Euclidean norm over `axes`: the root of the sum of squares, also where the squares are beyond float32 although the norm
 * is not (1e30, 1e-30). Where it is 0 its gradient is 0. float32.
 */
export function norm(x: Tensor, axes?: Axes, keepDims = false): Tensor {
  return apply(normOp, [x], { axes: normalizeAxes(axes, x.rank, 'norm'), keepDims });
}

/** log(sum(e^x)) over `axes`, computed from x less its maximum, so that nothing overflows. Its gradient is the softmax. */
export function logSumExp(x: Tensor, axes?: Axes, keepDims = false): Tensor {
  const list = normalizeAxes(axes, x.rank, 'logSumExp');
  // Of infinities nothing can be taken off.
  const shift = noGrad(() => {
    const largest = max(x, list, true);
    return where(less(abs(largest), Infinity), largest, 0);
  });
  const value = add(log(sum(exp(sub(x, shift)), list, true)), shift);
  return keepDims
    ? value
    : reshape(
        value,
        x.shape.filter((_, axis) => !list.includes(axis)),
      );
}

/**
 * Variance over `axes`, about the mean, divided by the count (or by count - 1 when `unbiased`).
 * @throws ShapeError when there is nothing to average, or a single value and `unbiased`
 */
export function variance(x: Tensor, axes?: Axes, options: { keepDims?: boolean; unbiased?: boolean } = {}): Tensor {
  const { keepDims = false, unbiased = false } = options;
  const list = normalizeAxes(axes, x.rank, 'variance');
  const n = count(x, list);
  if (unbiased && n < 2) {
    throw new ShapeError(
      `variance: unbiased needs at least 2 values for each result, and axes ${formatShape(list)} of ` +
        `${formatShape(x.shape)} hold ${n}.`,
    );
  }
  const deviation = (y: Tensor): Tensor => sub(y, mean(y, list, true));
  // A stored mean is off by as much as float32 rounds at its size; the deviations' own mean is what it is off by.
  const isHighest = precisionOf(x.device.info.adapter) === 'highest';
  const value = mean(square(isHighest ? deviation(deviation(x)) : deviation(x)), list, keepDims);
  return unbiased ? affine(value, n / (n - 1), 0) : value;
}

const argReduceOp = kernelOp('argReduce', argReduceKernel, { gradient: () => [undefined] });

/** Index of the largest value along `axis` (int32); the first of several. */
export function argMax(x: Tensor, axis = -1, keepDims = false): Tensor {
  return apply(argReduceOp, [x], { op: 'argMax', axis: normalizeAxes(axis, x.rank, 'argMax')[0], keepDims });
}

/** Index of the smallest value along `axis` (int32); the first of several. */
export function argMin(x: Tensor, axis = -1, keepDims = false): Tensor {
  return apply(argReduceOp, [x], { op: 'argMin', axis: normalizeAxes(axis, x.rank, 'argMin')[0], keepDims });
}

const x234: Sample = { shape: [2, 3, 4] };

export const summaryRows = {
  mean: {
    about: 'Mean over some axes, or all.',
    functions: [mean, variance],
    kernels: [reduceKernel],
    linearity: 'linear',
    reach: reachOfReduction,
    examples: [
      { inputs: [x234], run: (x: Tensor) => mean(x, 1, true) },
      { title: 'of squares: variance', inputs: [x234], run: (x: Tensor) => variance(x, [0, 1], { unbiased: true }) },
    ],
    onnx: 'ReduceMean',
  },
  max: {
    about: 'Largest value over some axes, or all; ties have equal parts in the gradient.',
    functions: [max],
    kernels: [reduceKernel],
    linearity: 'extremum',
    reach: reachOfReduction,
    examples: [{ inputs: [x234], run: (x: Tensor) => max(x, [1, 2]) }],
    onnx: 'ReduceMax',
  },
  min: {
    about: 'Smallest value over some axes, or all; ties have equal parts in the gradient.',
    functions: [min],
    kernels: [reduceKernel],
    linearity: 'extremum',
    reach: reachOfReduction,
    examples: [{ inputs: [x234], run: (x: Tensor) => min(x, -1, true) }],
    onnx: 'ReduceMin',
  },
  prod: {
    about: 'Product over some axes, or all.',
    functions: [prod],
    kernels: [reduceKernel],
    linearity: 'open',
    reach: reachOfReduction,
    examples: [{ inputs: [x234], run: (x: Tensor) => prod(x, 1) }],
    onnx: 'ReduceProd',
  },
  sumOfSquares: {
    about: 'Sum of squares over some axes, or all.',
    functions: [sumOfSquares],
    kernels: [reduceKernel],
    linearity: 'quadratic',
    reach: reachOfReduction,
    examples: [{ inputs: [x234], run: (x: Tensor) => sumOfSquares(x, 0) }],
    onnx: 'ReduceSumSquare',
  },
} satisfies Record<SummaryOp, Omit<OpRow, 'op'>>;

export const searchRows = {
  norm: {
    about: 'Euclidean norm over some axes, or all; the gradient is 0 where it is 0.',
    op: normOp,
    functions: [norm],
    kernels: [reduceKernel],
    linearity: 'open',
    reach: reachOfReduction,
    examples: [{ inputs: [x234], run: (x: Tensor) => norm(x, [0, 2]) }],
    onnx: 'ReduceL2',
  },
  argReduce: {
    about: 'Index of the largest or smallest value along an axis (int32); the first of several.',
    op: argReduceOp,
    functions: [argMax, argMin],
    kernels: [argReduceKernel],
    linearity: 'stop',
    reach: ({ axis }: ArgReduceParams, [x]) => everywhereAlong([axis], x),
    examples: [{ inputs: [x234], run: (x: Tensor) => argMax(x, 1) }],
    onnx: 'ArgMax',
  },
} satisfies OpRows;
