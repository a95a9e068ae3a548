import type { Kernel } from '../../devices/kernel.ts';
import { memoryWalkReference, multiplyAddChainsReference, peakMultiplyAddReference } from './ceilings.reference.ts';
import {
  type ChainParams,
  memoryWalkDefinition,
  multiplyAddChainsDefinition,
  type PeakParams,
  peakMultiplyAddDefinition,
  type WalkParams,
} from './ceilings.ts';
import { memoryWalkWasm, peakMultiplyAddWasm } from './ceilings.wasm.ts';
import { memoryWalkWgsl, multiplyAddChainsWgsl } from './ceilings.wgsl.ts';

export { CHAINS, LANES, LINKS, PAGE_FLOATS, PANEL, PEAK_INPUTS, WALK_ARRAYS, type WalkName } from './ceilings.ts';

/** On processors only. */
export const peakMultiplyAdd: Kernel<PeakParams> = {
  ...peakMultiplyAddDefinition,
  reference: peakMultiplyAddReference,
  wgsl: [],
  wasm: peakMultiplyAddWasm,
};

/** On GPUs only. */
export const multiplyAddChains: Kernel<ChainParams> = {
  ...multiplyAddChainsDefinition,
  reference: multiplyAddChainsReference,
  wgsl: multiplyAddChainsWgsl,
  wasm: [],
};

/** Everywhere; `read` on processors only. */
export const memoryWalk: Kernel<WalkParams> = {
  ...memoryWalkDefinition,
  reference: memoryWalkReference,
  wgsl: memoryWalkWgsl,
  wasm: memoryWalkWasm,
};
