/**
 * The contract of an image data set, whatever it shows and however it was stored: images and labels in two splits, the
 * names of the classes, the statistics that normalise the pixels, where everything came from, and what is odd about it.
 * Readers (IDX files, folders of pictures, .npz, CIFAR-10) end here, so every data set has passed the same checks: sizes
 * agree, and each label has a name.
 */
import { DataError } from '../devices/errors.ts';
import { plainText } from '../devices/plain-text.ts';
import { formatShape } from '../devices/shape.ts';
import { stratifiedSplit } from './batches.ts';
import {
  CLASS_NAMES,
  type DataSource,
  type FashionMnist,
  FULL_EDITION,
  type ImageSet,
  SAMPLE_EDITION,
  type Split,
} from './fashion-mnist.ts';

/** What the pictures are: some things (preparing photographs of clothes, names of regions) are right for garments only. */
export type DatasetKind = 'fashion-mnist' | 'other';

/** How a data set was stored. */
export type DatasetFormat = 'idx' | 'pictures' | 'npz' | 'cifar-10';

/** The SHA-256 of something that was read, in lower-case hexadecimal. */
export interface Checksum {
  /** A file (its decompressed bytes), or `train` and `test` (images, then labels) of a folder of pictures. */
  readonly name: string;
  readonly sha256: string;
}

/** Where a data set came from and how it was read. */
export interface Provenance {
  readonly format: DatasetFormat;
  /** The folder or file that was read. */
  readonly path: string;
  readonly checksums: readonly Checksum[];
  /** What was done to the stored values, one sentence each; empty where they were taken as they are. */
  readonly preparation: readonly string[];
}

/** Names of files, by the numbers of their images. */
export interface FileNames {
  readonly length: number;
  at(index: number): string;
}

export interface Dataset {
  readonly kind: DatasetKind;
  /** Images `[N, H, W, C]`, bytes, and labels `[N]`. */
  readonly train: ImageSet;
  /** As `train`, of the same H, W and C. */
  readonly test: ImageSet;
  /** By label; as many as there are classes. */
  readonly classNames: readonly string[];
  /** Mean of the training pixels in [0, 1], one for each channel. */
  readonly mean: readonly number[];
  /** Standard deviation of the training pixels in [0, 1], one for each channel. */
  readonly std: readonly number[];
  readonly provenance: Provenance;
  /** Where every image is a file of its own: their names below the folder. */
  readonly files?: Readonly<Record<Split, FileNames>>;
  readonly source: DataSource;
  /** True for the package's small sample of Fashion-MNIST. */
  readonly isSample: boolean;
  /** What is odd, one sentence for each kind. */
  readonly warnings: readonly string[];
}

/** What a reader found. */
export type DatasetParts = Pick<Dataset, 'train' | 'test' | 'classNames' | 'provenance'> &
  Partial<Pick<Dataset, 'kind' | 'files' | 'source' | 'isSample' | 'warnings'>>;

/** Most classes that a label of one byte can tell apart. */
export const MOST_CLASSES = 256;

/** A class this many times as large as another is told of. */
const UNEVEN = 5;

/**
 * Makes a data set of what a reader found.
 * @throws DataError for splits without images or of other sizes, for a label without a class name, and for too many classes
 */
export function makeDataset(parts: DatasetParts): Dataset {
  const { train, test, classNames, provenance } = parts;
  const { path } = provenance;
  if (classNames.length > MOST_CLASSES) {
    throw new DataError(`${path} has ${classNames.length} classes; at most ${MOST_CLASSES} are read.`);
  }
  for (const [split, set] of [['train', train] as const, ['test', test] as const]) {
    if (set.count === 0) throw new DataError(`${path} has no ${wordOf(split)} images.`);
    checkLabels(set.labels, classNames.length, split, path);
  }
  const size = ({ height, width, channels }: ImageSet): string => formatShape([height, width, channels]);
  if (size(train) !== size(test)) {
    throw new DataError(`${path}: training images are ${size(train)}, test images ${size(test)}; they must be alike.`);
  }
  const statistics = pixelStatistics(train);
  return {
    ...statistics,
    kind: parts.kind ?? 'other',
    train,
    test,
    classNames,
    provenance,
    ...(parts.files && { files: parts.files }),
    source: parts.source ?? { kind: 'directory', path },
    isSample: parts.isSample ?? false,
    warnings: [...(parts.warnings ?? []), ...oddities(train, test, classNames, statistics.std)],
  };
}

/** Fashion-MNIST, wherever it was found, as a data set like any other. */
export function fashionMnistDataset({ train, test, source, isSample }: FashionMnist): Dataset {
  const { files } = isSample ? SAMPLE_EDITION : FULL_EDITION;
  const checksums = files.map(({ name, sha256 }) => ({ name, sha256 }));
  const provenance = { format: 'idx', path: source.path, checksums, preparation: [] } as const;
  return makeDataset({ kind: 'fashion-mnist', train, test, classNames: CLASS_NAMES, provenance, source, isSample });
}

const wordOf = (split: Split): string => (split === 'train' ? 'training' : 'test');

