/**
 * Ranks, and what is made of them: Spearman's correlation (does one measure order things as another does?) and the
 * separation of two groups by a score (does a confidence tell foreign images from known ones?). Equal values share the
 * mean of the ranks they cover, which is what makes both right under ties.
 */
import { ShapeError, UsageError } from '../devices/errors.ts';

/**
 * Ranks from 1; equal values get the mean of theirs.
 *
 * @throws UsageError for NaN, which has no place in an order
 */
export function averageRanks(values: ArrayLike<number>): Float64Array {
  const order = sortedOrder(values);
  const ranks = new Float64Array(values.length);
  for (let first = 0; first < order.length; ) {
    let end = first + 1;
    while (end < order.length && values[order[end]] === values[order[first]]) end++;
    for (let place = first; place < end; place++) ranks[order[place]] = (first + 1 + end) / 2;
    first = end;
  }
  return ranks;
}

function sortedOrder(values: ArrayLike<number>): Uint32Array {
  const order = Uint32Array.from({ length: values.length }, (_, index) => index);
  for (let index = 0; index < values.length; index++) {
    if (Number.isNaN(values[index]))
      throw new UsageError(`Value ${index} of ${values.length} is NaN and cannot be ranked.`);
  }
  return order.sort((a, b) => (values[a] < values[b] ? -1 : values[a] > values[b] ? 1 : a - b));
}

/**
 * Pearson's correlation; NaN where one side is constant.
 * @throws UsageError for fewer than two pairs, or a value that is not finite; ShapeError when there are no pairs
 */
export function pearson(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const count = checkPairs(a, b);
  const [distancesA, distancesB] = [distancesFromMean(a), distancesFromMean(b)];
  let product = 0;
  let squareA = 0;
  let squareB = 0;
  for (let index = 0; index < count; index++) {
    const fromA = distancesA[index];
    const fromB = distancesB[index];
    product += fromA * fromB;
    squareA += fromA * fromA;
    squareB += fromB * fromB;
  }
  const scale = Math.sqrt(squareA * squareB);
  return scale === 0 ? Number.NaN : Math.max(-1, Math.min(1, product / scale));
}

/** In a unit near the largest, a power of two, so that their squares are within float64. */
function distancesFromMean(values: ArrayLike<number>): Float64Array {
  let largest = 0;
  for (let index = 0; index < values.length; index++) {
    if (!Number.isFinite(values[index]))
      throw new UsageError(`Value ${index} of ${values.length} is ${values[index]} and has no correlation.`);
    largest = Math.max(largest, Math.abs(values[index]));
  }
  const scale = largest > 0 ? 2 ** -Math.min(1022, Math.max(-1022, Math.floor(Math.log2(largest)))) : 1;
  // Measured from the first value, so that a constant side has a variance of exactly 0.
  const from = Float64Array.from(values, value => value * scale - values[0] * scale);
  const mean = from.reduce((sum, distance) => sum + distance, 0) / from.length;
  return from.map(distance => distance - mean);
}

/**
 * Spearman's rank correlation: Pearson's correlation of the average ranks. NaN where one side is constant.
 *
 * @example
 * spearman([-1, 1, 1], [0, 0, 2]) // 0.5
 */
export function spearman(a: ArrayLike<number>, b: ArrayLike<number>): number {
  checkPairs(a, b);
  return pearson(averageRanks(a), averageRanks(b));
}

function checkPairs(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length)
    throw new ShapeError(`A correlation needs pairs; there are ${a.length} and ${b.length} values.`);
  if (a.length < 2) throw new UsageError('A correlation needs at least two pairs.');
  return a.length;
}

/** How well a score tells positives (which should score high) from negatives. */
export interface Detection {
  /** Area under the ROC curve: the chance that a positive scores above a negative, a tie counting half. */
  auroc: number;
  /** Average precision: the area under the precision-recall curve in steps, without interpolation. */
  aupr: number;
  /** Share of negatives accepted at the highest threshold that accepts 95 % of the positives. */
  fprAt95: number;
}

/**
 * Detection by a threshold on a score. Which side is "positive" is the caller's choice and belongs in the table's
 * heading: it changes `aupr` and `fprAt95`.
 *
 * D. Hendrycks, K. Gimpel: A baseline for detecting misclassified and out-of-distribution examples. ICLR 2017.
 *
 * @throws UsageError when a side is empty or a score is NaN
 */
export function detection(positives: ArrayLike<number>, negatives: ArrayLike<number>): Detection {
  if (positives.length === 0 || negatives.length === 0) {
    throw new UsageError(
      `Detection needs scores of both kinds; there are ${positives.length} and ${negatives.length}.`,
    );
  }
  const scores = new Float64Array(positives.length + negatives.length);
  scores.set(Array.from(positives));
  scores.set(Array.from(negatives), positives.length);
  const order = sortedOrder(scores);

  let auroc = 0;
  let aupr = 0;
  let fprAt95: number | undefined;
  let truePositives = 0;
  let falsePositives = 0;
  for (let last = order.length - 1; last >= 0; ) {
    // One threshold: every image of this score is accepted at once.
    const threshold = scores[order[last]];
    let positivesHere = 0;
    let negativesHere = 0;
    for (; last >= 0 && scores[order[last]] === threshold; last--) {
      if (order[last] < positives.length) positivesHere++;
      else negativesHere++;
    }
    auroc += negativesHere * (truePositives + positivesHere / 2);
    truePositives += positivesHere;
    falsePositives += negativesHere;
    aupr += (positivesHere / positives.length) * (truePositives / (truePositives + falsePositives));
    if (fprAt95 === undefined && truePositives * 100 >= positives.length * 95)
      fprAt95 = falsePositives / negatives.length;
  }
  return { auroc: auroc / (positives.length * negatives.length), aupr, fprAt95: fprAt95 ?? 1 };
}
