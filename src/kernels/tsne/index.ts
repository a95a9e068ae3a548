import type { Kernel } from '../../devices/kernel.ts';
import { tsneRepulsionReference } from './tsne.reference.ts';
import { type TsneRepulsionParams, tsneRepulsionDefinition } from './tsne.ts';
import { tsneRepulsionWasm } from './tsne.wasm.ts';
import { tsneRepulsionWgsl } from './tsne.wgsl.ts';

export type { TsneRepulsionParams } from './tsne.ts';

export const tsneRepulsion: Kernel<TsneRepulsionParams> = {
  ...tsneRepulsionDefinition,
  reference: tsneRepulsionReference,
  wgsl: tsneRepulsionWgsl,
  wasm: tsneRepulsionWasm,
};
