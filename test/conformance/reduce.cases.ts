/**
 * Reductions: every operation over all, last, leading, middle and scattered axes, with tails, empty and single extents,
 * extents long enough to be cut into chunks more than once, NaN, and more than 65,535 workgroups. A sum may be off by a
 * few units in the last place of the sum of absolute values, however many elements it has; ten million ones are exact.
 */
import type { TypedArray } from '../../src/devices/dtype.ts';
import type { Kernel, Spec } from '../../src/devices/kernel.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import { argReduce, type ReduceOp, reduce } from '../../src/kernels/reduce/index.ts';
import type { ConformanceCase, Tolerance } from './cases.ts';

const SEED = 20263;
const stream = new PhiloxStream(SEED);

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, extent) => product * extent, 1);

interface Input {
  readonly spec: Spec;
  readonly values: TypedArray;
}
const floats = (shape: readonly number[], make: (i: number) => number): Input => ({
  spec: { shape, dtype: 'float32' },
  values: Float32Array.from({ length: sizeOf(shape) }, (_, i) => make(i)),
});
const integers = (shape: readonly number[], make: (i: number) => number): Input => ({
  spec: { shape, dtype: 'int32' },
  values: Int32Array.from({ length: sizeOf(shape) }, (_, i) => make(i)),
});
const uniform = (): number => stream.uniform() * 2 - 1;

const EXACT: Tolerance = { kind: 'exact' };
/** Relative to the sum of absolute values, whatever their number. */
const SUM: Tolerance = { kind: 'contraction', c: 6, terms: 1 };
/** Relative to summands of 3e38. */
const OF_HUGE: Tolerance = { kind: 'close', absolute: 1e33, relative: 2e-6 };
const TOLERANCE: Record<ReduceOp, Tolerance> = {
  sum: SUM,
  mean: SUM,
  sumOfSquares: SUM,
  prod: { kind: 'close', absolute: 0, relative: 1e-5 },
  max: EXACT,
  min: EXACT,
};

function reduceCase(op: ReduceOp, input: Input, axes: readonly number[], keepDims = false, note = ''): ConformanceCase {
  const { shape, dtype } = input.spec;
  const title = `${op} over [${axes}] of [${shape}] ${dtype}${note} seed ${SEED}`;
  const tolerance = dtype === 'int32' ? EXACT : TOLERANCE[op];
  return { title, kernel: reduce, params: { op, axes, keepDims }, inputs: [input], tolerance };
}

/**
 * The kernel as it plans for an adapter with this many workgroups per dimension. A tree over 65,536 real workgroups would
 * test the same lines at the price of minutes on a software adapter.
 */
function folded<P>(kernel: Kernel<P>, maxComputeWorkgroupsPerDimension: number): Kernel<P> {
  return {
    ...kernel,
    name: `${kernel.name}, folded at ${maxComputeWorkgroupsPerDimension}`,
    wgsl: kernel.wgsl.map(variant => ({
      ...variant,
      plan: (specs, params, adapter) => variant.plan(specs, params, { ...adapter, maxComputeWorkgroupsPerDimension }),
    })),
  };
}

const OPS = ['sum', 'mean', 'sumOfSquares', 'prod', 'max', 'min'] as const;

/** Products stay near 1; all others take values around 0. */
const inputFor = (op: ReduceOp, shape: readonly number[]): Input =>
  floats(shape, op === 'prod' ? () => 1 + 0.1 * uniform() : uniform);

const patterns: [readonly number[], readonly number[]][] = [
  [
    [5, 7],
    [0, 1],
  ],
  [
    [6, 8],
    [0, 1],
  ],
  [[9, 10], [1]],
  [[9, 10], [0]],
  [[4, 5, 6], [1]],
  [
    [3, 4, 5, 8],
    [0, 1, 2],
  ],
  [
    [3, 4, 5, 8],
    [1, 2],
  ],
  [
    [3, 4, 5, 7],
    [0, 3],
  ],
  [
    [2, 3, 4, 5],
    [0, 2],
  ],
  [[300, 7], [0]],
  [[70, 130], [1]],
  [[3, 1], [0]],
];

/** Every pattern for sums; for the others, whose programs differ from it in one line, every third. */
const shaped = OPS.flatMap((op, k) =>
  patterns
    .filter((_, i) => op === 'sum' || i % 3 === k % 3)
    .map(([shape, axes], i) => reduceCase(op, inputFor(op, shape), axes, i % 2 === 0)),
);

