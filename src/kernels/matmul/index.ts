import type { Kernel } from '../../devices/kernel.ts';
import { matmulReference } from './matmul.reference.ts';
import { type MatmulParams, matmulDefinition } from './matmul.ts';
import { matmulWasm } from './matmul.wasm.ts';
import { matmulWgsl } from './matmul.wgsl.ts';

export type { FusedActivation, MatmulParams } from './matmul.ts';

export const matmul: Kernel<MatmulParams> = {
  ...matmulDefinition,
  reference: matmulReference,
  wgsl: matmulWgsl,
  wasm: matmulWasm,
};
