/** What a checkpoint of any data set but Fashion-MNIST says about picture files, prepared as its training pictures were. */
import { basename, dirname, join } from 'node:path';
import { DeviceDataset } from '../data/device-dataset.ts';
import { findPhotos, type PhotoFile } from '../data/photo-folder.node.ts';
import { readPictureLike } from '../data/picture-decoding.node.ts';
import { DataError, UsageError } from '../devices/errors.ts';
import type { Module } from '../nn/index.ts';
import { ensureWritable, writeJsonAtomically } from '../train/atomic-file.node.ts';
import { loadModel } from '../train/checkpoint.node.ts';
import { predictLogits, rankedClasses, type Scores, softmaxRows, wilsonInterval } from '../train/index.ts';
import type { PredictOptions } from './predict.node.ts';
import { checkTable, type PicturePrediction, writeTable } from './predictions-table.node.ts';
import type { PicturesResult } from './results.ts';
import { dataOf } from './run-data.node.ts';
import { Interrupted, type Session } from './session.ts';

/** Pictures that are decoded and predicted at a time. */
const AT_A_TIME = 256;

/** A picture that could be read, and its bytes [height, width, channels]. */
interface ReadyPicture {
  readonly photo: PhotoFile;
  readonly bytes: Uint8Array;
}

/**
 * Predicts the class of pictures; writes predictions.json into `out`, where one is given.
 *
 * @throws UsageError where no pictures are named, and for labels from a file; DataError when not one of the pictures can be
 *   read; Interrupted when the session's signal is raised
 */
export async function predictPictures(options: PredictOptions, session: Session): Promise<PicturesResult> {
  const { checkpoint, images = [], labels = 'auto', limit, csv, out, top = 3 } = options;
  if (images.length === 0) {
    throw new UsageError(
      `predict: name the pictures; those of this package are garments, not what ${checkpoint} tells apart.`,
    );
  }
  if (!['auto', 'folders', 'none'].includes(labels)) {
    throw new UsageError(
      `predict: labels from a file are for Fashion-MNIST; ${checkpoint} takes auto, folders or none.`,
    );
  }
  const { model, info } = await loadModel(checkpoint, session.device);
  try {
    const { classNames, imageShape } = dataOf(info);
    const found = (await findPhotos(images, { labels: 'none' })).slice(0, limit);
    if (csv !== undefined)
      await checkTable(
        csv,
        found.map(({ path }) => path),
      );
    if (out !== undefined) await ensureWritable(out);
    const unreadable: { name: string; reason: string }[] = [];
    const pictures: PicturesResult['pictures'][number][] = [];
    const rows: PicturePrediction[] = [];
    for (let from = 0; from < found.length; from += AT_A_TIME) {
      const ready = await decodeSome(found, from, imageShape, unreadable, session);
      const probabilities = await probabilitiesOf(model, ready, imageShape, session.signal);
      const ranked = probabilities.map(row => rankedClasses(row, top, classNames));
      ready.forEach(({ photo: { path, name } }, i) => {
        const folder = basename(dirname(path));
        const label = labels !== 'none' && classNames.includes(folder) ? folder : null;
        const right = label === null ? null : ranked[i][0].name === label;
        pictures.push({ file: path, name, top: ranked[i], label, right });
        if (csv !== undefined) rows.push({ file: path, probabilities: probabilities[i] });
      });
    }
    if (pictures.length === 0) {
      throw new DataError(
        unreadable.length === 1
          ? unreadable[0].reason
          : `None of ${found.length} pictures can be read; the first: ${unreadable[0].reason}`,
      );
    }
    const result: PicturesResult = {
      ...{ device: session.device.kind, model: info.model.name, checkpoint, classNames, imageShape },
      ...{ pictures, unreadable, accuracy: accuracyOf(pictures) },
    };
    if (csv !== undefined) await writeTable(csv, rows, classNames);
    if (out !== undefined) await writeJsonAtomically(join(out, 'predictions.json'), result);
    return result;
  } finally {
    model.dispose();
  }
}

async function decodeSome(
  found: readonly PhotoFile[],
  from: number,
  imageShape: readonly [number, number, number],
  unreadable: { name: string; reason: string }[],
  { signal, progress }: Session,
): Promise<ReadyPicture[]> {
  const ready: ReadyPicture[] = [];
  for (const [i, photo] of found.slice(from, from + AT_A_TIME).entries()) {
    if (signal.aborted) throw new Interrupted(`Stopped after ${from + i} of ${found.length} pictures.`);
    progress.show(`${from + i + 1} of ${found.length} pictures`);
    try {
      ready.push({ photo, bytes: await readPictureLike(photo.path, imageShape) });
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      unreadable.push({ name: photo.name, reason: error.message });
      progress.note(error.message);
    }
  }
  return ready;
}

/** The probabilities of all classes, for each picture. */
async function probabilitiesOf(
  model: Module,
  ready: readonly ReadyPicture[],
  [height, width, channels]: readonly [number, number, number],
  signal: AbortSignal,
): Promise<Scores[]> {
  if (ready.length === 0) return [];
  const images = new Uint8Array(ready.length * height * width * channels);
  ready.forEach(({ bytes }, i) => {
    images.set(bytes, i * bytes.length);
  });
  const labels = new Uint8Array(ready.length);
  const set = new DeviceDataset({ images, labels, count: ready.length, height, width, channels }, model.device);
  try {
    const logits = await predictLogits(model, set, { signal });
    const classes = logits.length / ready.length;
    const probabilities = softmaxRows(logits, classes);
    return ready.map((_, i) => probabilities.subarray(i * classes, (i + 1) * classes));
  } finally {
    set.dispose();
  }
}

function accuracyOf(pictures: PicturesResult['pictures']): PicturesResult['accuracy'] {
  const labelled = pictures.filter(({ right }) => right !== null);
  if (labelled.length === 0) return null;
  const right = labelled.filter(one => one.right).length;
  const images = labelled.length;
  return { images, right, accuracy: right / images, ci95: wilsonInterval(right, images) };
}
