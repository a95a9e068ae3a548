/**
 * Broadcasting, reduced to what a loop needs. Axes of size 1 are dropped, and neighbouring axes that every operand walks
 * through in one stride are merged, so that [32, 14, 14, 64] + [64] becomes a 2-dimensional walk with strides (64, 1) and
 * (0, 1), and two equal shapes become one long line whatever their rank. After merging, the innermost stride of every
 * operand is 0 or 1.
 */
import { broadcastStrides, type Shape } from '../../devices/shape.ts';

export interface Walk {
  /** Extents, outermost first; at least one axis. */
  readonly extents: readonly number[];
  /** Strides in elements, by operand, then axis. */
  readonly strides: readonly (readonly number[])[];
}

/** The walk that reads operands of the given shapes in the order of the elements of `target`. */
export function broadcastWalk(shapes: readonly Shape[], target: Shape): Walk {
  return mergeAxes(
    target,
    shapes.map(shape => broadcastStrides(shape, target)),
  );
}

/** Drops axes of size 1 and merges neighbours that all operands walk through in one stride. */
export function mergeAxes(shape: Shape, operandStrides: readonly (readonly number[])[]): Walk {
  const extents: number[] = [];
  const strides: number[][] = operandStrides.map(() => []);
  for (let axis = 0; axis < shape.length; axis++) {
    const extent = shape[axis];
    if (extent === 1) continue;
    const last = extents.length - 1;
    if (last >= 0 && operandStrides.every((own, k) => strides[k][last] === own[axis] * extent)) {
      extents[last] *= extent;
      for (const [k, own] of operandStrides.entries()) strides[k][last] = own[axis];
    } else {
      extents.push(extent);
      for (const [k, own] of operandStrides.entries()) strides[k].push(own[axis]);
    }
  }
  if (extents.length === 0) {
    extents.push(1);
    for (const own of strides) own.push(1);
  }
  return { extents, strides };
}
