/**
 * The training loop. Everything random follows from (seed, epoch, batch), so a run is the same twice, and a run that was
 * cut off continues bit for bit from its checkpoint. The loop records a step and replays it (see `recorded-step.ts`), keeps a
 * few steps in flight, and reads losses as they arrive, so that the device never waits for the host to look at one.
 */

import { balancedIndices, shuffledIndices } from '../data/batches.ts';
import type { DeviceDataset } from '../data/device-dataset.ts';
import { UsageError } from '../devices/errors.ts';
import { giveWayIfDue } from '../devices/event-loop.ts';
import type { Module, Optimizer } from '../nn/index.ts';
import { tensor } from '../tensor/creation.ts';
import { dispose, keep } from '../tensor/lifetime.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { predictLogits } from './evaluate.ts';
import {
  type EpochPlan,
  type EpochRecord,
  type FitOptions,
  type History,
  type LabelPlan,
  planEpochs,
  planLabels,
  smoothingIn,
} from './fit-options.ts';
import { RecordedStep } from './recorded-step.ts';
import type { CaptureOutcome } from './recorder.ts';
import { negativeLogLikelihood, topKAccuracy } from './scores.ts';
import { type StepResult, TrainingStep } from './step.ts';

export interface FitResult {
  readonly history: History;
  readonly interrupted: boolean;
  readonly imagesPerSecond: number;
  /** Images left out of every epoch, other ones each time, because they do not fill a batch (see `dropLast`). */
  readonly imagesLeftOut: number;
  /** Whether steps were replayed, and why not; absent where there were too few to find out. */
  readonly capture?: CaptureOutcome;
}

/** Losses on their way to the host: enough that the device has work while one is read, few enough to bound memory. */
const STEPS_IN_FLIGHT = 4;

/**
 * Trains `model` with `optimizer` (whose learning rate is the schedule's peak).
 * Before the first step the model is called once on shapes alone, to learn how many classes it tells apart.
 * @throws UsageError for options that cannot be, and labels without a class, before anything is touched
 * @throws NonFiniteError naming step and layer
 */
export async function fit(
  model: Module,
  data: DeviceDataset,
  optimizer: Optimizer,
  options: FitOptions,
): Promise<FitResult> {
  const plan = planEpochs(data, options);
  const labelled = await planLabels(model, data, plan, options);
  return new TrainingLoop(model, data, optimizer, options, { ...plan, ...labelled }).run();
}

/** The steps of a stretch of epochs that have the same loss. */
interface Steps {
  readonly smoothing: number;
  readonly step: TrainingStep;
  readonly recorded: RecordedStep;
}

class TrainingLoop {
  readonly #model: Module;
  readonly #data: DeviceDataset;
  readonly #optimizer: Optimizer;
  readonly #options: FitOptions;
  readonly #plan: EpochPlan & LabelPlan;
  /** What each class counts, float32 [C]. */
  readonly #weight: Tensor | undefined;
  readonly #peak: number;
  readonly #history: History;
  readonly #pace = new Pace();
  /** Results of steps on their way to the host, the oldest first. */
  readonly #pending: Promise<StepResult>[] = [];
  /** Batches of the epoch at hand whose results have arrived. */
  #arrived = 0;
  #steps: Steps | undefined;
  #outcome: CaptureOutcome | undefined;
  #interrupted = false;

  constructor(
    model: Module,
    data: DeviceDataset,
    optimizer: Optimizer,
    options: FitOptions,
    plan: EpochPlan & LabelPlan,
  ) {
    this.#model = model;
    this.#data = data;
    this.#optimizer = optimizer;
    this.#options = options;
    this.#plan = plan;
    const { classWeights } = plan;
    this.#weight = classWeights && keep(tensor([...classWeights], undefined, { device: data.device }));
    this.#peak = optimizer.learningRate;
    this.#history = options.resume?.history ?? { losses: [], epochs: [], partial: { loss: 0, hits: 0, seconds: 0 } };
  }

