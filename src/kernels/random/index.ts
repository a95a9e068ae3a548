import type { Kernel } from '../../devices/kernel.ts';
import {
  advanceStateReference,
  bernoulliReference,
  dropoutReference,
  randomBitsReference,
  randomUniformReference,
} from './random.reference.ts';
import {
  type AdvanceParams,
  advanceStateDefinition,
  type BernoulliParams,
  bernoulliDefinition,
  type DropoutParams,
  dropoutDefinition,
  type RandomParams,
  randomBitsDefinition,
  randomUniformDefinition,
} from './random.ts';
import { advanceStateWasm, bernoulliWasm, dropoutWasm, randomBitsWasm, randomUniformWasm } from './random.wasm.ts';
import { advanceStateWgsl, bernoulliWgsl, dropoutWgsl, randomBitsWgsl, randomUniformWgsl } from './random.wgsl.ts';

export type { AdvanceParams, BernoulliParams, DropoutParams, RandomParams } from './random.ts';

export const randomBits: Kernel<RandomParams> = {
  ...randomBitsDefinition,
  reference: randomBitsReference,
  wgsl: randomBitsWgsl,
  wasm: randomBitsWasm,
};

export const randomUniform: Kernel<RandomParams> = {
  ...randomUniformDefinition,
  reference: randomUniformReference,
  wgsl: randomUniformWgsl,
  wasm: randomUniformWasm,
};

export const bernoulli: Kernel<BernoulliParams> = {
  ...bernoulliDefinition,
  reference: bernoulliReference,
  wgsl: bernoulliWgsl,
  wasm: bernoulliWasm,
};

export const dropout: Kernel<DropoutParams> = {
  ...dropoutDefinition,
  reference: dropoutReference,
  wgsl: dropoutWgsl,
  wasm: dropoutWasm,
};

export const advanceState: Kernel<AdvanceParams> = {
  ...advanceStateDefinition,
  reference: advanceStateReference,
  wgsl: advanceStateWgsl,
  wasm: advanceStateWasm,
};
