/**
 * Softmax over the last axis and the cross-entropy made of it. Everything is computed from logits less their row's
 * maximum, so that no exponential overflows: with z = x - max(x),
 *
 *     logp = z - log(sum exp(z))         p = exp(logp)
 *     loss = -sum_j t_j logp_j           dx_j = (p_j sum_k t_k - t_j) dloss
 *
 * where the targets t are given as they are (`crossEntropySoft`) or made of a label: 1 - smoothing on it, and smoothing / C
 * spread over all classes (Szegedy et al. 2016). Losses are per row; the mean is another kernel's business.
 *
 * A logit of -infinity masks its class: p = 0, and a target of 0 on it counts as 0 (0 log 0 = 0); any other makes the loss
 * infinite. Losses of finite logits are computed from DIFFERENCE_UNIT z, so that z = -6e38 times a small target is finite.
 */
import { DTypeError, ShapeError, UsageError } from '../../devices/errors.ts';
import type { Cost, KernelDefinition, Spec } from '../../devices/kernel.ts';
import { formatShape, sameShape, sizeOf } from '../../devices/shape.ts';

/** A power of two: products with it are exact. */
export const DIFFERENCE_UNIT = 2 ** -20;

export type SoftmaxParams = Record<string, never>;

export interface CrossEntropyParams {
  /** Share of the target that is spread evenly over all classes, 0 to 1. */
  readonly smoothing: number;
}

export interface SoftmaxSizes {
  readonly rows: number;
  readonly classes: number;
}

/** Sizes of x [..., C], the first input of every kernel of the family. */
export function softmaxSizes([x]: readonly Spec[]): SoftmaxSizes {
  const classes = x.shape[x.shape.length - 1];
  return { rows: sizeOf(x.shape) / classes, classes };
}

function checkFloat(what: string, inputs: readonly Spec[]): void {
  for (const { dtype } of inputs) if (dtype !== 'float32') throw new DTypeError(`${what} takes float32, not ${dtype}.`);
}

function checkClasses(what: string, shape: readonly number[]): void {
  if (shape.length === 0 || shape[shape.length - 1] === 0) {
    throw new ShapeError(`${what}: ${formatShape(shape)} has no classes along a last axis.`);
  }
}

/** Logits [N, C], something per row [N] for each of `perRow`, and something like the logits for each of `alike`. */
function checkLoss(what: string, inputs: readonly Spec[], perRow: readonly number[], alike: readonly number[]): void {
  const { shape } = inputs[0];
  if (shape.length !== 2) throw new ShapeError(`${what}: logits ${formatShape(shape)} must be [N, C].`);
  checkClasses(what, shape);
  for (const index of perRow) {
    if (!sameShape(inputs[index].shape, [shape[0]])) {
      throw new ShapeError(
        `${what}: input ${index} of shape ${formatShape(inputs[index].shape)} should be [${shape[0]}] for logits ` +
          `${formatShape(shape)}.`,
      );
    }
  }
  for (const index of alike) {
    if (!sameShape(inputs[index].shape, shape)) {
      throw new ShapeError(
        `${what}: targets ${formatShape(inputs[index].shape)} and logits ${formatShape(shape)} must have one shape.`,
      );
    }
  }
}

function checkLabels(what: string, { dtype }: Spec): void {
  if (dtype !== 'int32') throw new DTypeError(`${what}: labels must be int32, got ${dtype}.`);
}

function checkSmoothing(what: string, { smoothing }: CrossEntropyParams): void {
  if (!(smoothing >= 0 && smoothing <= 1)) throw new UsageError(`${what}: smoothing ${smoothing} is not in [0, 1].`);
}

const floats = (shape: readonly number[]): Spec[] => [{ shape: [...shape], dtype: 'float32' }];

function cost(inputs: readonly Spec[], outputs: readonly Spec[], flopsPerLogit: number): Cost {
  const elements = [...inputs, ...outputs].reduce((total, { shape }) => total + sizeOf(shape), 0);
  return { flops: flopsPerLogit * sizeOf(inputs[0].shape), bytes: 4 * elements };
}

