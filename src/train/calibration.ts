/**
 * Whether a model's confidence can be believed: of the images it is 80 % sure of, 80 % should be right. The reliability
 * table compares the two in bins of confidence, the expected calibration error is the mean gap, and temperature scaling
 * mends most of it with one number fitted on held-out images; it divides the logits, so no prediction changes.
 *
 * C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger: On calibration of modern neural networks. ICML 2017.
 */
import { UsageError } from '../devices/errors.ts';
import {
  checkProbabilities,
  classCount,
  greatest,
  logSumExpBelow,
  negativeLogLikelihood,
  predictedClasses,
  type Scores,
} from './scores.ts';

/** The images whose confidence (greatest probability) lies in (low, high]. */
export interface ReliabilityBin {
  low: number;
  high: number;
  count: number;
  /** Mean confidence of the images in the bin; null in an empty one. */
  confidence: number | null;
  /** Share of them that is right; null in an empty one. */
  accuracy: number | null;
}

/**
 * Confidence against accuracy in bins of equal width. Bin m of M holds the confidences in ((m - 1) / M, m / M].
 *
 * @param probabilities `[N, C]`
 * @param labels `[N]`
 */
export function reliabilityTable(probabilities: Scores, labels: ArrayLike<number>, bins = 15): ReliabilityBin[] {
  const classes = classCount(probabilities, labels);
  checkProbabilities(probabilities, classes);
  if (!Number.isInteger(bins) || bins < 1)
    throw new UsageError(`A reliability table needs at least one bin, not ${bins}.`);
  const predicted = predictedClasses(probabilities, classes);
  const counts = new Float64Array(bins);
  const confidences = new Float64Array(bins);
  const hits = new Float64Array(bins);
  for (let image = 0; image < labels.length; image++) {
    const confidence = probabilities[image * classes + predicted[image]];
    const bin = binOf(confidence, bins);
    counts[bin]++;
    confidences[bin] += confidence;
    if (predicted[image] === labels[image]) hits[bin]++;
  }
  return Array.from(counts, (count, bin) => ({
    low: bin / bins,
    high: (bin + 1) / bins,
    count,
    confidence: count === 0 ? null : confidences[bin] / count,
    accuracy: count === 0 ? null : hits[bin] / count,
  }));
}

/**
 * The bin whose low < confidence <= high, by the very edges that the table names: confidence x bins may round across one. A
 * confidence that rounding has left a little above 1 belongs to the last bin.
 */
function binOf(confidence: number, bins: number): number {
  let bin = Math.min(bins - 1, Math.max(0, Math.ceil(confidence * bins) - 1));
  while (bin > 0 && confidence <= bin / bins) bin--;
  while (bin < bins - 1 && confidence > (bin + 1) / bins) bin++;
  return bin;
}

/**
 * Expected calibration error: the gaps of a reliability table, weighted by how many images each bin holds.
 * @throws UsageError for a table without images, or with a number of them that is none
 */
export function expectedCalibrationError(table: readonly ReliabilityBin[]): number {
  let images = 0;
  let gaps = 0;
  for (const bin of table) {
    if (!(Number.isInteger(bin.count) && bin.count >= 0))
      throw new UsageError(`A bin of a reliability table holds a whole number of images, not ${bin.count}.`);
    images += bin.count;
    if (bin.confidence !== null && bin.accuracy !== null) gaps += bin.count * Math.abs(bin.accuracy - bin.confidence);
  }
  if (images === 0) throw new UsageError('There are no images in the reliability table.');
  return gaps / images;
}

/** A fitted temperature and what it did to the loss on the images it was fitted on. */
export interface TemperatureFit {
  temperature: number;
  /** Mean negative log-likelihood before (temperature 1) and after. */
  nllBefore: number;
  nllAfter: number;
  iterations: number;
  /** No temperature is the best: the colder (or the hotter) the better. `temperature` is then a limit, not a minimum. */
  atLimit: boolean;
  /** In one sentence, why there is no best temperature. */
  reason?: string;
}

/**
 * Where `fitTemperature` looks first, and what it gives where no temperature is the best (in logits that span more than 20, or
 * less than 2, the limits move along).
 */
export const TEMPERATURE_RANGE: readonly [number, number] = [0.02, 50];

/** What the bracket grows by, from step to step, where the best temperature lies outside the range. */
const GROWTH = 16;

/**
 * Finds the temperature T that minimises the negative log-likelihood of softmax(logits / T), in whatever unit the logits are.
 *
 * In beta = 1 / T the loss is convex: its slope is the mean of E_p[z] - z_label and its curvature the mean of Var_p[z].
 * Newton's steps in float64, kept inside a bracket that every slope narrows (a step that leaves it is a bisection). There is a
 * best beta above 0 unless the slope at 0 already rises (the mean label's logit is not above the mean logit: worse than chance,
 * the hotter the better) or never does (every label has the greatest logit of its image: the colder the better). Logits that
 * are the same for every class have the same loss at every temperature, which stays 1.
 *
 * @param logits `[N, C]` of images the model was not trained on
 * @param labels `[N]`
 */
