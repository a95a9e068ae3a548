/**
 * Is model A better than model B, or luckier? Both were asked about the same images, so only the images on which they
 * differ can tell. McNemar's test counts those; the paired bootstrap gives an interval for any difference that is a mean
 * over images, or any statistic of a choice of images.
 */
import { ShapeError, UsageError } from '../devices/errors.ts';
import { PhiloxStream, streamNamed } from '../kernels/random/philox.ts';

/** McNemar's test of two models on the same images. */
export interface McNemar {
  /** Images that only the first model has right, and only the second. */
  onlyFirst: number;
  onlySecond: number;
  /** Two-sided: the chance of a split at least this uneven if neither were better. */
  pValue: number;
  method: 'exact binomial' | 'chi-square with continuity correction';
  /** The chi-square statistic, where that is the method. */
  statistic?: number;
}

/** Below this many discordant images the binomial distribution itself is summed. */
const EXACT_BELOW = 25;

/**
 * McNemar's test from the two discordant counts: the exact binomial test below 25 of them, else the chi-square
 * approximation (|b - c| - 1)^2 / (b + c) with Edwards's continuity correction and one degree of freedom.
 *
 * Q. McNemar: Note on the sampling error of the difference between correlated proportions. Psychometrika 12, 1947.
 */
export function mcNemarFromCounts(onlyFirst: number, onlySecond: number): McNemar {
  const discordant = onlyFirst + onlySecond;
  if (discordant < EXACT_BELOW) {
    // Binomial coefficients below 2^24: exact in float64.
    let coefficient = 1;
    let tail = 0;
    for (let k = 0; k <= Math.min(onlyFirst, onlySecond); k++) {
      tail += coefficient;
      coefficient = (coefficient * (discordant - k)) / (k + 1);
    }
    return { onlyFirst, onlySecond, pValue: Math.min(1, 2 * tail * 2 ** -discordant), method: 'exact binomial' };
  }
  const statistic = Math.max(0, Math.abs(onlyFirst - onlySecond) - 1) ** 2 / discordant;
  const pValue = complementaryError(Math.sqrt(statistic / 2));
  return { onlyFirst, onlySecond, pValue, method: 'chi-square with continuity correction', statistic };
}

/**
 * McNemar's test of two models' predictions.
 *
 * @param first predicted classes `[N]`
 * @param second predicted classes `[N]`
 * @param labels `[N]`
 */
export function mcNemar(first: ArrayLike<number>, second: ArrayLike<number>, labels: ArrayLike<number>): McNemar {
  if (first.length !== labels.length || second.length !== labels.length) {
    throw new ShapeError(
      `Predictions for ${first.length} and ${second.length} images do not fit ${labels.length} labels.`,
    );
  }
  let onlyFirst = 0;
  let onlySecond = 0;
  for (let image = 0; image < labels.length; image++) {
    const firstRight = first[image] === labels[image];
    const secondRight = second[image] === labels[image];
    if (firstRight && !secondRight) onlyFirst++;
    if (secondRight && !firstRight) onlySecond++;
  }
  return mcNemarFromCounts(onlyFirst, onlySecond);
}

/**
 * erfc(x) for x >= 0: below 2 the series of erf, whose terms are all positive; from 2 on Laplace's continued fraction,
 * evaluated from its end. Relative error about 1e-13.
 *
 * NIST Digital Library of Mathematical Functions, 7.6.2 and 7.9.1.
 */
export function complementaryError(x: number): number {
  const gaussian = Math.exp(-x * x);
  if (x < 2) {
    let term = x;
    let total = x;
    for (let n = 1; term > total * 1e-17; n++) {
      term *= (2 * x * x) / (2 * n + 1);
      total += term;
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * gaussian * total;
  }
  let fraction = x;
  for (let n = 100; n >= 1; n--) fraction = x + n / 2 / fraction;
  return gaussian / (Math.sqrt(Math.PI) * fraction);
}

/** A statistic with its bootstrap interval. */
export interface BootstrapInterval {
  /** The statistic of all images, each once. */
  estimate: number;
  low: number;
  high: number;
  /** How much of the bootstrap distribution lies between low and high. */
  level: number;
  resamples: number;
}

export interface BootstrapOptions {
  seed?: number;
  resamples?: number;
  level?: number;
}

const BOOTSTRAP_STREAM = streamNamed('bootstrap');

/**
 * Percentile bootstrap interval of any statistic of `count` images: images are drawn with replacement, `count` at a time.
 *
 * B. Efron, R. J. Tibshirani: An introduction to the bootstrap, chapter 13. Chapman & Hall, 1993.
 *
 * @param statistic of images by index, with repetitions; the array is reused between calls
 */
export function bootstrapInterval(
  count: number,
  statistic: (indices: Uint32Array) => number,
  { seed = 0, resamples = 2000, level = 0.95 }: BootstrapOptions = {},
): BootstrapInterval {
  if (!(count >= 1)) throw new UsageError('A bootstrap needs at least one image.');
  if (!(level > 0 && level < 1)) throw new UsageError(`The level of an interval lies between 0 and 1, not ${level}.`);
  if (!Number.isInteger(resamples) || resamples < 100) {
    throw new UsageError(`A bootstrap interval needs at least 100 resamples, not ${resamples}.`);
  }
  const random = new PhiloxStream(seed, BOOTSTRAP_STREAM);
  const indices = Uint32Array.from({ length: count }, (_, index) => index);
  const estimate = statistic(indices);
  const values = new Float64Array(resamples);
  for (let resample = 0; resample < resamples; resample++) {
    for (let draw = 0; draw < count; draw++) indices[draw] = random.below(count);
    values[resample] = statistic(indices);
  }
  values.sort();
  const tail = (1 - level) / 2;
  return { estimate, low: quantile(values, tail), high: quantile(values, 1 - tail), level, resamples };
}

/** The mean of `second - first` over the same images, with its bootstrap interval (e.g. 0/1 for wrong/right). */
export function pairedBootstrap(
  first: ArrayLike<number>,
  second: ArrayLike<number>,
  options: BootstrapOptions = {},
): BootstrapInterval {
  if (first.length !== second.length) {
    throw new ShapeError(`A paired bootstrap needs pairs; there are ${first.length} and ${second.length} values.`);
  }
  const differences = Float64Array.from(first, (value, index) => second[index] - value);
  const mean = (indices: Uint32Array): number => {
    let total = 0;
    for (const index of indices) total += differences[index];
    return total / indices.length;
  };
  return bootstrapInterval(differences.length, mean, options);
}

/** The q-quantile of ascending values, between the two nearest by linear interpolation (NumPy's default). */
export function quantile(ascending: ArrayLike<number>, q: number): number {
  const place = q * (ascending.length - 1);
  const below = Math.floor(place);
  const above = Math.min(below + 1, ascending.length - 1);
  return ascending[below] + (place - below) * (ascending[above] - ascending[below]);
}
