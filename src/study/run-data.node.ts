/** What a run and its checkpoints say about the data, and whether a checkpoint may be used on other data. */
import { CLASS_NAMES, type Dataset, type FashionMnist } from '../data/index.node.ts';
import { showValue } from '../devices/checks.ts';
import type { Device } from '../devices/device.ts';
import { UsageError } from '../devices/errors.ts';
import { plainText } from '../devices/plain-text.ts';
import { formatShape } from '../devices/shape.ts';
import { loadModel } from '../train/checkpoint.node.ts';
import type { CheckpointData, CheckpointInfo } from '../train/checkpoint-info.ts';
import { dataChecksum } from './data.node.ts';
import type { AboutData } from './results.ts';

/** What a run is trained and judged on. Where it does not say what it is, classes have Fashion-MNIST's names. */
export type RunData = Pick<FashionMnist, 'train' | 'test' | 'isSample'> &
  Partial<Pick<Dataset, 'kind' | 'classNames' | 'provenance'>>;

export const classNamesOf = ({ classNames = CLASS_NAMES }: RunData): readonly string[] => classNames;

/** What a checkpoint carries of its data; nothing of data that does not say what it is. */
export function checkpointDataOf({ kind, classNames, train, provenance }: RunData): CheckpointData | undefined {
  if (kind === undefined || classNames === undefined) return undefined;
  const { height, width, channels } = train;
  return { kind, classNames, imageShape: [height, width, channels], preparation: provenance?.preparation ?? [] };
}

/** What tells a run's data from others in its identity; nothing for Fashion-MNIST, whose files are known by checksums. */
export function dataIdentity(data: RunData): { dataChecksum?: string } {
  return data.kind === 'other' ? { dataChecksum: dataChecksum(data) } : {};
}

const FASHION_MNIST: CheckpointData = {
  kind: 'fashion-mnist',
  classNames: CLASS_NAMES,
  imageShape: [28, 28, 1],
  preparation: [],
};

/** The data of a checkpoint; those that carry none are Fashion-MNIST's. */
export const dataOf = ({ data = FASHION_MNIST }: CheckpointInfo): CheckpointData => data;

/**
 * Refuses a checkpoint whose model tells other things apart than the data holds.
 * @param name of the checkpoint, for the error
 * @throws UsageError naming both kinds of data
 */
export function checkSameData(info: CheckpointInfo, name: string, data: RunData): void {
  const own = dataOf(info);
  const given = checkpointDataOf(data);
  if (given === undefined) return;
  const isSame = (['kind', 'classNames', 'imageShape'] as const).every(
    field => JSON.stringify(own[field]) === JSON.stringify(given[field]),
  );
  if (isSame) return;
  throw new UsageError(`${plainText(name)} was trained on ${words(own)}; it cannot be used on ${words(given)}.`);
}

/** What a result says of data other than Fashion-MNIST; nothing of that. */
export const aboutData = ({ kind }: Pick<Dataset, 'kind'>): AboutData =>
  kind === 'other' ? { dataKind: 'other' } : {};

function words({ kind, classNames, imageShape }: CheckpointData): string {
  if (kind === 'fashion-mnist') return 'Fashion-MNIST';
  const classes = `${classNames.length} ${classNames.length === 1 ? 'class' : 'classes'}`;
  return `images of ${formatShape(imageShape)} in ${classes} (${plainText(showValue(classNames).slice(1, -1))})`;
}

/**
 * As `loadModel`, for what only works with the classes of Fashion-MNIST.
 * @throws UsageError for a checkpoint of other data
 */
export async function loadFashionModel(path: string, device: Device): ReturnType<typeof loadModel> {
  const loaded = await loadModel(path, device);
  const own = dataOf(loaded.info);
  if (own.kind === 'fashion-mnist') return loaded;
  loaded.model.dispose();
  throw new UsageError(
    `${plainText(path)} was trained on ${words(own)}; this works with checkpoints of Fashion-MNIST.`,
  );
}
