/**
 * Relaxed SIMD brings a fused multiply-add. Some processors run it no faster than a multiply and an add (measured: equal
 * on Zen 5), and it rounds once instead of twice, so it is used only where a short race shows a clear gain. The race is
 * a matrix-multiply inner loop, 4 x 8 sums in registers: a bare chain of multiply-adds would compare latencies, which
 * such a loop hides.
 */
import { F32x4, f32x4, i32, type WasmProgram, wasmProgram } from './assembler/module.ts';
import type { WasmHost } from './host.ts';

const STEPS = 64;
const FEWEST_TASKS = 200;
const RACE_MILLISECONDS = 20;
/** Processors without a gain measure 0.95 to 1.05, those with one 1.5 to 2; noise must not decide. */
export const WORTHWHILE = 1.2;

/** `end - start` times: a 4 x STEPS panel at `a` (4 floats a step) times a STEPS x 8 panel at `b`, kept in registers. */
export const tileProgram = (relaxed: boolean): WasmProgram =>
  wasmProgram(`relaxed-simd probe ${relaxed ? 'fused' : 'separate'}`, m => {
    m.function('run', { start: i32, end: i32, a: i32, b: i32, out: i32 }, (f, { start, end, a, b, out }) => {
      const sums = Array.from({ length: 8 }, () => f.local(f32x4, F32x4.constant(0, 0, 0, 0)));
      const [rows, columns] = [f.local(i32), f.local(i32)];
      f.for(start, end, 1, () => {
        f.set(rows, a);
        f.set(columns, b);
        f.repeat(STEPS, () => {
          const right = [f.let(columns.f32x4(0)), f.let(columns.f32x4(16))];
          for (let row = 0; row < 4; row++) {
            const left = f.let(rows.f32x4Splat(4 * row));
            right.forEach((vector, half) => {
              const sum = sums[2 * row + half];
              f.set(sum, left.multiplyAdd(vector, sum, relaxed));
            });
          }
          f.advance(rows, 16);
          f.advance(columns, 32);
        });
      });
      sums.forEach((sum, i) => {
        f.store(out, sum, 16 * i);
      });
    });
  });

/** Floating-point operations of one task of `tileProgram`. */
export const FLOPS_PER_TASK = STEPS * 4 * 8 * 2;

/** The engine accepts relaxed SIMD instructions (after its switch, if any, was set). */
export function hasRelaxedSimd(host: WasmHost): boolean {
  const bytes = tileProgram(true).bytes(false);
  if (WebAssembly.validate(bytes)) return true;
  host.enableRelaxedSimd();
  return WebAssembly.validate(bytes);
}

/** How many times faster the fused form runs: the best rounds of each, taking turns for about 20 ms. */
export function relaxedSimdGain(host: WasmHost): number {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const [separate, fused] = [false, true].map(relaxed => {
    const module = host.compile(tileProgram(relaxed).bytes(false));
    const run = new WebAssembly.Instance(module, { env: { memory } }).exports.run as (...args: number[]) => void;
    return (tasks: number) => {
      const started = performance.now();
      run(0, tasks, 1024, 4096, 16384);
      return performance.now() - started;
    };
  });
  // Pages that are not cross-origin isolated see time in steps of 0.1 ms or more.
  const shortest = 20 * clockStep();
  let tasks = FEWEST_TASKS;
  while (separate(tasks) < shortest) tasks *= 2;
  let [bestSeparate, bestFused] = [Infinity, Infinity];
  const end = performance.now() + RACE_MILLISECONDS;
  while (performance.now() < end) {
    bestSeparate = Math.min(bestSeparate, separate(tasks));
    bestFused = Math.min(bestFused, fused(tasks));
  }
  return bestSeparate / bestFused;
}

/** Milliseconds between two values that performance.now gives. */
function clockStep(): number {
  const started = performance.now();
  for (;;) {
    const now = performance.now();
    if (now > started) return now - started;
  }
}
