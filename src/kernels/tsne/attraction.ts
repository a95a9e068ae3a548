/**
 * The other force of t-SNE: every point is drawn to those that it is like. Likenesses are sparse, row by row (compressed
 * sparse rows): row i has entries starts[i] up to starts[i + 1].
 */
import { DTypeError, ShapeError } from '../../devices/errors.ts';
import type { KernelDefinition, Spec } from '../../devices/kernel.ts';
import { formatShape } from '../../devices/shape.ts';
import { trafficOf } from '../traffic.ts';

export type TsneAttractionParams = Record<string, never>;

/** Points of the map, and of those that draw them. */
export function attractionSizes([y, , columns]: readonly Spec[]): {
  readonly points: number;
  readonly entries: number;
} {
  return { points: y.shape[0], entries: columns.shape[0] };
}

/**
 * Inputs: y [n, 2]; starts [n + 1] (int32); columns [entries] (int32), indices into `others`; values [entries], the p_ij;
 * others [m, 2], the points that draw (the map itself, or a map on which new points are placed). Output [n, 2]:
 *
 *     sum over j of p_ij q_ij (y_i - others_j),  q_ij = 1 / (1 + |y_i - others_j|^2)
 *
 * L. van der Maaten, G. Hinton: Visualizing data using t-SNE. JMLR 9, 2008.
 */
export const tsneAttractionDefinition: KernelDefinition<TsneAttractionParams> = {
  name: 'tsneAttraction',
  infer(inputs) {
    const wanted = ['float32', 'int32', 'int32', 'float32', 'float32'];
    const found = inputs.map(({ dtype }) => dtype);
    if (found.join() !== wanted.join()) throw new DTypeError(`tsneAttraction takes ${wanted}, not ${found}.`);
    const [y, starts, columns, values, others] = inputs.map(({ shape }) => shape);
    const fits =
      y.length === 2 &&
      y[1] === 2 &&
      starts.join() === `${y[0] + 1}` &&
      columns.length === 1 &&
      values.join() === columns.join() &&
      others.length === 2 &&
      others[1] === 2;
    if (!fits) {
      throw new ShapeError(
        `tsneAttraction: ${[y, starts, columns, values, others].map(formatShape).join(', ')} are no points [n, 2], starts ` +
          '[n + 1], columns and values [entries], and other points [m, 2].',
      );
    }
    return [{ shape: y, dtype: 'float32' }];
  },
  cost(inputs, params) {
    // Two differences, their squares, 1 + and the sum of them, quotient, two products, two sums.
    return {
      flops: 12 * attractionSizes(inputs).entries,
      bytes: trafficOf(inputs, this.infer(inputs, params)),
    };
  },
};
