/**
 * `weft tune`: random search with successive halving over what a network is made of, on a part of the training images,
 * judged on other training images. Every training is written down when it is done, so a search that was cut off goes on
 * with the same command; the test images are not touched.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { stratifiedSplit } from '../data/batches.ts';
import { DeviceDataset } from '../data/device-dataset.ts';
import type { ImageSet } from '../data/fashion-mnist.ts';
import { NonFiniteError, UsageError } from '../devices/errors.ts';
import type { ActivationName, ModelSpec } from '../nn/index.ts';
import { tuningFigures } from '../report/study/tuning.ts';
import { writeFileAtomically, writeJsonAtomically } from '../train/atomic-file.node.ts';
import {
  buildTrainee,
  type Choice,
  type Dimension,
  drawChoices,
  fit,
  marginalEffects,
  negativeLogLikelihood,
  predictLogits,
  RECIPES,
  ranking,
  rungSizes,
  scheduleOf,
  successiveHalving,
  type TrialOutcome,
  type TuneResult,
  topKAccuracy,
  validationSplit,
} from '../train/index.ts';
import { numberBetween, type SharedOptions, wholeNumber, wholeNumbers, withSharedOptions } from './options.ts';
import { formatDuration, formatPercent } from './progress.ts';
import { Interrupted, obtainData, type Session, unlessInterrupted, withSession } from './session.ts';

export type TunedModel = 'cnn' | 'mini-resnet';

export interface TuneOptions extends Pick<SharedOptions, 'seed' | 'data' | 'limit'> {
  readonly model: TunedModel;
  readonly trials: number;
  /** Epochs of each rung. */
  readonly budget: readonly number[];
  readonly eta: number;
  /** Training images that trials train on. */
  readonly images: number;
  /** Training images that they are judged on. */
  readonly heldOut: number;
  /** Channels of the model's stages; its other options are the model's own. */
  readonly widths: readonly number[];
  readonly out: string;
}

const SPACES: Readonly<Record<TunedModel, readonly Dimension[]>> = {
  'mini-resnet': [
    { name: 'filter size', values: [1, 3, 5] },
    { name: 'activation', values: ['relu', 'gelu', 'tanh'] },
    { name: 'residual blocks per stage', values: [1, 2, 3] },
    { name: 'learning rate', low: 0.01, high: 0.3 },
  ],
  cnn: [
    { name: 'filter size', values: [1, 3, 5] },
    { name: 'activation', values: ['relu', 'gelu', 'tanh'] },
    { name: 'convolutions per block', values: [1, 2, 3] },
    { name: 'learning rate', low: 0.01, high: 0.3 },
  ],
};

/** The model that a choice describes. */
function modelOf(name: TunedModel, widths: readonly number[], choice: Choice): ModelSpec {
  const filterSize = Number(choice['filter size']);
  const activation = choice.activation as ActivationName;
  return name === 'cnn'
    ? { name, options: { widths, filterSize, activation, depth: Number(choice['convolutions per block']), hidden: 64 } }
    : {
        name,
        options: {
          widths,
          filterSize,
          activation,
          blocks: widths.map(() => Number(choice['residual blocks per stage'])),
          stem: 'strided',
        },
      };
}

const BATCH = 64;

function budgets(text: string): number[] {
  const epochs = wholeNumbers(1)(text);
  if (epochs.some((budget, rung) => rung > 0 && budget <= epochs[rung - 1])) {
    throw new InvalidArgumentError('The budgets must grow, e.g. 1,3,9.');
  }
  return epochs;
}

