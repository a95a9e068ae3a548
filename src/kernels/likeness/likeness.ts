/**
 * Likenesses between all pairs of many points, a tile of inner products at a time: what the exact divergence of a map is made
 * of. Nothing of a tile is kept but sums over its rows, to which the next tile adds.
 *
 * Squared distances are |a|^2 + |b|^2 - 2 a.b, and not below 0.
 */
import { DTypeError, ShapeError } from '../../devices/errors.ts';
import type { KernelDefinition, Spec } from '../../devices/kernel.ts';
import { formatShape } from '../../devices/shape.ts';
import { trafficOf } from '../traffic.ts';

export type LikenessParams = Record<string, never>;

function checkTile(what: string, inputs: readonly Spec[], parts: readonly [number, number]): void {
  const found = inputs.map(({ dtype }) => dtype).join();
  if (found !== 'float32,float32,float32,int32') {
    throw new DTypeError(`${what} takes float32 three times and int32, not ${found}.`);
  }
  const [products, rows, columns, places] = inputs.map(({ shape }) => shape);
  const fits =
    products.length === 2 &&
    rows.join() === `${parts[0]},${products[0]}` &&
    columns.join() === `${parts[1]},${products[1]}` &&
    places.join() === '2';
  if (!fits) {
    throw new ShapeError(
      `${what}: ${[products, rows, columns, places].map(formatShape).join(', ')} are no products [rows, columns], ` +
        `[${parts[0]}, rows], [${parts[1]}, columns] and places [2].`,
    );
  }
}

/**
 * Inputs: products [rows, columns]; rows [3, rows]: |a_i|^2, the precision beta_i, an offset o_i; columns [1, columns]:
 * |b_j|^2; places [2] (int32), as in keepNearest: the indices of the first column and of the first row, a pair of equal
 * indices being left out. Output [rows, 3], to which is added, with x = d_ij^2 - o_i and e = exp(-beta_i x),
 *
 *     sum of e,  sum of e x,  sum of e x^2
 */
export const gaussianSumsDefinition: KernelDefinition<LikenessParams> = {
  name: 'gaussianSums',
  updates: [0],
  infer(inputs) {
    checkTile('gaussianSums', inputs, [3, 1]);
    return [{ shape: [inputs[0].shape[0], 3], dtype: 'float32' }];
  },
  cost(inputs, params) {
    const [rows, columns] = inputs[0].shape;
    return { flops: 28 * rows * columns, bytes: trafficOf(inputs, this.infer(inputs, params)) };
  },
};

/**
 * Inputs: products [rows, columns]; rows [5, rows] and columns [5, columns]: |a_i|^2, beta_i, c_i, and the coordinates on a
 * map, (u_i, v_i); places [2] (int32), as above. Output [rows, 2], to which is added, with
 * p = exp(c_i - beta_i d_ij^2) + exp(c_j - beta_j d_ij^2) and D the distance on the map,
 *
 *     sum of p ln(p (1 + D_ij^2)),  sum of p
 */
export const divergenceSumsDefinition: KernelDefinition<LikenessParams> = {
  name: 'divergenceSums',
  updates: [0],
  infer(inputs) {
    checkTile('divergenceSums', inputs, [5, 5]);
    return [{ shape: [inputs[0].shape[0], 2], dtype: 'float32' }];
  },
  cost(inputs, params) {
    const [rows, columns] = inputs[0].shape;
    return { flops: 90 * rows * columns, bytes: trafficOf(inputs, this.infer(inputs, params)) };
  },
};

/** The least p of which a logarithm is taken: 0 ln 0 is 0. */
export const LEAST_LIKENESS = 1e-37;
