/**
 * The measuring loops in WebAssembly. The constants of the product stay in registers; the panel (4 KiB, in the L1 cache)
 * changes at each step, so that no product can be kept from the last one.
 */
import { input, output, type WasmVariant } from '../../devices/kernel.ts';
import { F32x4, f32x4, i32, wasmProgram } from '../../devices/wasm/assembler/module.ts';
import { PAGE_FLOATS, PANEL, type PeakParams, TRIAD_FACTOR, type WalkName, type WalkParams } from './ceilings.ts';

const { rows: ROWS, columns: COLUMNS, steps: STEPS } = PANEL;
const PAGE_BYTES = 4 * PAGE_FLOATS;
const UNROLL = 8;

const peakProgram = (fused: boolean) =>
  wasmProgram(`peakMultiplyAdd ${fused ? 'fused' : 'separate'}`, m => {
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

export const peakMultiplyAddWasm: readonly WasmVariant<PeakParams>[] = [
  {
    name: 'registers',
    applies: (_, { fused }, { relaxedSimd }) => relaxedSimd || !fused,
    plan: (_, { fused, rounds, tasks }) => ({
      passes: [{ program: peakProgram(fused), entry: 'run', tasks, args: [input(0), input(1), output(0), rounds] }],
    }),
  },
];

const walkProgram = (walk: WalkName) =>
  wasmProgram(`memoryWalk ${walk}`, m => {
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

export const memoryWalkWasm: readonly WasmVariant<WalkParams>[] = [
  {
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
  },
];