  async run(): Promise<FitResult> {
    const { epochs, patience, resume } = this.#options;
    const start = resume?.position ?? { epoch: 0, batch: 0 };
    this.#model.train();
    try {
      for (let epoch = start.epoch; epoch < epochs; epoch++) {
        if (this.#interrupted || hasStalled(this.#history, patience)) break;
        await this.#epoch(epoch, epoch === start.epoch ? start.batch : 0);
      }
    } finally {
      this.#optimizer.learningRate = this.#peak;
      this.#disposeSteps();
      dispose(this.#weight);
    }
    const { imagesPerSecond } = this.#pace;
    const { source, images } = this.#plan;
    return {
      history: this.#history,
      interrupted: this.#interrupted,
      imagesPerSecond,
      imagesLeftOut: source.length - images,
      capture: this.#outcome,
    };
  }

  async #epoch(epoch: number, firstBatch: number): Promise<void> {
    const { batches } = this.#plan;
    const order = this.#order(epoch);
    this.#arrived = firstBatch;
    this.#pace.start();
    for (let batch = firstBatch; batch < batches; batch++) {
      this.#enqueue(this.#indicesOf(order, batch), epoch, batch);
      if (this.#pending.length >= STEPS_IN_FLIGHT) await this.#receive(epoch);
      await giveWayIfDue();
      this.#interrupted = this.#options.signal?.aborted ?? false;
      const isLast = batch + 1 === batches;
      if (!isLast && (this.#interrupted || this.#isCheckpointDue(epoch, batch))) {
        // What is in flight belongs to the state that is saved.
        await this.#receiveAll(epoch);
        await this.#checkpoint({ epoch, batch: batch + 1 }, false);
      }
      if (!isLast && this.#interrupted) return;
    }
    await this.#receiveAll(epoch);
    const record = await this.#finishEpoch(epoch);
    await this.#checkpoint({ epoch: epoch + 1, batch: 0 }, isBest(record, this.#history));
  }

  /** Places in the plan's source, in the order in which an epoch sees them. */
  #order(epoch: number): Uint32Array {
    const { seed, sampling } = this.#options;
    const { source, labels } = this.#plan;
    return sampling === 'balanced' ? balancedIndices(labels, seed, epoch) : shuffledIndices(source.length, seed, epoch);
  }

  /** Enqueues a step. Its result arrives when `#receive` waits for it. */
  #enqueue(indices: readonly number[], epoch: number, batch: number): void {
    const { seed, schedule, onCapture } = this.#options;
    const { recorded } = this.#stepsFor(epoch);
    const number = epoch * this.#plan.batches + batch;
    const factor = schedule(number, this.#options.epochs * this.#plan.batches);
    if (!(factor >= 0) || factor === Number.POSITIVE_INFINITY) {
      throw new UsageError(`fit: the schedule gives ${factor} at step ${number}; it must give a number of at least 0.`);
    }
    this.#optimizer.learningRate = this.#peak * factor;
    const result = recorded.run(indices, { seed, epoch, batch }, number);
    // When an earlier step fails, nobody waits for this one any more.
    result.catch(() => {});
    this.#pending.push(result);
    if (this.#outcome || !recorded.outcome) return;
    this.#outcome = recorded.outcome;
    onCapture?.(this.#outcome);
  }

  /** The steps with the label smoothing of an epoch; those of another are given up. */
  #stepsFor(epoch: number): Steps {
    const smoothing = smoothingIn(epoch, this.#options);
    if (this.#steps?.smoothing === smoothing) return this.#steps;
    this.#disposeSteps();
    const { batchSize, capture, ema, onGradients } = this.#options;
    const step = new TrainingStep(this.#model, this.#optimizer, {
      smoothing,
      weight: this.#weight,
      ema,
      onGradients,
    });
    const recorded = new RecordedStep(step, this.#data, this.#options, batchSize, capture);
    this.#steps = { smoothing, step, recorded };
    return this.#steps;
  }

  #disposeSteps(): void {
    this.#steps?.recorded.dispose();
    this.#steps?.step.dispose();
    this.#steps = undefined;
  }

  /** The images of a batch: as many as fit, in the last one of an epoch those that are left. */
  #indicesOf(order: Uint32Array, batch: number): number[] {
    const { source } = this.#plan;
    const first = batch * this.#options.batchSize;
    return Array.from(order.subarray(first, first + this.#options.batchSize), place => source[place]);
  }

  /** Images of the first so many batches of an epoch. */
  #imagesOf(batches: number): number {
    return Math.min(batches * this.#options.batchSize, this.#plan.images);
  }

  /** Waits for the oldest step in flight and writes down what it says. */
  async #receive(epoch: number): Promise<void> {
    const { loss, hits } = await this.#pending.shift()!;
    const { partial, losses } = this.#history;
    const images = this.#imagesOf(this.#arrived + 1) - this.#imagesOf(this.#arrived);
    this.#arrived++;
    losses.push(loss);
    partial.loss += loss * (images / this.#options.batchSize);
    partial.hits += hits;
    partial.seconds += this.#pace.count(images);
    this.#report(epoch, this.#means());
  }

  /** Loss and accuracy over the images of the epoch at hand that have arrived. */
  #means(): { loss: number; accuracy: number } {
    const { loss, hits } = this.#history.partial;
    const images = this.#imagesOf(this.#arrived);
    return { loss: loss / (images / this.#options.batchSize), accuracy: hits / images };
  }

  async #receiveAll(epoch: number): Promise<void> {
    while (this.#pending.length > 0) await this.#receive(epoch);
  }

  #isCheckpointDue(epoch: number, batch: number): boolean {
    const { checkpointEvery = Number.POSITIVE_INFINITY } = this.#options;
    return (epoch * this.#plan.batches + batch + 1) % checkpointEvery === 0;
  }

  async #checkpoint({ epoch, batch }: { epoch: number; batch: number }, isBest: boolean): Promise<void> {
    const position = { epoch, batch, step: epoch * this.#plan.batches + batch };
    await this.#options.onCheckpoint?.({ position, history: this.#history, interrupted: this.#interrupted, isBest });
  }

  /** Evaluates the held-out images, and turns the sums of the epoch into its record. */
  async #finishEpoch(epoch: number): Promise<EpochRecord> {
    const { seconds } = this.#history.partial;
    const record: EpochRecord = {
      epoch,
      ...this.#means(),
      learningRate: this.#optimizer.learningRate,
      seconds,
      ...(await validate(this.#model, this.#options)),
    };
    this.#history.epochs.push(record);
    this.#history.partial = { loss: 0, hits: 0, seconds: 0 };
    this.#report(epoch, record, record);
    return record;
  }

  #report(epoch: number, means: { loss: number; accuracy: number }, record?: EpochRecord): void {
    const { epochs, onProgress } = this.#options;
    const { batches, images } = this.#plan;
    const { imagesPerSecond } = this.#pace;
    const imagesLeft = (epochs - epoch) * images - this.#imagesOf(this.#arrived);
    onProgress?.({
      epoch,
      epochs,
      batch: this.#arrived,
      batches,
      loss: means.loss,
      accuracy: means.accuracy,
      imagesPerSecond,
      secondsLeft: imagesPerSecond > 0 ? imagesLeft / imagesPerSecond : 0,
      record,
    });
  }
}

/** How fast images go through the training. */
class Pace {
  #images = 0;
  #seconds = 0;
  #clock = 0;

  /** Starts the clock: what went before, such as validation, does not count. */
  start(): void {
    this.#clock = performance.now();
  }

  /** Counts images that are done. Gives the seconds since the last ones. */
  count(images: number): number {
    const now = performance.now();
    const seconds = (now - this.#clock) / 1e3;
    this.#clock = now;
    this.#seconds += seconds;
    this.#images += images;
    return seconds;
  }

  get imagesPerSecond(): number {
    return this.#seconds > 0 ? this.#images / this.#seconds : 0;
  }
}

/** Whether no epoch so far has a better validation accuracy. */
function isBest({ validationAccuracy }: EpochRecord, { epochs }: History): boolean {
  return (
    validationAccuracy === undefined || epochs.every(other => validationAccuracy >= (other.validationAccuracy ?? 0))
  );
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
