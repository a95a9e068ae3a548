/**
 * What explanations by players have in common: a value per player and class, kept for every class (they come from the same
 * evaluations), and the usual map for one class, in which a player's value is spread evenly over its part of the input, so
 * that the map adds up to what the players add up to.
 */
import { UsageError } from '../devices/errors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import {
  type CompleteAttribution,
  completeness,
  type ExplainOptions,
  explainedImages,
  readLogits,
  type Target,
  targetRows,
} from './attribution.ts';
import { type CoalitionOptions, coalitionScores, type Players } from './coalitions.ts';
import type { ChosenPlayers } from './players.ts';
import type { BlackBox } from './predict.ts';

export interface PlayerOptions extends ExplainOptions, CoalitionOptions, ChosenPlayers {}

/** The players of one image and what they are worth to each class. */
export interface PlayerValues {
  readonly players: Players;
  /** [classes, M] */
  readonly values: Float64Array;
  /** Standard errors of `values`, where the method has them. */
  readonly standardError?: Float64Array;
  /** Scores with all players present [classes]. */
  readonly present: Float64Array;
  /** Scores with all players absent: of the baseline, or the mean over a background [classes]. */
  readonly absent: Float64Array;
  /** Different coalitions that were evaluated, those two included (one where the image is the baseline). */
  readonly coalitions: number;
}

export interface PlayerAttribution extends CompleteAttribution {
  /** Per image: its players and their values for every class. */
  readonly images: readonly PlayerValues[];
  /** Per image: the values [M] for the class explained. */
  readonly playerValues: readonly Float64Array[];
  /** As `values`, where the method estimates it. */
  readonly standardError?: Float64Array;
}

/** The values of those who play, [classes, playing], as values of all players: the others have exactly 0. */
export function valuesOfAll(values: PlayerValues, playing: Int32Array, players: Players): PlayerValues {
  const classes = values.present.length;
  const spreadOut = (some: Float64Array): Float64Array => {
    const all = new Float64Array(classes * players.count);
    for (let c = 0; c < classes; c++) {
      for (const [i, player] of playing.entries()) all[c * players.count + player] = some[c * playing.length + i];
    }
    return all;
  };
  const { standardError } = values;
  return {
    ...values,
    players,
    values: spreadOut(values.values),
    ...(standardError && { standardError: spreadOut(standardError) }),
  };
}

/** What there is to say of an image that equals the baseline in every player: one evaluation, and 0 for everybody. */
export async function nobodyPlays(
  f: BlackBox,
  image: Tensor,
  players: Players,
  batchSize: number | undefined,
): Promise<PlayerValues> {
  const whole = new Uint8Array(players.count).fill(1);
  const present = await coalitionScores(f, image, players, whole, { batchSize });
  const values = new Float64Array(present.length * players.count);
  return { players, values, standardError: values.slice(), present, absent: present.slice(), coalitions: 1 };
}

/** The attribution of one class per image from the values of all. */
export function playerAttribution(
  method: string,
  shape: readonly number[],
  images: readonly PlayerValues[],
  target: Target | undefined,
): PlayerAttribution {
  const explained = explainedImages(images.length);
  const expected = new Float64Array(images.length);
  const size = shape.slice(1).reduce((a, b) => a * b, 1);
  const values = new Float64Array(images.length * size);
  const hasErrors = images.every(({ standardError }) => standardError);
  const standardError = hasErrors ? new Float64Array(values.length) : undefined;
  const playerValues = images.map((image, i) => {
    const classes = image.present.length;
    readLogits(explained, i, image.present, classes, targetRows(target, i, 1, images.length));
    const chosen = explained.target[i];
    expected[i] = image.absent[chosen];
    const own = ofClass(image.values, chosen, classes);
    spread(own, image.players, values.subarray(i * size, (i + 1) * size));
    if (standardError) {
      const errors = ofClass(image.standardError!, chosen, classes);
      spread(errors, image.players, standardError.subarray(i * size, (i + 1) * size));
    }
    return own;
  });
  const complete = completeness(values, explained.prediction, expected);
  return { method, values, shape, ...explained, ...complete, images, playerValues, standardError };
}

/** The same explanation for another class, from the evaluations already made. */
export function forTarget<T extends PlayerAttribution>(attribution: T, target: Target): T {
  const { method, shape, images } = attribution;
  return { ...attribution, ...playerAttribution(method, shape, images, target) };
}

function ofClass(values: Float64Array, chosen: number, classes: number): Float64Array {
  const count = values.length / classes;
  return values.slice(chosen * count, (chosen + 1) * count);
}

/** Each player's value, in equal parts on all its input values. */
function spread(values: Float64Array, { labels, count }: Players, into: Float64Array): void {
  const sizes = new Float64Array(count);
  for (const label of labels) sizes[label]++;
  const channels = into.length / labels.length;
  for (let k = 0; k < into.length; k++) {
    const label = labels[Math.floor(k / channels)];
    into[k] = values[label] / (sizes[label] * channels);
  }
}

/** A whole number of at least `least`, or UsageError. */
export function checkCount(count: number, least: number, what: string): number {
  if (Number.isInteger(count) && count >= least) return count;
  throw new UsageError(`${what} must be a whole number of at least ${least}, not ${count}.`);
}
