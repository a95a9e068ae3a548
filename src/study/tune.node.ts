/**
 * The stage `tune`: random search with successive halving over what a network is made of, on a part of the training images,
 * judged on other training images. Every training is written down when it is done, so a search that was cut off goes on
 * with the same options; the test images are not touched.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stratifiedSplit } from '../data/batches.ts';
import type { Dataset } from '../data/dataset.ts';
import { DeviceDataset } from '../data/device-dataset.ts';
import type { ImageSet } from '../data/fashion-mnist.ts';
import { NonFiniteError, UsageError } from '../devices/errors.ts';
import type { ActivationName, ModelSpec } from '../nn/index.ts';
import { ensureWritable, writeJsonAtomically } from '../train/atomic-file.node.ts';
import {
  buildTrainee,
  type Choice,
  type Dimension,
  drawChoices,
  fit,
  fitOptions,
  marginalEffects,
  negativeLogLikelihood,
  predictLogits,
  RECIPES,
  type Recipe,
  ranking,
  rungSizes,
  successiveHalving,
  type Trainee,
  type TrialOutcome,
  topKAccuracy,
  validationSplit,
} from '../train/index.ts';
import { type DataOptions, obtainDataset } from './data.node.ts';
import { drawingFolder } from './drawing-folder.node.ts';
import { modelOn, recipeOn } from './fit-to-data.ts';
import type { TuneResult } from './results.ts';
import { aboutData, dataIdentity } from './run-data.node.ts';
import { Interrupted, type Session } from './session.ts';
import { canonicalJson } from './stamp.node.ts';

export type TunedModel = 'cnn' | 'mini-resnet';

export interface TuneOptions extends DataOptions {
  readonly model: TunedModel;
  /** What all trials have in common besides epochs, batch and learning rate. Default: the recipe of the model's name. */
  readonly recipe?: Recipe;
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
  readonly seed: number;
  readonly out: string;
}

