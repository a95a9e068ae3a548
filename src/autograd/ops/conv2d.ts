/**
 * Convolution and its two gradients as three operations that are closed under differentiation: each one is linear in its
 * two operands, and its gradients are the other two. That is all second derivatives need.
 */
import { ShapeError } from '../../devices/errors.ts';
import { retain } from '../../devices/storage.ts';
import {
  type Conv2dGeometry,
  type Conv2dInputGradientParams,
  type Conv2dParams,
  type Conv2dWeightGradientParams,
  conv2d as conv2dKernel,
  conv2dInputGradient as inputGradientKernel,
  conv2dWeightGradient as weightGradientKernel,
} from '../../kernels/conv2d/index.ts';
import type { FusedActivation } from '../../kernels/matmul/index.ts';
import { Tensor } from '../../tensor/tensor.ts';
import { apply, kernelOp, type Op, runKernel } from '../op.ts';
import { biasGradient } from './broadcast.ts';
import { add, relu, reluGradientFromOutput } from './elementwise.ts';

const sizeOf2d = (x: Tensor): [number, number] => [x.shape[1], x.shape[2]];
const kernelSizeOf = (w: Tensor): [number, number] => [w.shape[0], w.shape[1]];

const geometryOf = ({ strides, padding, dilations, groups }: Conv2dGeometry): Conv2dGeometry => ({
  strides,
  padding,
  dilations,
  groups,
});

const conv2dOp: Op<Conv2dParams> = kernelOp(conv2dKernel, {
  gradient({ inputs: [x, w], params, upstream, needs, into, recorded }) {
    const geometry = geometryOf(params);
    const forWeights = { ...geometry, kernelSize: kernelSizeOf(w) };
    let dw: Tensor | undefined;
    if (needs[1] && into[1] && !recorded) {
      runKernel(weightGradientKernel, [x, upstream], forWeights, [into[1]]);
      dw = new Tensor(retain(into[1]), w.shape);
    } else if (needs[1]) {
      dw = apply(weightGradientOp, [x, upstream], forWeights);
    }
    const dx = needs[0] ? apply(inputGradientOp, [upstream, w], { ...geometry, inputSize: sizeOf2d(x) }) : undefined;
    return [dx, dw];
  },
});

const inputGradientOp: Op<Conv2dInputGradientParams> = kernelOp(inputGradientKernel, {
  gradient({ inputs: [dy, w], params, upstream, needs }) {
    const geometry = geometryOf(params);
    return [
      needs[0] ? apply(conv2dOp, [upstream, w], { ...geometry, activation: 'none' }) : undefined,
      needs[1] ? apply(weightGradientOp, [upstream, dy], { ...geometry, kernelSize: kernelSizeOf(w) }) : undefined,
    ];
  },
});

const weightGradientOp: Op<Conv2dWeightGradientParams> = kernelOp(weightGradientKernel, {
  gradient({ inputs: [x, dy], params, upstream, needs }) {
    const geometry = geometryOf(params);
    return [
      needs[0] ? apply(inputGradientOp, [dy, upstream], { ...geometry, inputSize: sizeOf2d(x) }) : undefined,
      needs[1] ? apply(conv2dOp, [x, upstream], { ...geometry, activation: 'none' }) : undefined,
    ];
  },
});

/** With bias and activation in the kernel's last step. */
const fusedConv2dOp: Op<Conv2dParams> = kernelOp(conv2dKernel, {
  name: 'fusedConv2d',
  gradient(context) {
    const { inputs, outputs, params, upstream, needs, into, recorded } = context;
    const dy = params.activation === 'relu' ? reluGradientFromOutput(outputs[0], upstream) : upstream;
    const [dx, dw] = conv2dOp.gradient({ ...context, upstream: dy });
    return [dx, dw, needs[2] ? biasGradient(dy, inputs[2], recorded ? undefined : into[2]) : undefined];
  },
  decompose([x, w, bias], params) {
    const y = apply(conv2dOp, [x, w], { ...geometryOf(params), activation: 'none' });
    const shifted = bias ? add(y, bias) : y;
    return params.activation === 'relu' ? relu(shifted) : shifted;
  },
});

