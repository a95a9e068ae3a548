/**
 * The functions of the elementwise tables over the whole range of float32, on every device: log-spaced numbers of both
 * signs, random bit patterns, and where each function bends, against the tables' own float64; and a table of specials. A
 * bound is so many units in the last place (ULP) of the exact value, plus something absolute where digits cancel or where
 * the derivative is made of the rounded value, as PyTorch makes it (1 - y^2 of tanh).
 *
 * Subnormal numbers: wasm computes with them; a webgpu driver may take them, and results below 2^-119, for 0.
 */
import { afterAll, describe, expect, test } from 'vitest';
import type { Device } from '../../src/devices/device.ts';
import type { Kernel } from '../../src/devices/kernel.ts';
import { release } from '../../src/devices/storage.ts';
import { binary, type UnaryOp, unary, unaryGradient } from '../../src/kernels/elementwise/index.ts';
import { unaryTable } from '../../src/kernels/elementwise/unary.table.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import { ALL_CONFIGURATIONS, MAIN_DEVICES, openTestDevices } from '../support/devices.ts';
import { ALPHA, BINARY_VALUES, OPERANDS, UNARY_SPECIALS } from './functions.specials.ts';

const SEED = 20285;
/** Below this a webgpu driver may give 0. */
const LEAST = 2 ** -119;

interface Bound {
  readonly ulp: number;
  readonly absolute?: number;
}
interface Bounds {
  readonly value: Bound | { readonly wasm: Bound; readonly webgpu: Bound };
  readonly derivative: Bound;
}

const once: Bound = { ulp: 0.5 };
const exact: Bound = { ulp: 0 };
/** Of 1 - y^2 and y (1 - y), y being rounded. */
const fromValue: Bound = { ulp: 1, absolute: 1.3e-7 };

const BOUNDS: Readonly<Record<UnaryOp, Bounds>> = {
  relu: { value: exact, derivative: exact },
  leakyRelu: { value: once, derivative: exact },
  elu: { value: { ulp: 2 }, derivative: { ulp: 2 } },
  gelu: { value: { wasm: { ulp: 64 }, webgpu: { ulp: 8 } }, derivative: { ulp: 8, absolute: 3e-7 } },
  mish: { value: { ulp: 12, absolute: 1e-43 }, derivative: { ulp: 8, absolute: 2.4e-6 } },
  // Far left x times a subnormal sigmoid, whose rounding error is made up to 104 times as large.
  silu: { value: { ulp: 4, absolute: 1e-43 }, derivative: { ulp: 4, absolute: 1.2e-6 } },
  tanh: { value: { ulp: 1.3 }, derivative: fromValue },
  sigmoid: { value: { ulp: 2.4 }, derivative: fromValue },
  softplus: { value: { wasm: { ulp: 2 }, webgpu: { ulp: 4 } }, derivative: { ulp: 2.4 } },
  exp: { value: { wasm: { ulp: 1 }, webgpu: { ulp: 1.4 } }, derivative: { ulp: 1.4 } },
  log: { value: { ulp: 0.8 }, derivative: once },
  sqrt: { value: once, derivative: { ulp: 1.5 } },
  rsqrt: { value: { ulp: 1.5 }, derivative: { ulp: 5.5 } },
  square: { value: once, derivative: exact },
  abs: { value: exact, derivative: exact },
  neg: { value: exact, derivative: exact },
  sign: { value: exact, derivative: exact },
  reciprocal: { value: once, derivative: { ulp: 2 } },
  sin: { value: { ulp: 3 }, derivative: { ulp: 3 } },
  cos: { value: { ulp: 3 }, derivative: { ulp: 3 } },
  erf: { value: { wasm: { ulp: 1.2 }, webgpu: { ulp: 1.5 } }, derivative: { ulp: 3 } },
  floor: { value: exact, derivative: exact },
  ceil: { value: exact, derivative: exact },
  round: { value: exact, derivative: exact },
};

const fromBits = (bits: readonly number[]): Float32Array => new Float32Array(Uint32Array.from(bits).buffer);
const neighbours = (x: number, count: number): Float32Array => {
  const [middle] = new Uint32Array(Float32Array.of(x).buffer);
  return fromBits(Array.from({ length: 2 * count + 1 }, (_, i) => middle + i - count));
};

