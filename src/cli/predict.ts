/** `weft predict`: what a checkpoint says about pictures from files, how each was prepared, and how often it is right. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { DeviceDataset } from '../data/device-dataset.ts';
import { type PreparedPhoto, preparePhoto } from '../data/photo.ts';
import { findPhotos, GARMENT_DIRECTORY, type PhotoFile } from '../data/photo-folder.node.ts';
import { labelText } from '../data/photo-labels.ts';
import { readPicture } from '../data/picture-file.node.ts';
import { DataError, UsageError } from '../devices/errors.ts';
import { buildModel } from '../nn/index.ts';
import { encodePng, htmlReport } from '../report/index.node.ts';
import { photoStages } from '../report/photo-stages.ts';
import { photosSection } from '../report/study/photos.ts';
import { writeFileAtomically, writeJsonAtomically } from '../train/atomic-file.node.ts';
import { loadCheckpoint, readCheckpointInfo } from '../train/checkpoint.node.ts';
import { predictLogits, softmaxRows } from '../train/index.ts';
import { isRight, type PhotosResult, photoAccuracy, photoSet, rankedClasses } from '../train/photos.ts';
import { type SharedOptions, wholeNumber, withSharedOptions } from './options.ts';
import { formatPercent } from './progress.ts';
import { Interrupted, type Session, unlessInterrupted, withSession } from './session.ts';

export interface PredictOptions extends SharedOptions {
  readonly checkpoint: string;
  /** Files and folders; default: the pictures that come with this package. */
  readonly images?: readonly string[];
  /** auto, folders, none, or a file. */
  readonly labels?: string;
  readonly resize?: 'area' | 'subsample';
  readonly levels?: boolean;
  /** Classes named for each picture. */
  readonly top?: number;
}

/** Pictures whose stages are written; a folder of thousands would fill the disk with strips nobody looks at. */
const MOST_STAGES = 200;

export const predictCommand = withSharedOptions(new Command('predict'))
  .description('what a checkpoint says about pictures from files')
  .argument('[images...]', 'picture files or folders (default: the garments that come with this package)', noSelections)
  .requiredOption('--checkpoint <file>', 'a .safetensors file written by weft train, or pretrained:NAME')
  .option(
    '--labels <what>',
    'what the pictures show: auto (labels.json or labels.csv beside them, else names of folders), folders, none, or a file',
    'auto',
  )
  .addOption(new Option('--resize <how>', 'how large pictures shrink').choices(['area', 'subsample']).default('area'))
  .option('--no-levels', 'leave the grey of the ground as it is')
  .option('--top <n>', 'classes named for each picture', wholeNumber(1, 10), 3)
  .action(async (images: string[], options: PredictOptions) => {
    const result = await unlessInterrupted(
      withSession(options, session => predictStudy({ ...options, images }, session)),
    );
    if (!result) return;
    if (options.json) console.log(JSON.stringify(result));
    else print(result, options.out);
    if (result.unreadable.length > 0) process.exitCode = 1;
  });

function noSelections(path: string, before: string[] = []): string[] {
  if (/^(test|train|mistakes):/.test(path)) {
    throw new InvalidArgumentError('predict takes picture files; weft explain takes images of the data set.');
  }
  return [...before, path];
}

interface Prepared {
  readonly photo: PhotoFile;
  readonly prepared: Omit<PreparedPhoto, 'stages'>;
  readonly strip?: string;
}

/**
 * Predicts the class of pictures; writes photos.json, figures/ and report.html into `out`, where one is given.
 *
 * @throws DataError when not one of the pictures can be read; Interrupted when the session's signal is raised
 */
