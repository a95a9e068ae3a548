/**
 * The assembler against JavaScript: every instruction, one small module per group, on values chosen to part them from
 * their neighbours (signs, wrap-around, halves, NaN, infinities, zeros of both signs). Expected numbers are JavaScript's
 * own: `Math.imul`, `>>>`, `Math.fround`, typed arrays.
 */
import { describe, expect, it } from 'vitest';
import { ByteWriter } from '../../src/devices/wasm/assembler/encoding.ts';
import {
  F32,
  F32x4,
  type FunctionBuilder,
  f32,
  f32x4,
  I32,
  I32x4,
  i32,
  i32x4,
  splat,
  splatI32,
  wasmProgram,
} from '../../src/devices/wasm/assembler/module.ts';
import { nodeHost } from '../../src/devices/wasm/host.node.ts';
import { hasRelaxedSimd } from '../../src/devices/wasm/relaxed-simd.ts';

type Value = I32 | F32 | F32x4 | I32x4;

const [X, Y, OUT] = [1024, 2048, 4096];
let counter = 0;

/** Runs the body of a function with pointers to two inputs and an output; gives the memory to look at afterwards. */
function execute(
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
function words(x: ArrayBufferView, y: ArrayBufferView, build: (x: I32, y: I32) => readonly Value[]): Int32Array[] {
  let count = 0;
  const buffer = execute(x, y, (f, px, py, out) => {
    for (const value of build(px, py)) f.store(out, value, 16 * count++);
  });
  return Array.from({ length: count }, (_, i) => new Int32Array(buffer, OUT + 16 * i, 4));
}

const bits = (...values: number[]): number[] => [...new Int32Array(Float32Array.from(values).buffer)];
const isNaNBits = (word: number): boolean => (word & 0x7fffffff) > 0x7f800000;
/** Bits of floats, with one NaN for all. */
const canonical = (list: ArrayLike<number>): number[] =>
  Array.from(list, word => (isNaNBits(word) ? 0x7fc00000 : word));
const truth = (condition: boolean): number => (condition ? 1 : 0);
const mask = (condition: boolean): number => (condition ? -1 : 0);

const INTEGERS = [0, 1, -1, 2, 7, -7, 31, 33, 100, 0x7fffffff, -0x80000000, 0x12345678];
const FLOATS = [0, -0, 1, -1, 0.5, 1.5, 2.5, -2.5, 1e-40, 3e38, -7.25, Infinity, -Infinity, NaN, 16777217, 2 ** 31];
const pairsOf = (values: readonly number[]): [number, number][] =>
  values.flatMap(a => values.map(b => [a, b] as [number, number]));
/** Four pairs at a time, as two vectors. */
const vectorsOf = (values: readonly number[]): { a: number[]; b: number[] }[] => {
  const pairs = pairsOf(values);
  return Array.from({ length: pairs.length / 4 }, (_, i) => {
    const four = pairs.slice(4 * i, 4 * i + 4);
    return { a: four.map(([a]) => a), b: four.map(([, b]) => b) };
  });
};

describe('encoding', () => {
  it('writes LEB128 as the specification has it', () => {
    const write = (put: (out: ByteWriter) => void): number[] => {
      const out = new ByteWriter();
      put(out);
      return [...out.finish()];
    };
    // Examples of Wikipedia's "LEB128": 624485 unsigned, -123456 signed.
    expect(write(out => out.unsigned(624485))).toEqual([0xe5, 0x8e, 0x26]);
    expect(write(out => out.signed(-123456))).toEqual([0xc0, 0xbb, 0x78]);
    expect(write(out => out.unsigned(0xffffffff))).toEqual([0xff, 0xff, 0xff, 0xff, 0x0f]);
    expect(write(out => out.signed(64))).toEqual([0xc0, 0x00]);
    expect(write(out => out.prefixed(inner => inner.text('ab')))).toEqual([3, 2, 0x61, 0x62]);
    expect(write(out => out.append(new Uint8Array(1000).fill(7)))).toEqual(new Array(1000).fill(7));
  });
});

describe('i32', () => {
  const operations: Record<string, [(a: I32, b: I32) => I32, (a: number, b: number) => number]> = {
    add: [(a, b) => a.add(b), (a, b) => (a + b) | 0],
    sub: [(a, b) => a.sub(b), (a, b) => (a - b) | 0],
    mul: [(a, b) => a.mul(b), Math.imul],
    and: [(a, b) => a.and(b), (a, b) => a & b],
    or: [(a, b) => a.or(b), (a, b) => a | b],
    xor: [(a, b) => a.xor(b), (a, b) => a ^ b],
    shl: [(a, b) => a.shl(b), (a, b) => a << b],
    shrS: [(a, b) => a.shrS(b), (a, b) => a >> b],
    shrU: [(a, b) => a.shrU(b), (a, b) => (a >>> b) | 0],
    eq: [(a, b) => a.eq(b), (a, b) => truth(a === b)],
    ne: [(a, b) => a.ne(b), (a, b) => truth(a !== b)],
    lt: [(a, b) => a.lt(b), (a, b) => truth(a < b)],
    gt: [(a, b) => a.gt(b), (a, b) => truth(a > b)],
    le: [(a, b) => a.le(b), (a, b) => truth(a <= b)],
    ge: [(a, b) => a.ge(b), (a, b) => truth(a >= b)],
    ltU: [(a, b) => a.ltU(b), (a, b) => truth(a >>> 0 < b >>> 0)],
    gtU: [(a, b) => a.gtU(b), (a, b) => truth(a >>> 0 > b >>> 0)],
    leU: [(a, b) => a.leU(b), (a, b) => truth(a >>> 0 <= b >>> 0)],
    geU: [(a, b) => a.geU(b), (a, b) => truth(a >>> 0 >= b >>> 0)],
    eqz: [a => a.eqz(), a => truth(a === 0)],
    select: [(a, b) => a.select(b, I32.constant(5)), (a, b) => (a ? b : 5)],
  };
  const divisions: typeof operations = {
    divS: [(a, b) => a.divS(b), (a, b) => (a / b) | 0],
    divU: [(a, b) => a.divU(b), (a, b) => ((a >>> 0) / (b >>> 0)) | 0],
    remS: [(a, b) => a.remS(b), (a, b) => (a % b) | 0],
    remU: [(a, b) => a.remU(b), (a, b) => ((a >>> 0) % (b >>> 0)) | 0],
  };
  const pairs = pairsOf(INTEGERS);
  const [x, y] = [0, 1].map(side => Int32Array.from(pairs, pair => pair[side]));

  for (const [name, [emit, expected]] of Object.entries(operations)) {
    it(name, () => {
      const got = words(x, y, (px, py) => pairs.map((_, i) => emit(px.i32(4 * i), py.i32(4 * i))));
      expect(got.map(([word]) => word)).toEqual(pairs.map(([a, b]) => expected(a, b)));
    });
    it(`${name} with a constant`, () => {
      const got = words(x, y, px => pairs.map(([, b], i) => emit(px.i32(4 * i), I32.constant(b))));
      expect(got.map(([word]) => word)).toEqual(pairs.map(([a, b]) => expected(a, b)));
      const folded = words(x, y, () => pairs.map(([a, b]) => emit(I32.constant(a), I32.constant(b))));
      expect(folded.map(([word]) => word)).toEqual(pairs.map(([a, b]) => expected(a, b)));
    });
  }
  const valid = pairs.filter(([a, b]) => b !== 0 && !(a === -0x80000000 && b === -1));
  const [dividends, divisors] = [0, 1].map(side => Int32Array.from(valid, pair => pair[side]));
  for (const [name, [emit, expected]] of Object.entries(divisions)) {
    it(name, () => {
      const got = words(dividends, divisors, (px, py) => valid.map((_, i) => emit(px.i32(4 * i), py.i32(4 * i))));
      expect(got.map(([word]) => word)).toEqual(valid.map(([a, b]) => expected(a, b)));
    });
  }
  it('conversions and byte loads', () => {
    const got = words(Int32Array.from(INTEGERS), Uint8Array.of(0, 127, 128, 255), (px, py) => [
      ...INTEGERS.map((_, i) => px.i32(4 * i).toF32S()),
      ...INTEGERS.map((_, i) => px.i32(4 * i).toF32U()),
      ...INTEGERS.map((_, i) => px.i32(4 * i).reinterpretF32()),
      ...[0, 1, 2, 3].map(i => py.u8(i)),
    ]).map(([word]) => word);
    expect(got).toEqual([
      ...bits(...INTEGERS),
      ...bits(...INTEGERS.map(value => value >>> 0)),
      ...INTEGERS,
      ...[0, 127, 128, 255],
    ]);
  });
});

describe('f32', () => {
  const minimum = (a: number, b: number): number => Math.min(a, b);
  const maximum = (a: number, b: number): number => Math.max(a, b);
  const arithmetic: Record<string, [(a: F32, b: F32) => F32, (a: number, b: number) => number]> = {
    add: [(a, b) => a.add(b), (a, b) => a + b],
    sub: [(a, b) => a.sub(b), (a, b) => a - b],
    mul: [(a, b) => a.mul(b), (a, b) => a * b],
    div: [(a, b) => a.div(b), (a, b) => a / b],
    min: [(a, b) => a.min(b), minimum],
    max: [(a, b) => a.max(b), maximum],
    abs: [a => a.abs(), Math.abs],
    neg: [a => a.neg(), a => -a],
    floor: [a => a.floor(), Math.floor],
    sqrt: [a => a.sqrt(), Math.sqrt],
  };
  const comparisons: Record<string, [(a: F32, b: F32) => I32, (a: number, b: number) => boolean]> = {
    eq: [(a, b) => a.eq(b), (a, b) => a === b],
    ne: [(a, b) => a.ne(b), (a, b) => a !== b],
    lt: [(a, b) => a.lt(b), (a, b) => a < b],
    gt: [(a, b) => a.gt(b), (a, b) => a > b],
    le: [(a, b) => a.le(b), (a, b) => a <= b],
    ge: [(a, b) => a.ge(b), (a, b) => a >= b],
  };
  // Two roundings to float32 of a float64 result equal one for + - * / and sqrt (Figueroa 1995).
  const values = FLOATS.slice(0, 14).map(Math.fround);
  const pairs = pairsOf(values);
  const [x, y] = [0, 1].map(side => Float32Array.from(pairs, pair => pair[side]));
  for (const [name, [emit, expected]] of Object.entries(arithmetic)) {
    it(name, () => {
      const got = words(x, y, (px, py) => pairs.map((_, i) => emit(px.f32(4 * i), py.f32(4 * i))));
      expect(canonical(got.map(([word]) => word))).toEqual(canonical(bits(...pairs.map(([a, b]) => expected(a, b)))));
    });
  }
  for (const [name, [emit, expected]] of Object.entries(comparisons)) {
    it(name, () => {
      const got = words(x, y, (px, py) => pairs.map((_, i) => emit(px.f32(4 * i), py.f32(4 * i))));
      expect(got.map(([word]) => word)).toEqual(pairs.map(([a, b]) => truth(expected(a, b))));
    });
  }
  it('constants, conversion to integers, bits', () => {
    const saturate = (value: number): number =>
      Number.isNaN(value) ? 0 : Math.max(-0x80000000, Math.min(0x7fffffff, Math.trunc(value)));
    const got = words(Float32Array.from(FLOATS), new Uint8Array(4), px => [
      ...FLOATS.map((_, i) => px.f32(4 * i).truncateToI32S()),
      ...FLOATS.map((_, i) => px.f32(4 * i).reinterpretI32()),
      ...FLOATS.map(value => F32.constant(value)),
    ]).map(([word]) => word);
    const rounded = FLOATS.map(Math.fround);
    // `| 0` also turns -0 into 0.
    expect(got.slice(0, FLOATS.length)).toEqual(rounded.map(value => saturate(value) | 0));
    expect(canonical(got.slice(FLOATS.length))).toEqual(canonical([...bits(...FLOATS), ...bits(...FLOATS)]));
  });
});

describe('f32x4', () => {
  const operations: Record<string, [(a: F32x4, b: F32x4) => F32x4, (a: number, b: number) => number]> = {
    add: [(a, b) => a.add(b), (a, b) => a + b],
    sub: [(a, b) => a.sub(b), (a, b) => a - b],
    mul: [(a, b) => a.mul(b), (a, b) => a * b],
    div: [(a, b) => a.div(b), (a, b) => a / b],
    min: [(a, b) => a.min(b), (a, b) => Math.min(a, b)],
    max: [(a, b) => a.max(b), (a, b) => Math.max(a, b)],
    // pmin and pmax are these comparisons, NaN and zeros included.
    pmin: [(a, b) => a.pmin(b), (a, b) => (b < a ? b : a)],
    pmax: [(a, b) => a.pmax(b), (a, b) => (a < b ? b : a)],
    multiplyAdd: [(a, b) => a.multiplyAdd(b, a, false), (a, b) => a + Math.fround(a * b)],
    abs: [a => a.abs(), Math.abs],
    neg: [a => a.neg(), a => -a],
    sqrt: [a => a.sqrt(), Math.sqrt],
    ceil: [a => a.ceil(), Math.ceil],
    floor: [a => a.floor(), Math.floor],
    truncate: [a => a.truncate(), Math.trunc],
    nearest: [a => a.nearest(), roundHalfToEven],
  };
  const comparisons: Record<string, [(a: F32x4, b: F32x4) => I32x4, (a: number, b: number) => boolean]> = {
    eq: [(a, b) => a.eq(b), (a, b) => a === b],
    ne: [(a, b) => a.ne(b), (a, b) => a !== b],
    lt: [(a, b) => a.lt(b), (a, b) => a < b],
    gt: [(a, b) => a.gt(b), (a, b) => a > b],
    le: [(a, b) => a.le(b), (a, b) => a <= b],
    ge: [(a, b) => a.ge(b), (a, b) => a >= b],
  };
  const vectors = vectorsOf(FLOATS.slice(0, 14).map(Math.fround));
  const x = Float32Array.from(vectors.flatMap(({ a }) => a));
  const y = Float32Array.from(vectors.flatMap(({ b }) => b));
  const lanes = (expected: (a: number, b: number) => number): number[][] =>
    vectors.map(({ a, b }) => a.map((value, lane) => expected(value, b[lane])));
  for (const [name, [emit, expected]] of Object.entries(operations)) {
    it(name, () => {
      const got = words(x, y, (px, py) => vectors.map((_, i) => emit(px.f32x4(16 * i), py.f32x4(16 * i))));
      expect(got.map(canonical)).toEqual(lanes(expected).map(four => canonical(bits(...four))));
    });
  }
  for (const [name, [emit, expected]] of Object.entries(comparisons)) {
    it(name, () => {
      const got = words(x, y, (px, py) => vectors.map((_, i) => emit(px.f32x4(16 * i), py.f32x4(16 * i))));
      expect(got.map(four => [...four])).toEqual(lanes((a, b) => mask(expected(a, b))));
    });
  }

  it('takes numbers and scalars for vectors', () => {
    const [got] = words(Float32Array.of(1, 2, 3, 4), Float32Array.of(10), (px, py) => [
      px.f32x4().mul(2).add(py.f32()).add(splat(0.5)).add(py.f32().splat()),
    ]);
    expect([...got]).toEqual(bits(22.5, 24.5, 26.5, 28.5));
  });

  it('loads: splat, one and two lanes', () => {
    const got = words(Float32Array.of(1, 2, 3, 4), new Uint8Array(4), px => [
      px.f32x4Splat(4),
      px.f32x4Zero(8),
      px.f32x4LoadTwo(4),
      F32x4.constant(-1, 0.5, 3, 1e10),
    ]);
    expect(got.map(four => [...four])).toEqual([
      bits(2, 2, 2, 2),
      bits(3, 0, 0, 0),
      bits(2, 3, 0, 0),
      bits(-1, 0.5, 3, 1e10),
    ]);
  });

  it('lanes: extract, replace, shuffle, sum', () => {
    const got = words(Float32Array.of(1, 2, 3, 4), Float32Array.of(5, 6, 7, 8), (px, py) => [
      ...[0, 1, 2, 3].map(lane => px.f32x4().lane(lane)),
      px.f32x4().replaceLane(2, 9),
      px.f32x4().shuffle(py.f32x4(), 7, 0, 5, 2),
      px.f32x4().horizontalSum(),
    ]);
    expect(got.slice(0, 4).map(([word]) => word)).toEqual(bits(1, 2, 3, 4));
    expect([...got[4]]).toEqual(bits(1, 2, 9, 4));
    expect([...got[5]]).toEqual(bits(8, 1, 6, 3));
    expect(got[6][0]).toBe(bits(10)[0]);
    // (0 + 2) + (1 + 3), in this order: 1e8 + -1e8 first, so the small ones survive.
    const [sum] = words(Float32Array.of(1e8, 1, -1e8, 2), new Uint8Array(4), px => [px.f32x4().horizontalSum()]);
    expect(sum[0]).toBe(bits(3)[0]);
  });

  it('saturates on the way to integers', () => {
    const got = words(Float32Array.of(1.9, -1.9, 3e38, NaN, -3e38, 2 ** 31, -0.5, 0), new Uint8Array(4), px => [
      px.f32x4().truncateToI32x4(),
      px.f32x4(16).truncateToI32x4(),
      px.f32x4().bits(),
    ]);
    expect([...got[0]]).toEqual([1, -1, 0x7fffffff, 0]);
    expect([...got[1]]).toEqual([-0x80000000, 0x7fffffff, 0, 0]);
    expect([...got[2]].slice(0, 3)).toEqual(bits(1.9, -1.9, 3e38));
  });

  it.skipIf(!hasRelaxedSimd(nodeHost))('fuses multiply and add, with one rounding or two', () => {
    const [a, b, c] = [1 + 2 ** -12, 1 + 2 ** -12, -1];
    const [got] = words(Float32Array.of(a, b, c), new Uint8Array(4), px => [
      px.f32x4Splat(0).multiplyAdd(px.f32x4Splat(4), px.f32x4Splat(8), true),
    ]);
    const fused = Math.fround(a * b + c); // exact in float64 before the one rounding
    const separate = Math.fround(Math.fround(a * b) + c);
    expect(fused).not.toBe(separate);
    expect([bits(fused)[0], bits(separate)[0]]).toContain(got[0]);
  });
});

function roundHalfToEven(value: number): number {
  if (!Number.isFinite(value) || Number.isInteger(value)) return value;
  const floor = Math.floor(value);
  const rest = value - floor;
  const rounded = rest < 0.5 || (rest === 0.5 && floor % 2 === 0) ? floor : floor + 1;
  return rounded === 0 && value < 0 ? -0 : rounded;
}

describe('i32x4', () => {
  const operations: Record<string, [(a: I32x4, b: I32x4) => I32x4, (a: number, b: number) => number]> = {
    add: [(a, b) => a.add(b), (a, b) => (a + b) | 0],
    sub: [(a, b) => a.sub(b), (a, b) => (a - b) | 0],
    mul: [(a, b) => a.mul(b), Math.imul],
    minS: [(a, b) => a.minS(b), Math.min],
    maxS: [(a, b) => a.maxS(b), Math.max],
    and: [(a, b) => a.and(b), (a, b) => a & b],
    andNot: [(a, b) => a.andNot(b), (a, b) => a & ~b],
    or: [(a, b) => a.or(b), (a, b) => a | b],
    xor: [(a, b) => a.xor(b), (a, b) => a ^ b],
    not: [a => a.not(), a => ~a],
    neg: [a => a.neg(), a => -a | 0],
    abs: [a => a.abs(), a => Math.abs(a) | 0],
    shl: [a => a.shl(35), a => a << 3],
    shrS: [a => a.shrS(I32.constant(4)), a => a >> 4],
    shrU: [a => a.shrU(4), a => (a >>> 4) | 0],
    eq: [(a, b) => a.eq(b), (a, b) => mask(a === b)],
    ne: [(a, b) => a.ne(b), (a, b) => mask(a !== b)],
    lt: [(a, b) => a.lt(b), (a, b) => mask(a < b)],
    ltU: [(a, b) => a.ltU(b), (a, b) => mask(a >>> 0 < b >>> 0)],
    gt: [(a, b) => a.gt(b), (a, b) => mask(a > b)],
    le: [(a, b) => a.le(b), (a, b) => mask(a <= b)],
    ge: [(a, b) => a.ge(b), (a, b) => mask(a >= b)],
    select: [(a, b) => a.select(b, splatI32(5)), (a, b) => (a & b) | (~a & 5)],
  };
  const vectors = vectorsOf(INTEGERS);
  const x = Int32Array.from(vectors.flatMap(({ a }) => a));
  const y = Int32Array.from(vectors.flatMap(({ b }) => b));
  for (const [name, [emit, expected]] of Object.entries(operations)) {
    it(name, () => {
      const got = words(x, y, (px, py) => vectors.map((_, i) => emit(px.i32x4(16 * i), py.i32x4(16 * i))));
      // `| 0`: -0 is 0.
      expect(got.map(four => [...four])).toEqual(
        vectors.map(({ a, b }) => a.map((value, lane) => expected(value, b[lane]) | 0)),
      );
    });
  }

  it('conversions', () => {
    const got = words(Int32Array.of(5, -1, 0x7fffffff, -0x80000000), new Uint8Array(4), px => [
      px.i32x4().toF32x4S(),
      px.i32x4().toF32x4U(),
      px.i32x4().asF32x4(),
    ]);
    expect([...got[0]]).toEqual(bits(5, -1, 0x7fffffff, -0x80000000));
    expect([...got[1]]).toEqual(bits(5, 0xffffffff, 0x7fffffff, 0x80000000));
    expect([...got[2]]).toEqual([5, -1, 0x7fffffff, -0x80000000]);
  });

  it('lanes, tests and shuffles', () => {
    const got = words(Int32Array.of(1, -2, 3, -4), Int32Array.of(0, 0, 0, 0), (px, py) => [
      ...[0, 1, 2, 3].map(lane => px.i32x4().lane(lane)),
      px.i32x4().bitmask(),
      px.i32x4().anyTrue(),
      py.i32x4().anyTrue(),
      px.i32x4().replaceLane(1, 9),
      px.i32x4().shuffle(I32x4.constant(10, 20, 30, 40), 3, 4, 0, 7),
      px.i32x4().add(1).add(py.i32()),
      px.i32x4().eq(-4).select(splat(1), splat(2)),
    ]);
    expect(got.slice(0, 7).map(([word]) => word)).toEqual([1, -2, 3, -4, 0b1010, 1, 0]);
    expect(got.slice(7, 10).map(four => [...four])).toEqual([
      [1, 9, 3, -4],
      [-4, 10, 1, 40],
      [2, -1, 4, -3],
    ]);
    expect([...got[10]]).toEqual(bits(2, 2, 2, 1));
  });

  it('multiplies to 64 bits', () => {
    const [a, b] = [
      [0xd2511f53, 3, 0xffffffff, 0x80000000],
      [0xcd9e8d57, 5, 0xffffffff, 2],
    ];
    const [low, high] = words(Uint32Array.from(a), Uint32Array.from(b), (px, py) => [
      px.i32x4().multiplyWideLowU(py.i32x4()),
      px.i32x4().multiplyWideHighU(py.i32x4()),
    ]);
    const wide = a.map((value, i) => BigInt(value) * BigInt(b[i]));
    const halves = (product: bigint): number[] => [Number(product & 0xffffffffn) | 0, Number(product >> 32n) | 0];
    expect([...low, ...high]).toEqual(wide.flatMap(halves));
  });

  it('loads four bytes', () => {
    const [got] = words(Uint8Array.of(9, 0, 127, 128, 255), new Uint8Array(4), px => [px.u8x4(1)]);
    expect([...got]).toEqual([0, 127, 128, 255]);
  });
});

describe('statements', () => {
  const none = new Uint8Array(4);
  const run = (body: (f: FunctionBuilder, x: I32, y: I32, out: I32) => void): Int32Array =>
    new Int32Array(execute(Int32Array.of(5, 6, 7, 8), none, body), OUT, 8);

  it('stores words, bytes and lanes', () => {
    const [a, b, c] = run((f, x, _, out) => {
      f.store8(out, I32.constant(0x1ff), 1);
      f.storeLane(out, x.i32x4(), 2, 4);
      f.storeLane(out, x.f32x4(), 3, 8);
    });
    expect([a, b, c]).toEqual([0xff00, 7, 8]);
  });

  it('counts in for, repeat, doWhile and while; runs no empty loop', () => {
    const got = run((f, _, __, out) => {
      const counts = [0, 1, 2, 3, 4].map(() => f.local(i32, 0));
      const count = (index: number) => () => f.advance(counts[index], 1);
      f.for(3, 14, 4, i => f.set(counts[0], counts[0].mul(100).add(i)));
      f.for(5, 5, 1, count(1));
      f.repeat(7, count(2));
      f.doWhile(count(3), () => counts[3].lt(0));
      f.while(() => counts[4].lt(9), count(4));
      f.while(() => I32.constant(0), count(4));
      counts.forEach((value, i) => {
        f.store(out, value, 4 * i);
      });
    });
    expect([...got.subarray(0, 5)]).toEqual([30711, 0, 7, 1, 9]);
  });

  it('branches, and leaves by return', () => {
    const got = run((f, x, _, out) => {
      f.if(
        x.i32().eq(5),
        () => f.store(out, I32.constant(1)),
        () => f.store(out, I32.constant(2)),
      );
      f.if(
        x.i32().eq(6),
        () => f.store(out, I32.constant(1), 4),
        () => f.store(out, I32.constant(2), 4),
      );
      f.if(x.i32(), () => f.return());
      f.store(out, I32.constant(3), 8);
    });
    expect([...got.subarray(0, 3)]).toEqual([1, 2, 0]);
  });

  it('fills and copies memory', () => {
    const got = run((f, x, _, out) => {
      f.fill(out, 0x11, 8);
      f.copy(out.add(8), x, 12);
    });
    expect([...got.subarray(0, 6)]).toEqual([0x11111111, 0x11111111, 5, 6, 7, 0]);
  });

  it('keeps locals of every type; let computes once', () => {
    const got = run((f, x, _, out) => {
      const [integer, float] = [f.local(i32, 3), f.local(f32, F32.constant(1.5))];
      const vector = f.local(f32x4, splat(2));
      const integers = f.local(i32x4);
      f.set(integers, splatI32(integer));
      const once = f.let(x.i32());
      f.store(x, I32.constant(77));
      f.store(out, once);
      f.store(out, x.i32(), 4);
      f.store(out, float, 8);
      f.store(out, vector.lane(1), 12);
      f.store(out, integers, 16);
      expect(() => f.set(integer.add(1), 2)).toThrow('set needs a local');
    });
    expect([...got]).toEqual([5, 77, ...bits(1.5, 2), 3, 3, 3, 3]);
  });
});

describe('modules', () => {
  it('call inner functions, with and without results, of every type', () => {
    const program = wasmProgram('assembler test calls', m => {
      const square = m.inner({ x: f32 }, f32, (f, { x }) => f.return(x.mul(x)));
      const sum = m.inner({ x: i32x4, y: i32x4 }, i32x4, (f, { x, y }) => f.return(x.add(y)));
      const put = m.inner({ at: i32, value: f32 }, undefined, (f, { at, value }) => f.store(at, value));
      m.function('run', { out: i32 }, (f, { out }) => {
        f.call(put, [out, f.value(square, [F32.constant(1.5)])]);
        f.store(out, f.value(sum, [splatI32(3), splatI32(4)]), 16);
        expect(() => f.value(put as any, [out])).toThrow('has no result');
      });
      m.function('other', { out: i32, value: f32 }, (f, { out, value }) => f.call(put, [out, value]));
    });
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
    const module = new WebAssembly.Module(program.bytes(false));
    expect(WebAssembly.Module.exports(module).map(({ name }) => name)).toEqual(['run', 'other']);
    const { exports } = new WebAssembly.Instance(module, { env: { memory } });
    (exports.run as (out: number) => void)(64);
    expect([...new Int32Array(memory.buffer, 64, 8)]).toEqual([...bits(2.25), 0, 0, 0, 7, 7, 7, 7]);
    (exports.other as (out: number, value: number) => void)(64, 0.1);
    expect(new Float32Array(memory.buffer, 64, 1)[0]).toBe(Math.fround(0.1));
  });

  it('import shared memory where asked', () => {
    const program = wasmProgram('assembler test shared', m => m.function('run', {}, () => {}));
    const shared = new WebAssembly.Memory({ initial: 1, maximum: 2, shared: true });
    const plain = new WebAssembly.Memory({ initial: 1, maximum: 2 });
    const instantiate = (bytes: Uint8Array<ArrayBuffer>, memory: WebAssembly.Memory) => () =>
      new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
    expect(instantiate(program.bytes(true), shared)).not.toThrow();
    expect(instantiate(program.bytes(false), plain)).not.toThrow();
    expect(instantiate(program.bytes(true), plain)).toThrow(WebAssembly.LinkError);
  });
});
