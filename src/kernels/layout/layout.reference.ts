/**
 * Moving elements, as loops. Most operations are one idea: walk over an index space, and copy from where one set of
 * strides leads to where another leads.
 */
import type { TypedArray } from '../../devices/dtype.ts';
import type { Spec } from '../../devices/kernel.ts';
import { broadcastStrides, normalizeAxes, type Shape, sizeOf, stridesOf } from '../../devices/shape.ts';
import {
  aroundAxis,
  type BroadcastToParams,
  type ConcatParams,
  type GatherParams,
  type OneHotParams,
  outsideValue,
  type PadParams,
  type ScatterAddParams,
  type ScatterSliceParams,
  type SliceParams,
  scatterAxis,
  type TransposeParams,
} from './layout.ts';

type Arrays = readonly TypedArray[];
type Specs = readonly Spec[];

/** Visits every position of `shape`, in row-major order. */
function forEachPosition(shape: Shape, visit: (position: readonly number[]) => void): void {
  const position = new Array<number>(shape.length).fill(0);
  for (let left = sizeOf(shape); left > 0; left--) {
    visit(position);
    for (let axis = shape.length - 1; axis >= 0 && ++position[axis] === shape[axis]; axis--) position[axis] = 0;
  }
}

const dot = (position: readonly number[], strides: readonly number[]): number =>
  position.reduce((offset, at, axis) => offset + at * strides[axis], 0);

export function transposeReference([x]: Arrays, [y]: Arrays, [{ shape }]: Specs, { perm }: TransposeParams): void {
  const strides = stridesOf(shape);
  let i = 0;
  forEachPosition(
    perm.map(axis => shape[axis]),
    position => {
      y[i++] = x[position.reduce((offset, at, axis) => offset + at * strides[perm[axis]], 0)];
    },
  );
}

/** Where position 0 of a slice lies, and how far its steps go. */
function windowStrides(shape: Shape, starts: readonly number[], steps: readonly number[] | undefined) {
  const strides = stridesOf(shape);
  return { first: dot(starts, strides), strides: strides.map((stride, axis) => stride * (steps?.[axis] ?? 1)) };
}

export function sliceReference([x]: Arrays, [y]: Arrays, [{ shape }]: Specs, params: SliceParams): void {
  const { first, strides } = windowStrides(shape, params.starts, params.steps);
  let i = 0;
  forEachPosition(params.sizes, position => {
    y[i++] = x[first + dot(position, strides)];
  });
}

export function scatterSliceReference([x]: Arrays, [y]: Arrays, [{ shape }]: Specs, params: ScatterSliceParams): void {
  const { first, strides } = windowStrides(params.shape, params.starts, params.steps);
  y.fill(0);
  let i = 0;
  forEachPosition(shape, position => {
    y[first + dot(position, strides)] = x[i++];
  });
}

export function concatReference(inputs: Arrays, [y]: Arrays, specs: Specs, params: ConcatParams): void {
  const [axis] = normalizeAxes(params.axis, specs[0].shape.length, 'concat');
  const parts = specs.map(({ shape }) => aroundAxis(shape, axis));
  let at = 0;
  for (let row = 0; row < parts[0].outer; row++) {
    for (const [k, x] of inputs.entries()) {
      const length = parts[k].extent * parts[k].inner;
      for (let i = 0; i < length; i++) y[at++] = x[row * length + i];
    }
  }
}

export function padReference([x]: Arrays, [y]: Arrays, [{ shape }]: Specs, params: PadParams): void {
  const { before, after, mode, value = 0 } = params;
  const strides = stridesOf(shape);
  let i = 0;
  forEachPosition(
    shape.map((extent, axis) => before[axis] + extent + after[axis]),
    position => {
      let offset = 0;
      let inside = true;
      for (const [axis, extent] of shape.entries()) {
        let at = position[axis] - before[axis];
        if (mode === 'edge') at = Math.min(Math.max(at, 0), extent - 1);
        if (mode === 'reflect') at = extent - 1 - Math.abs(extent - 1 - Math.abs(at));
        inside &&= at >= 0 && at < extent;
        offset += at * strides[axis];
      }
      y[i++] = inside ? x[offset] : value;
    },
  );
}

export function gatherReference([x, indices]: Arrays, [y]: Arrays, [spec]: Specs, params: GatherParams): void {
  const [axis] = normalizeAxes(params.axis, spec.shape.length, 'gather');
  const { outer, extent, inner } = aroundAxis(spec.shape, axis);
  let i = 0;
  for (let row = 0; row < outer; row++) {
    for (const index of indices) {
      const inside = index >= 0 && index < extent;
      for (let j = 0; j < inner; j++) {
        y[i++] = inside ? x[(row * extent + index) * inner + j] : outsideValue(spec.dtype);
      }
    }
  }
}

export function scatterAddReference(
  [updates, indices]: Arrays,
  [y]: Arrays,
  specs: Specs,
  params: ScatterAddParams,
): void {
  const axis = scatterAxis(specs, params);
  const { outer } = aroundAxis(specs[0].shape, axis);
  const inner = sizeOf(specs[0].shape.slice(axis + specs[1].shape.length));
  y.fill(0);
  let i = 0;
  for (let row = 0; row < outer; row++) {
    for (const index of indices) {
      const inside = index >= 0 && index < params.size;
      for (let j = 0; j < inner; j++, i++) {
        if (inside) y[(row * params.size + index) * inner + j] += updates[i];
      }
    }
  }
}

export function oneHotReference([labels]: Arrays, [y]: Arrays, _: Specs, params: OneHotParams): void {
  const { classes, onValue = 1, offValue = 0 } = params;
  for (let i = 0; i < y.length; i++) y[i] = labels[Math.floor(i / classes)] === i % classes ? onValue : offValue;
}

export function broadcastToReference([x]: Arrays, [y]: Arrays, [spec]: Specs, { shape }: BroadcastToParams): void {
  const strides = broadcastStrides(spec.shape, shape);
  let i = 0;
  forEachPosition(shape, position => {
    y[i++] = x[dot(position, strides)];
  });
}
