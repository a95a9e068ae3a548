import type { Kernel } from '../../devices/kernel.ts';
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
  wgsl: [],
  wasm: [],
};

export const slice: Kernel<SliceParams> = { ...sliceDefinition, reference: sliceReference, wgsl: [], wasm: [] };

export const scatterSlice: Kernel<ScatterSliceParams> = {
  ...scatterSliceDefinition,
  reference: scatterSliceReference,
  wgsl: [],
  wasm: [],
};

export const concat: Kernel<ConcatParams> = { ...concatDefinition, reference: concatReference, wgsl: [], wasm: [] };

export const pad: Kernel<PadParams> = { ...padDefinition, reference: padReference, wgsl: [], wasm: [] };

export const gather: Kernel<GatherParams> = { ...gatherDefinition, reference: gatherReference, wgsl: [], wasm: [] };

export const scatterAdd: Kernel<ScatterAddParams> = {
  ...scatterAddDefinition,
  reference: scatterAddReference,
  wgsl: [],
  wasm: [],
};

export const oneHot: Kernel<OneHotParams> = { ...oneHotDefinition, reference: oneHotReference, wgsl: [], wasm: [] };

export const broadcastTo: Kernel<BroadcastToParams> = {
  ...broadcastToDefinition,
  reference: broadcastToReference,
  wgsl: [],
  wasm: [],
};
