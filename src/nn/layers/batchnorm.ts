import { batchNorm } from '../../autograd/ops/batchnorm.ts';
import { fraction, knownOptions, positive, positiveInteger } from '../../devices/checks.ts';
import type { FusedActivation } from '../../kernels/matmul/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { constant } from '../initialization.ts';
import { Module } from '../module.ts';
import { Buffer, Parameter } from '../parameter.ts';

export interface BatchNormLayerOptions {
  /** Share of the batch in the new running statistics. Default 0.1. */
  readonly momentum?: number;
  /** Added to the variance; above 0. Default 1e-5. */
  readonly epsilon?: number;
}

/**
 * Batch normalisation of [..., channels] with learned scale and shift (Ioffe and Szegedy, 2015). A training call with one
 * value per channel is a ShapeError: one value has no variance.
 */
export class BatchNorm2d extends Module {
  readonly gamma: Parameter;
  readonly beta: Parameter;
  readonly runningMean: Buffer;
  readonly runningVariance: Buffer;
  readonly momentum: number;
  readonly epsilon: number;

  constructor(channels: number, options: BatchNormLayerOptions = {}) {
    super();
    const { momentum = 0.1, epsilon = 1e-5 } = knownOptions('BatchNorm2d', options, ['momentum', 'epsilon']);
    positiveInteger('BatchNorm2d', 'channels', channels);
    this.momentum = fraction('BatchNorm2d', 'momentum', momentum);
    this.epsilon = positive('BatchNorm2d', 'epsilon', epsilon);
    this.gamma = new Parameter([channels], constant(1), 'noDecay');
    this.beta = new Parameter([channels], constant(0), 'noDecay');
    this.runningMean = new Buffer([channels], constant(0));
    this.runningVariance = new Buffer([channels], constant(1));
  }

  forward(x: Tensor): Tensor {
    return this.#normalize(x, 'none');
  }

  /** With the activation, and before it the addition of `residual`, in the same pass. */
  forwardFused(x: Tensor, activation: FusedActivation, residual?: Tensor): Tensor {
    return this.named(() => this.#normalize(x, activation, residual));
  }

  #normalize(x: Tensor, activation: FusedActivation, residual?: Tensor): Tensor {
    return batchNorm(x, this.gamma.value, this.beta.value, {
      runningMean: this.runningMean.value,
      runningVariance: this.runningVariance.value,
      training: this.isTraining,
      momentum: this.momentum,
      epsilon: this.epsilon,
      activation,
      residual,
    });
  }
}
