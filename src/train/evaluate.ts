/** Running a model over a data set: logits on the host, from which every metric follows. */
import { noGrad } from '../autograd/tape.ts';
import type { DeviceDataset } from '../data/device-dataset.ts';
import { ShapeError } from '../devices/errors.ts';
import type { Module } from '../nn/index.ts';
import { tidy } from '../tensor/lifetime.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { checkFinite } from './health.ts';

export interface PredictOptions {
  /** Which images; default all. */
  readonly indices?: ArrayLike<number>;
  /** Images at a time. Default 500. */
  readonly batchSize?: number;
  /** How to show the images to the model; default as they are. */
  readonly view?: (images: Tensor) => Tensor;
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
  model.eval();
  try {
    let logits: Float32Array | undefined;
    for (let start = 0; start < indices.length; start += batchSize) {
      const some = Array.prototype.slice.call(indices, start, start + batchSize) as number[];
      const output = tidy(() => noGrad(() => model.call(view(data.batch(some).images))));
      if (output.rank !== 2)
        throw new ShapeError(`evaluate: the model gives rank ${output.rank}, not logits [N, classes].`);
      const values = await output.data();
      logits ??= new Float32Array(indices.length * output.shape[1]);
      logits.set(values, start * output.shape[1]);
      output.dispose();
      options.onProgress?.(Math.min(start + batchSize, indices.length), indices.length);
    }
    return logits ?? new Float32Array(0);
  } finally {
    model.train(wasTraining);
  }
}
