import { div, sub } from '../../autograd/ops/elementwise.ts';
import { flatten } from '../../autograd/ops/layout.ts';
import { type Check, everyOf, inRange, refuse } from '../../devices/checks.ts';
import { UsageError } from '../../devices/errors.ts';
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

// Buffers are float32: what rounds to infinity, or as a divisor to 0, cannot be used.
const LARGEST = 3.4028234663852886e38;
const SMALLEST_NORMAL = 2 ** -126;
const isMean: Check<number> = (what, name, value) => inRange(what, name, value, { from: -LARGEST, to: LARGEST });
const isDeviation: Check<number> = (what, name, value) =>
  inRange(what, name, value, { from: SMALLEST_NORMAL, to: LARGEST });

/**
 * (x - mean) / std per channel with constants: the frozen first layer that lets models take pixels in [0, 1]. The constants
 * are buffers, so they travel with checkpoints.
 * @throws UsageError when a deviation is not above 0, or there are not as many means as deviations
 */
export class Normalize extends Module {
  readonly mean: Buffer;
  readonly std: Buffer;

  constructor(mean: readonly number[], std: readonly number[]) {
    super();
    everyOf('Normalize', 'mean', mean, isMean);
    everyOf('Normalize', 'std', std, isDeviation);
    if (mean.length !== std.length || mean.length === 0) {
      throw new UsageError(
        `Normalize: mean and std must hold one number per channel, not ${mean.length} and ${std.length} of them.`,
      );
    }
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
    if (typeof layers !== 'object' || layers === null) {
      refuse('Sequential', 'layers', layers, 'an array of modules, or an object of them');
    }
    this.#layers = Object.entries(layers);
    for (const [name, layer] of this.#layers) {
      if (!(layer instanceof Module)) refuse('Sequential', `layers.${name}`, layer, 'a module');
    }
    checkOrder(this.#layers.map(([name]) => name));
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

/** JavaScript moves keys that are whole numbers to the front, so layers with such names may run in another order. */
function checkOrder(names: readonly string[]): void {
  const moved = names.find((name, i) => /^\d+$/.test(name) && name !== String(i));
  const isMixed = names.some(name => /^\d+$/.test(name)) && names.some(name => !/^\d+$/.test(name));
  if (moved === undefined && !isMixed) return;
  throw new UsageError(
    `Sequential: the names ${names.join(', ')} do not keep the order they were written in; use names that are not numbers.`,
  );
}

type Foldable = Conv2d | Linear | BatchNorm2d;

const isFoldable = (layer: Module): layer is Foldable =>
  layer instanceof Conv2d || layer instanceof Linear || layer instanceof BatchNorm2d;

/** Whether `activation` may be computed inside the layer before it: nobody watches the value between. */
export function canFold(layer: Foldable, activation: Activation): boolean {
  return activation.kind === 'relu' && !isTraced(layer.path);
}
