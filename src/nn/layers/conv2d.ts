import { type Conv2dOptions, conv2d } from '../../autograd/ops/conv2d.ts';
import { checkPadding, checkPair, type Padding, type Pair, toPair } from '../../autograd/ops/window.ts';
import { flag, knownOptions, positiveInteger } from '../../devices/checks.ts';
import { UsageError } from '../../devices/errors.ts';
import type { FusedActivation } from '../../kernels/matmul/index.ts';
import { windowStep } from '../../kernels/window.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { constant, heNormal } from '../initialization.ts';
import { Module } from '../module.ts';
import { type Initializer, Parameter } from '../parameter.ts';

export interface Conv2dLayerOptions {
  /** Default 1. */
  readonly stride?: Pair;
  /** Default `same`. */
  readonly padding?: Padding;
  readonly dilation?: Pair;
  readonly groups?: number;
  readonly bias?: boolean;
  readonly initializer?: Initializer;
}

/**
 * Convolution of [N, H, W, inputs] with `outputs` filters of `kernel` pixels.
 * @throws UsageError naming the option that cannot mean anything
 */
export class Conv2d extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;
  readonly kernel: readonly [number, number];
  readonly options: Omit<Conv2dOptions, 'bias' | 'activation'>;

  constructor(inputs: number, outputs: number, kernel: Pair, options: Conv2dLayerOptions = {}) {
    super();
    knownOptions('Conv2d', options, ['stride', 'padding', 'dilation', 'groups', 'bias', 'initializer']);
    const { stride = 1, padding = 'same', dilation = 1, groups = 1, bias = true, initializer = heNormal() } = options;
    positiveInteger('Conv2d', 'inputs', inputs);
    positiveInteger('Conv2d', 'outputs', outputs);
    windowStep('Conv2d', 'groups', groups);
    flag('Conv2d', 'bias', bias);
    if (inputs % groups !== 0 || outputs % groups !== 0) {
      throw new UsageError(`Conv2d: ${groups} groups do not divide ${inputs} input and ${outputs} output channels.`);
    }
    this.kernel = toPair(checkPair('Conv2d', 'kernel', kernel));
    this.options = {
      stride: checkPair('Conv2d', 'stride', stride),
      padding: checkPadding('Conv2d', padding),
      dilation: checkPair('Conv2d', 'dilation', dilation),
      groups,
    };
    this.weight = new Parameter([...this.kernel, inputs / groups, outputs], initializer);
    this.bias = bias ? new Parameter([outputs], constant(0), 'noDecay') : undefined;
  }

  forward(x: Tensor): Tensor {
    return conv2d(x, this.weight.value, { ...this.options, bias: this.bias?.value });
  }

  /** With the activation folded into the convolution. */
  forwardFused(x: Tensor, activation: FusedActivation): Tensor {
    return this.named(() => conv2d(x, this.weight.value, { ...this.options, bias: this.bias?.value, activation }));
  }
}
