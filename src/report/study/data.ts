/** The chapter on the data: where it came from, what it holds, what one image looks like. */
import type { DataResult, OtherData } from '../../study/results.ts';
import type { Block, Section } from '../html.ts';
import { type FigureSource, shown, whole } from './chapter.ts';

/** The chapter on the data. */
export function dataSection(result: DataResult, read: FigureSource): Section {
  const { train, test, classes, checksum, figure, other } = result;
  const guessing = other ? `one time in ${classes.length}` : 'one time in ten';
  const alike = other
    ? 'The first training images of every class, a row each: what a class has in common, and which classes look alike.'
    : 'The first training images of every class, a row each. Some classes differ in outline alone, some hardly at all (rows 1 and ' +
      '7, T-shirt and Shirt; rows 3 and 5, Pullover and Coat): that is where mistakes are to be expected.';
  return {
    title: 'Data',
    blocks: [
      ...(other ? otherBlocks(result, other) : [fashionText(result)]),
      ...(figure === undefined ? [] : [shown(read, figure, alike)]),
      {
        kind: 'table',
        caption: `Images per class. With equal counts, guessing is right ${guessing}.`,
        columns: ['class', 'training', 'test'],
        rows: classes.map((name, label) => [name, whole(train.perClass[label]), whole(test.perClass[label])]),
      },
      { kind: 'text', text: `SHA-256 of the images and labels used: ${checksum}` },
    ],
  };
}

function fashionText({ train, test, source, isSample }: DataResult): Block {
  const [height, width] = train.size;
  const { mean, std } = train.pixels;
  return {
    kind: 'text',
    text:
      `Fashion-MNIST: grey pictures of garments, ${height} x ${width} pixels, in ten classes; ${whole(train.images)} to train on and ` +
      `${whole(test.images)} to test with (H. Xiao, K. Rasul, R. Vollgraf, 2017). ` +
      `${isSample ? 'These are not all of it but the small sample that comes with this program. ' : ''}Every file was checked ` +
      `against its published checksum (origin: ${source.kind}). The networks are given pixels between 0 and 1; their first layer ` +
      `subtracts 0.286 and divides by 0.353, the mean and standard deviation of the training pixels (here ${mean.toFixed(4)} and ` +
      `${std.toFixed(4)}), so that numbers near zero go in.`,
  };
}

/** How the files of a data set are called. */
const FORMATS: Readonly<Record<OtherData['format'], string>> = {
  idx: 'IDX files',
  pictures: 'a folder of pictures',
  npz: 'an .npz archive',
  'cifar-10': "CIFAR-10's binary files",
};

function otherBlocks({ train, test, classes }: DataResult, other: OtherData): Block[] {
  const [height, width] = train.size;
  const { name, format, channels, mean, std, preparation, warnings } = other;
  const numbers = (values: readonly number[]): string => values.map(value => value.toFixed(4)).join(', ');
  const colour = channels === 1 ? 'grey' : channels === 3 ? 'colour' : `${channels} channels`;
  const text =
    `${name}, read from ${FORMATS[format]}: images of ${height} x ${width} pixels (${colour}) in ${classes.length} classes; ` +
    `${whole(train.images)} to train on and ${whole(test.images)} to test with. ` +
    `${preparation.length > 0 ? `${preparation.join(' ')} ` : ''}The networks are given pixels between 0 and 1; their first ` +
    `layer subtracts the mean of the training pixels (${numbers(mean)}) and divides by their standard deviation (${numbers(std)}), ` +
    'so that numbers near zero go in.';
  const odd: Block = { kind: 'text', text: `What is odd about it: ${warnings.join(' ')}` };
  return [{ kind: 'text', text }, ...(warnings.length > 0 ? [odd] : [])];
}
