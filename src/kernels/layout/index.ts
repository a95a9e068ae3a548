import type { Kernel } from '../../devices/kernel.ts';
import { gatherWasm, oneHotWasm, scatterAddWasm } from './indexing.wasm.ts';
import { gatherWgsl, oneHotWgsl, scatterAddWgsl } from './indexing.wgsl.ts';
import {
  broadcastToReference,
  concatReference,
  gatherReference,
  oneHotReference,
  padReference,
  scatterAddReference,
  scatterSliceReference,
  sliceReference,
  transposeReference,
} from './layout.reference.ts';
import {
  type BroadcastToParams,
  broadcastToDefinition,
  type ConcatParams,
  concatDefinition,
  type GatherParams,
  gatherDefinition,
  type OneHotParams,
  oneHotDefinition,
  type PadParams,
  padDefinition,
  type ScatterAddParams,
  type ScatterSliceParams,
  type SliceParams,
  scatterAddDefinition,
  scatterSliceDefinition,
  sliceDefinition,
  type TransposeParams,
  transposeDefinition,
} from './layout.ts';
import { broadcastToWasm, concatWasm, padWasm, scatterSliceWasm, sliceWasm, transposeWasm } from './layout.wasm.ts';
import { broadcastToWgsl, concatWgsl, padWgsl, scatterSliceWgsl, sliceWgsl, transposeWgsl } from './layout.wgsl.ts';

export type {
  BroadcastToParams,
  ConcatParams,
  GatherParams,
  OneHotParams,
  PadMode,
  PadParams,
  ScatterAddParams,
  ScatterSliceParams,
  SliceParams,
  TransposeParams,
} from './layout.ts';

export const transpose: Kernel<TransposeParams> = {
  ...transposeDefinition,
  reference: transposeReference,
  wgsl: transposeWgsl,
  wasm: transposeWasm,
};

export const slice: Kernel<SliceParams> = {
  ...sliceDefinition,
  reference: sliceReference,
  wgsl: sliceWgsl,
  wasm: sliceWasm,
};

export const scatterSlice: Kernel<ScatterSliceParams> = {
  ...scatterSliceDefinition,
  reference: scatterSliceReference,
  wgsl: scatterSliceWgsl,
  wasm: scatterSliceWasm,
};

export const concat: Kernel<ConcatParams> = {
  ...concatDefinition,
  reference: concatReference,
  wgsl: concatWgsl,
  wasm: concatWasm,
};

export const pad: Kernel<PadParams> = { ...padDefinition, reference: padReference, wgsl: padWgsl, wasm: padWasm };

export const gather: Kernel<GatherParams> = {
  ...gatherDefinition,
  reference: gatherReference,
  wgsl: gatherWgsl,
  wasm: gatherWasm,
};

export const scatterAdd: Kernel<ScatterAddParams> = {
  ...scatterAddDefinition,
  reference: scatterAddReference,
  wgsl: scatterAddWgsl,
  wasm: scatterAddWasm,
};

export const oneHot: Kernel<OneHotParams> = {
  ...oneHotDefinition,
  reference: oneHotReference,
  wgsl: oneHotWgsl,
  wasm: oneHotWasm,
};

export const broadcastTo: Kernel<BroadcastToParams> = {
  ...broadcastToDefinition,
  reference: broadcastToReference,
  wgsl: broadcastToWgsl,
  wasm: broadcastToWasm,
};
