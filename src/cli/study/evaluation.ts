/**
 * The study's evaluation: every network on the test images, once; temperature from the images that training held out; and
 * the two compared on the same images. Writes evaluation.json, the scores as .npy, and the figures.
 */
import { join } from 'node:path';
import { DeviceDataset } from '../../data/device-dataset.ts';
import type { ImageSet } from '../../data/fashion-mnist.ts';
import { CLASS_NAMES } from '../../data/index.node.ts';
import { UsageError } from '../../devices/errors.ts';
import { serializeNpy } from '../../interop/npy.ts';
import { buildModel, type Module } from '../../nn/index.ts';
import {
  confusionMatrixChart,
  encodePng,
  imagePicture,
  imageSheet,
  type Picture,
  perClassChart,
  reliabilityDiagram,
} from '../../report/index.node.ts';
import type {
  ConfusedPair,
  EvaluationResult,
  NetworkComparison,
  NetworkEvaluation,
} from '../../report/study/evaluation.ts';
import type { NetworkInside } from '../../report/study/inside.ts';
import { writeFileAtomically, writeJsonAtomically } from '../../train/atomic-file.node.ts';
import { loadCheckpoint, readCheckpointInfo } from '../../train/checkpoint.node.ts';
import {
  type CheckpointInfo,
  type ConfusionMatrix,
  confidentMistakes,
  evaluateLogits,
  fitTemperature,
  heldOutImages,
  type Mistake,
  mcNemar,
  pairedBootstrap,
  predictedClasses,
  predictLogits,
  reliabilityTable,
  softmaxRows,
} from '../../train/index.ts';
import { noteTestSetUse } from '../../train/test-set-ledger.node.ts';
import type { SharedOptions } from '../options.ts';
import { Interrupted, obtainData, type Session } from '../session.ts';
import { drawExample, drawInside } from './inside.ts';

export interface EvaluationStudyOptions extends Pick<SharedOptions, 'seed' | 'data' | 'limit'> {
  /** Names of networks and where their checkpoints are; the first two are compared. */
  readonly networks: readonly { readonly network: string; readonly checkpoint: string }[];
  readonly out: string;
}

const CLASSES = CLASS_NAMES.length;
const PAIRS = 6;
const PAIR_IMAGES = 6;
const MISTAKES = 36;
const BINS = 15;

/**
 * Evaluates the networks.
 * @throws Interrupted when the session's signal is raised between two of them
 */
export async function evaluationStudy(options: EvaluationStudyOptions, session: Session): Promise<EvaluationResult> {
  const { networks, out, seed } = options;
  const { device, progress, signal } = session;
  if (networks.length === 0) throw new UsageError('There is no network to evaluate.');
  const data = await obtainData(options, progress);
  const test = new DeviceDataset(data.test, device);
  const { labels } = data.test;
  const evaluated: NetworkEvaluation[] = [];
  const predictions: Int32Array[] = [];
  const inside: NetworkInside[] = [];
  try {
    for (const { network, checkpoint } of networks) {
      if (signal.aborted) throw new Interrupted(`Stopped before ${network} was evaluated.`);
      const info = await readCheckpointInfo(checkpoint);
      const model = buildModel(info.model).initialize({ device });
      try {
        await loadCheckpoint(checkpoint, model);
        const began = performance.now();
        const logits = await predictLogits(model, test, {
          onProgress: (done, total) => progress.show(`${network}: ${done} of ${total} test images`),
        });
        const seconds = (performance.now() - began) / 1000;
        const temperature = await temperatureOf(checkpoint, info, model, data.train, data.isSample, session);
        const evaluation = evaluateLogits(logits, labels, CLASS_NAMES);
        const scaled = temperature === null ? undefined : evaluateLogits(logits, labels, CLASS_NAMES, temperature);
        const probabilities = softmaxRows(logits, CLASSES);
        const reliability = reliabilityTable(probabilities, labels, BINS);
        const wrong = confidentMistakes(probabilities, labels, labels.length);
        await writeFileAtomically(join(out, `${network}-logits.npy`), serializeNpy([labels.length, CLASSES], logits));
        const figures = await writeFigures(out, network, info.model.name, data.test, wrong, {
          evaluation,
          reliability,
          calibrated:
            temperature === null
              ? undefined
              : reliabilityTable(softmaxRows(logits, CLASSES, temperature), labels, BINS),
        });
        evaluated.push({
          network,
          model: info.model.name,
          checkpoint,
          parameters: model.parameterCount,
          imagesPerSecond: Math.round(labels.length / seconds),
          ...evaluation,
          reliability,
          temperature,
          ...(scaled && { calibrated: { nll: scaled.nll, brier: scaled.brier, ece: scaled.ece } }),
          confusedPairs: await writePairs(out, network, data.test, evaluation.confusion, wrong),
          mistakes: wrong.slice(0, MISTAKES),
          figures,
        });
        predictions.push(predictedClasses(logits, CLASSES));
        inside.push(await drawInside(network, model, info.model.name, data, out));
        const { accuracy, images } = evaluation;
        const use = { command: 'run', model: info.model.name, checkpoint, seed, sampleData: data.isSample };
        await noteTestSetUse(out, { ...use, images, accuracy });
      } finally {
        model.dispose();
      }
    }
    const result: EvaluationResult = {
      device: device.info.description,
      seed,
      sampleData: data.isSample,
      classNames: CLASS_NAMES,
      testImages: labels.length,
      networks: evaluated,
      comparison: comparisonOf(networks, predictions, labels, seed),
      inside: { ...(await drawExample(data, out)), networks: inside },
    };
    await writeJsonAtomically(join(out, 'evaluation.json'), result);
    return result;
  } finally {
    test.dispose();
  }
}

