import { Command } from 'commander';
import { UsageError } from '../devices/errors.ts';
import { type OpenOptions, openOptionsLike } from '../devices/open.ts';
import { buildModel, type ModelSpec } from '../nn/index.ts';
import { readCheckpointInfo } from '../train/checkpoint.node.ts';
import { type SharedOptions, wholeNumber, withSharedOptions } from './options.ts';
import { formatDuration, formatPercent } from './progress.ts';
import { obtainData, type Session, unlessInterrupted, withSession } from './session.ts';
import {
  givenModelOptions,
  type ModelOptions,
  modelSpecOf,
  type RecipeOptions,
  recipeOf,
  withModelOptions,
  withRecipeOptions,
} from './training-options.ts';
import { lastCheckpoint, type TrainingRunResult, trainingRun } from './training-run.ts';

export interface TrainOptions extends SharedOptions, ModelOptions, RecipeOptions {
  readonly validation: number;
  readonly test: boolean;
  readonly checkpointEvery?: number;
  readonly from?: string;
  readonly resume?: boolean;
  readonly summary?: boolean;
  /** Commander makes this true unless --no-capture is given. */
  readonly capture: boolean;
  readonly profile?: boolean;
}

/** `weft train`: one model, from the recipe of its name unless options say otherwise. */
export const trainCommand = withRecipeOptions(withModelOptions(withSharedOptions(new Command('train'))))
  .description('train a model and evaluate it on the test images')
  .option(
    '--validation <n>',
    'training images held out (the same ones whatever the seed) and evaluated after each epoch; the best epoch is kept',
    wholeNumber(0),
    0,
  )
  .option('--no-test', 'leave the test images alone and report on the validation images')
  .option('--checkpoint-every <steps>', 'write a checkpoint within an epoch too', wholeNumber(1))
  .option(
    '--from <file>',
    'begin with the weights of a checkpoint (of its model), or of pretrained:NAME, instead of random ones',
  )
  .option('--resume', 'go on with the run in --out')
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
      const summary = buildModel(spec).summary();
      console.log(options.json ? JSON.stringify(summary) : String(summary));
      return;
    }
    const result = await train(spec, options);
    if (!result) return;
    if (options.json) console.log(JSON.stringify(result));
    else printResult(result, options.out);
  });

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
async function train(model: ModelSpec, options: TrainOptions): Promise<TrainingRunResult | undefined> {
  const { seed, from, validation, test, checkpointEvery, capture, profile, resume = false } = options;
  const recipe = recipeOf(options);
  if (validation === 0 && (!test || recipe.patience !== null)) {
    throw new UsageError(
      `${test ? '--patience' : '--no-test'} needs images to look at instead: hold some out with --validation 5000.`,
    );
  }
  const out = options.out ?? `runs/${options.model}-seed${seed}${from === undefined ? '' : '-continued'}`;
  const { shared, open } = resume ? await asBefore(out, options) : { shared: options, open: {} };
  const work = async (session: Session): Promise<TrainingRunResult> => {
    const data = await obtainData(options, session.progress);
    const run = { model, recipe, seed, from, validation, test, checkpointEvery, capture, profile, out, resume };
    return trainingRun(data, run, session);
  };
  return unlessInterrupted(withSession(shared, work, open));
}

/** A resumed run goes on on the device it began on, with the same form of multiply-add: then the losses are the same bits. */
async function asBefore(out: string, options: SharedOptions): Promise<{ shared: SharedOptions; open: OpenOptions }> {
  const { device, adapter } = await readCheckpointInfo(lastCheckpoint(out));
  const kind = options.device === 'auto' ? (device as SharedOptions['device']) : options.device;
  return { shared: { ...options, device: kind }, open: openOptionsLike(adapter) };
}

export function printResult(result: TrainingRunResult, out: string | undefined): void {
  const { accuracy, ci95, images } = result.evaluation;
  console.log(
    `${result.model}: ${result.evaluatedOn} accuracy ${formatPercent(accuracy)} ` +
      `(95 % interval ${formatPercent(ci95[0])} to ${formatPercent(ci95[1])}) on ${images} images, ` +
      `${result.epochs} epochs in ${formatDuration(result.seconds)} on ${result.device}` +
      `${result.sampleData ? ' -- SAMPLE DATA' : ''}`,
  );
  console.log(`Checkpoint: ${result.checkpoint}`);
  console.log(`Metrics, log and figures: ${out ?? result.checkpoint.replace(/\/checkpoints\/.*$/, '')}`);
}
