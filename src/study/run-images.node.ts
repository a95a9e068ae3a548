/**
 * Which training images a run trains on, which it holds out, and which it leaves out because it was told to. The images
 * held out depend on their number alone (see `validationSplit`), so runs with and without some images are judged alike.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { someOf } from '../data/dataset.ts';
import type { DeviceDataset } from '../data/device-dataset.ts';
import { classCounts } from '../data/index.ts';
import { refuse } from '../devices/checks.ts';
import { UsageError } from '../devices/errors.ts';
import { plainText } from '../devices/plain-text.ts';
import { writeJsonAtomically } from '../train/atomic-file.node.ts';
import { balancedClassWeights, type FitOptions, type Recipe, validationSplit } from '../train/index.ts';
import { classNamesOf, type RunData } from './run-data.node.ts';
import { type DroppedIdentity, LEFT_OUT_FILE, type RunFolder } from './run-folder.node.ts';
import type { Progress } from './session.ts';

/** Training images to leave out. */
export interface DroppedImages {
  /** Their places among all training images, in any order, each once. */
  readonly indices: ArrayLike<number>;
  /** Where the list came from, for the run's folder. */
  readonly source?: string;
}

export interface RunImages {
  /** Places of the images that are trained on; absent for all. */
  readonly train?: Uint32Array;
  /** Places of those held out; absent where none are. */
  readonly heldOut?: Uint32Array;
  /** Ascending. */
  readonly dropped?: Uint32Array;
}

/**
 * Divides the training images.
 * @param validation images to hold out
 * @throws UsageError for an index that is no image or there twice, and where nothing is left to train on
 */
export function runImages(labels: Uint8Array, validation: number, drop: DroppedImages | undefined): RunImages {
  const dropped = drop && checkedIndices(drop.indices, labels.length);
  const split = validation > 0 ? validationSplit(labels, validation) : undefined;
  if (!dropped || dropped.length === 0) return { ...split };
  const isDropped = new Set(dropped);
  const all = split?.train ?? Uint32Array.from(labels, (_, index) => index);
  const train = all.filter(index => !isDropped.has(index));
  if (train.length === 0) {
    throw new UsageError(`Of ${all.length} images to train on, none is left: all of them are to be left out.`);
  }
  return { train, heldOut: split?.heldOut, dropped };
}

function checkedIndices(indices: ArrayLike<number>, count: number): Uint32Array {
  const seen = new Set<number>();
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i];
    if (!Number.isInteger(index) || index < 0 || index >= count) {
      refuse('Run', `drop.indices[${i}]`, index, `the place of one of ${count} training images, 0 to ${count - 1}`);
    }
    if (seen.has(index)) throw new UsageError(`Run: drop.indices names image ${index} twice.`);
    seen.add(index);
  }
  return Uint32Array.from(seen).sort();
}

/** The images that are trained on and held out, as `fit` takes them. */
export function fitPlaces(
  { train, heldOut }: RunImages,
  data: DeviceDataset,
): Pick<FitOptions, 'trainIndices' | 'validation'> {
  return { trainIndices: train, validation: heldOut && { data, indices: heldOut } };
}

/**
 * Checks that a recipe has a weight for each class.
 * @throws UsageError naming the weights and the classes
 */
export function checkClassWeights({ classWeights }: Recipe, data: RunData): void {
  const classNames = classNamesOf(data);
  if (!Array.isArray(classWeights) || classWeights.length === classNames.length) return;
  const allowed = `"balanced" or one number for each of the ${classNames.length} classes (${someOf(classNames)})`;
  refuse('Run', 'recipe.classWeights', classWeights, allowed);
}

/** What tells a run that leaves out images from others; nothing where it leaves out none. */
export function droppedIdentity({ dropped }: RunImages): { dropped?: DroppedIdentity } {
  if (!dropped) return {};
  const sha256 = createHash('sha256')
    .update(JSON.stringify([...dropped]))
    .digest('hex');
  return { dropped: { images: dropped.length, sha256 } };
}

/** Writes down which images are left out and what each class counts, in the run's folder and log and for people to read. */
export async function noteImages(
  { images, drop, recipe }: { readonly images: RunImages; readonly drop?: DroppedImages; readonly recipe: Recipe },
  data: RunData,
  folder: RunFolder,
  progress: Progress,
): Promise<void> {
  const { train, heldOut, dropped } = images;
  const { labels } = data.train;
  const classNames = classNamesOf(data);
  const trained = train ? Uint8Array.from(train, index => labels[index]) : labels;
  if (dropped) {
    const isHeldOut = new Set(heldOut);
    const alsoHeldOut = dropped.reduce((sum, index) => sum + Number(isHeldOut.has(index)), 0);
    const record = { source: drop?.source ?? null, images: dropped.length, alsoHeldOut, indices: [...dropped] };
    await writeJsonAtomically(join(folder.path, LEFT_OUT_FILE), record);
    await folder.note({ event: 'left out', ...record });
    const from = drop?.source === undefined ? '' : ` (${plainText(drop.source)})`;
    const held =
      alsoHeldOut === 0
        ? ''
        : `; ${alsoHeldOut} of them are held out, which stay as they are so that runs can be compared`;
    progress.note(`${dropped.length} of ${labels.length} training images are left out${from}${held}.`);
    const counts = classCounts(trained, classNames.length);
    const before = classCounts(labels, classNames.length);
    const emptied = classNames.filter((_, label) => before[label] > 0 && counts[label] === 0);
    if (emptied.length > 0) progress.note(`Odd: no images are left to train on of ${someOf(emptied)}.`);
  }
  const { classWeights } = recipe;
  if (classWeights === undefined) return;
  const weights = classWeights === 'balanced' ? balancedClassWeights(trained, classNames.length) : classWeights;
  await folder.note({ event: 'class weights', weights });
  const shown = classNames.map((name, label) => `${plainText(name)} ${Number(weights[label].toPrecision(4))}`);
  progress.note(`Class weights: ${shown.join(', ')}.`);
}
