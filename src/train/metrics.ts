/**
 * How good a classifier is, counted on the host from its scores and the true labels. The confusion matrix comes first;
 * accuracy, precision, recall and F1 are read off it. `evaluateLogits` gathers everything that one evaluation reports in
 * one plain object, ready for JSON.
 *
 * Zero division: precision of a class that was never predicted, recall of a class without images, and F1 of a class with
 * neither are 0, as scikit-learn's are by default; such a class counts in the macro average.
 */
import { ShapeError, UsageError } from '../devices/errors.ts';
import { expectedCalibrationError, reliabilityTable } from './calibration.ts';
import {
  brierScore,
  checkProbabilities,
  classCount,
  logLoss,
  negativeLogLikelihood,
  predictedClasses,
  type Scores,
  softmaxRows,
  topKAccuracy,
} from './scores.ts';

/** Counts of images: row = true class, column = predicted class. */
export type ConfusionMatrix = number[][];

export interface PrecisionRecallF1 {
  precision: number;
  recall: number;
  f1: number;
}

export interface ClassMetrics extends PrecisionRecallF1 {
  name: string;
  /** Images of this class. */
  support: number;
  /** Images taken for this class. */
  predicted: number;
}

/** Everything one evaluation reports; shares are in [0, 1]. */
export interface Evaluation {
  images: number;
  accuracy: number;
  /** Wilson's 95 % interval of the accuracy. */
  ci95: [number, number];
  /** Share of images whose label is among the two likeliest classes. */
  top2: number;
  /** Mean over classes. */
  macro: PrecisionRecallF1;
  /** Mean over classes, weighted by support. */
  weighted: PrecisionRecallF1;
  perClass: ClassMetrics[];
  confusion: ConfusionMatrix;
  /** Mean negative log-likelihood in nats. */
  nll: number;
  /** Multi-class Brier score, 0 to 2. */
  brier: number;
  /** Expected calibration error over 15 bins of equal width. */
  ece: number;
}

/** The 97.5 % point of the standard normal distribution. */
const Z95 = 1.959963984540054;

/**
 * Wilson's score interval of a proportion: honest near 0 and 1, where the normal approximation leaves [0, 1], and of few
 * trials: averaged over all proportions it holds the true one 95 to 96 times in 100 from one trial on.
 *
 * E. B. Wilson: Probable inference, the law of succession, and statistical inference. JASA 22(158), 1927.
 *
 * @param hits of `trials`
 * @param z normal quantile; the default makes a 95 % interval
 * @throws UsageError unless hits and trials are whole numbers, 0 <= hits <= trials, at least one trial, and z is above 0
 */
export function wilsonInterval(hits: number, trials: number, z = Z95): [number, number] {
  if (!(Number.isSafeInteger(trials) && Number.isSafeInteger(hits) && trials > 0 && hits >= 0 && hits <= trials)) {
    throw new UsageError(`${hits} of ${trials} is no proportion to give an interval for.`);
  }
  if (!(z > 0 && Number.isFinite(z))) throw new UsageError(`A normal quantile for an interval is above 0, not ${z}.`);
  const share = hits / trials;
  const shrink = 1 + (z * z) / trials;
  const centre = (share + (z * z) / (2 * trials)) / shrink;
  const reach = (z / shrink) * Math.sqrt((share * (1 - share)) / trials + (z * z) / (4 * trials * trials));
  return [hits === 0 ? 0 : Math.max(0, centre - reach), hits === trials ? 1 : Math.min(1, centre + reach)];
}

/**
 * Counts predictions against labels.
 *
 * @param predicted `[N]`, whole numbers below `classes`
 * @param labels `[N]`, whole numbers below `classes`
 */
export function confusionMatrix(
  predicted: ArrayLike<number>,
  labels: ArrayLike<number>,
  classes: number,
): ConfusionMatrix {
  if (predicted.length !== labels.length) {
    throw new ShapeError(`There are ${predicted.length} predictions for ${labels.length} labels.`);
  }
  if (!Number.isInteger(classes) || classes < 1) {
    throw new UsageError(`The number of classes is a whole number of at least 1, not ${classes}.`);
  }
  const matrix = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  for (let image = 0; image < labels.length; image++) {
    const row = matrix[labels[image]];
    if (row?.[predicted[image]] === undefined) {
      throw new UsageError(
        `Image ${image} has label ${labels[image]} and prediction ${predicted[image]}; there are ${classes} classes.`,
      );
    }
    row[predicted[image]]++;
  }
  return matrix;
}

/**
 * Share of images on the diagonal.
 * @throws UsageError for a matrix that counts no images
 */
export function accuracyOf(matrix: ConfusionMatrix): number {
  const { hits, images } = diagonal(matrix);
  if (!(images > 0)) throw new UsageError('A confusion matrix without images has no accuracy.');
  return hits / images;
}

function diagonal(matrix: ConfusionMatrix): { hits: number; images: number } {
  let hits = 0;
  let images = 0;
  matrix.forEach((row, c) => {
    hits += row[c];
    for (const count of row) images += count;
  });
  return { hits, images };
}

