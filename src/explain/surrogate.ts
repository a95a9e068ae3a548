/**
 * The linear model that LIME puts beside a network: weighted ridge regression on masks of zeros and ones, in float64. The
 * intercept is free (only the weights of the players are drawn towards zero), so masks and targets are centred on their
 * weighted means and the rest is one symmetric positive system, factorised once for every target that shares the masks.
 */
import { ShapeError, UsageError } from '../devices/errors.ts';

/**
 * How much a coalition of `present` of `players` counts: exp(-d^2 / (2 width^2)), with d its cosine distance from the whole
 * image, 1 - sqrt(present / players).
 *
 * @throws UsageError unless 0 <= present <= players, there is a player, and the width is above 0
 */
export function proximity(present: number, players: number, width = 0.25): number {
  if (!(present >= 0 && present <= players && players > 0))
    throw new UsageError(`A coalition has 0 up to all of its players; ${present} of ${players} is none.`);
  if (!(width > 0)) throw new UsageError(`The width of a kernel is above 0, not ${width}.`);
  const distance = 1 - Math.sqrt(present / players);
  return Math.exp((-distance * distance) / (2 * width * width));
}

export interface LinearFit {
  /** One weight per player. */
  readonly weights: Float64Array;
  readonly intercept: number;
  /** What the linear model says when every player is present. */
  readonly localPrediction: number;
  /**
   * The share of the targets' weighted variance that the linear model accounts for in samples that it was not fitted to: each
   * sample's target is compared with what the model fitted to all the others says of it (leave-one-out cross-validation,
   * exactly, from the leverages), and the variance is taken in the same way. About 0 or below for a target that is no linear
   * function of the masks, however many players there are; at most 1; 0 where the target never varies.
   */
  readonly r2: number;
  /** The same share in the samples that the model was fitted to: near 1 with as many players as samples, whatever the target. */
  readonly inSampleR2: number;
}

/** Throws UsageError unless `alpha` is a ridge penalty. */
export function checkPenalty(alpha: number): void {
  if (!(alpha >= 0 && Number.isFinite(alpha)))
    throw new UsageError(`The ridge penalty alpha is a number of at least 0, not ${alpha}.`);
}

/** A sample whose leverage is above: the others do not determine what the model says of it. */
const MOST_LEVERAGE = 1 - 1e-9;

/**
 * Fits `target ~ intercept + weights . mask` for each target, minimising
 * `sum_k proximity_k (target_k - fit_k)^2 + alpha |weights|^2`.
 *
 * @param masks [K, players], row-major, 0 or 1
 * @param targets one array [K] per model
 * @param proximities [K], not negative
 * @param alpha 0 is plain least squares, which must have one solution
 * @throws UsageError when `alpha` is negative, or 0 and the masks do not determine the weights; for a proximity or a target that
 *   is no number
 */
export function fitLinear(
  masks: Uint8Array,
  players: number,
  targets: readonly ArrayLike<number>[],
  proximities: ArrayLike<number>,
  alpha = 1,
): LinearFit[] {
  const rows = proximities.length;
  if (masks.length !== rows * players || targets.some(({ length }) => length !== rows)) {
    throw new ShapeError(
      `Masks [${rows}, ${players}] and targets of ${rows} values are needed, not ${masks.length} mask values and targets of ${targets.map(({ length }) => length).join(', ')}.`,
    );
  }
  checkPenalty(alpha);
  let total = 0;
  const means = new Float64Array(players);
  for (let k = 0; k < rows; k++) {
    if (!(proximities[k] >= 0 && Number.isFinite(proximities[k])))
      throw new UsageError(`The proximity of sample ${k} is a number of at least 0, not ${proximities[k]}.`);
    const bad = targets.find(target => !Number.isFinite(target[k]));
    if (bad) throw new UsageError(`A target of sample ${k} is ${bad[k]}; a linear model needs finite numbers.`);
    total += proximities[k];
    for (let i = 0; i < players; i++) means[i] += proximities[k] * masks[k * players + i];
  }
  if (!(total > 0)) throw new UsageError('At least one sample of a linear model must have a weight above 0.');
  for (let i = 0; i < players; i++) means[i] /= total;

  const factor = choleskyFactor(centredGram(masks, players, proximities, means, alpha), players, alpha);
  const leverages = leveragesOf(factor, masks, players, proximities, means, total);
  return targets.map(target => {
    let mean = 0;
    for (let k = 0; k < rows; k++) mean += proximities[k] * (target[k] - target[0]);
    mean = target[0] + mean / total;
    const right = new Float64Array(players);
    let variation = 0;
    for (let k = 0; k < rows; k++) {
      const distance = target[k] - mean;
      variation += proximities[k] * distance * distance;
      for (let i = 0; i < players; i++) right[i] += proximities[k] * distance * (masks[k * players + i] - means[i]);
    }
    const weights = solveFactored(factor, right);
    const intercept = weights.reduce((rest, weight, i) => rest - weight * means[i], mean);
    let unexplained = 0;
    let unforeseen = 0;
    let variationLeftOut = 0;
    for (let k = 0; k < rows; k++) {
      let fit = intercept;
      for (let i = 0; i < players; i++) fit += weights[i] * masks[k * players + i];
      unexplained += proximities[k] * (target[k] - fit) ** 2;
      // Without the sample itself, the mean and the model miss it by this much more; a sample that is all there is has no others.
      const rest = 1 - proximities[k] / total;
      const missedByMean = rest > 0 ? (target[k] - mean) / rest : 0;
      const missed = leverages[k] < MOST_LEVERAGE ? (target[k] - fit) / (1 - leverages[k]) : missedByMean;
      variationLeftOut += proximities[k] * missedByMean ** 2;
      unforeseen += proximities[k] * missed ** 2;
    }
    return {
      weights,
      intercept,
      localPrediction: weights.reduce((sum, weight) => sum + weight, intercept),
      r2: variationLeftOut > 0 ? 1 - unforeseen / variationLeftOut : 0,
      inSampleR2: variation > 0 ? 1 - unexplained / variation : 0,
    };
  });
}

