import type { WasmVariant } from '../../devices/kernel.ts';

export const affineImagesWasm: readonly WasmVariant[] = [];
export const resizeBilinearWasm: readonly WasmVariant[] = [];
export const resizeBilinearGradientWasm: readonly WasmVariant[] = [];
