/** Layout kernels in WGSL: the copies of `copies.ts`, one pass each, after a fill where something stays empty. */
import type { Spec, WebGpuAdapterInfo, WgslPass, WgslVariant } from '../../devices/kernel.ts';
import { normalizeAxes, sizeOf } from '../../devices/shape.ts';
import { fillWgsl } from '../elementwise/elementwise.wgsl.ts';
import {
  broadcastToCopies,
  type Copy,
  concatCopies,
  padCopies,
  scatterSliceCopies,
  sliceCopies,
  transposeCopies,
} from './copies.ts';
import { byteColumnsPass, bytesPass, inVectors, wordsPass } from './copy.wgsl.ts';
import {
  aroundAxis,
  type BroadcastToParams,
  type ConcatParams,
  concatDefinition,
  type PadParams,
  padDefinition,
  type ScatterSliceParams,
  type SliceParams,
  type TransposeParams,
} from './layout.ts';

type List<P> = (specs: readonly Spec[], params: P) => Copy[];
type Passes<P> = (specs: readonly Spec[], params: P, adapter: WebGpuAdapterInfo) => readonly WgslPass[];

const isBytes = ([{ dtype }]: readonly Spec[]): boolean => dtype === 'uint8';

/** Four-byte elements: in vectors where every copy allows it, or one by one. */
function words<P>(list: List<P>, fill: Passes<P> = () => []): WgslVariant<P>[] {
  return [
    {
      name: 'vec4',
      applies: (specs, params) => !isBytes(specs) && list(specs, params).every(copy => inVectors(copy)),
      plan: (specs, params, adapter) => ({
        passes: [
          ...fill(specs, params, adapter),
          ...list(specs, params).map(copy => wordsPass(inVectors(copy)!, true, adapter)),
        ],
      }),
    },
    {
      name: 'words',
      applies: specs => !isBytes(specs),
      plan: (specs, params, adapter) => ({
        passes: [...fill(specs, params, adapter), ...list(specs, params).map(copy => wordsPass(copy, false, adapter))],
      }),
    },
  ];
}

/** Bytes, for operations that are one copy into the whole output. */
function bytes<P>(list: List<P>): WgslVariant<P> {
  return {
    name: 'bytes',
    applies: isBytes,
    plan: (specs, params, adapter) => ({ passes: list(specs, params).map(copy => bytesPass(copy, adapter)) }),
  };
}

/** The passes that fill the output. */
function filled(spec: Spec, value: number, specs: readonly Spec[], adapter: WebGpuAdapterInfo): readonly WgslPass[] {
  const params = { value, ...spec };
  return fillWgsl.find(variant => variant.applies(specs, params, adapter))!.plan(specs, params, adapter).passes;
}

export const transposeWgsl = [bytes<TransposeParams>(transposeCopies), ...words<TransposeParams>(transposeCopies)];
export const sliceWgsl = [bytes<SliceParams>(sliceCopies), ...words<SliceParams>(sliceCopies)];
export const broadcastToWgsl = words<BroadcastToParams>(broadcastToCopies);

export const scatterSliceWgsl = words<ScatterSliceParams>(scatterSliceCopies, (specs, { shape }, adapter) =>
  filled({ shape, dtype: 'int32' }, 0, specs, adapter),
);

export const padWgsl = words<PadParams>(padCopies, (specs, params, adapter) =>
  params.mode === 'constant' ? filled(padDefinition.infer(specs, params)[0], params.value ?? 0, specs, adapter) : [],
);

export const concatWgsl: readonly WgslVariant<ConcatParams>[] = [
  {
    name: 'bytes',
    applies: isBytes,
    plan(specs, params, adapter) {
      const [axis] = normalizeAxes(params.axis, specs[0].shape.length, 'concat');
      const count = sizeOf(concatDefinition.infer(specs, params)[0].shape);
      const lengths = specs.map(({ shape }) => {
        const { extent, inner } = aroundAxis(shape, axis);
        return extent * inner;
      });
      const rowLength = lengths.reduce((total, length) => total + length, 0);
      let base = 0;
      const passes = lengths.map((length, source) => {
        const pass = byteColumnsPass(source, { count, rowLength, base, length }, adapter);
        base += length;
        return pass;
      });
      return { passes: passes.filter((_, source) => lengths[source] > 0) };
    },
  },
  ...words<ConcatParams>(concatCopies),
];
