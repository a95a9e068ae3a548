/**
 * The verdict: methods by measures, every figure with an interval that says how much of it is the choice of images. Methods
 * are compared on the same images, so differences are taken image by image before anything is averaged.
 * Everything here is plain JSON; a score that does not exist for an image (a constant map has no rank correlation) is null
 * and left out of means.
 */
import { type BootstrapOptions, FEWEST_FOR_INTERVAL, pairedBootstrap } from '../../train/comparison.ts';
import { EXEMPT, type Measure, type MeasureName, measureNamed } from './measures.ts';

/** A mean over images with its 95 % interval (see `pairedBootstrap`); both ends null where there is none. */
export interface Estimate {
  readonly mean: number;
  readonly low: number | null;
  readonly high: number | null;
  /** Images that the score exists for. */
  readonly images: number;
  /** Why there is no interval. */
  readonly reason?: string;
}

/** `low to high`, or why there is no interval. */
export function intervalText({ low, high, reason }: Estimate, format: (value: number) => string): string {
  return low === null || high === null ? `no interval: ${reason ?? 'not known'}` : `${format(low)} to ${format(high)}`;
}

export interface MethodScore {
  readonly method: string;
  readonly perImage: readonly (number | null)[];
  /** Null where the measure exists for no image (or does not fit the method). */
  readonly estimate: Estimate | null;
  /** The method less the random map, on the images that both have a score for. */
  readonly versusRandom: Estimate | null;
  /**
   * The best of the methods (baselines do not compete), or not to be told from it: `tied`, as every other method is where
   * there are too few images for an interval of the difference.
   */
  readonly rank: 'best' | 'tied' | null;
  /** Why this measure says nothing about this method. */
  readonly exempt?: string;
}

export interface JudgedMeasure extends Measure {
  readonly name: MeasureName;
  readonly images: number;
  readonly scores: readonly MethodScore[];
}

export interface JudgedMethod {
  readonly name: string;
  /** A pseudo-method that knows nothing of the network. */
  readonly isBaseline: boolean;
  /** Seconds for the maps of all images. */
  readonly seconds: number;
}

export interface Judgement {
  readonly images: number;
  readonly seed: number;
  readonly methods: readonly JudgedMethod[];
  readonly measures: readonly JudgedMeasure[];
  /** Mean Spearman correlation between methods over the garments, in the order of `methods`. */
  readonly agreement: readonly (readonly (number | null)[])[];
  /** How well the network learned the planted cue. */
  readonly cue?: { readonly accuracy: number; readonly area: number; readonly steps: number; readonly loss: number };
  /** Measures that were asked for and not reached: the run was stopped. */
  readonly missing: readonly MeasureName[];
}

/** What a measure found: per method and image, NaN where there is no score; undefined where it does not fit a method. */
export type RawScores = readonly (ArrayLike<number> | undefined)[];

/**
 * One measure's row of the table.
 *
 * @param methods in the order of `scores`
 * @param random name of the method that the others are compared with, if it is among them
 */
export function judgedMeasure(
  name: MeasureName,
  methods: readonly Pick<JudgedMethod, 'name' | 'isBaseline'>[],
  scores: RawScores,
  random: string,
  options: BootstrapOptions = {},
): JudgedMeasure {
  const measure = measureNamed(name);
  const exempt = EXEMPT[name] ?? {};
  const estimates = scores.map(of => of && estimate(of, undefined, options));
  const isBetter = (a: number, b: number): boolean =>
    measure.better === 'higher' ? a > b : measure.better === 'zero' ? Math.abs(a) < Math.abs(b) : a < b;
  let best = -1;
  methods.forEach(({ name: method, isBaseline }, m) => {
    const own = estimates[m];
    if (measure.better === 'none' || isBaseline || !own || Object.hasOwn(exempt, method)) return;
    if (best < 0 || isBetter(own.mean, estimates[best]!.mean)) best = m;
  });
  const randomScores = scores[methods.findIndex(({ name: method }) => method === random)];
  const rankOf = (m: number): MethodScore['rank'] => {
    if (m === best) return 'best';
    if (best < 0 || methods[m].isBaseline || !estimates[m] || Object.hasOwn(exempt, methods[m].name)) return null;
    const [mine, its] =
      measure.better === 'zero' ? [magnitudes(scores[m]!), magnitudes(scores[best]!)] : [scores[m]!, scores[best]!];
    const difference = estimate(mine, its, options);
    if (!difference) return null;
    const { low, high, mean, images } = difference;
    // Without an interval, a difference that is the same for all of five images or more is one; fewer tell nothing.
    const isTied = low === null || high === null ? mean === 0 || images < FEWEST_FOR_INTERVAL : low <= 0 && high >= 0;
    return isTied ? 'tied' : null;
  };
  return {
    name,
    ...measure,
    images: Math.max(0, ...scores.map(of => of?.length ?? 0)),
    scores: methods.map(({ name: method }, m) => {
      const own = scores[m];
      return {
        method,
        perImage: own ? Array.from(own, jsonNumber) : [],
        estimate: estimates[m] ?? null,
        versusRandom: own && randomScores && method !== random ? estimate(own, randomScores, options) : null,
        rank: rankOf(m),
        ...(Object.hasOwn(exempt, method) && { exempt: exempt[method] }),
      };
    }),
  };
}

const magnitudes = (scores: ArrayLike<number>): number[] => Array.from(scores, Math.abs);

/** The mean of `scores` (less `others`, image by image) with its interval; null where no image has both. */
function estimate(
  scores: ArrayLike<number>,
  others: ArrayLike<number> | undefined,
  options: BootstrapOptions,
): Estimate | null {
  const pairs = Array.from(scores, (score, image): [number, number] => [others ? others[image] : 0, score]).filter(
    ([other, score]) => Number.isFinite(other) && Number.isFinite(score),
  );
  if (pairs.length === 0) return null;
  const { estimate, low, high, reason } = pairedBootstrap(
    pairs.map(([other]) => other),
    pairs.map(([, score]) => score),
    options,
  );
  return { mean: estimate, low, high, images: pairs.length, ...(reason !== undefined && { reason }) };
}

/** Six digits are more than a score deserves; null stands for what is no number. */
export function jsonNumber(value: number): number | null {
  return Number.isFinite(value) ? Number(value.toPrecision(6)) : null;
}
