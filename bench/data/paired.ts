/** Few measurements and their differences, pair by pair. */

import { studentReach } from '../../src/train/distributions.ts';

export interface Spread {
  readonly mean: number;
  /** Sample standard deviation; null for one value. */
  readonly sd: number | null;
}

export function spreadOf(values: readonly number[]): Spread {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, sd: values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : null };
}

export interface PairedDifference extends Spread {
  readonly differences: readonly number[];
  /** Student's 95 % interval of the mean difference; null for one pair. */
  readonly ci95: readonly [number, number] | null;
}

/** First less second, pair by pair. */
export function differenceOf(first: readonly number[], second: readonly number[]): PairedDifference {
  if (first.length !== second.length) throw new Error(`${first.length} and ${second.length} values are no pairs.`);
  const differences = first.map((value, i) => value - second[i]);
  const { mean, sd } = spreadOf(differences);
  const reach =
    sd === null ? undefined : (studentReach(0.95, differences.length - 1) * sd) / Math.sqrt(differences.length);
  return { differences, mean, sd, ci95: reach === undefined ? null : [mean - reach, mean + reach] };
}
