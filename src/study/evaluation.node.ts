/**
 * The stage `evaluate`: every network of the study on the test images, once; temperature from the images that training held
 * out; and the first two compared on the same images. Writes evaluation.json, the scores as .npy, and the figures.
 */

import { join } from 'node:path';
import type { Dataset } from '../data/dataset.ts';
import { DeviceDataset } from '../data/device-dataset.ts';
import { UsageError } from '../devices/errors.ts';
import { serializeNpy } from '../interop/npy.ts';
import type { Module } from '../nn/index.ts';
import { writeFileAtomically, writeJsonAtomically } from '../train/atomic-file.node.ts';
import { loadModel } from '../train/checkpoint.node.ts';
import {
  type CheckpointInfo,
  type ConfusionMatrix,
  confidentMistakes,
  evaluateLogits,
  type Mistake,
  mcNemar,
  pairedBootstrap,
  predictedClasses,
  predictLogits,
  reliabilityTable,
  softmaxRows,
} from '../train/index.ts';
import { type DataOptions, obtainDataset } from './data.node.ts';
import type { DrawingFolder } from './drawing.ts';
import { drawingFolder } from './drawing-folder.node.ts';
import { heldOutTemperature } from './held-out-temperature.ts';
import { lookInside } from './inside.ts';
import type { ConfusedPair, EvaluationResult, NetworkComparison, NetworkEvaluation, NetworkInside } from './results.ts';
import { aboutData, checkSameData } from './run-data.node.ts';
import { Interrupted, type Session } from './session.ts';
import { noteTestSetUse } from './test-set-ledger.node.ts';

/** A network of the study and where its checkpoint is. */
export interface NetworkCheckpoint {
  readonly network: string;
  readonly checkpoint: string;
}

export interface EvaluationStudyOptions extends DataOptions {
  /** The first two are compared. */
  readonly networks: readonly NetworkCheckpoint[];
  readonly seed: number;
  readonly out: string;
}

const PAIRS = 6;
const PAIR_IMAGES = 6;
const MISTAKES = 36;
const BINS = 15;
/** The test image that the networks are looked into with: of Fashion-MNIST an ankle boot, which has an outline, a sole, laces. */
const EXAMPLE = 0;

/**
 * Evaluates the networks.
 * @throws Interrupted when the session's signal is raised between two of them, its reason when it is raised within one
 */
export async function evaluationStudy(options: EvaluationStudyOptions, session: Session): Promise<EvaluationResult> {
  const { networks, out, seed } = options;
  const { device, progress, signal, drawing } = session;
  if (networks.length === 0) throw new UsageError('There is no network to evaluate.');
  const data = await obtainDataset(options, progress, signal);
  const { classNames } = data;
  const folder = drawingFolder(out);
  const { labels } = data.test;
  const evaluated: NetworkEvaluation[] = [];
  const predictions: Int32Array[] = [];
  const inside: NetworkInside[] = [];
  const test = new DeviceDataset(data.test, device);
  try {
    for (const { network, checkpoint } of networks) {
      if (signal.aborted) throw new Interrupted(`Stopped before ${network} was evaluated.`);
      const { model, info } = await loadModel(checkpoint, device);
      try {
        checkSameData(info, checkpoint, data);
        const found = await evaluateNetwork({ network, checkpoint }, { model, info }, test, data, folder, session);
        evaluated.push(found.evaluation);
        predictions.push(found.predictions);
        const name = info.model.name;
        inside.push(await lookInside(network, model, name, data.test, EXAMPLE, drawing, folder));
        const { accuracy, images } = found.evaluation;
        const use = { command: 'run', model: name, checkpoint, seed, sampleData: data.isSample, images, accuracy };
        await noteTestSetUse(out, use, progress);
      } finally {
        model.dispose();
      }
    }
    const result: EvaluationResult = {
      device: device.info.description,
      seed,
      sampleData: data.isSample,
      ...aboutData(data),
      classNames,
      testImages: labels.length,
      networks: evaluated,
      comparison: comparisonOf(networks, predictions, labels, seed),
      inside: {
        image: EXAMPLE,
        label: classNames[labels[EXAMPLE]],
        figure: await drawing?.example(data.test, EXAMPLE, folder),
        networks: inside,
      },
    };
    await writeJsonAtomically(join(out, 'evaluation.json'), result);
    return result;
  } finally {
    test.dispose();
  }
}

