/**
 * Running a model over a data set: logits on the host, from which every metric follows. Batch norms are folded into the
 * layers before them (see `nn/inference`), in a training's own validation as in any other evaluation, so that both find the
 * same bits. Where there are several full batches the pass is recorded and replayed, as training steps are (see `recorder.ts`), and batches follow each other without
 * waiting for the logits of the one before where the device works by itself; where it computes at once, they are cut into
 * pieces (see `pieces.ts`) and the event loop turns between them.
 */

import { noGrad } from '../autograd/tape.ts';
import type { DeviceDataset } from '../data/device-dataset.ts';
import { positiveInteger } from '../devices/checks.ts';
import type { TypedArray } from '../devices/dtype.ts';
import { ShapeError } from '../devices/errors.ts';
import { Pieces } from '../devices/pieces.ts';
import { inEvaluation } from '../nn/evaluation-mode.ts';
import type { Module } from '../nn/index.ts';
import { FoldedNetwork } from '../nn/inference/network.ts';
import { tensor } from '../tensor/creation.ts';
import { keep, tidy } from '../tensor/lifetime.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { checkFinite } from './health.ts';
import { imageIndices } from './image-indices.ts';
import { Recorder } from './recorder.ts';

/** Full batches from which on a pass is recorded. */
const FEWEST_BATCHES = 4;
const BATCHES_IN_FLIGHT = 2;

export interface PredictOptions {
  /** Which images; default all. */
  readonly indices?: ArrayLike<number>;
  /** Images at a time, at most: fewer where they would hold the event loop for longer than 0.4 s. Default 500. */
  readonly batchSize?: number;
  /** How to show the images to the model; default as they are. */
  readonly view?: (images: Tensor) => Tensor;
  /** Record the pass and replay it, where that can be done. Default true. */
  readonly capture?: boolean;
  /** Raised to stop: the promise is rejected with its reason. */
  readonly signal?: AbortSignal;
  /** Called after each batch, or piece of one, with the number of images done. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Logits [count, classes] of a model in evaluation mode (each of its parts keeps its own mode).
 * @throws UsageError for a batch size or an index that cannot be, and for no image
 * @throws NonFiniteError naming the layer when a parameter or statistic of the model is not finite
 */
export async function predictLogits(
  model: Module,
  data: DeviceDataset,
  options: PredictOptions = {},
): Promise<Float32Array> {
  const { batchSize = 500, view = x => x } = options;
  positiveInteger('predictLogits', 'batchSize', batchSize);
  const indices = imageIndices('predictLogits', 'indices', options.indices, data);
  await checkFinite(model, 'evaluate');
  // A view may be another one each time, and short runs are over before a recording pays.
  const isRecorded =
    (options.capture ?? true) &&
    options.view === undefined &&
    data.device.kind !== 'reference' &&
    indices.length >= FEWEST_BATCHES * batchSize;
  const network = await FoldedNetwork.of(model, 'evaluate');
  let isFolded = true;
  // The mode is the model's own again before anything is awaited: others may train it meanwhile.
  const compute = (some: ArrayLike<number> | Tensor) =>
    tidy(() =>
      noGrad(() => {
        const images = view(data.batch(some).images);
        return isFolded ? network.call(images) : inEvaluation(model, () => model.call(images));
      }),
    );
  const pass = new Pass(compute, data, isRecorded);
  const pieces = new Pieces(data.device, batchSize);
  const inFlight = data.device.kind === 'webgpu' ? BATCHES_IN_FLIGHT : 1;
  try {
    let logits: Float32Array | undefined;
    const pending: { start: number; count: number; classes: number; values: Promise<TypedArray> }[] = [];
    const receive = async (): Promise<void> => {
      const { start, count, classes, values } = pending.shift()!;
      logits ??= new Float32Array(indices.length * classes);
      logits.set(await values, start * classes);
      options.onProgress?.(start + count, indices.length);
    };
    for (let start = 0, count = 0; start < indices.length; start += count) {
      options.signal?.throwIfAborted();
      // Batches end where they would uncut: the last one may be so small that its size decides its bits.
      const end = Math.min(start - (start % batchSize) + batchSize, indices.length);
      count = pieces.next(end - start);
      const some = Array.prototype.slice.call(indices, start, start + count) as number[];
      if (isFolded && !network.isCurrent) {
        // Somebody trains the model meanwhile: from here on it is asked as it is at the time.
        isFolded = false;
        pass.forget();
      }
      const began = performance.now();
      pending.push({ start, count, ...pass.run(some, pieces.size) });
      pieces.took(count, performance.now() - began);
      // When an earlier batch fails, nobody waits for this one any more.
      pending.at(-1)!.values.catch(() => {});
      if (pending.length >= inFlight) await receive();
    }
    while (pending.length > 0) await receive();
    return logits!;
  } finally {
    pass.dispose();
    network.dispose();
  }
}

interface PassOutput {
  readonly classes: number;
  readonly values: Promise<TypedArray>;
}

/** Forward passes over pieces of a data set, those of one size recorded and replayed where that can be done. */
class Pass {
  readonly #compute: (indices: ArrayLike<number> | Tensor) => Tensor;
  readonly #data: DeviceDataset;
  readonly #recorder: Recorder<Tensor>;
  #isRecorded: boolean;
  /** The indices of a recorded piece. */
  #indices: Tensor | undefined;

  constructor(compute: (indices: ArrayLike<number> | Tensor) => Tensor, data: DeviceDataset, isRecorded: boolean) {
    this.#compute = compute;
    this.#data = data;
    this.#isRecorded = isRecorded;
    this.#recorder = new Recorder({ device: data.device, release: output => output.dispose() });
  }

  /** @param size of the pieces that are recorded; when it is another one than before, they are recorded anew */
  run(indices: ArrayLike<number>, size: number): PassOutput {
    if (!this.#isRecorded || indices.length !== size) return this.#withoutRecording(indices);
    const recorded = this.#indicesOf(size);
    this.#data.device.write(recorded.storage, Int32Array.from(indices));
    const read = this.#recorder.run(() => this.#compute(recorded), readLogits);
    if (this.#recorder.outcome?.captured === false) {
      this.#isRecorded = false;
      this.#disposeIndices();
    }
    return read ?? this.#withoutRecording(indices);
  }

  /** The work has become another: it is recorded anew. */
  forget(): void {
    this.#recorder.forget();
  }

  #indicesOf(size: number): Tensor {
    if (this.#indices?.size === size) return this.#indices;
    this.#recorder.forget();
    this.#disposeIndices();
    this.#indices = keep(tensor(new Int32Array(size), [size], { device: this.#data.device }));
    return this.#indices;
  }

  #withoutRecording(indices: ArrayLike<number>): PassOutput {
    const output = this.#compute(indices);
    try {
      return readLogits(output);
    } finally {
      output.dispose();
    }
  }

  #disposeIndices(): void {
    this.#indices?.dispose();
    this.#indices = undefined;
  }

  dispose(): void {
    this.#recorder.dispose();
    this.#disposeIndices();
  }
}

function readLogits(output: Tensor): PassOutput {
  if (output.rank !== 2) {
    throw new ShapeError(`evaluate: the model gives rank ${output.rank}, not logits [N, classes].`);
  }
  return { classes: output.shape[1], values: output.data() };
}