/** One number for both directions, or [vertical, horizontal]. */
export type Pair = number | readonly [number, number];
/**
 * `valid`: none; `same`: as many output as input pixels at stride 1 (extra pixel at bottom and right); a number or a
 * [vertical, horizontal] pair for both sides; or [top, bottom, left, right].
 */
export type Padding = 'valid' | 'same' | number | readonly [number, number] | readonly [number, number, number, number];

export const toPair = (value: Pair): [number, number] =>
  typeof value === 'number' ? [value, value] : [value[0], value[1]];

/** [top, bottom, left, right] for windows of `kernel` pixels (dilated) moved by `strides` over `size` pixels. */
export function resolvePadding(
  padding: Padding,
  size: readonly [number, number],
  kernel: readonly [number, number],
  strides: readonly [number, number],
  dilations: readonly [number, number] = [1, 1],
): [number, number, number, number] {
  if (padding === 'valid') return [0, 0, 0, 0];
  if (padding === 'same') {
    const along = (axis: 0 | 1): [number, number] => {
      const outputs = Math.ceil(size[axis] / strides[axis]);
      const total = Math.max(0, (outputs - 1) * strides[axis] + dilations[axis] * (kernel[axis] - 1) + 1 - size[axis]);
      return [Math.floor(total / 2), Math.ceil(total / 2)];
    };
    return [...along(0), ...along(1)];
  }
  if (typeof padding === 'number') return [padding, padding, padding, padding];
  if (padding.length === 2) return [padding[0], padding[0], padding[1], padding[1]];
  return [padding[0], padding[1], padding[2], padding[3]];
}

export interface Conv2dOptions {
  readonly stride?: Pair;
  readonly padding?: Padding;
  readonly dilation?: Pair;
  readonly groups?: number;
  /** Shape [K], one value per output channel. */
  readonly bias?: Tensor;
  readonly activation?: FusedActivation;
}

/**
 * Cross-correlation of images [N, H, W, C] with filters [kh, kw, C / groups, K].
 * @throws ShapeError naming both shapes when they do not fit
 * @example conv2d(x, w, { stride: 2, padding: 1, bias, activation: 'relu' })
 */
export function conv2d(x: Tensor, w: Tensor, options: Conv2dOptions = {}): Tensor {
  const { stride = 1, padding = 'valid', dilation = 1, groups = 1, bias, activation = 'none' } = options;
  if (x.rank !== 4 || w.rank !== 4)
    throw new ShapeError(`conv2d: images and filters must have rank 4, not ${x.rank} and ${w.rank}.`);
  const strides = toPair(stride);
  const dilations = toPair(dilation);
  const sides = resolvePadding(padding, sizeOf2d(x), kernelSizeOf(w), strides, dilations);
  const params: Conv2dParams = { strides, padding: sides, dilations, groups, activation };
  if (!bias && activation === 'none') return apply(conv2dOp, [x, w], params);
  return apply(fusedConv2dOp, bias ? [x, w, bias] : [x, w], params);
}

/** The transposed convolution: images [N, H, W, K] spread by filters [kh, kw, C / groups, K] to `outputSize`. */
export function conv2dTranspose(
  y: Tensor,
  w: Tensor,
  outputSize: readonly [number, number],
  options: Omit<Conv2dOptions, 'bias' | 'activation'> = {},
): Tensor {
  const { stride = 1, padding = 'valid', dilation = 1, groups = 1 } = options;
  const strides = toPair(stride);
  const dilations = toPair(dilation);
  const sides = resolvePadding(padding, outputSize, kernelSizeOf(w), strides, dilations);
  return apply(inputGradientOp, [y, w], {
    strides,
    padding: sides,
    dilations,
    groups,
    inputSize: [outputSize[0], outputSize[1]],
  });
}
