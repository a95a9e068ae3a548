import type { Kernel } from '../../devices/kernel.ts';
import { umapEpochReference } from './umap.reference.ts';
import { type UmapEpochParams, umapEpochDefinition } from './umap.ts';
import { umapEpochWasm } from './umap.wasm.ts';
import { umapEpochWgsl } from './umap.wgsl.ts';

export type { UmapEpochParams } from './umap.ts';

export const umapEpoch: Kernel<UmapEpochParams> = {
  ...umapEpochDefinition,
  reference: umapEpochReference,
  wgsl: umapEpochWgsl,
  wasm: umapEpochWasm,
};
