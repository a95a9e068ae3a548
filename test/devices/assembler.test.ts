/**
 * The assembler against JavaScript: scalar instructions, statements and modules, one small module per group, on values chosen to part them from
 * their neighbours (signs, wrap-around, halves, NaN, infinities, zeros of both signs). Expected numbers are JavaScript's
 * own: `Math.imul`, `>>>`, `Math.fround`, typed arrays.
 */
import { describe, expect, it } from 'vitest';
import { ByteWriter } from '../../src/devices/wasm/assembler/encoding.ts';
import {
  F32,
  type FunctionBuilder,
  f32,
  f32x4,
  I32,
  i32,
  i32x4,
  splat,
  splatI32,
  wasmProgram,
} from '../../src/devices/wasm/assembler/module.ts';
import { bits, canonical, execute, FLOATS, INTEGERS, OUT, pairsOf, truth, words } from './assembler-execution.ts';

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
    expect(Object.keys(instantiate(program.bytes(true), shared)().exports)).toEqual(['run']);
    expect(Object.keys(instantiate(program.bytes(false), plain)().exports)).toEqual(['run']);
    expect(instantiate(program.bytes(true), plain)).toThrow(WebAssembly.LinkError);
  });
});
