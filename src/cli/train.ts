import { Command, Option } from 'commander';
import {
  ACTIVATION_NAMES,
  type ActivationName,
  MODEL_NAMES,
  type ModelName,
  type ModelSpec,
  SCHEDULE_NAMES,
} from '../nn/index.ts';
import { OPTIMIZER_NAMES, type OptimizerName, RECIPES, type Recipe } from '../train/index.ts';
import { numberBetween, type SharedOptions, wholeNumber, wholeNumbers, withSharedOptions } from './options.ts';
import { formatDuration, formatPercent } from './progress.ts';
import { obtainData, withSession } from './session.ts';
import { Interrupted, type TrainingRunResult, trainingRun } from './training-run.ts';

export interface TrainOptions extends SharedOptions {
  readonly model: ModelName;
  readonly epochs?: number;
  readonly batchSize?: number;
  readonly optimizer?: OptimizerName;
  readonly learningRate?: number;
  readonly momentum?: number;
  readonly weightDecay?: number;
  readonly schedule?: string;
  readonly smoothing?: number;
  readonly augment: boolean;
  readonly ema?: number;
  readonly clip?: number;
  readonly validation: number;
  readonly widths?: number[];
  readonly filterSize?: number;
  readonly activation?: ActivationName;
  readonly dropout?: number;
  readonly hidden?: number;
  readonly blocks?: number[];
  readonly residual: boolean;
  readonly resume?: boolean;
}

/** `weft train`: one model, from the recipe of its name unless options say otherwise. */
export const trainCommand = withSharedOptions(new Command('train'))
  .description('train a model and evaluate it on the test images')
  .addOption(new Option('--model <name>', 'architecture').choices([...MODEL_NAMES]).default('cnn'))
  .option('--epochs <n>', 'passes over the training images', wholeNumber(1))
  .option('--batch-size <n>', 'images per step', wholeNumber(1))
  .addOption(new Option('--optimizer <name>', 'optimizer').choices([...OPTIMIZER_NAMES]))
  .option('--learning-rate <x>', 'peak learning rate', numberBetween(0, 100))
  .option('--momentum <x>', 'momentum of sgd (Nesterov)', numberBetween(0, 1))
  .option('--weight-decay <x>', 'weight decay of filters and matrices', numberBetween(0, 10))
  .addOption(new Option('--schedule <name>', 'course of the learning rate').choices(SCHEDULE_NAMES))
  .option('--smoothing <x>', 'label smoothing', numberBetween(0, 1))
  .option('--no-augment', 'train on the images as they are')
  .option('--ema <decay>', 'average the parameters with this decay', numberBetween(0, 1))
  .option('--clip <norm>', 'scale gradients down to this norm', numberBetween(0, 1e9))
  .option('--validation <n>', 'training images held out and evaluated after each epoch', wholeNumber(0), 0)
  .option('--widths <list>', 'channels per block or stage, e.g. 32,64', wholeNumbers(1))
  .option('--filter-size <n>', 'size of the filters', wholeNumber(1, 28))
  .addOption(new Option('--activation <name>', 'nonlinearity').choices([...ACTIVATION_NAMES]))
  .option('--dropout <rate>', 'cnn: dropout before the last layer', numberBetween(0, 1))
  .option('--hidden <n>', 'cnn: width of the dense layer', wholeNumber(1))
  .option('--blocks <list>', 'mini-resnet: blocks per stage, e.g. 1,1,1', wholeNumbers(0))
  .option('--no-residual', 'mini-resnet: the plain network without shortcuts')
  .option('--resume', 'go on with the run in --out')
  .action(async (options: TrainOptions) => {
    const result = await train(options);
    if (!result) return;
    if (options.json) console.log(JSON.stringify(result));
    else printResult(result, options.out);
  });

/** Runs the command; undefined when Ctrl-C stopped it (the exit code says so). */
async function train(options: TrainOptions): Promise<TrainingRunResult | undefined> {
  const model = modelSpecOf(options);
  const out = options.out ?? `runs/${options.model}-seed${options.seed}`;
  try {
    return await withSession(options, async session => {
      const data = await obtainData(options, session.progress);
      const { seed, validation, resume = false } = options;
      return trainingRun(data, { model, recipe: recipeOf(options), seed, validation, out, resume }, session);
    });
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    console.error(error.message);
    process.exitCode = 130;
    return undefined;
  }
}

/** Leaves out what was not given, so that the model's own defaults apply. */
function given<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}

export function modelSpecOf(options: TrainOptions): ModelSpec {
  const { widths, filterSize, activation, dropout, hidden, blocks, residual, seed } = options;
  return options.model === 'cnn'
    ? { name: 'cnn', options: given({ widths, filterSize, activation, dropout, hidden, seed }) }
    : { name: 'mini-resnet', options: given({ widths, filterSize, activation, blocks, residual }) };
}

export function recipeOf(options: TrainOptions): Recipe {
  const { epochs, batchSize, optimizer, learningRate, momentum, weightDecay, schedule, smoothing, ema, clip } = options;
  return {
    ...RECIPES[options.model],
    ...given({
      epochs,
      batchSize,
      optimizer,
      learningRate,
      momentum,
      weightDecay,
      schedule,
      smoothing,
      ema,
      maxGradientNorm: clip,
    }),
    ...(options.augment ? {} : { augmentation: null }),
  } as Recipe;
}

export function printResult(result: TrainingRunResult, out: string | undefined): void {
  const [low, high] = result.evaluation.ci95;
  console.log(
    `${result.model}: test accuracy ${formatPercent(result.testAccuracy)} ` +
      `(95 % interval ${formatPercent(low)} to ${formatPercent(high)}) on ${result.testImages} images, ` +
      `${result.epochs} epochs in ${formatDuration(result.seconds)} on ${result.device}` +
      `${result.sampleData ? ' -- SAMPLE DATA' : ''}`,
  );
  console.log(`Checkpoint: ${result.checkpoint}`);
  console.log(`Metrics, log and figures: ${out ?? result.checkpoint.replace(/\/checkpoints\/.*$/, '')}`);
}
