/** What a network makes of images before it names their classes: the numbers that its last layer weighs. */
import { noGrad } from '../autograd/tape.ts';
import type { DeviceDataset } from '../data/device-dataset.ts';
import { UsageError } from '../devices/errors.ts';
import { inEvaluation } from '../nn/evaluation-mode.ts';
import { Linear, type Module } from '../nn/index.ts';
import { dispose, keep, tidy } from '../tensor/lifetime.ts';
import { checkFinite } from './health.ts';
import { imageIndices } from './image-indices.ts';

const BATCH = 250;

export interface FeatureOptions {
  /** Which images; default all. */
  readonly indices?: ArrayLike<number>;
  readonly signal?: AbortSignal;
}

export interface Features {
  /** `[count, dimensions]` */
  readonly values: Float32Array;
  readonly count: number;
  readonly dimensions: number;
  /** Path of the module whose output they are. */
  readonly layer: string;
}

/**
 * Penultimate features of a model in evaluation mode: the output of the part before its last one.
 * @throws UsageError for a model that does not end with a linear layer, and for images that there are not; NonFiniteError when a
 *   parameter is not finite; the signal's reason when aborted
 */
export async function penultimateFeatures(
  model: Module,
  data: DeviceDataset,
  { indices: wanted, signal }: FeatureOptions = {},
): Promise<Features> {
  const indices = imageIndices('penultimateFeatures', 'indices', wanted, data);
  const parts = model.children();
  if (parts.length < 2 || !(parts[parts.length - 1][1] instanceof Linear))
    throw new UsageError('penultimateFeatures: the model does not end with a linear layer whose input could be read.');
  const layer = parts[parts.length - 2][0];
  await checkFinite(model, 'read features of');
  let values = new Float32Array(0);
  let dimensions = 0;
  for (let start = 0; start < indices.length; start += BATCH) {
    signal?.throwIfAborted();
    const some = Array.from({ length: Math.min(BATCH, indices.length - start) }, (_, i) => indices[start + i]);
    const activation = tidy(() =>
      noGrad(() => inEvaluation(model, () => keep(model.trace(data.batch(some).images, [layer]).activations[layer]))),
    );
    const read = await activation.data();
    dispose(activation);
    dimensions = read.length / some.length;
    if (start === 0) values = new Float32Array(indices.length * dimensions);
    values.set(read as Float32Array, start * dimensions);
  }
  return { values, count: indices.length, dimensions, layer };
}
