/**
 * What a layout operation is to a device: a few strided copies. A copy walks over an index space and moves elements from
 * where one base and set of strides leads in the source to where another leads in the output. Slices, flips, transposes
 * and broadcasts are one copy; concatenation is one per input; padding copies the middle and then, axis by axis, mirrors
 * or repeats what the output already holds.
 */
import type { Spec } from '../../devices/kernel.ts';
import { broadcastStrides, normalizeAxes, type Shape, sizeOf, stridesOf } from '../../devices/shape.ts';
import { mergeAxes } from '../elementwise/broadcast.ts';
import {
  aroundAxis,
  type BroadcastToParams,
  type ConcatParams,
  type PadParams,
  type ScatterSliceParams,
  type SliceParams,
  type TransposeParams,
} from './layout.ts';

/** All numbers count elements; strides may be negative or 0. */
export interface Copy {
  /** Index of the input, or the output itself (then source and target regions are disjoint). */
  readonly source: number | 'output';
  readonly extents: readonly number[];
  readonly from: { readonly base: number; readonly strides: readonly number[] };
  readonly to: { readonly base: number; readonly strides: readonly number[] };
}

/** A copy with its axes merged; `copies` may be empty where nothing is to be moved. */
function copyOf(
  source: Copy['source'],
  shape: Shape,
  from: { base: number; strides: readonly number[] },
  to: { base: number; strides: readonly number[] },
): Copy[] {
  if (sizeOf(shape) === 0) return [];
  const { extents, strides } = mergeAxes(shape, [from.strides, to.strides]);
  return [
    { source, extents, from: { base: from.base, strides: strides[0] }, to: { base: to.base, strides: strides[1] } },
  ];
}

const whole = (shape: Shape) => ({ base: 0, strides: stridesOf(shape) });

/** Base and strides of a window of `shape`. */
function windowOf(shape: Shape, starts: readonly number[], steps?: readonly number[]) {
  const strides = stridesOf(shape);
  return {
    base: starts.reduce((offset, start, axis) => offset + start * strides[axis], 0),
    strides: strides.map((stride, axis) => stride * (steps?.[axis] ?? 1)),
  };
}

export function transposeCopies([{ shape }]: readonly Spec[], { perm }: TransposeParams): Copy[] {
  const target = perm.map(axis => shape[axis]);
  const strides = stridesOf(shape);
  return copyOf(0, target, { base: 0, strides: perm.map(axis => strides[axis]) }, whole(target));
}

export function sliceCopies([{ shape }]: readonly Spec[], { starts, sizes, steps }: SliceParams): Copy[] {
  return copyOf(0, sizes, windowOf(shape, starts, steps), whole(sizes));
}

export function scatterSliceCopies([x]: readonly Spec[], { shape, starts, steps }: ScatterSliceParams): Copy[] {
  return copyOf(0, x.shape, whole(x.shape), windowOf(shape, starts, steps));
}

export function broadcastToCopies([x]: readonly Spec[], { shape }: BroadcastToParams): Copy[] {
  return copyOf(0, shape, { base: 0, strides: broadcastStrides(x.shape, shape) }, whole(shape));
}

export function concatCopies(inputs: readonly Spec[], params: ConcatParams): Copy[] {
  const [axis] = normalizeAxes(params.axis, inputs[0].shape.length, 'concat');
  const parts = inputs.map(({ shape }) => aroundAxis(shape, axis));
  const rowLength = parts.reduce((total, { extent, inner }) => total + extent * inner, 0);
  let base = 0;
  return parts.flatMap(({ outer, extent, inner }, source) => {
    const length = extent * inner;
    const copies = copyOf(source, [outer, length], whole([outer, length]), { base, strides: [rowLength, 1] });
    base += length;
    return copies;
  });
}

export function padCopies([{ shape }]: readonly Spec[], { before, after, mode }: PadParams): Copy[] {
  const padded = shape.map((extent, axis) => before[axis] + extent + after[axis]);
  const copies = copyOf(0, shape, whole(shape), windowOf(padded, before));
  if (mode === 'constant') return copies;
  const strides = stridesOf(padded);
  for (const [axis, extent] of shape.entries()) {
    // Axes before this one are complete; axes after it still hold only their middle.
    const starts = padded.map((_, i) => (i <= axis ? 0 : before[i]));
    const sizes = padded.map((size, i) => (i < axis ? size : shape[i]));
    const strip = (length: number, first: number, source: number): void => {
      const region = sizes.map((size, i) => (i === axis ? length : size));
      const step = mode === 'reflect' ? -1 : 0;
      const to = windowOf(padded, starts);
      const at = (position: number): number => to.base + position * strides[axis];
      copies.push(
        ...copyOf(
          'output',
          region,
          { base: at(source), strides: strides.map((stride, i) => (i === axis ? step * stride : stride)) },
          { base: at(first), strides },
        ),
      );
    };
    const [first, last] = [before[axis], before[axis] + extent - 1];
    const mirrored = mode === 'reflect' ? 1 : 0;
    strip(before[axis], 0, mode === 'reflect' ? 2 * first : first);
    strip(after[axis], last + 1, last - mirrored);
  }
  return copies;
}
