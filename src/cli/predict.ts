/** `weft predict`: what a checkpoint says about pictures from files, how each was prepared, and how often it is right. */
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { UsageError } from '../devices/errors.ts';
import { plainJson, plainText } from '../devices/plain-text.ts';
import { formatPercent } from '../study/format.ts';
import {
  dataOf,
  type PhotosResult,
  type PicturesResult,
  type PredictOptions,
  predictPictures,
  predictStudy,
} from '../study/index.node.ts';
import { readCheckpointInfo } from '../train/checkpoint.node.ts';
import { type SharedOptions, wholeNumber, withSharedOptions } from './options.ts';
import { unlessInterrupted, withSession } from './session.ts';

export const predictCommand = withSharedOptions(new Command('predict'))
  .description('what a checkpoint says about pictures from files')
  .argument('[images...]', 'picture files or folders (default: the garments that come with this package)', noSelections)
  .requiredOption('--checkpoint <file>', 'a .safetensors file written by weft train, or pretrained:NAME')
  .option(
    '--labels <what>',
    'what the pictures show: auto (labels.json or labels.csv beside them, else names of folders), folders, none, or a file',
    'auto',
  )
  .addOption(new Option('--resize <how>', 'how large pictures shrink').choices(['area', 'subsample']).default('area'))
  .option('--no-levels', 'leave the grey of the ground as it is')
  .option('--top <n>', 'classes named for each picture', wholeNumber(1, 10), 3)
  .option('--csv <file>', 'write a table with a line for each picture: file, class, probability, those of all classes')
  .action(async (images: string[], options: PredictOptions & SharedOptions, command: Command) => {
    const asked = { ...options, images };
    const { kind } = dataOf(await readCheckpointInfo(options.checkpoint));
    const result = await (kind === 'fashion-mnist' ? predictGarments(asked) : predictOthers(asked, command));
    if (result && result.unreadable.length > 0) process.exitCode = 1;
  });

type Asked = PredictOptions & SharedOptions;

async function predictGarments(options: Asked): Promise<PhotosResult | undefined> {
  const result = await unlessInterrupted(withSession(options, session => predictStudy(options, session)));
  if (!result) return undefined;
  if (options.json) console.log(plainJson(result));
  else print(result, options);
  return result;
}

/** Pictures for a checkpoint of other data; the ways of preparing garments are refused. */
async function predictOthers(options: Asked, command: Command): Promise<PicturesResult | undefined> {
  for (const option of ['resize', 'levels']) {
    if (command.getOptionValueSource(option) !== 'cli') continue;
    const flag = option === 'resize' ? '--resize' : '--no-levels';
    throw new UsageError(`predict: ${flag} prepares garments; ${options.checkpoint} was not trained on Fashion-MNIST.`);
  }
  const result = await unlessInterrupted(withSession(options, session => predictPictures(options, session)));
  if (!result) return undefined;
  if (options.json) console.log(plainJson(result));
  else printPictures(result, options);
  return result;
}

function printPictures({ model, pictures, accuracy, unreadable }: PicturesResult, { csv, out }: Asked): void {
  for (const one of pictures) console.log(plainText(predictionLine(one)));
  if (accuracy) {
    const { images, right, ci95 } = accuracy;
    console.log(
      `${model}: ${right} of ${images} right, ${formatPercent(accuracy.accuracy)} (95 % interval ` +
        `${formatPercent(ci95[0])} to ${formatPercent(ci95[1])})`,
    );
  }
  if (unreadable.length > 0) console.log(`${unreadable.length} files could not be read.`);
  if (csv !== undefined) console.log(plainText(`Table: ${csv}`));
  if (out) console.log(plainText(`Predictions: ${join(out, 'predictions.json')}`));
}

function predictionLine({ name, top, label, right }: PicturesResult['pictures'][number]): string {
  const said = top.map(one => `${one.name} ${formatPercent(one.probability)}`).join(', ');
  const verdict = right === null ? '' : right ? '  right' : `  wrong: ${label}`;
  return `${name}: ${said}${verdict}`;
}

function noSelections(path: string, before: string[] = []): string[] {
  if (/^(test|train|mistakes):/.test(path)) {
    throw new InvalidArgumentError('predict takes picture files; weft explain takes images of the data set.');
  }
  return [...before, path];
}

function print({ model, photos, accuracy, outside, unreadable }: PhotosResult, { csv, out }: Asked): void {
  for (const photo of photos) {
    console.log(plainText(predictionLine(photo)));
    for (const { text } of photo.warnings) console.log(`  warning: ${text}`);
  }
  if (accuracy) {
    const { images, right, ci95, macro } = accuracy;
    console.log(
      `${model}: ${right} of ${images} right, ${formatPercent(accuracy.accuracy)} (95 % interval ` +
        `${formatPercent(ci95[0])} to ${formatPercent(ci95[1])}), mean over classes ${formatPercent(macro)}`,
    );
    if (outside > 0) console.log(`${outside} pictures show none of the ten classes and count nowhere.`);
  }
  if (unreadable.length > 0) console.log(`${unreadable.length} files could not be read.`);
  if (csv !== undefined) console.log(plainText(`Table: ${csv}`));
  if (out) console.log(plainText(`Page: ${join(out, 'report.html')}`));
}
