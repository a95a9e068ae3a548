/**
 * Which coalitions KernelSHAP asks about, and with what weight. The Shapley kernel gives almost all of its weight to very
 * small and very large coalitions, of which there are few: those sizes are asked completely, from the outside in, and only
 * what is left of the budget is spent on random coalitions of the sizes between, each together with its complement.
 *
 * S. M. Lundberg, S.-I. Lee: A unified approach to interpreting model predictions. NeurIPS 2017. (shap: KernelExplainer.)
 */
import { UsageError } from '../devices/errors.ts';
import type { PhiloxStream } from '../kernels/random/philox.ts';

export interface WeightedCoalitions {
  /** [K, M]: 1 where a player is present. No row twice, none empty, none full. */
  readonly masks: Uint8Array;
  /** [K], adding up to 1 unless some sizes got no coalition at all. */
  readonly weights: Float64Array;
  /** Sizes s that are enumerated completely, together with M - s. */
  readonly enumerated: readonly number[];
  /** Every coalition there is. */
  readonly isComplete: boolean;
}

/** n over k; Infinity where float64 cannot hold it. */
export function binomial(n: number, k: number): number {
  let result = 1;
  for (let i = 1; i <= Math.min(k, n - k); i++) result = (result * (n - Math.min(k, n - k) + i)) / i;
  return Number.isFinite(result) && result < Number.MAX_SAFE_INTEGER ? Math.round(result) : result;
}

/** The Shapley kernel: the weight of one coalition of `size` among `players`, (M - 1) / (C(M, s) s (M - s)). */
export function kernelWeight(players: number, size: number): number {
  if (!(Number.isInteger(size) && size >= 1 && size < players)) {
    throw new UsageError(`The Shapley kernel weighs coalitions of 1 to ${players - 1} players, not ${size}.`);
  }
  return (players - 1) / (binomial(players, size) * size * (players - size));
}

/** Coalitions that are neither empty nor full; Infinity beyond float64. */
export function properCoalitions(players: number): number {
  return 2 ** players - 2;
}

/** 2 M + 2048, at most all there are. */
export function defaultBudget(players: number): number {
  return Math.min(2 * players + 2048, properCoalitions(players));
}

/** A size s up to M / 2 together with M - s. */
interface SizePair {
  readonly size: number;
  /** Coalitions of either size. */
  readonly subsets: number;
  /** Kernel weight of all of them, normalised over all sizes. */
  readonly weight: number;
}

function sizePairs(players: number): SizePair[] {
  const pairs = Array.from({ length: Math.floor(players / 2) }, (_, i) => {
    const size = i + 1;
    const isMiddle = 2 * size === players;
    return {
      size,
      subsets: binomial(players, size) * (isMiddle ? 1 : 2),
      weight: ((players - 1) / (size * (players - size))) * (isMiddle ? 1 : 2),
    };
  });
  const total = pairs.reduce((sum, { weight }) => sum + weight, 0);
  return pairs.map(pair => ({ ...pair, weight: pair.weight / total }));
}

/**
 * At most `budget` different coalitions of `players` players. A size is enumerated while the random draws that it would get
 * (its share of the weight still left, times the budget still left) are at least as many as it has coalitions. A coalition
 * drawn again gains weight; the drawn ones together carry the weight of the sizes not enumerated.
 *
 * @param players at least 1 (one alone has no proper coalition)
 * @param budget at least 2; drawn coalitions come in pairs, so an odd rest leaves one unused
 * @throws UsageError for players or a budget that are no whole numbers
 */
export function kernelCoalitions(players: number, budget: number, random: PhiloxStream): WeightedCoalitions {
  if (!(Number.isInteger(players) && players >= 1))
    throw new UsageError(`Coalitions are made of a whole number of at least 1 player, not ${players}.`);
  if (!(Number.isInteger(budget) && budget >= 0))
    throw new UsageError(`A budget is a whole number of coalitions, not ${budget}.`);
  const all = properCoalitions(players);
  const most = Math.min(budget, all);
  const masks = new Uint8Array(most * players);
  const weights = new Float64Array(most);
  const enumerated: number[] = [];
  let rows = 0;
  const addPair = (members: readonly number[], weight: number): void => {
    masks.fill(1, (rows + 1) * players, (rows + 2) * players);
    for (const member of members) {
      masks[rows * players + member] = 1;
      masks[(rows + 1) * players + member] = 0;
    }
    weights[rows++] = weight;
    weights[rows++] = weight;
  };
  const pairs = sizePairs(players);
  let weightLeft = 1;
  while (enumerated.length < pairs.length) {
    const { size, subsets, weight } = pairs[enumerated.length];
    if (((most - rows) * weight) / weightLeft / subsets < 1 - 1e-8) break;
    // Of the middle size, the coalitions with player 0 and their complements are all there are.
    for (const members of subsetsOf(players, size, 2 * size === players)) addPair(members, weight / subsets);
    enumerated.push(size);
    weightLeft = pairs.slice(enumerated.length).reduce((sum, pair) => sum + pair.weight, 0);
  }
  const rest = pairs.slice(enumerated.length);
  const drawnFrom = rows;
  if (rest.length > 0) {
    const seen = new Map<string, number>();
    const room = most - rows;
    for (let draws = 0; rows + 2 <= most && draws < 4 * room; draws++) {
      const members = randomSubset(players, randomSize(rest, weightLeft, random), random);
      const key = members.join();
      const row = seen.get(key);
      if (row === undefined) {
        seen.set(key, rows);
        addPair(members, 1);
      } else {
        weights[row]++;
        weights[row + 1]++;
      }
    }
    const drawn = weights.subarray(drawnFrom, rows);
    const total = drawn.reduce((sum, weight) => sum + weight, 0);
    for (let i = 0; i < drawn.length; i++) drawn[i] *= weightLeft / total;
  }
  return {
    masks: masks.subarray(0, rows * players),
    weights: weights.subarray(0, rows),
    enumerated,
    isComplete: rows === all,
  };
}

/** Members of every subset of `size` of 0 .. n - 1, in lexicographic order; only those with 0 where `withFirst`. */
function* subsetsOf(n: number, size: number, withFirst: boolean): Generator<readonly number[]> {
  const members = Array.from({ length: size }, (_, i) => i);
  for (;;) {
    yield members;
    let at = size - 1;
    while (at >= 0 && members[at] === n - size + at) at--;
    if (at < 0 || (withFirst && at === 0)) return;
    members[at]++;
    for (let i = at + 1; i < size; i++) members[i] = members[i - 1] + 1;
  }
}

function randomSize(rest: readonly SizePair[], weightLeft: number, random: PhiloxStream): number {
  let point = random.uniform() * weightLeft;
  for (const { size, weight } of rest) if ((point -= weight) < 0) return size;
  return rest[rest.length - 1].size;
}

/** Sorted; of the two halves of a middle-sized cut, the one with player 0, so that a pair has one name. */
function randomSubset(players: number, size: number, random: PhiloxStream): number[] {
  const order = Array.from({ length: players }, (_, i) => i);
  for (let i = 0; i < size; i++) {
    const j = i + random.below(players - i);
    [order[i], order[j]] = [order[j], order[i]];
  }
  const drawn = order.slice(0, size);
  const members = 2 * size === players && !drawn.includes(0) ? order.slice(size) : drawn;
  return members.sort((a, b) => a - b);
}
