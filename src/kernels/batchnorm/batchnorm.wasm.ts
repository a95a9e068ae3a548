import type { WasmVariant } from '../../devices/kernel.ts';

export const batchNormTrainWasm: readonly WasmVariant[] = [];
export const batchNormEvalWasm: readonly WasmVariant[] = [];
export const batchNormTrainGradientWasm: readonly WasmVariant[] = [];
export const batchNormEvalGradientWasm: readonly WasmVariant[] = [];
