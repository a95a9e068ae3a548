/**
 * The vector functions of the WebAssembly kernels against float64, over every 997th float32 there is (all exponents,
 * subnormals, both signs) and a dense range where the function bends. Errors are counted in ULP of the exact result.
 */
import { describe, expect, test } from 'vitest';
import { type F32x4, type FunctionBuilder, i32, wasmProgram } from '../../src/devices/wasm/assembler/module.ts';
import * as normal from '../../src/kernels/elementwise/normal.wasm.ts';
import { pow } from '../../src/kernels/elementwise/power.wasm.ts';
import * as trigonometry from '../../src/kernels/elementwise/trigonometry.wasm.ts';
import { erf as erfReference, unaryTable } from '../../src/kernels/elementwise/unary.table.ts';
import * as vector from '../../src/kernels/elementwise/vector-math.wasm.ts';

type Function1 = (f: FunctionBuilder, x: F32x4) => F32x4;

/** Runs four lanes at a time over `inputs`. */
function evaluate(fn: (f: FunctionBuilder, x: F32x4, y: F32x4) => F32x4, xs: Float32Array, ys = xs): Float32Array {
  const program = wasmProgram('test', m => {
    m.function('run', { start: i32, end: i32, x: i32, y: i32, out: i32 }, (f, { start, end, x, y, out }) => {
      f.for(start, end, 1, i => {
        const at = f.let(i.shl(4));
        const operand = f.let(x.add(at).f32x4());
        f.store(out.add(at), fn(f, operand, f.let(y.add(at).f32x4())));
      });
    });
  });
  const vectors = Math.ceil(xs.length / 4);
  const memory = new WebAssembly.Memory({ initial: Math.ceil((vectors * 48) / 65536) + 1, maximum: 65536 });
  const view = new Float32Array(memory.buffer);
  view.set(xs, 0);
  view.set(ys, vectors * 4);
  const instance = new WebAssembly.Instance(new WebAssembly.Module(program.bytes(false)), { env: { memory } });
  (instance.exports.run as CallableFunction)(0, vectors, 0, vectors * 16, vectors * 32);
  return view.slice(vectors * 8, vectors * 8 + xs.length);
}

/** Every `step`-th bit pattern, and `count` values evenly over [low, high]. */
function floats(step: number, low: number, high: number, count: number): Float32Array {
  const patterns = new Uint32Array(Math.floor(2 ** 32 / step) + 1).map((_, i) => i * step);
  const special = [
    0,
    -0,
    Infinity,
    -Infinity,
    Number.NaN,
    1,
    -1,
    2 ** -149,
    -(2 ** -149),
    2 ** -126,
    3.4028234663852886e38,
  ];
  const all = new Float32Array(patterns.length + count + special.length);
  all.set(new Float32Array(patterns.buffer));
  for (let i = 0; i < count; i++) all[patterns.length + i] = low + ((high - low) * i) / (count - 1);
  all.set(special, patterns.length + count);
  return all;
}

/** Distance between neighbouring float32 numbers at `x`. */
const spacing = (x: number): number => 2 ** (Math.max(Math.floor(Math.log2(Math.abs(x))), -126) - 23);

/** The largest error in ULP and where it is; infinite where special values differ. */
function worst(got: Float32Array, expected: (i: number) => number): { ulp: number; at: number } {
  let result = { ulp: 0, at: -1 };
  for (let i = 0; i < got.length; i++) {
    const exact = expected(i);
    const rounded = Math.fround(exact);
    let ulp: number;
    if (Number.isNaN(rounded)) ulp = Number.isNaN(got[i]) ? 0 : Infinity;
    // Just below overflow a result may round either way.
    else if (!Number.isFinite(rounded) || !Number.isFinite(got[i]))
      ulp = rounded === got[i] ? 0 : Math.abs(exact) > 3.4028232e38 && Math.abs(exact) < 3.4028239e38 ? 1 : Infinity;
    else if (exact === 0) ulp = got[i] === 0 ? 0 : Math.abs(got[i]) / 2 ** -149;
    else ulp = Math.abs(got[i] - exact) / spacing(exact);
    if (ulp > result.ulp) result = { ulp, at: i };
  }
  return result;
}

const report = (name: string, xs: Float32Array, { ulp, at }: { ulp: number; at: number }): string =>
  `${name}: ${ulp.toFixed(3)} ULP at ${xs[at]}`;

