/** Moving elements without changing them. Each gradient moves them back. */
import { ShapeError } from '../../devices/errors.ts';
import { formatShape, normalizeAxes, type Shape, sizeOf } from '../../devices/shape.ts';
import { retain } from '../../devices/storage.ts';
import {
  concat as concatKernel,
  type GatherParams,
  gather as gatherKernel,
  oneHot as oneHotKernel,
  type PadParams,
  pad as padKernel,
  type ScatterAddParams,
  type ScatterSliceParams,
  type SliceParams,
  scatterAdd as scatterAddKernel,
  scatterSlice as scatterSliceKernel,
  slice as sliceKernel,
  transpose as transposeKernel,
} from '../../kernels/layout/index.ts';
import { parameterNumber } from '../../kernels/parameter-number.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { apply, kernelOp, type Op } from '../op.ts';

/** The same storage under another shape. */
const reshapeOp: Op<{ shape: Shape }> = {
  name: 'reshape',
  run: ([x], { shape }) => [{ storage: retain(x.storage), shape, dtype: x.dtype }],
  gradient: ({ inputs: [x], upstream }) => [reshape(upstream, x.shape)],
};

const identityOp: Op<object> = {
  name: 'identity',
  run: ([x]) => [{ storage: retain(x.storage), shape: x.shape, dtype: x.dtype }],
  gradient: ({ upstream }) => [upstream],
};

/** The same value at a place of its own on the tape. */
export function identity(x: Tensor): Tensor {
  return apply(identityOp, [x], {});
}

/**
 * The same elements in another shape; one size may be -1. Shares storage.
 * @throws ShapeError when the numbers of elements differ
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const known = sizeOf(shape.filter(extent => extent !== -1));
  const filled = shape.map(extent => (extent === -1 ? x.size / known : extent));
  if (
    shape.filter(extent => extent === -1).length > 1 ||
    sizeOf(filled) !== x.size ||
    !filled.every(extent => Number.isInteger(extent) && extent >= 0)
  ) {
    throw new ShapeError(`reshape: ${formatShape(x.shape)} cannot become ${formatShape(shape)}.`);
  }
  return apply(reshapeOp, [x], { shape: filled });
}

/** All axes from `axis` on merged into one: [N, H, W, C] to [N, H W C]. */
export function flatten(x: Tensor, axis = 1): Tensor {
  return reshape(x, [...x.shape.slice(0, axis), sizeOf(x.shape.slice(axis))]);
}

const transposeOp = kernelOp(transposeKernel, {
  gradient: ({ params: { perm }, upstream }) => [transpose(upstream, invert(perm))],
});

const invert = (perm: readonly number[]): number[] => perm.map((_, axis) => perm.indexOf(axis));

/** Axes in another order; reversed when `perm` is absent. Copies. */
export function transpose(x: Tensor, perm?: readonly number[]): Tensor {
  return apply(transposeOp, [x], { perm: perm ?? x.shape.map((_, axis) => x.rank - 1 - axis) });
}

const sliceOp: Op<SliceParams> = kernelOp(sliceKernel, {
  gradient: ({ inputs: [x], params: { starts, steps }, upstream }) => [
    apply(scatterSliceOp, [upstream], { shape: x.shape, starts, steps }),
  ],
});

const scatterSliceOp: Op<ScatterSliceParams> = kernelOp(scatterSliceKernel, {
  gradient: ({ inputs: [x], params: { starts, steps }, upstream }) => [
    apply(sliceOp, [upstream], { starts, sizes: x.shape, steps }),
  ],
});

/**
 * A rectangular part: along each axis `sizes[axis]` elements from `starts[axis]`, every `steps[axis]`-th (negative steps
 * walk backwards).
 */
export function slice(
  x: Tensor,
  starts: readonly number[],
  sizes: readonly number[],
  steps?: readonly number[],
): Tensor {
  return apply(sliceOp, [x], steps ? { starts, sizes, steps } : { starts, sizes });
}

