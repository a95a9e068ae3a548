/**
 * The training loop. Everything random follows from (seed, epoch, batch), so a run is the same twice, and a run that was
 * cut off continues bit for bit from its checkpoint. The loop records a step and replays it (see `recorded-step.ts`), keeps a
 * few steps in flight, and reads losses as they arrive, so that the device never waits for the host to look at one.
 */

import { shuffledIndices } from '../data/batches.ts';
import type { DeviceDataset } from '../data/device-dataset.ts';
import { UsageError } from '../devices/errors.ts';
import type { ExponentialMovingAverage, Module, Optimizer, Schedule } from '../nn/index.ts';
import type { AugmentationOptions } from './augmentation.ts';
import type { TrainingPosition } from './checkpoint.ts';
import { predictLogits } from './evaluate.ts';
import { type CaptureOutcome, RecordedStep } from './recorded-step.ts';
import { negativeLogLikelihood, topKAccuracy } from './scores.ts';
import { type StepResult, TrainingStep } from './step.ts';

export interface FitOptions extends AugmentationOptions {
  readonly epochs: number;
  readonly batchSize: number;
  readonly seed: number;
  /** Factor of the optimizer's learning rate over the training. */
  readonly schedule: Schedule;
  /** Label smoothing. Default 0. */
  readonly smoothing?: number;
  /** Epochs after which it ends. Default: never. */
  readonly smoothingEpochs?: number;
  /** Which images of `data` to train on; default all. */
  readonly trainIndices?: ArrayLike<number>;
  /** Images held out, evaluated after each epoch. */
  readonly validation?: { readonly data: DeviceDataset; readonly indices?: ArrayLike<number> };
  /** Stop when the validation accuracy has not risen for this many epochs. */
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
  /** Sums over the steps of the epoch at hand. */
  partial: { loss: number; hits: number; seconds: number };
}

export interface FitProgress {
  readonly epoch: number;
  readonly epochs: number;
  readonly batch: number;
  readonly batches: number;
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
  readonly history: History;
  readonly interrupted: boolean;
  /** An epoch has ended here, with the best validation accuracy so far (or as good). */
  readonly isBest: boolean;
}

export interface FitResult {
  readonly history: History;
  readonly interrupted: boolean;
  readonly imagesPerSecond: number;
  /** Whether steps were replayed, and why not; absent where there were too few to find out. */
  readonly capture?: CaptureOutcome;
}

/** Losses on their way to the host: enough that the device has work while one is read, few enough to bound memory. */
const STEPS_IN_FLIGHT = 4;
/** Milliseconds after which the loop lets signals and timers have their turn, where nothing else makes it wait. */
const LONGEST_HOLD = 50;

