/** An evaluation as files: the figures as JSON, the charts, and the surest mistakes as a sheet of pictures. */
import { join } from 'node:path';
import type { ImageSet } from '../data/fashion-mnist.ts';
import { CLASS_NAMES } from '../data/index.node.ts';
import { confusionMatrixChart } from '../report/confusion-matrix.ts';
import { imageSheet } from '../report/image-sheet.ts';
import { perClassChart } from '../report/interval-bars.ts';
import { imagePicture } from '../report/picture.ts';
import { encodePng } from '../report/png.node.ts';
import { reliabilityDiagram } from '../report/reliability-diagram.ts';
import { writeFileAtomically, writeJsonAtomically } from '../train/atomic-file.node.ts';
import {
  confidentMistakes,
  type Evaluation,
  type McNemar,
  reliabilityTable,
  type Scores,
  softmaxRows,
  type ViewName,
} from '../train/index.ts';

export type Calibration = Pick<Evaluation, 'nll' | 'brier' | 'ece'>;

export interface EvaluateResult extends Evaluation {
  readonly model: string;
  readonly checkpoint: string;
  readonly on: 'test' | 'validation';
  readonly sampleData: boolean;
  readonly tta: readonly ViewName[];
  /** Fitted on held-out images; null where none are left or none was asked for. All other figures are without it. */
  readonly temperature: number | null;
  /** The same with the temperature. */
  readonly calibrated?: Calibration;
  readonly comparison?: McNemar & { readonly checkpoint: string; readonly accuracy: number };
}

const MISTAKES = 60;
const COLUMNS = 10;

export interface Evaluated {
  readonly logits: Scores;
  readonly labels: ArrayLike<number>;
  /** Where the images are, and which of them were evaluated (default: all). */
  readonly set: ImageSet;
  readonly indices?: Uint32Array;
}

/** Writes metrics.json, mistakes.json and figures/ into a folder. */
export async function writeEvaluation(out: string, result: EvaluateResult, evaluated: Evaluated): Promise<void> {
  const { logits, labels, set, indices } = evaluated;
  const figure = (name: string, contents: string | Uint8Array) =>
    writeFileAtomically(join(out, 'figures', name), contents);
  await writeJsonAtomically(join(out, 'metrics.json'), result);
  await figure('confusion-matrix.svg', confusionMatrixChart(result.confusion, CLASS_NAMES));
  await figure('per-class.svg', perClassChart(result.perClass));
  const probabilities = softmaxRows(logits, CLASS_NAMES.length);
  await figure('reliability.svg', reliabilityDiagram(reliabilityTable(probabilities, labels)));
  if (result.temperature !== null) {
    const scaled = reliabilityTable(softmaxRows(logits, CLASS_NAMES.length, result.temperature), labels);
    const title = `Reliability with temperature ${result.temperature.toFixed(2)}`;
    await figure('reliability-calibrated.svg', reliabilityDiagram(scaled, { title }));
  }
  const mistakes = confidentMistakes(probabilities, labels, MISTAKES);
  // The sheet shows them in this order, row by row.
  await writeJsonAtomically(
    join(out, 'mistakes.json'),
    mistakes.map(({ index, label, predicted, confidence }) => ({
      image: indices ? indices[index] : index,
      label: CLASS_NAMES[label],
      predicted: CLASS_NAMES[predicted],
      confidence,
    })),
  );
  if (mistakes.length === 0) return;
  const size = set.height * set.width * set.channels;
  const pictures = mistakes.map(({ index }) => {
    const image = indices ? indices[index] : index;
    return imagePicture(set.images.subarray(image * size, (image + 1) * size), set.width, set.height);
  });
  await figure('mistakes.png', encodePng(imageSheet(pictures, { columns: COLUMNS, scale: 2 })));
}
