/** Softmax and cross-entropy, row by row. `softmax.ts` has the formulas. */
import type { TypedArray } from '../../devices/dtype.ts';
import type { Spec } from '../../devices/kernel.ts';
import { type CrossEntropyParams, softmaxSizes } from './softmax.ts';

/** Log-probabilities of the row of `classes` logits that starts at `offset`. */
function logProbabilities(x: TypedArray, offset: number, classes: number): Float64Array {
  let largest = x[offset];
  for (let j = 1; j < classes; j++) largest = Math.max(largest, x[offset + j]);
  let sum = 0;
  for (let j = 0; j < classes; j++) sum += Math.exp(x[offset + j] - largest);
  const logSum = Math.log(sum);
  return Float64Array.from({ length: classes }, (_, j) => x[offset + j] - largest - logSum);
}

export function softmaxReference([x]: readonly TypedArray[], [y]: readonly TypedArray[], specs: readonly Spec[]): void {
  const { rows, classes } = softmaxSizes(specs);
  for (let row = 0; row < rows; row++) {
    const logp = logProbabilities(x, row * classes, classes);
    for (let j = 0; j < classes; j++) y[row * classes + j] = Math.exp(logp[j]);
  }
}

export function logSoftmaxReference(
  [x]: readonly TypedArray[],
  [y]: readonly TypedArray[],
  specs: readonly Spec[],
): void {
  const { rows, classes } = softmaxSizes(specs);
  for (let row = 0; row < rows; row++) y.set(logProbabilities(x, row * classes, classes), row * classes);
}

/** dx = y (dy - sum(y dy)) */
export function softmaxGradientReference(
  [y, dy]: readonly TypedArray[],
  [dx]: readonly TypedArray[],
  specs: readonly Spec[],
): void {
  const { rows, classes } = softmaxSizes(specs);
  for (let row = 0; row < rows; row++) {
    const start = row * classes;
    let sum = 0;
    for (let i = start; i < start + classes; i++) sum += y[i] * dy[i];
    for (let i = start; i < start + classes; i++) dx[i] = y[i] * (dy[i] - sum);
  }
}

/** dx = dy - exp(y) sum(dy) */
export function logSoftmaxGradientReference(
  [y, dy]: readonly TypedArray[],
  [dx]: readonly TypedArray[],
  specs: readonly Spec[],
): void {
  const { rows, classes } = softmaxSizes(specs);
  for (let row = 0; row < rows; row++) {
    const start = row * classes;
    let sum = 0;
    for (let i = start; i < start + classes; i++) sum += dy[i];
    for (let i = start; i < start + classes; i++) dx[i] = dy[i] - Math.exp(y[i]) * sum;
  }
}

export function crossEntropyReference(
  [logits, labels]: readonly TypedArray[],
  [loss]: readonly TypedArray[],
  specs: readonly Spec[],
  { smoothing }: CrossEntropyParams,
): void {
  const { rows, classes } = softmaxSizes(specs);
  for (let row = 0; row < rows; row++) {
    const logp = logProbabilities(logits, row * classes, classes);
    const label = labels[row];
    if (label < 0 || label >= classes) {
      loss[row] = Number.NaN;
      continue;
    }
    loss[row] = smoothing < 1 ? -(1 - smoothing) * logp[label] : 0;
    if (smoothing > 0) for (let j = 0; j < classes; j++) loss[row] -= (smoothing / classes) * logp[j];
  }
}

export function crossEntropyGradientReference(
  [logits, labels, dloss]: readonly TypedArray[],
  [dlogits]: readonly TypedArray[],
  specs: readonly Spec[],
  { smoothing }: CrossEntropyParams,
): void {
  const { rows, classes } = softmaxSizes(specs);
  for (let row = 0; row < rows; row++) {
    const logp = logProbabilities(logits, row * classes, classes);
    const label = labels[row];
    const possible = label >= 0 && label < classes;
    for (let j = 0; j < classes; j++) {
      const target = smoothing / classes + (j === label ? 1 - smoothing : 0);
      dlogits[row * classes + j] = possible ? (Math.exp(logp[j]) - target) * dloss[row] : Number.NaN;
    }
  }
}

export function crossEntropySoftReference(
  [logits, targets]: readonly TypedArray[],
  [loss]: readonly TypedArray[],
  specs: readonly Spec[],
): void {
  const { rows, classes } = softmaxSizes(specs);
  for (let row = 0; row < rows; row++) {
    const logp = logProbabilities(logits, row * classes, classes);
    loss[row] = 0;
    for (let j = 0; j < classes; j++) {
      const target = targets[row * classes + j];
      if (target !== 0 || logp[j] !== -Infinity) loss[row] -= target * logp[j]; // 0 log 0 = 0
    }
  }
}

export function crossEntropySoftGradientReference(
  [logits, targets, dloss]: readonly TypedArray[],
  [dlogits]: readonly TypedArray[],
  specs: readonly Spec[],
): void {
  const { rows, classes } = softmaxSizes(specs);
  for (let row = 0; row < rows; row++) {
    const start = row * classes;
    const logp = logProbabilities(logits, start, classes);
    let total = 0;
    for (let j = 0; j < classes; j++) total += targets[start + j];
    for (let j = 0; j < classes; j++) {
      dlogits[start + j] = (Math.exp(logp[j]) * total - targets[start + j]) * dloss[row];
    }
  }
}