export const tuneCommand = withSharedOptions(new Command('tune'))
  .description('try combinations of options on held-out training images (random search, successive halving)')
  .addOption(new Option('--model <name>', 'architecture').choices(Object.keys(SPACES)).default('mini-resnet'))
  .option('--trials <n>', 'combinations to try', wholeNumber(1, 10_000), 12)
  .option('--budget <epochs>', 'epochs of the first round, the second, ...', budgets, [1, 3])
  .option('--eta <n>', 'one in so many goes on to the next round', numberBetween(1, 1000), 3)
  .option('--images <n>', 'training images to train on', wholeNumber(1), 6000)
  .option('--held-out <n>', 'training images to judge by', wholeNumber(1), 2000)
  .option('--widths <list>', 'channels of the stages (default: mini-resnet 8,16,32; cnn 8,16)', wholeNumbers(1))
  .action(async (options: Omit<TuneOptions, 'widths'> & SharedOptions & { widths?: number[] }) => {
    const widths = options.widths ?? (options.model === 'cnn' ? [8, 16] : [8, 16, 32]);
    const out = options.out ?? `runs/tune-${options.model}`;
    const result = await unlessInterrupted(
      withSession(options, session => tuneStudy({ ...options, widths, out }, session)),
    );
    if (!result) return;
    if (options.json) console.log(JSON.stringify(result));
    else print(result, out);
  });

/**
 * Runs the search into `options.out`, going on where an earlier one with the same options stopped.
 * @throws UsageError when the folder holds another search, or there are too few images
 * @throws Interrupted when the session's signal stopped it
 */
export async function tuneStudy(options: TuneOptions, session: Session): Promise<TuneResult> {
  const { device, progress, signal } = session;
  const { model, trials, budget, eta, seed, out, widths } = options;
  const data = await obtainData(options, progress);
  const { images, heldOut } = chooseImages(data.train, options);
  const space = SPACES[model];
  const halving = { budgets: budget, eta };
  const identity = {
    ...{
      model,
      widths,
      space,
      halving,
      seed,
      batch: BATCH,
      recipe: RECIPES[model],
      device: device.kind,
      adapter: device.info.adapter,
    },
    ...{ sampleData: data.isSample, of: data.train.count, trainImages: images.length, heldOutImages: heldOut.length },
    trials,
  };
  await claimFolder(out, identity);
  const trainingSet = new DeviceDataset(data.train, device);
  const labels = Uint8Array.from(heldOut, index => data.train.labels[index]);
  const trainings = rungSizes(trials, halving).reduce((sum, size) => sum + size, 0);
  let done = 0;

  const train = async (choice: Choice, epochs: number, onProgress: (share: number) => void): Promise<TrialOutcome> => {
    const began = performance.now();
    const seconds = (): number => Math.round(performance.now() - began) / 1000;
    const recipe = { ...RECIPES[model], epochs, batchSize: Math.min(BATCH, images.length) };
    const tuned = { ...recipe, learningRate: Number(choice['learning rate']) };
    const trainee = buildTrainee(modelOf(model, widths, choice), tuned, device, seed);
    try {
      const { interrupted } = await fit(trainee.model, trainingSet, trainee.optimizer, {
        epochs,
        batchSize: recipe.batchSize,
        seed,
        schedule: scheduleOf(tuned),
        smoothing: recipe.smoothing,
        smoothingEpochs: recipe.smoothingEpochs,
        augmentation: recipe.augmentation ?? undefined,
        trainIndices: images,
        signal,
        onProgress: ({ epoch, batch, batches }) => onProgress((epoch + batch / batches) / epochs),
      });
      if (interrupted)
        throw new Interrupted(`Stopped; ${done} of ${trainings} trainings are done. The same command goes on.`);
      const logits = await predictLogits(trainee.model, trainingSet, { indices: heldOut });
      return {
        accuracy: topKAccuracy(logits, labels, 1),
        loss: negativeLogLikelihood(logits, labels),
        seconds: seconds(),
      };
    } catch (error) {
      if (!(error instanceof NonFiniteError)) throw error;
      return { accuracy: null, loss: null, seconds: seconds(), failure: error.message };
    } finally {
      trainee.dispose();
    }
  };

  try {
    const finished = await successiveHalving(drawChoices(space, trials, seed), halving, async (choice, at) => {
      const file = join(out, 'trials', `${at.id}-${at.rung}.json`);
      const known = await readOutcome(file);
      const name = `trial ${at.id + 1} of ${trials}, ${at.budget} epochs`;
      const outcome =
        known ??
        (await train(choice, at.budget, share =>
          progress.show(`tune: training ${done + 1} of ${trainings} (${name}): ${Math.round(100 * share)} %`),
        ));
      if (!known) await writeJsonAtomically(file, outcome);
      done++;
      return outcome;
    });
    const best = ranking(finished).find(({ attempts }) => attempts.at(-1)!.accuracy !== null);
    const { trials: _, of: __, batch: ___, recipe: ____, ...described } = identity;
    const result: TuneResult = {
      ...described,
      unit: 'epoch',
      trials: finished,
      effects: marginalEffects(space, finished),
      best: best?.id ?? null,
      seconds: finished.reduce((sum, { attempts }) => sum + attempts.reduce((own, { seconds }) => own + seconds, 0), 0),
    };
    for (const [name, svg] of Object.entries(tuningFigures(result))) {
      await writeFileAtomically(join(out, 'figures', name), svg);
    }
    await writeJsonAtomically(join(out, 'tune.json'), result);
    return result;
  } finally {
    trainingSet.dispose();
  }
}

