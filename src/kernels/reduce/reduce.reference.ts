/** Reductions as loops: visit every element once and fold it into the output it belongs to. */
import type { TypedArray } from '../../devices/dtype.ts';
import type { Spec } from '../../devices/kernel.ts';
import { normalizeAxes, type Shape, stridesOf } from '../../devices/shape.ts';
import { type ArgReduceParams, type ReduceOp, type ReduceParams, reducedCount } from './reduce.ts';

const fold: Record<ReduceOp, { start: number; step(accumulated: number, x: number): number }> = {
  sum: { start: 0, step: (accumulated, x) => accumulated + x },
  mean: { start: 0, step: (accumulated, x) => accumulated + x },
  sumOfSquares: { start: 0, step: (accumulated, x) => accumulated + x * x },
  prod: { start: 1, step: (accumulated, x) => accumulated * x },
  max: { start: -Infinity, step: Math.max }, // Math.max and Math.min pass NaN on
  min: { start: Infinity, step: Math.min },
};

export function reduceReference(
  [x]: readonly TypedArray[],
  [out]: readonly TypedArray[],
  [{ shape }]: readonly Spec[],
  params: ReduceParams,
): void {
  const axes = normalizeAxes(params.axes, shape.length, params.op);
  const { start, step } = fold[params.op];
  const strides = outputStrides(shape, axes);
  const accumulated = new Float64Array(out.length).fill(start);
  for (let i = 0; i < x.length; i++) {
    const at = outputIndex(i, shape, strides);
    accumulated[at] = step(accumulated[at], x[i]);
  }
  const divisor = params.op === 'mean' ? reducedCount(shape, axes) : 1;
  for (let i = 0; i < out.length; i++) out[i] = accumulated[i] / divisor;
}

export function argReduceReference(
  [x]: readonly TypedArray[],
  [out]: readonly TypedArray[],
  [{ shape }]: readonly Spec[],
  params: ArgReduceParams,
): void {
  const axes = normalizeAxes(params.axis, shape.length, params.op);
  const stride = stridesOf(shape)[axes[0]];
  const strides = outputStrides(shape, axes);
  const best = new Float64Array(out.length).fill(Number.NaN);
  const found = new Uint8Array(out.length);
  const better = params.op === 'argMax' ? (a: number, b: number) => a > b : (a: number, b: number) => a < b;
  for (let i = 0; i < x.length; i++) {
    const at = outputIndex(i, shape, strides);
    const wins = Number.isNaN(x[i]) ? !Number.isNaN(best[at]) : better(x[i], best[at]);
    if (!found[at] || wins) {
      best[at] = x[i];
      out[at] = Math.floor(i / stride) % shape[axes[0]];
      found[at] = 1;
    }
  }
}

/** Strides that lead from an input position to its output element: 0 along the reduced axes. */
function outputStrides(shape: Shape, axes: readonly number[]): number[] {
  const strides = new Array<number>(shape.length).fill(0);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (axes.includes(axis)) continue;
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

function outputIndex(index: number, shape: Shape, strides: readonly number[]): number {
  let at = 0;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const position = index % shape[axis];
    index = (index - position) / shape[axis];
    at += position * strides[axis];
  }
  return at;
}
