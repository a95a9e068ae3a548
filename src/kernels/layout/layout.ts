/**
 * Operations that move elements and compute nothing (or, for `scatterAdd`, only add): parameters, output shapes, costs.
 * Elements are bits here: a copy keeps a NaN's payload, and float32, int32 and uint32 share their kernels.
 */
import { bytesPerElement, type DType } from '../../devices/dtype.ts';
import { DTypeError, ShapeError, UsageError } from '../../devices/errors.ts';
import type { KernelDefinition, Spec } from '../../devices/kernel.ts';
import { broadcastShapes, checkShape, formatShape, normalizeAxes, type Shape, sameShape } from '../../devices/shape.ts';
import { trafficOf } from '../traffic.ts';

/** Output axis i is input axis perm[i]. */
export interface TransposeParams {
  readonly perm: readonly number[];
}

/** Element i along an axis is element `start + i * step` of the input; a negative step walks backwards (flip). */
export interface SliceParams {
  readonly starts: readonly number[];
  readonly sizes: readonly number[];
  /** Default 1 everywhere; not 0. */
  readonly steps?: readonly number[];
}

/** The inverse of a slice: writes its input where the slice read, and zeros elsewhere. */
export interface ScatterSliceParams {
  readonly shape: Shape;
  readonly starts: readonly number[];
  readonly steps?: readonly number[];
}

export interface ConcatParams {
  readonly axis: number;
}

export type PadMode = 'constant' | 'reflect' | 'edge';

export interface PadParams {
  readonly before: readonly number[];
  readonly after: readonly number[];
  /** reflect mirrors without repeating the border element; edge repeats it. */
  readonly mode: PadMode;
  /** For `constant`; default 0. */
  readonly value?: number;
}

export interface GatherParams {
  readonly axis: number;
}

export interface ScatterAddParams {
  /** Axis of the output along which the indices point. */
  readonly axis: number;
  /** Its size. */
  readonly size: number;
}

export interface OneHotParams {
  readonly classes: number;
  readonly onValue?: number;
  readonly offValue?: number;
}

export interface BroadcastToParams {
  readonly shape: Shape;
}

const MAX_RANK = 8;

function wantRank(what: string, shape: Shape): void {
  if (shape.length > MAX_RANK) {
    throw new ShapeError(`${what}: shape ${formatShape(shape)} has more than ${MAX_RANK} axes.`);
  }
}

function wantWords(what: string, { dtype }: Spec): void {
  if (bytesPerElement(dtype) !== 4) throw new DTypeError(`${what}: ${dtype} is not supported; cast it first.`);
}

function wantPerAxis(what: string, name: string, list: readonly number[], shape: Shape): void {
  if (list.length !== shape.length || !list.every(Number.isInteger)) {
    throw new ShapeError(
      `${what}: ${name} ${formatShape(list)} must hold one integer per axis of ${formatShape(shape)}.`,
    );
  }
}

/** An operation's definition; everything it costs is moving its inputs and outputs once. */
function movement<P>(name: string, infer: (inputs: readonly Spec[], params: P) => Spec[]): KernelDefinition<P> {
  return {
    name,
    infer,
    cost: (inputs, params) => ({ flops: 0, bytes: trafficOf(inputs, infer(inputs, params)) }),
  };
}

/** Inputs [x, any dtype]; output of shape perm.map(axis => x.shape[axis]). */
export const transposeDefinition = movement<TransposeParams>('transpose', ([{ shape, dtype }], { perm }) => {
  wantRank('transpose', shape);
  const seen = new Set(perm);
  if (perm.length !== shape.length || seen.size !== perm.length || !shape.every((_, axis) => seen.has(axis))) {
    throw new ShapeError(`transpose: ${formatShape(perm)} is not a permutation of the axes of ${formatShape(shape)}.`);
  }
  return [{ shape: perm.map(axis => shape[axis]), dtype }];
});