const further: ConformanceCase[] = [
  // Sizes around the widths of strips, vectors and chunks.
  ...[1, 2, 3, 4, 5, 15, 16, 17, 1023, 1025, 4096, 16_384, 16_385, 40_003].map(length =>
    reduceCase('sum', floats([length], uniform), [0]),
  ),
  ...[1, 2, 3, 4, 6, 13, 31, 33, 62, 100, 260].map(columns => reduceCase('sum', floats([77, columns], uniform), [0])),
  ...[1, 2, 8, 33, 64, 65, 129, 513, 5000].map(rows => reduceCase('mean', floats([rows, 12], uniform), [0])),
  reduceCase('sum', floats([12, 2000, 8], uniform), [1]),
  reduceCase('sum', floats([128, 28, 28, 32], uniform), [0, 1, 2]),
  reduceCase('sumOfSquares', floats([1_500_001], uniform), [0]),
  reduceCase('max', floats([40, 700], uniform), [1]),
  reduceCase('sum', floats([3, 5], uniform), []),
  reduceCase('sumOfSquares', floats([3, 5], uniform), []),
  reduceCase('sum', floats([], uniform), []),
  reduceCase('sum', floats([1, 1], uniform), [0], true),
  reduceCase('sum', floats([2, 3, 2, 3, 2, 3, 2, 3], uniform), [0, 2, 4, 6]),
  // Nothing to add up.
  reduceCase('sum', floats([0, 5], uniform), [0]),
  reduceCase('sum', floats([0, 3, 5], uniform), [0, 2]),
  reduceCase('prod', floats([4, 0], uniform), [1]),
  reduceCase('sumOfSquares', floats([0], uniform), [0], true),
  // Exact although float32 counts by ones only up to 2^24: partial sums stay exact.
  {
    ...reduceCase(
      'sum',
      floats([10_000_000], () => 1),
      [0],
      false,
      ' of ones',
    ),
    tolerance: EXACT,
  },
  {
    ...reduceCase(
      'sum',
      floats([1_000_000, 5], () => 1),
      [0],
      false,
      ' of ones',
    ),
    tolerance: EXACT,
  },
  // More than 65,535 workgroups, in earnest where an invocation makes an output, else on a pretended adapter.
  reduceCase('sum', floats([4_200_000, 3], uniform), [1], false, ' huge'),
  { ...reduceCase('sum', floats([700, 130], uniform), [1], false, ' folded grid'), kernel: folded(reduce, 40) },
  { ...reduceCase('mean', floats([9, 70, 140], uniform), [1], false, ' folded grid'), kernel: folded(reduce, 5) },
];

for (const op of ['sum', 'max', 'min'] as const) {
  for (const [shape, axes] of patterns) {
    further.push(
      reduceCase(
        op,
        integers(shape, () => Math.floor(uniform() * 2 ** 31)),
        axes,
      ),
    );
  }
}
for (const op of ['max', 'min'] as const) {
  const special = (i: number): number => (i % 37 === 5 ? Number.NaN : i % 11 === 3 ? -Infinity : uniform());
  for (const [shape, axes] of [
    [[10, 40], [1]],
    [[40, 10], [0]],
    [[40, 12], [0]],
    [[500], [0]],
  ] as const) {
    further.push(reduceCase(op, floats(shape, special), axes, false, ' with NaN'));
    further.push(
      reduceCase(
        op,
        floats(shape, () => (op === 'max' ? -Infinity : Infinity)),
        axes,
        false,
        ' infinite',
      ),
    );
  }
}

// Sums that overflow on the way: once scaled they do not, unless the answer itself does or something is not finite.
const huge = (i: number): number => (i % 5 === 4 ? -1 : 1) * 3e38 * (0.5 + 0.5 * stream.uniform());
for (const [shape, axes] of [...patterns, [[5, 1], [0]], [[3, 9000], [1]], [[9000, 3], [0]]] as const) {
  const input = floats(shape, huge);
  further.push({ ...reduceCase('mean', input, axes, false, ' huge values'), tolerance: OF_HUGE });
  const balanced = floats(shape, i => (i % 2 ? -1 : 1) * 2.5e38 * (1 + (i % 3 ? 0 : 1e-3)));
  further.push({ ...reduceCase('sum', balanced, axes, true, ' huge values that cancel'), tolerance: OF_HUGE });
}
for (const [note, value] of [
  ['infinity', Infinity],
  ['NaN', Number.NaN],
] as const) {
  for (const op of ['sum', 'mean'] as const) {
    const input = floats([6, 40], i => (i === 57 ? value : i < 80 ? 3e38 : 1));
    further.push({ ...reduceCase(op, input, [1], false, ` ${note} among huge values`), tolerance: OF_HUGE });
  }
}

const SPECIAL = [0, -0, Number.NaN, Infinity, -Infinity, 1, -1, 1e-40, -1e-40];

const searches: ConformanceCase[] = [];
for (const op of ['argMax', 'argMin'] as const) {
  const search = (input: Input, axis: number, keepDims = false): void => {
    const { shape, dtype } = input.spec;
    const title = `${op} along ${axis} of [${shape}] ${dtype} seed ${SEED}`;
    searches.push({ title, kernel: argReduce, params: { op, axis, keepDims }, inputs: [input], tolerance: EXACT });
  };
  for (const [shape, axis] of [
    [[128, 10], 1],
    [[128, 10], 0],
    [[5, 1], 1],
    [[6, 3], -1],
    [[7, 8], -1],
    [[3, 300], 1],
    [[2, 5, 6], 1],
    [[4, 9, 8], 0],
    [[2003], 0],
  ] as const) {
    search(floats(shape, uniform), axis);
    search(
      floats(shape, () => Math.floor(uniform() * 3)),
      axis,
      true,
    ); // ties
    search(
      integers(shape, () => Math.floor(uniform() * 2 ** 31)),
      axis,
    );
    search(
      floats(shape, () => SPECIAL[Math.floor(stream.uniform() * SPECIAL.length)]),
      axis,
    );
  }
  search(
    integers([4, 12], () => -(2 ** 31)),
    1,
  );
  search(
    floats([4, 200], () => Number.NaN),
    1,
  );
  if (op === 'argMax') search(floats([4_200_000, 2], uniform), 1);
}
searches.push({
  title: `argMax of long rows, folded grid, seed ${SEED}`,
  kernel: folded(argReduce, 30),
  params: { op: 'argMax', axis: 1, keepDims: false },
  inputs: [floats([700, 128], i => (i * 7919) % 1009)],
  tolerance: EXACT,
});

export const cases: readonly ConformanceCase[] = [...shaped, ...further, ...searches];
