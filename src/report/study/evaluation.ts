/**
 * The chapters on what the networks can do: how often they are right and how sure that figure is, which classes they take
 * for which (with pictures), whether their confidence can be believed, whether one is better than the other, and what they
 * have wrong while being sure of it.
 */
import type { AboutData, EvaluationResult, NetworkComparison, NetworkEvaluation } from '../../study/results.ts';
import type { BootstrapInterval } from '../../train/index.ts';
import type { Block, Section } from '../html.ts';
import { drawn, type FigureSource, interval, percent, shown, whole } from './chapter.ts';

/** The chapter on how well the networks do. */
export function evaluationSection(result: EvaluationResult, read: FigureSource): Section {
  const { networks, testImages, comparison } = result;
  const blocks: Block[] = [
    {
      kind: 'text',
      text:
        `${whole(testImages)} test images were shown to each network once, after every decision had been made. An accuracy is an ` +
        'estimate: intervals made like these hold the accuracy over all images of this kind 19 times in 20.',
    },
    {
      kind: 'facts',
      facts: networks.map(({ model, accuracy, ci95 }) => ({
        name: `${model}, test accuracy`,
        value: percent(accuracy),
        detail: `95 % interval ${interval(ci95)}`,
      })),
    },
    {
      kind: 'table',
      caption: 'Everything counted over all test images. Macro averages give every class the same weight.',
      columns: ['network', 'parameters', 'accuracy (%)', 'top-2 (%)', 'macro F1 (%)', 'log loss', 'Brier', 'images/s'],
      rows: networks.map(network => [
        network.model,
        whole(network.parameters),
        (100 * network.accuracy).toFixed(2),
        (100 * network.top2).toFixed(2),
        (100 * network.macro.f1).toFixed(2),
        network.nll.toFixed(4),
        network.brier.toFixed(4),
        whole(network.imagesPerSecond),
      ]),
    },
    ...(comparison ? [{ kind: 'text', text: comparisonText(comparison, networks) } as const] : []),
  ];
  for (const network of networks) blocks.push(...networkBlocks(network, result, read));
  return { title: 'Evaluation', blocks };
}

/** Whether the images are other than Fashion-MNIST's. */
const isOther = ({ dataKind }: AboutData): boolean => dataKind === 'other';

function comparisonText(
  { test, difference, first, second }: NetworkComparison,
  networks: readonly NetworkEvaluation[],
): string {
  const nameOf = (network: string): string => networks.find(one => one.network === network)?.model ?? network;
  const { onlyFirst, onlySecond, pValue, method } = test;
  const points = (share: number): string => `${share >= 0 ? '+' : ''}${(100 * share).toFixed(2)}`;
  const verdict =
    pValue < 0.05
      ? `A split this uneven would be rare (p = ${pValue.toPrecision(2)}) if neither were better, so the difference is more than luck on these images; another seed of training may still move it.`
      : `A split this uneven is to be expected often (p = ${pValue.toPrecision(2)}) if neither were better: on this evidence neither may be called better.`;
  return (
    `Is one better? Only images on which they differ can tell: ${nameOf(first)} alone is right on ${whole(onlyFirst)}, ` +
    `${nameOf(second)} alone on ${whole(onlySecond)} (McNemar's test, ${method}). ${nameOf(second)} less ${nameOf(first)}: ` +
    `${points(difference.estimate)} points of accuracy, ${differenceInterval(difference, points)}. ${verdict}`
  );
}

function differenceInterval(
  { low, high, method, reason }: BootstrapInterval,
  points: (share: number) => string,
): string {
  if (low === null || high === null) return `without an interval: ${reason ?? 'not known'}`;
  // Results written before the method was noted are bootstrap intervals.
  const made = method === "Student's t" ? method : 'paired bootstrap';
  return `95 % interval ${points(low)} to ${points(high)} (${made})`;
}

function networkBlocks(network: NetworkEvaluation, result: EvaluationResult, read: FigureSource): Block[] {
  const { classNames } = result;
  const { model, perClass, confusedPairs } = network;
  const figures = drawn(network.figures);
  const worst = perClass.slice().sort((a, b) => a.f1 - b.f1)[0];
  const best = perClass.slice().sort((a, b) => b.f1 - a.f1)[0];
  const [pair] = confusedPairs;
  return [
    { kind: 'heading', text: `What ${model} takes for what` },
    shown(
      read,
      figures.confusion,
      `Each row holds the images of one true class, each column those taken for one class; the diagonal is right. ` +
        (pair
          ? `The most frequent mistake is ${classNames[pair.label]} taken for ${classNames[pair.predicted]} (${pair.count} images). `
          : '') +
        (isOther(result)
          ? 'Mistakes between classes that look alike are expected; they do not say that the labels are right.'
          : 'Mistakes between garments of like outline are expected at 28 x 28 pixels; they do not say that the labels are right.'),
    ),
    shown(
      read,
      figures.perClass,
      `Precision is how far a prediction can be trusted, recall how much of a class is found. ${best.name} is easiest ` +
        `(F1 ${percent(best.f1, 1)}), ${worst.name} hardest (${percent(worst.f1, 1)}). Where two intervals overlap, the order of ` +
        'the two classes is not certain.',
    ),
    {
      kind: 'table',
      caption: `${model}: every class`,
      columns: ['class', 'images', 'taken for it', 'precision (%)', 'recall (%)', 'F1 (%)'],
      rows: perClass.map(({ name, support, predicted, precision, recall, f1 }) => [
        name,
        support,
        predicted,
        ...[precision, recall, f1].map(share => (100 * share).toFixed(1)),
      ]),
    },
    ...pairGallery(network, result, read),
  ];
}

