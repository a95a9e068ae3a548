import type { Kernel } from '../../devices/kernel.ts';
import { firstNonFiniteReference } from './health.reference.ts';
import { firstNonFiniteDefinition } from './health.ts';
import { firstNonFiniteWasm } from './health.wasm.ts';
import { firstNonFiniteWgsl } from './health.wgsl.ts';

export const firstNonFinite: Kernel<Record<string, never>> = {
  ...firstNonFiniteDefinition,
  reference: firstNonFiniteReference,
  wgsl: firstNonFiniteWgsl,
  wasm: firstNonFiniteWasm,
};
