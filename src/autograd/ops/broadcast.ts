/** Repeating along axes and summing over them: each is the other's gradient. */
import { normalizeAxes, type Shape, sameShape } from '../../devices/shape.ts';
import { retain, type Storage } from '../../devices/storage.ts';
import { broadcastTo as broadcastToKernel } from '../../kernels/layout/index.ts';
import { reduce as reduceKernel } from '../../kernels/reduce/index.ts';
import { Tensor } from '../../tensor/tensor.ts';
import { apply, kernelOp, runKernel } from '../op.ts';
import { everywhereAlong, type OpRows, type Reach } from '../row.ts';
import { reshape } from './layout.ts';

const broadcastToOp = kernelOp('broadcastTo', broadcastToKernel, {
  gradient: ({ inputs: [x], upstream }) => [sumTo(upstream, x.shape)],
});

/** `x` repeated to `shape` by NumPy's rules. */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  return sameShape(x.shape, shape) ? x : apply(broadcastToOp, [x], { shape });
}

const sumOp = kernelOp('sum', reduceKernel, {
  gradient: ({ inputs: [x], params: { axes }, upstream }) => [
    broadcastTo(reshape(upstream, keptShape(x, axes)), x.shape),
  ],
});

/** The shape of `x` with 1 in place of `axes`. */
export function keptShape(x: Tensor, axes: readonly number[]): number[] {
  return x.shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent));
}

/** Sum over `axes` (all when absent). */
export function sum(x: Tensor, axes?: number | readonly number[], keepDims = false): Tensor {
  return apply(sumOp, [x], { op: 'sum', axes: normalizeAxes(axes, x.rank, 'sum'), keepDims });
}

/** Sums `x` over the axes along which `shape` was repeated to make it: the gradient of broadcasting. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const axes = repeatedAxes(x.shape, shape);
  return reshape(axes.length > 0 ? sum(x, axes) : x, shape);
}

/** The gradient of a bias that was added to every row; off the tape and in `target` where there is one, sparing a copy. */
export function biasGradient(dy: Tensor, bias: Tensor, target: Storage | undefined): Tensor {
  if (!target || sameShape(dy.shape, bias.shape)) return sumTo(dy, bias.shape);
  runKernel(reduceKernel, [dy], { op: 'sum', axes: repeatedAxes(dy.shape, bias.shape), keepDims: false }, [target]);
  return new Tensor(retain(target), bias.shape);
}

/** The axes of `full` along which `shape` was repeated. */
function repeatedAxes(full: Shape, shape: Shape): number[] {
  const lead = full.length - shape.length;
  return full.flatMap((extent, axis) => (axis < lead || (shape[axis - lead] === 1 && extent !== 1) ? [axis] : []));
}

/** A summary sees all that it sums up. */
export const reachOfReduction: Reach = ({ axes }: { readonly axes: readonly number[] }, [x]) =>
  everywhereAlong(axes, x);

export const broadcastRows = {
  broadcastTo: {
    about: "The elements repeated to another shape, by NumPy's rules.",
    op: broadcastToOp,
    functions: [broadcastTo],
    kernels: [broadcastToKernel],
    linearity: 'linear',
    reach: 'same',
    examples: [{ inputs: [{ shape: [3, 1] }], run: (x: Tensor) => broadcastTo(x, [2, 3, 4]) }],
    onnx: 'Expand',
  },
  sum: {
    about: 'Sum over some axes, or all.',
    op: sumOp,
    functions: [sum, sumTo],
    kernels: [reduceKernel],
    linearity: 'linear',
    reach: reachOfReduction,
    examples: [{ inputs: [{ shape: [2, 3, 4] }], run: (x: Tensor) => sum(x, [0, 2]) }],
    onnx: 'ReduceSum',
  },
} satisfies OpRows;
