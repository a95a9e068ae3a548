/** The figures of an evaluation: what is taken for what, how sure the network is, and pictures of its surest mistakes. */
import type { ImageSet } from '../../data/fashion-mnist.ts';
import type { DrawingFolder, EvaluatedCheckpoint, EvaluatedNetwork, StudyDrawing } from '../../study/drawing.ts';
import { confusionMatrixChart } from '../confusion-matrix.ts';
import { imageSheet, type SheetOptions } from '../image-sheet.ts';
import { perClassChart } from '../interval-bars.ts';
import { type Picture, valuesPicture } from '../picture.ts';
import { encodePng } from '../png.node.ts';
import { reliabilityDiagram } from '../reliability-diagram.ts';

const PAIR_COLUMNS = 6;

/** One network of a study; every file begins with its name. */
export async function drawNetwork(
  evaluated: EvaluatedNetwork,
  folder: DrawingFolder,
): ReturnType<StudyDrawing['network']> {
  const { network, model, set, evaluation, reliability, calibrated, mistakes, pairs } = evaluated;
  const keep = (name: string, contents: string | Uint8Array) => folder.figure(`${network}-${name}`, contents);
  const names = evaluation.perClass.map(({ name }) => name);
  const surest = mistakes.map(({ index }) => index);
  const figures = {
    confusion: await keep('confusion.svg', confusionMatrixChart(evaluation.confusion, names, { title: model })),
    perClass: await keep('per-class.svg', perClassChart(evaluation.perClass, { title: `${model}: every class` })),
    reliability: await keep('reliability.svg', reliabilityDiagram(reliability, { title: `${model}, as trained` })),
    ...(calibrated && {
      reliabilityCalibrated: await keep(
        'reliability-calibrated.svg',
        reliabilityDiagram(calibrated, { title: `${model}, scaled` }),
      ),
    }),
    ...(surest.length > 0 && {
      mistakes: await keep('mistakes.png', sheetOf(set, surest, { columns: 12, scale: 2 })),
    }),
  };
  const sheets: string[] = [];
  for (const [rank, { images }] of pairs.entries()) {
    const sheet = sheetOf(set, images, { columns: PAIR_COLUMNS, scale: 2, gap: 3 });
    sheets.push(await keep(`confusion-${rank + 1}.png`, sheet));
  }
  return { figures, pairs: sheets };
}

/** Checkpoints evaluated by themselves. */
export async function drawCheckpoint(evaluated: EvaluatedCheckpoint, folder: DrawingFolder): Promise<void> {
  const { result, reliability, calibrated, mistakes, set } = evaluated;
  const names = result.perClass.map(({ name }) => name);
  await folder.figure('confusion-matrix.svg', confusionMatrixChart(result.confusion, names));
  await folder.figure('per-class.svg', perClassChart(result.perClass));
  await folder.figure('reliability.svg', reliabilityDiagram(reliability));
  if (calibrated) {
    const title = `Reliability with temperature ${result.temperature!.toFixed(2)}`;
    await folder.figure('reliability-calibrated.svg', reliabilityDiagram(calibrated, { title }));
  }
  if (mistakes.length > 0) await folder.figure('mistakes.png', sheetOf(set, mistakes, { columns: 10, scale: 2 }));
}

/** Images of a set as a PNG. */
export function sheetOf(set: ImageSet, images: readonly number[], options: SheetOptions): Uint8Array {
  return encodePng(
    imageSheet(
      images.map(index => pictureOf(set, index)),
      options,
    ),
  );
}

/** One image of a set: grey by its first channel, or in colour by its first three. */
export function pictureOf(set: ImageSet, index: number): Picture {
  const size = set.height * set.width * set.channels;
  return valuesPicture(set.images.subarray(index * size, (index + 1) * size), set);
}
