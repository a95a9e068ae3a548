import { type Check, everyOf, inRange, knownOptions, nonNegative, refuse } from '../../devices/checks.ts';
import { adamStep } from '../../kernels/optimizer/index.ts';
import type { Optimized } from './groups.ts';
import { Optimizer, type OptimizerOptions, SHARED_OPTIONS } from './optimizer.ts';
import { wholePower } from './power.ts';

export interface AdamOptions extends OptimizerOptions {
  /** Decay of the running first and second moments, each at least 0 and below 1. Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** At least 0. Default 1e-8. */
  readonly epsilon?: number;
}

const isDecay: Check<number> = (what, name, value) => inRange(what, name, value, { from: 0, below: 1 });

/** Adam (Kingma and Ba, 2015); weight decay is coupled (an L2 penalty), as torch.optim.Adam. */
export class Adam extends Optimizer {
  readonly betas: readonly [number, number];
  readonly epsilon: number;
  protected readonly decoupled: boolean = false;

  /** See Optimizer. */
  constructor(optimized: Optimized, options: AdamOptions) {
    const { name } = new.target;
    const { betas = [0.9, 0.999], epsilon = 1e-8 } = knownOptions(name, options, [
      ...SHARED_OPTIONS,
      'betas',
      'epsilon',
    ]);
    if (!Array.isArray(betas) || betas.length !== 2) refuse(name, 'betas', betas, 'an array of two numbers');
    everyOf(name, 'betas', betas, isDecay);
    nonNegative(name, 'epsilon', epsilon);
    super(optimized, options, { states: 2, hypers: 3 });
    this.betas = betas;
    this.epsilon = epsilon;
  }

  protected hyper(learningRate: number, step: number): number[] {
    const [beta1, beta2] = this.betas;
    return [learningRate, biasCorrection(beta1, step), biasCorrection(beta2, step)];
  }

  protected kernelFor(weightDecay: number) {
    const [beta1, beta2] = this.betas;
    return {
      kernel: adamStep,
      params: { beta1, beta2, epsilon: this.epsilon, weightDecay, decoupled: this.decoupled },
    };
  }
}

/** What a running average that began at zero is short of after `step` steps. */
const biasCorrection = (beta: number, step: number): number => 1 - wholePower(beta, step);

/** Adam with decoupled weight decay (Loshchilov and Hutter, 2019), as torch.optim.AdamW. */
export class AdamW extends Adam {
  protected override readonly decoupled: boolean = true;
}
