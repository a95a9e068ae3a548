/**
 * Batch normalisation over the last axis, with the activation and residual addition that usually follow fused in. In
 * training the batch's own statistics are used and the running ones updated in place; the gradient is one fused kernel,
 * or, when it is to be differentiated or subject to rules, the gradient of the formula spelled out in finer operations.
 */
import { UsageError } from '../../devices/errors.ts';
import { retain, type Storage } from '../../devices/storage.ts';
import {
  type BatchNormEvalParams,
  type BatchNormTrainParams,
  batchNormEvalGradient as evalGradientKernel,
  batchNormEval as evalKernel,
  batchNormTrainGradient as trainGradientKernel,
  batchNormTrain as trainKernel,
} from '../../kernels/batchnorm/index.ts';
import type { FusedActivation } from '../../kernels/matmul/index.ts';
import { Tensor } from '../../tensor/tensor.ts';
import { apply, type GradientContext, kernelOp, type Op, runKernel } from '../op.ts';
import { EVERYWHERE, type OpRows, type Sample } from '../row.ts';
import { add, affine, mul, relu, rsqrt, sub } from './elementwise.ts';
import { mean, variance } from './reduce.ts';

/** Runs a gradient kernel whose outputs are [dx, dgamma, dbeta, dresidual?], into destinations where there are any. */
function wrap(
  outputs: readonly { storage: Storage; shape: readonly number[] }[],
  into: readonly (Storage | undefined)[],
) {
  return outputs.map(({ storage, shape }, i) => new Tensor(into[i] ? retain(storage) : storage, shape));
}

function scaleShift(
  xhat: Tensor,
  gamma: Tensor,
  beta: Tensor,
  residual: Tensor | undefined,
  activation: FusedActivation,
) {
  const scaled = add(mul(xhat, gamma), beta);
  const sum = residual ? add(scaled, residual) : scaled;
  return activation === 'relu' ? relu(sum) : sum;
}

/** Params of the train op carry the running statistics: state, not operands; they take no part in the gradient. */
export interface TrainParams {
  readonly kernel: BatchNormTrainParams;
  readonly running: readonly [Storage, Storage];
}

const trainOp: Op<TrainParams> = {
  name: 'batchNormTrain',
  run(inputs, { kernel, running }) {
    const outputs = runKernel(trainKernel, inputs, kernel, [undefined, undefined, undefined, ...running]);
    return outputs.slice(0, 3);
  },
  gradient({ inputs: [x, gamma, , residual], outputs: [y, mean, inverseStd], params, upstream, into }) {
    const gradientParams = { activation: params.kernel.activation, residual: residual !== undefined };
    // Operands are [x, gamma, beta, residual], outputs [dx, dgamma, dbeta, dresidual].
    const outputs = runKernel(trainGradientKernel, [x, y, upstream, gamma, mean, inverseStd], gradientParams, into);
    return wrap(outputs, into);
  },
  decompose([x, gamma, beta, residual], { kernel: { epsilon, activation } }) {
    const axes = x.shape.slice(0, -1).map((_, axis) => axis);
    const centred = sub(x, mean(x, axes));
    const xhat = mul(centred, rsqrt(affine(variance(x, axes), 1, epsilon)));
    return scaleShift(xhat, gamma, beta, residual, activation);
  },
};

const evalOp: Op<BatchNormEvalParams> = kernelOp('batchNormEval', evalKernel, {
  gradient({
    inputs: [x, gamma, , runningMean, runningVariance, residual],
    outputs: [y],
    params,
    upstream,
    into,
  }: GradientContext<BatchNormEvalParams>) {
    const gradientParams = { ...params, residual: residual !== undefined };
    const targets = [into[0], into[1], into[2], into[5]];
    const outputs = runKernel(
      evalGradientKernel,
      [x, y, upstream, gamma, runningMean, runningVariance],
      gradientParams,
      targets,
    );
    const [dx, dgamma, dbeta, dresidual] = wrap(outputs, targets);
    return [dx, dgamma, dbeta, undefined, undefined, dresidual];
  },
  decompose([x, gamma, beta, runningMean, runningVariance, residual], { epsilon, activation }) {
    const xhat = mul(sub(x, runningMean), rsqrt(affine(runningVariance, 1, epsilon)));
    return scaleShift(xhat, gamma, beta, residual, activation);
  },
});