/** The order of elements reversed along `axes`. */
export function flip(x: Tensor, axes: readonly number[]): Tensor {
  const reversed = (axis: number) => axes.includes(axis) || axes.includes(axis - x.rank);
  return slice(
    x,
    x.shape.map((extent, axis) => (reversed(axis) ? extent - 1 : 0)),
    x.shape,
    x.shape.map((_, axis) => (reversed(axis) ? -1 : 1)),
  );
}

const concatOp = kernelOp(concatKernel, {
  gradient({ inputs, params: { axis }, upstream, needs }) {
    let start = 0;
    return inputs.map((input, i) => {
      const from = start;
      start += input.shape[axis];
      return needs[i]
        ? slice(
            upstream,
            input.shape.map((_, d) => (d === axis ? from : 0)),
            input.shape,
          )
        : undefined;
    });
  },
});

/** Tensors joined along `axis` (negative: from the back). */
export function concat(tensors: readonly Tensor[], axis = 0): Tensor {
  if (tensors.length === 0) throw new ShapeError('concat: nothing to join.');
  return apply(concatOp, tensors, { axis: axis < 0 ? axis + tensors[0].rank : axis });
}

/** Tensors of one shape joined along a new axis (negative: counted from the back of the result). */
export function stack(tensors: readonly Tensor[], axis = 0): Tensor {
  if (tensors.length === 0) throw new ShapeError('stack: nothing to join.');
  const [at] = normalizeAxes(axis, tensors[0].rank + 1, 'stack');
  return concat(
    tensors.map(x => reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)])),
    at,
  );
}

const padOp = kernelOp(padKernel, {
  gradient({ inputs: [x], params, upstream }) {
    if (params.mode !== 'constant') {
      throw new ShapeError(
        `pad: the gradient of mode "${params.mode}" is not defined here; only constant padding has one.`,
      );
    }
    return [slice(upstream, params.before, x.shape)];
  },
});

/** Elements added around: `before[axis]` and `after[axis]` of them. Differentiable for mode `constant`. */
export function pad(
  x: Tensor,
  before: readonly number[],
  after: readonly number[],
  options: { mode?: PadParams['mode']; value?: number } = {},
): Tensor {
  return apply(padOp, [x], {
    before,
    after,
    mode: options.mode ?? 'constant',
    value: parameterNumber(options.value ?? 0),
  });
}

const gatherOp: Op<GatherParams> = kernelOp(gatherKernel, {
  gradient: ({ inputs: [x, indices], params: { axis }, upstream }) => [
    apply(scatterAddOp, [upstream, indices], { axis, size: x.shape[axis] }),
    undefined,
  ],
});

const scatterAddOp: Op<ScatterAddParams> = kernelOp(scatterAddKernel, {
  gradient: ({ inputs: [, indices], params: { axis }, upstream }) => [
    apply(gatherOp, [upstream, indices], { axis }),
    undefined,
  ],
});

/** Slices of `x` along `axis`, picked by int32 `indices` of any shape, which takes the axis's place (NumPy's take). */
export function gather(x: Tensor, indices: Tensor, axis = 0): Tensor {
  return apply(gatherOp, [x, indices], { axis: axis < 0 ? axis + x.rank : axis });
}

/** The gradient of gather: adds slices of `updates` into zeros of `size` slices along `axis`. Deterministic. */
export function scatterAdd(updates: Tensor, indices: Tensor, size: number, axis = 0): Tensor {
  return apply(scatterAddOp, [updates, indices], { axis, size });
}

const oneHotOp = kernelOp(oneHotKernel, { gradient: () => [undefined] });

/** int32 labels [...] to float32 [..., classes]. */
export function oneHot(labels: Tensor, classes: number, onValue = 1, offValue = 0): Tensor {
  return apply(oneHotOp, [labels], { classes, onValue, offValue });
}
