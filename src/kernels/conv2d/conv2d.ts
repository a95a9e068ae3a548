/**
 * Two-dimensional convolution (cross-correlation, as in every network library) and its two gradients. The three kernels
 * are one family closed under differentiation: the gradient of each is made of the other two. Images are [N, H, W, C],
 * filters [kh, kw, C / groups, K], so that a filter bank is a matrix of kh kw C rows and K columns as it lies in memory.
 */
import { everyOf, oneOf, pairOf } from '../../devices/checks.ts';
import { DTypeError, ShapeError } from '../../devices/errors.ts';
import type { Cost, KernelDefinition, Spec } from '../../devices/kernel.ts';
import { formatShape, sizeOf } from '../../devices/shape.ts';
import type { FusedActivation } from '../matmul/matmul.ts';
import { windowPadding, windowStep } from '../window.ts';

/** How filters move over the image. Pairs are [vertical, horizontal]; padding is [top, bottom, left, right], zeros. */
export interface Conv2dGeometry {
  readonly strides: readonly [number, number];
  readonly padding: readonly [number, number, number, number];
  readonly dilations: readonly [number, number];
  readonly groups: number;
  /** Every output as the sum over its own taps, also on devices that would transform (Winograd). */
  readonly convolution?: 'direct';
}

export interface Conv2dParams extends Conv2dGeometry {
  readonly activation: FusedActivation;
}

export interface Conv2dInputGradientParams extends Conv2dGeometry {
  /** [H, W] of the image whose gradient is wanted (strides make it ambiguous). */
  readonly inputSize: readonly [number, number];
}

export interface Conv2dWeightGradientParams extends Conv2dGeometry {
  /** [kh, kw] */
  readonly kernelSize: readonly [number, number];
}

/** Every size of one convolution, whichever of the three kernels asks. */
export interface Conv2dSizes extends Conv2dGeometry {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly inputChannels: number;
  readonly kernelHeight: number;
  readonly kernelWidth: number;
  readonly outputHeight: number;
  readonly outputWidth: number;
  readonly outputChannels: number;
}

/** Number of filter positions along one axis of `extent` pixels. */
export function outputExtent(
  extent: number,
  kernel: number,
  stride: number,
  padBefore: number,
  padAfter: number,
  dilation: number,
): number {
  return Math.floor((extent + padBefore + padAfter - dilation * (kernel - 1) - 1) / stride) + 1;
}

/** Throws UsageError where a number of the geometry could not mean anything. */
function checkGeometry(what: string, { strides, padding, dilations, groups }: Conv2dGeometry): void {
  pairOf(what, 'strides', strides, windowStep);
  pairOf(what, 'dilations', dilations, windowStep);
  everyOf(what, 'padding', padding, windowPadding);
  windowStep(what, 'groups', groups);
}

function sizesOf(what: string, x: readonly number[], w: readonly number[], geometry: Conv2dGeometry): Conv2dSizes {
  const { strides, padding, dilations, groups, convolution } = geometry;
  if (x.length !== 4 || w.length !== 4) {
    throw new ShapeError(
      `${what}: images ${formatShape(x)} must be [N, H, W, C] and filters ${formatShape(w)} [kh, kw, C / groups, K].`,
    );
  }
  checkGeometry(what, geometry);
  const [batch, height, width, inputChannels] = x;
  const [kernelHeight, kernelWidth, channelsPerGroup, outputChannels] = w;
  if (channelsPerGroup * groups !== inputChannels || outputChannels % groups !== 0) {
    throw new ShapeError(
      `${what}: images ${formatShape(x)} and filters ${formatShape(w)} do not fit with ${groups} group(s): ` +
        `${inputChannels} channels in, ${channelsPerGroup} x ${groups} wanted, ${outputChannels} out.`,
    );
  }
  if ([...x.slice(1), ...w].includes(0)) {
    throw new ShapeError(
      `${what}: images ${formatShape(x)} and filters ${formatShape(w)} must have pixels and channels; only the batch may be empty.`,
    );
  }
  const outputHeight = outputExtent(height, kernelHeight, strides[0], padding[0], padding[1], dilations[0]);
  const outputWidth = outputExtent(width, kernelWidth, strides[1], padding[2], padding[3], dilations[1]);
  if (outputHeight < 1 || outputWidth < 1) {
    throw new ShapeError(`${what}: filters ${formatShape(w)} are larger than the padded images ${formatShape(x)}.`);
  }
  return {
    strides,
    padding,
    dilations,
    groups,
    convolution,
    batch,
    height,
    width,
    inputChannels,
    kernelHeight,
    kernelWidth,
    outputHeight,
    outputWidth,
    outputChannels,
  };
}

/** Sizes for inputs [x, w, bias?]. */
export function conv2dSizes([x, w]: readonly Spec[], params: Conv2dGeometry): Conv2dSizes {
  return sizesOf('conv2d', x.shape, w.shape, params);
}