/** Images to train on and images to judge by, both in the classes' proportions; the same ones whatever the seed. */
function chooseImages(
  { labels, count }: ImageSet,
  { images, heldOut }: TuneOptions,
): { images: Uint32Array; heldOut: Uint32Array } {
  if (images + heldOut > count) {
    throw new UsageError(
      `tune: ${images} images to train on and ${heldOut} to judge by are more than the ${count} there are.`,
    );
  }
  const split = validationSplit(labels, heldOut);
  if (split.train.length === images) return { images: split.train, heldOut: split.heldOut };
  const part = stratifiedSplit(
    Uint8Array.from(split.train, index => labels[index]),
    images,
    0,
  );
  return { images: part.heldOut.map(place => split.train[place]), heldOut: split.heldOut };
}

/** Makes the folder this search's own, or finds that it is. */
async function claimFolder(out: string, identity: object): Promise<void> {
  await mkdir(join(out, 'trials'), { recursive: true });
  const file = join(out, 'search.json');
  const before = await readFile(file, 'utf8').catch(() => undefined);
  if (before !== undefined && JSON.stringify(JSON.parse(before)) !== JSON.stringify(identity)) {
    throw new UsageError(
      `${out} holds a search with other options, data or device (search.json); choose another --out.`,
    );
  }
  await writeJsonAtomically(file, identity);
}

async function readOutcome(file: string): Promise<TrialOutcome | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as TrialOutcome);
}

function print({ trials, effects, best, halving, trainImages, heldOutImages, seconds }: TuneResult, out: string): void {
  console.log(
    `${trials.length} combinations on ${trainImages} training images, judged on ${heldOutImages} others, ${formatDuration(seconds)}`,
  );
  for (const { id, choice, attempts } of ranking(trials)) {
    const options = Object.entries(choice).map(([name, value]) => `${name} ${value}`);
    const results = attempts.map(
      ({ budget, accuracy }) => `${budget}: ${accuracy === null ? 'failed' : formatPercent(accuracy)}`,
    );
    console.log(`${id === best ? '*' : ' '} ${options.join(', ')}  ->  ${results.join('  ')}`);
  }
  console.log(`What each option did (all with ${halving.budgets[0]} epochs):`);
  for (const { dimension, option, mean, spread, trials: count } of effects) {
    const figure =
      mean === null ? 'none' : `${formatPercent(mean)}${spread === null ? '' : ` +- ${(100 * spread).toFixed(2)}`}`;
    console.log(`  ${dimension} ${option}: ${figure} (${count} trials)`);
  }
  console.log(`Trials and figures: ${out}`);
}
