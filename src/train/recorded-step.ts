/**
 * A training step that is recorded once and then replayed (see `recorder.ts`): the host only writes what is new in a step
 * (which images, the random numbers of their augmentation, the learning rate) into buffers. The numbers are those of the
 * step as it runs without a recording, bit for bit. A step that cannot be recorded is undone and taken without, as are all
 * that follow, and the reason is kept.
 *
 * What the comparison of two recordings cannot see is a model whose `forward` asks the host for a decision that happens to
 * fall the same way twice; such a model wants `capture: false`.
 */
import { detach } from '../autograd/tape.ts';
import type { DeviceDataset } from '../data/device-dataset.ts';
import type { Storage } from '../devices/device.ts';
import { release } from '../devices/storage.ts';
import { Dropout } from '../nn/index.ts';
import { tensor } from '../tensor/creation.ts';
import { dispose, keep } from '../tensor/lifetime.ts';
import { Tensor } from '../tensor/tensor.ts';
import {
  type AugmentationOptions,
  type BatchPlace,
  disposeBatch,
  type TrainingBatch,
  trainingBatch,
} from './augmentation.ts';
import { type CaptureOutcome, Recorder, type Restorable, SWITCHED_OFF } from './recorder.ts';
import type { StepOutputs, StepResult, TrainingStep } from './step.ts';

/** Takes training steps on a data set: recorded and replayed where that can be done, one call after the other elsewhere. */
export class RecordedStep {
  readonly #step: TrainingStep;
  readonly #data: DeviceDataset;
  readonly #augmentation: AugmentationOptions;
  readonly #batchSize: number;
  readonly #recorder: Recorder<StepOutputs>;
  #input: BatchInput | undefined;
  /** Which parameters were trainable when the step was recorded. */
  #trainable = '';

  /** @param batchSize images of a full batch; other sizes are taken without a recording */
  constructor(
    step: TrainingStep,
    data: DeviceDataset,
    augmentation: AugmentationOptions,
    batchSize: number,
    capture = true,
  ) {
    this.#step = step;
    this.#data = data;
    this.#augmentation = augmentation;
    this.#batchSize = batchSize;
    this.#recorder = new Recorder<StepOutputs>({
      device: step.model.device,
      release: releaseOutputs,
      copyState: () => new StateCopy(step),
      obstacle: capture ? obstacle(step) : SWITCHED_OFF,
    });
  }

  /** Whether steps are replayed; undefined before two steps have been compared. */
  get outcome(): CaptureOutcome | undefined {
    return this.#recorder.outcome;
  }

  /**
   * Enqueues the step with the images at `indices`.
   * @param number of the step, for messages
   * @returns as TrainingStep.run
   */
  run(indices: ArrayLike<number>, place: BatchPlace, number: number): Promise<StepResult> {
    const isRecordable = this.outcome?.captured ?? true;
    if (!isRecordable || indices.length !== this.#batchSize) return this.#withoutRecording(indices, place, number);
    const { optimizer, model } = this.#step;
    this.#input ??= inputFor(this.#data, this.#augmentation, this.#batchSize);
    this.#input.set(indices, place);
    this.#forgetOtherTrainable();
    const { parameterSteps } = optimizer;
    optimizer.prepare();
    const result = this.#recorder.run(
      () => this.#enqueue(),
      outputs => this.#step.read(outputs, number),
    );
    if (this.outcome?.captured === false) this.#disposeInput();
    if (result) return result;
    model.arena.zeroGrad();
    optimizer.parameterSteps = parameterSteps;
    return this.#withoutRecording(indices, place, number);
  }

  /** A recording knows nothing of parameters that were frozen or unfrozen after it: the next step is recorded anew. */
  #forgetOtherTrainable(): void {
    const trainable = this.#step.model.arena.parameters.map(parameter => Number(parameter.trainable)).join('');
    if (trainable === this.#trainable) return;
    this.#trainable = trainable;
    this.#recorder.forget();
  }

  /** The device's part of a step. */
  #enqueue(): StepOutputs {
    const batch = this.#input!.batch();
    const outputs = this.#step.enqueue(batch);
    try {
      disposeBatch(batch);
      this.#step.update();
      return outputs;
    } catch (error) {
      releaseOutputs(outputs);
      throw error;
    }
  }

  #withoutRecording(indices: ArrayLike<number>, place: BatchPlace, number: number): Promise<StepResult> {
    const batch = trainingBatch(this.#data, indices, this.#augmentation, place);
    try {
      return this.#step.run(batch, number);
    } finally {
      disposeBatch(batch);
    }
  }

  #disposeInput(): void {
    this.#input?.dispose();
    this.#input = undefined;
  }

  dispose(): void {
    this.#recorder.dispose();
    this.#disposeInput();
  }
}

