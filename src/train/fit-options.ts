/**
 * What `fit` is told and what it tells. Everything is checked before anything is touched: a size that is no whole number, an
 * index outside the data or a label that the model has no class for would otherwise come out as a wrong number somewhere, or
 * as an error that blames the learning rate.
 */
import type { DeviceDataset } from '../data/device-dataset.ts';
import {
  type Check,
  flag,
  fraction,
  knownOptions,
  nonNegative,
  nonNegativeInteger,
  oneOf,
  positiveInteger,
  refuse,
  seed32,
} from '../devices/checks.ts';
import { UsageError } from '../devices/errors.ts';
import type { ExponentialMovingAverage, Module, Schedule } from '../nn/index.ts';
import { runOnShapes } from '../nn/shape-run.ts';
import type { AugmentationOptions } from './augmentation.ts';
import type { TrainingPosition } from './checkpoint.ts';
import { type ClassWeights, checkClassWeights, classWeightsFor, SAMPLINGS, type Sampling } from './class-weights.ts';
import { imageIndices } from './image-indices.ts';
import type { CaptureOutcome } from './recorder.ts';

export interface FitOptions extends AugmentationOptions {
  /** Passes over the images. */
  readonly epochs: number;
  /** Images of a step. */
  readonly batchSize: number;
  /**
   * Leave out of every epoch the images that do not fill a last batch (other ones each time), so that all steps are alike.
   * Default false: they make a smaller batch. Recipes leave them out (see `fitOptions`).
   */
  readonly dropLast?: boolean;
  /** 0 .. 2^32 - 1 */
  readonly seed: number;
  /** Factor of the optimizer's learning rate over the training. */
  readonly schedule: Schedule;
  /** Label smoothing, 0 to 1. Default 0. */
  readonly smoothing?: number;
  /** Epochs after which it ends. Default: never. */
  readonly smoothingEpochs?: number;
  /**
   * What each class counts in the loss (see `crossEntropy`): `balanced` (see `balancedClassWeights`), or a number above 0 for
   * each class. Default: the same. The validation loss is without.
   */
  readonly classWeights?: ClassWeights;
  /** `balanced`: every epoch has equally many images of each class (see `balancedIndices`). Default `shuffled`: each once. */
  readonly sampling?: Sampling;
  /** Which images of `data` to train on; default all. */
  readonly trainIndices?: ArrayLike<number>;
  /** Images held out, evaluated after each epoch. */
  readonly validation?: { readonly data: DeviceDataset; readonly indices?: ArrayLike<number> };
  /** Stop when the validation accuracy has not risen for this many epochs; needs images held out. */
  readonly patience?: number;
  readonly ema?: ExponentialMovingAverage;
  /** Where to go on, and what had happened before. */
  readonly resume?: { readonly position: TrainingPosition; readonly history: History };
  readonly onProgress?: (progress: FitProgress) => void;
  /** Record a step and replay it, where that can be done. Default true. */
  readonly capture?: boolean;
  /** Called once, when it is known whether steps are replayed, and if not, why. */
  readonly onCapture?: (outcome: CaptureOutcome) => void;
  /** See TrainingStep. */
  readonly onGradients?: (step: number) => void;
  /** Also call `onCheckpoint` after every so many steps. */
  readonly checkpointEvery?: number;
  /** Called after each epoch, every `checkpointEvery` steps, and when the signal stops the run between two steps. */
  readonly onCheckpoint?: (event: CheckpointEvent) => Promise<void>;
  /** Stops the run after the step at hand. */
  readonly signal?: AbortSignal;
}

export interface EpochRecord {
  readonly epoch: number;
  readonly loss: number;
  readonly accuracy: number;
  readonly learningRate: number;
  readonly validationLoss?: number;
  readonly validationAccuracy?: number;
  readonly seconds: number;
}

