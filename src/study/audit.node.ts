/**
 * The stage `audit`: what is wrong in the data, or may be. Repetitions (byte for byte, mirrored, nearly), blank images, and
 * training labels to doubt, by neighbours and by networks that were trained on other images. It reads what the exploration has
 * found and adds the mirror images and the networks.
 */
import { join } from 'node:path';
import type { Dataset } from '../data/dataset.ts';
import { DeviceDataset } from '../data/device-dataset.ts';
import { type ExploreResult, type ImageRef, mirroredDuplicates } from '../explore/index.ts';
import { buildModel } from '../nn/index.ts';
import { ensureWritable, writeJsonAtomically } from '../train/atomic-file.node.ts';
import { type DoubtfulLabel, doubtfulLabels, outOfFoldProbabilities, RECIPES, topKAccuracy } from '../train/index.ts';
import { type DataOptions, obtainDataset } from './data.node.ts';
import { drawingFolder } from './drawing-folder.node.ts';
import { modelOn, recipeOn } from './fit-to-data.ts';
import type { AuditResult, AuditRow } from './results.ts';
import { aboutData } from './run-data.node.ts';
import { Interrupted, type Session } from './session.ts';
import type { StudySettings } from './settings.ts';

type Networks = StudySettings['audit'];

export interface AuditOptions extends DataOptions, Networks {
  /** What the exploration of the same data found. */
  readonly explored: ExploreResult;
  readonly seed: number;
  readonly out: string;
}

/** Rows of a sheet, and images beside the first of a row. */
const MOST_ROWS = 12;
const MOST_BESIDE = 5;

/**
 * Audits the data; writes audit.json and figures/ into `options.out`.
 * @throws UsageError for fewer images than folds; Interrupted when the session's signal stopped it
 */
export async function auditStudy(options: AuditOptions, session: Session): Promise<AuditResult> {
  const { explored, seed, out, folds, epochs } = options;
  const { device, progress, signal } = session;
  const data = await obtainDataset(options, progress, signal);
  await ensureWritable(join(out, 'figures'));
  const { cleaning, nearDuplicates, labelCandidates, overlap } = explored;
  progress.show('audit: mirror images');
  const mirrored = mirroredDuplicates(data);
  const { doubts, accuracy, parameters } = await outOfFold(data, options, session).catch(error => {
    if (signal.aborted) throw new Interrupted('Stopped; the same command starts again.');
    throw error;
  });
  const doubted = new Set(doubts.map(({ index }) => index));
  const blank = [...cleaning.train.constant, ...cleaning.test.constant];
  const { groups, ...exact } = cleaning.duplicates;
  const { pairs, ...near } = nearDuplicates;
  const rows = new Rows(data);
  const sheets = {
    exact: rows.of(groups, group => [group, 'equal byte for byte']),
    mirrored: rows.of(mirrored, pair => [pair, 'one is the other, left for right']),
    near: rows.of(pairs, ({ images, difference }) => [
      images,
      `pixels differ by ${(255 * difference).toFixed(1)} of 255 (root mean square)`,
    ]),
    blank: rows.of(blank, ref => [[ref], `every pixel is ${ref.value}`]),
    neighbours: rows.of(labelCandidates.foremost, ({ index, suggested, agreeing, neighbours }) => [
      [index, ...neighbours.map(one => one.index)].map(rows.trainRef),
      `${agreeing} of ${neighbours.length} neighbours are ${rows.nameOf(suggested)}` +
        `${doubted.has(index) ? '; the predictions doubt it too' : ''}`,
    ]),
    predictions: rows.of(doubts, ({ index, likely, probability, ofLabel }) => [
      [rows.trainRef(index)],
      `${rows.nameOf(likely)} ${percent(probability)}, its label ${percent(ofLabel)}`,
    ]),
  };
  const result: AuditResult = {
    device: device.info.description,
    seed,
    sampleData: data.isSample,
    ...aboutData(data),
    classNames: data.classNames,
    trainImages: data.train.count,
    testImages: data.test.count,
    exact,
    mirrored: mirrored.length,
    near,
    blank: blank.length,
    byNeighbours: { compared: overlap.images, count: labelCandidates.count },
    byPredictions: {
      folds,
      epochs,
      parameters,
      accuracy,
      count: doubts.length,
      both: labelCandidates.foremost.filter(({ index }) => doubted.has(index)).length,
      indices: doubts.map(({ index }) => index),
    },
    sheets: await drawn(sheets, data, out, session),
  };
  await writeJsonAtomically(join(out, 'audit.json'), result);
  return result;
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** Labels that networks doubt which were trained on other images. */
async function outOfFold(
  data: Dataset,
  { folds, epochs, widths, hidden, seed }: AuditOptions,
  { device, progress, signal }: Session,
): Promise<{ doubts: DoubtfulLabel[]; accuracy: number; parameters: number }> {
  const { train, classNames } = data;
  const model = modelOn({ name: 'cnn', options: { widths, hidden } }, data);
  // Smoothed labels would make every probability lower, and the network is too small to learn its images by heart.
  const recipe = { ...recipeOn(RECIPES.cnn, data), epochs, smoothing: 0 };
  const images = new DeviceDataset(train, device);
  try {
    const probabilities = await outOfFoldProbabilities(images, train.labels, {
      ...{ model, recipe, folds, seed, signal, classes: classNames.length },
      onProgress: (fold, share) =>
        progress.show(`audit: fold ${fold + 1} of ${folds}, ${Math.round(100 * share)} % trained`),
    });
    const accuracy = topKAccuracy(probabilities, train.labels, 1);
    return {
      doubts: doubtfulLabels(probabilities, train.labels),
      accuracy,
      parameters: buildModel(model).summary([train.height, train.width, train.channels]).parameters,
    };
  } finally {
    images.dispose();
  }
}

/** Makes rows of what was found. */
class Rows {
  readonly #data: Dataset;

  constructor(data: Dataset) {
    this.#data = data;
  }

  readonly nameOf = (label: number): string => this.#data.classNames[label];
  readonly trainRef = (index: number): ImageRef => ({ split: 'train', index, label: this.#data.train.labels[index] });

  of<T>(found: readonly T[], row: (one: T) => readonly [readonly ImageRef[], string]): AuditRow[] {
    return found.slice(0, MOST_ROWS).map(one => {
      const [refs, remark] = row(one);
      const images = refs.slice(0, 1 + MOST_BESIDE).map(({ split, index, label }) => ({
        ...{ split, index, label },
        caption: `${split} ${index}: ${this.nameOf(label)}`,
      }));
      return { name: `${refs[0].split} ${refs[0].index}`, images, remark };
    });
  }
}

/** The rows with a file for each image. */
async function drawn(
  sheets: AuditResult['sheets'],
  data: Dataset,
  out: string,
  { drawing }: Session,
): Promise<AuditResult['sheets']> {
  if (!drawing) return sheets;
  const folder = drawingFolder(out);
  const whole = {} as Record<keyof AuditResult['sheets'], AuditRow[]>;
  for (const [sheet, rows] of Object.entries(sheets) as [keyof AuditResult['sheets'], AuditRow[]][]) {
    whole[sheet] = [];
    for (const row of rows) {
      const images: AuditRow['images'][number][] = [];
      for (const one of row.images) {
        images.push({ ...one, figure: await drawing.image(data[one.split], one.split, one.index, folder) });
      }
      whole[sheet].push({ ...row, images });
    }
  }
  return whole;
}