/** Finite numbers of every size and kind; the hard angle is the float nearest to a multiple of pi / 2. */
function inputs(): Float32Array {
  const stream = new PhiloxStream(SEED);
  const every = fromBits(Array.from({ length: 2 ** 14 }, (_, i) => i * 2 ** 18 + (i % 251) * 1031));
  const random = fromBits(Array.from({ length: 20_000 }, () => stream.nextUint32()));
  const dense = Float32Array.from({ length: 20_000 }, (_, i) => -110 + i * 0.01 + 0.01 * stream.uniform());
  const near = Float32Array.from({ length: 10_000 }, () => 8 * stream.uniform() - 4);
  const multiples = Float32Array.from({ length: 4000 }, (_, i) => (i - 2000) * 31 * (Math.PI / 2));
  const angles = [1e5, 2e5, 1e6, 3e7, 2 ** 24, 2 ** 31, 1e22, 16367173 * 2 ** 72, 3.4028235e38];
  const borders = [1, -1, -2.5, 0.625, 0.927734375, -1.2784645, -0.7517916, 88.72284, -87.33655, -103.97208, 1e5];
  const all = [every, random, dense, near, multiples, ...[...angles, ...borders].map(x => neighbours(x, 8))];
  return Float32Array.from(all.flatMap(part => Array.from(part)).filter(Number.isFinite));
}

const spacing = (x: number): number => 2 ** (Math.max(Math.floor(Math.log2(Math.abs(x))), -126) - 23);

/** Runs a kernel of equal shapes. */
async function compute(
  device: Device,
  kernel: Kernel<any>,
  params: object,
  arrays: readonly Float32Array<ArrayBuffer>[],
  variant?: string,
): Promise<ArrayLike<number>> {
  const place = (length: number, dtype: 'float32' | 'int32') => ({
    storage: device.allocate(length, dtype),
    shape: [length],
  });
  const operands = arrays.map(values => {
    const operand = place(values.length, 'float32');
    device.write(operand.storage, values);
    return operand;
  });
  const [{ dtype }] = kernel.infer(
    operands.map(({ shape }) => ({ shape, dtype: 'float32' as const })),
    params,
  );
  const out = place(arrays[0].length, dtype as 'float32' | 'int32');
  device.run(kernel, operands, [out], params, variant ? { variant } : undefined);
  const values = await device.read(out.storage);
  for (const { storage } of [...operands, out]) release(storage);
  return values;
}

interface Sweep {
  readonly got: ArrayLike<number>;
  readonly wanted: Float64Array;
  readonly bound: Bound;
  readonly kind: Device['kind'];
  /** What the function makes of 0 and -0, for which a webgpu driver may take a subnormal number. */
  readonly atZero: readonly [number, number];
}

const isNear = (got: number, wanted: number, { ulp, absolute = 0 }: Bound): boolean => {
  const rounded = Math.fround(wanted);
  if (got === rounded || (Number.isNaN(rounded) && Number.isNaN(got))) return true;
  // Just below overflow a result may round either way.
  if (Math.abs(wanted) > 3.40282e38 && Math.abs(got) > 3.40282e38) return got * wanted > 0;
  return Math.abs(got - wanted) <= ulp * spacing(wanted) + absolute;
};

/** The first element outside its bound, in words; undefined where all are within. */
function firstBeyond({ got, wanted, bound, kind, atZero }: Sweep): string | undefined {
  for (let i = 0; i < xs.length; i++) {
    if (isNear(got[i], wanted[i], bound)) continue;
    if (kind === 'webgpu') {
      const isSubnormal = xs[i] !== 0 && Math.abs(xs[i]) < 2 ** -126;
      if (isSubnormal && isNear(got[i], atZero[xs[i] > 0 ? 0 : 1], bound)) continue;
      if (Math.abs(wanted[i]) < LEAST && Math.abs(got[i]) < 2 * LEAST) continue;
    }
    const error = Math.abs(got[i] - wanted[i]);
    return `f(${xs[i]}) = ${got[i]}, not ${wanted[i]}: ${(error / spacing(wanted[i])).toPrecision(4)} ULP, ${error}`;
  }
  return undefined;
}

const OPS = Object.keys(BOUNDS) as UnaryOp[];
const given = inputs();
/** A number of elements that divides by 4, and one that does not: webgpu has a form for vectors and one for the rest. */
const xs = given.subarray(0, given.length - (given.length % 4)) as Float32Array<ArrayBuffer>;
const expectations = new Map<UnaryOp, { values: Float64Array; derivatives: Float64Array }>();
function expectation(op: UnaryOp) {
  const known = expectations.get(op);
  if (known) return known;
  const { value, derivative } = unaryTable[op];
  const values = Float64Array.from(xs, x => value(x, ALPHA));
  const made = { values, derivatives: Float64Array.from(xs, (x, i) => derivative(x, values[i], ALPHA)) };
  expectations.set(op, made);
  return made;
}

