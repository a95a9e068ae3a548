/** What is measured on our own device before anything is timed: a fresh model, and what every contender is fed. */
import type { Device } from '../../src/devices/device.ts';
import { buildModel, type Module } from '../../src/nn/index.ts';
import { tensor } from '../../src/tensor/creation.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import type { NetworkName } from '../operations.ts';
import { valuesOf } from '../values.ts';

/** Of initial weights and of the order of an epoch. */
export const SEED = 0;

/** What every contender is fed: pixels in [0, 1). */
export function imageValues(batch: number): Float32Array {
  const pixels = valuesOf({ shape: [batch, 28, 28, 1], dtype: 'float32', fill: 'centered' }, 0) as Float32Array;
  return pixels.map(value => value + 0.5);
}

export function labelValues(batch: number): Int32Array {
  return valuesOf({ shape: [batch], dtype: 'int32', fill: { below: 10 } }, 1) as Int32Array;
}

/** As initialised, by a seed of the bench's own. */
export const freshModel = (network: NetworkName, device: Device): Module =>
  buildModel({ name: network, options: {} }).initialize({ device, seed: SEED });

export interface Prepared {
  readonly model: Module;
  readonly images: Tensor;
  readonly labels: Tensor;
  dispose(): void;
}

/** A fresh model and a batch for it. */
export function prepare(network: NetworkName, batch: number, device: Device): Prepared {
  const model = freshModel(network, device);
  const images = tensor(imageValues(batch), [batch, 28, 28, 1], { device });
  const labels = tensor(labelValues(batch), [batch], { device });
  return {
    model,
    images,
    labels,
    dispose() {
      images.dispose();
      labels.dispose();
      model.dispose();
    },
  };
}
