/**
 * Reductions over any set of axes: parameters, output shapes, costs, and the form in which kernels see them. Sizes of 1
 * are dropped and neighbouring axes merged, which leaves runs of kept and reduced axes in turn; reducing one run is
 * always the same small problem, [outer, extent, inner] -> [outer, inner].
 */
import { DTypeError, ShapeError } from '../../devices/errors.ts';
import type { KernelDefinition, Spec } from '../../devices/kernel.ts';
import { formatShape, normalizeAxes, type Shape, sizeOf } from '../../devices/shape.ts';
import { trafficOf } from '../traffic.ts';

export type ReduceOp = 'sum' | 'mean' | 'max' | 'min' | 'prod' | 'sumOfSquares';

/** Whether it adds: what devices of highest precision round once. */
export const isSum = (op: ReduceOp): boolean => op === 'sum' || op === 'mean' || op === 'sumOfSquares';

export interface ReduceParams {
  readonly op: ReduceOp;
  /** Axes to reduce; negative ones count from the back; none reduces nothing. */
  readonly axes: readonly number[];
  /** Reduced axes stay, with size 1. */
  readonly keepDims: boolean;
}

export interface ArgReduceParams {
  readonly op: 'argMax' | 'argMin';
  readonly axis: number;
  readonly keepDims: boolean;
}

/** Reduces the middle axis of [outer, extent, inner]. */
export interface ReduceStep {
  readonly outer: number;
  readonly extent: number;
  readonly inner: number;
}

/** The shape that is left of `shape` when `axes` (normalised) are reduced. */
export function reducedShape(shape: Shape, axes: readonly number[], keepDims: boolean): number[] {
  const reduced = new Set(axes);
  if (keepDims) return shape.map((extent, axis) => (reduced.has(axis) ? 1 : extent));
  return shape.filter((_, axis) => !reduced.has(axis));
}

/** How many elements make one output. */
export function reducedCount(shape: Shape, axes: readonly number[]): number {
  return axes.reduce((count, axis) => count * shape[axis], 1);
}

/**
 * The steps that reduce `axes` (normalised) of `shape`, innermost run first. One step for the common cases (everything,
 * last axes, leading axes); a step with extent 1 if nothing is reduced.
 */
export function reduceSteps(shape: Shape, axes: readonly number[]): ReduceStep[] {
  const reduced = new Set(axes);
  if (reducedCount(shape, axes) === 0) {
    return [{ outer: 1, extent: 0, inner: sizeOf(reducedShape(shape, axes, false)) }]; // nothing to read
  }
  const runs: { extent: number; reduced: boolean }[] = [];
  for (const [axis, extent] of shape.entries()) {
    if (extent === 1) continue;
    const last = runs[runs.length - 1];
    if (last && last.reduced === reduced.has(axis)) last.extent *= extent;
    else runs.push({ extent, reduced: reduced.has(axis) });
  }
  const steps: ReduceStep[] = [];
  let inner = 1;
  for (let at = runs.length - 1; at >= 0; at--) {
    if (!runs[at].reduced) {
      inner *= runs[at].extent;
      continue;
    }
    const outer = runs.slice(0, at).reduce((product, run) => product * run.extent, 1);
    steps.push({ outer, extent: runs[at].extent, inner });
  }
  return steps.length > 0 ? steps : [{ outer: 1, extent: 1, inner: sizeOf(shape) }];
}

function inferReduce([x]: readonly Spec[], { op, axes, keepDims }: ReduceParams): Spec[] {
  if (x.dtype !== 'float32' && !(x.dtype === 'int32' && (op === 'sum' || op === 'max' || op === 'min'))) {
    throw new DTypeError(`${op}: ${x.dtype} is not supported; cast to float32.`);
  }
  const normal = normalizeAxes(axes, x.shape.length, op);
  if ((op === 'max' || op === 'min' || op === 'mean') && reducedCount(x.shape, normal) === 0) {
    throw new ShapeError(`${op}: axes ${formatShape(axes)} of ${formatShape(x.shape)} hold no elements.`);
  }
  return [{ shape: reducedShape(x.shape, normal, keepDims), dtype: x.dtype }];
}

/**
 * Inputs [x]; output: x with `axes` reduced. float32; int32 (wrapping) for sum, max and min. max and min pass NaN on. The
 * sum of nothing is 0 and the product 1; max, min and mean of nothing throw ShapeError.
 */
export const reduceDefinition: KernelDefinition<ReduceParams> = {
  name: 'reduce',
  infer: inferReduce,
  cost: (inputs, params) => ({
    flops: sizeOf(inputs[0].shape) * (params.op === 'sumOfSquares' ? 2 : 1),
    bytes: trafficOf(inputs, inferReduce(inputs, params)),
  }),
};

function inferArgReduce([x]: readonly Spec[], { op, axis, keepDims }: ArgReduceParams): Spec[] {
  if (x.dtype !== 'float32' && x.dtype !== 'int32') {
    throw new DTypeError(`${op} takes float32 or int32, not ${x.dtype}.`);
  }
  const axes = normalizeAxes(axis, x.shape.length, op);
  if (x.shape[axes[0]] === 0) {
    throw new ShapeError(`${op}: axis ${axis} of ${formatShape(x.shape)} holds no elements.`);
  }
  return [{ shape: reducedShape(x.shape, axes, keepDims), dtype: 'int32' }];
}

/**
 * Inputs [x]; output int32: position of the largest (smallest) element along `axis`, the first one of several. NaN counts
 * as the largest for argMax and as the smallest for argMin, as in NumPy. float32 or int32.
 */
export const argReduceDefinition: KernelDefinition<ArgReduceParams> = {
  name: 'argReduce',
  infer: inferArgReduce,
  cost: (inputs, params) => ({
    flops: sizeOf(inputs[0].shape),
    bytes: trafficOf(inputs, inferArgReduce(inputs, params)),
  }),
};
