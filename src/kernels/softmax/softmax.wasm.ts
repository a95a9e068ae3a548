import type { WasmVariant } from '../../devices/kernel.ts';

export const softmaxWasm: readonly WasmVariant[] = [];
export const logSoftmaxWasm: readonly WasmVariant[] = [];
export const softmaxGradientWasm: readonly WasmVariant[] = [];
export const logSoftmaxGradientWasm: readonly WasmVariant[] = [];
export const crossEntropyWasm: readonly WasmVariant[] = [];
export const crossEntropyGradientWasm: readonly WasmVariant[] = [];
export const crossEntropySoftWasm: readonly WasmVariant[] = [];
export const crossEntropySoftGradientWasm: readonly WasmVariant[] = [];
