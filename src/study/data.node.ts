/**
 * The data of a study: found once for a session, and described. The stage `data` keeps the description, the checksum of
 * every byte that was used, and a sheet of the images.
 */
import { createHash } from 'node:crypto';
import { basename, join, resolve } from 'node:path';
import type { DataProgress } from '../data/fashion-mnist.node.ts';
import type { FashionMnist, ImageSet } from '../data/fashion-mnist.ts';
import {
  classCounts,
  type Dataset,
  type DatasetOptions,
  fashionMnistDataset,
  loadFashionMnist,
  openDataset,
} from '../data/index.node.ts';
import { UsageError } from '../devices/errors.ts';
import { writeJsonAtomically } from '../train/atomic-file.node.ts';
import { drawingFolder } from './drawing-folder.node.ts';
import type { DataResult, OtherData, SetDescription } from './results.ts';
import type { Progress, Session } from './session.ts';

/** Which data a piece of work uses. */
export interface DataOptions {
  /** The folder with the data; default: Fashion-MNIST, wherever it is found. */
  readonly data?: string;
  /** How the files of that folder are read. */
  readonly reading?: DatasetOptions;
  /** Use only so many images of each set: the first ones of Fashion-MNIST, others evenly from the first to the last. */
  readonly limit?: number;
}

/** What a session has loaded, by what was asked for: a study of many stages reads and checks its data once. */
const loaded = new WeakMap<Progress, Map<string, Promise<Dataset>>>();

/**
 * As `obtainDataset`, for work that is about Fashion-MNIST.
 * @throws UsageError for a folder with another data set
 */
export async function obtainData(options: DataOptions, progress: Progress): Promise<Dataset> {
  const data = await obtainDataset(options, progress);
  if (data.kind === 'fashion-mnist') return data;
  throw new UsageError(`${data.provenance.path} is not Fashion-MNIST, which this is about.`);
}

/**
 * Opens a data set of any kind, saying what it is and what is odd; cut to `limit` images of each set.
 * @param signal stops the decoding of pictures
 * @throws UsageError for options of reading without a folder; the signal's reason when it is raised
 */
export async function obtainDataset(options: DataOptions, progress: Progress, signal?: AbortSignal): Promise<Dataset> {
  const ofSession = loaded.get(progress) ?? new Map<string, Promise<Dataset>>();
  loaded.set(progress, ofSession);
  const key = JSON.stringify([options.data, options.reading]);
  const data = await (ofSession.get(key) ?? findData(options, progress, key, ofSession, signal));
  const { limit } = options;
  if (limit === undefined) return data;
  const cut = data.kind === 'fashion-mnist' ? firstImages : spreadImages;
  return { ...data, train: cut(data.train, limit), test: cut(data.test, limit) };
}

function findData(
  options: DataOptions,
  progress: Progress,
  key: string,
  ofSession: Map<string, Promise<Dataset>>,
  signal: AbortSignal | undefined,
): Promise<Dataset> {
  const found = loadData(options, progress, signal);
  ofSession.set(key, found);
  // What was not found may be there the next time.
  found.catch(() => ofSession.delete(key));
  return found;
}