const ratio = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);

/** Precision, recall, F1 and counts of every class. */
export function classMetrics(matrix: ConfusionMatrix, classNames: readonly string[]): ClassMetrics[] {
  if (classNames.length !== matrix.length) {
    throw new ShapeError(`There are ${classNames.length} class names for ${matrix.length} classes.`);
  }
  return matrix.map((row, c) => {
    const hits = row[c];
    const support = row.reduce((sum, count) => sum + count, 0);
    const predicted = matrix.reduce((sum, other) => sum + other[c], 0);
    return {
      name: classNames[c],
      precision: ratio(hits, predicted),
      recall: ratio(hits, support),
      f1: ratio(2 * hits, predicted + support),
      support,
      predicted,
    };
  });
}

/** The mean of the classes' metrics, each class with the given weight. */
function average(perClass: readonly ClassMetrics[], weightOf: (entry: ClassMetrics) => number): PrecisionRecallF1 {
  const total = perClass.reduce((sum, entry) => sum + weightOf(entry), 0);
  const mean = (metric: (entry: ClassMetrics) => number): number =>
    ratio(
      perClass.reduce((sum, entry) => sum + weightOf(entry) * metric(entry), 0),
      total,
    );
  return { precision: mean(e => e.precision), recall: mean(e => e.recall), f1: mean(e => e.f1) };
}

/** Every class counts the same. */
export function macroAverage(perClass: readonly ClassMetrics[]): PrecisionRecallF1 {
  return average(perClass, () => 1);
}

/** Every image counts the same (weighted recall is the accuracy). */
export function weightedAverage(perClass: readonly ClassMetrics[]): PrecisionRecallF1 {
  return average(perClass, entry => entry.support);
}

/**
 * Evaluates logits `[N, C]` against labels `[N]`.
 *
 * @param classNames one for each of the C classes
 * @param temperature divides the logits before the softmax (see `fitTemperature`)
 * @throws ShapeError when scores, labels and names do not fit together
 * @throws UsageError for no images, labels out of range, scores that are not finite, or a temperature that is no finite
 *   number above 0
 *
 * @example
 * const { accuracy, ci95 } = evaluateLogits(await logits.data(), labels, CLASS_NAMES);
 */
export function evaluateLogits(
  logits: Scores,
  labels: ArrayLike<number>,
  classNames: readonly string[],
  temperature = 1,
): Evaluation {
  const probabilities = softmaxRows(logits, classCount(logits, labels), temperature);
  return evaluate(logits, probabilities, labels, classNames, negativeLogLikelihood(logits, labels, temperature));
}

/** As `evaluateLogits`, for probabilities `[N, C]` that have no logits (ensembles, test-time augmentation). */
export function evaluateProbabilities(
  probabilities: Scores,
  labels: ArrayLike<number>,
  classNames: readonly string[],
): Evaluation {
  return evaluate(probabilities, probabilities, labels, classNames, logLoss(probabilities, labels));
}

/** Ranks by `scores`: where two probabilities round to the same number, the logits may still differ. */
function evaluate(
  scores: Scores,
  probabilities: Scores,
  labels: ArrayLike<number>,
  classNames: readonly string[],
  nll: number,
): Evaluation {
  const classes = classCount(scores, labels);
  const confusion = confusionMatrix(predictedClasses(scores, classes), labels, classes);
  const perClass = classMetrics(confusion, classNames);
  const { hits, images } = diagonal(confusion);
  return {
    images,
    accuracy: hits / images,
    ci95: wilsonInterval(hits, images),
    top2: topKAccuracy(scores, labels, 2),
    macro: macroAverage(perClass),
    weighted: weightedAverage(perClass),
    perClass,
    confusion,
    nll,
    brier: brierScore(probabilities, labels),
    ece: expectedCalibrationError(reliabilityTable(probabilities, labels)),
  };
}

/** An image whose prediction is wrong. */
export interface Mistake {
  /** Which image of those evaluated. */
  index: number;
  label: number;
  predicted: number;
  /** The probability of the wrong class. */
  confidence: number;
}

/**
 * The wrong predictions the model was surest of, surest first; the place to look for mislabelled images.
 *
 * @param probabilities `[N, C]`
 * @param count at most so many
 * @throws UsageError for a count that is no whole number of at least 0, or what are no probabilities
 */
export function confidentMistakes(probabilities: Scores, labels: ArrayLike<number>, count: number): Mistake[] {
  if (!Number.isInteger(count) || count < 0) {
    throw new UsageError(`The number of mistakes to list is a whole number of at least 0, not ${count}.`);
  }
  const classes = classCount(probabilities, labels);
  checkProbabilities(probabilities, classes);
  const mistakes: Mistake[] = [];
  predictedClasses(probabilities, classes).forEach((predicted, index) => {
    if (predicted === labels[index]) return;
    mistakes.push({ index, label: labels[index], predicted, confidence: probabilities[index * classes + predicted] });
  });
  return mistakes.sort((a, b) => b.confidence - a.confidence || a.index - b.index).slice(0, count);
}
