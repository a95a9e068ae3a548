import {
  avgPool2d,
  checkPoolOptions,
  globalAveragePool,
  maxPool2d,
  type PoolOptions,
} from '../../autograd/ops/pool.ts';
import { knownOptions } from '../../devices/checks.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { Module } from '../module.ts';

/** Beside the kernel. */
const OPTIONS = ['stride', 'padding', 'ceilMode'];

/** Largest value of each window. */
export class MaxPool2d extends Module {
  readonly options: PoolOptions;
  constructor(kernel: PoolOptions['kernel'], options: Omit<PoolOptions, 'kernel'> = {}) {
    super();
    knownOptions('MaxPool2d', options, OPTIONS);
    this.options = checkPoolOptions('MaxPool2d', { kernel, ...options });
  }
  forward(x: Tensor): Tensor {
    return maxPool2d(x, this.options);
  }
}

/** Mean of each window. */
export class AvgPool2d extends Module {
  readonly options: PoolOptions & { readonly countPadding?: boolean };
  constructor(kernel: PoolOptions['kernel'], options: Omit<PoolOptions, 'kernel'> & { countPadding?: boolean } = {}) {
    super();
    knownOptions('AvgPool2d', options, [...OPTIONS, 'countPadding']);
    this.options = checkPoolOptions('AvgPool2d', { kernel, ...options }, { countPadding: options.countPadding });
  }
  forward(x: Tensor): Tensor {
    return avgPool2d(x, this.options);
  }
}

/** Mean over all pixels: [N, H, W, C] to [N, C]. */
export class GlobalAvgPool extends Module {
  forward(x: Tensor): Tensor {
    return globalAveragePool(x);
  }
}
