/** Optimizer steps as plain loops in float64. */
import type { TypedArray } from '../../devices/dtype.ts';
import type { Spec } from '../../devices/kernel.ts';
import { type AdamParams, CLIP_UNIT, type ClipParams, type EmaParams, type SgdParams } from './optimizer.ts';

export function sgdStepReference(
  [gradient, hyper]: readonly TypedArray[],
  [parameter, velocity]: readonly TypedArray[],
  _specs: readonly Spec[],
  { momentum, nesterov, weightDecay }: SgdParams,
): void {
  const learningRate = hyper[0];
  for (let i = 0; i < parameter.length; i++) {
    const g = gradient[i] + weightDecay * parameter[i];
    let step = g;
    if (momentum !== 0) {
      velocity[i] = momentum * velocity[i] + g;
      step = nesterov ? g + momentum * velocity[i] : velocity[i];
    }
    parameter[i] -= learningRate * step;
  }
}

export function adamStepReference(
  [gradient, hyper]: readonly TypedArray[],
  [parameter, m, v]: readonly TypedArray[],
  _specs: readonly Spec[],
  { beta1, beta2, epsilon, weightDecay, decoupled }: AdamParams,
): void {
  const [learningRate, correction1, correction2] = hyper;
  for (let i = 0; i < parameter.length; i++) {
    const g = gradient[i] + (decoupled ? 0 : weightDecay * parameter[i]);
    if (decoupled) parameter[i] -= learningRate * weightDecay * parameter[i];
    m[i] = beta1 * m[i] + (1 - beta1) * g;
    v[i] = beta2 * v[i] + (1 - beta2) * g * g;
    parameter[i] -= ((learningRate / correction1) * m[i]) / (Math.sqrt(v[i]) / Math.sqrt(correction2) + epsilon);
  }
}

export function emaStepReference(
  [parameter, hyper]: readonly TypedArray[],
  [average]: readonly TypedArray[],
  _specs: readonly Spec[],
  _params: EmaParams,
): void {
  const [rest, decay] = hyper;
  for (let i = 0; i < average.length; i++) {
    const way = parameter[i] - average[i];
    average[i] = rest < 0.5 ? average[i] + rest * way : parameter[i] - decay * way;
  }
}

export function clipByGlobalNormReference(
  [[sumOfSquares, ofScaled]]: readonly TypedArray[],
  [gradient]: readonly TypedArray[],
  _specs: readonly Spec[],
  { maxNorm }: ClipParams,
): void {
  const norm = sumOfSquares === Number.POSITIVE_INFINITY ? Math.sqrt(ofScaled) / CLIP_UNIT : Math.sqrt(sumOfSquares);
  const scale = Number.isFinite(norm) ? Math.min(1, maxNorm / (norm + 1e-6)) : Number.NaN;
  for (let i = 0; i < gradient.length; i++) gradient[i] *= scale;
}
