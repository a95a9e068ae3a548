/** Pooling over windows of [N, H, W, C]. The gradient of a maximum goes to the first maximum of its window. */
import { flag, knownOptions } from '../../devices/checks.ts';
import { ShapeError } from '../../devices/errors.ts';
import { formatShape } from '../../devices/shape.ts';
import {
  type AvgPool2dGradientParams,
  type AvgPool2dParams,
  avgPool2dGradient as avgGradientKernel,
  avgPool2d as avgPool2dKernel,
  type GlobalAveragePoolGradientParams,
  globalAveragePoolGradient as globalAverageGradientKernel,
  globalAveragePool as globalAverageKernel,
  maxPool2dGradient as maxGradientKernel,
  maxPool2dPick as maxPickKernel,
  maxPool2d as maxPool2dKernel,
  type Pool2dGeometry,
} from '../../kernels/pool/index.ts';
import { checkPaddingWithin, checkWindow } from '../../kernels/window.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { apply, kernelOp, type Op } from '../op.ts';
import { EVERYWHERE, type OpRows, type Sample, type View } from '../row.ts';
import { checkPadding, checkPair, type Padding, type Pair, resolvePadding, resolveStrides, toPair } from './window.ts';

const maxPool2dOp = kernelOp('maxPool2d', maxPool2dKernel, {
  gradient: ({ inputs: [x], params, upstream }) => [apply(maxGradientOp, [x, upstream], params)],
});

// Where the maxima sit depends on x only in steps, so x itself gets no gradient here.
const maxGradientOp: Op<Pool2dGeometry> = kernelOp('maxPool2dGradient', maxGradientKernel, {
  gradient: ({ inputs: [x], params, upstream }) => [undefined, apply(maxPickOp, [x, upstream], params)],
});

const maxPickOp: Op<Pool2dGeometry> = kernelOp('maxPool2dPick', maxPickKernel, {
  gradient: ({ inputs: [x], params, upstream }) => [undefined, apply(maxGradientOp, [x, upstream], params)],
});

const avgPool2dOp: Op<AvgPool2dParams> = kernelOp('avgPool2d', avgPool2dKernel, {
  gradient: ({ inputs: [x], params, upstream }) => [
    apply(avgGradientOp, [upstream], { ...params, inputSize: [x.shape[1], x.shape[2]] }),
  ],
});

const avgGradientOp: Op<AvgPool2dGradientParams> = kernelOp('avgPool2dGradient', avgGradientKernel, {
  gradient: ({ params: { kernel, strides, padding, ceilMode, countPadding }, upstream }) => [
    apply(avgPool2dOp, [upstream], { kernel, strides, padding, ceilMode, countPadding }),
  ],
});

const globalAverageOp: Op<Record<string, never>> = kernelOp('globalAveragePool', globalAverageKernel, {
  gradient: ({ inputs: [x], upstream }) => [
    apply(globalAverageGradientOp, [upstream], { inputSize: [x.shape[1], x.shape[2]] }),
  ],
});

const globalAverageGradientOp: Op<GlobalAveragePoolGradientParams> = kernelOp(
  'globalAveragePoolGradient',
  globalAverageGradientKernel,
  {
    gradient: ({ upstream }) => [apply(globalAverageOp, [upstream], {})],
  },
);

export interface PoolOptions {
  /** Window size. */
  readonly kernel: Pair;
  /** Defaults to the window size. */
  readonly stride?: Pair;
  readonly padding?: Padding;
  /** Round the output size up instead of down. */
  readonly ceilMode?: boolean;
}

/**
 * Throws UsageError where an option of a pooling could not mean anything, whatever the image; gives the options back.
 * @param flags what there may be beside the options of every pooling
 */
export function checkPoolOptions<O extends PoolOptions>(
  what: string,
  options: O,
  flags: Readonly<Record<string, boolean | undefined>> = {},
): O {
  knownOptions(what, options, ['kernel', 'stride', 'padding', 'ceilMode', ...Object.keys(flags)]);
  const { kernel, stride = kernel, padding = 'valid', ceilMode } = options;
  const size = toPair(checkPair(what, 'kernel', kernel));
  checkWindow(what, size);
  checkPair(what, 'stride', stride);
  checkPadding(what, padding);
  for (const [name, value] of Object.entries({ ceilMode, ...flags })) if (value !== undefined) flag(what, name, value);
  if (padding !== 'same') checkPaddingWithin(what, resolvePadding(padding, size, size, [1, 1]), size, padding);
  return options;
}

function geometryOf(
  what: string,
  x: Tensor,
  { kernel, stride = kernel, padding = 'valid', ceilMode = false }: PoolOptions,
): Pool2dGeometry {
  if (x.rank !== 4) throw new ShapeError(`${what}: images ${formatShape(x.shape)} must be [N, H, W, C].`);
  const size = toPair(kernel);
  const pixels = [x.shape[1], x.shape[2]] as const;
  const sides = resolvePadding(padding, pixels, size, toPair(stride));
  return { kernel: size, strides: resolveStrides(toPair(stride), pixels, sides), padding: sides, ceilMode };
}

