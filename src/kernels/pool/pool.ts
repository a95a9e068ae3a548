/**
 * Pooling over windows of NHWC images: the largest value or the mean of each window, per channel. Padding never wins a
 * maximum; whether it counts in a mean is the caller's choice. The gradient of a maximum goes to one pixel, the one that
 * won; `maxPool2dPick` reads a second image at the winners, which is the gradient of that gradient.
 */
import { pairOf } from '../../devices/checks.ts';
import { DTypeError, ShapeError } from '../../devices/errors.ts';
import type { Cost, KernelDefinition, Spec } from '../../devices/kernel.ts';
import { formatShape, sameShape, sizeOf } from '../../devices/shape.ts';
import { checkPaddingWithin, checkWindow, windowStep } from '../window.ts';

/** How windows move over the image. Pairs are [vertical, horizontal]; padding is [top, bottom, left, right]. */
export interface Pool2dGeometry {
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  /** Less than the kernel on every side, so that every window meets the image. */
  readonly padding: readonly [number, number, number, number];
  /** Keep a last window that reaches past the padded image if it starts inside the image or its padding before. */
  readonly ceilMode?: boolean;
}

export interface AvgPool2dParams extends Pool2dGeometry {
  /** Divide by the window's size with the padding in it, instead of by the number of pixels. */
  readonly countPadding: boolean;
}

export interface AvgPool2dGradientParams extends AvgPool2dParams {
  /** [H, W] of the image whose gradient is wanted. */
  readonly inputSize: readonly [number, number];
}

export interface GlobalAveragePoolGradientParams {
  /** [H, W] of the image whose gradient is wanted. */
  readonly inputSize: readonly [number, number];
}

export interface Pool2dSizes {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly outputHeight: number;
  readonly outputWidth: number;
}

/**
 * Number of windows along one axis. With `ceilMode` a window may hang over the end, but must start before it (the rule of
 * PyTorch and ONNX).
 */
export function pooledExtent(
  extent: number,
  kernel: number,
  stride: number,
  before: number,
  after: number,
  ceilMode = false,
): number {
  const steps = (extent + before + after - kernel) / stride;
  if (!ceilMode) return Math.floor(steps) + 1;
  const windows = Math.ceil(steps) + 1;
  return (windows - 1) * stride >= extent + before ? windows - 1 : windows;
}

/** Sizes of one pooling of images [N, H, W, C]. Throws ShapeError where the windows do not fit. */
export function pool2dSizes(what: string, x: readonly number[], geometry: Pool2dGeometry): Pool2dSizes {
  const { kernel, strides, padding, ceilMode } = geometry;
  if (x.length !== 4) throw new ShapeError(`${what}: images ${formatShape(x)} must be [N, H, W, C].`);
  checkWindow(what, kernel);
  pairOf(what, 'strides', strides, windowStep);
  checkPaddingWithin(what, padding, kernel);
  const [batch, height, width, channels] = x;
  const outputHeight = pooledExtent(height, kernel[0], strides[0], padding[0], padding[1], ceilMode);
  const outputWidth = pooledExtent(width, kernel[1], strides[1], padding[2], padding[3], ceilMode);
  if (channels < 1) throw new ShapeError(`${what}: images ${formatShape(x)} must have channels.`);
  if (height < 1 || width < 1 || outputHeight < 1 || outputWidth < 1) {
    throw new ShapeError(
      `${what}: windows ${formatShape(kernel)} do not fit into the padded images ${formatShape(x)}.`,
    );
  }
  return { batch, height, width, channels, outputHeight, outputWidth };
}

/** One pooling: its sizes and how its windows move. */
export type WindowShape = Pool2dSizes & Pool2dGeometry;

/** Windows that touch but do not overlap, all inside the image: kernel = strides, no padding, nothing hangs over. */
export function hasDisjointWindows({ kernel, strides, padding, height, width, ...shape }: WindowShape): boolean {
  return (
    kernel[0] === strides[0] &&
    kernel[1] === strides[1] &&
    padding.every(pad => pad === 0) &&
    shape.outputHeight * kernel[0] <= height &&
    shape.outputWidth * kernel[1] <= width
  );
}

const outputShape = (s: Pool2dSizes): number[] => [s.batch, s.outputHeight, s.outputWidth, s.channels];
const floats = (shape: readonly number[]): Spec[] => [{ shape: [...shape], dtype: 'float32' }];

function checkFloat(what: string, inputs: readonly Spec[]): void {
  for (const { dtype } of inputs) if (dtype !== 'float32') throw new DTypeError(`${what} takes float32, not ${dtype}.`);
}

function checkOutput(what: string, dy: readonly number[], sizes: Pool2dSizes): void {
  if (!sameShape(dy, outputShape(sizes))) {
    throw new ShapeError(`${what}: output gradient ${formatShape(dy)} should be ${formatShape(outputShape(sizes))}.`);
  }
}

const cost = (inputs: readonly Spec[], outputs: readonly Spec[], flops: number): Cost => ({
  flops,
  bytes: 4 * [...inputs, ...outputs].reduce((total, { shape }) => total + sizeOf(shape), 0),
});

/** One operation per window and pixel in it. */
const windowFlops = (geometry: Pool2dGeometry, windows: readonly number[]): number =>
  sizeOf(windows) * geometry.kernel[0] * geometry.kernel[1];

