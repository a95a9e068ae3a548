import { adamStep } from '../../kernels/optimizer/index.ts';
import type { Module } from '../module.ts';
import { Optimizer, type OptimizerOptions } from './optimizer.ts';

export interface AdamOptions extends OptimizerOptions {
  /** Decay of the running first and second moments. Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Default 1e-8. */
  readonly epsilon?: number;
}

/** Adam (Kingma and Ba, 2015); weight decay is coupled (an L2 penalty), as torch.optim.Adam. */
export class Adam extends Optimizer {
  readonly betas: readonly [number, number];
  readonly epsilon: number;
  protected readonly decoupled: boolean = false;

  constructor(model: Module, options: AdamOptions) {
    super(model, options, 2, 3);
    this.betas = options.betas ?? [0.9, 0.999];
    this.epsilon = options.epsilon ?? 1e-8;
  }

  protected hyper(): number[] {
    const [beta1, beta2] = this.betas;
    return [this.learningRate, 1 - beta1 ** this.stepCount, 1 - beta2 ** this.stepCount];
  }

  protected kernelFor(weightDecay: number) {
    const [beta1, beta2] = this.betas;
    return {
      kernel: adamStep,
      params: { beta1, beta2, epsilon: this.epsilon, weightDecay, decoupled: this.decoupled },
    };
  }
}

/** Adam with decoupled weight decay (Loshchilov and Hutter, 2019), as torch.optim.AdamW. */
export class AdamW extends Adam {
  protected override readonly decoupled: boolean = true;
}
