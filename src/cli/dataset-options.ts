/** Options of commands that open a data set of any kind. */
import { type Command, InvalidArgumentError } from 'commander';
import type { DatasetOptions } from '../data/index.node.ts';
import { shellWord } from '../study/index.ts';
import { numberBetween, wholeNumber } from './options.ts';

export interface DataFlags {
  readonly dataName?: string;
  readonly transpose?: boolean;
  readonly labelBase?: number;
  readonly resize?: readonly [number, number];
  readonly testShare?: number;
  readonly splitSeed?: number;
}

function heightAndWidth(text: string): readonly [number, number] {
  const [, height, width = height] = /^([1-9]\d{0,4})(?:x([1-9]\d{0,4}))?$/.exec(text) ?? [];
  if (height === undefined) throw new InvalidArgumentError('It must be height x width in pixels, e.g. 64x48 or 64.');
  return [Number(height), Number(width)];
}

/** Adds --data-name, --transpose, --label-base, --resize, --test-share and --split-seed. */
export function withDataFlags(command: Command): Command {
  return command
    .option('--data-name <name>', 'IDX files: which data set of a folder with several, e.g. emnist-letters')
    .option('--transpose', 'IDX files: exchange rows and columns (known by itself for emnist-...)')
    .option('--no-transpose', 'IDX files: take emnist-... as stored')
    .option('--label-base <n>', 'IDX files: the label of the first class', wholeNumber(0, 255))
    .option('--resize <size>', 'pictures: stretch to height x width, e.g. 64x48 or 64', heightAndWidth)
    .option('--test-share <share>', 'share of test images where none are marked', numberBetween(0, 1))
    .option('--split-seed <n>', 'seed of that split', wholeNumber(0, 0xffffffff));
}

/** The options as `openDataset` takes them; those that were not given are absent. */
export function datasetOptionsOf(flags: DataFlags): DatasetOptions {
  const { dataName: name, transpose, labelBase, resize, testShare, splitSeed } = flags;
  const all: DatasetOptions = { name, transpose, labelBase, resize, testShare, splitSeed };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

/** The flags that were given, as they can be typed again. */
export function dataFlagWords({ dataName, transpose, labelBase, resize, testShare, splitSeed }: DataFlags): string[] {
  return [
    ...(dataName === undefined ? [] : [`--data-name ${shellWord(dataName)}`]),
    ...(transpose === undefined ? [] : [transpose ? '--transpose' : '--no-transpose']),
    ...(labelBase === undefined ? [] : [`--label-base ${labelBase}`]),
    ...(resize === undefined ? [] : [`--resize ${resize.join('x')}`]),
    ...(testShare === undefined ? [] : [`--test-share ${testShare}`]),
    ...(splitSeed === undefined ? [] : [`--split-seed ${splitSeed}`]),
  ];
}
