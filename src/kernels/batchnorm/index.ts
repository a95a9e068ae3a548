import type { Kernel } from '../../devices/kernel.ts';
import {
  batchNormEvalGradientReference,
  batchNormEvalReference,
  batchNormTrainGradientReference,
  batchNormTrainReference,
} from './batchnorm.reference.ts';
import {
  type BatchNormEvalGradientParams,
  type BatchNormEvalParams,
  type BatchNormTrainGradientParams,
  type BatchNormTrainParams,
  batchNormEvalDefinition,
  batchNormEvalGradientDefinition,
  batchNormTrainDefinition,
  batchNormTrainGradientDefinition,
} from './batchnorm.ts';
import {
  batchNormEvalGradientWasm,
  batchNormEvalWasm,
  batchNormTrainGradientWasm,
  batchNormTrainWasm,
} from './batchnorm.wasm.ts';
import {
  batchNormEvalGradientWgsl,
  batchNormEvalWgsl,
  batchNormTrainGradientWgsl,
  batchNormTrainWgsl,
} from './batchnorm.wgsl.ts';

export type {
  BatchNormEvalGradientParams,
  BatchNormEvalParams,
  BatchNormTrainGradientParams,
  BatchNormTrainParams,
} from './batchnorm.ts';

export const batchNormTrain: Kernel<BatchNormTrainParams> = {
  ...batchNormTrainDefinition,
  reference: batchNormTrainReference,
  wgsl: batchNormTrainWgsl,
  wasm: batchNormTrainWasm,
};

export const batchNormEval: Kernel<BatchNormEvalParams> = {
  ...batchNormEvalDefinition,
  reference: batchNormEvalReference,
  wgsl: batchNormEvalWgsl,
  wasm: batchNormEvalWasm,
};

export const batchNormTrainGradient: Kernel<BatchNormTrainGradientParams> = {
  ...batchNormTrainGradientDefinition,
  reference: batchNormTrainGradientReference,
  wgsl: batchNormTrainGradientWgsl,
  wasm: batchNormTrainGradientWasm,
};

export const batchNormEvalGradient: Kernel<BatchNormEvalGradientParams> = {
  ...batchNormEvalGradientDefinition,
  reference: batchNormEvalGradientReference,
  wgsl: batchNormEvalGradientWgsl,
  wasm: batchNormEvalGradientWasm,
};
