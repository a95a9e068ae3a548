/**
 * Elementwise kernels: every operation with and without tails, every kind of broadcasting, NaN and infinities where an
 * operation promises to pass them on, and one array of more than 65,535 workgroups per way of walking. Bounds: exact
 * where float32 arithmetic rounds once, loose for functions: `functions.test.ts` measures those in ULP.
 */
import type { DType, TypedArray } from '../../src/devices/dtype.ts';
import type { Kernel, Spec } from '../../src/devices/kernel.ts';
import {
  accumulate,
  affine,
  type BinaryOp,
  binary,
  cast,
  clamp,
  fill,
  type UnaryOp,
  unary,
  unaryGradient,
  where,
} from '../../src/kernels/elementwise/index.ts';
import { unaryTable } from '../../src/kernels/elementwise/unary.table.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import { wantsPositive } from '../support/examples.ts';
import type { ConformanceCase, Tolerance } from './cases.ts';

const SEED = 20261;
const stream = new PhiloxStream(SEED);

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, extent) => product * extent, 1);
const between = (low: number, high: number): number => low + (high - low) * stream.uniform();
const whole = (low: number, high: number): number => Math.floor(between(low, high + 1));

interface Input {
  readonly spec: Spec;
  readonly values: TypedArray;
}

const floats = (shape: readonly number[], make: (i: number) => number = () => between(-6, 6)): Input => ({
  spec: { shape, dtype: 'float32' },
  values: Float32Array.from({ length: sizeOf(shape) }, (_, i) => make(i)),
});
const integers = (shape: readonly number[], make: (i: number) => number = () => whole(-9, 9)): Input => ({
  spec: { shape, dtype: 'int32' },
  values: Int32Array.from({ length: sizeOf(shape) }, (_, i) => make(i)),
});

const EXACT: Tolerance = { kind: 'exact' };
const close = (absolute: number, relative: number): Tolerance => ({ kind: 'close', absolute, relative });
/** WebAssembly's only variant is called simd; all others are WGSL. */
const perLanguage = (wasm: Tolerance, wgsl: Tolerance) => (variant: string) => (variant === 'simd' ? wasm : wgsl);

function makeCase<P>(
  title: string,
  kernel: Kernel<P>,
  params: P,
  inputs: readonly Input[],
  tolerance: ConformanceCase['tolerance'] = EXACT,
): ConformanceCase<P> {
  const shapes = inputs.map(({ spec }) => `[${spec.shape}]`).join(' ');
  return { title: `${title} ${shapes} seed ${SEED}`, kernel, params, inputs, tolerance };
}

const SPECIAL = [0, -0, 1, -1, 0.5, -0.5, 3e38, -3e38, 1e-30, -1e-30, Infinity, -Infinity, Number.NaN];

// ------------------------------------------------------------------------------------------------------------- unary

const EXACT_UNARY = new Set<UnaryOp>(['relu', 'leakyRelu', 'square', 'abs', 'neg', 'sign', 'floor', 'ceil', 'round']);
/** Exactly representable, so that the product with it rounds once. */
const alpha = 0.375;

function unaryInput(op: UnaryOp, shape: readonly number[]): Input {
  if (wantsPositive(op)) return floats(shape, () => between(0.05, 8));
  // Away from the integers, and from ties except where rounding is what is tested.
  if (op === 'round' || op === 'floor' || op === 'ceil') return floats(shape, () => whole(-30, 30) / 4);
  if (op === 'reciprocal') return floats(shape, () => between(0.1, 6) * (stream.uniform() < 0.5 ? -1 : 1));
  return floats(shape);
}

const unaryTolerance = (op: UnaryOp): ConformanceCase['tolerance'] =>
  EXACT_UNARY.has(op) ? EXACT : perLanguage(close(6e-7, 3e-7), close(3e-6, 6e-6));

const unaryOps = Object.keys(unaryTable) as UnaryOp[];

