/** Plans for WebGPU: one dispatch each, linear over the pixels and channels that are written. */
import { input, output, type Slot, type Spec, type WebGpuAdapterInfo, type WgslVariant } from '../../devices/kernel.ts';
import { linearGrid } from '../../devices/webgpu/dispatch.ts';
import { uniforms } from '../../devices/webgpu/uniforms.ts';
import {
  type AvgPool2dGradientParams,
  type AvgPool2dParams,
  avgPool2dGradientSizes,
  type GlobalAveragePoolGradientParams,
  hasDisjointWindows,
  type Pool2dGeometry,
  pool2dSizes,
  type WindowShape,
} from './pool.ts';
import {
  averagePoolGradientSource,
  averagePoolSource,
  disjointMaxPoolGradientSource,
  globalAverageGradientPairsSource,
  globalAverageGradientSource,
  globalAveragePairsSource,
  globalAverageSource,
  maxPoolGradientSource,
  maxPoolSource,
  type SourceOptions,
} from './sources.wgsl.ts';

const vectorsOf = (channels: number): number => (channels % 4 === 0 ? channels / 4 : channels);

/** In the order of the shaders' Sizes. */
function geometryNumbers(shape: WindowShape): number[] {
  const { batch, height, width, channels, outputHeight, outputWidth, kernel, strides, padding } = shape;
  return [batch, height, width, vectorsOf(channels), outputHeight, outputWidth, ...kernel, ...strides, ...padding];
}

interface PoolPass<P> {
  shapeOf(specs: readonly Spec[], params: P): WindowShape;
  source(options: SourceOptions, params: P): string;
  readonly bindings: readonly Slot[];
  /** Pixels of the grid, without the batch. */
  pixels(shape: WindowShape): number;
  applies?(shape: WindowShape): boolean;
}

/** 2 x 2 windows side by side, which are compiled with their geometry. */
const isTwo = (shape: WindowShape): boolean =>
  hasDisjointWindows(shape) && shape.kernel[0] === 2 && shape.kernel[1] === 2;

function variantOf<P>(name: string, pass: PoolPass<P>, { two = false, pairs = false }): WgslVariant<P> {
  return {
    name,
    precision: pairs ? 'highest' : undefined,
    applies(specs, params) {
      const shape = pass.shapeOf(specs, params);
      return (!two || isTwo(shape)) && (pass.applies?.(shape) ?? true);
    },
    plan(specs, params, adapter: WebGpuAdapterInfo) {
      const shape = pass.shapeOf(specs, params);
      const { batch, channels } = shape;
      const threads = batch * pass.pixels(shape) * vectorsOf(channels);
      return {
        passes: [
          {
            source: pass.source({ vector: channels % 4 === 0, two, pairs }, params),
            bindings: pass.bindings,
            uniforms: uniforms(geometryNumbers(shape)),
            workgroups: linearGrid(threads, 64, adapter.maxComputeWorkgroupsPerDimension),
          },
        ],
      };
    },
  };
}

/** The variant with constants for 2 x 2 windows, and the general one. */
const variants = <P>(name: string, pass: PoolPass<P>): WgslVariant<P>[] => [
  variantOf(`${name}-2x2`, pass, { two: true }),
  variantOf(name, pass, {}),
];

/** Before these the one for devices of highest precision. */
const summingVariants = <P>(name: string, pass: PoolPass<P>): WgslVariant<P>[] => [
  variantOf('pairs', pass, { pairs: true }),
  ...variants(name, pass),
];

const shapeOf = ([x]: readonly Spec[], params: Pool2dGeometry): WindowShape => ({
  ...pool2dSizes('pool', x.shape, params),
  ...params,
});
const gradientShapeOf = (specs: readonly Spec[], params: AvgPool2dGradientParams): WindowShape => ({
  ...avgPool2dGradientSizes(specs, params),
  ...params,
});
const outputPixels = ({ outputHeight, outputWidth }: WindowShape): number => outputHeight * outputWidth;
const inputPixels = ({ height, width }: WindowShape): number => height * width;
const tiles = ({ height, width, kernel }: WindowShape): number =>
  Math.ceil(height / kernel[0]) * Math.ceil(width / kernel[1]);

