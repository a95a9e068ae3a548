import type { WasmVariant } from '../../devices/kernel.ts';

export const matmulWasm: readonly WasmVariant[] = [];