/** Sizes for inputs [dy, w]. */
export function conv2dInputGradientSizes([dy, w]: readonly Spec[], params: Conv2dInputGradientParams): Conv2dSizes {
  pairOf('conv2dInputGradient', 'inputSize', params.inputSize, windowStep);
  const x = [dy.shape[0], ...params.inputSize, w.shape[2] * params.groups];
  return checkOutput(sizesOf('conv2dInputGradient', x, w.shape, params), dy.shape, 'conv2dInputGradient');
}

/** Sizes for inputs [x, dy]. */
export function conv2dWeightGradientSizes([x, dy]: readonly Spec[], params: Conv2dWeightGradientParams): Conv2dSizes {
  pairOf('conv2dWeightGradient', 'kernelSize', params.kernelSize, windowStep);
  const w = [...params.kernelSize, x.shape[3] / params.groups, dy.shape[3]];
  return checkOutput(sizesOf('conv2dWeightGradient', x.shape, w, params), dy.shape, 'conv2dWeightGradient');
}

function checkOutput(sizes: Conv2dSizes, dy: readonly number[], what: string): Conv2dSizes {
  const expected = [sizes.batch, sizes.outputHeight, sizes.outputWidth, sizes.outputChannels];
  if (dy.length !== 4 || expected.some((extent, axis) => extent !== dy[axis])) {
    throw new ShapeError(`${what}: output gradient ${formatShape(dy)} should be ${formatShape(expected)}.`);
  }
  return sizes;
}

function checkFloat(what: string, inputs: readonly Spec[]): void {
  for (const { dtype } of inputs) if (dtype !== 'float32') throw new DTypeError(`${what} takes float32, not ${dtype}.`);
}

/** Two operations per multiply-add; taps that fall on padding are counted, as is usual. */
function cost(sizes: Conv2dSizes, inputs: readonly Spec[], outputElements: number): Cost {
  const { batch, outputHeight, outputWidth, outputChannels, kernelHeight, kernelWidth, inputChannels, groups } = sizes;
  const taps = (kernelHeight * kernelWidth * inputChannels) / groups;
  return {
    flops: 2 * batch * outputHeight * outputWidth * outputChannels * taps,
    bytes: 4 * inputs.reduce((total, { shape }) => total + sizeOf(shape), outputElements),
  };
}

/** Inputs [x, w] or [x, w, bias of shape [K]]; output [N, outputHeight, outputWidth, K]. */
export const conv2dDefinition: KernelDefinition<Conv2dParams> = {
  name: 'conv2d',
  infer(inputs, params): Spec[] {
    checkFloat('conv2d', inputs);
    oneOf('conv2d', 'activation', params.activation, ['none', 'relu']);
    const { batch, outputHeight, outputWidth, outputChannels } = conv2dSizes(inputs, params);
    const bias = inputs[2];
    if (bias && (bias.shape.length !== 1 || bias.shape[0] !== outputChannels)) {
      throw new ShapeError(`conv2d: bias ${formatShape(bias.shape)} does not match ${outputChannels} output channels.`);
    }
    return [{ shape: [batch, outputHeight, outputWidth, outputChannels], dtype: 'float32' }];
  },
  cost(inputs, params) {
    const sizes = conv2dSizes(inputs, params);
    return cost(sizes, inputs, sizes.batch * sizes.outputHeight * sizes.outputWidth * sizes.outputChannels);
  },
};

/** Inputs [dy, w]; output [N, H, W, C]: the gradient of the images. */
export const conv2dInputGradientDefinition: KernelDefinition<Conv2dInputGradientParams> = {
  name: 'conv2dInputGradient',
  infer(inputs, params): Spec[] {
    checkFloat('conv2dInputGradient', inputs);
    const { batch, height, width, inputChannels } = conv2dInputGradientSizes(inputs, params);
    return [{ shape: [batch, height, width, inputChannels], dtype: 'float32' }];
  },
  cost(inputs, params) {
    const sizes = conv2dInputGradientSizes(inputs, params);
    return cost(sizes, inputs, sizes.batch * sizes.height * sizes.width * sizes.inputChannels);
  },
};

/** Inputs [x, dy]; output [kh, kw, C / groups, K]: the gradient of the filters. */
export const conv2dWeightGradientDefinition: KernelDefinition<Conv2dWeightGradientParams> = {
  name: 'conv2dWeightGradient',
  infer(inputs, params): Spec[] {
    checkFloat('conv2dWeightGradient', inputs);
    const { kernelHeight, kernelWidth, inputChannels, groups, outputChannels } = conv2dWeightGradientSizes(
      inputs,
      params,
    );
    return [{ shape: [kernelHeight, kernelWidth, inputChannels / groups, outputChannels], dtype: 'float32' }];
  },
  cost(inputs, params) {
    const sizes = conv2dWeightGradientSizes(inputs, params);
    const { kernelHeight, kernelWidth, inputChannels, groups, outputChannels } = sizes;
    return cost(sizes, inputs, (kernelHeight * kernelWidth * inputChannels * outputChannels) / groups);
  },
};
