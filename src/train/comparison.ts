/**
 * Is model A better than model B, or luckier? Both were asked about the same images, so only the images on which they
 * differ can tell. McNemar's test counts those; the paired bootstrap (of few images Student's t) gives an interval for any
 * difference that is a mean over images, or any statistic of a choice of images.
 */
import { ShapeError, UsageError } from '../devices/errors.ts';
import { PhiloxStream, streamNamed } from '../kernels/random/philox.ts';
import { fairBinomialTail, studentReach } from './distributions.ts';

/** McNemar's test of two models on the same images. */
export interface McNemar {
  /** Images that only the first model has right, and only the second. */
  onlyFirst: number;
  onlySecond: number;
  /** Two-sided: the chance of a split at least this uneven if neither were better. */
  pValue: number;
  method: 'exact binomial';
}

/**
 * McNemar's test from the two discordant counts, by the binomial distribution itself whatever their size: the chi-square
 * approximation, usual from 25 on, is far off in the tails (for 0 against 25 its p is 27 times too large). Where no image is
 * discordant p is 1.
 *
 * Q. McNemar: Note on the sampling error of the difference between correlated proportions. Psychometrika 12, 1947.
 *
 * @throws UsageError for counts that are no whole numbers of at least 0
 */
export function mcNemarFromCounts(onlyFirst: number, onlySecond: number): McNemar {
  for (const count of [onlyFirst, onlySecond]) {
    if (!(Number.isSafeInteger(count) && count >= 0))
      throw new UsageError(`McNemar's test counts images in whole numbers of at least 0, not ${count}.`);
  }
  const tail = fairBinomialTail(Math.min(onlyFirst, onlySecond), onlyFirst + onlySecond);
  return { onlyFirst, onlySecond, pValue: Math.min(1, 2 * tail), method: 'exact binomial' };
}

/**
 * McNemar's test of two models' predictions.
 *
 * @param first predicted classes `[N]`
 * @param second predicted classes `[N]`
 * @param labels `[N]`, at least one
 */
