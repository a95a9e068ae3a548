/**
 * The part of t-SNE that knows every pair of points: how strongly each point is pushed away by all others, and the sum of
 * similarities that normalises them. O(n^2) work on O(n) memory, exact (nothing is approximated by a tree or a grid). The
 * attraction, which knows only neighbours, is sparse and stays on the host (`explore/tsne.ts`).
 *
 * Both results are kept per row and summed over rows by the host in float64: the normaliser of a large map is a sum of
 * billions of terms, of which float32 holds seven digits.
 */
import { DTypeError, ShapeError } from '../../devices/errors.ts';
import type { KernelDefinition, Spec } from '../../devices/kernel.ts';
import { formatShape } from '../../devices/shape.ts';
import { trafficOf } from '../traffic.ts';

export type TsneRepulsionParams = Record<string, never>;

/**
 * Points whose contributions are added up before they join their row's sum: a long sum of float32 loses digits with its
 * length, a sum of sums hardly any.
 */
export const BLOCK = 1024;

/** Points of the map. */
export function pointsOf([y]: readonly Spec[]): number {
  return y.shape[1];
}

/**
 * Input y [2, n], coordinates apart, so that a vector load takes four points. With the similarity
 * q_ij = 1 / (1 + |y_i - y_j|^2) of Student's t distribution, outputs
 *
 *     repulsion [2, n]    sum over j of q_ij^2 (y_i - y_j)
 *     normalizer [n]      sum over j other than i of q_ij
 *
 * L. van der Maaten, G. Hinton: Visualizing data using t-SNE. JMLR 9, 2008.
 */
export const tsneRepulsionDefinition: KernelDefinition<TsneRepulsionParams> = {
  name: 'tsneRepulsion',
  infer(inputs) {
    const [{ shape, dtype }] = inputs;
    if (dtype !== 'float32') throw new DTypeError(`tsneRepulsion takes float32, not ${dtype}.`);
    if (shape.length !== 2 || shape[0] !== 2) {
      throw new ShapeError(`tsneRepulsion: a map has shape [2, points], not ${formatShape(shape)}.`);
    }
    return [
      { shape, dtype },
      { shape: [shape[1]], dtype },
    ];
  },
  cost(inputs, params) {
    const n = pointsOf(inputs);
    // Two differences, their squares and the sum of them, 1 +, quotient, square, two products, three sums.
    return { flops: 13 * n * n, bytes: trafficOf(inputs, this.infer(inputs, params)) };
  },
};
