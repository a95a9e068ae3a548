import type { Kernel } from '../../devices/kernel.ts';
import {
  adamStepReference,
  clipByGlobalNormReference,
  emaStepReference,
  sgdStepReference,
} from './optimizer.reference.ts';
import {
  type AdamParams,
  adamStepDefinition,
  type ClipParams,
  clipByGlobalNormDefinition,
  type EmaParams,
  emaStepDefinition,
  type SgdParams,
  sgdStepDefinition,
} from './optimizer.ts';
import { adamStepWasm, clipByGlobalNormWasm, emaStepWasm, sgdStepWasm } from './optimizer.wasm.ts';
import { adamStepWgsl, clipByGlobalNormWgsl, emaStepWgsl, sgdStepWgsl } from './optimizer.wgsl.ts';

export type { AdamParams, ClipParams, EmaParams, SgdParams } from './optimizer.ts';
export { CLIP_UNIT } from './optimizer.ts';

export const sgdStep: Kernel<SgdParams> = {
  ...sgdStepDefinition,
  reference: sgdStepReference,
  wgsl: sgdStepWgsl,
  wasm: sgdStepWasm,
};

export const adamStep: Kernel<AdamParams> = {
  ...adamStepDefinition,
  reference: adamStepReference,
  wgsl: adamStepWgsl,
  wasm: adamStepWasm,
};

export const emaStep: Kernel<EmaParams> = {
  ...emaStepDefinition,
  reference: emaStepReference,
  wgsl: emaStepWgsl,
  wasm: emaStepWasm,
};

export const clipByGlobalNorm: Kernel<ClipParams> = {
  ...clipByGlobalNormDefinition,
  reference: clipByGlobalNormReference,
  wgsl: clipByGlobalNormWgsl,
  wasm: clipByGlobalNormWasm,
};