export async function predictStudy(options: PredictOptions, session: Session): Promise<PhotosResult> {
  const { checkpoint, limit, out, resize = 'area', levels = true, top = 3 } = options;
  const { device } = session;
  const info = await readCheckpointInfo(checkpoint);
  const ownPictures = !options.images || options.images.length === 0;
  const paths = ownPictures ? [GARMENT_DIRECTORY] : options.images!;
  const found = (await findPhotos(paths, { labels: options.labels })).slice(0, limit);
  const { ready, unreadable } = await prepareAll(found, { out, resize, levels }, session);
  if (ready.length === 0) {
    throw new DataError(
      unreadable.length === 1
        ? unreadable[0].reason
        : `None of ${found.length} pictures can be read; the first: ${unreadable[0].reason}`,
    );
  }
  const model = buildModel(info.model).initialize({ device });
  const images = new DeviceDataset(photoSet(ready.map(({ prepared }) => prepared.image)), device);
  try {
    await loadCheckpoint(checkpoint, model);
    const logits = await predictLogits(model, images);
    const classes = logits.length / ready.length;
    const probabilities = softmaxRows(logits, classes);
    const judged = ready.map(({ photo, prepared }, i) => {
      const ranked = rankedClasses(probabilities.subarray(i * classes, (i + 1) * classes), top);
      return { photo, prepared, ranked, right: isRight(ranked[0].class, photo.label) };
    });
    const result: PhotosResult = {
      device: device.kind,
      model: info.model.name,
      checkpoint,
      ownPictures,
      resize,
      levels,
      photos: judged.map(({ photo, prepared, ranked, right }) => ({
        file: ownPictures ? photo.name : photo.path,
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
    if (out) await writePage(out, result, ready);
    return result;
  } finally {
    images.dispose();
    model.dispose();
  }
}

/** Decodes and prepares one picture after the other, so that only one is in memory at its full size. */
async function prepareAll(
  photos: readonly PhotoFile[],
  { out, resize, levels }: Pick<PredictOptions, 'out' | 'resize' | 'levels'>,
  { progress, signal }: Session,
): Promise<{ ready: Prepared[]; unreadable: { name: string; reason: string }[] }> {
  const ready: Prepared[] = [];
  const unreadable: { name: string; reason: string }[] = [];
  for (const [index, photo] of photos.entries()) {
    if (signal.aborted) throw new Interrupted(`Stopped after ${index} of ${photos.length} pictures.`);
    progress.show(`${index + 1} of ${photos.length} pictures`);
    try {
      const { stages, ...prepared } = preparePhoto(await readPicture(photo.path), { resize, levels });
      let strip: string | undefined;
      if (out && ready.length < MOST_STAGES) {
        strip = `photo-${String(ready.length + 1).padStart(3, '0')}.png`;
        await writeFileAtomically(join(out, 'figures', strip), encodePng(photoStages(stages)));
      }
      ready.push({ photo, prepared, strip });
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      unreadable.push({ name: photo.name, reason: error.message });
      progress.note(error.message);
    }
  }
  return { ready, unreadable };
}

async function writePage(out: string, result: PhotosResult, ready: readonly Prepared[]): Promise<void> {
  await writeJsonAtomically(join(out, 'photos.json'), result);
  const strips = new Map<string, Uint8Array>();
  for (const { strip } of ready) if (strip) strips.set(strip, await readFile(join(out, 'figures', strip)));
  const figure = (file: string) => {
    const png = strips.get(file);
    if (!png) throw new UsageError(`There is no figure ${file}.`);
    return { png };
  };
  const section = photosSection(result, figure);
  const html = htmlReport({ title: `What ${result.model} says about photographs`, sections: [section] });
  await writeFileAtomically(join(out, 'report.html'), html);
}

function print({ model, photos, accuracy, outside, unreadable }: PhotosResult, out: string | undefined): void {
  for (const { name, top, label, right, warnings } of photos) {
    const said = top.map(one => `${one.name} ${formatPercent(one.probability)}`).join(', ');
    const verdict = right === null ? '' : right ? '  right' : `  wrong: ${label}`;
    console.log(`${name}: ${said}${verdict}`);
    for (const { text } of warnings) console.log(`  warning: ${text}`);
  }
  if (accuracy) {
    const { images, right, ci95, macro } = accuracy;
    console.log(
      `${model}: ${right} of ${images} right, ${formatPercent(accuracy.accuracy)} (95 % interval ` +
        `${formatPercent(ci95[0])} to ${formatPercent(ci95[1])}), mean over classes ${formatPercent(macro)}`,
    );
    if (outside > 0) console.log(`${outside} pictures show none of the ten classes and count nowhere.`);
  }
  if (unreadable.length > 0) console.log(`${unreadable.length} files could not be read.`);
  if (out) console.log(`Page: ${join(out, 'report.html')}`);
}
