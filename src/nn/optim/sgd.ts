import { sgdStep } from '../../kernels/optimizer/index.ts';
import type { Module } from '../module.ts';
import { Optimizer, type OptimizerOptions } from './optimizer.ts';

export interface SgdOptions extends OptimizerOptions {
  /** Default 0. */
  readonly momentum?: number;
  /** Look ahead along the velocity. Default false. */
  readonly nesterov?: boolean;
}

/** Stochastic gradient descent with (Nesterov) momentum and coupled weight decay, as torch.optim.SGD. */
export class SGD extends Optimizer {
  readonly momentum: number;
  readonly nesterov: boolean;

  constructor(model: Module, options: SgdOptions) {
    const { momentum = 0, nesterov = false } = options;
    super(model, options, momentum === 0 ? 0 : 1, 1);
    this.momentum = momentum;
    this.nesterov = nesterov;
  }

  protected hyper(): number[] {
    return [this.learningRate];
  }

  protected kernelFor(weightDecay: number) {
    return { kernel: sgdStep, params: { momentum: this.momentum, nesterov: this.nesterov, weightDecay } };
  }
}