function checkLabels(labels: Uint8Array, classes: number, split: Split, path: string): void {
  const beyond = labels.findIndex(label => label >= classes);
  if (beyond < 0) return;
  throw new DataError(
    `${path}: ${wordOf(split)} image ${beyond} has the label ${labels[beyond]}, but there are only ${classes} class names.`,
  );
}

/** Images of each class, by label. */
export function classCounts(labels: Uint8Array, classes: number): number[] {
  const counts = new Array<number>(classes).fill(0);
  for (const label of labels) counts[label]++;
  return counts;
}

/** Mean and standard deviation of the pixels in [0, 1] for each channel; exact up to the last rounding. */
export function pixelStatistics({ images, channels }: Pick<ImageSet, 'images' | 'channels'>): {
  mean: number[];
  std: number[];
} {
  // Counting values is faster than adding squares, and whole numbers do not round.
  const histogram = new Float64Array(channels * 256);
  for (let i = 0, channel = 0; i < images.length; i++) {
    histogram[channel * 256 + images[i]]++;
    if (++channel === channels) channel = 0;
  }
  const mean: number[] = [];
  const std: number[] = [];
  for (let channel = 0; channel < channels; channel++) {
    const counts = histogram.subarray(channel * 256, (channel + 1) * 256);
    const pixels = images.length / channels;
    const sum = counts.reduce((total, count, value) => total + count * value, 0);
    const average = sum / pixels;
    const squares = counts.reduce((total, count, value) => total + count * (value - average) ** 2, 0);
    mean.push(average / 255);
    std.push(Math.sqrt(squares / pixels) / 255);
  }
  return { mean, std };
}

const LISTED = 5;

/** The first few names, and how many more there are. */
export function someOf(names: readonly string[]): string {
  const shown = names.slice(0, LISTED).map(plainText).join(', ');
  return names.length > LISTED ? `${shown} and ${names.length - LISTED} more` : shown;
}

function oddities(train: ImageSet, test: ImageSet, classNames: readonly string[], std: readonly number[]): string[] {
  const inTrain = classCounts(train.labels, classNames.length);
  const inTest = classCounts(test.labels, classNames.length);
  const named = (is: (label: number) => boolean): string[] => classNames.filter((_, label) => is(label));
  const found: string[] = [];
  const say = (names: string[], one: string, several: string): void => {
    if (names.length === 1) found.push(`The class ${someOf(names)} ${one}.`);
    if (names.length > 1) found.push(`${names.length} classes ${several}: ${someOf(names)}.`);
  };
  say(
    named(label => inTrain[label] === 0 && inTest[label] === 0),
    'has no images',
    'have no images',
  );
  say(
    named(label => inTrain[label] > 0 && inTest[label] === 0),
    'has training images but no test images',
    'have training images but no test images',
  );
  say(
    named(label => inTrain[label] === 0 && inTest[label] > 0),
    'has test images but no training images, so it cannot be learned',
    'have test images but no training images, so they cannot be learned',
  );
  const most = inTrain.indexOf(Math.max(...inTrain));
  const least = inTrain.indexOf(Math.min(...inTrain.filter(count => count > 0)));
  if (inTrain[most] >= UNEVEN * inTrain[least]) {
    found.push(
      `Classes are uneven: ${inTrain[most]} training images of ${plainText(classNames[most])}, ` +
        `${inTrain[least]} of ${plainText(classNames[least])}.`,
    );
  }
  if (std.some(value => value === 0)) found.push('All training pixels of a channel have the same value.');
  return found;
}

/**
 * Takes test images out of a set that has none, with the classes in the same proportions. The set's memory is reused: the
 * training images move together in it.
 *
 * @param share of the images that become test images, above 0 and below 1
 */
export function splitOffTest(set: ImageSet, share: number, seed: number): { train: ImageSet; test: ImageSet } {
  const { images, labels, height, width, channels } = set;
  const pixels = height * width * channels;
  const { train, heldOut } = stratifiedSplit(labels, share, seed);
  const testImages = new Uint8Array(heldOut.length * pixels);
  heldOut.forEach((from, to) => {
    testImages.set(images.subarray(from * pixels, (from + 1) * pixels), to * pixels);
  });
  const testLabels = Uint8Array.from(heldOut, index => labels[index]);
  train.forEach((from, to) => {
    images.copyWithin(to * pixels, from * pixels, (from + 1) * pixels);
    labels[to] = labels[from];
  });
  const count = train.length;
  return {
    train: { ...set, count, images: images.subarray(0, count * pixels), labels: labels.subarray(0, count) },
    test: { ...set, count: heldOut.length, images: testImages, labels: testLabels },
  };
}

/**
 * Names of classes, one a line, by label.
 * @param source the file's name, for errors
 * @throws DataError for an empty line before the last name, and for a name that stands there twice
 */
export function parseClassNames(text: string, source: string): string[] {
  const names = text
    .replace(/^\ufeff/, '')
    .trimEnd()
    .split('\n')
    .map(line => line.trim());
  names.forEach((name, i) => {
    if (name === '') throw new DataError(`${source}, line ${i + 1}: there is no class name.`);
    const first = names.indexOf(name);
    if (first < i)
      throw new DataError(`${source}, line ${i + 1}: "${plainText(name)}" is the name of line ${first + 1} too.`);
  });
  return names;
}
