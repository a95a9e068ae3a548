/**
 * Batch normalisation over the last axis: every channel of x [..., C] is brought to mean 0 and variance 1 over all other
 * axes (Ioffe & Szegedy 2015), then scaled and shifted. Training uses the statistics of the batch and keeps running
 * averages for evaluation. ReLU and a residual addition fold into the last step, because the operation is bound by memory
 * and every pass over the images that is saved counts.
 *
 *     y = act(gamma (x - mean) inverseStd + beta [+ residual]),   inverseStd = 1 / sqrt(variance + epsilon)
 */
import { fraction, nonNegative } from '../../devices/checks.ts';
import { DTypeError, ShapeError } from '../../devices/errors.ts';
import type { Cost, KernelDefinition, Spec } from '../../devices/kernel.ts';
import { formatShape, sameShape, sizeOf } from '../../devices/shape.ts';
import type { FusedActivation } from '../matmul/matmul.ts';

export interface BatchNormTrainParams {
  /** Added to the variance before the root. */
  readonly epsilon: number;
  /** Weight of this batch in the running statistics: running = (1 - momentum) running + momentum batch. */
  readonly momentum: number;
  readonly activation: FusedActivation;
}

export interface BatchNormEvalParams {
  readonly epsilon: number;
  readonly activation: FusedActivation;
}

export interface BatchNormTrainGradientParams {
  readonly activation: FusedActivation;
  /** The forward call added a residual: give its gradient as the last output. */
  readonly residual: boolean;
}

export interface BatchNormEvalGradientParams extends BatchNormTrainGradientParams {
  readonly epsilon: number;
}

export interface BatchNormSizes {
  readonly channels: number;
  /** Values per channel. */
  readonly count: number;
}

/** Sizes of x [..., C], the first input of every kernel of the family. */
export function batchNormSizes([x]: readonly Spec[]): BatchNormSizes {
  const channels = x.shape[x.shape.length - 1];
  return { channels, count: channels === 0 ? 0 : sizeOf(x.shape) / channels };
}

/** Checks x [..., C], `images` of the same shape and `vectors` of shape [C]. */
function check(what: string, inputs: readonly Spec[], images: readonly number[], vectors: readonly number[]): void {
  for (const { dtype } of inputs) if (dtype !== 'float32') throw new DTypeError(`${what} takes float32, not ${dtype}.`);
  const x = inputs[0].shape;
  if (x.length < 2) throw new ShapeError(`${what}: x ${formatShape(x)} must be [..., C] of rank 2 or more.`);
  const channels = x[x.length - 1];
  for (const index of images) {
    const { shape } = inputs[index];
    if (!sameShape(shape, x)) {
      throw new ShapeError(`${what}: input ${index} of shape ${formatShape(shape)} should have x's ${formatShape(x)}.`);
    }
  }
  for (const index of vectors) {
    const { shape } = inputs[index];
    if (shape.length !== 1 || shape[0] !== channels) {
      throw new ShapeError(
        `${what}: input ${index} of shape ${formatShape(shape)} should be [${channels}] for x ${formatShape(x)}.`,
      );
    }
  }
}

function checkCount(what: string, inputs: readonly Spec[]): void {
  const { channels, count } = batchNormSizes(inputs);
  if (count === 0 && channels > 0) {
    throw new ShapeError(`${what}: x ${formatShape(inputs[0].shape)} has no values to take statistics of.`);
  }
}

/**
 * One value has no variance: its output would be beta whatever it is, and the running variance would decay to 0. PyTorch
 * refuses it too.
 */
function checkVariance(what: string, inputs: readonly Spec[]): void {
  const { channels, count } = batchNormSizes(inputs);
  if (count === 1 && channels > 0) {
    throw new ShapeError(
      `${what}: training needs more than 1 value per channel, and x ${formatShape(inputs[0].shape)} has 1; ` +
        'give it a larger batch, or normalise with the running statistics (evaluation mode).',
    );
  }
}

