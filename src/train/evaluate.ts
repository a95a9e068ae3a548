/**
 * Running a model over a data set: logits on the host, from which every metric follows. Where there are several full
 * batches the pass is recorded and replayed, as training steps are (see `recorded-step.ts`), and batches follow each other
 * without waiting for the logits of the one before.
 */
import { noGrad } from '../autograd/tape.ts';
import type { DeviceDataset } from '../data/device-dataset.ts';
import type { Capture } from '../devices/device.ts';
import type { TypedArray } from '../devices/dtype.ts';
import { DeviceLostError, ShapeError } from '../devices/errors.ts';
import type { Module } from '../nn/index.ts';
import { tensor } from '../tensor/creation.ts';
import { keep, tidy } from '../tensor/lifetime.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { checkFinite } from './health.ts';

/** Full batches from which on a pass is recorded. */
const FEWEST_BATCHES = 4;
const BATCHES_IN_FLIGHT = 2;

export interface PredictOptions {
  /** Which images; default all. */
  readonly indices?: ArrayLike<number>;
  /** Images at a time. Default 500. */
  readonly batchSize?: number;
  /** How to show the images to the model; default as they are. */
  readonly view?: (images: Tensor) => Tensor;
  /** Record the pass and replay it, where that can be done. Default true. */
  readonly capture?: boolean;
  /** Called after each batch with the number of images done. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Logits [count, classes] of a model in evaluation mode (the mode it was in is restored).
 * @throws NonFiniteError naming the layer when a parameter or statistic of the model is not finite
 */
export async function predictLogits(
  model: Module,
  data: DeviceDataset,
  options: PredictOptions = {},
): Promise<Float32Array> {
  const { indices = Uint32Array.from({ length: data.count }, (_, i) => i), batchSize = 500, view = x => x } = options;
  await checkFinite(model, 'evaluate');
  const wasTraining = model.isTraining;
  // A view may be another one each time, and short runs are over before a recording pays.
  const isRecorded =
    (options.capture ?? true) &&
    options.view === undefined &&
    data.device.kind !== 'reference' &&
    indices.length >= FEWEST_BATCHES * batchSize;
  const compute = (some: ArrayLike<number> | Tensor) =>
    tidy(() => noGrad(() => model.call(view(data.batch(some).images))));
  const pass = new Pass(compute, data, batchSize, isRecorded);
  model.eval();
  try {
    let logits: Float32Array | undefined;
    const pending: { start: number; classes: number; values: Promise<TypedArray> }[] = [];
    const receive = async (): Promise<void> => {
      const { start, classes, values } = pending.shift()!;
      logits ??= new Float32Array(indices.length * classes);
      logits.set(await values, start * classes);
      options.onProgress?.(Math.min(start + batchSize, indices.length), indices.length);
    };
    for (let start = 0; start < indices.length; start += batchSize) {
      const some = Array.prototype.slice.call(indices, start, start + batchSize) as number[];
      pending.push({ start, ...pass.run(some) });
      // When an earlier batch fails, nobody waits for this one any more.
      pending.at(-1)!.values.catch(() => {});
      if (pending.length >= BATCHES_IN_FLIGHT) await receive();
    }
    while (pending.length > 0) await receive();
    return logits ?? new Float32Array(0);
  } finally {
    pass.dispose();
    model.train(wasTraining);
  }
}

interface PassOutput {
  readonly classes: number;
  readonly values: Promise<TypedArray>;
}

/** Forward passes over batches of a data set: recorded twice, and replayed if both recordings are the same. */
class Pass {
  readonly #compute: (indices: ArrayLike<number> | Tensor) => Tensor;
  readonly #data: DeviceDataset;
  readonly #batchSize: number;
  /** The indices of a recorded batch; absent where batches are not recorded. */
  #indices: Tensor | undefined;
  #first: string | undefined;
  #recording: { readonly capture: Capture; readonly output: Tensor } | undefined;

  constructor(
    compute: (indices: ArrayLike<number> | Tensor) => Tensor,
    data: DeviceDataset,
    batchSize: number,
    isRecorded: boolean,
  ) {
    this.#compute = compute;
    this.#data = data;
    this.#batchSize = batchSize;
    if (isRecorded) {
      this.#indices = keep(tensor(new Int32Array(batchSize), [batchSize], { device: data.device }));
    }
  }

  run(indices: ArrayLike<number>): PassOutput {
    const { device } = this.#data;
    if (!this.#indices || indices.length !== this.#batchSize) {
      const output = this.#compute(indices);
      const read = readLogits(output);
      output.dispose();
      return read;
    }
    device.write(this.#indices.storage, Int32Array.from(indices));
    if (this.#recording) {
      this.#recording.capture.replay();
      return readLogits(this.#recording.output);
    }
    let output: Tensor | undefined;
    let capture: Capture;
    try {
      capture = device.capture(() => {
        output = this.#compute(this.#indices!);
      });
    } catch (error) {
      if (error instanceof DeviceLostError) throw error;
      // It cannot be recorded, or it is wrong, which shows when it is done without.
      output?.dispose();
      this.#stopRecording();
      return this.run(indices);
    }
    const read = readLogits(output!);
    const isSame = this.#first === capture.signature;
    if (isSame) this.#recording = { capture, output: output! };
    else {
      output!.dispose();
      capture.dispose();
      if (this.#first !== undefined) this.#stopRecording();
    }
    this.#first ??= capture.signature;
    return read;
  }

  #stopRecording(): void {
    this.#indices?.dispose();
    this.#indices = undefined;
  }

  dispose(): void {
    this.#recording?.output.dispose();
    this.#recording?.capture.dispose();
    this.#stopRecording();
  }
}

function readLogits(output: Tensor): PassOutput {
  if (output.rank !== 2) {
    throw new ShapeError(`evaluate: the model gives rank ${output.rank}, not logits [N, classes].`);
  }
  return { classes: output.shape[1], values: output.data() };
}
