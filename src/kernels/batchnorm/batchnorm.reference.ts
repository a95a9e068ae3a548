/**
 * Batch normalisation as loops over channels. The gradient through the batch's own mean and variance comes down to two
 * sums per channel: with g = dy where the ReLU was open and xhat = (x - mean) inverseStd,
 *
 *     dbeta = sum g      dgamma = sum g xhat      dx = gamma inverseStd (g - dbeta / count - xhat dgamma / count)
 *
 * The last two terms are what is left when g loses its parts along the constant vector and along xhat: a change of x in
 * those two directions is undone by the normalisation.
 */
import type { TypedArray } from '../../devices/dtype.ts';
import type { Spec } from '../../devices/kernel.ts';
import type { FusedActivation } from '../matmul/matmul.ts';
import {
  type BatchNormEvalGradientParams,
  type BatchNormEvalParams,
  type BatchNormTrainGradientParams,
  type BatchNormTrainParams,
  batchNormSizes,
} from './batchnorm.ts';

export function batchNormTrainReference(
  [x, gamma, beta, residual]: readonly TypedArray[],
  [y, mean, inverseStd, runningMean, runningVariance]: readonly TypedArray[],
  specs: readonly Spec[],
  { epsilon, momentum, activation }: BatchNormTrainParams,
): void {
  const { channels, count } = batchNormSizes(specs);
  for (let c = 0; c < channels; c++) {
    let sum = 0;
    for (let row = 0; row < count; row++) sum += x[row * channels + c];
    mean[c] = sum / count;
    let squares = 0;
    for (let row = 0; row < count; row++) squares += (x[row * channels + c] - mean[c]) ** 2;
    inverseStd[c] = 1 / Math.sqrt(squares / count + epsilon);
    normalize(x, residual, y, channels, c, mean[c], inverseStd[c], gamma[c], beta[c], activation);
    const unbiased = squares / (count - 1);
    runningMean[c] = (1 - momentum) * runningMean[c] + momentum * mean[c];
    runningVariance[c] = (1 - momentum) * runningVariance[c] + momentum * unbiased;
  }
}

export function batchNormEvalReference(
  [x, gamma, beta, runningMean, runningVariance, residual]: readonly TypedArray[],
  [y]: readonly TypedArray[],
  specs: readonly Spec[],
  { epsilon, activation }: BatchNormEvalParams,
): void {
  const { channels } = batchNormSizes(specs);
  for (let c = 0; c < channels; c++) {
    const inverseStd = 1 / Math.sqrt(runningVariance[c] + epsilon);
    normalize(x, residual, y, channels, c, runningMean[c], inverseStd, gamma[c], beta[c], activation);
  }
}

/** One channel of y. */
function normalize(
  x: TypedArray,
  residual: TypedArray | undefined,
  y: TypedArray,
  channels: number,
  c: number,
  mean: number,
  inverseStd: number,
  gamma: number,
  beta: number,
  activation: FusedActivation,
): void {
  for (let i = c; i < x.length; i += channels) {
    const value = gamma * ((x[i] - mean) * inverseStd) + beta + (residual ? residual[i] : 0);
    y[i] = activation === 'relu' ? Math.max(value, 0) : value;
  }
}

export function batchNormTrainGradientReference(
  [x, y, dy, gamma, mean, inverseStd]: readonly TypedArray[],
  [dx, dgamma, dbeta, dresidual]: readonly TypedArray[],
  specs: readonly Spec[],
  { activation }: BatchNormTrainGradientParams,
): void {
  const { channels, count } = batchNormSizes(specs);
  const relu = activation === 'relu';
  for (let c = 0; c < channels; c++) {
    const [sum, sumXhat] = gradientSums(x, y, dy, dresidual, channels, c, mean[c], inverseStd[c], relu);
    dbeta[c] = sum;
    dgamma[c] = sumXhat;
    for (let i = c; i < x.length; i += channels) {
      const g = relu && y[i] <= 0 ? 0 : dy[i];
      const xhat = (x[i] - mean[c]) * inverseStd[c];
      dx[i] = gamma[c] * inverseStd[c] * (g - sum / count - (xhat * sumXhat) / count);
    }
  }
}

export function batchNormEvalGradientReference(
  [x, y, dy, gamma, runningMean, runningVariance]: readonly TypedArray[],
  [dx, dgamma, dbeta, dresidual]: readonly TypedArray[],
  specs: readonly Spec[],
  { activation, epsilon }: BatchNormEvalGradientParams,
): void {
  const { channels } = batchNormSizes(specs);
  const relu = activation === 'relu';
  for (let c = 0; c < channels; c++) {
    const inverseStd = 1 / Math.sqrt(runningVariance[c] + epsilon);
    const [sum, sumXhat] = gradientSums(x, y, dy, dresidual, channels, c, runningMean[c], inverseStd, relu);
    dbeta[c] = sum;
    dgamma[c] = sumXhat;
    for (let i = c; i < x.length; i += channels) dx[i] = gamma[c] * inverseStd * (relu && y[i] <= 0 ? 0 : dy[i]);
  }
}

/** Sum of g and of g xhat over one channel; writes g into `dresidual` where there is one. */
function gradientSums(
  x: TypedArray,
  y: TypedArray,
  dy: TypedArray,
  dresidual: TypedArray | undefined,
  channels: number,
  c: number,
  mean: number,
  inverseStd: number,
  relu: boolean,
): [number, number] {
  let sum = 0;
  let sumXhat = 0;
  for (let i = c; i < x.length; i += channels) {
    const g = relu && y[i] <= 0 ? 0 : dy[i];
    sum += g;
    sumXhat += g * (x[i] - mean) * inverseStd;
    if (dresidual) dresidual[i] = g;
  }
  return [sum, sumXhat];
}
