/**
 * The linear model that LIME puts beside a network: weighted ridge regression on masks of zeros and ones, in float64. The
 * intercept is free (only the weights of the players are drawn towards zero), so masks and targets are centred on their
 * weighted means and the rest is one symmetric positive system, factorised once for every target that shares the masks.
 */
import { ShapeError, UsageError } from '../devices/errors.ts';

/**
 * How much a coalition of `present` of `players` counts: exp(-d^2 / (2 width^2)), with d its cosine distance from the whole
 * image, 1 - sqrt(present / players).
 */
export function proximity(present: number, players: number, width = 0.25): number {
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
   * The share of the targets' weighted variance that the linear model accounts for; at most 1, and 0 where the target never
   * varies (there is nothing to account for).
   */
  readonly r2: number;
}

/**
 * Fits `target ~ intercept + weights . mask` for each target, minimising
 * `sum_k proximity_k (target_k - fit_k)^2 + alpha |weights|^2`.
 *
 * @param masks [K, players], row-major, 0 or 1
 * @param targets one array [K] per model
 * @param proximities [K], not negative
 * @param alpha 0 is plain least squares, which must have one solution
 * @throws UsageError when `alpha` is negative, or 0 and the masks do not determine the weights
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
  if (!(alpha >= 0 && Number.isFinite(alpha)))
    throw new UsageError(`The ridge penalty alpha is a number of at least 0, not ${alpha}.`);
  let total = 0;
  const means = new Float64Array(players);
  for (let k = 0; k < rows; k++) {
    total += proximities[k];
    for (let i = 0; i < players; i++) means[i] += proximities[k] * masks[k * players + i];
  }
  if (!(total > 0)) throw new UsageError('A linear model needs a sample of some weight.');
  for (let i = 0; i < players; i++) means[i] /= total;

  const factor = choleskyFactor(centredGram(masks, players, proximities, means, alpha), players, alpha);
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
    for (let k = 0; k < rows; k++) {
      let fit = intercept;
      for (let i = 0; i < players; i++) fit += weights[i] * masks[k * players + i];
      unexplained += proximities[k] * (target[k] - fit) ** 2;
    }
    return {
      weights,
      intercept,
      localPrediction: weights.reduce((sum, weight) => sum + weight, intercept),
      r2: variation > 0 ? 1 - unexplained / variation : 0,
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
