/**
 * A training step that is recorded once and then replayed: the device runs its list of kernels again while the host only
 * writes what changes (which images, the random numbers of their augmentation, the learning rate) into buffers. The numbers
 * are those of the step as it runs without a recording, bit for bit.
 *
 * A replay repeats what the device did and nothing that the host did besides, so a step must be the same kernels on the same
 * memory every time. That is checked, not believed: the first two steps are both recorded, each being a real step, and
 * compared. A step that cannot be recorded is undone and taken without a recording, as are all that follow, and the reason
 * is kept. What the check cannot see is a model whose `forward` asks the host for a decision that happens to fall the same
 * way twice; such a model wants `capture: false`.
 */
import { detach } from '../autograd/tape.ts';
import type { DeviceDataset } from '../data/device-dataset.ts';
import type { Capture, Storage } from '../devices/device.ts';
import { DeviceLostError } from '../devices/errors.ts';
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
import type { StepOutputs, StepResult, TrainingStep } from './step.ts';

export interface CaptureOutcome {
  readonly captured: boolean;
  /** Why the steps are not replayed. */
  readonly reason?: string;
}

interface Recording {
  readonly capture: Capture;
  readonly outputs: StepOutputs;
}

/** Takes training steps on a data set: recorded and replayed where that can be done, one call after the other elsewhere. */
export class RecordedStep {
  readonly #step: TrainingStep;
  readonly #data: DeviceDataset;
  readonly #augmentation: AugmentationOptions;
  readonly #batchSize: number;
  #reason: string | undefined;
  #input: BatchInput | undefined;
  /** The signature of the first recording, until the second has been compared with it. */
  #first: string | undefined;
  #recording: Recording | undefined;

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
    this.#reason = capture ? obstacle(step) : 'it is switched off';
  }

  /** Whether steps are replayed; undefined before two steps have been compared. */
  get outcome(): CaptureOutcome | undefined {
    if (this.#reason !== undefined) return { captured: false, reason: this.#reason };
    return this.#recording ? { captured: true } : undefined;
  }

  /**
   * Enqueues the step with the images at `indices`.
   * @param number of the step, for messages
   * @returns as TrainingStep.run
   */
  run(indices: ArrayLike<number>, place: BatchPlace, number: number): Promise<StepResult> {
    if (this.#reason !== undefined || indices.length !== this.#batchSize) {
      return this.#withoutRecording(indices, place, number);
    }
    this.#input ??= inputFor(this.#data, this.#augmentation, this.#batchSize);
    this.#input.set(indices, place);
    if (this.#recording) {
      this.#step.optimizer.prepare();
      this.#recording.capture.replay();
      return this.#step.read(this.#recording.outputs, number);
    }
    return this.#record(indices, place, number);
  }

  #withoutRecording(indices: ArrayLike<number>, place: BatchPlace, number: number): Promise<StepResult> {
    const batch = trainingBatch(this.#data, indices, this.#augmentation, place);
    try {
      return this.#step.run(batch, number);
    } finally {
      disposeBatch(batch);
    }
  }

  #record(indices: ArrayLike<number>, place: BatchPlace, number: number): Promise<StepResult> {
    const step = this.#step;
    const { optimizer, model } = step;
    const before = new StateCopy(step);
    optimizer.prepare();
    let outputs: StepOutputs | undefined;
    let capture: Capture;
    try {
      capture = model.device.capture(() => {
        const batch = this.#input!.batch();
        outputs = step.enqueue(batch);
        disposeBatch(batch);
        step.update();
      });
    } catch (error) {
      if (error instanceof DeviceLostError) throw error;
      dispose(outputs?.loss, outputs?.hits);
      before.restore();
      model.arena.clearGradients();
      optimizer.stepCount--;
      this.#giveUp((error as Error).message);
      // What was wrong with the step itself is wrong with this one too, and is thrown by it.
      return this.#withoutRecording(indices, place, number);
    } finally {
      before.dispose();
    }
    const recording = { capture, outputs: outputs! };
    const result = step.read(recording.outputs, number);
    if (this.#first === undefined) {
      this.#first = capture.signature;
      disposeRecording(recording);
    } else if (this.#first === capture.signature) {
      this.#recording = recording;
    } else {
      disposeRecording(recording);
      this.#giveUp('two steps in a row were not made of the same kernels on the same memory');
    }
    return result;
  }

  #giveUp(reason: string): void {
    this.#reason = reason;
    this.#input?.dispose();
    this.#input = undefined;
  }

  dispose(): void {
    if (this.#recording) disposeRecording(this.#recording);
    this.#recording = undefined;
    this.#input?.dispose();
    this.#input = undefined;
  }
}

function disposeRecording({ capture, outputs }: Recording): void {
  dispose(outputs.loss, outputs.hits);
  capture.dispose();
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
class StateCopy {
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
