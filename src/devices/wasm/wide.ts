/**
 * Wide mode: WebAssembly has vectors of 128 bits, and V8 can pack two that lie side by side into one AVX2 register of 256
 * (`--experimental-wasm-revectorize`, from V8 13 on; V8 12 knows the flag and does nothing). Programs that are laid out for it
 * are compiled so: tiles that hold pairs of vectors. Each lane computes what it did, so the mode changes no bit. Other programs
 * gain little, and V8 14.6 failed to compile one of them with the flag, so they are compiled without. The flag is on during
 * such a compilation only: other WebAssembly of the process is compiled as ever, but for a function that V8 happens to optimise
 * on another thread in the same milliseconds, which would compute the same.
 *
 * V8 calls the flag experimental. So a register tile is compiled in both ways before the mode is used, and its sums are
 * compared bit for bit; and as the flag says nothing where a processor has no AVX2, and wide tiles are slower there, both are
 * timed.
 */
import { F32x4, f32x4, i32, type WasmProgram, wasmProgram } from './assembler/module.ts';
import type { WasmHost } from './host.ts';

const ROWS = 4;
const DEPTH = 64;
/** Bytes: A [DEPTH, ROWS], B [DEPTH, 16] and the tile [ROWS, 16]. */
const B = DEPTH * ROWS * 4;
const TILE = B + DEPTH * 16 * 4;

/** A register tile of ROWS x `columns`, for each of 16 / `columns` panels of B, many times. */
const tileProgram = (columns: number, relaxed: boolean): WasmProgram =>
  wasmProgram(`wide probe ${columns} ${relaxed}`, m => {
    m.function('run', { times: i32 }, (f, { times }) => {
      const vectors = columns / 4;
      const sums = Array.from({ length: ROWS * vectors }, () => f.local(f32x4));
      for (let first = 0; first < 16; first += columns) {
        for (const sum of sums) f.set(sum, F32x4.constant(0, 0, 0, 0));
        const [a, b] = [f.local(i32), f.local(i32)];
        f.repeat(times, () => {
          f.set(a, 0);
          f.set(b, B + first * 4);
          f.repeat(DEPTH, () => {
            const rows = Array.from({ length: ROWS }, (_, i) => f.let(a.f32x4Splat(i * 4)));
            for (let j = 0; j < vectors; j++) {
              const right = f.let(b.f32x4(16 * j));
              rows.forEach((row, i) => {
                const sum = sums[i * vectors + j];
                f.set(sum, row.multiplyAdd(right, sum, relaxed));
              });
            }
            f.advance(a, ROWS * 4);
            f.advance(b, 64);
          });
        });
        f.set(a, TILE + first * 4);
        sums.forEach((sum, k) => {
          f.store(a, sum, Math.floor(k / vectors) * 64 + (k % vectors) * 16);
        });
      }
    });
  });

export type WideFinding = 'faster' | 'not faster' | 'other bits';

/** What the mode does to a register tile here. */
export function probeWide(host: WasmHost, relaxed: boolean): WideFinding {
  const [plain, wide] = [false, true].map(isWide => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
    const numbers = new Float32Array(memory.buffer, 0, TILE / 4);
    // Numbers of 24 digits, of many sizes, so that every sum rounds.
    for (let i = 0; i < numbers.length; i++) numbers[i] = Math.sin(i * i + 1) * 2 ** ((i * 7) % 20);
    const module = host.compile(tileProgram(isWide ? 16 : 8, relaxed).bytes(false), { wide: isWide });
    const run = new WebAssembly.Instance(module, { env: { memory } }).exports.run as (times: number) => void;
    return { run, memory, best: Number.POSITIVE_INFINITY };
  });
  for (const { run } of [plain, wide]) run(3);
  const tileOf = ({ memory }: typeof plain) => new Uint32Array(memory.buffer, TILE, ROWS * 16);
  const other = tileOf(wide);
  if (tileOf(plain).some((word, i) => word !== other[i])) return 'other bits';
  for (let round = 0; round < 5; round++) {
    for (const side of [plain, wide]) {
      const began = performance.now();
      side.run(40);
      side.best = Math.min(side.best, performance.now() - began);
    }
  }
  return wide.best * 1.2 < plain.best ? 'faster' : 'not faster';
}