/** What a run has recorded: losses of every step, and a line per epoch. */
export interface History {
  readonly losses: number[];
  readonly epochs: EpochRecord[];
  /** Sums over the steps of the epoch at hand; the loss of a smaller batch counts by its share of a full one. */
  partial: { loss: number; hits: number; seconds: number };
}

export interface FitProgress {
  readonly epoch: number;
  readonly epochs: number;
  readonly batch: number;
  readonly batches: number;
  /** Mean over the images so far in this epoch. */
  readonly loss: number;
  /** Share of training images right so far in this epoch. */
  readonly accuracy: number;
  readonly imagesPerSecond: number;
  readonly secondsLeft: number;
  /** The finished epoch's record, once per epoch. */
  readonly record?: EpochRecord;
}

export interface CheckpointEvent {
  readonly position: TrainingPosition;
  /** The run's own, which grows as the run goes on: whoever keeps it copies it. */
  readonly history: History;
  readonly interrupted: boolean;
  /** An epoch has ended here, with the best validation accuracy so far (or as good). */
  readonly isBest: boolean;
}

/** Label smoothing in an epoch. */
export function smoothingIn(
  epoch: number,
  {
    smoothing = 0,
    smoothingEpochs = Number.POSITIVE_INFINITY,
  }: { readonly smoothing?: number; readonly smoothingEpochs?: number },
): number {
  return epoch < smoothingEpochs ? smoothing : 0;
}

/** How an epoch is cut into batches. */
export interface EpochPlan {
  /** Indices of the images to train on. */
  readonly source: ArrayLike<number>;
  readonly batches: number;
  /** Images of an epoch that are trained on. */
  readonly images: number;
}

/**
 * Checks the options as far as that goes without waiting, and says how an epoch is made up.
 * @throws UsageError naming the option, its value and what it may be
 */
export function planEpochs(data: DeviceDataset, options: FitOptions): EpochPlan {
  const { epochs, batchSize, dropLast, trainIndices, validation, patience, resume } = options;
  checkNumbers(options);
  if (patience !== undefined && !validation) {
    throw new UsageError(`fit: patience (${patience}) needs images to judge by; give some as validation.`);
  }
  checkAugmentation(data, options);
  const source = imageIndices('fit', 'trainIndices', trainIndices, data);
  if (validation) imageIndices('fit', 'validation.indices', validation.indices, validation.data);
  const full = Math.floor(source.length / batchSize);
  if (dropLast && full === 0) {
    throw new UsageError(`fit: ${source.length} images do not fill one batch of ${batchSize}; use a smaller batch.`);
  }
  const batches = dropLast ? full : Math.ceil(source.length / batchSize);
  const images = Math.min(source.length, batches * batchSize);
  if (resume) checkResume(resume, epochs, batches);
  return { source, batches, images };
}

const KNOWN = Object.keys({
  epochs: true,
  batchSize: true,
  dropLast: true,
  seed: true,
  schedule: true,
  smoothing: true,
  smoothingEpochs: true,
  classWeights: true,
  sampling: true,
  augmentation: true,
  affine: true,
  mixup: true,
  cutmix: true,
  trainIndices: true,
  validation: true,
  patience: true,
  ema: true,
  resume: true,
  onProgress: true,
  capture: true,
  onCapture: true,
  onGradients: true,
  checkpointEvery: true,
  onCheckpoint: true,
  signal: true,
} satisfies Record<keyof FitOptions, true>);

function checkNumbers(options: FitOptions): void {
  knownOptions('fit', options, KNOWN);
  const given = <T>(name: keyof FitOptions, check: Check<T>): void => {
    if (options[name] !== undefined) check('fit', name, options[name] as T);
  };
  positiveInteger('fit', 'epochs', options.epochs);
  positiveInteger('fit', 'batchSize', options.batchSize);
  seed32('fit', 'seed', options.seed);
  if (typeof options.schedule !== 'function') refuse('fit', 'schedule', options.schedule, 'a function');
  given('dropLast', flag);
  given('capture', flag);
  given('smoothing', fraction);
  given('smoothingEpochs', nonNegativeInteger);
  given('classWeights', checkClassWeights);
  given('sampling', (what, name, value: Sampling) => oneOf(what, name, value, SAMPLINGS));
  given('patience', positiveInteger);
  given('checkpointEvery', positiveInteger);
  given('mixup', nonNegative);
  given('cutmix', nonNegative);
}

