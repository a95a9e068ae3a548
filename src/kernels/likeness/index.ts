import type { Kernel } from '../../devices/kernel.ts';
import { divergenceSumsReference, gaussianSumsReference } from './likeness.reference.ts';
import { divergenceSumsDefinition, gaussianSumsDefinition, type LikenessParams } from './likeness.ts';
import { divergenceSumsWasm, gaussianSumsWasm } from './likeness.wasm.ts';
import { divergenceSumsWgsl, gaussianSumsWgsl } from './likeness.wgsl.ts';

export type { LikenessParams } from './likeness.ts';

export const gaussianSums: Kernel<LikenessParams> = {
  ...gaussianSumsDefinition,
  reference: gaussianSumsReference,
  wgsl: gaussianSumsWgsl,
  wasm: gaussianSumsWasm,
};

export const divergenceSums: Kernel<LikenessParams> = {
  ...divergenceSumsDefinition,
  reference: divergenceSumsReference,
  wgsl: divergenceSumsWgsl,
  wasm: divergenceSumsWasm,
};