/** Throws ShapeError unless `sizes` elements at the given starts and steps lie within `shape`. */
function checkWindow(what: string, shape: Shape, { starts, sizes, steps }: SliceParams): void {
  wantRank(what, shape);
  wantPerAxis(what, 'starts', starts, shape);
  wantPerAxis(what, 'sizes', sizes, shape);
  if (steps) wantPerAxis(what, 'steps', steps, shape);
  for (const [axis, size] of sizes.entries()) {
    const step = steps?.[axis] ?? 1;
    const last = starts[axis] + (size - 1) * step;
    const inside = (at: number): boolean => at >= 0 && at < shape[axis];
    if (step === 0 || size < 0 || (size > 0 && !(inside(starts[axis]) && inside(last)))) {
      throw new ShapeError(
        `${what}: ${size} elements from ${starts[axis]} in steps of ${step} do not lie within axis ${axis} of ` +
          `${formatShape(shape)}.`,
      );
    }
  }
}

/** Inputs [x, any dtype]; output of shape `sizes`. */
export const sliceDefinition = movement<SliceParams>('slice', ([{ shape, dtype }], params) => {
  checkWindow('slice', shape, params);
  return [{ shape: params.sizes, dtype }];
});

/** Inputs [x, 4-byte dtype]; output of shape `shape`: slice(output, starts, x.shape, steps) is x, the rest is 0. */
export const scatterSliceDefinition = movement<ScatterSliceParams>('scatterSlice', ([x], { shape, starts, steps }) => {
  wantWords('scatterSlice', x);
  checkShape(shape, 'scatterSlice');
  checkWindow('scatterSlice', shape, { starts, sizes: x.shape, steps });
  return [{ shape, dtype: x.dtype }];
});

/** Inputs: one or more of one dtype, with equal sizes except along `axis`; output: one after the other along `axis`. */
export const concatDefinition = movement<ConcatParams>('concat', (inputs, params) => {
  if (inputs.length === 0) throw new UsageError('concat: nothing to concatenate.');
  const [{ shape, dtype }] = inputs;
  wantRank('concat', shape);
  const [axis] = normalizeAxes(params.axis, shape.length, 'concat');
  let extent = 0;
  for (const spec of inputs) {
    const others = spec.shape.map((size, i) => (i === axis ? shape[axis] : size));
    if (!sameShape(others, shape)) {
      throw new ShapeError(
        `concat: shapes ${formatShape(shape)} and ${formatShape(spec.shape)} differ beside axis ${axis}.`,
      );
    }
    if (spec.dtype !== dtype) throw new DTypeError(`concat: inputs are ${dtype} and ${spec.dtype}; cast one of them.`);
    extent += spec.shape[axis];
  }
  return [{ shape: shape.map((size, i) => (i === axis ? extent : size)), dtype }];
});

/** Inputs [x, 4-byte dtype]; output of shape before + x.shape + after. */
export const padDefinition = movement<PadParams>('pad', ([x], { before, after, mode, value = 0 }) => {
  const { shape, dtype } = x;
  wantWords('pad', x);
  wantRank('pad', shape);
  wantPerAxis('pad', 'before', before, shape);
  wantPerAxis('pad', 'after', after, shape);
  if (dtype !== 'float32' && !Number.isInteger(value))
    throw new DTypeError(`pad: ${value} is not a value of ${dtype}.`);
  for (const [axis, extent] of shape.entries()) {
    const widest = Math.max(before[axis], after[axis]);
    const reach = mode === 'reflect' ? extent - 1 : mode === 'edge' && extent === 0 ? 0 : Infinity;
    if (Math.min(before[axis], after[axis]) < 0 || (widest > 0 && widest > reach)) {
      throw new ShapeError(
        `pad: ${before[axis]} before and ${after[axis]} after do not fit mode '${mode}' on axis ${axis} of ` +
          `${formatShape(shape)}.`,
      );
    }
  }
  return [{ shape: shape.map((extent, axis) => before[axis] + extent + after[axis]), dtype }];
});