export interface BatchNormOptions {
  readonly runningMean: Tensor;
  readonly runningVariance: Tensor;
  /** Use the batch's statistics and update the running ones (true), or use the running ones. */
  readonly training: boolean;
  /** Share of the batch in the new running value: running = (1 - momentum) running + momentum batch. Default 0.1. */
  readonly momentum?: number;
  /** Added to the variance. Default 1e-5. */
  readonly epsilon?: number;
  /** Added before the activation; the shape of x. */
  readonly residual?: Tensor;
  readonly activation?: FusedActivation;
}

/**
 * act(gamma (x - mean) / sqrt(variance + epsilon) + beta + residual) for x [..., C], gamma and beta [C]. The running
 * variance takes the unbiased estimate, as in PyTorch.
 */
export function batchNorm(x: Tensor, gamma: Tensor, beta: Tensor, options: BatchNormOptions): Tensor {
  const {
    runningMean,
    runningVariance,
    training,
    momentum = 0.1,
    epsilon = 1e-5,
    residual,
    activation = 'none',
  } = options;
  if (!training) {
    const inputs = [x, gamma, beta, runningMean, runningVariance];
    const all = residual ? [...inputs, residual] : inputs;
    const params = { epsilon, activation };
    // The fused gradient takes the statistics for constants.
    if (runningMean.node || runningVariance.node) return evalOp.decompose!(all, params);
    return apply(evalOp, all, params);
  }
  if (runningMean.node || runningVariance.node) {
    throw new UsageError('batchNorm: running statistics are state; no gradient can reach them.');
  }
  const params: TrainParams = {
    kernel: { epsilon, momentum, activation },
    running: [runningMean.storage, runningVariance.storage],
  };
  return apply(trainOp, residual ? [x, gamma, beta, residual] : [x, gamma, beta], params);
}

const images: Sample = { shape: [2, 5, 6, 3] };
const perChannel: Sample = { shape: [3] };
const runningMeans: Sample = { shape: [3], values: [0.1, -0.2, 0.3], isConstant: true };
const runningVariances: Sample = { shape: [3], values: [0.5, 1.5, 2], isConstant: true };

/** The call of the examples: training or not, a residual or none. */
function normalized(
  [x, gamma, beta, runningMean, runningVariance, residual]: readonly Tensor[],
  training: boolean,
  activation: FusedActivation,
): Tensor {
  return batchNorm(x, gamma, beta, { runningMean, runningVariance, training, residual, activation });
}

export const batchNormRows = {
  batchNormTrain: {
    about: "Batch normalisation by the batch's own statistics, with residual addition and activation in its last step.",
    op: trainOp,
    functions: [batchNorm],
    kernels: [trainKernel, trainGradientKernel],
    linearity: 'composed',
    reach: EVERYWHERE,
    examples: [
      {
        inputs: [images, perChannel, perChannel, runningMeans, runningVariances],
        run: (...inputs: Tensor[]) => normalized(inputs, true, 'none'),
      },
      {
        title: 'residual, relu',
        inputs: [images, perChannel, perChannel, runningMeans, runningVariances, images],
        run: (...inputs: Tensor[]) => normalized(inputs, true, 'relu'),
      },
    ],
    onnx: 'BatchNormalization',
  },
  batchNormEval: {
    about: 'Batch normalisation by running statistics, with residual addition and activation in its last step.',
    op: evalOp,
    functions: [batchNorm],
    kernels: [evalKernel, evalGradientKernel],
    linearity: 'composed',
    reach: 'same',
    examples: [
      {
        inputs: [images, perChannel, perChannel, runningMeans, runningVariances],
        run: (...inputs: Tensor[]) => normalized(inputs, false, 'none'),
      },
      {
        title: 'residual, relu',
        inputs: [images, perChannel, perChannel, runningMeans, runningVariances, images],
        run: (...inputs: Tensor[]) => normalized(inputs, false, 'relu'),
      },
    ],
    onnx: 'BatchNormalization',
  },
} satisfies OpRows;
