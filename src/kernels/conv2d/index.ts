import type { Kernel } from '../../devices/kernel.ts';
import { conv2dInputGradientReference, conv2dReference, conv2dWeightGradientReference } from './conv2d.reference.ts';
import {
  type Conv2dInputGradientParams,
  type Conv2dParams,
  type Conv2dWeightGradientParams,
  conv2dDefinition,
  conv2dInputGradientDefinition,
  conv2dWeightGradientDefinition,
} from './conv2d.ts';
import { conv2dInputGradientWasm, conv2dWasm, conv2dWeightGradientWasm } from './conv2d.wasm.ts';
import { conv2dInputGradientWgsl, conv2dWeightGradientWgsl, conv2dWgsl } from './conv2d.wgsl.ts';

export {
  type Conv2dGeometry,
  type Conv2dInputGradientParams,
  type Conv2dParams,
  type Conv2dWeightGradientParams,
  outputExtent,
} from './conv2d.ts';

export const conv2d: Kernel<Conv2dParams> = {
  ...conv2dDefinition,
  reference: conv2dReference,
  wgsl: conv2dWgsl,
  wasm: conv2dWasm,
};

export const conv2dInputGradient: Kernel<Conv2dInputGradientParams> = {
  ...conv2dInputGradientDefinition,
  reference: conv2dInputGradientReference,
  wgsl: conv2dInputGradientWgsl,
  wasm: conv2dInputGradientWasm,
};

export const conv2dWeightGradient: Kernel<Conv2dWeightGradientParams> = {
  ...conv2dWeightGradientDefinition,
  reference: conv2dWeightGradientReference,
  wgsl: conv2dWeightGradientWgsl,
  wasm: conv2dWeightGradientWasm,
};