function wantIndices(what: string, { dtype }: Spec): void {
  if (dtype !== 'int32') throw new DTypeError(`${what}: indices must be int32, got ${dtype}.`);
}

/**
 * Inputs [x, any dtype; indices int32 of any shape]; output: x with `axis` replaced by the axes of the indices, as NumPy's
 * `take`. An index outside [0, size) gives NaN (float32) or 0 (integers).
 */
export const gatherDefinition = movement<GatherParams>('gather', ([x, indices], params) => {
  wantIndices('gather', indices);
  const [axis] = normalizeAxes(params.axis, x.shape.length, 'gather');
  return [{ shape: [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)], dtype: x.dtype }];
});

/** The axis of a scatterAdd counted from the front. */
export function scatterAxis([updates, indices]: readonly Spec[], { axis }: ScatterAddParams): number {
  return normalizeAxes(axis, updates.shape.length - indices.shape.length + 1, 'scatterAdd')[0];
}

/**
 * Inputs [updates, indices int32]: the gradient of `gather`. Output: zeros, plus every slice of the updates added at the
 * position its index names, in the order of the indices; indices out of range add nothing. float32, int32.
 */
export const scatterAddDefinition = movement<ScatterAddParams>('scatterAdd', (inputs, params) => {
  const [{ shape, dtype }, indices] = inputs;
  wantIndices('scatterAdd', indices);
  if (dtype !== 'float32' && dtype !== 'int32') throw new DTypeError(`scatterAdd: ${dtype} is not supported.`);
  const axis = scatterAxis(inputs, params);
  const rank = indices.shape.length;
  if (!sameShape(shape.slice(axis, axis + rank), indices.shape)) {
    throw new ShapeError(
      `scatterAdd: updates ${formatShape(shape)} do not hold indices ${formatShape(indices.shape)} at axis ${axis}.`,
    );
  }
  checkShape([params.size], 'scatterAdd');
  return [{ shape: [...shape.slice(0, axis), params.size, ...shape.slice(axis + rank)], dtype }];
});

/** Inputs [labels int32]; output float32 [...labels.shape, classes]: onValue at the label, offValue elsewhere. */
export const oneHotDefinition = movement<OneHotParams>('oneHot', ([labels], { classes, onValue = 1, offValue = 0 }) => {
  wantIndices('oneHot', labels);
  if (!Number.isInteger(classes) || classes < 1) throw new ShapeError(`oneHot: ${classes} is not a number of classes.`);
  if (!Number.isFinite(onValue) || !Number.isFinite(offValue)) throw new UsageError('oneHot: values must be finite.');
  return [{ shape: [...labels.shape, classes], dtype: 'float32' }];
});

/** Inputs [x, 4-byte dtype]; output: x repeated to `shape` by NumPy's rules. */
export const broadcastToDefinition = movement<BroadcastToParams>('broadcastTo', ([x], { shape }) => {
  wantWords('broadcastTo', x);
  checkShape(shape, 'broadcastTo');
  wantRank('broadcastTo', shape);
  if (!sameShape(broadcastShapes(x.shape, shape, 'broadcastTo'), shape)) {
    throw new ShapeError(`broadcastTo: ${formatShape(x.shape)} does not repeat to ${formatShape(shape)}.`);
  }
  return [{ shape, dtype: x.dtype }];
});

/** The value that stands for an element outside of the input. */
export const outsideValue = (dtype: DType): number => (dtype === 'float32' ? Number.NaN : 0);

/** [outer, extent, inner]: the shape as a gather along `axis` sees it. */
export function aroundAxis(shape: Shape, axis: number): { outer: number; extent: number; inner: number } {
  const product = (part: Shape): number => part.reduce((size, extent) => size * extent, 1);
  return { outer: product(shape.slice(0, axis)), extent: shape[axis], inner: product(shape.slice(axis + 1)) };
}
