/** The chapter on the data: where it came from, what it holds, what one image looks like. */
import type { DataResult } from '../../study/results.ts';
import type { Section } from '../html.ts';
import { type FigureSource, shown, whole } from './chapter.ts';

/** The chapter on the data. */
export function dataSection(
  { train, test, classes, source, checksum, isSample, figure }: DataResult,
  read: FigureSource,
): Section {
  const [height, width] = train.size;
  const { mean, std } = train.pixels;
  return {
    title: 'Data',
    blocks: [
      {
        kind: 'text',
        text:
          `Fashion-MNIST: grey pictures of garments, ${height} x ${width} pixels, in ten classes; ${whole(train.images)} to train on and ` +
          `${whole(test.images)} to test with (H. Xiao, K. Rasul, R. Vollgraf, 2017). ` +
          `${isSample ? 'These are not all of it but the small sample that comes with this program. ' : ''}Every file was checked ` +
          `against its published checksum (origin: ${source.kind}). The networks are given pixels between 0 and 1; their first layer ` +
          `subtracts 0.286 and divides by 0.353, the mean and standard deviation of the training pixels (here ${mean.toFixed(4)} and ` +
          `${std.toFixed(4)}), so that numbers near zero go in.`,
      },
      ...(figure === undefined
        ? []
        : [
            shown(
              read,
              figure,
              'The first training images of every class, a row each. Some classes differ in outline alone, some hardly at all (rows 1 and ' +
                '7, T-shirt and Shirt; rows 3 and 5, Pullover and Coat): that is where mistakes are to be expected.',
            ),
          ]),
      {
        kind: 'table',
        caption: 'Images per class. With equal counts, guessing is right one time in ten.',
        columns: ['class', 'training', 'test'],
        rows: classes.map((name, label) => [name, whole(train.perClass[label]), whole(test.perClass[label])]),
      },
      { kind: 'text', text: `SHA-256 of the images and labels used: ${checksum}` },
    ],
  };
}
