/**
 * Shapley values by their definition: what a player adds to the others, averaged over every order in which the players may
 * come. Over all coalitions for few players, which judges every estimate; over random orders with standard errors for more.
 *
 * L. S. Shapley: A value for n-person games. 1953. E. Strumbelj, I. Kononenko: An efficient explanation of individual
 * classifications using game theory. JMLR 11, 2010.
 */
import { UsageError } from '../devices/errors.ts';
import { PhiloxStream, streamNamed } from '../kernels/random/philox.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { FloatArray } from './attribution.ts';
import { coalitionScores, masksOfAll, type Players, varyingPlayers } from './coalitions.ts';
import { checkImages } from './evaluation.ts';
import { RunningMoments } from './gradients.ts';
import { keysOf } from './image-keys.ts';
import { binomial } from './kernel-coalitions.ts';
import {
  checkCount,
  nobodyPlays,
  type PlayerAttribution,
  type PlayerOptions,
  type PlayerValues,
  playerAttribution,
  valuesOfAll,
} from './player-attribution.ts';
import { explainEach } from './players.ts';
import type { BlackBox } from './predict.ts';

const MOST_PLAYERS = 16;

/**
 * Shapley values from all 2^M coalitions of the M players that differ from the baseline; the others get exactly 0.
 *
 * @param f a model (its logits), or any function of images [N, ...] to scores [N, K]
 * @param x images [N, ...]
 * @throws UsageError for more than 16 such players; as `coalitionScores`
 */
export async function exactShapley(f: BlackBox, x: Tensor, options: PlayerOptions = {}): Promise<PlayerAttribution> {
  const { target, baseline, batchSize } = options;
  const images = await explainEach(x, options, async (image, players) => {
    const playing = await varyingPlayers(image, players, baseline);
    const { length: count } = playing;
    if (count === 0) return nobodyPlays(f, image, players, batchSize);
    if (count > MOST_PLAYERS) {
      throw new UsageError(
        `Exact Shapley values of ${count} players need 2^${count} evaluations; the limit is ${MOST_PLAYERS} players. ` +
          'Use kernelShap or permutationShapley.',
      );
    }
    // Coalition k has player i when bit i of k is set.
    const masks = Uint8Array.from({ length: count << count }, (_, at) => (Math.floor(at / count) >> (at % count)) & 1);
    const all = masksOfAll(masks, playing, players.count);
    const scores = await coalitionScores(f, image, players, all, { baseline, batchSize });
    return valuesOfAll(shapleyOfGame({ ...players, count }, scores), playing, players);
  });
  return playerAttribution('exact-shapley', x.shape, images, target);
}

/** Shapley values of the game whose coalition k (bit i: player i) is worth scores[k, class]. */
function shapleyOfGame(players: Players, scores: Float64Array): PlayerValues {
  const { count } = players;
  const coalitions = 2 ** count;
  const classes = scores.length / coalitions;
  // The share of the M! orders in which a player comes after s others: (M - 1 - s)! s! / M! = 1 / (M C(M - 1, s)).
  const orderShare = Float64Array.from({ length: count }, (_, s) => 1 / (count * binomial(count - 1, s)));
  const [absent, present] = [scores.slice(0, classes), scores.slice((coalitions - 1) * classes)];
  const values = new Float64Array(classes * count);
  for (let k = 0; k < coalitions; k++) {
    let size = 0;
    for (let i = 0; i < count; i++) size += (k >> i) & 1;
    for (let i = 0; i < count; i++) {
      const weight = (k >> i) & 1 ? orderShare[size - 1] : -orderShare[size];
      for (let c = 0; c < classes; c++) values[c * count + i] += weight * (scores[k * classes + c] - absent[c]);
    }
  }
  return { players, values, present, absent, coalitions };
}

export interface PermutationShapleyOptions extends PlayerOptions {
  /** Random orders, each of M - 1 evaluations. Default 100, at least 2. */
  readonly permutations?: number;
  readonly seed?: number;
}

export interface PermutationShapleyAttribution extends PlayerAttribution {
  readonly standardError: Float64Array;
}

/** Orders whose coalitions are composed at once: enough for full batches, few enough to be small. */
const COALITIONS_AT_ONCE = 1024;

/**
 * Shapley values estimated from random orders of the players, with the standard error of each (sd / sqrt(permutations)).
 * Unbiased, and the values add up exactly, since those of every single order do. Players that equal the baseline do not play
 * and get exactly 0. The orders follow from the seed and the image alone, wherever it stands in the batch.
 *
 * @param f a model (its logits), or any function of images [N, ...] to scores [N, K]
 * @param x images [N, ...]
 */
export async function permutationShapley(
  f: BlackBox,
  x: Tensor,
  options: PermutationShapleyOptions = {},
): Promise<PermutationShapleyAttribution> {
  const { seed = 0, target, baseline, batchSize } = options;
  const permutations = checkCount(options.permutations ?? 100, 2, 'The permutations');
  checkImages(x);
  const keys = keysOf(options.keys, (await x.data()) as FloatArray, x.shape[0]);
  const images = await explainEach(x, options, async (image, players, index) => {
    const playing = await varyingPlayers(image, players, baseline);
    const { length: count } = playing;
    if (count === 0) return nobodyPlays(f, image, players, batchSize);
    const random = new PhiloxStream(seed, streamNamed('permutation-shapley'), keys[index]);
    const scoresOf = (masks: Uint8Array) =>
      coalitionScores(f, image, players, masksOfAll(masks, playing, players.count), { baseline, batchSize });
    const ends = new Uint8Array(2 * count).fill(1, 0, count);
    const atEnds = await scoresOf(ends);
    const classes = atEnds.length / 2;
    const [present, absent] = [atEnds.slice(0, classes), atEnds.slice(classes)];
    const moments = new RunningMoments(classes * count);
    const atOnce = Math.max(1, Math.floor(COALITIONS_AT_ONCE / count));
    for (let done = 0; done < permutations; done += atOnce) {
      const orders = Array.from({ length: Math.min(atOnce, permutations - done) }, () => randomOrder(count, random));
      const masks = count > 1 ? growingCoalitions(orders, count) : ends;
      const scores = await scoresOf(masks);
      const values = new Float64Array(classes * count);
      for (const [k, order] of orders.entries()) {
        for (let c = 0; c < classes; c++) {
          let before = absent[c];
          for (const [step, player] of order.entries()) {
            const isLast = step === count - 1;
            const after = isLast ? present[c] : scores[(k * (count - 1) + step) * classes + c];
            values[c * count + player] = after - before;
            before = after;
          }
        }
        moments.add(values);
      }
    }
    const { mean, standardError } = moments.summary();
    const coalitions = 2 + permutations * (count - 1);
    const values = { players, values: mean, standardError, present, absent, coalitions };
    return valuesOfAll(values, playing, players);
  });
  const attribution = playerAttribution('permutation-shapley', x.shape, images, target);
  return { ...attribution, standardError: attribution.standardError! };
}

/** For each order, the coalitions of its first 1, 2, ... M - 1 players. */
function growingCoalitions(orders: readonly Int32Array[], count: number): Uint8Array {
  const masks = new Uint8Array(orders.length * (count - 1) * count);
  let row = 0;
  for (const order of orders) {
    for (let step = 0; step < count - 1; step++, row += count) {
      if (step > 0) masks.copyWithin(row, row - count, row);
      masks[row + order[step]] = 1;
    }
  }
  return masks;
}

function randomOrder(count: number, random: PhiloxStream): Int32Array {
  const order = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}