export const maxPool2dWgsl: readonly WgslVariant<Pool2dGeometry>[] = variants('windows', {
  shapeOf,
  source: options => maxPoolSource(options, false),
  bindings: [input(0), output(0)],
  pixels: outputPixels,
});

export const maxPool2dPickWgsl: readonly WgslVariant<Pool2dGeometry>[] = variants('windows', {
  shapeOf,
  source: options => maxPoolSource(options, true),
  bindings: [input(0), input(1), output(0)],
  pixels: outputPixels,
});

const gatherGradient: PoolPass<Pool2dGeometry> = {
  shapeOf,
  source: maxPoolGradientSource,
  bindings: [input(0), input(1), output(0)],
  pixels: inputPixels,
};

/** Disjoint windows add nothing up, in whatever precision. */
export const maxPool2dGradientWgsl: readonly WgslVariant<Pool2dGeometry>[] = [
  variantOf('pairs', { ...gatherGradient, applies: shape => !hasDisjointWindows(shape) }, { pairs: true }),
  ...variants<Pool2dGeometry>('disjoint', {
    shapeOf,
    source: disjointMaxPoolGradientSource,
    bindings: [input(0), input(1), output(0)],
    pixels: tiles,
    applies: hasDisjointWindows,
  }),
  variantOf('gather', gatherGradient, {}),
];

export const avgPool2dWgsl: readonly WgslVariant<AvgPool2dParams>[] = summingVariants<AvgPool2dParams>('windows', {
  shapeOf,
  source: (options, { countPadding }) => averagePoolSource(options, countPadding),
  bindings: [input(0), output(0)],
  pixels: outputPixels,
});

export const avgPool2dGradientWgsl: readonly WgslVariant<AvgPool2dGradientParams>[] = summingVariants('gather', {
  shapeOf: gradientShapeOf,
  source: (options, { countPadding }) => averagePoolGradientSource(options, countPadding),
  bindings: [input(0), output(0)],
  pixels: inputPixels,
});

function globalPass(source: (vector: boolean) => string, shape: readonly number[], threads: number, maxGroups: number) {
  const [batch, height, width, channels] = shape;
  const vectors = vectorsOf(channels);
  return {
    passes: [
      {
        source: source(channels % 4 === 0),
        bindings: [input(0), output(0)],
        uniforms: uniforms([batch, height, width, vectors]),
        workgroups: linearGrid(threads * vectors, 64, maxGroups),
      },
    ],
  };
}

const globalAverageVariant = (pairs: boolean): WgslVariant<Record<string, never>> => ({
  name: pairs ? 'pairs' : 'images',
  precision: pairs ? 'highest' : undefined,
  applies: () => true,
  plan([x], _, adapter) {
    const source = pairs ? globalAveragePairsSource : globalAverageSource;
    return globalPass(source, x.shape, x.shape[0], adapter.maxComputeWorkgroupsPerDimension);
  },
});

const globalGradientVariant = (pairs: boolean): WgslVariant<GlobalAveragePoolGradientParams> => ({
  name: pairs ? 'pairs' : 'elementwise',
  precision: pairs ? 'highest' : undefined,
  applies: () => true,
  plan([dy], { inputSize }, adapter) {
    const [batch, channels] = dy.shape;
    const shape = [batch, ...inputSize, channels];
    const threads = batch * inputSize[0] * inputSize[1];
    const source = pairs ? globalAverageGradientPairsSource : globalAverageGradientSource;
    return globalPass(source, shape, threads, adapter.maxComputeWorkgroupsPerDimension);
  },
});

export const globalAveragePoolWgsl = [true, false].map(globalAverageVariant);
export const globalAveragePoolGradientWgsl = [true, false].map(globalGradientVariant);
