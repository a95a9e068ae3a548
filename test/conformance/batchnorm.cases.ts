/**
 * Batch normalisation over channel counts that are and are not multiples of the vector width, counts with and without a
 * tail, one value per channel, many channels, many rows, a mean far larger than the deviation, and non-finite values.
 * Inverse roots and sums in float32 allow a few units in the last place; sums over `count` values grow with its root.
 */
import {
  batchNormEval,
  batchNormEvalGradient,
  batchNormTrain,
  batchNormTrainGradient,
} from '../../src/kernels/batchnorm/index.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import type { ConformanceCase, Tolerance } from './cases.ts';

const SEED = 20262;
const stream = new PhiloxStream(SEED);

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, extent) => product * extent, 1);
const floats = (shape: readonly number[], make: (i: number) => number) => ({
  spec: { shape, dtype: 'float32' } as const,
  values: Float32Array.from({ length: sizeOf(shape) }, (_, i) => make(i)),
});
const between = (low: number, high: number) => () => low + (high - low) * stream.uniform();
const close = (absolute: number, relative = 1e-5): Tolerance => ({ kind: 'close', absolute, relative });

interface Data {
  readonly mean?: number;
  readonly deviation?: number;
}

function images(shape: readonly number[], { mean = 0.3, deviation = 1 }: Data = {}) {
  return floats(shape, () => mean + deviation * (stream.uniform() + stream.uniform() + stream.uniform() - 1.5) * 2);
}

const vectors = (channels: number) => ({
  gamma: floats([channels], between(0.5, 1.5)),
  beta: floats([channels], between(-0.5, 0.5)),
  mean: floats([channels], between(-0.5, 0.5)),
  variance: floats([channels], between(0.5, 2)),
});

/** The four kernels on x of one shape. */
function family(shape: readonly number[], activation: 'none' | 'relu', residual: boolean, data: Data = {}) {
  const channels = shape[shape.length - 1];
  const count = sizeOf(shape) / channels;
  const { gamma, beta, mean, variance } = vectors(channels);
  const x = images(shape, data);
  const dy = images(shape);
  const added = residual ? [images(shape)] : [];
  const y = floats(shape, () => (activation === 'relu' ? Math.max(stream.uniform() - 0.4, 0) : stream.uniform() - 0.5));
  const title = `[${shape}] ${activation}${residual ? ' residual' : ''} seed ${SEED}`;
  const sums = close(4e-6 * (4 + Math.sqrt(count)));
  const cases: ConformanceCase[] = [
    {
      title,
      kernel: batchNormTrain,
      params: { epsilon: 1e-5, momentum: 0.1, activation },
      inputs: [x, gamma, beta, ...added],
      updates: { 3: mean.values, 4: variance.values },
      tolerance: [close(3e-6, 3e-6), close(3e-7, 3e-7), close(0, 3e-6), close(1e-6), close(1e-6)],
    },
    {
      title,
      kernel: batchNormEval,
      params: { epsilon: 1e-3, activation },
      inputs: [x, gamma, beta, mean, variance, ...added],
      tolerance: close(1e-5 * Math.max(1, Math.abs(data.mean ?? 0))),
    },
    {
      title,
      kernel: batchNormTrainGradient,
      params: { activation, residual },
      inputs: [images(shape), y, dy, gamma, mean, variance],
      tolerance: [close(2e-5), sums, sums, close(0, 0)],
    },
    {
      title,
      kernel: batchNormEvalGradient,
      params: { epsilon: 1e-5, activation, residual },
      inputs: [images(shape), y, dy, gamma, mean, variance],
      tolerance: [close(1e-5), sums, sums, close(0, 0)],
    },
  ];
  // Training refuses a single value per channel.
  return count === 1 ? cases.slice(1) : cases;
}

const onlyForward = (cases: readonly ConformanceCase[]) => cases.slice(0, 2);

/** One NaN: its channel is lost, and says so in every statistic; the other channels are not touched. */
function notFinite(channels: number): ConformanceCase[] {
  const [train, evaluate] = family([6, 3, channels], 'relu', false).map(each => {
    const values = Float32Array.from(each.inputs[0].values);
    values[7 * channels + 1] = Number.NaN;
    return { ...each, title: `NaN ${each.title}`, inputs: [{ ...each.inputs[0], values }, ...each.inputs.slice(1)] };
  });
  return [train, evaluate];
}

const all: ConformanceCase[] = [
  ...family([1, 1], 'none', false),
  ...family([2, 1], 'relu', true),
  ...family([5, 3], 'relu', false),
  ...family([16, 10], 'none', true),
  ...family([4, 5, 6, 3], 'relu', true),
  ...family([2, 7, 7, 8], 'relu', false),
  ...family([3, 5, 5, 32], 'relu', true),
  ...family([1, 1, 1, 33], 'none', false),
  ...family([3, 257], 'relu', false),
  ...family([7, 1028], 'none', true),
  ...family([4, 33, 31, 20], 'relu', true),
  ...family([5, 15, 13, 64], 'relu', false),
  ...family([3, 9, 7, 128], 'relu', false),
  ...family([3, 17, 19, 130], 'relu', true),
  ...family([2, 12, 12, 512], 'relu', false),
  ...family([2, 64, 64, 12], 'none', false),
  ...family([65_539, 4], 'relu', false),
  ...family([70_001, 1], 'relu', true),
  ...onlyForward(family([8, 9, 9, 16], 'none', false, { mean: 50, deviation: 0.05 })),
  ...onlyForward(family([9, 9, 7], 'none', false, { mean: -1000, deviation: 0.5 })),
  ...notFinite(4),
  ...notFinite(5),
];

/** No rows: nothing to normalise, and gradients of parameters that are zero. */
{
  const { gamma, beta, mean, variance } = vectors(5);
  const none = floats([0, 3, 5], () => 0);
  all.push(
    {
      title: 'no rows',
      kernel: batchNormEval,
      params: { epsilon: 1e-5, activation: 'none' },
      inputs: [none, gamma, beta, mean, variance],
      tolerance: { kind: 'exact' },
    },
    {
      title: 'no rows',
      kernel: batchNormEvalGradient,
      params: { epsilon: 1e-5, activation: 'relu', residual: true },
      inputs: [none, none, none, gamma, mean, variance],
      tolerance: { kind: 'exact' },
    },
  );
}

export const cases = all.map(one => ({ ...one, title: `${one.kernel.name} ${one.title}` }));
