/** `weft train`: one model, from the recipe of its name unless options say otherwise. */
import { readFile } from 'node:fs/promises';
import { Command } from 'commander';
import { type Dataset, parseImageIndices } from '../data/index.node.ts';
import { UsageError } from '../devices/errors.ts';
import { type OpenOptions, openOptionsLike } from '../devices/open.ts';
import { buildModel, type ModelSpec } from '../nn/index.ts';
import { modelOn, recipeOn } from '../study/fit-to-data.ts';
import { formatDuration, formatPercent } from '../study/format.ts';
import { obtainDataset, type Progress, Run, RunFolder, type RunResult, type Session } from '../study/index.node.ts';
import { readCheckpointInfo } from '../train/checkpoint.node.ts';
import type { Recipe } from '../train/index.ts';
import { type DataFlags, datasetOptionsOf, withDataFlags } from './dataset-options.ts';
import { type SharedOptions, wholeNumber, withSharedOptions } from './options.ts';
import { ProgressLine } from './progress.ts';
import { unlessInterrupted, withSession } from './session.ts';
import {
  givenModelOptions,
  type ModelOptions,
  modelSpecOf,
  type RecipeOptions,
  recipeOf,
  withModelOptions,
  withRecipeOptions,
} from './training-options.ts';
import { showProfile } from './training-profile.ts';

export interface TrainOptions extends SharedOptions, DataFlags, ModelOptions, RecipeOptions {
  readonly validation: number;
  readonly test: boolean;
  readonly checkpointEvery?: number;
  readonly drop?: string;
  readonly from?: string;
  readonly resume?: boolean;
  readonly force?: boolean;
  readonly summary?: boolean;
  /** Commander makes this true unless --no-capture is given. */
  readonly capture: boolean;
  readonly profile?: boolean;
}

export const trainCommand = withRecipeOptions(withModelOptions(withDataFlags(withSharedOptions(new Command('train')))))
  .description('train a model and evaluate it on the test images')
  .option(
    '--validation <n>',
    'training images held out (the same ones whatever the seed) and evaluated after each epoch; the best epoch is kept',
    wholeNumber(0),
    0,
  )
  .option(
    '--drop <file>',
    'train without these training images: their numbers, one a line (# begins a comment) or as JSON; weft data describe --list writes the numbers of all',
  )
  .option('--no-test', 'leave the test images alone and report on the validation images')
  .option('--checkpoint-every <steps>', 'write a checkpoint within an epoch too', wholeNumber(1))
  .option(
    '--from <file>',
    'begin with the weights of a checkpoint (of its model), or of pretrained:NAME, instead of random ones',
  )
  .option('--resume', 'go on with the run in --out; one that has no checkpoint yet begins anew')
  .option('--force', 'replace the run that --out holds')
  .option('--no-capture', 'take every step by itself instead of recording one and replaying it')
  .option(
    '--profile',
    'first show where a step spends its time, kernel by kernel, and write profile.json for a timeline',
  )
  .option('--summary', "print the model's layers and stop")
  .action(async (given: TrainOptions, command: Command) => {
    const isModelGiven = command.getOptionValueSource('model') === 'cli';
    const spec = given.from === undefined ? modelSpecOf(given) : await modelOf(given.from, given, isModelGiven);
    const options = { ...given, model: spec.name };
    if (options.summary) {
      const summary = await summaryOf(spec, options);
      console.log(options.json ? JSON.stringify(summary) : String(summary));
      return;
    }
    const result = await train(spec, options);
    if (!result) return;
    if (options.json) console.log(JSON.stringify(result));
    else printResult(result, options.out);
  });

/** The model's layers for the images of the folder that --data names, or for Fashion-MNIST's. */
async function summaryOf(spec: ModelSpec, options: TrainOptions) {
  if (options.data === undefined) return buildModel(spec).summary();
  const data = await obtainDataset({ data: options.data, reading: datasetOptionsOf(options) }, new ProgressLine());
  const { height, width, channels } = data.train;
  return buildModel(options.from === undefined ? modelOn(spec, data) : spec).summary([height, width, channels]);
}

/** Whether a mirrored image still shows the same is known of garments; other images are mirrored only when told to. */
function ownRecipe(recipe: Recipe, data: Dataset, { flip }: RecipeOptions, progress: Progress): Recipe {
  if (flip !== undefined) return recipe;
  const own = recipeOn(recipe, data);
  if (own !== recipe) {
    progress.note(
      'Images are not mirrored (--flip none), as only those of Fashion-MNIST are by default; --flip random mirrors them.',
    );
  }
  return own;
}

