/**
 * Every sum on devices of highest precision is added up beyond float32 and rounded once: what they give is the float64
 * reference rounded to float32, in all but one element per hundred, and never further away than one unit in the
 * element's last place (of elements that cancel to less than 2^-16 of the largest, 2^-39 of the largest). The same on a device of default precision must fail, which is tested as well.
 */
import { afterAll, describe, expect, test } from 'vitest';
import type { Device } from '../../src/devices/device.ts';
import { tensor, variance } from '../../src/index.ts';
import { batchNormEval, batchNormEvalGradient, batchNormTrainGradient } from '../../src/kernels/batchnorm/index.ts';
import { scatterAdd } from '../../src/kernels/layout/index.ts';
import {
  avgPool2d,
  avgPool2dGradient,
  globalAveragePool,
  globalAveragePoolGradient,
  maxPool2dGradient,
} from '../../src/kernels/pool/index.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import { type ReduceOp, reduce } from '../../src/kernels/reduce/index.ts';
import {
  crossEntropy,
  crossEntropyGradient,
  crossEntropySoft,
  crossEntropySoftGradient,
  logSoftmax,
  logSoftmaxGradient,
  softmax,
  softmaxGradient,
} from '../../src/kernels/softmax/index.ts';
import { openTestDevices } from '../support/devices.ts';
import {
  type Call,
  type CallInput,
  call,
  compute,
  filled,
  floatsFrom,
  indices,
  openersOf,
  referenceOf,
} from '../support/kernel-calls.ts';

const SEED = 20301;
const stream = new PhiloxStream(SEED);
const floats = floatsFrom(stream);

/** Multiples of 1/64 below 1, of which float64 adds up thousands exactly. */
const coarse = (): number => Math.floor(64 * stream.uniform()) / 64;

/** Along each axis 1e8, multiples of 1/64, and -1e8: in float32 little is left of the middle. */
function cancelling(shape: readonly number[], axis: number): CallInput {
  const inner = shape.slice(axis + 1).reduce((product, extent) => product * extent, 1);
  return filled(shape, i => {
    const at = Math.floor(i / inner) % shape[axis];
    return at === 0 ? 1e8 : at === shape[axis] - 1 ? -1e8 : coarse();
  });
}

/** Random signs of 1e8 beside small multiples of 1/64: in windows and images they cancel or drown the rest. */
const mixed = (shape: readonly number[]): CallInput =>
  filled(shape, () => (stream.uniform() < 0.5 ? coarse() : stream.uniform() < 0.5 ? 1e8 : -1e8));

const reduction = (op: ReduceOp, axes: readonly number[], x: CallInput): Call =>
  call(reduce, { op, axes, keepDims: false }, x);

const REDUCTIONS: Record<string, Call> = {
  ...Object.fromEntries(
    (['sum', 'mean'] as const).flatMap(op =>
      [0, 1, 2].map(axis => [`${op} over axis ${axis}`, reduction(op, [axis], cancelling([37, 41, 43], axis))]),
    ),
  ),
  'sum of the last axis of vectors of four': reduction('sum', [1], cancelling([300, 64], 1)),
  'sum of the first axis of 20 columns': reduction('sum', [0], cancelling([1000, 20], 0)),
  'sum over axes apart': reduction('sum', [0, 2], floats([70, 30, 70])),
  'means that cancel to rests': reduction('mean', [1], mixed([400, 23])),
  'mean of images': reduction('mean', [0, 1, 2], floats([9, 28, 28, 30])),
  'sum of everything': reduction('sum', [0], cancelling([60_000], 0)),
  'sum of squares': reduction('sumOfSquares', [0], floats([3000, 35])),
  'sum of squares along rows': reduction('sumOfSquares', [1], floats([200, 3001])),
};

const windows = { kernel: [3, 3], strides: [2, 2], padding: [1, 1, 1, 1] };
const overlapping = { kernel: [3, 3], strides: [1, 1], padding: [1, 1, 1, 1] };

const POOLS: Record<string, Call> = Object.fromEntries(
  [8, 7].flatMap((channels): [string, Call][] => [
    [
      `means of windows of ${channels} channels`,
      call(avgPool2d, { ...windows, countPadding: false }, mixed([2, 15, 14, channels])),
    ],
    [
      `means of windows with their padding, ${channels} channels`,
      call(
        avgPool2d,
        { kernel: [5, 5], strides: [1, 1], padding: [2, 2, 2, 2], countPadding: true },
        mixed([1, 9, 9, channels]),
      ),
    ],
    [
      `gradient of means of ${channels} channels`,
      call(
        avgPool2dGradient,
        { ...overlapping, countPadding: false, inputSize: [15, 14] },
        floats([2, 15, 14, channels]),
      ),
    ],
    [
      `gradient of means of windows side by side, ${channels} channels`,
      call(
        avgPool2dGradient,
        { kernel: [3, 3], strides: [3, 3], padding: [0, 0, 0, 0], countPadding: false, inputSize: [15, 14] },
        floats([2, 5, 4, channels]),
      ),
    ],
    [
      `gradient of overlapping maxima of ${channels} channels`,
      call(maxPool2dGradient, overlapping, floats([3, 15, 14, channels]), mixed([3, 15, 14, channels])),
    ],
    [`means of images of ${channels} channels`, call(globalAveragePool, {}, mixed([4, 13, 11, channels]))],
    [
      `gradient of means of images of ${channels} channels`,
      call(globalAveragePoolGradient, { inputSize: [11, 11] }, floats([20, channels])),
    ],
  ]),
);