/** What is tried, by model. */
export const TUNED_SPACES: Readonly<Record<TunedModel, readonly Dimension[]>> = {
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

const BATCH = 64;

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

/**
 * Runs the search into `options.out`, going on where an earlier one with the same options stopped.
 * @throws UsageError when the folder holds another search, or there are too few images
 * @throws Interrupted when the session's signal stopped it
 */
export async function tuneStudy(options: TuneOptions, session: Session): Promise<TuneResult> {
  const { model, widths, trials, budget, eta, seed, out } = options;
  const data = await obtainDataset(options, session.progress, session.signal);
  const search = new Search(options, data, session);
  /** What is kept of the search besides its trials. */
  const described = {
    model,
    widths,
    space: TUNED_SPACES[model],
    halving: { budgets: budget, eta },
    seed,
    device: session.device.kind,
    adapter: session.device.info.adapter,
    sampleData: data.isSample,
    ...aboutData(data),
    trainImages: search.images.length,
    heldOutImages: search.heldOut.length,
  };
  const { space, halving } = described;
  try {
    const searched = { batch: BATCH, recipe: search.recipe, of: data.train.count, trials, ...dataIdentity(data) };
    await claimFolder(out, { ...described, ...searched });
    const finished = await successiveHalving(drawChoices(space, trials, seed), halving, (choice, at) =>
      search.outcome(choice, at),
    );
    const best = ranking(finished).find(({ attempts }) => attempts.at(-1)!.accuracy !== null);
    const result: TuneResult = {
      ...described,
      unit: 'epoch',
      trials: finished,
      effects: marginalEffects(space, finished),
      best: best?.id ?? null,
      seconds: finished.reduce((sum, { attempts }) => sum + attempts.reduce((own, { seconds }) => own + seconds, 0), 0),
    };
    await session.drawing?.tuning(result, drawingFolder(out));
    await writeJsonAtomically(join(out, 'tune.json'), result);
    return result;
  } finally {
    search.dispose();
  }
}

/** Trains what is tried, each choice with each budget once, whatever it takes to get there. */
class Search {
  readonly recipe: Recipe;
  readonly images: Uint32Array;
  readonly heldOut: Uint32Array;
  readonly #options: TuneOptions;
  readonly #data: Dataset;
  readonly #session: Session;
  readonly #trainingSet: DeviceDataset;
  readonly #heldOutLabels: Uint8Array;
  /** Trainings in all, and how many of them are done. */
  readonly #trainings: number;
  #done = 0;

  constructor(options: TuneOptions, data: Dataset, session: Session) {
    const { train } = data;
    const { images, heldOut } = chooseImages(train, options);
    this.images = images;
    this.heldOut = heldOut;
    this.recipe = options.recipe ?? recipeOn(RECIPES[options.model], data);
    this.#options = options;
    this.#data = data;
    this.#session = session;
    this.#heldOutLabels = Uint8Array.from(heldOut, index => train.labels[index]);
    const sizes = rungSizes(options.trials, { budgets: options.budget, eta: options.eta });
    this.#trainings = sizes.reduce((sum, size) => sum + size, 0);
    this.#trainingSet = new DeviceDataset(train, session.device);
  }

  /** How a choice does with a budget: as it was written down, or else trained now and written down. */
  async outcome(choice: Choice, at: { id: number; rung: number; budget: number }): Promise<TrialOutcome> {
    const file = join(this.#options.out, 'trials', `${at.id}-${at.rung}.json`);
    const known = await readOutcome(file);
    const outcome = known ?? (await this.#train(choice, at.budget, at.id));
    if (!known) await writeJsonAtomically(file, outcome);
    this.#done++;
    return outcome;
  }

  async #train(choice: Choice, epochs: number, id: number): Promise<TrialOutcome> {
    const { model, widths, seed } = this.#options;
    const began = performance.now();
    const seconds = (): number => Math.round(performance.now() - began) / 1000;
    const recipe = {
      ...this.recipe,
      epochs,
      batchSize: Math.min(BATCH, this.images.length),
      learningRate: Number(choice['learning rate']),
      // Nothing is evaluated between epochs, so nothing ends a trial early.
      patience: null,
    };
    const spec = modelOn(modelOf(model, widths, choice), this.#data);
    const trainee = buildTrainee(spec, recipe, this.#session.device, seed);
    try {
      await this.#fit(trainee, recipe, id);
      // A network is judged as it would be used: with the averaged parameters, where there are any.
      trainee.ema?.swap();
      const logits = await predictLogits(trainee.model, this.#trainingSet, {
        indices: this.heldOut,
        signal: this.#session.signal,
      });
      return {
        accuracy: topKAccuracy(logits, this.#heldOutLabels, 1),
        loss: negativeLogLikelihood(logits, this.#heldOutLabels),
        seconds: seconds(),
      };
    } catch (error) {
      if (!(error instanceof NonFiniteError)) throw error;
      return { accuracy: null, loss: null, seconds: seconds(), failure: error.message };
    } finally {
      trainee.dispose();
    }
  }

  async #fit({ model, optimizer, ema }: Trainee, recipe: Recipe, id: number): Promise<void> {
    const { trials, seed } = this.#options;
    const { signal, progress } = this.#session;
    const { epochs } = recipe;
    const name = `trial ${id + 1} of ${trials}, ${epochs} epochs`;
    const { interrupted } = await fit(model, this.#trainingSet, optimizer, {
      ...fitOptions(recipe),
      seed,
      ema,
      trainIndices: this.images,
      signal,
      onProgress: ({ epoch, batch, batches }) => {
        const share = (epoch + batch / batches) / epochs;
        progress.show(`tune: training ${this.#done + 1} of ${this.#trainings} (${name}): ${Math.round(100 * share)} %`);
      },
    });
    if (interrupted) {
      throw new Interrupted(
        `Stopped; ${this.#done} of ${this.#trainings} trainings are done. The same command goes on.`,
      );
    }
  }

  dispose(): void {
    this.#trainingSet.dispose();
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
  await ensureWritable(join(out, 'trials'));
  const file = join(out, 'search.json');
  const before = await readFile(file, 'utf8').catch(() => undefined);
  if (before !== undefined && canonicalJson(JSON.parse(before)) !== canonicalJson(identity)) {
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
