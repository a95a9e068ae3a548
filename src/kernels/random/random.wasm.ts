import type { WasmVariant } from '../../devices/kernel.ts';

export const randomBitsWasm: readonly WasmVariant[] = [];
export const randomUniformWasm: readonly WasmVariant[] = [];
export const bernoulliWasm: readonly WasmVariant[] = [];
export const dropoutWasm: readonly WasmVariant[] = [];
export const advanceStateWasm: readonly WasmVariant[] = [];