async function loadData(
  { data: folder, reading = {} }: DataOptions,
  progress: Progress,
  signal: AbortSignal | undefined,
): Promise<Dataset> {
  const [given] = Object.keys(reading);
  if (folder === undefined && given !== undefined) {
    const flag = given === 'name' ? 'data-name' : given.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`);
    throw new UsageError(`--${flag} says how a folder is read; name the folder with --data.`);
  }
  const data =
    folder === undefined
      ? await findFashionMnist(progress)
      : await openFolder(folder, { ...reading, signal }, progress);
  if (data.kind === 'fashion-mnist') {
    progress.note(
      data.isSample
        ? 'Data: the small SAMPLE DATA set of this package; figures do not compare with those of the full data set.'
        : `Data: Fashion-MNIST (${data.source.kind}: ${data.source.path})`,
    );
  } else {
    const { height, width, channels } = data.train;
    progress.note(
      `Data: ${folder} (${data.train.count} training and ${data.test.count} test images of ` +
        `${height} x ${width} x ${channels}, ${data.classNames.length} classes)`,
    );
  }
  for (const warning of data.warnings) progress.note(`Odd: ${warning}`);
  return data;
}

async function findFashionMnist(progress: Progress): Promise<Dataset> {
  const onProgress = (event: DataProgress): void => {
    if (event.kind === 'note') progress.note(event.message);
    else progress.show(`${event.file}: ${Math.round(event.received / 1024)} KiB`);
  };
  return fashionMnistDataset(await loadFashionMnist({ onProgress }));
}

function openFolder(folder: string, reading: DatasetOptions, progress: Progress): Promise<Dataset> {
  const onProgress = (done: number, total: number): void => {
    if (done > 0) progress.show(`${done} of ${total} pictures decoded`);
  };
  return openDataset(folder, { ...reading, onProgress });
}

function firstImages(set: ImageSet, limit: number): ImageSet {
  const count = Math.min(limit, set.count);
  const pixels = set.height * set.width * set.channels;
  return { ...set, count, images: set.images.subarray(0, count * pixels), labels: set.labels.subarray(0, count) };
}

/** Folders of pictures are read class by class, so their first images would be of one class. */
function spreadImages(set: ImageSet, limit: number): ImageSet {
  const count = Math.min(limit, set.count);
  const pixels = set.height * set.width * set.channels;
  const images = new Uint8Array(count * pixels);
  const labels = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const from = Math.floor((i * set.count) / count);
    images.set(set.images.subarray(from * pixels, (from + 1) * pixels), i * pixels);
    labels[i] = set.labels[from];
  }
  return { ...set, count, images, labels };
}

/** SHA-256 of every image and label, in order. */
export function dataChecksum({ train, test }: Pick<FashionMnist, 'train' | 'test'>): string {
  const hash = createHash('sha256');
  for (const { images, labels } of [train, test]) hash.update(images).update(labels);
  return hash.digest('hex');
}

/** What there is, in numbers. */
export function describeData(data: Dataset, folder = data.provenance.path): DataResult {
  const { train, test, source, isSample, classNames, kind } = data;
  const describe = ({ count, height, width, labels, images }: ImageSet): SetDescription => ({
    images: count,
    size: [height, width],
    perClass: classCounts(labels, classNames.length),
    pixels: statistics(images),
  });
  return {
    source,
    isSample,
    checksum: dataChecksum(data),
    classes: classNames,
    train: describe(train),
    test: describe(test),
    ...(kind === 'other' && { other: describeOther(data, folder) }),
  };
}

function describeOther({ train, mean, std, provenance, warnings }: Dataset, folder: string): OtherData {
  return {
    name: basename(resolve(folder)).replace(/\.npz$/i, ''),
    format: provenance.format,
    channels: train.channels,
    mean,
    std,
    preparation: provenance.preparation,
    warnings,
  };
}

/** Describes the data and draws some of it; writes data.json and figures/ into `out`. */
export async function dataStudy(
  options: DataOptions & { readonly out: string },
  { progress, drawing }: Pick<Session, 'progress' | 'drawing'>,
): Promise<DataResult> {
  const data = await obtainDataset(options, progress);
  const figure = await drawing?.data(data.train, data.classNames, drawingFolder(options.out));
  const result: DataResult = { ...describeData(data, options.data), figure };
  await writeJsonAtomically(join(options.out, 'data.json'), result);
  return result;
}

/** Mean and standard deviation of the pixels in [0, 1]. */
function statistics(pixels: Uint8Array): { mean: number; std: number } {
  let sum = 0;
  let squares = 0;
  for (const pixel of pixels) {
    sum += pixel;
    squares += pixel * pixel;
  }
  const mean = sum / pixels.length;
  return { mean: mean / 255, std: Math.sqrt(squares / pixels.length - mean * mean) / 255 };
}
