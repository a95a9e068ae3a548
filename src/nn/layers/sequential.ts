import { div, sub } from '../../autograd/ops/elementwise.ts';
import { flatten } from '../../autograd/ops/layout.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { Module } from '../module.ts';
import { Buffer } from '../parameter.ts';
import { isTraced, report } from '../tracing.ts';
import { Activation } from './activation.ts';
import { BatchNorm2d } from './batchnorm.ts';
import { Conv2d } from './conv2d.ts';
import { Linear } from './linear.ts';

/** All axes but the first merged: [N, H, W, C] to [N, H W C]. */
export class Flatten extends Module {
  forward(x: Tensor): Tensor {
    return flatten(x);
  }
}

/**
 * (x - mean) / std per channel with constants: the frozen first layer that lets models take pixels in [0, 1]. The constants
 * are buffers, so they travel with checkpoints.
 */
export class Normalize extends Module {
  readonly mean: Buffer;
  readonly std: Buffer;

  constructor(mean: readonly number[], std: readonly number[]) {
    super();
    this.mean = new Buffer([mean.length], values => values.set(mean));
    this.std = new Buffer([std.length], values => values.set(std));
  }

  forward(x: Tensor): Tensor {
    return div(sub(x, this.mean.value), this.std.value);
  }
}

/**
 * Modules one after another, named by their keys. A relu right after a convolution with bias, a linear layer or a batch
 * norm is folded into it, unless the value between them is traced.
 */
export class Sequential extends Module {
  readonly #layers: readonly (readonly [string, Module])[];

  constructor(layers: Readonly<Record<string, Module>> | readonly Module[]) {
    super();
    this.#layers = Array.isArray(layers)
      ? layers.map((layer, i): [string, Module] => [String(i), layer])
      : Object.entries(layers as Record<string, Module>);
  }

  override children(): [string, Module][] {
    return this.#layers.map(([name, layer]): [string, Module] => [name, layer]);
  }

  forward(x: Tensor): Tensor {
    for (let i = 0; i < this.#layers.length; i++) {
      const [, layer] = this.#layers[i];
      const next = this.#layers[i + 1]?.[1];
      if (next instanceof Activation && isFoldable(layer) && canFold(layer, next)) {
        x = layer.forwardFused(x, 'relu');
        report(next.path, x);
        i++;
      } else {
        x = layer.call(x);
      }
    }
    return x;
  }
}

type Foldable = Conv2d | Linear | BatchNorm2d;

const isFoldable = (layer: Module): layer is Foldable =>
  layer instanceof Conv2d || layer instanceof Linear || layer instanceof BatchNorm2d;

/** Whether `activation` may be computed inside the layer before it: nobody watches the value between. */
export function canFold(layer: Foldable, activation: Activation): boolean {
  return activation.kind === 'relu' && !isTraced(layer.path);
}