export function mcNemar(first: ArrayLike<number>, second: ArrayLike<number>, labels: ArrayLike<number>): McNemar {
  if (first.length !== labels.length || second.length !== labels.length) {
    throw new ShapeError(
      `Predictions for ${first.length} and ${second.length} images do not fit ${labels.length} labels.`,
    );
  }
  if (labels.length === 0) throw new UsageError('There are no images to compare two models on.');
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

/** A statistic with its interval. */
export interface BootstrapInterval {
  /** The statistic of all images, each once. */
  estimate: number;
  /** Null where there is no interval; `reason` says why. */
  low: number | null;
  high: number | null;
  /** How sure the interval is. */
  level: number;
  /** Resamples drawn; 0 where the interval is no bootstrap. */
  resamples: number;
  /** What the interval was made by. */
  method: IntervalMethod;
  /** Why there is no interval, in a few words. */
  reason?: string;
}

export type IntervalMethod = 'bootstrap' | "Student's t" | 'none';

export interface BootstrapOptions {
  seed?: number;
  resamples?: number;
  level?: number;
}

/** Fewer images than these say too little of how images differ for any interval. */
export const FEWEST_FOR_INTERVAL = 5;
/** Drawn anew from fewer images than these, means spread too little: the interval of a mean is Student's t there. */
export const FEWEST_FOR_BOOTSTRAP = 30;

const BOOTSTRAP_STREAM = streamNamed('bootstrap');

/**
 * Percentile bootstrap interval of any statistic of `count` images: images are drawn with replacement, `count` at a time. From
 * fewer than five images there is none (of two, it would hold the truth 50 times in 100, not 95); for a mean of few there is
 * `pairedBootstrap`.
 *
 * B. Efron, R. J. Tibshirani: An introduction to the bootstrap, chapter 13. Chapman & Hall, 1993.
 *
 * @param statistic of images by index, with repetitions; the array is reused between calls
 * @throws UsageError for options out of range, or a statistic that is not finite
 */
export function bootstrapInterval(
  count: number,
  statistic: (indices: Uint32Array) => number,
  options: BootstrapOptions = {},
): BootstrapInterval {
  const { seed = 0, resamples = 2000, level = 0.95 } = checkBootstrap(options);
  if (!Number.isInteger(count) || count < 1) {
    throw new UsageError(`A bootstrap needs a whole number of at least one image, not ${count}.`);
  }
  const indices = Uint32Array.from({ length: count }, (_, index) => index);
  const finite = (value: number): number => {
    if (Number.isFinite(value)) return value;
    throw new UsageError(`The statistic to give an interval for is ${value}.`);
  };
  const estimate = finite(statistic(indices));
  if (count < FEWEST_FOR_INTERVAL) return noInterval(estimate, level, tooFew(count));
  const random = new PhiloxStream(seed, BOOTSTRAP_STREAM);
  const values = new Float64Array(resamples);
  for (let resample = 0; resample < resamples; resample++) {
    for (let draw = 0; draw < count; draw++) indices[draw] = random.below(count);
    values[resample] = finite(statistic(indices));
  }
  values.sort();
  const tail = (1 - level) / 2;
  const [low, high] = [quantile(values, tail), quantile(values, 1 - tail)];
  return { estimate, low, high, level, resamples, method: 'bootstrap' };
}

/** The options, when they can be meant. */
export function checkBootstrap(options: BootstrapOptions): BootstrapOptions {
  const { resamples = 2000, level = 0.95 } = options;
  if (!(level > 0 && level < 1)) throw new UsageError(`The level of an interval lies between 0 and 1, not ${level}.`);
  if (!Number.isInteger(resamples) || resamples < 100) {
    throw new UsageError(`A bootstrap interval needs at least 100 resamples, not ${resamples}.`);
  }
  return options;
}

function noInterval(estimate: number, level: number, reason: string): BootstrapInterval {
  return { estimate, low: null, high: null, level, resamples: 0, method: 'none', reason };
}

const tooFew = (count: number): string =>
  `${count} ${count === 1 ? 'image is' : 'images are'} too few, it takes ${FEWEST_FOR_INTERVAL}`;

/**
 * The mean of `second - first` over the same images, with its interval (e.g. 0/1 for wrong/right): the bootstrap's from 30 images
 * on; Student's t from 5 to 29, where the bootstrap's is too narrow (of 5 normal values it holds the truth 82 times in 100, not
 * 95); none below 5, nor where as few are all equal, which says nothing of how images differ.
 *
 * @throws UsageError for a value that is not finite, or options out of range
 */
export function pairedBootstrap(
  first: ArrayLike<number>,
  second: ArrayLike<number>,
  options: BootstrapOptions = {},
): BootstrapInterval {
  if (first.length !== second.length) {
    throw new ShapeError(`A paired bootstrap needs pairs; there are ${first.length} and ${second.length} values.`);
  }
  const differences = Float64Array.from(first, (value, index) => second[index] - value);
  const bad = differences.findIndex(difference => !Number.isFinite(difference));
  if (bad >= 0) {
    throw new UsageError(
      `A paired bootstrap needs finite values; those of image ${bad} are ${first[bad]} and ${second[bad]}.`,
    );
  }
  const mean = (indices: Uint32Array): number => {
    let total = 0;
    for (const index of indices) total += differences[index];
    return total / indices.length;
  };
  const count = differences.length;
  if (count < FEWEST_FOR_INTERVAL || count >= FEWEST_FOR_BOOTSTRAP) return bootstrapInterval(count, mean, options);
  return studentInterval(differences, checkBootstrap(options).level ?? 0.95);
}

/** Student's t interval of the mean of few values. */
function studentInterval(values: Float64Array, level: number): BootstrapInterval {
  const count = values.length;
  // From the first value, so that equal ones have no spread at all.
  const shift = values.reduce((sum, value) => sum + (value - values[0]), 0) / count;
  const estimate = values[0] + shift;
  const squares = values.reduce((sum, value) => sum + (value - values[0] - shift) ** 2, 0);
  if (squares === 0)
    return noInterval(estimate, level, `all ${count} values are equal, which says nothing of their spread`);
  const reach = studentReach(level, count - 1) * Math.sqrt(squares / (count - 1) / count);
  return { estimate, low: estimate - reach, high: estimate + reach, level, resamples: 0, method: "Student's t" };
}

/**
 * The q-quantile of ascending values, between the two nearest by linear interpolation (NumPy's default).
 * @throws UsageError for no values, or a q outside [0, 1]
 */
export function quantile(ascending: ArrayLike<number>, q: number): number {
  if (ascending.length === 0) throw new UsageError('There are no values to take a quantile of.');
  if (!(q >= 0 && q <= 1)) throw new UsageError(`A quantile lies between 0 and 1, not at ${q}.`);
  const place = q * (ascending.length - 1);
  const below = Math.floor(place);
  const above = Math.min(below + 1, ascending.length - 1);
  return ascending[below] + (place - below) * (ascending[above] - ascending[below]);
}
