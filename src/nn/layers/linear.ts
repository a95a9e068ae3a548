import { linear } from '../../autograd/ops/matmul.ts';
import { flag, knownOptions, positiveInteger } from '../../devices/checks.ts';
import type { FusedActivation } from '../../kernels/matmul/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { constant, heUniform } from '../initialization.ts';
import { Module } from '../module.ts';
import { type Initializer, Parameter } from '../parameter.ts';

export interface LinearOptions {
  readonly bias?: boolean;
  /** Default: uniform within 1 / sqrt(inputs), so that untrained logits are small (the first loss is about log classes). */
  readonly initializer?: Initializer;
}

/**
 * x W + b on the last axis: [..., inputs] to [..., outputs].
 * @throws UsageError naming the option that cannot mean anything
 */
export class Linear extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;

  constructor(inputs: number, outputs: number, options: LinearOptions = {}) {
    super();
    knownOptions('Linear', options, ['bias', 'initializer']);
    const { bias = true, initializer = heUniform(1 / Math.sqrt(3)) } = options;
    positiveInteger('Linear', 'inputs', inputs);
    positiveInteger('Linear', 'outputs', outputs);
    this.weight = new Parameter([inputs, outputs], initializer);
    this.bias = flag('Linear', 'bias', bias) ? new Parameter([outputs], constant(0), 'noDecay') : undefined;
  }

  forward(x: Tensor): Tensor {
    return linear(x, this.weight.value, this.bias?.value);
  }

  /** With the activation folded into the matrix multiplication. */
  forwardFused(x: Tensor, activation: FusedActivation): Tensor {
    return this.named(() => linear(x, this.weight.value, this.bias?.value, activation));
  }
}