/** The lower half of sum_k proximity_k (mask_k - mean)(mask_k - mean)' + alpha I. */
function centredGram(
  masks: Uint8Array,
  players: number,
  proximities: ArrayLike<number>,
  means: Float64Array,
  alpha: number,
): Float64Array {
  const gram = new Float64Array(players * players);
  const centred = new Float64Array(players);
  for (let k = 0; k < proximities.length; k++) {
    for (let i = 0; i < players; i++) centred[i] = masks[k * players + i] - means[i];
    for (let i = 0; i < players; i++) {
      const scaled = proximities[k] * centred[i];
      for (let j = 0; j <= i; j++) gram[i * players + j] += scaled * centred[j];
    }
  }
  for (let i = 0; i < players; i++) gram[i * players + i] += alpha;
  return gram;
}

/**
 * How much each sample draws the model towards itself: proximity (1 / sum of proximities + (mask - mean)' A^-1 (mask - mean)), for
 * A = L L'. The model without sample k misses it by its residual over 1 - leverage (the intercept is free and masks are centred,
 * so mean and weights are fitted apart).
 *
 * D. M. Allen: The relationship between variable selection and data augmentation and a method for prediction. 1974 (PRESS).
 */
function leveragesOf(
  factor: Float64Array,
  masks: Uint8Array,
  players: number,
  proximities: ArrayLike<number>,
  means: Float64Array,
  total: number,
): Float64Array {
  const solved = new Float64Array(players);
  return Float64Array.from({ length: proximities.length }, (_, k) => {
    let square = 0;
    for (let i = 0; i < players; i++) {
      let entry = masks[k * players + i] - means[i];
      for (let j = 0; j < i; j++) entry -= factor[i * players + j] * solved[j];
      solved[i] = entry / factor[i * players + i];
      square += solved[i] * solved[i];
    }
    return proximities[k] * (1 / total + square);
  });
}

/** The lower triangular L with L L' = the symmetric matrix whose lower half is given (Cholesky), in its place. */
function choleskyFactor(matrix: Float64Array, size: number, alpha: number): Float64Array {
  for (let i = 0; i < size; i++) {
    const diagonal = matrix[i * size + i];
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i * size + j];
      for (let k = 0; k < j; k++) sum -= matrix[i * size + k] * matrix[j * size + k];
      if (i !== j) matrix[i * size + j] = sum / matrix[j * size + j];
      else if (sum > diagonal * 1e-12) matrix[i * size + i] = Math.sqrt(sum);
      else {
        throw new UsageError(
          `The samples do not determine the weight of player ${i} with alpha = ${alpha}: take more samples or a positive alpha.`,
        );
      }
    }
  }
  return matrix;
}

function solveFactored(factor: Float64Array, right: Float64Array): Float64Array {
  const size = right.length;
  const solution = right.slice();
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < i; j++) solution[i] -= factor[i * size + j] * solution[j];
    solution[i] /= factor[i * size + i];
  }
  for (let i = size - 1; i >= 0; i--) {
    for (let j = i + 1; j < size; j++) solution[i] -= factor[j * size + i] * solution[j];
    solution[i] /= factor[i * size + i];
  }
  return solution;
}