function pairGallery(
  { confusedPairs, model }: NetworkEvaluation,
  result: EvaluationResult,
  read: FigureSource,
): Block[] {
  const { classNames } = result;
  const people = isOther(result) ? '' : ' (three people voting got 83.5 % of 1,000 such images right)';
  const pictures = confusedPairs.flatMap(({ label, predicted, count, figure }) => {
    const content = read(drawn(figure));
    const caption = `${classNames[label]} taken for ${classNames[predicted]}: ${count}`;
    return 'png' in content ? [{ png: content.png, caption }] : [];
  });
  if (pictures.length === 0) return [];
  return [
    {
      kind: 'gallery',
      pictures,
      width: 300,
      caption:
        `The most frequent confusions of ${model}, with test images of each, the surest mistakes first. Look at them before ` +
        `blaming the network: some are hard for people too${people}.`,
    },
  ];
}

/** The chapter on whether the networks' confidence can be believed. */
export function calibrationSection(result: EvaluationResult, read: FigureSource): Section {
  const { networks } = result;
  const elsewhere = isOther(result) ? 'chapter on corruptions' : 'chapters on corruptions and photographs';
  const blocks: Block[] = [
    {
      kind: 'text',
      text:
        'A network gives a probability with every answer. It is calibrated if, of all images it is 80 % sure of, 80 % are right. ' +
        'The expected calibration error (ECE) is the mean gap. Training with label smoothing often makes a network less sure than ' +
        'it could be; one number, the temperature, fitted on held-out training images, divides the scores and mends most of it ' +
        'without changing a single answer.',
    },
    {
      kind: 'table',
      caption: 'Before and after temperature scaling, on the test images (the temperature was fitted on others)',
      columns: [
        'network',
        'temperature',
        'ECE (%)',
        'ECE after (%)',
        'log loss',
        'log loss after',
        'Brier',
        'Brier after',
      ],
      rows: networks.map(({ model, temperature, ece, nll, brier, calibrated }) => [
        model,
        temperature === null ? '–' : temperature.toFixed(3),
        (100 * ece).toFixed(2),
        calibrated ? (100 * calibrated.ece).toFixed(2) : '–',
        nll.toFixed(4),
        calibrated ? calibrated.nll.toFixed(4) : '–',
        brier.toFixed(4),
        calibrated ? calibrated.brier.toFixed(4) : '–',
      ]),
    },
  ];
  for (const { model, figures: named, reliability } of networks) {
    const figures = drawn(named);
    const filled = reliability.filter(({ count }) => count > 0);
    const over = filled.reduce((sum, { count, confidence, accuracy }) => sum + count * (confidence! - accuracy!), 0);
    const images = filled.reduce((sum, { count }) => sum + count, 0);
    const direction =
      over / images > 0.005
        ? 'surer than it should be'
        : over / images < -0.005
          ? 'less sure than it could be'
          : 'about as sure as it should be';
    blocks.push(
      shown(
        read,
        figures.reliability,
        `${model} before scaling: on the whole ${direction}. Bars on the dashed line would be perfect; bins with few images ` +
          '(below) scatter by chance.',
      ),
    );
    if (figures.reliabilityCalibrated) {
      blocks.push(
        shown(
          read,
          figures.reliabilityCalibrated,
          `${model} after scaling. This holds for images like these; for foreign images confidence may still mean nothing (see ` +
            `the ${elsewhere}).`,
        ),
      );
    }
  }
  return { title: 'Can the confidence be believed?', blocks };
}

/** The chapter on mistakes made with confidence. */
export function mistakesSection({ networks, classNames }: EvaluationResult, read: FigureSource): Section {
  const blocks: Block[] = [
    {
      kind: 'text',
      text:
        'The wrong answers that a network is surest of are the most instructive: some show what it has not learned, some are ' +
        'images whose label is doubtful. They are chosen by confidence, so they are not a picture of its mistakes in general.',
    },
  ];
  for (const { model, mistakes, figures } of networks) {
    if (mistakes.length === 0) {
      blocks.push({ kind: 'text', text: `${model} has every test image right.` });
      continue;
    }
    blocks.push(
      shown(
        read,
        figures?.mistakes,
        `${model}: its ${mistakes.length} surest mistakes, row by row from the surest. Many would puzzle a person; one that would ` +
          'not is a weakness of this network.',
      ),
      {
        kind: 'table',
        caption: `${model}: the first twelve of them`,
        columns: ['test image', 'labelled', 'taken for', 'confidence (%)'],
        rows: mistakes
          .slice(0, 12)
          .map(({ index, label, predicted, confidence }) => [
            index,
            classNames[label],
            classNames[predicted],
            (100 * confidence).toFixed(1),
          ]),
      },
    );
  }
  return { title: 'Mistakes made with confidence', blocks };
}
