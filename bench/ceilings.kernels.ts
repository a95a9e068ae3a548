/**
 * Loops that do nothing but what they measure, written with the assembler of the kernels and run through the wasm device:
 * multiply-adds that never leave the registers and the L1 cache, and the three plain walks over memory of the STREAM
 * benchmark (J. D. McCalpin, 1995). What a kernel reaches is judged against these, on the same threads in the same run.
 */
import { input, type Kernel, type KernelDefinition, output, type WasmVariant } from '../src/devices/kernel.ts';
import { F32x4, f32x4, i32, wasmProgram } from '../src/devices/wasm/assembler/module.ts';

/** Floats that one task of a memory walk covers: a page. */
export const PAGE_FLOATS = 1024;
const PAGE_BYTES = 4 * PAGE_FLOATS;

// ------------------------------------------------------------------------------------------------------- arithmetic

const ROWS = 4;
const COLUMNS = 8;
/** Steps through the panel of the right factor; with 8 floats each it fills 4 KiB. */
const STEPS = 128;

export interface PeakParams {
  /** Fused multiply-add instead of a multiply and an add. */
  readonly fused: boolean;
  /** How often a task goes through the panel. */
  readonly rounds: number;
  readonly tasks: number;
}

/**
 * Every step adds the outer product of 4 constants and 8 floats of the panel to 32 sums: 8 multiply-adds of vectors per 2
 * loads. The constants stay in registers; the panel changes at each step, so no product can be kept from the last one.
 */
const peakDefinition: KernelDefinition<PeakParams> = {
  name: 'peakMultiplyAdd',
  infer: (_, { tasks }) => [{ shape: [tasks, ROWS, COLUMNS], dtype: 'float32' }],
  cost: (_, { tasks, rounds }) => ({ flops: 2 * ROWS * COLUMNS * STEPS * rounds * tasks, bytes: 4 * COLUMNS * STEPS }),
};

const peakWasm: WasmVariant<PeakParams> = {
  name: 'registers',
  applies: () => true,
  plan: (_, { fused, rounds, tasks }) => ({
    passes: [{ program: peakProgram(fused), entry: 'run', tasks, args: [input(0), input(1), output(0), rounds] }],
  }),
};

const peakProgram = (fused: boolean) =>
  wasmProgram(`bench peak ${fused ? 'fused' : 'separate'}`, m => {
    const parameters = { start: i32, end: i32, left: i32, panel: i32, out: i32, rounds: i32 };
    m.function('run', parameters, (f, { start, end, left, panel, out, rounds }) => {
      const factors = Array.from({ length: ROWS }, (_, row) => f.let(left.f32x4Splat(4 * row)));
      const sums = Array.from({ length: ROWS * 2 }, () => f.local(f32x4));
      const at = f.local(i32);
      f.for(start, end, 1, task => {
        for (const sum of sums) f.set(sum, F32x4.constant(0, 0, 0, 0));
        f.repeat(rounds, () => {
          f.set(at, panel);
          f.repeat(STEPS, () => {
            const right = [f.let(at.f32x4(0)), f.let(at.f32x4(16))];
            sums.forEach((sum, i) => {
              f.set(sum, factors[i >> 1].multiplyAdd(right[i & 1], sum, fused));
            });
            f.advance(at, 4 * COLUMNS);
          });
        });
        const to = f.let(out.add(task.mul(4 * ROWS * COLUMNS)));
        sums.forEach((sum, i) => {
          f.store(to, sum, 16 * i);
        });
      });
    });
  });

/** Inputs [left [4], panel [128, 8]]; output [tasks, 4, 8]: rounds times the sum over the panel of left x panel. */
export const peakMultiplyAdd: Kernel<PeakParams> = {
  ...peakDefinition,
  reference([left, panel], [out], _, { rounds, tasks }) {
    for (let row = 0; row < ROWS; row++) {
      for (let column = 0; column < COLUMNS; column++) {
        let sum = 0;
        for (let step = 0; step < STEPS; step++) sum += left[row] * panel[step * COLUMNS + column];
        for (let task = 0; task < tasks; task++) out[(task * ROWS + row) * COLUMNS + column] = rounds * sum;
      }
    }
  },
  wgsl: [],
  wasm: [peakWasm],
};

