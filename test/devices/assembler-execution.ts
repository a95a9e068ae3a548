/**
 * Running pieces of code of the assembler on chosen values, and the values: what tests of instructions share.
 */
import {
  type F32,
  type F32x4,
  type F64x2,
  type FunctionBuilder,
  type I32,
  type I32x4,
  i32,
  wasmProgram,
} from '../../src/devices/wasm/assembler/module.ts';

type Value = I32 | F32 | F32x4 | I32x4 | F64x2;

export const [X, Y, OUT] = [1024, 2048, 4096];
let counter = 0;

/** Runs the body of a function with pointers to two inputs and an output; gives the memory to look at afterwards. */
export function execute(
  x: ArrayBufferView,
  y: ArrayBufferView,
  body: (f: FunctionBuilder, x: I32, y: I32, out: I32) => void,
): ArrayBuffer {
  const program = wasmProgram(`assembler test ${counter++}`, m => {
    m.function('run', { x: i32, y: i32, out: i32 }, (f, pointers) => body(f, pointers.x, pointers.y, pointers.out));
  });
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  for (const [at, view] of [
    [X, x],
    [Y, y],
  ] as const) {
    new Uint8Array(memory.buffer).set(new Uint8Array(view.buffer, view.byteOffset, view.byteLength), at);
  }
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(program.bytes(false)), { env: { memory } });
  (exports.run as (...args: number[]) => void)(X, Y, OUT);
  return memory.buffer;
}

/** Stores the value of each expression in turn, 16 bytes apart; the first word of each is what a scalar holds. */
export function words(
  x: ArrayBufferView,
  y: ArrayBufferView,
  build: (x: I32, y: I32) => readonly Value[],
): Int32Array[] {
  let count = 0;
  const buffer = execute(x, y, (f, px, py, out) => {
    for (const value of build(px, py)) f.store(out, value, 16 * count++);
  });
  return Array.from({ length: count }, (_, i) => new Int32Array(buffer, OUT + 16 * i, 4));
}

export const bits = (...values: number[]): number[] => [...new Int32Array(Float32Array.from(values).buffer)];
export const isNaNBits = (word: number): boolean => (word & 0x7fffffff) > 0x7f800000;
/** Bits of floats, with one NaN for all. */
export const canonical = (list: ArrayLike<number>): number[] =>
  Array.from(list, word => (isNaNBits(word) ? 0x7fc00000 : word));
export const truth = (condition: boolean): number => (condition ? 1 : 0);
export const mask = (condition: boolean): number => (condition ? -1 : 0);

export const INTEGERS = [0, 1, -1, 2, 7, -7, 31, 33, 100, 0x7fffffff, -0x80000000, 0x12345678];
export const FLOATS = [
  0,
  -0,
  1,
  -1,
  0.5,
  1.5,
  2.5,
  -2.5,
  1e-40,
  3e38,
  -7.25,
  Infinity,
  -Infinity,
  NaN,
  16777217,
  2 ** 31,
];
export const pairsOf = (values: readonly number[]): [number, number][] =>
  values.flatMap(a => values.map(b => [a, b] as [number, number]));
/** Four pairs at a time, as two vectors. */
export const vectorsOf = (values: readonly number[]): { a: number[]; b: number[] }[] => {
  const pairs = pairsOf(values);
  return Array.from({ length: pairs.length / 4 }, (_, i) => {
    const four = pairs.slice(4 * i, 4 * i + 4);
    return { a: four.map(([a]) => a), b: four.map(([, b]) => b) };
  });
};
