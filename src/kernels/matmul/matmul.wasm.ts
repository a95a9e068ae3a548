/** The WebAssembly forms of matrix multiplication, in order of preference. */
import type { WasmVariant } from '../../devices/kernel.ts';
import { matmulPacked, matmulPackedFloat64 } from './matmul.packed.wasm.ts';
import { matmulThin } from './matmul.thin.wasm.ts';
import type { MatmulParams } from './matmul.ts';

export const matmulWasm: readonly WasmVariant<MatmulParams>[] = [matmulPackedFloat64, matmulThin, matmulPacked];