const params = (op: UnaryOp) => ({ op, alpha: ALPHA });

for (const { name, device } of await openTestDevices(ALL_CONFIGURATIONS)) {
  describe.skipIf(!device)(`functions over all floats on ${name}, seed ${SEED}`, () => {
    afterAll(() => device?.destroy());
    const kind = device?.kind ?? 'wasm';
    const variants = kind === 'webgpu' ? ['vec4', 'strided'] : [undefined];

    test.each(OPS)('%s', async op => {
      const { values, derivatives } = expectation(op);
      const { value, derivative } = BOUNDS[op];
      const bound = 'ulp' in value ? value : value[kind as 'wasm' | 'webgpu'];
      const ones = new Float32Array(xs.length).fill(1);
      const rounded = Float32Array.from(values);
      const [y0, y1] = [0, -0].map(x => unaryTable[op].value(x, ALPHA));
      const [slope0, slope1] = [unaryTable[op].derivative(0, y0, ALPHA), unaryTable[op].derivative(-0, y1, ALPHA)];
      for (const variant of variants) {
        const y = await compute(device!, unary, params(op), [xs], variant);
        const failure = firstBeyond({ got: y, wanted: values, bound, kind, atZero: [y0, y1] });
        expect(failure, `${op} ${variant}`).toBeUndefined();
        const dx = await compute(device!, unaryGradient, params(op), [xs, rounded, ones], variant);
        const atZero = [slope0, slope1] as const;
        const second = firstBeyond({ got: dx, wanted: derivatives, bound: derivative, kind, atZero });
        expect(second, `derivative of ${op} ${variant}`).toBeUndefined();
      }
    });
  });
}

const SPECIAL_DEVICES = { ...MAIN_DEVICES, ...ALL_CONFIGURATIONS };

for (const { name, device } of await openTestDevices(SPECIAL_DEVICES)) {
  describe.skipIf(!device)(`special values on ${name}`, () => {
    afterAll(() => device?.destroy());
    const variants = device?.kind === 'webgpu' ? ['vec4', 'strided'] : [undefined];
    const float32 = (values: readonly number[]) => Float32Array.from(values);
    /** Four times the values: whole vectors, so that both forms of webgpu apply. */
    const fourfold = (values: readonly number[]) => float32([...values, ...values, ...values, ...values]);

    test.each(OPS)('%s', async op => {
      const rows = UNARY_SPECIALS[op];
      const at = fourfold(rows.map(([x]) => x));
      for (const variant of variants) {
        const y = await compute(device!, unary, params(op), [at], variant);
        rows.forEach(([x, value], i) => {
          expect(Math.fround(y[i]), `${op}(${x}) ${variant}`).toBe(Math.fround(value));
        });
        const ones = new Float32Array(at.length).fill(1);
        const rounded = fourfold(rows.map(([, value]) => value));
        const dx = await compute(device!, unaryGradient, params(op), [at, rounded, ones], variant);
        rows.forEach(([x, , derivative], i) => {
          if (derivative === undefined) return;
          expect(Math.fround(dx[i]) + 0, `derivative of ${op} at ${x} ${variant}`).toBe(Math.fround(derivative) + 0);
        });
      }
    });

    test.each(Object.keys(BINARY_VALUES) as (keyof typeof BINARY_VALUES)[])('%s of every pair', async op => {
      const value = BINARY_VALUES[op]!;
      const left = OPERANDS.flatMap(a => OPERANDS.map(() => a)).map(Math.fround);
      const right = OPERANDS.flatMap(() => OPERANDS).map(Math.fround);
      for (const variant of variants) {
        const got = await compute(device!, binary, { op }, [fourfold(left), fourfold(right)], variant);
        for (let i = 0; i < left.length; i++) {
          const wanted = Math.fround(value(left[i], right[i]));
          const label = `${op}(${left[i]}, ${right[i]}) ${variant}`;
          if (Number.isFinite(wanted) && wanted !== 0) {
            const [bound] = [op === 'pow' ? 1 : op === 'div' ? 0.5 : 0];
            const distance = Math.abs(Math.fround(got[i]) - wanted);
            const isTiny = device!.kind === 'webgpu' && Math.abs(wanted) < 2 ** -119;
            expect(distance, label).toBeLessThanOrEqual(isTiny ? 2 ** -119 : bound * spacing(wanted));
          } else if (wanted === 0 && op !== 'pow' && op !== 'div') {
            expect(Math.fround(got[i]) + 0, label).toBe(0);
          } else expect(Math.fround(got[i]), label).toBe(wanted);
        }
      }
    });
  });
}
