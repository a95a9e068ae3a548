/**
 * Optimizer steps on arenas of every kind of length. Tolerances are a few float32 roundings of each formula: Adam's step is
 * a quotient of roots, and WGSL grants division and roots 2.5 and more units in the last place.
 */
import { adamStep, clipByGlobalNorm, emaStep, sgdStep } from '../../src/kernels/optimizer/index.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import type { ConformanceCase } from './cases.ts';

const SEED = 20262;
const stream = new PhiloxStream(SEED);

const vector = (length: number, scale = 1) => ({
  spec: { shape: [length], dtype: 'float32' } as const,
  values: Float32Array.from({ length }, () => scale * (stream.uniform() * 2 - 1)),
});
const squares = (length: number) => Float32Array.from({ length }, () => stream.uniform() + 1e-4);
const numbers = (...values: number[]) => ({
  spec: { shape: [values.length], dtype: 'float32' } as const,
  values: Float32Array.from(values),
});
const close = { kind: 'close', absolute: 1e-6, relative: 2e-6 } as const;

const lengths = [1, 2, 3, 4, 5, 63, 64, 257, 1024, 4099];

const sgd: ConformanceCase[] = lengths.flatMap((length, i) =>
  [
    { momentum: 0, nesterov: false, weightDecay: i % 2 ? 0 : 0.01 },
    { momentum: 0.9, nesterov: false, weightDecay: i % 2 ? 5e-4 : 0 },
    { momentum: 0.85, nesterov: true, weightDecay: 5e-4 },
  ].map(params => ({
    title: `[${length}] momentum ${params.momentum}${params.nesterov ? ' nesterov' : ''} (seed ${SEED})`,
    kernel: sgdStep,
    params,
    inputs: [vector(length), numbers(0.05)],
    updates: Object.fromEntries((params.momentum === 0 ? [0] : [0, 1]).map(output => [output, vector(length).values])),
    tolerance: close,
  })),
);

const adam: ConformanceCase[] = lengths.flatMap((length, i) =>
  [false, true].map(decoupled => ({
    title: `[${length}] ${decoupled ? 'decoupled' : 'coupled'} (seed ${SEED})`,
    kernel: adamStep,
    params: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01, decoupled },
    inputs: [vector(length), numbers(0.01, 1 - 0.9 ** (i + 1), 1 - 0.999 ** (i + 1))],
    updates: { 0: vector(length).values, 1: vector(length, 0.1).values, 2: squares(length) },
    tolerance: { kind: 'close', absolute: 2e-6, relative: 4e-6 } as const,
  })),
);

const ema: ConformanceCase[] = lengths.flatMap(length =>
  [0, 0.3, 0.5, 0.9, 0.999999, 1].map(decay => ({
    title: `[${length}] decay ${decay} (seed ${SEED})`,
    kernel: emaStep,
    params: {},
    inputs: [vector(length), numbers(1 - decay, decay)],
    updates: { 0: vector(length).values },
    tolerance: close,
  })),
);

function clip(
  shape: number[],
  sumOfSquares: number,
  maxNorm: number,
  note = '',
  ofScaled = Number.NaN,
): ConformanceCase {
  const length = shape.reduce((a, b) => a * b, 1);
  return {
    title: `[${shape}] sum ${sumOfSquares} to norm ${maxNorm}${note} (seed ${SEED})`,
    kernel: clipByGlobalNorm,
    params: { maxNorm, shape },
    inputs: [numbers(sumOfSquares, ofScaled)],
    updates: { 0: vector(length).values },
    tolerance: { kind: 'close', absolute: 1e-30, relative: 2e-6 },
  };
}

const clips: ConformanceCase[] = [
  ...lengths.map((length, i) => clip([length], 0.25 * 4 ** (i % 5), 2)),
  clip([3, 7], 100, 1, ', two axes'),
  clip([10], 0, 1, ', zero norm'),
  clip([0], 1, 1, ', empty'),
  clip([9], Number.POSITIVE_INFINITY, 1, ', infinite: all NaN', Number.POSITIVE_INFINITY),
  clip([9], Number.POSITIVE_INFINITY, 2, ', whose scaled sum is finite', 2 ** -20),
  clip([8], Number.POSITIVE_INFINITY, 2 ** 79, ', whose scaled sum is finite', 9),
  clip([8], Number.POSITIVE_INFINITY, 2 ** 82, ', above it', 9),
  clip([8], Number.NaN, 1, ', NaN: all NaN'),
];

// More than 65,535 workgroups of 256 elements.
const HUGE = 65_536 * 256 + 1;
const huge: ConformanceCase = {
  title: `[${HUGE}]`,
  kernel: emaStep,
  params: {},
  inputs: [{ spec: { shape: [HUGE], dtype: 'float32' }, values: new Float32Array(HUGE).fill(2) }, numbers(0.25, 0.75)],
  updates: { 0: new Float32Array(HUGE).fill(-1) },
  tolerance: close,
};

export const cases: ConformanceCase[] = [...sgd, ...adam, ...ema, ...clips, huge];
