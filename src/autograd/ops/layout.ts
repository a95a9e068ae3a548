/** Moving elements without changing them. Each gradient moves them back. */
import { ShapeError } from '../../devices/errors.ts';
import { formatShape, normalizeAxes, type Shape, sizeOf } from '../../devices/shape.ts';
import { aliasOf } from '../../devices/storage.ts';
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
import type { Tensor } from '../../tensor/tensor.ts';
import { apply, kernelOp, type Op } from '../op.ts';
import { EVERYWHERE, everywhereAlong, type OpRows, type Sample, type View } from '../row.ts';

/** The same storage under another shape. */
const reshapeOp: Op<{ shape: Shape }> = {
  name: 'reshape',
  run: ([x], { shape }) => [{ storage: aliasOf(x.storage, 'reshape'), shape, dtype: x.dtype }],
  gradient: ({ inputs: [x], upstream }) => [reshape(upstream, x.shape)],
};

const identityOp: Op<object> = {
  name: 'identity',
  run: ([x]) => [{ storage: aliasOf(x.storage, 'identity'), shape: x.shape, dtype: x.dtype }],
  gradient: ({ upstream }) => [upstream],
};

/** The same value at a place of its own on the tape. */
export function identity(x: Tensor): Tensor {
  return apply(identityOp, [x], {});
}

const cloneOp: Op<object> = {
  name: 'clone',
  run([x]) {
    const storage = x.device.allocate(x.size, x.dtype);
    x.device.copy(x.storage, storage);
    return [{ storage, shape: x.shape, dtype: x.dtype }];
  },
  gradient: ({ upstream }) => [upstream],
};

/**
 * A copy in memory of its own, which later changes of `x` do not reach: a parameter before an optimizer step, a running
 * statistic before the next batch. Differentiable.
 * @example const best = detach(clone(model.logits.weight.value));
 */
export function clone(x: Tensor): Tensor {
  return apply(cloneOp, [x], {});
}

/**
 * The same elements in another shape; one size may be -1. Shares storage, and stands for what `x` is now; see `detach`.
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

const transposeOp = kernelOp('transpose', transposeKernel, {
  gradient: ({ params: { perm }, upstream }) => [transpose(upstream, invert(perm))],
});

const invert = (perm: readonly number[]): number[] => perm.map((_, axis) => perm.indexOf(axis));

/** Axes in another order; reversed when `perm` is absent. Copies. */
export function transpose(x: Tensor, perm?: readonly number[]): Tensor {
  return apply(transposeOp, [x], { perm: perm ?? x.shape.map((_, axis) => x.rank - 1 - axis) });
}

const sliceOp: Op<SliceParams> = kernelOp('slice', sliceKernel, {
  gradient: ({ inputs: [x], params: { starts, steps }, upstream }) => [
    apply(scatterSliceOp, [upstream], { shape: x.shape, starts, steps }),
  ],
});