describe('within the stated error', () => {
  const cases: [string, Function1, (x: number) => number, number, number, number][] = [
    ['exp', vector.exp, Math.exp, -104, 89, 1],
    ['log', vector.log, Math.log, 0, 4, 0.8],
    ['tanh', vector.tanh, Math.tanh, -10, 10, 1.3],
    ['erf', normal.erf, erfReference, -5, 5, 1.2],
    ['sigmoid', vector.sigmoid, unaryTable.sigmoid.value as (x: number) => number, -110, 90, 2.4],
    ['sin', trigonometry.sin, Math.sin, -100, 100, 3],
    ['cos', trigonometry.cos, Math.cos, -100, 100, 3],
    ['e^(-x^2)', (f, x) => normal.bell(f, x, 1), x => Math.exp(-x * x), -10.5, 10.5, 2],
  ];
  for (const [name, fn, reference, low, high, bound] of cases) {
    test(`${name}: ${bound} ULP`, () => {
      const xs = floats(997, low, high, 400_000);
      const result = worst(evaluate(fn, xs), i => reference(xs[i]));
      expect(result.ulp, report(name, xs, result)).toBeLessThanOrEqual(bound);
    });
  }

  test('expm1 of what is not positive: 1 ULP', () => {
    const xs = floats(997, -20, 0, 400_000).filter(x => !(x > 0));
    const result = worst(evaluate(vector.expm1OfNegative, xs), i => Math.expm1(xs[i]));
    expect(result.ulp, report('expm1', xs, result)).toBeLessThanOrEqual(1);
  });

  test('log1p of a fraction: 1.3 ULP', () => {
    const xs = floats(997, 0, 1, 400_000).filter(x => x >= 0 && x <= 1);
    const result = worst(evaluate(vector.log1pOfFraction, xs), i => Math.log1p(xs[i]));
    expect(result.ulp, report('log1p', xs, result)).toBeLessThanOrEqual(1.3);
  });

  test('sin and cos beside every multiple of pi / 2 up to 1e5: 3 ULP', () => {
    const multiples = Float32Array.from({ length: 63_660 }, (_, i) => ((i + 1) * Math.PI) / 2);
    const bits = new Uint32Array(multiples.buffer);
    const xs = new Float32Array(
      Uint32Array.from({ length: 3 * bits.length }, (_, i) => bits[(i / 3) | 0] + (i % 3) - 1).buffer,
    );
    for (const [name, fn, reference] of [
      ['sin', trigonometry.sin, Math.sin],
      ['cos', trigonometry.cos, Math.cos],
    ] as [string, Function1, (x: number) => number][]) {
      const result = worst(evaluate(fn, xs), i => reference(xs[i]));
      expect(result.ulp, report(name, xs, result)).toBeLessThanOrEqual(3);
    }
  });

  test('the normal distribution function: 64 ULP right of -2.5, 6 left of it', () => {
    const cumulative = (x: number): number => unaryTable.gelu.value(x, 1) / x;
    const xs = floats(3989, -14.5, 9, 400_000).filter(x => x !== 0 && Math.abs(x) < 1e30);
    const got = evaluate(normal.normalCumulative, xs);
    for (const [bound, isMeant] of [
      [64, (x: number) => x > -2.5],
      [6, (x: number) => x <= -2.5],
    ] as const) {
      const result = worst(got, i => (isMeant(xs[i]) ? cumulative(xs[i]) : got[i]));
      expect(result.ulp, report('normal distribution', xs, result)).toBeLessThanOrEqual(bound);
    }
  });
});

describe('pow', () => {
  /** C's pow; JavaScript's differs where the base is 1 or -1. */
  const reference = (x: number, y: number): number => (x === 1 || (x === -1 && Math.abs(y) === Infinity) ? 1 : x ** y);

  test('1 ULP over random pairs', () => {
    const xs = new Float32Array(1_000_000);
    const ys = new Float32Array(1_000_000);
    for (let i = 0; i < xs.length; i++) {
      xs[i] = 2 ** (((i * 0.6180339887498949) % 1) * 276 - 148);
      ys[i] = (((i * 0.7548776662466927) % 1) * 2 - 1) * (i % 2 ? 4 : 128 / Math.max(Math.abs(Math.log2(xs[i])), 1e-3));
    }
    const result = worst(evaluate(pow, xs, ys), i => reference(xs[i], ys[i]));
    expect(result.ulp, `${xs[result.at]} ** ${ys[result.at]}: ${result.ulp}`).toBeLessThanOrEqual(1);
  });

  test('every pair of special values as C has it', () => {
    const values = [
      0,
      -0,
      1,
      -1,
      2,
      -2,
      3,
      -3,
      0.5,
      -0.5,
      2.5,
      -2.5,
      1e30,
      -1e30,
      2 ** -140,
      -(2 ** -140),
      16777216,
      16777215,
    ];
    values.push(Infinity, -Infinity, Number.NaN);
    const xs = Float32Array.from(values.flatMap(x => values.map(() => x)));
    const ys = Float32Array.from(values.flatMap(() => values));
    const got = evaluate(pow, xs, ys);
    for (let i = 0; i < xs.length; i++) {
      const expected = Math.fround(reference(xs[i], ys[i]));
      const label = `${xs[i]} ** ${ys[i]}`;
      if (Number.isFinite(expected) && expected !== 0) {
        expect(Math.abs(got[i] - expected), label).toBeLessThanOrEqual(2 * spacing(expected));
      } else expect(got[i], label).toBe(expected);
    }
  });
});
