/**
 * Relaxed SIMD brings a fused multiply-add. Some processors run it no faster than a multiply and an add (measured: equal
 * on Zen 5), and it rounds once instead of twice, so it is used only where a short race shows a gain above a tenth.
 */
import { F32x4, f32x4, i32, type WasmProgram, wasmProgram } from './assembler/module.ts';
import type { WasmHost } from './host.ts';

const CHAINS = 12;
const STEPS = 20_000;
const ROUNDS = 5;
export const WORTHWHILE = 1.1;

/** Independent chains of multiply-adds, enough to hide the latency: what a microkernel's inner loop could at best do. */
export const peakProgram = (relaxed: boolean): WasmProgram =>
  wasmProgram(`peak multiply-add ${relaxed ? 'relaxed' : 'separate'}`, m => {
    m.function('run', { start: i32, end: i32, out: i32 }, (f, { start, end, out }) => {
      const factor = f.let(F32x4.constant(0.5, 0.5, 0.5, 0.5));
      const sums = Array.from({ length: CHAINS }, (_, i) => f.local(f32x4, F32x4.constant(i, i, i, i)));
      f.for(start, end, 1, () => {
        for (const sum of sums) f.set(sum, sum.multiplyAdd(factor, factor, relaxed));
      });
      f.store(
        out,
        sums.reduce((total, sum) => total.add(sum)),
      );
    });
  });

/** Floating-point operations of one task of `peakProgram`. */
export const PEAK_FLOPS_PER_TASK = CHAINS * 8;

/** The engine accepts relaxed SIMD instructions (after its switch, if any, was set). */
export function hasRelaxedSimd(host: WasmHost): boolean {
  const bytes = peakProgram(true).bytes(false);
  if (WebAssembly.validate(bytes)) return true;
  host.enableRelaxedSimd();
  return WebAssembly.validate(bytes);
}

/** How many times faster the fused form runs, best of several rounds of about 0.1 ms. */
export function relaxedSimdGain(host: WasmHost): number {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const [separate, fused] = [false, true].map(relaxed => {
    const module = host.compile(peakProgram(relaxed).bytes(false));
    const run = new WebAssembly.Instance(module, { env: { memory } }).exports.run as (...args: number[]) => void;
    return () => {
      const started = performance.now();
      run(0, STEPS, 1024);
      return performance.now() - started;
    };
  });
  const best = [Infinity, Infinity];
  for (let round = 0; round < ROUNDS; round++) {
    best[0] = Math.min(best[0], separate());
    best[1] = Math.min(best[1], fused());
  }
  return best[0] / best[1];
}
