/**
 * The smallest of many numbers, row by row and a tile at a time: what a search for nearest neighbours keeps of a matrix of
 * distances that is too large to be held. Each row's best so far lie in a heap whose root is the worst of them, so that a
 * new number costs one comparison where it is no better, and the depth of the heap where it is.
 */
import { DTypeError, ShapeError, UsageError } from '../../devices/errors.ts';
import type { KernelDefinition } from '../../devices/kernel.ts';
import { formatShape } from '../../devices/shape.ts';
import { trafficOf } from '../traffic.ts';

export interface KeepNearestParams {
  /** Numbers that each row keeps. */
  readonly kept: number;
}

/**
 * Inputs: products [rows, columns] of vectors a_i and b_j; rowLengths [rows] and columnLengths [columns], |a_i|^2 and
 * |b_j|^2; places [2] (int32): the index of the first column, and that of the first row, or a negative number where rows
 * and columns are of different sets. Outputs, updated in place: the heaps, bounds [rows, kept] (at first +infinity) and
 * indices [rows, kept] (at first -1), which are offered
 *
 *     rowLengths_i + columnLengths_j - 2 products_ij
 *
 * for every j but the row's own index, in ascending order of j. Entry e of a heap is at least as large as entries 2 e + 1
 * and 2 e + 2; a number that is smaller than entry 0 takes its place.
 */
export const keepNearestDefinition: KernelDefinition<KeepNearestParams> = {
  name: 'keepNearest',
  updates: [0, 1],
  infer(inputs, { kept }) {
    const wanted = ['float32', 'float32', 'float32', 'int32'];
    const found = inputs.map(({ dtype }) => dtype);
    if (found.join() !== wanted.join()) throw new DTypeError(`keepNearest takes ${wanted}, not ${found}.`);
    const [products, rowLengths, columnLengths, places] = inputs.map(({ shape }) => shape);
    const [rows, columns] = products;
    const fits = rowLengths.join() === `${rows}` && columnLengths.join() === `${columns}` && places.join() === '2';
    if (products.length !== 2 || !fits) {
      throw new ShapeError(
        `keepNearest: ${[products, rowLengths, columnLengths, places].map(formatShape).join(', ')} are no ` +
          'products [rows, columns], lengths [rows] and [columns], and places [2].',
      );
    }
    if (!Number.isInteger(kept) || kept < 1)
      throw new UsageError(`keepNearest: a row keeps at least one, not ${kept}.`);
    return [
      { shape: [rows, kept], dtype: 'float32' },
      { shape: [rows, kept], dtype: 'int32' },
    ];
  },
  cost(inputs, params) {
    const [rows, columns] = inputs[0].shape;
    return { flops: 3 * rows * columns, bytes: trafficOf(inputs, this.infer(inputs, params)) };
  },
};
