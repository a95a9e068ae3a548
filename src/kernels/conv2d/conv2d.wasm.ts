import type { WasmVariant } from '../../devices/kernel.ts';

export const conv2dWasm: readonly WasmVariant[] = [];
export const conv2dInputGradientWasm: readonly WasmVariant[] = [];
export const conv2dWeightGradientWasm: readonly WasmVariant[] = [];
