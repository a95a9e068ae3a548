import type { WasmVariant } from '../../devices/kernel.ts';

export const maxPool2dWasm: readonly WasmVariant[] = [];
export const maxPool2dGradientWasm: readonly WasmVariant[] = [];
export const maxPool2dPickWasm: readonly WasmVariant[] = [];
export const avgPool2dWasm: readonly WasmVariant[] = [];
export const avgPool2dGradientWasm: readonly WasmVariant[] = [];
export const globalAveragePoolWasm: readonly WasmVariant[] = [];
export const globalAveragePoolGradientWasm: readonly WasmVariant[] = [];
