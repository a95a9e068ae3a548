/**
 * Class scores on the host: rows of logits or probabilities as they come back from a device, `[N, C]`, row-major. The
 * number of classes follows from the number of labels, so no shape has to be carried along. Everything is summed in
 * float64, whatever the scores are kept in: a metric must not depend on the order in which images were evaluated.
 */
import { ShapeError, UsageError } from '../devices/errors.ts';

/** Numbers on the host, in a typed array or a plain one. */
export type Scores = ArrayLike<number>;

/**
 * The number of classes C of scores `[N, C]` with labels `[N]`.
 *
 * @throws ShapeError when the scores do not divide into one row per label
 * @throws UsageError when there is no image, a label is not in 0 .. C - 1, or a score is not finite
 */
export function classCount(scores: Scores, labels: ArrayLike<number>): number {
  const images = labels.length;
  if (images === 0) throw new UsageError('There are no images to evaluate.');
  const classes = scores.length / images;
  if (!Number.isInteger(classes) || classes < 1) {
    throw new ShapeError(`${scores.length} scores do not make one row for each of ${images} labels.`);
  }
  for (let image = 0; image < images; image++) {
    const label = labels[image];
    if (!Number.isInteger(label) || label < 0 || label >= classes) {
      throw new UsageError(
        `The label of image ${image} is ${label}; with ${classes} classes it must be 0 to ${classes - 1}.`,
      );
    }
  }
  for (let index = 0; index < scores.length; index++) {
    if (!Number.isFinite(scores[index])) {
      const image = Math.floor(index / classes);
      throw new UsageError(
        `The score of image ${image} for class ${index % classes} is ${scores[index]}, not a number.`,
      );
    }
  }
  return classes;
}

/** Throws where probabilities are expected and something else (most likely logits) was given. */
export function checkProbabilities(probabilities: Scores, classes: number): void {
  for (let start = 0; start < probabilities.length; start += classes) {
    let total = 0;
    let least = 0;
    for (let c = 0; c < classes; c++) {
      total += probabilities[start + c];
      least = Math.min(least, probabilities[start + c]);
    }
    if (!(least >= 0 && Math.abs(total - 1) <= 1e-3)) {
      throw new UsageError(
        `The probabilities of image ${start / classes} sum to ${total.toPrecision(6)} (least ${least}): are these logits?`,
      );
    }
  }
}

/** The greatest of `count` scores from `start`. */
export function greatest(scores: Scores, start: number, count: number): number {
  let most = scores[start];
  for (let c = 1; c < count; c++) if (scores[start + c] > most) most = scores[start + c];
  return most;
}

/**
 * log(sum of exp((score - most) scale)) of `count` scores from `start`, `most` being the greatest of them: what is measured
 * from there neither overflows nor loses its digits where scores are large.
 */
export function logSumExpBelow(scores: Scores, start: number, count: number, most: number, scale = 1): number {
  let total = 0;
  for (let c = 0; c < count; c++) total += Math.exp((scores[start + c] - most) * scale);
  return Math.log(total);
}

/** What logits are multiplied by for a temperature; UsageError unless that is a finite number above 0. */
export function scaleOf(temperature: number): number {
  const scale = 1 / temperature;
  if (temperature > 0 && Number.isFinite(temperature) && Number.isFinite(scale)) return scale;
  throw new UsageError(`A temperature is a finite number above 0, not ${temperature}.`);
}

/** The number of rows of scores [N, C]; throws unless there is a whole number of classes in each. */
function rowCount(scores: Scores, classes: number): number {
  if (!Number.isInteger(classes) || classes < 1) {
    throw new UsageError(`The number of classes is a whole number of at least 1, not ${classes}.`);
  }
  const rows = scores.length / classes;
  if (!Number.isInteger(rows)) throw new ShapeError(`${scores.length} scores are no rows of ${classes} classes.`);
  return rows;
}

/**
 * Softmax of every row, in float64. A logit of -Infinity is a class that cannot be.
 *
 * @param logits `[N, C]`
 * @param temperature divides the logits; above 1 it makes the probabilities less sure
 * @returns probabilities `[N, C]`
 * @throws UsageError for a temperature that is no finite number above 0, or a row without a softmax (NaN, Infinity, or
 *   -Infinity throughout); ShapeError when the logits are no rows of classes
 */
export function softmaxRows(logits: Scores, classes: number, temperature = 1): Float64Array {
  rowCount(logits, classes);
  const scale = scaleOf(temperature);
  const probabilities = new Float64Array(logits.length);
  for (let start = 0; start < logits.length; start += classes) {
    const most = greatest(logits, start, classes);
    const total = logSumExpBelow(logits, start, classes, most, scale);
    if (!Number.isFinite(total)) {
      throw new UsageError(
        `The logits of image ${start / classes} have no softmax: one is NaN or Infinity, or all are -Infinity.`,
      );
    }
    for (let c = 0; c < classes; c++) probabilities[start + c] = Math.exp((logits[start + c] - most) * scale - total);
  }
  return probabilities;
}

