/** Batches by index in WebAssembly: a task is one image (or one label); four bytes become four floats at a time. */
import { input, output, type WasmVariant } from '../../devices/kernel.ts';
import { sizeOf } from '../../devices/shape.ts';
import { type F32x4, type FunctionBuilder, I32, I32x4, i32, wasmProgram } from '../../devices/wasm/assembler/module.ts';
import type { GatherParams } from './gather.ts';

/** Fewest pixels worth a second thread. */
const GRAIN_PIXELS = 32_768;

/** Four bytes at `address` as pixels; the division is correctly rounded. */
export const fourPixels = (address: I32): F32x4 => address.u8x4().toF32x4S().div(255);

/** Emits: writes `count` NaN from `address`, what an image shows that does not exist. */
export function fillWithNaN(f: FunctionBuilder, address: I32, count: I32): void {
  const nan = f.let(I32x4.constant(0x7fc00000, 0x7fc00000, 0x7fc00000, 0x7fc00000));
  const whole = f.let(count.and(-4));
  f.for(0, whole, 4, i => f.store(address.add(i.shl(2)), nan));
  f.for(whole, count, 1, i => f.storeLane(address.add(i.shl(2)), nan, 0));
}

/** Emits: `count` bytes from `bytes` become pixels from `pixels`. */
export function copyPixels(f: FunctionBuilder, bytes: I32, pixels: I32, count: I32): void {
  const whole = f.let(count.and(-4));
  f.for(0, whole, 4, i => f.store(pixels.add(i.shl(2)), fourPixels(bytes.add(i))));
  f.for(whole, count, 1, i => f.store(pixels.add(i.shl(2)), bytes.add(i).u8().toF32S().div(255)));
}

const imagesProgram = wasmProgram('gatherImages', m => {
  const parameters = { start: i32, end: i32, images: i32, indices: i32, y: i32, size: i32, count: i32 };
  m.function('run', parameters, (f, { start, end, images, indices, y, size, count }) => {
    f.for(start, end, 1, n => {
      const index = f.let(indices.add(n.shl(2)).i32());
      const to = f.let(y.add(n.mul(size).shl(2)));
      f.if(
        index.ltU(count),
        () => copyPixels(f, f.let(images.add(index.mul(size))), to, size),
        () => fillWithNaN(f, to, size),
      );
    });
  });
});

export const gatherImagesWasm: readonly WasmVariant<GatherParams>[] = [
  {
    name: 'vector',
    applies: () => true,
    plan([images, indices]) {
      const size = sizeOf(images.shape.slice(1));
      const args = [input(0), input(1), output(0), size, images.shape[0]];
      const grain = Math.ceil(GRAIN_PIXELS / Math.max(1, size));
      return { passes: [{ program: imagesProgram, entry: 'run', tasks: indices.shape[0], args, grain }] };
    },
  },
];

const labelsProgram = wasmProgram('gatherLabels', m => {
  const parameters = { start: i32, end: i32, labels: i32, indices: i32, y: i32, count: i32 };
  m.function('run', parameters, (f, { start, end, labels, indices, y, count }) => {
    f.for(start, end, 1, n => {
      const index = f.let(indices.add(n.shl(2)).i32());
      f.if(
        index.ltU(count),
        () => f.store(y.add(n.shl(2)), labels.add(index).u8()),
        () => f.store(y.add(n.shl(2)), I32.constant(-1)),
      );
    });
  });
});

export const gatherLabelsWasm: readonly WasmVariant<GatherParams>[] = [
  {
    name: 'scalar',
    applies: () => true,
    plan: ([labels, indices]) => ({
      passes: [
        {
          program: labelsProgram,
          entry: 'run',
          tasks: indices.shape[0],
          args: [input(0), input(1), output(0), labels.shape[0]],
          grain: GRAIN_PIXELS,
        },
      ],
    }),
  },
];
