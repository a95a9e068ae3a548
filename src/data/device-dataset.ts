/**
 * A data set that lives on the device as bytes: batches are gathered, scaled to [0, 1] and augmented there, from indices
 * that the host sends. 60,000 images take 47 MB.
 */
import { runKernel } from '../autograd/op.ts';
import { positiveInteger, refuse, showValue } from '../devices/checks.ts';
import type { Device } from '../devices/device.ts';
import { DTypeError, ShapeError } from '../devices/errors.ts';
import { formatShape } from '../devices/shape.ts';
import { release, type Storage } from '../devices/storage.ts';
import { type AugmentParams, augmentImages, gatherImages, gatherLabels } from '../kernels/image/index.ts';
import { streamNamed } from '../kernels/random/philox.ts';
import { tensor } from '../tensor/creation.ts';
import { keep, tidy } from '../tensor/lifetime.ts';
import { Tensor } from '../tensor/tensor.ts';
import type { ImageSet } from './fashion-mnist.ts';

export interface Batch {
  /** [N, H, W, C] in [0, 1]. */
  readonly images: Tensor;
  /** int32 [N] */
  readonly labels: Tensor;
}

/** What the random numbers of an augmentation follow from. */
export interface AugmentationPlace {
  readonly seed: number;
  readonly epoch: number;
  readonly step: number;
}

const AUGMENT_STREAM = streamNamed('augment');

export class DeviceDataset {
  readonly device: Device;
  readonly count: number;
  /** uint8 [count, H, W, C] */
  readonly images: Tensor;
  /** uint8 [count] */
  readonly labels: Tensor;
  readonly #state: Storage;

  /**
   * @throws ShapeError for images or labels that are not as many as `count` and the sizes say; DTypeError for others than
   *   bytes; nothing is allocated then
   */
  constructor(set: ImageSet, device: Device) {
    checkSet(set);
    const { images, labels, count, height, width, channels } = set;
    this.device = device;
    this.count = count;
    this.images = keep(tensor(images, [count, height, width, channels], { device }));
    this.labels = keep(tensor(labels, [count], { device }));
    this.#state = device.allocate(4, 'uint32');
  }

  /**
   * The images at `indices`, as they are. Inside a capture the indices must be an int32 tensor [N]; its values are not
   * looked at, for that would wait for the device.
   * @throws UsageError for an index that is no place in the data
   */
  batch(indices: ArrayLike<number> | Tensor): Batch {
    return tidy(() => {
      const chosen = this.#indices(indices);
      return { images: single(runKernel(gatherImages, [this.images, chosen], {})), labels: this.#labelsOf(chosen) };
    });
  }

  /** The images at `indices`, augmented with the random numbers of (seed, epoch, step). */
  augmentedBatch(
    indices: ArrayLike<number>,
    augmentation: AugmentParams,
    { seed, epoch, step }: AugmentationPlace,
  ): Batch {
    this.seedAugmentation({ seed, epoch, step });
    return this.augmented(indices, augmentation);
  }

  /** Sets the random numbers of the next augmented batches. */
  seedAugmentation({ seed, epoch, step }: AugmentationPlace): void {
    this.device.write(this.#state, Uint32Array.of(seed, AUGMENT_STREAM, step, epoch));
  }

  /** As `augmentedBatch`, with the random numbers that were set last: what a captured step does. */
  augmented(indices: ArrayLike<number> | Tensor, augmentation: AugmentParams): Batch {
    const state = { storage: this.#state, shape: [4] };
    return tidy(() => {
      const chosen = this.#indices(indices);
      const { shape } = this.images;
      const images = new Tensor(this.device.allocate((this.images.size / this.count) * chosen.size, 'float32'), [
        chosen.size,
        ...shape.slice(1),
      ]);
      this.device.run(augmentImages, [this.images, chosen, state], [images], augmentation);
      return { images, labels: this.#labelsOf(chosen) };
    });
  }

  #indices(indices: ArrayLike<number> | Tensor): Tensor {
    if (indices instanceof Tensor) return indices;
    for (let i = 0; i < indices.length; i++) {
      const index = indices[i];
      if (Number.isInteger(index) && index >= 0 && index < this.count) continue;
      const allowed = `the place of one of ${this.count} images, 0 to ${this.count - 1}`;
      refuse('DeviceDataset', `indices[${i}]`, index, allowed);
    }
    return tensor(Int32Array.from(indices), [indices.length], { device: this.device });
  }

  #labelsOf(chosen: Tensor): Tensor {
    return single(runKernel(gatherLabels, [this.labels, chosen], {}));
  }

  dispose(): void {
    this.images.dispose();
    this.labels.dispose();
    release(this.#state);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function checkSet({ images, labels, count, height, width, channels }: ImageSet): void {
  for (const [name, size] of Object.entries({ count, height, width, channels })) {
    positiveInteger('DeviceDataset', name, size);
  }
  for (const [name, values] of Object.entries<unknown>({ images, labels })) {
    if (values instanceof Uint8Array || values instanceof Uint8ClampedArray) continue;
    throw new DTypeError(`DeviceDataset: ${name} must be bytes (Uint8Array), not ${showValue(values)}.`);
  }
  const pixels = count * height * width * channels;
  if (images.length !== pixels) {
    throw new ShapeError(
      `DeviceDataset: ${count} images of ${formatShape([height, width, channels])} are ${pixels} bytes, not ${images.length}.`,
    );
  }
  if (labels.length !== count) {
    throw new ShapeError(`DeviceDataset: ${count} images need ${count} labels, not ${labels.length}.`);
  }
}

function single([{ storage, shape }]: ReturnType<typeof runKernel>): Tensor {
  return new Tensor(storage, shape);
}
