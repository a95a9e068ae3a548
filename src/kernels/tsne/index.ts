import type { Kernel } from '../../devices/kernel.ts';
import { tsneAttractionReference } from './attraction.reference.ts';
import { type TsneAttractionParams, tsneAttractionDefinition } from './attraction.ts';
import { tsneAttractionWasm } from './attraction.wasm.ts';
import { tsneAttractionWgsl } from './attraction.wgsl.ts';
import { tsneGatherReference, tsneSpreadReference } from './grid.reference.ts';
import { type TsneGatherParams, type TsneSpreadParams, tsneGatherDefinition, tsneSpreadDefinition } from './grid.ts';
import { tsneGatherWasm, tsneSpreadWasm } from './grid.wasm.ts';
import { tsneGatherWgsl, tsneSpreadWgsl } from './grid.wgsl.ts';
import { tsneRepulsionReference } from './tsne.reference.ts';
import { type TsneRepulsionParams, tsneRepulsionDefinition } from './tsne.ts';
import { tsneRepulsionWasm } from './tsne.wasm.ts';
import { tsneRepulsionWgsl } from './tsne.wgsl.ts';

export type { TsneAttractionParams } from './attraction.ts';
export { nodesAround, type TsneGatherParams, type TsneSpreadParams } from './grid.ts';
export type { TsneRepulsionParams } from './tsne.ts';

export const tsneAttraction: Kernel<TsneAttractionParams> = {
  ...tsneAttractionDefinition,
  reference: tsneAttractionReference,
  wgsl: tsneAttractionWgsl,
  wasm: tsneAttractionWasm,
};

export const tsneSpread: Kernel<TsneSpreadParams> = {
  ...tsneSpreadDefinition,
  reference: tsneSpreadReference,
  wgsl: tsneSpreadWgsl,
  wasm: tsneSpreadWasm,
};

export const tsneGather: Kernel<TsneGatherParams> = {
  ...tsneGatherDefinition,
  reference: tsneGatherReference,
  wgsl: tsneGatherWgsl,
  wasm: tsneGatherWasm,
};

export const tsneRepulsion: Kernel<TsneRepulsionParams> = {
  ...tsneRepulsionDefinition,
  reference: tsneRepulsionReference,
  wgsl: tsneRepulsionWgsl,
  wasm: tsneRepulsionWasm,
};