/** Inputs [x] of shape [..., C]; output of the same shape. */
function rowwise(name: string): KernelDefinition<SoftmaxParams> {
  return {
    name,
    infer(inputs) {
      checkFloat(name, inputs);
      checkClasses(name, inputs[0].shape);
      return floats(inputs[0].shape);
    },
    cost(inputs, params) {
      return cost(inputs, this.infer(inputs, params), 5);
    },
  };
}

/** Inputs [y, dy], y being what the forward kernel gave; output dx. */
function rowwiseGradient(name: string): KernelDefinition<SoftmaxParams> {
  return {
    name,
    infer(inputs) {
      checkFloat(name, inputs);
      const [y, dy] = inputs;
      checkClasses(name, y.shape);
      if (!sameShape(y.shape, dy.shape)) {
        throw new ShapeError(`${name}: shapes ${formatShape(y.shape)} and ${formatShape(dy.shape)} must be equal.`);
      }
      return floats(y.shape);
    },
    cost(inputs, params) {
      return cost(inputs, this.infer(inputs, params), 5);
    },
  };
}

export const softmaxDefinition = rowwise('softmax');
export const logSoftmaxDefinition = rowwise('logSoftmax');
export const softmaxGradientDefinition = rowwiseGradient('softmaxGradient');
export const logSoftmaxGradientDefinition = rowwiseGradient('logSoftmaxGradient');

/** Inputs [logits [N, C], labels int32 [N]]; output loss [N]. A label outside 0..C-1 gives NaN. */
export const crossEntropyDefinition: KernelDefinition<CrossEntropyParams> = {
  name: 'crossEntropy',
  infer(inputs, params) {
    checkFloat('crossEntropy', [inputs[0]]);
    checkLabels('crossEntropy', inputs[1]);
    checkLoss('crossEntropy', inputs, [1], []);
    checkSmoothing('crossEntropy', params);
    return floats(inputs[1].shape);
  },
  cost(inputs, params) {
    return cost(inputs, this.infer(inputs, params), 5);
  },
};

/** Inputs [logits [N, C], labels int32 [N], dloss [N]]; output dlogits [N, C]; NaN in the rows of impossible labels. */
export const crossEntropyGradientDefinition: KernelDefinition<CrossEntropyParams> = {
  name: 'crossEntropyGradient',
  infer(inputs, params) {
    checkFloat('crossEntropyGradient', [inputs[0], inputs[2]]);
    checkLabels('crossEntropyGradient', inputs[1]);
    checkLoss('crossEntropyGradient', inputs, [1, 2], []);
    checkSmoothing('crossEntropyGradient', params);
    return floats(inputs[0].shape);
  },
  cost(inputs, params) {
    return cost(inputs, this.infer(inputs, params), 7);
  },
};

/** Inputs [logits, targets], both [N, C]; output loss [N]. Targets need not add up to 1; 0 log 0 = 0. */
export const crossEntropySoftDefinition: KernelDefinition<SoftmaxParams> = {
  name: 'crossEntropySoft',
  infer(inputs) {
    checkFloat('crossEntropySoft', inputs);
    checkLoss('crossEntropySoft', inputs, [], [1]);
    return floats([inputs[0].shape[0]]);
  },
  cost(inputs, params) {
    return cost(inputs, this.infer(inputs, params), 7);
  },
};

/** Inputs [logits, targets, dloss [N]]; output dlogits [N, C]. */
export const crossEntropySoftGradientDefinition: KernelDefinition<SoftmaxParams> = {
  name: 'crossEntropySoftGradient',
  infer(inputs) {
    checkFloat('crossEntropySoftGradient', inputs);
    checkLoss('crossEntropySoftGradient', inputs, [2], [1]);
    return floats(inputs[0].shape);
  },
  cost(inputs, params) {
    return cost(inputs, this.infer(inputs, params), 9);
  },
};
