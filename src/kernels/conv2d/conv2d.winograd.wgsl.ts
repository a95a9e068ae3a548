/**
 * 3 x 3 convolutions of stride 1 by Winograd's F(4x4, 3x3): transform, 36 matrix products, transform back. A quarter of
 * the multiplications, paid for with transforms that read and write 2.25 times the images, and with some accuracy (README).
 * Images go through in runs small enough for the arrays in between to stay a few megabytes.
 */
import { input, output, type Slot, type Spec, scratch, type WgslPass, type WgslPlan } from '../../devices/kernel.ts';
import { sizeOf } from '../../devices/shape.ts';
import { planContraction, type TileStrategy } from '../matmul/matmul.contraction.wgsl.ts';
import { type MatmulOperandOptions, matmulContraction } from '../matmul/matmul.operands.wgsl.ts';
import {
  type Conv2dInputGradientParams,
  type Conv2dParams,
  type Conv2dSizes,
  type Conv2dWeightGradientParams,
  conv2dInputGradientSizes,
  conv2dSizes,
  conv2dWeightGradientSizes,
} from './conv2d.ts';
import { filterGradientTransform, outputTransform } from './winograd.outputs.wgsl.ts';
import { PRODUCTS, TILE, type Tiling, tilesOf } from './winograd.tiles.wgsl.ts';
import { filterTransform, inputTransform, outputGradientTransform } from './winograd.transforms.wgsl.ts';

/** Bytes that the transformed images of one run may take. */
const RUN_BYTES = 32 << 20;

/** How the 36 products are tiled. */
export interface ProductStrategy extends MatmulOperandOptions {
  strategy(rows: number, columns: number): TileStrategy;
}

/** The binding size that every WebGPU implementation has; arrays of one image must fit. */
const BINDING_BYTES = 128 << 20;

/** Bytes of V or M, whichever is larger, for one image with that many rows and columns of outputs. */
function bytesPerImage(height: number, width: number, channels: number): number {
  return PRODUCTS * Math.ceil(height / TILE) * Math.ceil(width / TILE) * channels * 4;
}

/**
 * Whether F(4x4, 3x3) computes this convolution: 3 x 3, stride 1, no dilation, no groups, four channels or more, and not
 * asked to be direct.
 */
export function isWinograd(sizes: Conv2dSizes): boolean {
  const { batch, kernelHeight, kernelWidth, strides, dilations, groups, inputChannels, outputChannels } = sizes;
  const { height, width, outputHeight, outputWidth } = sizes;
  const channels = [inputChannels, outputChannels];
  const pixels = [Math.max(height, outputHeight), Math.max(width, outputWidth)] as const;
  return (
    sizes.convolution !== 'direct' &&
    [...strides, ...dilations, groups].every(value => value === 1) &&
    batch > 0 &&
    kernelHeight === 3 &&
    kernelWidth === 3 &&
    Math.min(...channels) >= 4 &&
    bytesPerImage(...pixels, Math.max(...channels)) <= BINDING_BYTES
  );
}

/** Cuts `batch` images of which each takes `bytes` into runs within RUN_BYTES. */
function runsOf(batch: number, bytes: number): { firstImage: number; images: number }[] {
  const images = Math.min(batch, Math.max(1, Math.floor(RUN_BYTES / bytes)));
  return Array.from({ length: Math.ceil(batch / images) }, (_, run) => ({
    firstImage: run * images,
    images: Math.min(images, batch - run * images),
  }));
}

/** `plan` as a part of a larger one: its inputs, output and scratch arrays are others there. */
function embedded(plan: WgslPlan, inputs: readonly Slot[], result: Slot, firstScratch: number): WgslPass[] {
  const place = ({ kind, index }: Slot): Slot =>
    kind === 'input' ? inputs[index] : kind === 'output' ? result : scratch(firstScratch + index);
  return plan.passes.map(pass => ({ ...pass, bindings: pass.bindings.map(place) }));
}

const float = (...shape: number[]): Spec => ({ shape, dtype: 'float32' });

/** Keeps of every scratch array the largest that a run asks for. */
function largest(arrays: Spec[], wanted: readonly Spec[], first: number): void {
  wanted.forEach((spec, i) => {
    const before = arrays[first + i];
    if (!before || sizeOf(spec.shape) > sizeOf(before.shape)) arrays[first + i] = spec;
  });
}