/** Trains `model` with `optimizer` (whose learning rate is the schedule's peak). */
export async function fit(
  model: Module,
  data: DeviceDataset,
  optimizer: Optimizer,
  options: FitOptions,
): Promise<FitResult> {
  const { epochs, batchSize, seed, schedule, ema, onGradients } = options;
  const source = options.trainIndices ?? Uint32Array.from({ length: data.count }, (_, i) => i);
  const batches = Math.floor(source.length / batchSize);
  if (batches === 0) {
    throw new UsageError(`fit: ${source.length} images do not fill one batch of ${batchSize}; use a smaller batch.`);
  }
  const totalSteps = epochs * batches;
  const peak = optimizer.learningRate;
  const history: History = options.resume?.history ?? {
    losses: [],
    epochs: [],
    partial: { loss: 0, hits: 0, seconds: 0 },
  };
  const start = options.resume?.position ?? { epoch: 0, batch: 0, step: 0 };
  const prepare = (smoothing: number) => {
    const step = new TrainingStep(model, optimizer, { smoothing, ema, onGradients });
    return { smoothing, step, recorded: new RecordedStep(step, data, options, batchSize, options.capture) };
  };
  let steps = prepare(smoothingIn(start.epoch, options));
  const disposeSteps = (): void => {
    steps.recorded.dispose();
    steps.step.dispose();
  };
  let outcome: CaptureOutcome | undefined;
  let lastTurn = performance.now();
  let imagesDone = 0;
  let secondsSpent = 0;
  let interrupted = false;
  model.train();

  try {
    for (let epoch = start.epoch; epoch < epochs && !interrupted && !hasStalled(history, options.patience); epoch++) {
      const firstBatch = epoch === start.epoch ? start.batch : 0;
      const smoothing = smoothingIn(epoch, options);
      if (smoothing !== steps.smoothing) {
        disposeSteps();
        steps = prepare(smoothing);
      }
      const order = shuffledIndices(source.length, seed, epoch);
      const pending: Promise<StepResult>[] = [];
      let clock = performance.now();
      let read = firstBatch;
      const receive = async (): Promise<void> => {
        const result = await pending.shift()!;
        read++;
        history.losses.push(result.loss);
        history.partial.loss += result.loss;
        history.partial.hits += result.hits;
        const now = performance.now();
        history.partial.seconds += (now - clock) / 1e3;
        secondsSpent += (now - clock) / 1e3;
        clock = now;
        imagesDone += batchSize;
        const secondsPerBatch = (secondsSpent / imagesDone) * batchSize;
        options.onProgress?.({
          epoch,
          epochs,
          batch: read,
          batches,
          loss: history.partial.loss / read,
          accuracy: history.partial.hits / (read * batchSize),
          imagesPerSecond: imagesDone / secondsSpent,
          secondsLeft: secondsPerBatch * (totalSteps - epoch * batches - read),
        });
      };
      let batch = firstBatch;
      for (; batch < batches && !interrupted; batch++) {
        const number = epoch * batches + batch;
        optimizer.learningRate = peak * schedule(number, totalSteps);
        const indices = Array.from({ length: batchSize }, (_, i) => source[order[batch * batchSize + i]]);
        const result = steps.recorded.run(indices, { seed, epoch, batch }, number);
        // When an earlier step fails, nobody waits for this one any more.
        result.catch(() => {});
        pending.push(result);
        if (!outcome && steps.recorded.outcome) {
          outcome = steps.recorded.outcome;
          options.onCapture?.(outcome);
        }
        if (pending.length >= STEPS_IN_FLIGHT) await receive();
        if (performance.now() - lastTurn > LONGEST_HOLD) {
          await new Promise(resolve => setTimeout(resolve, 0));
          lastTurn = performance.now();
        }
        interrupted = options.signal?.aborted ?? false;
        const isDue = (number + 1) % (options.checkpointEvery ?? Number.POSITIVE_INFINITY) === 0;
        if ((interrupted || isDue) && batch + 1 < batches) {
          // What is in flight belongs to the state that is saved.
          while (pending.length > 0) await receive();
          const position = { epoch, batch: batch + 1, step: number + 1 };
          await options.onCheckpoint?.({ position, history, interrupted, isBest: false });
        }
      }
      while (pending.length > 0) await receive();
      if (interrupted && batch < batches) break;
      const record = await finishEpoch(epoch);
      const best = Math.max(...history.epochs.map(({ validationAccuracy = 0 }) => validationAccuracy));
      const isBest = record.validationAccuracy === undefined || record.validationAccuracy >= best;
      await options.onCheckpoint?.({
        position: { epoch: epoch + 1, batch: 0, step: (epoch + 1) * batches },
        history,
        interrupted,
        isBest,
      });
    }
  } finally {
    optimizer.learningRate = peak;
    disposeSteps();
  }
  const imagesPerSecond = secondsSpent > 0 ? imagesDone / secondsSpent : 0;
  return { history, interrupted, imagesPerSecond, capture: outcome };

  async function finishEpoch(epoch: number): Promise<EpochRecord> {
    const { loss, hits, seconds } = history.partial;
    const validation = await validate(model, options);
    const record: EpochRecord = {
      epoch,
      loss: loss / batches,
      accuracy: hits / (batches * batchSize),
      learningRate: optimizer.learningRate,
      seconds,
      ...validation,
    };
    history.epochs.push(record);
    history.partial = { loss: 0, hits: 0, seconds: 0 };
    const { imagesPerSecond, secondsLeft } = pace(epoch);
    options.onProgress?.({
      epoch,
      epochs,
      batch: batches,
      batches,
      loss: record.loss,
      accuracy: record.accuracy,
      imagesPerSecond,
      secondsLeft,
      record,
    });
    return record;
  }

  function pace(epoch: number): { imagesPerSecond: number; secondsLeft: number } {
    const imagesPerSecond = secondsSpent > 0 ? imagesDone / secondsSpent : 0;
    const imagesLeft = (epochs - epoch - 1) * batches * batchSize;
    return { imagesPerSecond, secondsLeft: imagesPerSecond > 0 ? imagesLeft / imagesPerSecond : 0 };
  }
}

function smoothingIn(epoch: number, { smoothing = 0, smoothingEpochs = Number.POSITIVE_INFINITY }: FitOptions): number {
  return epoch < smoothingEpochs ? smoothing : 0;
}

/** Loss and accuracy on the held-out images, with the averaged parameters where there are any. */
async function validate(
  model: Module,
  { validation, ema }: FitOptions,
): Promise<{ validationLoss?: number; validationAccuracy?: number }> {
  if (!validation) return {};
  ema?.swap();
  try {
    const { data, indices = Uint32Array.from({ length: data.count }, (_, i) => i) } = validation;
    const logits = await predictLogits(model, data, { indices });
    const all = await data.labels.data();
    const labels = Int32Array.from({ length: indices.length }, (_, i) => all[indices[i]]);
    return {
      validationLoss: negativeLogLikelihood(logits, labels),
      validationAccuracy: topKAccuracy(logits, labels, 1),
    };
  } finally {
    ema?.swap();
  }
}

function hasStalled({ epochs }: History, patience: number | undefined): boolean {
  if (patience === undefined || epochs.length <= patience) return false;
  const accuracies = epochs.map(({ validationAccuracy = 0 }) => validationAccuracy);
  return Math.max(...accuracies.slice(-patience)) <= Math.max(...accuracies.slice(0, -patience));
}
