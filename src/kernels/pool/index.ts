import type { Kernel } from '../../devices/kernel.ts';
import {
  avgPool2dGradientReference,
  avgPool2dReference,
  globalAveragePoolGradientReference,
  globalAveragePoolReference,
  maxPool2dGradientReference,
  maxPool2dPickReference,
  maxPool2dReference,
} from './pool.reference.ts';
import {
  type AvgPool2dGradientParams,
  type AvgPool2dParams,
  avgPool2dDefinition,
  avgPool2dGradientDefinition,
  type GlobalAveragePoolGradientParams,
  globalAveragePoolDefinition,
  globalAveragePoolGradientDefinition,
  maxPool2dDefinition,
  maxPool2dGradientDefinition,
  maxPool2dPickDefinition,
  type Pool2dGeometry,
} from './pool.ts';
import {
  avgPool2dGradientWasm,
  avgPool2dWasm,
  globalAveragePoolGradientWasm,
  globalAveragePoolWasm,
  maxPool2dGradientWasm,
  maxPool2dPickWasm,
  maxPool2dWasm,
} from './pool.wasm.ts';
import {
  avgPool2dGradientWgsl,
  avgPool2dWgsl,
  globalAveragePoolGradientWgsl,
  globalAveragePoolWgsl,
  maxPool2dGradientWgsl,
  maxPool2dPickWgsl,
  maxPool2dWgsl,
} from './pool.wgsl.ts';

export type {
  AvgPool2dGradientParams,
  AvgPool2dParams,
  GlobalAveragePoolGradientParams,
  Pool2dGeometry,
} from './pool.ts';
export { pooledExtent } from './pool.ts';

export const maxPool2d: Kernel<Pool2dGeometry> = {
  ...maxPool2dDefinition,
  reference: maxPool2dReference,
  wgsl: maxPool2dWgsl,
  wasm: maxPool2dWasm,
};

export const maxPool2dGradient: Kernel<Pool2dGeometry> = {
  ...maxPool2dGradientDefinition,
  reference: maxPool2dGradientReference,
  wgsl: maxPool2dGradientWgsl,
  wasm: maxPool2dGradientWasm,
};

export const maxPool2dPick: Kernel<Pool2dGeometry> = {
  ...maxPool2dPickDefinition,
  reference: maxPool2dPickReference,
  wgsl: maxPool2dPickWgsl,
  wasm: maxPool2dPickWasm,
};

export const avgPool2d: Kernel<AvgPool2dParams> = {
  ...avgPool2dDefinition,
  reference: avgPool2dReference,
  wgsl: avgPool2dWgsl,
  wasm: avgPool2dWasm,
};

export const avgPool2dGradient: Kernel<AvgPool2dGradientParams> = {
  ...avgPool2dGradientDefinition,
  reference: avgPool2dGradientReference,
  wgsl: avgPool2dGradientWgsl,
  wasm: avgPool2dGradientWasm,
};

export const globalAveragePool: Kernel<Record<string, never>> = {
  ...globalAveragePoolDefinition,
  reference: globalAveragePoolReference,
  wgsl: globalAveragePoolWgsl,
  wasm: globalAveragePoolWasm,
};

export const globalAveragePoolGradient: Kernel<GlobalAveragePoolGradientParams> = {
  ...globalAveragePoolGradientDefinition,
  reference: globalAveragePoolGradientReference,
  wgsl: globalAveragePoolGradientWgsl,
  wasm: globalAveragePoolGradientWasm,
};
