/** What a data set is, in numbers and in plain text. */
import { plainText } from '../devices/plain-text.ts';
import { csvLine } from './csv.ts';
import { classCounts, type Dataset, type Provenance } from './dataset.ts';
import type { ImageSet } from './fashion-mnist.ts';

export interface SplitSummary {
  readonly images: number;
  /** [height, width, channels] */
  readonly shape: readonly [number, number, number];
  /** Images of each class, by label. */
  readonly perClass: readonly number[];
}

export interface DatasetDescription {
  readonly kind: Dataset['kind'];
  readonly isSample: boolean;
  readonly classes: readonly string[];
  readonly train: SplitSummary;
  readonly test: SplitSummary;
  /** Of the training pixels in [0, 1], by channel. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly provenance: Provenance;
  readonly warnings: readonly string[];
}

/** Counts what is in a data set. */
export function describeDataset(dataset: Dataset): DatasetDescription {
  const { kind, isSample, classNames: classes, mean, std, provenance, warnings } = dataset;
  const summary = ({ count: images, labels, height, width, channels }: ImageSet): SplitSummary => ({
    images,
    shape: [height, width, channels],
    perClass: classCounts(labels, classes.length),
  });
  return {
    ...{ kind, isSample, classes, train: summary(dataset.train), test: summary(dataset.test) },
    ...{ mean, std, provenance, warnings },
  };
}

const STORED: Readonly<Record<Provenance['format'], string>> = {
  idx: 'IDX files',
  pictures: 'pictures in folders',
  npz: 'an .npz archive',
  'cifar-10': "CIFAR-10's binary files",
};

/** A description as lines of plain text. */
export function descriptionLines(description: DatasetDescription): string[] {
  const { kind, isSample, classes, train, test, mean, std, provenance, warnings } = description;
  const { format, path, preparation } = provenance;
  const [height, width, channels] = train.shape;
  const what = kind === 'fashion-mnist' ? `Fashion-MNIST${isSample ? "'s sample" : ''} in ` : '';
  const colours = channels === 1 ? 'grey' : channels === 3 ? 'colour' : `${channels} channels`;
  const list = (values: readonly number[]): string => values.map(value => value.toFixed(4)).join(', ');
  const rows = classes.map((name, label) => [plainText(name), `${train.perClass[label]}`, `${test.perClass[label]}`]);
  const table = [['class', 'training', 'test'], ...rows];
  const longest = Math.max(...table.map(([name]) => name.length));
  return [
    `${plainText(path)}: ${what}${STORED[format]}`,
    `${train.images} training and ${test.images} test images of ${height} x ${width} (height x width), ${colours}, ${classes.length} classes`,
    `Training pixels in [0, 1]: mean ${list(mean)}, sd ${list(std)}`,
    ...preparation,
    ...table.map(([name, ...counts]) => `  ${name.padEnd(longest)}${counts.map(count => count.padStart(10)).join('')}`),
    'Numbers of the images, as weft train --drop takes them, with class and file of each: add --list FILE.',
    ...(warnings.length === 0 ? ['Nothing odd was found.'] : warnings.map(warning => `Odd: ${plainText(warning)}`)),
  ];
}

/** Every image of a data set as a table (see `csvLine`): its part, its number in it from 0, its class, its file if it has one. */
export function imageTable({ train, test, classNames, files }: Dataset): string {
  const lines = [csvLine(['part', 'number', 'label', 'class', ...(files ? ['file'] : [])])];
  for (const [part, { labels }] of [['train', train] as const, ['test', test] as const]) {
    labels.forEach((label, number) => {
      lines.push(csvLine([part, number, label, classNames[label], ...(files ? [files[part].at(number)] : [])]));
    });
  }
  return lines.join('');
}