const floats = (...shapes: (readonly number[])[]): Spec[] =>
  shapes.map(shape => ({ shape: [...shape], dtype: 'float32' }));

function cost(inputs: readonly Spec[], outputs: readonly Spec[], flopsPerValue: number): Cost {
  const elements = [...inputs, ...outputs].reduce((total, { shape }) => total + sizeOf(shape), 0);
  return { flops: flopsPerValue * sizeOf(inputs[0].shape), bytes: 4 * elements };
}

/**
 * Inputs [x, gamma, beta] or [x, gamma, beta, residual]; outputs [y, mean, inverseStd, runningMean, runningVariance],
 * the last two updated in place. The batch's variance is the biased one, the running variance takes the unbiased one, as
 * in PyTorch; a channel of one value has none and is a ShapeError. A non-finite value makes its channel's running
 * statistics non-finite.
 */
export const batchNormTrainDefinition: KernelDefinition<BatchNormTrainParams> = {
  name: 'batchNormTrain',
  updates: [3, 4],
  infer(inputs, { epsilon, momentum }): Spec[] {
    nonNegative('batchNormTrain', 'epsilon', epsilon);
    fraction('batchNormTrain', 'momentum', momentum);
    check('batchNormTrain', inputs, inputs.length > 3 ? [3] : [], [1, 2]);
    checkCount('batchNormTrain', inputs);
    checkVariance('batchNormTrain', inputs);
    const vector = inputs[1].shape;
    return floats(inputs[0].shape, vector, vector, vector, vector);
  },
  cost(inputs, params) {
    return cost(inputs, this.infer(inputs, params), 8);
  },
};

/** Inputs [x, gamma, beta, runningMean, runningVariance] or those and a residual; output [y]. */
export const batchNormEvalDefinition: KernelDefinition<BatchNormEvalParams> = {
  name: 'batchNormEval',
  infer(inputs, { epsilon }): Spec[] {
    nonNegative('batchNormEval', 'epsilon', epsilon);
    check('batchNormEval', inputs, inputs.length > 5 ? [5] : [], [1, 2, 3, 4]);
    return floats(inputs[0].shape);
  },
  cost(inputs, params) {
    return cost(inputs, this.infer(inputs, params), 4);
  },
};

/**
 * Inputs [x, y, dy, gamma, mean, inverseStd] with the forward call's y, mean and inverseStd (y only tells where the ReLU
 * was shut); outputs [dx, dgamma, dbeta] and, with `residual`, dresidual.
 */
export const batchNormTrainGradientDefinition: KernelDefinition<BatchNormTrainGradientParams> = {
  name: 'batchNormTrainGradient',
  infer(inputs, params): Spec[] {
    check('batchNormTrainGradient', inputs, [1, 2], [3, 4, 5]);
    checkCount('batchNormTrainGradient', inputs);
    return gradientOutputs(inputs, params.residual);
  },
  cost(inputs, params) {
    return cost(inputs, this.infer(inputs, params), 10);
  },
};

/**
 * Inputs [x, y, dy, gamma, runningMean, runningVariance]; outputs [dx, dgamma, dbeta] and, with `residual`, dresidual.
 * The running statistics are constants here: no gradient flows through them.
 */
export const batchNormEvalGradientDefinition: KernelDefinition<BatchNormEvalGradientParams> = {
  name: 'batchNormEvalGradient',
  infer(inputs, params): Spec[] {
    check('batchNormEvalGradient', inputs, [1, 2], [3, 4, 5]);
    return gradientOutputs(inputs, params.residual);
  },
  cost(inputs, params) {
    return cost(inputs, this.infer(inputs, params), 6);
  },
};

function gradientOutputs(inputs: readonly Spec[], residual: boolean): Spec[] {
  const image = inputs[0].shape;
  const vector = inputs[3].shape;
  return residual ? floats(image, vector, vector, image) : floats(image, vector, vector);
}
