import { elu, gelu, identity, leakyRelu, mish, relu, sigmoid, silu, softplus, tanh } from '../../autograd/ops/index.ts';
import { UsageError } from '../../devices/errors.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { Module } from '../module.ts';

const FUNCTIONS = {
  relu,
  leakyRelu: (x: Tensor) => leakyRelu(x),
  elu: (x: Tensor) => elu(x),
  gelu,
  silu,
  mish,
  tanh,
  sigmoid,
  softplus,
  identity,
} satisfies Record<string, (x: Tensor) => Tensor>;

export type ActivationName = keyof typeof FUNCTIONS;

export const ACTIVATION_NAMES = Object.keys(FUNCTIONS) as readonly ActivationName[];

/** A nonlinearity by name, so that a model can take it as an option. */
export class Activation extends Module {
  readonly kind: ActivationName;

  constructor(kind: ActivationName) {
    super();
    if (!Object.hasOwn(FUNCTIONS, kind)) {
      throw new UsageError(`There is no activation "${kind}"; choose one of ${ACTIVATION_NAMES.join(', ')}.`);
    }
    this.kind = kind;
  }

  forward(x: Tensor): Tensor {
    return FUNCTIONS[this.kind](x);
  }
}