const positive = (shape: readonly number[]): CallInput => filled(shape, () => 0.5 + stream.uniform());

/** x, y, dy of a batch norm, then gamma, mean and either the deviation's inverse or the variance. */
const normInputs = (channels: number): CallInput[] => [
  ...[0.7, 0, 0].map(offset => floats([15, 21, 21, channels], offset)),
  ...[positive([channels]), floats([channels], 0.7), positive([channels])],
];

const NORMS: Record<string, Call> = Object.fromEntries(
  [8, 7].flatMap(channels =>
    [
      { activation: 'none', residual: false },
      { activation: 'relu', residual: true },
    ].flatMap((params): [string, Call][] => {
      const title = `batch norm of ${channels} channels, activation ${params.activation}`;
      const inputs = normInputs(channels);
      const residual = params.residual ? [floats([15, 21, 21, channels])] : [];
      const [x, , , gamma, mean, variance] = inputs;
      const evaluation = { epsilon: 1e-5, activation: params.activation };
      return [
        [`gradient of ${title}`, call(batchNormTrainGradient, params, ...inputs)],
        [
          `gradient of ${title}, fixed statistics`,
          call(batchNormEvalGradient, { ...params, epsilon: 1e-5 }, ...inputs),
        ],
        [
          `evaluation of ${title}`,
          call(batchNormEval, evaluation, x, gamma, floats([channels]), mean, variance, ...residual),
        ],
      ];
    }),
  ),
);

const SCATTERS: Record<string, Call> = {
  'updates of 1,030 columns': call(
    scatterAdd,
    { axis: 0, size: 5 },
    mixed([40, 1030]),
    indices([40], i => (i * 7) % 6),
  ),
  'updates of 3 columns in 20 matrices': call(
    scatterAdd,
    { axis: 1, size: 4 },
    mixed([20, 30, 3]),
    indices([30], i => (i * 5) % 5),
  ),
  'updates of one column': call(
    scatterAdd,
    { axis: 0, size: 90 },
    mixed([3000]),
    indices([3000], i => (i * 7) % 91),
  ),
};

const logits = (rows: number, classes: number): CallInput =>
  filled([rows, classes], () => Math.round(1e8 * stream.uniform()));
const labels = indices([40], i => i % 21);
const smoothed = { smoothing: 0.3 };

const ROWS: Record<string, Call> = {
  'softmax gradient': call(softmaxGradient, {}, floats([40, 37]), mixed([40, 37])),
  'cross entropy of huge logits': call(crossEntropy, smoothed, logits(40, 201), labels),
  'cross entropy of huge logits with targets': call(crossEntropySoft, {}, logits(40, 200), floats([40, 200])),
};

/** One sure class and many that are next to impossible: e^-17 changes nothing in a float32 sum that is 1. */
const confident = filled([40, 1001], i => (i % 1001 === 0 ? 0 : -17 - (i % 5) / 8));
const first = indices([40], () => 0);
const ones = filled([40], () => 1);

const drowned = filled([40, 39], i => [1e8, 2 + coarse(), -1e8][i % 3]);

/** Their exponentials and logarithms are float32: within four units, by which the default precision misses. */
const FUNCTIONS: Record<string, Call> = {
  softmax: call(softmax, {}, confident),
  logSoftmax: call(logSoftmax, {}, confident),
  'logSoftmax gradient': call(
    logSoftmaxGradient,
    {},
    filled([40, 39], () => -6 - stream.uniform()),
    drowned,
  ),
  'cross entropy': call(crossEntropy, { smoothing: 0 }, confident, first),
  'cross entropy gradient': call(crossEntropyGradient, { smoothing: 0 }, confident, first, ones),
  'gradient of cross entropy with targets': call(crossEntropySoftGradient, {}, floats([40, 39]), drowned, ones),
};

/** Where float32 divides once the default precision is right, too. */
const EXACT_BY_DEFAULT = /gradient of means of (windows side|images)/;

const FAMILIES: Record<string, Record<string, Call>> = {
  reduce: REDUCTIONS,
  pool: POOLS,
  batchnorm: NORMS,
  layout: SCATTERS,
  softmax: ROWS,
};

