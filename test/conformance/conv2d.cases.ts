/**
 * Convolutions of every geometry, each as forward pass, input gradient and weight gradient: strides, asymmetric padding,
 * dilation, rectangular kernels, groups, depthwise, 1 x 1, one or three input channels, channel counts beside the vector
 * width, images smaller than the kernel, empty batches, and the 3 x 3 shapes that Winograd variants take.
 *
 * Bounds: direct sums stay within c = 8. Winograd transforms add terms up to 5 (input) and 8 (output) times larger than
 * their result, so its bound is c = 24 (see the kernel's README for what was measured).
 */
import {
  type Conv2dGeometry,
  conv2d,
  conv2dInputGradient,
  conv2dWeightGradient,
} from '../../src/kernels/conv2d/index.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import type { ConformanceCase, Tolerance } from './cases.ts';

const SEED = 20262;
const stream = new PhiloxStream(SEED);

function floats(shape: readonly number[]) {
  const length = shape.reduce((product, extent) => product * extent, 1);
  return {
    spec: { shape, dtype: 'float32' } as const,
    values: Float32Array.from({ length }, () => stream.uniform() - 0.5),
  };
}

const bound =
  (terms: number) =>
  (variant: string): Tolerance => ({ kind: 'contraction', c: variant.includes('winograd') ? 24 : 8, terms });

interface Convolution extends Partial<Conv2dGeometry> {
  /** [N, H, W, C] */
  readonly x: readonly [number, number, number, number];
  /** [kh, kw, K] */
  readonly w: readonly [number, number, number];
  readonly bias?: boolean;
  readonly relu?: boolean;
}

/** The three kernels of one convolution. */
function convolution(what: string, { x, w, bias = false, relu = false, ...geometry }: Convolution): ConformanceCase[] {
  const { strides = [1, 1], padding = [0, 0, 0, 0], dilations = [1, 1], groups = 1 } = geometry;
  const params = { strides, padding, dilations, groups };
  const [kernelHeight, kernelWidth, outputChannels] = w;
  const [batch, height, width, inputChannels] = x;
  const images = floats(x);
  const filters = floats([kernelHeight, kernelWidth, inputChannels / groups, outputChannels]);
  const forward = { ...params, activation: relu ? ('relu' as const) : ('none' as const) };
  const [{ shape }] = conv2d.infer([images.spec, filters.spec], forward);
  const gradient = floats(shape);
  const taps = kernelHeight * kernelWidth;
  const title = `${what}, x [${x}] w [${filters.spec.shape}], seed ${SEED}`;
  return [
    {
      title: `forward${bias ? ' bias' : ''}${relu ? ' relu' : ''}: ${title}`,
      kernel: conv2d,
      params: forward,
      inputs: bias ? [images, filters, floats([outputChannels])] : [images, filters],
      tolerance: bound((taps * inputChannels) / groups + 1),
    },
    {
      title: `input gradient: ${title}`,
      kernel: conv2dInputGradient,
      params: { ...params, inputSize: [height, width] },
      inputs: [gradient, filters],
      tolerance: bound((taps * outputChannels) / groups),
    },
    {
      title: `weight gradient: ${title}`,
      kernel: conv2dWeightGradient,
      params: { ...params, kernelSize: [kernelHeight, kernelWidth] },
      inputs: [images, gradient],
      tolerance: bound(batch * shape[1] * shape[2]),
    },
  ];
}

const same = [1, 1, 1, 1] as const;

