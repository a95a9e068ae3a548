/**
 * Forward pass and input gradient as one computation: every pixel of a *target* image gathers from pixels of a *source*
 * image through the taps of the filters. Forward, the source is x and neighbouring outputs see the input `stride` pixels
 * apart. In the input gradient the source is dy, and the target pixels fall into classes: pixel iy receives tap ky only
 * where (iy + padding - ky * dilation) is a multiple of the stride, so the pixels with equal iy modulo the stride share
 * their taps, and each class is a convolution of stride 1 with a part of the (flipped) filters. No zero is ever inserted.
 */
import type { Conv2dSizes } from './conv2d.ts';

/** The taps of one class along one axis, in order of rising source position. */
export interface TapRange {
  readonly count: number;
  /** Filter position of the first tap and distance to the next; counted from the far end in the input gradient. */
  readonly filterFirst: number;
  readonly filterStep: number;
  /** Source position of the first tap for the class's first pixel (negative on padding), and distance to the next. */
  readonly sourceFirst: number;
  readonly sourceStep: number;
}

/** One class of target positions along one axis: first, first + targetStep, ... */
export interface AxisClass {
  readonly first: number;
  readonly count: number;
  readonly taps: TapRange;
}

export interface AxisGather {
  /** Distance between the pixels of a class in the target, and between what they see in the source. */
  readonly targetStep: number;
  readonly sourceStep: number;
  readonly classes: readonly AxisClass[];
}

export interface Plane {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

export interface Gather {
  readonly batch: number;
  readonly groups: number;
  readonly kernelHeight: number;
  readonly kernelWidth: number;
  readonly source: Plane;
  readonly target: Plane;
  readonly vertical: AxisGather;
  readonly horizontal: AxisGather;
  /** Filters are read flipped and with input and output channels exchanged. */
  readonly adjoint: boolean;
}

function planes(sizes: Conv2dSizes): { x: Plane; y: Plane } {
  return {
    x: { height: sizes.height, width: sizes.width, channels: sizes.inputChannels },
    y: { height: sizes.outputHeight, width: sizes.outputWidth, channels: sizes.outputChannels },
  };
}

export function forwardGather(sizes: Conv2dSizes): Gather {
  const { x, y } = planes(sizes);
  const axis = (count: number, kernel: number, stride: number, padding: number, dilation: number): AxisGather => ({
    targetStep: 1,
    sourceStep: stride,
    classes: [
      {
        first: 0,
        count,
        taps: { count: kernel, filterFirst: 0, filterStep: 1, sourceFirst: -padding, sourceStep: dilation },
      },
    ],
  });
  const { strides, padding, dilations, kernelHeight, kernelWidth } = sizes;
  return {
    ...commonPart(sizes),
    source: x,
    target: y,
    vertical: axis(y.height, kernelHeight, strides[0], padding[0], dilations[0]),
    horizontal: axis(y.width, kernelWidth, strides[1], padding[2], dilations[1]),
    adjoint: false,
  };
}

export function inputGradientGather(sizes: Conv2dSizes): Gather {
  const { x, y } = planes(sizes);
  const { strides, padding, dilations, kernelHeight, kernelWidth } = sizes;
  return {
    ...commonPart(sizes),
    source: y,
    target: x,
    vertical: adjointAxis(x.height, kernelHeight, strides[0], padding[0], dilations[0]),
    horizontal: adjointAxis(x.width, kernelWidth, strides[1], padding[2], dilations[1]),
    adjoint: true,
  };
}

function commonPart({ batch, groups, kernelHeight, kernelWidth }: Conv2dSizes) {
  return { batch, groups, kernelHeight, kernelWidth };
}

function adjointAxis(extent: number, kernel: number, stride: number, padding: number, dilation: number): AxisGather {
  const classes: AxisClass[] = [];
  for (let first = 0; first < Math.min(stride, extent); first++) {
    // From the last filter position to the first: rising source positions.
    const positions: number[] = [];
    for (let k = kernel - 1; k >= 0; k--) if ((first + padding - k * dilation) % stride === 0) positions.push(k);
    const source = positions.map(k => (first + padding - k * dilation) / stride);
    classes.push({
      first,
      count: Math.ceil((extent - first) / stride),
      taps: {
        count: positions.length,
        filterFirst: positions.length > 0 ? kernel - 1 - positions[0] : 0,
        filterStep: positions.length > 1 ? positions[0] - positions[1] : 1,
        sourceFirst: source[0] ?? 0,
        sourceStep: source.length > 1 ? source[1] - source[0] : 1,
      },
    });
  }
  return { targetStep: stride, sourceStep: 1, classes };
}

/** First and last source position that any class touches for its pixels 0 .. count - 1 (relative to pixel 0's origin). */
export function sourceExtent({ classes, sourceStep }: AxisGather, count: number): { low: number; high: number } {
  const used = classes.filter(({ taps }) => taps.count > 0);
  if (used.length === 0) return { low: 0, high: 0 };
  return {
    low: Math.min(...used.map(({ taps }) => taps.sourceFirst)),
    high: Math.max(
      ...used.map(({ taps }) => taps.sourceFirst + (taps.count - 1) * taps.sourceStep + (count - 1) * sourceStep),
    ),
  };
}