/** The spacing of float32 at a number. */
const unit = (value: number): number => 2 ** Math.max(-149, Math.floor(Math.log2(Math.abs(value))) - 23);

/** Over all outputs, the part of elements that are not the rounded reference, and the largest distance in units. */
function differences(actual: readonly Float32Array[], expected: readonly ArrayLike<number>[]) {
  let unequal = 0;
  let count = 0;
  let worst = 0;
  for (const [output, values] of actual.entries()) {
    const largest = Array.from(expected[output]).reduce((most, value) => Math.max(most, Math.abs(value)), 1e-30);
    for (const [i, value] of values.entries()) {
      const wanted = expected[output][i];
      count++;
      if (Object.is(value, Math.fround(wanted)) || value === Math.fround(wanted)) continue;
      unequal++;
      const distance = Math.abs(value - wanted) / unit(Math.max(Math.abs(wanted), largest * 2 ** -16));
      worst = Math.max(worst, Number.isNaN(distance) ? Infinity : distance);
    }
  }
  return { unequal: unequal / count, worst };
}

/** Largest relative error of the variances of rows of whole numbers from 10,000,000 on. */
async function varianceError(device: Device): Promise<number> {
  const rows = Array.from({ length: 40 }, () => Array.from({ length: 50 }, () => Math.floor(10 * stream.uniform())));
  const far = tensor(
    Float32Array.from(rows.flat(), x => 1e7 + x),
    [40, 50],
    { device },
  );
  const values = await variance(far, 1).data();
  const errors = rows.map((row, i) => {
    const mean = row.reduce((sum, x) => sum + x, 0) / 50;
    const wanted = row.reduce((sum, x) => sum + (x - mean) ** 2, 0) / 50;
    return Math.abs(values[i] - wanted) / wanted;
  });
  far.dispose();
  return Math.max(...errors);
}

for (const { name, device } of await openTestDevices(openersOf('highest'))) {
  describe.skipIf(!device)(`highest precision on ${name}, seed ${SEED}`, () => {
    afterAll(() => device?.destroy());

    for (const [family, calls] of Object.entries(FAMILIES)) {
      test.each(Object.entries(calls))(`${family}: %s is rounded once`, async (_, one) => {
        const { unequal, worst } = differences(await compute(device!, one), referenceOf(one));
        expect([unequal < 0.01, worst < 1], `${unequal} unequal, ${worst} units`).toEqual([true, true]);
      });
    }

    test.each(Object.entries(FUNCTIONS))('%s: its sum is no part of the error', async (_, one) => {
      expect(differences(await compute(device!, one), referenceOf(one)).worst).toBeLessThan(4);
    });

    test('the variance of values far from 0 is that of their deviations', async () => {
      expect(await varianceError(device!)).toBeLessThan(3e-7);
    });

    test('sums and means that overflow on the way', async () => {
      const huge = filled([3, 5], i => [3e38, 3e38, 1e38, -3e38, -3e38][i % 5]);
      for (const op of ['sum', 'mean'] as const) {
        const one = reduction(op, [1], huge);
        expect(differences(await compute(device!, one), referenceOf(one))).toEqual({ unequal: 0, worst: 0 });
      }
    });

    test('what is not finite stays so', async () => {
      const x = filled([4, 3], i => [Infinity, 1, 2, -Infinity, 1, 2, Infinity, 1, -Infinity, Number.NaN, 1, 2][i]);
      for (const op of ['sum', 'mean'] as const) {
        const [values] = await compute(device!, reduction(op, [1], x));
        expect(Array.from(values)).toEqual([Infinity, -Infinity, Number.NaN, Number.NaN]);
      }
      const [squares] = await compute(device!, reduction('sumOfSquares', [1], x));
      expect(Array.from(squares)).toEqual([Infinity, Infinity, Infinity, Number.NaN]);
    });
  });
}

for (const { name, device } of await openTestDevices(openersOf('default'))) {
  describe.skipIf(!device)(`default precision on ${name}`, () => {
    afterAll(() => device?.destroy());

    for (const [family, calls] of Object.entries(FAMILIES)) {
      const rounded = Object.entries(calls).filter(([title]) => !EXACT_BY_DEFAULT.test(title));
      test.each(rounded)(`${family}: %s is rounded on the way`, async (_, one) => {
        const { unequal } = differences(await compute(device!, one), referenceOf(one));
        expect(unequal).toBeGreaterThan(0.01);
      });
    }

    test('the variance of values far from 0 is that of their distances from a rounded mean', async () => {
      expect(await varianceError(device!)).toBeGreaterThan(1e-4);
    });

    test.each(Object.entries(FUNCTIONS))('%s: its sum is part of the error', async (_, one) => {
      expect(differences(await compute(device!, one), referenceOf(one)).worst).toBeGreaterThan(4);
    });
  });
}