export function fitTemperature(logits: Scores, labels: ArrayLike<number>): TemperatureFit {
  const classes = classCount(logits, labels);
  const nllBefore = negativeLogLikelihood(logits, labels);
  const { span, unit } = spanOf(logits, classes);
  if (span > 0 && unit !== 1) {
    // Below each image's greatest, in units in which squares are within float64; temperatures are in the logits' own unit.
    const scaled = Float64Array.from(logits, (logit, at) => {
      const most = greatest(logits, at - (at % classes), classes);
      return span === Number.POSITIVE_INFINITY ? logit / unit - most / unit : (logit - most) / unit;
    });
    const fit = fitTemperature(scaled, labels);
    return { ...fit, temperature: fit.temperature * unit, nllBefore };
  }
  const result = (beta: number, iterations: number, reason?: string): TemperatureFit => ({
    temperature: 1 / beta,
    nllBefore,
    nllAfter: negativeLogLikelihood(logits, labels, 1 / beta),
    iterations,
    atLimit: reason !== undefined,
    ...(reason !== undefined && { reason }),
  });
  if (span === 0) return result(1, 0);

  const [coldest, hottest] = TEMPERATURE_RANGE;
  const slopeAt = (beta: number): number => slopeAndCurvature(logits, labels, classes, beta).slope;
  let low = 1 / hottest;
  let high = 1 / coldest;
  let beta = 1;
  let iterations = 0;
  if (slopeAt(low) >= 0) {
    const hot = 1 / Math.max(hottest, 2.5 * span);
    const reason = 'The logits say less of the labels than chance: the hotter the better.';
    if (!(slopeAt(0) < 0)) return result(hot, 1, reason);
    while (slopeAt(low) >= 0) {
      [low, high] = [low / GROWTH, low];
      // So near to the slope of 0 that rounding decides.
      if (++iterations === 200) return result(hot, iterations, reason);
    }
    beta = (low + high) / 2;
  } else if (slopeAt(high) <= 0) {
    const cold = 1 / Math.min(coldest, span / 100);
    if (isEveryLabelGreatest(logits, labels, classes)) {
      return result(cold, 2, 'Every label has the greatest logit of its image: the colder the better.');
    }
    while (slopeAt(high) <= 0) {
      [low, high] = [high, high * GROWTH];
      if (++iterations === 200)
        return result(cold, iterations, 'Nearly every label has the greatest logit: the colder the better.');
    }
    beta = (low + high) / 2;
  }
  for (let iteration = 1; ; iteration++) {
    const { slope, curvature } = slopeAndCurvature(logits, labels, classes, beta);
    if (slope < 0) low = beta;
    else high = beta;
    let next = beta - slope / curvature;
    if (!(next >= low && next <= high)) next = (low + high) / 2;
    const moved = Math.abs(next - beta);
    beta = next;
    if (moved <= 1e-10 * beta || iteration === 200) return result(beta, iterations + iteration);
  }
}

/** The largest difference of two logits of an image, and a power of two to divide logits by where squares leave float64. */
function spanOf(logits: Scores, classes: number): { span: number; unit: number } {
  let span = 0;
  let largest = 0;
  for (let start = 0; start < logits.length; start += classes) {
    const most = greatest(logits, start, classes);
    for (let c = 0; c < classes; c++) {
      span = Math.max(span, most - logits[start + c]);
      largest = Math.max(largest, Math.abs(logits[start + c]));
    }
  }
  const isSquarable = largest < 2 ** 400 && (span === 0 || span > 2 ** -400);
  return {
    span,
    unit: isSquarable ? 1 : 2 ** Math.floor(Math.log2(span === Number.POSITIVE_INFINITY ? largest : span)),
  };
}

function isEveryLabelGreatest(logits: Scores, labels: ArrayLike<number>, classes: number): boolean {
  for (let image = 0; image < labels.length; image++) {
    if (logits[image * classes + labels[image]] < greatest(logits, image * classes, classes)) return false;
  }
  return true;
}

/** First and second derivative of the mean negative log-likelihood with respect to beta = 1 / temperature. */
function slopeAndCurvature(
  logits: Scores,
  labels: ArrayLike<number>,
  classes: number,
  beta: number,
): { slope: number; curvature: number } {
  let slope = 0;
  let curvature = 0;
  for (let image = 0; image < labels.length; image++) {
    const start = image * classes;
    const most = greatest(logits, start, classes);
    const total = logSumExpBelow(logits, start, classes, most, beta);
    const share = (c: number): number => Math.exp((logits[start + c] - most) * beta - total);
    const own = logits[start + labels[image]];
    let mean = 0;
    for (let c = 0; c < classes; c++) mean += share(c) * (logits[start + c] - own);
    let variance = 0;
    for (let c = 0; c < classes; c++) {
      const distance = logits[start + c] - own - mean;
      variance += share(c) * distance * distance;
    }
    slope += mean;
    curvature += variance;
  }
  return { slope: slope / labels.length, curvature: curvature / labels.length };
}
