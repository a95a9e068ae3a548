import type { WasmVariant } from '../../devices/kernel.ts';

export const sgdStepWasm: readonly WasmVariant[] = [];
export const adamStepWasm: readonly WasmVariant[] = [];
export const emaStepWasm: readonly WasmVariant[] = [];
export const clipByGlobalNormWasm: readonly WasmVariant[] = [];
