/** `weft data`: find, verify and describe Fashion-MNIST; `weft data describe DIR`: what any data set is. */
import { Command } from 'commander';
import { describeDataset, descriptionLines, imageTable, openDataset } from '../data/index.node.ts';
import { plainJson } from '../devices/plain-text.ts';
import { describeData, obtainDataset } from '../study/index.node.ts';
import { checkNewFile, writeFileAtomically } from '../train/atomic-file.node.ts';
import { type DataFlags, datasetOptionsOf, withDataFlags } from './dataset-options.ts';
import { type SharedOptions, withSharedOptions } from './options.ts';
import { ProgressLine } from './progress.ts';

export const dataCommand = withSharedOptions(new Command('data'))
  .description('find (or download) Fashion-MNIST, or read the data set of --data, verify it and describe it')
  .action(async (options: SharedOptions) => {
    const result = describeData(await obtainDataset(options, new ProgressLine()));
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
      console.log(`  ${result.classes.map((label, i) => `${label} ${set.perClass[i]}`).join(', ')}`);
    }
  });

dataCommand.addCommand(
  withDataFlags(new Command('describe'))
    .description('say what the data set in a folder is and what is odd about it: IDX files, pictures, .npz, CIFAR-10')
    .argument('<dir>', 'the folder, or an .npz file')
    .option('--list <file>', 'write a table (CSV) of all images: part, number, label, class, file')
    .option('--json', 'print the description as JSON on stdout, progress on stderr')
    .action(async (dir: string, _: unknown, command: Command) => {
      // `weft data` has --json too and takes it first.
      const options = command.optsWithGlobals<DataFlags & { readonly json?: boolean; readonly list?: string }>();
      if (options.list !== undefined) await checkNewFile(options.list);
      const progress = new ProgressLine();
      const onProgress = (done: number, total: number): void => {
        if (done > 0) progress.show(`${done} of ${total} pictures decoded`);
      };
      const dataset = await openDataset(dir, { ...datasetOptionsOf(options), onProgress }).finally(() =>
        progress.end(),
      );
      if (options.list !== undefined) await writeFileAtomically(options.list, imageTable(dataset));
      const description = describeDataset(dataset);
      if (options.json) console.log(plainJson(description));
      else for (const line of descriptionLines(description)) console.log(line);
    }),
);
