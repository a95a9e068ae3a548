/** How a data set is read where its files do not say everything themselves. */
import { flag, fraction, integerInRange, knownOptions, positiveInteger, refuse, seed32 } from '../devices/checks.ts';
import { UsageError } from '../devices/errors.ts';
import type { DatasetFormat } from './dataset.ts';

export interface DatasetOptions {
  /** IDX: which data set of a folder that holds several, e.g. `emnist-letters` or `KMNIST`. */
  readonly name?: string;
  /** IDX: exchange rows and columns of each image. Default: only for files named `emnist-...`, which are stored so. */
  readonly transpose?: boolean;
  /** IDX: the label of the first class. Default 0; 1 for files named `emnist-letters-...`. */
  readonly labelBase?: number;
  /** Pictures: stretch every picture to [height, width]. Needed where their sizes differ. */
  readonly resize?: readonly [number, number];
  /** The share of the images that become test images where none are marked as such; above 0, below 1. Default 0.2. */
  readonly testShare?: number;
  /** Seed of that split, 0 to 4294967295. Default 0. */
  readonly splitSeed?: number;
  /** Pictures: where decoded pictures are kept for the next time; null for nowhere. Default: `datasets` in the cache. */
  readonly cacheDir?: string | null;
  /** Hears what happens while it takes long: pictures decoded of all there are. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Stops the decoding of pictures. */
  readonly signal?: AbortSignal;
}

const KNOWN: readonly (keyof DatasetOptions)[] = [
  ...(['name', 'transpose', 'labelBase', 'resize', 'testShare', 'splitSeed', 'cacheDir'] as const),
  ...(['onProgress', 'signal'] as const),
];

const WHAT = 'openDataset';

/** Checks every option. Throws UsageError for one that cannot mean anything. */
export function checkDatasetOptions(options: DatasetOptions): void {
  knownOptions(WHAT, options, KNOWN);
  const { transpose, labelBase, resize, testShare, splitSeed } = options;
  if (transpose !== undefined) flag(WHAT, 'transpose', transpose);
  if (labelBase !== undefined) integerInRange(WHAT, 'labelBase', labelBase, { from: 0, to: 255 });
  if (resize !== undefined) {
    if (!Array.isArray(resize) || resize.length !== 2) refuse(WHAT, 'resize', resize, '[height, width]');
    for (const [i, size] of resize.entries()) positiveInteger(WHAT, `resize[${i}]`, size);
  }
  if (testShare !== undefined && (fraction(WHAT, 'testShare', testShare) === 0 || testShare === 1)) {
    refuse(WHAT, 'testShare', testShare, 'a share above 0 and below 1');
  }
  if (splitSeed !== undefined) seed32(WHAT, 'splitSeed', splitSeed);
}

/** The share of images that become test images where none are marked. */
export const TEST_SHARE = 0.2;

const FOR: Readonly<Partial<Record<keyof DatasetOptions, DatasetFormat>>> = {
  name: 'idx',
  transpose: 'idx',
  labelBase: 'idx',
  resize: 'pictures',
};

const FORMAT_WORDS: Readonly<Record<DatasetFormat, string>> = {
  idx: 'IDX files',
  pictures: 'folders of pictures',
  npz: '.npz archives',
  'cifar-10': 'CIFAR-10 files',
};

/** Refuses an option that the format has no use for: it would be ignored without a word. */
export function refuseOtherOptions(options: DatasetOptions, format: DatasetFormat, path: string): void {
  for (const [option, needed] of Object.entries(FOR) as [keyof DatasetOptions, DatasetFormat][]) {
    if (options[option] === undefined || needed === format) continue;
    throw new UsageError(
      `${WHAT}: ${option} is for ${FORMAT_WORDS[needed]}, and ${path} holds ${FORMAT_WORDS[format]}; leave it out.`,
    );
  }
}