const unaryCases = unaryOps.flatMap(op => [
  makeCase(op, unary, { op, alpha }, [unaryInput(op, [4, 257])], unaryTolerance(op)),
]);
for (const length of [1, 2, 3, 5, 1037]) {
  for (const op of ['relu', 'exp'] as const) {
    unaryCases.push(makeCase(op, unary, { op }, [unaryInput(op, [length])], unaryTolerance(op)));
  }
}
for (const op of ['abs', 'neg', 'sign', 'square'] as const) {
  const extremes = [-(2 ** 31), 2 ** 31 - 1, 46341, -46341, 0, 1, -1];
  unaryCases.push(
    makeCase(`${op} int32`, unary, { op }, [integers([44], i => extremes[i] ?? whole(-1e6, 1e6))]),
    makeCase(`${op} int32`, unary, { op }, [integers([7], i => extremes[i])]),
  );
}
for (const length of [SPECIAL.length, 16]) {
  const special = floats([length], i => SPECIAL[i % SPECIAL.length]);
  unaryCases.push(
    makeCase('relu of NaN and infinities', unary, { op: 'relu' }, [special]),
    makeCase('leakyRelu of NaN and infinities', unary, { op: 'leakyRelu', alpha: 0.5 }, [special]),
    makeCase('tanh of NaN and infinities', unary, { op: 'tanh' }, [special], close(1e-6, 1e-6)),
  );
}
for (const op of ['sin', 'cos'] as const) {
  const angles = floats([64], i =>
    i < 8 ? [0, -0, 1e5, -1e5, 1e6, Number.NaN, Infinity, -Infinity][i] : 10 ** between(0, 38),
  );
  unaryCases.push(makeCase(`${op} of large angles`, unary, { op }, [angles], close(6e-7, 0)));
}
unaryCases.push(makeCase('relu, huge', unary, { op: 'relu' }, [floats([16_777_219], i => (i % 1000) - 500)]));

const gradientCases = unaryOps.map(op => {
  const x = unaryInput(op, [4, 257]);
  const y = floats([4, 257], i => unaryTable[op].value(x.values[i], alpha));
  const tolerance = perLanguage(close(2e-6, 1e-6), close(2e-5, 1e-5));
  return makeCase(`gradient of ${op}`, unaryGradient, { op, alpha }, [x, y, floats([4, 257])], tolerance);
});
for (const length of [1, 2, 3, 1037]) {
  const x = floats([length], i => (i === 0 ? 0 : between(-2, 2))); // relu'(0) is 0
  const y = floats([length], i => Math.max(0, x.values[i]));
  gradientCases.push(makeCase('gradient of relu', unaryGradient, { op: 'relu' }, [x, y, floats([length])]));
}
{
  const x = floats([16], i => SPECIAL[i % SPECIAL.length]);
  const y = floats([16], i => Math.max(0, x.values[i]));
  gradientCases.push(
    makeCase('gradient of relu at NaN and infinities', unaryGradient, { op: 'relu' }, [x, y, floats([16])]),
    makeCase('gradient of relu from NaN and infinities', unaryGradient, { op: 'relu' }, [
      floats([16], () => 1),
      floats([16], () => 1),
      x,
    ]),
  );
}

// ------------------------------------------------------------------------------------------------------------ binary

const FLOAT_ARITHMETIC = ['add', 'sub', 'mul', 'div', 'pow', 'maximum', 'minimum'] as const;
const COMPARISONS = ['equal', 'notEqual', 'less', 'lessEqual', 'greater', 'greaterEqual'] as const;
const INTEGER_ARITHMETIC = ['add', 'sub', 'mul', 'maximum', 'minimum', 'and', 'or'] as const;

/** Some equal pairs for the comparisons; a positive base for pow, nothing near 0 to divide by. */
function binaryInput(op: BinaryOp, shape: readonly number[], second: boolean): Input {
  if (op === 'pow') return floats(shape, () => (second ? between(-3, 3) : between(0.1, 4)));
  if (op === 'div' && second) return floats(shape, () => between(0.2, 3) * (stream.uniform() < 0.5 ? -1 : 1));
  if ((COMPARISONS as readonly string[]).includes(op)) return floats(shape, () => whole(-2, 2));
  return floats(shape);
}

