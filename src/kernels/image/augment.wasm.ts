import type { WasmVariant } from '../../devices/kernel.ts';

export const augmentImagesWasm: readonly WasmVariant[] = [];
