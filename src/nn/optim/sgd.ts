import { flag, inRange, knownOptions } from '../../devices/checks.ts';
import { UsageError } from '../../devices/errors.ts';
import { sgdStep } from '../../kernels/optimizer/index.ts';
import type { Optimized } from './groups.ts';
import { Optimizer, type OptimizerOptions, SHARED_OPTIONS } from './optimizer.ts';

export interface SgdOptions extends OptimizerOptions {
  /** At least 0 and below 1. Default 0. */
  readonly momentum?: number;
  /** Look ahead along the velocity; needs a momentum. Default false. */
  readonly nesterov?: boolean;
}

/** Stochastic gradient descent with (Nesterov) momentum and coupled weight decay, as torch.optim.SGD. */
export class SGD extends Optimizer {
  readonly momentum: number;
  readonly nesterov: boolean;

  /** See Optimizer. */
  constructor(optimized: Optimized, options: SgdOptions) {
    const { momentum = 0, nesterov = false } = knownOptions('SGD', options, [
      ...SHARED_OPTIONS,
      'momentum',
      'nesterov',
    ]);
    inRange('SGD', 'momentum', momentum, { from: 0, below: 1 });
    if (flag('SGD', 'nesterov', nesterov) && momentum === 0) {
      throw new UsageError('SGD: nesterov needs a momentum above 0.');
    }
    super(optimized, options, { states: momentum === 0 ? 0 : 1, hypers: 1 });
    this.momentum = momentum;
    this.nesterov = nesterov;
  }

  protected hyper(learningRate: number): number[] {
    return [learningRate];
  }

  protected kernelFor(weightDecay: number) {
    return { kernel: sgdStep, params: { momentum: this.momentum, nesterov: this.nesterov, weightDecay } };
  }
}