/** Whether the images are large enough for what is done to them. Every augmentation takes any number of channels. */
function checkAugmentation({ images }: DeviceDataset, { augmentation, mixup = 0, cutmix = 0, batchSize }: FitOptions) {
  const [, height, width] = images.shape;
  const { crop = 0 } = augmentation ?? {};
  const most = Math.min(height, width) - 1;
  if (crop > most) {
    throw new UsageError(
      `fit: images of ${height} x ${width} pixels cannot be shifted by up to ${crop} (augmentation.crop); ${most === 0 ? 'it must be 0' : `at most ${most} fit`}.`,
    );
  }
  if ((mixup > 0 || cutmix > 0) && batchSize === 1) {
    throw new UsageError('fit: mixup and cutmix mix the images of a batch, and batchSize is 1.');
  }
}

function checkResume({ position, history }: NonNullable<FitOptions['resume']>, epochs: number, batches: number): void {
  const { epoch, batch } = position;
  const step = epoch * batches + batch;
  const isPlace = Number.isInteger(epoch) && epoch >= 0 && Number.isInteger(batch) && batch >= 0 && batch < batches;
  if (isPlace && history.losses.length === step) return;
  throw new UsageError(
    `fit: a run of ${epochs} epochs of ${batches} batches cannot go on at epoch ${epoch}, batch ${batch} with the losses of ` +
      `${history.losses.length} steps; it was begun with other options or images.`,
  );
}

/** What the labels of the images say. */
export interface LabelPlan {
  /** Labels of the images to train on, in the order of the plan's source. */
  readonly labels: Uint8Array;
  /** By label; absent where classes count the same. */
  readonly classWeights?: readonly number[];
}

/**
 * Checks that the model has a class for every label that it will meet, and says what each class counts.
 * @throws UsageError naming the label and its image, or the weights and how many classes there are
 */
export async function planLabels(
  model: Module,
  data: DeviceDataset,
  { source }: EpochPlan,
  { validation, classWeights }: FitOptions,
): Promise<LabelPlan> {
  const classes = classesOf(model, data);
  if (classes !== undefined) {
    await checkLabelsOf(data, source, classes, 'training');
    if (validation) await checkLabelsOf(validation.data, validation.indices, classes, 'validation');
  }
  const all = await data.labels.data();
  const labels = Uint8Array.from({ length: source.length }, (_, i) => all[source[i]]);
  if (classWeights === undefined) return { labels };
  if (classes === undefined) {
    throw new UsageError('fit: classWeights need a model whose number of classes can be found from its shapes.');
  }
  return { labels, classWeights: classWeightsFor(classWeights, labels, classes) };
}

async function checkLabelsOf(
  data: DeviceDataset,
  indices: ArrayLike<number> | undefined,
  classes: number,
  what: string,
): Promise<void> {
  const labels = await data.labels.data();
  const count = indices?.length ?? data.count;
  for (let i = 0; i < count; i++) {
    const image = indices ? indices[i] : i;
    if (labels[image] < classes) continue;
    throw new UsageError(
      `fit: the label of ${what} image ${image} is ${labels[image]}; the model has ${classes} classes, 0 to ${classes - 1}.`,
    );
  }
}

/** How many classes the model tells apart; undefined where its shapes cannot be followed without computing. */
function classesOf(model: Module, { images }: DeviceDataset): number | undefined {
  try {
    const output = runOnShapes(model, images.shape.slice(1)).get(model.path);
    return output?.shape.length === 1 ? output.shape[0] : undefined;
  } catch {
    // A model that looks at values, or does not take such images: its own run says what is wrong.
    return undefined;
  }
}