export const cases: ConformanceCase[] = [
  // 3 x 3, stride 1: what networks are made of, and what Winograd takes.
  ...convolution('3x3 same', { x: [2, 9, 9, 8], w: [3, 3, 16], padding: same, bias: true }),
  ...convolution('3x3 same', { x: [2, 28, 28, 16], w: [3, 3, 16], padding: same, relu: true }),
  ...convolution('3x3 same', { x: [3, 14, 14, 32], w: [3, 3, 64], padding: same, bias: true, relu: true }),
  ...convolution('3x3 same', { x: [5, 7, 7, 20], w: [3, 3, 12], padding: same, bias: true }),
  ...convolution('3x3 valid', { x: [1, 8, 6, 16], w: [3, 3, 24] }),
  ...convolution('3x3 full', { x: [2, 5, 6, 16], w: [3, 3, 16], padding: [2, 2, 2, 2] }),
  ...convolution('3x3 asymmetric padding', { x: [2, 6, 5, 16], w: [3, 3, 20], padding: [0, 2, 2, 1], relu: true }),
  ...convolution('3x3 on one pixel', { x: [3, 1, 1, 16], w: [3, 3, 16], padding: same, bias: true }),
  ...convolution('3x3 wide', { x: [1, 4, 70, 12], w: [3, 3, 8], padding: same }),
  ...convolution('3x3 odd channels', { x: [2, 10, 11, 5], w: [3, 3, 7], padding: same, bias: true, relu: true }),
  ...convolution('3x3 odd channels', { x: [2, 7, 6, 13], w: [3, 3, 17], padding: same }),
  // Strides.
  ...convolution('stride 2', { x: [2, 28, 28, 16], w: [3, 3, 32], strides: [2, 2], padding: same, bias: true }),
  ...convolution('stride 2, odd image', { x: [2, 9, 11, 6], w: [3, 3, 10], strides: [2, 2], padding: same }),
  ...convolution('stride [1, 3]', { x: [1, 6, 13, 4], w: [3, 2, 8], strides: [1, 3], padding: [1, 0, 0, 2] }),
  ...convolution('stride 3 over kernel 2', { x: [2, 11, 10, 5], w: [2, 2, 9], strides: [3, 3], relu: true }),
  ...convolution('patches', { x: [2, 16, 16, 3], w: [4, 4, 24], strides: [4, 4], bias: true }),
  // Dilation, rectangles, padding beyond the kernel.
  ...convolution('dilation 2', { x: [2, 12, 11, 8], w: [3, 3, 12], dilations: [2, 2], padding: [2, 2, 2, 2] }),
  ...convolution('dilation [3, 1], stride 2', {
    x: [1, 15, 9, 4],
    w: [3, 3, 4],
    dilations: [3, 1],
    strides: [2, 2],
    padding: [3, 1, 0, 1],
    bias: true,
  }),
  ...convolution('1x7', { x: [2, 5, 12, 6], w: [1, 7, 8], padding: [0, 0, 3, 3], relu: true }),
  ...convolution('7x1', { x: [2, 12, 5, 6], w: [7, 1, 8], padding: [3, 3, 0, 0] }),
  ...convolution('2x3', { x: [1, 7, 8, 9], w: [2, 3, 11], padding: [1, 0, 0, 1], bias: true }),
  ...convolution('5x5', { x: [1, 13, 12, 16], w: [5, 5, 32], padding: [2, 2, 2, 2] }),
  ...convolution('5x5 larger than the image', { x: [2, 3, 2, 4], w: [5, 5, 8], padding: [2, 2, 2, 3], bias: true }),
  ...convolution('padding larger than the kernel', { x: [1, 4, 4, 4], w: [2, 2, 8], padding: [3, 2, 4, 0] }),
  // Groups and depthwise.
  ...convolution('2 groups', { x: [2, 8, 7, 6], w: [3, 3, 4], padding: same, groups: 2, bias: true, relu: true }),
  ...convolution('4 groups, stride 2', { x: [1, 9, 9, 32], w: [3, 3, 64], padding: same, groups: 4, strides: [2, 2] }),
  ...convolution('3 groups, dilation 2', { x: [1, 9, 8, 9], w: [3, 2, 12], groups: 3, dilations: [2, 2] }),
  ...convolution('depthwise', { x: [2, 10, 9, 8], w: [3, 3, 8], padding: same, groups: 8, bias: true }),
  ...convolution('depthwise, stride 2', {
    x: [2, 9, 10, 20],
    w: [3, 3, 20],
    padding: same,
    groups: 20,
    strides: [2, 2],
  }),
  ...convolution('depthwise, few columns', { x: [2, 6, 6, 4], w: [3, 3, 4], strides: [2, 2], groups: 4, bias: true }),
  ...convolution('depthwise, odd', { x: [1, 6, 7, 5], w: [5, 3, 5], padding: [2, 2, 1, 1], groups: 5, relu: true }),
  ...convolution('depthwise, multiplier 2', { x: [1, 6, 6, 4], w: [3, 3, 8], padding: same, groups: 4 }),
  // 1 x 1.
  ...convolution('1x1', { x: [3, 7, 7, 32], w: [1, 1, 24], bias: true, relu: true }),
  ...convolution('1x1 odd channels', { x: [2, 5, 5, 13], w: [1, 1, 7] }),
  ...convolution('1x1 stride 2', { x: [2, 14, 14, 16], w: [1, 1, 32], strides: [2, 2], bias: true }),
  ...convolution('1x1 padded', { x: [1, 4, 5, 8], w: [1, 1, 8], padding: [1, 0, 2, 1] }),
  // First layers.
  ...convolution('one channel', { x: [2, 28, 28, 1], w: [3, 3, 32], padding: same, bias: true, relu: true }),
  ...convolution('one channel', { x: [3, 9, 7, 1], w: [3, 3, 5], padding: same }),
  ...convolution('one channel, 5x5 stride 2', {
    x: [2, 12, 12, 1],
    w: [5, 5, 8],
    strides: [2, 2],
    padding: [2, 1, 2, 1],
  }),
  ...convolution('three channels', { x: [2, 12, 11, 3], w: [3, 3, 16], padding: same, bias: true }),
  ...convolution('three channels, 7x7 stride 2', {
    x: [1, 20, 20, 3],
    w: [7, 7, 8],
    strides: [2, 2],
    padding: [3, 3, 3, 3],
  }),
  // Empty and huge.
  ...convolution('empty batch', { x: [0, 8, 8, 16], w: [3, 3, 16], padding: same, bias: true }),
  ...convolution('smallest', { x: [1, 1, 1, 1], w: [1, 1, 1], bias: true }),
  ...convolution('more than 65,535 images', { x: [66_000, 2, 2, 1], w: [2, 2, 1], padding: [1, 0, 0, 1] }),
  ...convolution('large image', { x: [1, 1100, 1000, 1], w: [1, 2, 4], bias: true }),
];