function releaseOutputs({ loss, hits }: StepOutputs): void {
  dispose(loss, hits);
}

/** What can be said without trying. */
function obstacle({ model, options }: TrainingStep): string | undefined {
  if (model.device.kind === 'reference') return 'the reference device has nothing to gain from it';
  if (options.onGradients) return 'somebody looks at the gradients of every step';
  return undefined;
}

/** Where a recorded step finds its batch. */
interface BatchInput {
  /** Called before a step, with what is new in it. */
  set(indices: ArrayLike<number>, place: BatchPlace): void;
  /** The batch; called while recording. The caller disposes it. */
  batch(): TrainingBatch;
  dispose(): void;
}

function inputFor(data: DeviceDataset, options: AugmentationOptions, batchSize: number): BatchInput {
  const { affine, mixup = 0, cutmix = 0 } = options;
  return affine || mixup > 0 || cutmix > 0
    ? new CopiedInput(data, options)
    : new GatheredInput(data, options, batchSize);
}

/** Batches that are gathered, moved and mirrored within the recording; the host sends indices and a random state. */
class GatheredInput implements BatchInput {
  readonly #data: DeviceDataset;
  readonly #options: AugmentationOptions;
  readonly #indices: Tensor;

  constructor(data: DeviceDataset, options: AugmentationOptions, batchSize: number) {
    this.#data = data;
    this.#options = options;
    this.#indices = keep(tensor(new Int32Array(batchSize), [batchSize], { device: data.device }));
  }

  set(indices: ArrayLike<number>, { seed, epoch, batch }: BatchPlace): void {
    this.#data.device.write(this.#indices.storage, Int32Array.from(indices));
    if (this.#options.augmentation) this.#data.seedAugmentation({ seed, epoch, step: batch });
  }

  batch(): TrainingBatch {
    const { augmentation } = this.#options;
    return augmentation ? this.#data.augmented(this.#indices, augmentation) : this.#data.batch(this.#indices);
  }

  dispose(): void {
    this.#indices.dispose();
  }
}

/** Batches of which the host decides more than numbers: made before the recorded part begins, and copied to its input. */
class CopiedInput implements BatchInput {
  readonly #data: DeviceDataset;
  readonly #options: AugmentationOptions;
  /** In the order of `tensorsOf`. */
  #inputs: Tensor[] = [];

  constructor(data: DeviceDataset, options: AugmentationOptions) {
    this.#data = data;
    this.#options = options;
  }

  set(indices: ArrayLike<number>, place: BatchPlace): void {
    const made = trainingBatch(this.#data, indices, this.#options, place);
    const { device } = this.#data;
    if (this.#inputs.length === 0) {
      this.#inputs = tensorsOf(made).map(({ size, dtype, shape }) =>
        keep(new Tensor(device.allocate(size, dtype), shape)),
      );
    }
    tensorsOf(made).forEach(({ storage }, i) => {
      device.copy(storage, this.#inputs[i].storage);
    });
    disposeBatch(made);
  }

  batch(): TrainingBatch {
    const [images, labels, others, portion] = this.#inputs.map(detach);
    return { images, labels, ...(others ? { mixed: { labels: others, share: portion } } : {}) };
  }

  dispose(): void {
    dispose(...this.#inputs);
  }
}

const tensorsOf = ({ images, labels, mixed }: TrainingBatch): Tensor[] =>
  mixed ? [images, labels, mixed.labels, mixed.share] : [images, labels];

/** Everything a step changes, as it was before. */
class StateCopy implements Restorable {
  readonly #copies: readonly { readonly original: Storage; readonly copy: Storage }[];

  constructor({ model, optimizer, options: { ema } }: TrainingStep) {
    const { device, arena } = model;
    const dropouts = model.modules().filter(module => module instanceof Dropout);
    const states = [
      arena.values,
      arena.state,
      ...optimizer.stateArrays,
      ...(ema ? [ema.values, ema.state] : []),
      ...dropouts.map(dropout => dropout.state(device).storage),
    ];
    this.#copies = states.map(original => {
      const copy = device.allocate(original.length, original.dtype);
      device.copy(original, copy);
      return { original, copy };
    });
  }

  restore(): void {
    for (const { original, copy } of this.#copies) original.allocation.device.copy(copy, original);
  }

  dispose(): void {
    for (const { copy } of this.#copies) release(copy);
  }
}