/** One network on the test images; keeps its logits as `NETWORK-logits.npy`. */
async function evaluateNetwork(
  { network, checkpoint }: NetworkCheckpoint,
  { model, info }: { readonly model: Module; readonly info: CheckpointInfo },
  test: DeviceDataset,
  data: Dataset,
  folder: DrawingFolder,
  session: Session,
): Promise<{ evaluation: NetworkEvaluation; predictions: Int32Array }> {
  const { progress, drawing, signal } = session;
  const { classNames } = data;
  const classes = classNames.length;
  const { labels } = data.test;
  const began = performance.now();
  const logits = await predictLogits(model, test, {
    signal,
    onProgress: (done, total) => progress.show(`${network}: ${done} of ${total} test images`),
  });
  const seconds = (performance.now() - began) / 1000;
  const temperature = await heldOutTemperature({
    members: [{ name: checkpoint, info }],
    train: data.train,
    isSample: data.isSample,
    session,
    predict: (images, indices) => predictLogits(model, images, { indices, signal }),
  });
  const evaluation = evaluateLogits(logits, labels, classNames);
  const scaled = temperature === null ? undefined : evaluateLogits(logits, labels, classNames, temperature);
  const probabilities = softmaxRows(logits, classes);
  const reliability = reliabilityTable(probabilities, labels, BINS);
  const wrong = confidentMistakes(probabilities, labels, labels.length);
  await writeFileAtomically(join(folder.path, `${network}-logits.npy`), serializeNpy([labels.length, classes], logits));
  const pairs = confusedPairs(evaluation.confusion, wrong);
  const mistakes = wrong.slice(0, MISTAKES);
  const calibrated =
    temperature === null ? undefined : reliabilityTable(softmaxRows(logits, classes, temperature), labels, BINS);
  const material = { network, model: info.model.name, set: data.test, evaluation, reliability, calibrated };
  const drawn = await drawing?.network({ ...material, mistakes, pairs }, folder);
  return {
    predictions: predictedClasses(logits, classes),
    evaluation: {
      network,
      model: info.model.name,
      checkpoint,
      parameters: model.parameterCount,
      imagesPerSecond: Math.round(labels.length / seconds),
      ...evaluation,
      reliability,
      temperature,
      ...(scaled && { calibrated: { nll: scaled.nll, brier: scaled.brier, ece: scaled.ece } }),
      confusedPairs: pairs.map((pair, rank) => ({ ...pair, figure: drawn?.pairs[rank] })),
      mistakes,
      figures: drawn?.figures,
    },
  };
}

function comparisonOf(
  networks: EvaluationStudyOptions['networks'],
  predictions: readonly Int32Array[],
  labels: Uint8Array,
  seed: number,
): NetworkComparison | undefined {
  if (predictions.length < 2) return undefined;
  const [first, second] = predictions;
  const right = (predicted: Int32Array): number[] => Array.from(predicted, (label, i) => Number(label === labels[i]));
  return {
    first: networks[0].network,
    second: networks[1].network,
    test: mcNemar(first, second, labels),
    difference: pairedBootstrap(right(first), right(second), { seed }),
  };
}

/** The most frequent confusions, with the surest mistakes of each. */
function confusedPairs(confusion: ConfusionMatrix, wrong: readonly Mistake[]): ConfusedPair[] {
  return confusion
    .flatMap((row, label) => row.map((count, predicted) => ({ label, predicted, count })))
    .filter(({ label, predicted, count }) => label !== predicted && count > 0)
    .sort((a, b) => b.count - a.count || a.label - b.label || a.predicted - b.predicted)
    .slice(0, PAIRS)
    .map(pair => ({
      ...pair,
      images: wrong
        .filter(({ label, predicted }) => label === pair.label && predicted === pair.predicted)
        .slice(0, PAIR_IMAGES)
        .map(({ index }) => index),
    }));
}