/** A convolution of stride 1 with padding: the forward pass, or with turned filters the input gradient. */
function convolution(
  { strategy, ...options }: ProductStrategy,
  shape: {
    readonly batch: number;
    readonly height: number;
    readonly width: number;
    readonly channels: number;
    readonly outputHeight: number;
    readonly outputWidth: number;
    readonly filters: number;
    readonly padTop: number;
    readonly padLeft: number;
    readonly adjoint: boolean;
    readonly bias?: Slot;
    readonly relu: boolean;
  },
): WgslPlan {
  const { batch, height, width, channels, outputHeight, outputWidth, filters, padTop, padLeft } = shape;
  const [u, v, m] = [scratch(0), scratch(1), scratch(2)];
  const passes = [filterTransform(input(1), u, channels, filters, shape.adjoint)];
  const { bias, relu, adjoint } = shape;
  const sources = { images: input(0), filters: input(1), bias, relu, adjoint };
  const arrays = [float(PRODUCTS, channels, filters)];
  const tilesDown = Math.ceil(outputHeight / TILE);
  const tilesAcross = Math.ceil(outputWidth / TILE);
  for (const run of runsOf(batch, bytesPerImage(outputHeight, outputWidth, Math.max(channels, filters)))) {
    const from: Tiling = { ...run, tilesDown, tilesAcross, height, width, channels, padTop, padLeft };
    const to: Tiling = { ...from, height: outputHeight, width: outputWidth, channels: filters, padTop: 0, padLeft: 0 };
    const tiles = tilesOf(from);
    const factors = [float(PRODUCTS, tiles, channels), float(PRODUCTS, channels, filters)];
    const params = { transposeA: false, transposeB: false, activation: 'none' } as const;
    const products = planContraction(matmulContraction(factors, params, options), strategy(tiles, filters));
    passes.push(
      inputTransform(input(0), v, from),
      ...embedded(products, [v, u], m, 3),
      outputTransform(m, output(0), sources, from, to),
    );
    largest(arrays, [factors[0], float(PRODUCTS, tiles, filters), ...(products.scratch ?? [])], 1);
  }
  return { passes, scratch: arrays };
}

export function planWinogradForward(specs: readonly Spec[], params: Conv2dParams, products: ProductStrategy): WgslPlan {
  const sizes = conv2dSizes(specs, params);
  return convolution(products, {
    ...sizes,
    channels: sizes.inputChannels,
    filters: sizes.outputChannels,
    padTop: sizes.padding[0],
    padLeft: sizes.padding[2],
    adjoint: false,
    bias: specs.length > 2 ? input(2) : undefined,
    relu: params.activation === 'relu',
  });
}

export function planWinogradInputGradient(
  specs: readonly Spec[],
  params: Conv2dInputGradientParams,
  products: ProductStrategy,
): WgslPlan {
  const { batch, height, width, inputChannels, outputHeight, outputWidth, outputChannels, padding } =
    conv2dInputGradientSizes(specs, params);
  return convolution(products, {
    batch,
    height: outputHeight,
    width: outputWidth,
    channels: outputChannels,
    outputHeight: height,
    outputWidth: width,
    filters: inputChannels,
    padTop: 2 - padding[0],
    padLeft: 2 - padding[2],
    adjoint: true,
    relu: false,
  });
}

export function planWinogradWeightGradient(
  specs: readonly Spec[],
  params: Conv2dWeightGradientParams,
  { strategy, ...options }: ProductStrategy,
): WgslPlan {
  const sizes = conv2dWeightGradientSizes(specs, params);
  const { batch, height, width, inputChannels, outputHeight, outputWidth, outputChannels, padding } = sizes;
  const [v, m, du] = [scratch(0), scratch(1), scratch(2)];
  const sources = { images: input(0), outputGradients: input(1) };
  const passes: WgslPass[] = [];
  const arrays: Spec[] = [];
  const tilesDown = Math.ceil(outputHeight / TILE);
  const tilesAcross = Math.ceil(outputWidth / TILE);
  for (const run of runsOf(batch, bytesPerImage(outputHeight, outputWidth, Math.max(inputChannels, outputChannels)))) {
    const grid = { ...run, tilesDown, tilesAcross };
    const x: Tiling = { ...grid, height, width, channels: inputChannels, padTop: padding[0], padLeft: padding[2] };
    const dy: Tiling = {
      ...x,
      height: outputHeight,
      width: outputWidth,
      channels: outputChannels,
      padTop: 0,
      padLeft: 0,
    };
    const tiles = tilesOf(x);
    const factors = [float(PRODUCTS, tiles, inputChannels), float(PRODUCTS, tiles, outputChannels)];
    const transposed = { transposeA: true, transposeB: false, activation: 'none' } as const;
    const products = planContraction(
      matmulContraction(factors, transposed, options),
      strategy(inputChannels, outputChannels),
    );
    passes.push(
      inputTransform(input(0), v, x),
      outputGradientTransform(input(1), m, dy),
      ...embedded(products, [v, m], du, 3),
      filterGradientTransform(du, output(0), sources, x, dy, run.firstImage > 0),
    );
    largest(arrays, [...factors, float(PRODUCTS, inputChannels, outputChannels), ...(products.scratch ?? [])], 0);
  }
  return { passes, scratch: arrays };
}
