/**
 * Sums that overflow on the way although the answer is finite: the mean of [3e38, 3e38], the sum of [3e38, 3e38, -3e38].
 * After the passes that add up comes one that looks at the results: a finite one stays as it is, bit for bit; one that is
 * not finite although everything that was summed is finite is summed again, less a power of two so large that nothing
 * overflows. Where something summed is NaN or infinite the result stands.
 */
import type { Shape } from '../../devices/shape.ts';
import type { Walk } from '../elementwise/broadcast.ts';
import { type ReduceOp, reducedCount } from './reduce.ts';

export interface OverflowRepair {
  /** From an output's index, and from the number of one of its elements, to offsets in the input. */
  readonly outputs: Walk;
  readonly elements: Walk;
  readonly outputCount: number;
  readonly elementCount: number;
  /** Elements are multiplied by `scale` before they are added, and the sum by `factor`. */
  readonly scale: number;
  readonly factor: number;
}

/** Additions before a sum joins the total. */
export const REPAIR_CHAIN = 64;

/** Axes of one kind, neighbours merged where one stride leads through both; at least one axis. */
function walkOf(shape: Shape, isWanted: (axis: number) => boolean): Walk {
  const extents: number[] = [];
  const strides: number[] = [];
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const extent = shape[axis];
    if (extent > 1 && isWanted(axis)) {
      if (extents.length > 0 && strides[0] * extents[0] === stride) extents[0] *= extent;
      else {
        extents.unshift(extent);
        strides.unshift(stride);
      }
    }
    stride *= extent;
  }
  return extents.length > 0 ? { extents, strides: [strides] } : { extents: [1], strides: [[1]] };
}

/** What a reduction over `axes` (normalised) has to repair; undefined where it cannot overflow on the way. */
export function overflowRepair(op: ReduceOp, shape: Shape, axes: readonly number[]): OverflowRepair | undefined {
  if (op !== 'sum' && op !== 'mean') return undefined;
  const elementCount = reducedCount(shape, axes);
  const outputCount = shape.reduce((product, extent) => product * extent, 1) / elementCount;
  if (!(elementCount > 1) || outputCount === 0) return undefined;
  const reduced = new Set(axes);
  const power = 2 ** Math.ceil(Math.log2(elementCount));
  return {
    outputs: walkOf(shape, axis => !reduced.has(axis)),
    elements: walkOf(shape, axis => reduced.has(axis)),
    outputCount,
    elementCount,
    scale: 1 / power,
    factor: op === 'mean' ? power / elementCount : power,
  };
}