/**
 * The class with the greatest score in each row (the first of equals, as in NumPy).
 * @throws UsageError for a score that is NaN; ShapeError when the scores are no rows of classes
 */
export function predictedClasses(scores: Scores, classes: number): Int32Array {
  rowCount(scores, classes);
  for (let index = 0; index < scores.length; index++) {
    if (!Number.isNaN(scores[index])) continue;
    throw new UsageError(
      `The score of image ${Math.floor(index / classes)} for class ${index % classes} is NaN; it predicts nothing.`,
    );
  }
  const predicted = new Int32Array(scores.length / classes);
  for (let image = 0; image < predicted.length; image++) {
    const start = image * classes;
    let best = 0;
    for (let c = 1; c < classes; c++) if (scores[start + c] > scores[start + best]) best = c;
    predicted[image] = best;
  }
  return predicted;
}

/**
 * Share of images whose label is among the k classes with the greatest scores. Of equal scores the first class ranks
 * higher, so that k = 1 is the accuracy of `predictedClasses`; with as many as there are classes every label is among them.
 *
 * @throws UsageError unless k is a whole number of at least 1
 */
export function topKAccuracy(scores: Scores, labels: ArrayLike<number>, k: number): number {
  const classes = classCount(scores, labels);
  if (!Number.isInteger(k) || k < 1) {
    throw new UsageError(`A label is looked for among a whole number of at least 1 class, not ${k}.`);
  }
  let hits = 0;
  for (let image = 0; image < labels.length; image++) {
    const start = image * classes;
    const label = labels[image];
    const own = scores[start + label];
    let above = 0;
    for (let c = 0; c < classes; c++) {
      if (scores[start + c] > own || (scores[start + c] === own && c < label)) above++;
    }
    if (above < k) hits++;
  }
  return hits / labels.length;
}

/**
 * Mean negative log-likelihood (cross-entropy in nats) of the labels under softmax(logits / temperature), by log-sum-exp,
 * so that no probability underflows.
 *
 * @throws UsageError for a temperature that is no finite number above 0; as `classCount`
 */
export function negativeLogLikelihood(logits: Scores, labels: ArrayLike<number>, temperature = 1): number {
  const classes = classCount(logits, labels);
  const scale = scaleOf(temperature);
  let total = 0;
  for (let image = 0; image < labels.length; image++) {
    const start = image * classes;
    const most = greatest(logits, start, classes);
    total += (most - logits[start + labels[image]]) * scale + logSumExpBelow(logits, start, classes, most, scale);
  }
  return total / labels.length;
}

/**
 * Mean negative log-likelihood of the labels under given probabilities (an average over checkpoints or over flipped
 * images has no logits). Probabilities are raised to at least 2^-52, as scikit-learn's `log_loss` does in float64.
 */
export function logLoss(probabilities: Scores, labels: ArrayLike<number>): number {
  const classes = classCount(probabilities, labels);
  checkProbabilities(probabilities, classes);
  let total = 0;
  for (let image = 0; image < labels.length; image++) {
    total -= Math.log(Math.max(probabilities[image * classes + labels[image]], Number.EPSILON));
  }
  return total / labels.length;
}

/**
 * Brier score in its original multi-class form: the mean over images of the squared distance between the probabilities
 * and the one-hot label, summed over classes; 0 is perfect, 2 is certain and wrong. (For two classes it is twice
 * scikit-learn's `brier_score_loss`.)
 *
 * G. W. Brier: Verification of forecasts expressed in terms of probability. Monthly Weather Review 78(1), 1950.
 */
export function brierScore(probabilities: Scores, labels: ArrayLike<number>): number {
  const classes = classCount(probabilities, labels);
  checkProbabilities(probabilities, classes);
  let total = 0;
  for (let image = 0; image < labels.length; image++) {
    for (let c = 0; c < classes; c++) {
      const distance = probabilities[image * classes + c] - (labels[image] === c ? 1 : 0);
      total += distance * distance;
    }
  }
  return total / labels.length;
}

/**
 * The mean of several models' (or several views') probabilities, image by image: an ensemble, test-time augmentation.
 *
 * @param members each `[N, C]`, all of one length
 */
export function meanProbabilities(members: readonly Scores[]): Float64Array {
  if (members.length === 0) throw new UsageError('An average of probabilities needs at least one member.');
  const mean = new Float64Array(members[0].length);
  for (const member of members) {
    if (member.length !== mean.length) {
      throw new ShapeError(`The members of an ensemble have ${mean.length} and ${member.length} probabilities.`);
    }
    for (let index = 0; index < mean.length; index++) mean[index] += member[index] / members.length;
  }
  return mean;
}