/** Largest value of each window; padding never wins. */
export function maxPool2d(x: Tensor, options: PoolOptions): Tensor {
  return apply(maxPool2dOp, [x], geometryOf('maxPool2d', x, checkPoolOptions('maxPool2d', options)));
}

/** Mean of each window; `countPadding` (default true, as in PyTorch) says whether padding counts as zeros. */
export function avgPool2d(x: Tensor, options: PoolOptions & { readonly countPadding?: boolean }): Tensor {
  const { countPadding = true } = checkPoolOptions('avgPool2d', options, { countPadding: options?.countPadding });
  const params: AvgPool2dParams = { ...geometryOf('avgPool2d', x, options), countPadding };
  return apply(avgPool2dOp, [x], params);
}

/** Mean over all pixels: [N, H, W, C] to [N, C]. */
export function globalAveragePool(x: Tensor): Tensor {
  return apply(globalAverageOp, [x], {});
}

const reachOfPool = ({ kernel, strides, padding }: Pool2dGeometry): View => ({
  window: kernel,
  strides,
  before: [padding[0], padding[2]],
});

const images: Sample = { shape: [2, 5, 6, 2] };
const imagesWithoutTies: Sample = { shape: [2, 5, 6, 2], values: 'distinct' };
const overlapping: PoolOptions = { kernel: 3, stride: 2, padding: 1 };

export const poolRows = {
  maxPool2d: {
    about: 'Largest value of each window; padding never wins, the gradient goes to the first maximum.',
    op: maxPool2dOp,
    functions: [maxPool2d],
    kernels: [maxPool2dKernel, maxGradientKernel],
    linearity: 'extremum',
    reach: reachOfPool,
    examples: [{ inputs: [imagesWithoutTies], run: (x: Tensor) => maxPool2d(x, overlapping) }],
    onnx: 'MaxPool',
  },
  maxPool2dGradient: {
    about: "The gradient of maxPool2d: every window's gradient at its maximum, overlapping windows added.",
    op: maxGradientOp,
    kernels: [maxGradientKernel, maxPickKernel],
    linearity: 'open',
    reach: EVERYWHERE,
    examples: [
      {
        inputs: [imagesWithoutTies, { shape: [2, 3, 3, 2] }],
        run: (x: Tensor, dy: Tensor) => apply(maxGradientOp, [x, dy], geometryOf('maxPool2d', x, overlapping)),
      },
    ],
  },
  maxPool2dPick: {
    about: 'A second image read at the maxima of the first: the gradient of the gradient of maxPool2d.',
    op: maxPickOp,
    kernels: [maxPickKernel, maxGradientKernel],
    linearity: 'open',
    reach: EVERYWHERE,
    examples: [
      {
        inputs: [imagesWithoutTies, images],
        run: (x: Tensor, v: Tensor) => apply(maxPickOp, [x, v], geometryOf('maxPool2d', x, overlapping)),
      },
    ],
  },
  avgPool2d: {
    about: 'Mean of each window; whether padding counts is a choice.',
    op: avgPool2dOp,
    functions: [avgPool2d],
    kernels: [avgPool2dKernel, avgGradientKernel],
    linearity: 'linear',
    reach: reachOfPool,
    examples: [
      { inputs: [images], run: (x: Tensor) => avgPool2d(x, { kernel: 2 }) },
      {
        title: 'padding does not count',
        inputs: [images],
        run: (x: Tensor) => avgPool2d(x, { kernel: [2, 3], stride: 2, padding: [1, 0], countPadding: false }),
      },
    ],
    onnx: 'AveragePool',
  },
  avgPool2dGradient: {
    about: "The gradient of avgPool2d: every window's gradient spread evenly over its pixels.",
    op: avgGradientOp,
    kernels: [avgGradientKernel, avgPool2dKernel],
    linearity: 'linear',
    reach: EVERYWHERE,
    examples: [
      {
        inputs: [{ shape: [2, 3, 2, 2] }],
        run: (dy: Tensor) =>
          apply(avgGradientOp, [dy], {
            kernel: [2, 3],
            strides: [2, 2],
            padding: [1, 1, 0, 0],
            ceilMode: false,
            countPadding: true,
            inputSize: [5, 6],
          }),
      },
    ],
  },
  globalAveragePool: {
    about: 'Mean over all pixels: [N, H, W, C] to [N, C].',
    op: globalAverageOp,
    functions: [globalAveragePool],
    kernels: [globalAverageKernel, globalAverageGradientKernel],
    linearity: 'linear',
    reach: EVERYWHERE,
    examples: [{ inputs: [images], run: (x: Tensor) => globalAveragePool(x) }],
    onnx: 'GlobalAveragePool',
  },
  globalAveragePoolGradient: {
    about: 'The gradient of globalAveragePool: [N, C] spread evenly over the pixels of [N, H, W, C].',
    op: globalAverageGradientOp,
    kernels: [globalAverageGradientKernel, globalAverageKernel],
    linearity: 'linear',
    reach: EVERYWHERE,
    examples: [
      {
        inputs: [{ shape: [2, 3] }],
        run: (dy: Tensor) => apply(globalAverageGradientOp, [dy], { inputSize: [4, 5] }),
      },
    ],
  },
} satisfies OpRows;
