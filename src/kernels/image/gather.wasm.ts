import type { WasmVariant } from '../../devices/kernel.ts';

export const gatherImagesWasm: readonly WasmVariant[] = [];
export const gatherLabelsWasm: readonly WasmVariant[] = [];