const binaryTolerance = (op: BinaryOp): ConformanceCase['tolerance'] =>
  op === 'pow'
    ? perLanguage(close(0, 1.3e-7), close(1e-6, 3e-5))
    : op === 'div'
      ? perLanguage(EXACT, close(0, 4e-7)) // WGSL allows 2.5 ULP
      : EXACT;

const pair = (op: BinaryOp, a: readonly number[], b: readonly number[]): ConformanceCase =>
  makeCase(op, binary, { op }, [binaryInput(op, a, false), binaryInput(op, b, true)], binaryTolerance(op));

const binaryCases: ConformanceCase[] = [
  ...[...FLOAT_ARITHMETIC, ...COMPARISONS].map(op => pair(op, [4, 260], [4, 260])),
  ...[...INTEGER_ARITHMETIC, ...COMPARISONS].map(op =>
    makeCase(`${op} int32`, binary, { op }, [
      integers([3, 20], () => (stream.uniform() < 0.2 ? whole(-(2 ** 31), 2 ** 31 - 1) : whole(-2, 2))),
      integers([3, 20], () => (stream.uniform() < 0.2 ? whole(-(2 ** 31), 2 ** 31 - 1) : whole(-2, 2))),
    ]),
  ),
  // Operand shapes: same with tails, scalars, rows, columns, outer products, and everything between.
  ...(
    [
      [[7], [7]],
      [[1], [1]],
      [[], []],
      [[1029], []],
      [[8, 16], []],
      [[], [8, 16]],
      [
        [8, 16],
        [1, 1],
      ],
      [[5, 64], [64]],
      [[64], [5, 64]],
      [[2, 3, 10], [10]],
      [
        [9, 1],
        [9, 12],
      ],
      [
        [9, 12],
        [9, 1],
      ],
      [
        [9, 1],
        [9, 7],
      ],
      [
        [12, 1],
        [1, 8],
      ],
      [
        [5, 1],
        [1, 3],
      ],
      [
        [2, 14, 14, 6],
        [2, 1, 1, 6],
      ],
      [
        [2, 3, 4, 5],
        [3, 1, 5],
      ],
      [
        [2, 1, 3, 1, 2, 1, 4, 1],
        [1, 2, 1, 3, 1, 2, 1, 4],
      ],
      [
        [2, 3, 2, 3, 2, 3, 2, 3],
        [2, 1, 2, 1, 2, 1, 2, 3],
      ],
      [
        [300, 3],
        [300, 1],
      ],
    ] as const
  ).flatMap(([a, b]) => (['sub', 'greater'] as const).map(op => pair(op, a, b))),
  pair('div', [40, 12], [12]),
  pair('pow', [40, 12], []),
];
{
  const square = [SPECIAL.length, SPECIAL.length];
  const a = floats(square, i => SPECIAL[i % SPECIAL.length]);
  const b = floats(square, i => SPECIAL[Math.floor(i / SPECIAL.length)]);
  const padded = (input: Input): Input => floats([172], i => input.values[i % input.values.length]);
  for (const op of ['maximum', 'minimum'] as const) {
    binaryCases.push(makeCase(`${op} of NaN and infinities`, binary, { op }, [a, b]));
    binaryCases.push(makeCase(`${op} of NaN and infinities`, binary, { op }, [padded(a), padded(b)]));
  }
  const roots = floats([12], i => [-2, -2, -2, -3, -3, 2, 0, 4, -8, -1, 1, -1.5][i]);
  const powers = floats([12], i => [2, 3, -1, 2.5, 0, 0, 2, 0.5, 3, 5, 7, 4][i]);
  const tolerance = perLanguage(close(0, 1.3e-7), close(1e-6, 3e-5));
  binaryCases.push(makeCase('pow of negative numbers', binary, { op: 'pow' }, [roots, powers], tolerance));
}

// ------------------------------------------------------------------------------------------------------------ others

