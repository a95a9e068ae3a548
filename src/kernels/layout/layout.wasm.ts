/** Layout kernels in WebAssembly: the copies of `copies.ts`, one pass each, after a fill where something stays empty. */
import { bytesPerElement } from '../../devices/dtype.ts';
import type { Spec, WasmPass, WasmVariant } from '../../devices/kernel.ts';
import { sizeOf } from '../../devices/shape.ts';
import { fillPass } from '../elementwise/elementwise.wasm.ts';
import {
  broadcastToCopies,
  type Copy,
  concatCopies,
  padCopies,
  scatterSliceCopies,
  sliceCopies,
  transposeCopies,
} from './copies.ts';
import { copyPass } from './copy.wasm.ts';
import {
  type BroadcastToParams,
  type ConcatParams,
  type PadParams,
  padDefinition,
  type ScatterSliceParams,
  type SliceParams,
  type TransposeParams,
} from './layout.ts';

/** The one variant of an operation that is a list of copies. */
function copies<P>(
  list: (specs: readonly Spec[], params: P) => Copy[],
  fill?: (specs: readonly Spec[], params: P) => WasmPass[],
): readonly WasmVariant<P>[] {
  return [
    {
      name: 'copies',
      applies: () => true,
      plan(specs, params) {
        const size = bytesPerElement(specs[0].dtype) as 1 | 4;
        return { passes: [...(fill?.(specs, params) ?? []), ...list(specs, params).map(copy => copyPass(copy, size))] };
      },
    },
  ];
}

export const transposeWasm = copies<TransposeParams>(transposeCopies);
export const sliceWasm = copies<SliceParams>(sliceCopies);
export const concatWasm = copies<ConcatParams>(concatCopies);
export const broadcastToWasm = copies<BroadcastToParams>(broadcastToCopies);

export const scatterSliceWasm = copies<ScatterSliceParams>(scatterSliceCopies, (_, { shape }) => [
  fillPass(0, 'int32', 4 * sizeOf(shape)),
]);

export const padWasm = copies<PadParams>(padCopies, (specs, params) => {
  if (params.mode !== 'constant') return [];
  const [{ shape, dtype }] = padDefinition.infer(specs, params);
  return [fillPass(params.value ?? 0, dtype, 4 * sizeOf(shape))];
});
