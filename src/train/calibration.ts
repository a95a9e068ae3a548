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
  logSumExp,
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
    const bin = Math.min(bins - 1, Math.max(0, Math.ceil(confidence * bins) - 1));
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

/** Expected calibration error: the gaps of a reliability table, weighted by how many images each bin holds. */
export function expectedCalibrationError(table: readonly ReliabilityBin[]): number {
  let images = 0;
  let gaps = 0;
  for (const bin of table) {
    images += bin.count;
    if (bin.confidence !== null && bin.accuracy !== null) gaps += bin.count * Math.abs(bin.accuracy - bin.confidence);
  }
  return gaps / images;
}

/** A fitted temperature and what it did to the loss on the images it was fitted on. */
export interface TemperatureFit {
  temperature: number;
  /** Mean negative log-likelihood before (temperature 1) and after. */
  nllBefore: number;
  nllAfter: number;
  iterations: number;
  /** The best temperature lies outside the range searched: every image is right, or the logits are worse than chance. */
  atLimit: boolean;
}

/** The range that `fitTemperature` searches. */
export const TEMPERATURE_RANGE: readonly [number, number] = [0.02, 50];

/**
 * Finds the temperature T that minimises the negative log-likelihood of softmax(logits / T).
 *
 * In beta = 1 / T the loss is convex: its slope is the mean of E_p[z] - z_label and its curvature the mean of Var_p[z].
 * Newton's steps in float64, kept inside a bracket that every slope narrows (a step that leaves it is a bisection).
 *
 * @param logits `[N, C]` of images the model was not trained on
 * @param labels `[N]`
 */
export function fitTemperature(logits: Scores, labels: ArrayLike<number>): TemperatureFit {
  const classes = classCount(logits, labels);
  const [coldest, hottest] = TEMPERATURE_RANGE;
  const nllBefore = negativeLogLikelihood(logits, labels);
  const result = (beta: number, iterations: number, atLimit: boolean): TemperatureFit => ({
    temperature: 1 / beta,
    nllBefore,
    nllAfter: negativeLogLikelihood(logits, labels, 1 / beta),
    iterations,
    atLimit,
  });

  let low = 1 / hottest;
  let high = 1 / coldest;
  if (slopeAndCurvature(logits, labels, classes, low).slope >= 0) return result(low, 1, true);
  if (slopeAndCurvature(logits, labels, classes, high).slope <= 0) return result(high, 2, true);
  let beta = 1;
  for (let iteration = 1; ; iteration++) {
    const { slope, curvature } = slopeAndCurvature(logits, labels, classes, beta);
    if (slope < 0) low = beta;
    else high = beta;
    let next = beta - slope / curvature;
    if (!(next >= low && next <= high)) next = (low + high) / 2;
    const moved = Math.abs(next - beta);
    beta = next;
    if (moved <= 1e-10 * beta || iteration === 200) return result(beta, iteration, false);
  }
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
    const total = logSumExp(logits, start, classes, beta);
    const own = logits[start + labels[image]];
    let mean = 0;
    for (let c = 0; c < classes; c++) mean += Math.exp(logits[start + c] * beta - total) * (logits[start + c] - own);
    let variance = 0;
    for (let c = 0; c < classes; c++) {
      const distance = logits[start + c] - own - mean;
      variance += Math.exp(logits[start + c] * beta - total) * distance * distance;
    }
    slope += mean;
    curvature += variance;
  }
  return { slope: slope / labels.length, curvature: curvature / labels.length };
}