/**
 * The model of the checkpoint to begin with.
 * @throws UsageError where the options ask for another one
 */
async function modelOf(from: string, options: TrainOptions, isModelGiven: boolean): Promise<ModelSpec> {
  const { model } = await readCheckpointInfo(from);
  const [given] = givenModelOptions(options);
  if (given) throw new UsageError(`--from takes the model as it is in ${from}; leave out ${given.flag}.`);
  if (isModelGiven && options.model !== model.name) {
    throw new UsageError(`${from} is a ${model.name}, not a ${options.model}; leave out --model.`);
  }
  return model;
}

/** Runs the command; undefined when Ctrl-C stopped it (the exit code says so). */
async function train(model: ModelSpec, options: TrainOptions): Promise<RunResult | undefined> {
  const { seed, from, validation, test, checkpointEvery, capture, profile, force } = options;
  const recipe = recipeOf(options);
  if (validation === 0 && (!test || recipe.patience !== null)) {
    throw new UsageError(
      `${test ? '--patience' : '--no-test'} needs images that training does not see: hold some out with --validation 5000.`,
    );
  }
  const out = options.out ?? `runs/${options.model}-seed${seed}${from === undefined ? '' : '-continued'}`;
  if (force && options.resume)
    throw new UsageError('--resume goes on with the run that --force replaces; give one of them.');
  const dropList = options.drop === undefined ? undefined : await readDropList(options.drop, options);
  const resume = options.resume === true && (await new RunFolder(out).isResumable());
  const { shared, open } = resume ? await asBefore(out, options) : { shared: options, open: {} };
  const work = async (session: Session): Promise<RunResult> => {
    const data = await obtainDataset(
      { ...options, reading: datasetOptionsOf(options) },
      session.progress,
      session.signal,
    );
    if (options.resume && !resume) session.progress.note(`There is no checkpoint in ${out} yet; the run begins.`);
    const loop = { checkpointEvery, capture };
    const fitting = from === undefined ? modelOn(model, data) : model;
    const own = ownRecipe(recipe, data, options, session.progress);
    const drop = dropList && {
      indices: parseImageIndices(dropList.text, dropList.source, data.train.count),
      source: dropList.source,
    };
    const asked = { model: fitting, recipe: own, seed, from, validation, drop, test, loop, out, resume, force };
    const run = await Run.open(asked, data, session);
    try {
      if (profile) await showProfile({ model: fitting, recipe: own, capture, out }, run.trainingSet, session);
      return await run.finish();
    } finally {
      run.dispose();
    }
  };
  return unlessInterrupted(withSession(shared, work, open));
}

/** The list's text; what it says is known when the images are. */
async function readDropList(source: string, { limit }: TrainOptions): Promise<{ text: string; source: string }> {
  if (limit !== undefined) {
    throw new UsageError('--drop names images of the whole data set, of which --limit takes some; give one of them.');
  }
  const text = await readFile(source, 'utf8').catch(error => {
    throw new UsageError(`--drop ${source} cannot be read (${(error as NodeJS.ErrnoException).code ?? error}).`);
  });
  return { text, source };
}

/** A resumed run goes on on the device it began on, with the same form of multiply-add: then the losses are the same bits. */
async function asBefore(out: string, options: SharedOptions): Promise<{ shared: SharedOptions; open: OpenOptions }> {
  const { device, adapter } = await readCheckpointInfo(new RunFolder(out).checkpoint('last'));
  const kind = options.device === 'auto' ? (device as SharedOptions['device']) : options.device;
  return { shared: { ...options, device: kind }, open: openOptionsLike(adapter) };
}

export function printResult(result: RunResult, out: string | undefined): void {
  const { accuracy, ci95, macro, images } = result.evaluation;
  console.log(
    `${result.model}: ${result.evaluatedOn} accuracy ${formatPercent(accuracy)} ` +
      `(95 % interval ${formatPercent(ci95[0])} to ${formatPercent(ci95[1])}), macro F1 ${formatPercent(macro.f1)} (precision ${formatPercent(macro.precision)}, recall ${formatPercent(macro.recall)}), on ${images} images, ` +
      `${result.epochs} epochs in ${formatDuration(result.seconds)} on ${result.device}` +
      `${result.sampleData ? ' -- SAMPLE DATA' : ''}`,
  );
  console.log(`Checkpoint: ${result.checkpoint}`);
  console.log(`Metrics, log and figures: ${out ?? result.checkpoint.replace(/\/checkpoints\/.*$/, '')}`);
}