const scatterSliceOp: Op<ScatterSliceParams> = kernelOp('scatterSlice', scatterSliceKernel, {
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

const concatOp = kernelOp('concat', concatKernel, {
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

const padOp = kernelOp('pad', padKernel, {
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
    value: options.value ?? 0,
  });
}

const gatherOp: Op<GatherParams> = kernelOp('gather', gatherKernel, {
  gradient: ({ inputs: [x, indices], params: { axis }, upstream }) => [
    apply(scatterAddOp, [upstream, indices], { axis, size: x.shape[axis] }),
    undefined,
  ],
});

const scatterAddOp: Op<ScatterAddParams> = kernelOp('scatterAdd', scatterAddKernel, {
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

const oneHotOp = kernelOp('oneHot', oneHotKernel, { gradient: () => [undefined] });

/** int32 labels [...] to float32 [..., classes]. */
export function oneHot(labels: Tensor, classes: number, onValue = 1, offValue = 0): Tensor {
  return apply(oneHotOp, [labels], { classes, onValue, offValue });
}

// ------------------------------------------------------------------------------------------------------------- rows

const x234: Sample = { shape: [2, 3, 4] };

const reachOfSlice = ({ starts, steps }: SliceParams, [x]: readonly Shape[]): View => {
  if (x.length !== 4 || steps?.some(step => step < 0)) return EVERYWHERE;
  return { window: [1, 1], strides: [steps?.[1] ?? 1, steps?.[2] ?? 1], before: [-starts[1], -starts[2]] };
};

const reachOfConcat = ({ axis }: { readonly axis: number }, [x]: readonly Shape[]): View => everywhereAlong([axis], x);

export const layoutRows = {
  clone: {
    about: 'A copy in memory of its own.',
    op: cloneOp,
    functions: [clone],
    kernels: [],
    linearity: 'linear',
    reach: 'same',
    examples: [{ inputs: [x234], run: (x: Tensor) => clone(x) }],
    onnx: 'Identity',
  },
  reshape: {
    about: 'The same elements in another shape, in the same memory.',
    op: reshapeOp,
    functions: [reshape, flatten],
    kernels: [],
    linearity: 'linear',
    reach: 'same',
    examples: [{ inputs: [x234], run: (x: Tensor) => reshape(x, [4, -1]) }],
    onnx: 'Reshape',
  },
  identity: {
    about: 'The same value at a place of its own on the tape.',
    op: identityOp,
    functions: [identity],
    kernels: [],
    linearity: 'linear',
    reach: 'same',
    examples: [{ inputs: [x234], run: (x: Tensor) => identity(x) }],
    onnx: 'Identity',
  },
  transpose: {
    about: 'Axes in another order.',
    op: transposeOp,
    functions: [transpose],
    kernels: [transposeKernel],
    linearity: 'linear',
    reach: ({ perm }: { readonly perm: readonly number[] }) =>
      perm.every((from, to) => from === to) ? 'same' : EVERYWHERE,
    examples: [{ inputs: [x234], run: (x: Tensor) => transpose(x, [2, 0, 1]) }],
    onnx: 'Transpose',
  },
  slice: {
    about: 'A rectangular part, in steps; negative steps walk backwards.',
    op: sliceOp,
    functions: [slice, flip],
    kernels: [sliceKernel, scatterSliceKernel],
    linearity: 'linear',
    reach: reachOfSlice,
    examples: [
      { inputs: [x234], run: (x: Tensor) => slice(x, [0, 1, 3], [2, 2, 2], [1, 1, -2]) },
      { title: 'flip', inputs: [x234], run: (x: Tensor) => flip(x, [1, -1]) },
    ],
    onnx: 'Slice',
  },
  scatterSlice: {
    about: 'The gradient of slice: the elements put back into an array of zeros.',
    op: scatterSliceOp,
    kernels: [scatterSliceKernel, sliceKernel],
    linearity: 'linear',
    reach: EVERYWHERE,
    examples: [
      {
        inputs: [{ shape: [2, 2] }],
        run: (x: Tensor) => apply(scatterSliceOp, [x], { shape: [3, 5], starts: [1, 4], steps: [1, -2] }),
      },
    ],
  },
  concat: {
    about: 'Arrays joined along an axis.',
    op: concatOp,
    functions: [concat, stack],
    kernels: [concatKernel, sliceKernel],
    linearity: 'linear',
    reach: reachOfConcat,
    examples: [
      { inputs: [{ shape: [2, 1, 4] }, { shape: [2, 2, 4] }], run: (a: Tensor, b: Tensor) => concat([a, b, a], 1) },
      {
        title: 'stack',
        inputs: [{ shape: [2, 3] }, { shape: [2, 3] }],
        run: (a: Tensor, b: Tensor) => stack([a, b], 1),
      },
    ],
    onnx: 'Concat',
  },
  pad: {
    about: 'Elements added around: a constant, or (without a gradient) reflections or copies of the edge.',
    op: padOp,
    functions: [pad],
    kernels: [padKernel, sliceKernel],
    linearity: 'linear',
    reach: ({ before }: PadParams, [x]) =>
      x.length === 4 ? { window: [1, 1], strides: [1, 1], before: [before[1], before[2]] } : EVERYWHERE,
    examples: [{ inputs: [x234], run: (x: Tensor) => pad(x, [1, 0, 2], [0, 1, 1], { value: 3 }) }],
    onnx: 'Pad',
  },
  gather: {
    about: 'Slices along an axis, picked by int32 indices.',
    op: gatherOp,
    functions: [gather],
    kernels: [gatherKernel, scatterAddKernel],
    linearity: 'linear',
    reach: ({ axis }: GatherParams, [x]) => everywhereAlong([axis], x),
    examples: [
      {
        inputs: [x234, { shape: [4], values: [2, 0, 2, 1], dtype: 'int32' }],
        run: (x: Tensor, indices: Tensor) => gather(x, indices, 1),
      },
    ],
    onnx: 'Gather',
  },
  scatterAdd: {
    about: 'The gradient of gather: slices added into zeros where int32 indices say.',
    op: scatterAddOp,
    functions: [scatterAdd],
    kernels: [scatterAddKernel, gatherKernel],
    linearity: 'linear',
    reach: ({ axis }: ScatterAddParams, [x]) => everywhereAlong([axis], x),
    examples: [
      {
        inputs: [x234, { shape: [3], values: [1, 4, 1], dtype: 'int32' }],
        run: (x: Tensor, indices: Tensor) => scatterAdd(x, indices, 5, 1),
      },
    ],
  },
  oneHot: {
    about: 'int32 labels [...] to float32 [..., classes]: one value at the label, another elsewhere.',
    op: oneHotOp,
    functions: [oneHot],
    kernels: [oneHotKernel],
    linearity: 'stop',
    reach: EVERYWHERE,
    examples: [
      {
        inputs: [{ shape: [3], values: [2, 0, 3], dtype: 'int32' }],
        run: (labels: Tensor) => oneHot(labels, 4, 0.9, 0.1),
      },
    ],
    onnx: 'OneHot',
  },
} satisfies OpRows;
