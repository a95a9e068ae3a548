import { Command } from 'commander';
import { CLASS_NAMES } from '../data/index.node.ts';
import { type SharedOptions, withSharedOptions } from './options.ts';
import { ProgressLine } from './progress.ts';
import { obtainData } from './session.ts';

/** `weft data`: find, verify and describe the data set. */
export const dataCommand = withSharedOptions(new Command('data'))
  .description('find (or download) Fashion-MNIST, verify it and describe it')
  .action(async (options: SharedOptions) => {
    const { train, test, source, isSample } = await obtainData(options, new ProgressLine());
    const describe = ({ count, height, width, labels, images }: typeof train) => ({
      images: count,
      size: [height, width],
      perClass: CLASS_NAMES.map((_, label) => labels.reduce((total, value) => total + Number(value === label), 0)),
      pixels: statistics(images),
    });
    const result = { source, isSample, classes: CLASS_NAMES, train: describe(train), test: describe(test) };
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
