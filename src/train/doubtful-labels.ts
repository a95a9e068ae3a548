/**
 * Labels that a network trained without them does not believe: confident learning. A class's threshold is the mean
 * probability that its own images are given; an image counts as of another class where that class reaches its threshold,
 * which takes account of classes that are hard for everybody. There is no share of the data to choose beforehand.
 *
 * C. G. Northcutt, L. Jiang, I. L. Chuang: Confident learning: estimating uncertainty in dataset labels. JAIR 70, 2021.
 */
import { checkProbabilities, classCount, type Scores } from './scores.ts';

export interface DoubtfulLabel {
  /** Which of the images. */
  readonly index: number;
  readonly label: number;
  /** The class that it looks like. */
  readonly likely: number;
  /** Probability of the likely class. */
  readonly probability: number;
  /** Probability of the label. */
  readonly ofLabel: number;
}

/**
 * The images whose label is doubtful, the most doubtful first (by how far the likely class is above the label).
 *
 * @param probabilities `[N, C]`, of networks that were not trained on the image they judge
 * @param labels `[N]`
 * @throws UsageError for what are no probabilities and for a label that is no class, ShapeError where labels are not as many
 */
export function doubtfulLabels(probabilities: Scores, labels: ArrayLike<number>): DoubtfulLabel[] {
  const classes = classCount(probabilities, labels);
  checkProbabilities(probabilities, classes);
  const thresholds = selfConfidence(probabilities, labels, classes);
  const found: DoubtfulLabel[] = [];
  for (let index = 0; index < labels.length; index++) {
    const of = (c: number): number => probabilities[index * classes + c];
    let likely = -1;
    for (let c = 0; c < classes; c++) {
      if (of(c) >= thresholds[c] && (likely < 0 || of(c) > of(likely))) likely = c;
    }
    const label = labels[index];
    if (likely < 0 || of(likely) <= of(label)) continue;
    found.push({ index, label, likely, probability: of(likely), ofLabel: of(label) });
  }
  const margin = ({ probability, ofLabel }: DoubtfulLabel): number => probability - ofLabel;
  return found.sort((a, b) => margin(b) - margin(a) || a.index - b.index);
}

/** The mean probability that images of each class are given; no class without images is ever likely. */
function selfConfidence(probabilities: Scores, labels: ArrayLike<number>, classes: number): Float64Array {
  const sums = new Float64Array(classes);
  const counts = new Float64Array(classes);
  for (let index = 0; index < labels.length; index++) {
    const label = labels[index];
    sums[label] += probabilities[index * classes + label];
    counts[label]++;
  }
  return sums.map((sum, label) => (counts[label] === 0 ? Number.POSITIVE_INFINITY : sum / counts[label]));
}
