/**
 * Relaxed SIMD brings a fused multiply-add, and leaves open whether a processor fuses: one without the instruction
 * multiplies and adds. Fused, sums are rounded once instead of twice, so which form a kernel uses decides the bits of
 * everything that is computed. It is therefore decided by what engine and processor can do, never by what is faster at the
 * moment: a processor that fuses is always let do it. That gains nothing on some (equal on Zen 5) and up to twice the speed
 * on others; a race of 20 ms, as it was decided before, gave 1.18 to 1.22 on an Intel Xeon, and two different networks from
 * one command and seed.
 */
import { i32, type WasmProgram, wasmProgram } from './assembler/module.ts';
import type { WasmHost } from './host.ts';

/** Stores multiplyAdd(a, b, c) of the numbers at `at`, `at` + 16 and `at` + 32 at `at` + 48, four of each. */
const probe: WasmProgram = wasmProgram('relaxed-simd probe', m => {
  m.function('run', { at: i32 }, (f, { at }) => {
    const [a, b, c] = [0, 16, 32].map(offset => f.let(at.f32x4(offset)));
    f.store(at, a.multiplyAdd(b, c, true), 48);
  });
});

/** The engine accepts relaxed SIMD instructions (after its switch, if any, was set). */
export function hasRelaxedSimd(host: WasmHost): boolean {
  const bytes = probe.bytes(false);
  if (WebAssembly.validate(bytes)) return true;
  host.enableRelaxedSimd();
  return WebAssembly.validate(bytes);
}

/**
 * Engine and processor round once: (1 + 2^-12)^2 - 1 - 2^-11 is 2^-24 then, and 0 after a rounded product. Asked of code
 * compiled as kernels are.
 */
export function fusesMultiplyAdd(host: WasmHost): boolean {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const { exports } = new WebAssembly.Instance(host.compile(probe.bytes(false)), { env: { memory } });
  const numbers = new Float32Array(memory.buffer, 0, 16);
  numbers.fill(1 + 2 ** -12, 0, 8);
  numbers.fill(-1 - 2 ** -11, 8, 12);
  (exports.run as (at: number) => void)(0);
  return numbers.subarray(12).every(value => value === 2 ** -24);
}
