/** Pooling over windows of [N, H, W, C]. The gradient of a maximum goes to the first maximum of its window. */
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
import type { Tensor } from '../../tensor/tensor.ts';
import { apply, kernelOp, type Op } from '../op.ts';
import { type Padding, type Pair, resolvePadding, toPair } from './conv2d.ts';

const maxPool2dOp = kernelOp(maxPool2dKernel, {
  gradient: ({ inputs: [x], params, upstream }) => [apply(maxGradientOp, [x, upstream], params)],
});

// Where the maxima sit depends on x only in steps, so x itself gets no gradient here.
const maxGradientOp: Op<Pool2dGeometry> = kernelOp(maxGradientKernel, {
  gradient: ({ inputs: [x], params, upstream }) => [undefined, apply(maxPickOp, [x, upstream], params)],
});

const maxPickOp: Op<Pool2dGeometry> = kernelOp(maxPickKernel, {
  gradient: ({ inputs: [x], params, upstream }) => [undefined, apply(maxGradientOp, [x, upstream], params)],
});

const avgPool2dOp: Op<AvgPool2dParams> = kernelOp(avgPool2dKernel, {
  gradient: ({ inputs: [x], params, upstream }) => [
    apply(avgGradientOp, [upstream], { ...params, inputSize: [x.shape[1], x.shape[2]] }),
  ],
});

const avgGradientOp: Op<AvgPool2dGradientParams> = kernelOp(avgGradientKernel, {
  gradient: ({ params: { inputSize: _, ...params }, upstream }) => [apply(avgPool2dOp, [upstream], params)],
});

const globalAverageOp: Op<Record<string, never>> = kernelOp(globalAverageKernel, {
  gradient: ({ inputs: [x], upstream }) => [
    apply(globalAverageGradientOp, [upstream], { inputSize: [x.shape[1], x.shape[2]] }),
  ],
});

const globalAverageGradientOp: Op<GlobalAveragePoolGradientParams> = kernelOp(globalAverageGradientKernel, {
  gradient: ({ upstream }) => [apply(globalAverageOp, [upstream], {})],
});

export interface PoolOptions {
  /** Window size. */
  readonly kernel: Pair;
  /** Defaults to the window size. */
  readonly stride?: Pair;
  readonly padding?: Padding;
  /** Round the output size up instead of down. */
  readonly ceilMode?: boolean;
}

function geometryOf(
  x: Tensor,
  { kernel, stride = kernel, padding = 'valid', ceilMode = false }: PoolOptions,
): Pool2dGeometry {
  const size = toPair(kernel);
  const strides = toPair(stride);
  return { kernel: size, strides, padding: resolvePadding(padding, [x.shape[1], x.shape[2]], size, strides), ceilMode };
}

/** Largest value of each window; padding never wins. */
export function maxPool2d(x: Tensor, options: PoolOptions): Tensor {
  return apply(maxPool2dOp, [x], geometryOf(x, options));
}

/** Mean of each window; `countPadding` (default true, as in PyTorch) says whether padding counts as zeros. */
export function avgPool2d(x: Tensor, options: PoolOptions & { readonly countPadding?: boolean }): Tensor {
  const params: AvgPool2dParams = { ...geometryOf(x, options), countPadding: options.countPadding ?? true };
  return apply(avgPool2dOp, [x], params);
}

/** Mean over all pixels: [N, H, W, C] to [N, C]. */
export function globalAveragePool(x: Tensor): Tensor {
  return apply(globalAverageOp, [x], {});
}