/** Inputs [x]; output [N, outputHeight, outputWidth, C]: the largest value of every window. NaN is passed on. */
export const maxPool2dDefinition: KernelDefinition<Pool2dGeometry> = {
  name: 'maxPool2d',
  infer(inputs, params) {
    checkFloat('maxPool2d', inputs);
    return floats(outputShape(pool2dSizes('maxPool2d', inputs[0].shape, params)));
  },
  cost(inputs, params) {
    const outputs = this.infer(inputs, params);
    return cost(inputs, outputs, windowFlops(params, outputs[0].shape));
  },
};

/**
 * Inputs [x, dy]; output dx: each window's gradient at its winner, the first maximum in row-major order (where there is a
 * NaN, the last NaN: PyTorch's rule). Overlapping windows add.
 */
export const maxPool2dGradientDefinition: KernelDefinition<Pool2dGeometry> = {
  name: 'maxPool2dGradient',
  infer(inputs, params) {
    checkFloat('maxPool2dGradient', inputs);
    checkOutput('maxPool2dGradient', inputs[1].shape, pool2dSizes('maxPool2dGradient', inputs[0].shape, params));
    return floats(inputs[0].shape);
  },
  cost(inputs, params) {
    return cost(inputs, this.infer(inputs, params), windowFlops(params, inputs[1].shape));
  },
};

/** Inputs [x, v], both [N, H, W, C]; output [N, outputHeight, outputWidth, C]: v at the winner of every window of x. */
export const maxPool2dPickDefinition: KernelDefinition<Pool2dGeometry> = {
  name: 'maxPool2dPick',
  infer(inputs, params) {
    checkFloat('maxPool2dPick', inputs);
    const [x, v] = inputs;
    if (!sameShape(x.shape, v.shape)) {
      throw new ShapeError(`maxPool2dPick: shapes ${formatShape(x.shape)} and ${formatShape(v.shape)} must be equal.`);
    }
    return floats(outputShape(pool2dSizes('maxPool2dPick', x.shape, params)));
  },
  cost(inputs, params) {
    const outputs = this.infer(inputs, params);
    return cost(inputs, outputs, windowFlops(params, outputs[0].shape));
  },
};

/** Inputs [x]; output [N, outputHeight, outputWidth, C]: the mean of every window. */
export const avgPool2dDefinition: KernelDefinition<AvgPool2dParams> = {
  name: 'avgPool2d',
  infer(inputs, params) {
    checkFloat('avgPool2d', inputs);
    return floats(outputShape(pool2dSizes('avgPool2d', inputs[0].shape, params)));
  },
  cost(inputs, params) {
    const outputs = this.infer(inputs, params);
    return cost(inputs, outputs, windowFlops(params, outputs[0].shape));
  },
};

/** Sizes for the input [dy] of avgPool2dGradient. */
export function avgPool2dGradientSizes([dy]: readonly Spec[], params: AvgPool2dGradientParams): Pool2dSizes {
  const what = 'avgPool2dGradient';
  if (dy.shape.length !== 4) throw new ShapeError(`${what}: gradient ${formatShape(dy.shape)} must be [N, H, W, C].`);
  const sizes = pool2dSizes(what, [dy.shape[0], ...params.inputSize, dy.shape[3]], params);
  checkOutput(what, dy.shape, sizes);
  return sizes;
}

/** Inputs [dy]; output dx [N, H, W, C]. */
export const avgPool2dGradientDefinition: KernelDefinition<AvgPool2dGradientParams> = {
  name: 'avgPool2dGradient',
  infer(inputs, params) {
    checkFloat('avgPool2dGradient', inputs);
    const { batch, height, width, channels } = avgPool2dGradientSizes(inputs, params);
    return floats([batch, height, width, channels]);
  },
  cost(inputs, params) {
    return cost(inputs, this.infer(inputs, params), windowFlops(params, inputs[0].shape));
  },
};

/** Inputs [x] of shape [N, H, W, C]; output [N, C]. */
export const globalAveragePoolDefinition: KernelDefinition<Record<string, never>> = {
  name: 'globalAveragePool',
  infer(inputs) {
    checkFloat('globalAveragePool', inputs);
    const { shape } = inputs[0];
    if (shape.length !== 4 || shape[1] * shape[2] === 0) {
      throw new ShapeError(`globalAveragePool: images ${formatShape(shape)} must be [N, H, W, C] with pixels.`);
    }
    return floats([shape[0], shape[3]]);
  },
  cost(inputs, params) {
    return cost(inputs, this.infer(inputs, params), sizeOf(inputs[0].shape));
  },
};

/** Inputs [dy] of shape [N, C]; output dx [N, H, W, C]. */
export const globalAveragePoolGradientDefinition: KernelDefinition<GlobalAveragePoolGradientParams> = {
  name: 'globalAveragePoolGradient',
  infer(inputs, { inputSize }) {
    checkFloat('globalAveragePoolGradient', inputs);
    const { shape } = inputs[0];
    if (shape.length !== 2) {
      throw new ShapeError(`globalAveragePoolGradient: gradient ${formatShape(shape)} must be [N, C].`);
    }
    return floats([shape[0], ...inputSize, shape[1]]);
  },
  cost(inputs, params) {
    const outputs = this.infer(inputs, params);
    return cost(inputs, outputs, sizeOf(outputs[0].shape));
  },
};