/** The temperature that suits the images which training held out; null where there are none. */
async function temperatureOf(
  name: string,
  info: CheckpointInfo,
  model: Module,
  train: ImageSet,
  isSample: boolean,
  { device, progress }: Session,
): Promise<number | null> {
  let indices: Uint32Array;
  try {
    indices = heldOutImages([{ name, info }], train.labels, isSample);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    progress.note(`No temperature is fitted: ${error.message}`);
    return null;
  }
  const images = new DeviceDataset(train, device);
  try {
    const logits = await predictLogits(model, images, { indices });
    const held = Uint8Array.from(indices, index => train.labels[index]);
    return fitTemperature(logits, held).temperature;
  } finally {
    images.dispose();
  }
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

interface Drawn {
  readonly evaluation: Pick<NetworkEvaluation, 'confusion' | 'perClass'>;
  readonly reliability: ReturnType<typeof reliabilityTable>;
  readonly calibrated?: ReturnType<typeof reliabilityTable>;
}

async function writeFigures(
  out: string,
  network: string,
  model: string,
  set: ImageSet,
  wrong: readonly Mistake[],
  { evaluation, reliability, calibrated }: Drawn,
): Promise<NetworkEvaluation['figures']> {
  const write = async (name: string, contents: string | Uint8Array): Promise<string> => {
    const file = `${network}-${name}`;
    await writeFileAtomically(join(out, 'figures', file), contents);
    return file;
  };
  const surest = wrong.slice(0, MISTAKES).map(({ index }) => picture(set, index));
  return {
    confusion: await write('confusion.svg', confusionMatrixChart(evaluation.confusion, CLASS_NAMES, { title: model })),
    perClass: await write('per-class.svg', perClassChart(evaluation.perClass, { title: `${model}: every class` })),
    reliability: await write('reliability.svg', reliabilityDiagram(reliability, { title: `${model}, as trained` })),
    ...(calibrated && {
      reliabilityCalibrated: await write(
        'reliability-calibrated.svg',
        reliabilityDiagram(calibrated, { title: `${model}, scaled` }),
      ),
    }),
    ...(surest.length > 0 && {
      mistakes: await write('mistakes.png', encodePng(imageSheet(surest, { columns: 12, scale: 2 }))),
    }),
  };
}

/** The most frequent confusions, with a sheet of the surest ones each. */
async function writePairs(
  out: string,
  network: string,
  set: ImageSet,
  confusion: ConfusionMatrix,
  wrong: readonly Mistake[],
): Promise<ConfusedPair[]> {
  const pairs = confusion
    .flatMap((row, label) => row.map((count, predicted) => ({ label, predicted, count })))
    .filter(({ label, predicted, count }) => label !== predicted && count > 0)
    .sort((a, b) => b.count - a.count || a.label - b.label || a.predicted - b.predicted)
    .slice(0, PAIRS);
  const written: ConfusedPair[] = [];
  for (const [rank, pair] of pairs.entries()) {
    const images = wrong
      .filter(({ label, predicted }) => label === pair.label && predicted === pair.predicted)
      .slice(0, PAIR_IMAGES)
      .map(({ index }) => index);
    const sheet = imageSheet(
      images.map(index => picture(set, index)),
      { columns: PAIR_IMAGES, scale: 2, gap: 3 },
    );
    const figure = `${network}-confusion-${rank + 1}.png`;
    await writeFileAtomically(join(out, 'figures', figure), encodePng(sheet));
    written.push({ ...pair, images, figure });
  }
  return written;
}

function picture(set: ImageSet, index: number): Picture {
  const size = set.height * set.width * set.channels;
  return imagePicture(set.images.subarray(index * size, (index + 1) * size), set.width, set.height);
}
