/** The stage `photos`: what a checkpoint says about pictures from files, how each was prepared, and how often it is right. */

import { join } from 'node:path';
import { DeviceDataset } from '../data/device-dataset.ts';
import { CLASS_NAMES } from '../data/fashion-mnist.ts';
import { type PreparedPhoto, type PrepareOptions, preparePhoto } from '../data/photo.ts';
import { findPhotos, GARMENT_DIRECTORY, type PhotoFile } from '../data/photo-folder.node.ts';
import { labelText } from '../data/photo-labels.ts';
import { readPicture } from '../data/picture-file.node.ts';
import { DataError } from '../devices/errors.ts';
import type { Module } from '../nn/index.ts';
import { ensureWritable, writeJsonAtomically } from '../train/atomic-file.node.ts';
import {
  isRight,
  photoAccuracy,
  photoSet,
  predictLogits,
  type RankedClass,
  rankedClasses,
  softmaxRows,
} from '../train/index.ts';
import { drawingFolder } from './drawing-folder.node.ts';
import { checkTable, writeTable } from './predictions-table.node.ts';
import type { PhotosResult } from './results.ts';
import { loadFashionModel } from './run-data.node.ts';
import { Interrupted, type Session } from './session.ts';

export interface PredictOptions {
  readonly checkpoint: string;
  /** Files and folders; default: the pictures that come with this package. */
  readonly images?: readonly string[];
  /** auto, folders, none, or a file. */
  readonly labels?: string;
  /** Use only the first so many pictures. */
  readonly limit?: number;
  readonly resize?: 'area' | 'subsample';
  readonly levels?: boolean;
  /** Classes named for each picture. */
  readonly top?: number;
  /** Where to write a table with a line for each picture that can be read (see `writeTable`); absent for nowhere. */
  readonly csv?: string;
  /** Where to write photos.json, figures and the page; absent for nowhere. */
  readonly out?: string;
}

/** Pictures whose stages are drawn; a folder of thousands would fill the disk with strips nobody looks at. */
const MOST_STAGES = 200;

interface Prepared {
  readonly photo: PhotoFile;
  readonly prepared: Omit<PreparedPhoto, 'stages'>;
  readonly strip?: string;
}

/** A prepared picture and what the network says about it. */
interface Judged extends Prepared {
  readonly probabilities: ArrayLike<number>;
  readonly ranked: readonly RankedClass[];
  readonly right: boolean | null;
}

/**
 * Predicts the class of pictures; writes photos.json, figures/ and report.html into `out`, where one is given.
 *
 * @throws DataError when not one of the pictures can be read; Interrupted when the session's signal is raised
 */
export async function predictStudy(options: PredictOptions, session: Session): Promise<PhotosResult> {
  const { checkpoint, limit, csv, out, resize = 'area', levels = true, top = 3 } = options;
  const { model, info } = await loadFashionModel(checkpoint, session.device);
  try {
    const ownPictures = !options.images || options.images.length === 0;
    const paths = ownPictures ? [GARMENT_DIRECTORY] : options.images!;
    const found = (await findPhotos(paths, { labels: options.labels })).slice(0, limit);
    if (csv !== undefined)
      await checkTable(
        csv,
        found.map(({ path }) => path),
      );
    if (out !== undefined) await ensureWritable(out);
    const { ready, unreadable } = await prepareAll(found, { resize, levels }, out, session);
    if (ready.length === 0) {
      throw new DataError(
        unreadable.length === 1
          ? unreadable[0].reason
          : `None of ${found.length} pictures can be read; the first: ${unreadable[0].reason}`,
      );
    }
    const judged = await judge(model, ready, top, session.signal);
    const fileOf = ({ name, path }: PhotoFile): string => (ownPictures ? name : path);
    const result: PhotosResult = {
      device: session.device.kind,
      model: info.model.name,
      checkpoint,
      ownPictures,
      resize,
      levels,
      photos: judged.map(({ photo, prepared, ranked, right }) => ({
        file: fileOf(photo),
        name: photo.name,
        top: ranked,
        label: photo.label ? labelText(photo.label) : null,
        right,
        negated: prepared.negated,
        warnings: prepared.warnings,
      })),
      unreadable,
      outside: judged.filter(({ photo }) => photo.label?.length === 0).length,
      accuracy: photoAccuracy(judged.map(({ photo, right }) => ({ right, label: photo.label }))),
      stages: ready.flatMap(({ strip }) => strip ?? []),
    };
    if (csv !== undefined) {
      const rows = judged.map(({ photo, probabilities }) => ({ file: fileOf(photo), probabilities }));
      await writeTable(csv, rows, CLASS_NAMES);
    }
    if (out) {
      await writeJsonAtomically(join(out, 'photos.json'), result);
      await session.drawing?.photos(result, drawingFolder(out));
    }
    return result;
  } finally {
    model.dispose();
  }
}

async function judge(model: Module, ready: readonly Prepared[], top: number, signal: AbortSignal): Promise<Judged[]> {
  const images = new DeviceDataset(photoSet(ready.map(({ prepared }) => prepared.image)), model.device);
  try {
    const logits = await predictLogits(model, images, { signal });
    const classes = logits.length / ready.length;
    const probabilities = softmaxRows(logits, classes);
    return ready.map((one, i) => {
      const row = probabilities.subarray(i * classes, (i + 1) * classes);
      const ranked = rankedClasses(row, top);
      return { ...one, probabilities: row, ranked, right: isRight(ranked[0].class, one.photo.label) };
    });
  } finally {
    images.dispose();
  }
}

/** Decodes and prepares one picture after the other, so that only one is in memory at its full size. */
async function prepareAll(
  photos: readonly PhotoFile[],
  how: Pick<PrepareOptions, 'resize' | 'levels'>,
  out: string | undefined,
  { progress, signal, drawing }: Session,
): Promise<{ ready: Prepared[]; unreadable: { name: string; reason: string }[] }> {
  const ready: Prepared[] = [];
  const unreadable: { name: string; reason: string }[] = [];
  for (const [index, photo] of photos.entries()) {
    if (signal.aborted) throw new Interrupted(`Stopped after ${index} of ${photos.length} pictures.`);
    progress.show(`${index + 1} of ${photos.length} pictures`);
    const prepared = await preparePhotoFile(photo, how);
    if (prepared instanceof DataError) {
      unreadable.push({ name: photo.name, reason: prepared.message });
      progress.note(prepared.message);
      continue;
    }
    const { stages, ...rest } = prepared;
    const isDrawn = out !== undefined && ready.length < MOST_STAGES;
    const strip = isDrawn ? await drawing?.photo(stages, ready.length + 1, drawingFolder(out)) : undefined;
    ready.push({ photo, prepared: rest, strip });
  }
  return { ready, unreadable };
}

/** The prepared picture, or why it cannot be read. */
async function preparePhotoFile(
  photo: PhotoFile,
  how: Pick<PrepareOptions, 'resize' | 'levels'>,
): Promise<PreparedPhoto | DataError> {
  try {
    return preparePhoto(await readPicture(photo.path), how);
  } catch (error) {
    if (error instanceof DataError) return error;
    throw error;
  }
}
