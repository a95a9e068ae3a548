/**
 * The assembler's vectors against JavaScript, lane by lane: every instruction of f32x4 and i32x4, on the values of
 * `assembler-execution.ts`.
 */
import { describe, expect, it } from 'vitest';
import { F32x4, type F64x2, I32, I32x4, splat, splatI32 } from '../../src/devices/wasm/assembler/module.ts';
import { nodeHost } from '../../src/devices/wasm/host.node.ts';
import { hasRelaxedSimd } from '../../src/devices/wasm/relaxed-simd.ts';
import { bits, canonical, execute, FLOATS, INTEGERS, mask, OUT, vectorsOf, words } from './assembler-execution.ts';

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

describe('f64x2', () => {
  const operations: Record<string, [(a: F64x2, b: F64x2) => F64x2, (a: number, b: number) => number]> = {
    add: [(a, b) => a.add(b), (a, b) => a + b],
    sub: [(a, b) => a.sub(b), (a, b) => a - b],
    mul: [(a, b) => a.mul(b), (a, b) => a * b],
    div: [(a, b) => a.div(b), (a, b) => a / b],
    sqrt: [a => a.sqrt(), Math.sqrt],
  };
  const x = [1, -0.1, 1e300, Number.POSITIVE_INFINITY, 0, Math.PI, Number.NaN, 4];
  const y = [3, 0.2, 1e-200, 2, -0, Math.E, 1, Number.NEGATIVE_INFINITY];
  for (const [name, [emit, expected]] of Object.entries(operations)) {
    it(name, () => {
      const buffer = execute(Float64Array.from(x), Float64Array.from(y), (f, px, py, out) => {
        for (let at = 0; at < 8 * x.length; at += 16) f.store(out, f.let(emit(px.f64x2(at), f.let(py.f64x2(at)))), at);
      });
      expect([...new Float64Array(buffer, OUT, x.length)]).toEqual(x.map((a, i) => expected(a, y[i])));
    });
  }

  it('from float32 and back: two lanes, rounded to nearest even', () => {
    const values = [1 / 3, 1 + 2 ** -24, 1 + 3 * 2 ** -24, 1e300];
    const halves = words(Float64Array.from(values), new Uint8Array(4), px => [
      px.f64x2().demote(),
      px.f64x2(16).demote(),
    ]);
    expect(halves.map(four => [...four])).toEqual([bits(values[0], values[1], 0, 0), bits(values[2], values[3], 0, 0)]);
    const floats = Float32Array.of(0.1, -7, 99, 99);
    const buffer = execute(floats, new Uint8Array(4), (f, px, _, out) => f.store(out, px.f32x4().promoteLow()));
    expect([...new Float64Array(buffer, OUT, 2)]).toEqual([...floats.subarray(0, 2)]);
  });
});

describe('i32x4', () => {
  const operations: Record<string, [(a: I32x4, b: I32x4) => I32x4, (a: number, b: number) => number]> = {
    add: [(a, b) => a.add(b), (a, b) => (a + b) | 0],
    sub: [(a, b) => a.sub(b), (a, b) => (a - b) | 0],
    mul: [(a, b) => a.mul(b), Math.imul],
    minS: [(a, b) => a.minS(b), Math.min],
    maxS: [(a, b) => a.maxS(b), Math.max],
    maxU: [(a, b) => a.maxU(b), (x, y) => Math.max(x >>> 0, y >>> 0) | 0],
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

  it('conversions read integers as signed, as unsigned, or as bits', () => {
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
