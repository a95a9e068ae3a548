/** `weft data`: find, verify and describe the data set; also the first stage of the study, which keeps what it found. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { Command } from 'commander';
import type { FashionMnist, ImageSet } from '../data/fashion-mnist.ts';
import { CLASS_NAMES } from '../data/index.node.ts';
import { encodePng, imagePicture, imageSheet } from '../report/index.node.ts';
import type { DataResult, SetDescription } from '../report/study/data.ts';
import { writeFileAtomically, writeJsonAtomically } from '../train/atomic-file.node.ts';
import { type SharedOptions, withSharedOptions } from './options.ts';
import { ProgressLine } from './progress.ts';
import { obtainData, type Session } from './session.ts';

export const dataCommand = withSharedOptions(new Command('data'))
  .description('find (or download) Fashion-MNIST, verify it and describe it')
  .action(async (options: SharedOptions) => {
    const result = describeData(await obtainData(options, new ProgressLine()));
    if (options.json) {
      console.log(JSON.stringify(result));
      return;
    }
    for (const [name, set] of [
      ['train', result.train],
      ['test', result.test],
    ] as const) {
      const { mean, std } = set.pixels;
      console.log(
        `${name}: ${set.images} images of ${set.size.join(' x ')}; pixels in [0, 1]: mean ${mean.toFixed(4)}, sd ${std.toFixed(4)}`,
      );
      console.log(`  ${CLASS_NAMES.map((label, i) => `${label} ${set.perClass[i]}`).join(', ')}`);
    }
  });

/** SHA-256 of every image and label, in order. */
export function dataChecksum({ train, test }: FashionMnist): string {
  const hash = createHash('sha256');
  for (const { images, labels } of [train, test]) hash.update(images).update(labels);
  return hash.digest('hex');
}

/** What there is, in numbers. */
export function describeData(data: FashionMnist): DataResult {
  const { train, test, source, isSample } = data;
  const describe = ({ count, height, width, labels, images }: ImageSet): SetDescription => ({
    images: count,
    size: [height, width],
    perClass: CLASS_NAMES.map((_, label) => labels.reduce((total, value) => total + Number(value === label), 0)),
    pixels: statistics(images),
  });
  return {
    source,
    isSample,
    checksum: dataChecksum(data),
    classes: CLASS_NAMES,
    train: describe(train),
    test: describe(test),
  };
}

const SHOWN_PER_CLASS = 14;

/** Describes the data and draws the first training images of every class; writes data.json and figures/ into `out`. */
export async function dataStudy(
  options: Pick<SharedOptions, 'data' | 'limit'> & { readonly out: string },
  { progress }: Pick<Session, 'progress'>,
): Promise<DataResult> {
  const data = await obtainData(options, progress);
  const { images, labels, width, height, channels } = data.train;
  const size = width * height * channels;
  const indices = CLASS_NAMES.flatMap((_, label) =>
    Array.from(labels.keys())
      .filter(index => labels[index] === label)
      .slice(0, SHOWN_PER_CLASS),
  );
  const pictures = indices.map(index => imagePicture(images.subarray(index * size, (index + 1) * size), width, height));
  const sheet = encodePng(imageSheet(pictures, { columns: SHOWN_PER_CLASS, scale: 2 }));
  await writeFileAtomically(join(options.out, 'figures', 'classes.png'), sheet);
  const result: DataResult = { ...describeData(data), figure: 'classes.png' };
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
