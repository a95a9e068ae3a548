/** Tiny kernels that exercise the wasm device: a scaling, an accumulation, per-thread scratch, and ones that go wrong. */
import type { Operand } from '../../src/devices/device.ts';
import type { DType, TypedArray } from '../../src/devices/dtype.ts';
import { input, type Kernel, output, scratch, type WasmPlan } from '../../src/devices/kernel.ts';
import { sizeOf } from '../../src/devices/shape.ts';
import type { Storage } from '../../src/devices/storage.ts';
import { f32, i32, wasmProgram } from '../../src/devices/wasm/assembler/module.ts';
import type { WasmDevice } from '../../src/devices/wasm/device.ts';

const scaleProgram = wasmProgram('test scale', m => {
  m.function('run', { start: i32, end: i32, x: i32, y: i32, factor: f32 }, (f, { start, end, x, y, factor }) => {
    f.for(start, end, 1, i => {
      const at = f.let(i.shl(2));
      f.store(y.add(at), x.add(at).f32().mul(factor));
    });
  });
});

function oneToOne<P>(name: string, plan: (count: number, params: P) => WasmPlan): Kernel<P> {
  return {
    name,
    infer: ([x]) => [x],
    cost: ([x]) => ({ flops: sizeOf(x.shape), bytes: 8 * sizeOf(x.shape) }),
    reference: () => {},
    wgsl: [],
    wasm: [{ name: 'only', applies: () => true, plan: ([x], params) => plan(sizeOf(x.shape), params) }],
  };
}

/** y = factor x, one task per element. */
export const scale = oneToOne<{ factor: number; grain?: number }>('scale', (tasks, { factor, grain }) => ({
  passes: [{ program: scaleProgram, entry: 'run', tasks, grain, args: [input(0), output(0), factor] }],
}));

/** y += x, in place. */
export const accumulate: Kernel<null> = {
  ...oneToOne<null>('accumulate', tasks => ({
    passes: [{ program: accumulateProgram, entry: 'run', tasks, args: [input(0), output(0)] }],
  })),
  updates: [0],
};

const accumulateProgram = wasmProgram('test accumulate', m => {
  m.function('run', { start: i32, end: i32, x: i32, y: i32 }, (f, { start, end, x, y }) => {
    f.for(start, end, 1, i => {
      const at = f.let(i.shl(2));
      f.store(y.add(at), y.add(at).f32().add(x.add(at).f32()));
    });
  });
});

/** y = x + x + 1: doubles into per-thread scratch, then into shared scratch, in two passes. */
export const viaScratch = oneToOne<null>('via scratch', tasks => ({
  scratch: [{ bytes: 4 * tasks, perThread: true }, { bytes: 4 * tasks }],
  passes: [
    { program: scratchProgram, entry: 'double', tasks, args: [input(0), scratch(0), scratch(1)] },
    { program: scratchProgram, entry: 'addOne', tasks, args: [scratch(1), output(0)] },
  ],
}));

const scratchProgram = wasmProgram('test scratch', m => {
  const parameters = { start: i32, end: i32, x: i32, own: i32, shared: i32 };
  m.function('double', parameters, (f, { start, end, x, own, shared }) => {
    // Everything goes to the same place in `own`: with one array for all threads this would be a race.
    f.for(start, end, 1, i => {
      const value = x.add(i.shl(2)).f32();
      f.repeat(50, () => f.store(own, value.add(value)));
      f.store(shared.add(i.shl(2)), own.f32());
    });
  });
  m.function('addOne', { start: i32, end: i32, x: i32, y: i32 }, (f, { start, end, x, y }) => {
    f.for(start, end, 1, i => f.store(y.add(i.shl(2)), x.add(i.shl(2)).f32().add(1)));
  });
});

/** Writes its range of tasks: y[2i] = start, y[2i + 1] = end of the part that task i fell into. */
export const ranges = oneToOne<{ grain: number }>('ranges', (count, { grain }) => ({
  passes: [{ program: rangesProgram, entry: 'run', tasks: count / 2, grain, args: [output(0)] }],
}));

const rangesProgram = wasmProgram('test ranges', m => {
  m.function('run', { start: i32, end: i32, y: i32 }, (f, { start, end, y }) => {
    f.for(start, end, 1, i => {
      const at = f.let(y.add(i.shl(3)));
      f.store(at, start);
      f.store(at, end, 4);
    });
  });
});

/** Reads out of bounds in the task numbered `bad`. */
export const trap = oneToOne<{ bad: number }>('trap', (tasks, { bad }) => ({
  passes: [{ program: trapProgram, entry: 'run', tasks, args: [input(0), output(0), bad] }],
}));

const trapProgram = wasmProgram('test trap', m => {
  m.function('run', { start: i32, end: i32, x: i32, y: i32, bad: i32 }, (f, { start, end, x, y, bad }) => {
    f.for(start, end, 1, i => {
      f.store(y.add(i.shl(2)), x.add(i.shl(2)).f32());
      f.if(i.eq(bad), () => f.store(y, i.divU(i.sub(bad))));
    });
  });
});

/** A storage with `values`, seen as `shape` (default: one axis). */
export function operand(device: WasmDevice, values: TypedArray, shape: readonly number[] = [values.length]): Operand {
  const dtype: DType = values instanceof Int32Array ? 'int32' : values instanceof Uint8Array ? 'uint8' : 'float32';
  const storage = device.allocate(values.length, dtype);
  device.write(storage, values);
  return { storage, shape };
}

/** An uninitialised storage like `other`. */
export function like(device: WasmDevice, { storage, shape }: Operand): Operand {
  return { storage: device.allocate(storage.length, storage.dtype), shape };
}

export const numbers = async (device: WasmDevice, storage: Storage): Promise<number[]> => [
  ...(await device.read(storage)),
];

export const iota = (count: number): Float32Array => Float32Array.from({ length: count }, (_, i) => i + 1);