const otherCases: ConformanceCase[] = [
  makeCase('affine', affine, { scale: 0.5, shift: 0.25 }, [floats([33, 4])], close(0, 1e-7)),
  makeCase('affine', affine, { scale: -1.7, shift: 3.1 }, [floats([1037])], close(1e-6, 2e-7)),
  makeCase('clamp', clamp, { min: -1, max: 2 }, [floats([64])]),
  makeCase('clamp below', clamp, { min: 0.5 }, [floats([37])]),
  makeCase('clamp above', clamp, { max: -0.5 }, [floats([37])]),
  makeCase('clamp of NaN and infinities', clamp, { min: -1, max: 1 }, [floats([13], i => SPECIAL[i])]),
  makeCase('clamp of NaN and infinities', clamp, { min: -1, max: 1 }, [floats([16], i => SPECIAL[i] ?? 7)]),
];
for (const [condition, a, b] of [
  [[40], [40], [40]],
  [[37], [37], [37]],
  [[6, 1], [6, 8], []],
  [[8], [6, 8], [6, 1]],
  [
    [3, 1, 5],
    [2, 3, 4, 1],
    [4, 5],
  ],
  [[5, 1], [1, 5], [1]],
] as const) {
  const mask = integers(condition, () => whole(-1, 1));
  otherCases.push(
    makeCase('where float32', where, {}, [mask, floats(a), floats(b)]),
    makeCase('where int32', where, {}, [mask, integers(a), integers(b)]),
  );
}
for (const length of [1, 6, 64, 1037]) {
  for (const dtype of ['float32', 'int32'] as const) {
    const input = dtype === 'float32' ? floats([length]) : integers([length], () => whole(-(2 ** 31), 2 ** 31 - 1));
    const before = dtype === 'float32' ? floats([length]) : integers([length], () => whole(-(2 ** 31), 2 ** 31 - 1));
    otherCases.push({
      ...makeCase(`accumulate ${dtype}`, accumulate, {}, [input]),
      updates: { 0: before.values },
    });
  }
}
for (const [value, dtype] of [
  [0, 'float32'],
  [-2.5, 'float32'],
  [Number.NaN, 'float32'],
  [-Infinity, 'float32'],
  [-3, 'int32'],
  [2 ** 32 - 1, 'uint32'],
  [200, 'uint8'],
] as const) {
  for (const length of [1, 63, 70_004]) {
    const params = { value, shape: [length], dtype };
    otherCases.push(makeCase(`fill ${value} ${dtype} [${length}]`, fill, params, []));
  }
}
otherCases.push(makeCase('fill, huge', fill, { value: 7, shape: [16_777_219], dtype: 'int32' }, []));

// -------------------------------------------------------------------------------------------------------------- cast

const LIMITS = [
  2147483648, 2147483520, -2147483648, -2147483904, 4294967296, 4294967040, 1e30, -1e30, 254.9, 255.5, -0.9,
];

function castInput(dtype: DType, length: number): Input {
  const shape = [length];
  if (dtype === 'float32') {
    const edges = [...LIMITS, ...SPECIAL];
    return floats(shape, i => edges[i] ?? between(-400, 400));
  }
  if (dtype === 'int32') return integers(shape, () => whole(-(2 ** 31), 2 ** 31 - 1));
  return dtype === 'uint32'
    ? { spec: { shape, dtype }, values: Uint32Array.from({ length }, () => whole(0, 2 ** 32 - 1)) }
    : { spec: { shape, dtype }, values: Uint8Array.from({ length }, () => whole(0, 255)) };
}

const DTYPES = ['float32', 'int32', 'uint32', 'uint8'] as const;
const castCases = DTYPES.flatMap(from =>
  DTYPES.flatMap(to =>
    // Integers of more than 24 bits may round to float32 either way in WGSL.
    [24, 41, 4099].map(length => {
      const rounds = to === 'float32' && (from === 'int32' || from === 'uint32');
      const tolerance = rounds ? perLanguage(EXACT, close(0, 1.2e-7)) : EXACT;
      return makeCase(`cast ${from} to ${to}`, cast, { to }, [castInput(from, length)], tolerance);
    }),
  ),
);
castCases.push(makeCase('cast, huge', cast, { to: 'uint8' }, [floats([16_777_219], i => i % 256)]));

export const cases: readonly ConformanceCase[] = [
  ...unaryCases,
  ...gradientCases,
  ...binaryCases,
  ...otherCases,
  ...castCases,
];