export const PEAK_INPUTS = [
  { shape: [ROWS], dtype: 'float32' },
  { shape: [STEPS, COLUMNS], dtype: 'float32' },
] as const;

// ----------------------------------------------------------------------------------------------------------- memory

export type WalkName = 'triad' | 'copy' | 'read';

export interface WalkParams {
  readonly walk: WalkName;
  /** How often a thread goes through its part before it returns: small arrays are done before a thread wakes up. */
  readonly rounds: number;
}

/** Arrays a walk touches, each once: triad reads two and writes one. As in STREAM, what a store fetches is not counted. */
export const WALK_ARRAYS: Readonly<Record<WalkName, number>> = { triad: 3, copy: 2, read: 1 };

const TRIAD_FACTOR = 0.5;
const UNROLL = 8;

/**
 * Inputs [a, b] of whole pages. triad: out = a + b / 2; copy: out = a; both of a's shape. read: out[page][0..3] = sums of a
 * page of `a`, lane by lane.
 */
const walkDefinition: KernelDefinition<WalkParams> = {
  name: 'memoryWalk',
  infer([a], { walk }) {
    return [{ shape: walk === 'read' ? [a.shape[0] / PAGE_FLOATS, 4] : a.shape, dtype: 'float32' }];
  },
  cost([a], { walk, rounds }) {
    return { flops: walk === 'copy' ? 0 : rounds * a.shape[0], bytes: rounds * WALK_ARRAYS[walk] * 4 * a.shape[0] };
  },
};

const walkWasm: WasmVariant<WalkParams> = {
  name: 'pages',
  applies: () => true,
  plan: ([a], { walk, rounds }) => ({
    passes: [
      {
        program: walkProgram(walk),
        entry: 'run',
        tasks: a.shape[0] / PAGE_FLOATS,
        args: [input(0), input(1), output(0), rounds],
      },
    ],
  }),
};

const walkProgram = (walk: WalkName) =>
  wasmProgram(`bench ${walk}`, m => {
    const parameters = { start: i32, end: i32, a: i32, b: i32, out: i32, rounds: i32 };
    m.function('run', parameters, (f, { start, end, a, b, out, rounds }) => {
      const [fromA, fromB, to] = [f.local(i32), f.local(i32), f.local(i32)];
      const sums = Array.from({ length: UNROLL }, () => f.local(f32x4));
      f.repeat(rounds, () => {
        f.for(start, end, 1, page => {
          f.set(fromA, a.add(page.mul(PAGE_BYTES)));
          f.set(fromB, b.add(page.mul(PAGE_BYTES)));
          f.set(to, out.add(page.mul(walk === 'read' ? 16 : PAGE_BYTES)));
          if (walk === 'read') for (const sum of sums) f.set(sum, F32x4.constant(0, 0, 0, 0));
          f.repeat(PAGE_BYTES / (16 * UNROLL), () => {
            for (let i = 0; i < UNROLL; i++) {
              const x = fromA.f32x4(16 * i);
              if (walk === 'read') f.set(sums[i], sums[i].add(x));
              else f.store(to, walk === 'copy' ? x : x.add(fromB.f32x4(16 * i).mul(TRIAD_FACTOR)), 16 * i);
            }
            f.advance(fromA, 16 * UNROLL);
            if (walk === 'triad') f.advance(fromB, 16 * UNROLL);
            if (walk !== 'read') f.advance(to, 16 * UNROLL);
          });
          if (walk === 'read')
            f.store(
              to,
              sums.reduce((total, sum) => total.add(sum)),
            );
        });
      });
    });
  });

export const memoryWalk: Kernel<WalkParams> = {
  ...walkDefinition,
  reference([a, b], [out], _, { walk }) {
    if (walk === 'read') out.fill(0);
    for (let i = 0; i < a.length; i++) {
      if (walk === 'triad') out[i] = a[i] + b[i] * TRIAD_FACTOR;
      else if (walk === 'copy') out[i] = a[i];
      else out[4 * Math.floor(i / PAGE_FLOATS) + (i % 4)] += a[i];
    }
  },
  wgsl: [],
  wasm: [walkWasm],
};
