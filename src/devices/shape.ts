/**
 * Shape arithmetic. A shape is a plain array of sizes, outermost first; storage is always contiguous in that order
 * (row-major), so strides follow from the shape and are never stored.
 */
import { ShapeError } from './errors.ts';

export type Shape = readonly number[];

/** Number of elements; 1 for a scalar `[]`, 0 when any size is 0. */
export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const extent of shape) size *= extent;
  return size;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((extent, axis) => extent === b[axis]);
}

/** `[2, 3]` as text, for messages. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

/** Row-major strides in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

/** The shape that `a` and `b` broadcast to by NumPy's rules. Throws ShapeError naming both. */
export function broadcastShapes(a: Shape, b: Shape, what = 'broadcast'): number[] {
  const rank = Math.max(a.length, b.length);
  const out = new Array<number>(rank);
  for (let i = 1; i <= rank; i++) {
    const x = i <= a.length ? a[a.length - i] : 1;
    const y = i <= b.length ? b[b.length - i] : 1;
    if (x !== y && x !== 1 && y !== 1) {
      throw new ShapeError(`${what}: shapes ${formatShape(a)} and ${formatShape(b)} do not broadcast.`);
    }
    out[rank - i] = x === 1 ? y : x;
  }
  return out;
}

/** Strides with which a tensor of `shape` is read as if it had the broadcast shape `target`: 0 along repeated axes. */
export function broadcastStrides(shape: Shape, target: Shape): number[] {
  const own = stridesOf(shape);
  const lead = target.length - shape.length;
  return target.map((_, axis) => (axis < lead || shape[axis - lead] === 1 ? 0 : own[axis - lead]));
}

/** Axes counted from the front, sorted, each at most once; negative ones count from the back; undefined means all. */
export function normalizeAxes(axes: number | readonly number[] | undefined, rank: number, what: string): number[] {
  if (axes === undefined) return Array.from({ length: rank }, (_, axis) => axis);
  const list = typeof axes === 'number' ? [axes] : axes;
  const out = list.map(axis => {
    const positive = axis < 0 ? axis + rank : axis;
    if (!Number.isInteger(axis) || positive < 0 || positive >= rank) {
      throw new ShapeError(`${what}: axis ${axis} does not exist in a tensor of rank ${rank}.`);
    }
    return positive;
  });
  if (new Set(out).size !== out.length) throw new ShapeError(`${what}: axes ${formatShape(list)} name one axis twice.`);
  return out.sort((a, b) => a - b);
}

/** Throws ShapeError unless every size is a non-negative integer. */
export function checkShape(shape: Shape, what: string): void {
  for (const extent of shape) {
    if (!Number.isInteger(extent) || extent < 0) {
      throw new ShapeError(`${what}: shape ${formatShape(shape)} has a size that is not a non-negative integer.`);
    }
  }
}
