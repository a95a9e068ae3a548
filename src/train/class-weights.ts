/**
 * What each class counts in the loss. Where one class has ten times as many images as another, a network that never names
 * the small one is right ten times out of eleven; weights that fall with the number of images make both classes count alike.
 */

import { classCounts } from '../data/dataset.ts';
import { everyOf, inRange, refuse } from '../devices/checks.ts';

/** `balanced`, or a number above 0 for each class, by label. */
export type ClassWeights = 'balanced' | readonly number[];

/** What images an epoch is made of: each once, or equally many of every class (see `balancedIndices`). */
export type Sampling = 'shuffled' | 'balanced';

export const SAMPLINGS: readonly Sampling[] = ['shuffled', 'balanced'];

/**
 * Weights with which every class counts the same: N / (K n) for a class with n of N images, where K classes have any; so the
 * mean over the images is 1. A class without images has the weight 1. scikit-learn's `class_weight="balanced"`, after
 * G. King, L. Zeng: Logistic regression in rare events data, Political Analysis 9(2), 2001.
 *
 * @param labels of the images that are trained on
 */
export function balancedClassWeights(labels: Uint8Array, classes: number): number[] {
  const counts = classCounts(labels, classes);
  const present = counts.filter(count => count > 0).length;
  return counts.map(count => (count === 0 ? 1 : labels.length / (present * count)));
}

/**
 * The weight of every class.
 * @throws UsageError for weights that are not as many as the classes, or not above 0
 */
export function classWeightsFor(weights: ClassWeights, labels: Uint8Array, classes: number): readonly number[] {
  if (weights === 'balanced') return balancedClassWeights(labels, classes);
  if (weights.length !== classes) {
    refuse('fit', 'classWeights', weights, `"balanced" or one number for each of the ${classes} classes`);
  }
  return weights;
}

/** Checks what can be checked without knowing the classes. */
export function checkClassWeights(what: string, name: string, weights: ClassWeights): ClassWeights {
  if (weights === 'balanced') return weights;
  if (!Array.isArray(weights)) return refuse(what, name, weights, '"balanced" or a list of numbers');
  everyOf(what, name, weights, (_, at, weight) => inRange(what, at, weight, { above: 0 }));
  return weights;
}
