/**
 * One epoch of UMAP's layout. umap-learn moves both ends of an edge at once, one edge after the other, so that its result
 * depends on their order and on threads. Here every point moves by itself: it follows its own due edges and the others that it
 * meets by chance, one after the other, among points that stand where they stood when the epoch began. Which points it meets
 * is counted, not drawn (Philox), so a result depends neither on threads nor on the device but for rounding.
 */
import { DTypeError, ShapeError } from '../../devices/errors.ts';
import type { KernelDefinition, Spec } from '../../devices/kernel.ts';
import { formatShape } from '../../devices/shape.ts';
import { trafficOf } from '../traffic.ts';

export interface UmapEpochParams {
  /** Points that are met by chance for each due edge. */
  readonly negatives: number;
}

/** No coordinate changes by more than this times the learning rate at once. */
export const LONGEST_FORCE = 4;
/** Keeps repulsion finite; umap-learn's. */
export const SOFTENING = 0.001;
/** Squared distances are taken to be at least this: powers of 0 are none. */
export const LEAST_SQUARE = 1e-30;

/** Points that move, entries of their rows, and points among which they move. */
export function umapSizes([y, , columns, , others]: readonly Spec[]): {
  readonly points: number;
  readonly entries: number;
  readonly others: number;
} {
  return { points: y.shape[0], entries: columns.shape[0], others: others.shape[0] };
}

/**
 * Inputs: y [n, 2]; starts [n + 1] (int32); columns [entries] (int32), indices into `others`; rates [entries], how often in an
 * epoch an edge is due, 0 to 1; others [m, 2], the points as the epoch began (y itself, or a map on which new points are
 * placed); settings [5]: a, b, learning rate, strength of repulsion, and how many times a due edge pulls; state [4] (uint32):
 * seed, stream, epoch, 0. Output [n, 2].
 *
 * Edge e is due in epoch t when floor((t + 1) rate) > floor(t rate), in float32. It pulls by 2 a b d^(2b - 2) / (1 + a d^2b);
 * a point that is met pushes by 2 b / ((0.001 + d^2) (1 + a d^2b)), four at a time from where the point stands.
 * Sample s = 16 c + 4 w + l of point i is word w of the block (4 c + l, i, epoch, 0), as a share of m.
 *
 * L. McInnes, J. Healy, J. Melville: UMAP: Uniform manifold approximation and projection. arXiv 1802.03426, 2018.
 */
export const umapEpochDefinition: KernelDefinition<UmapEpochParams> = {
  name: 'umapEpoch',
  infer(inputs, { negatives }) {
    const wanted = ['float32', 'int32', 'int32', 'float32', 'float32', 'float32', 'uint32'];
    const found = inputs.map(({ dtype }) => dtype);
    if (found.join() !== wanted.join()) throw new DTypeError(`umapEpoch takes ${wanted}, not ${found}.`);
    const shapes = inputs.map(({ shape }) => shape);
    const [y, starts, columns, rates, others, settings, state] = shapes;
    const fits =
      y.length === 2 &&
      y[1] === 2 &&
      starts.join() === `${y[0] + 1}` &&
      columns.length === 1 &&
      rates.join() === columns.join() &&
      others.length === 2 &&
      others[1] === 2 &&
      settings.join() === '5' &&
      state.join() === '4' &&
      Number.isInteger(negatives) &&
      negatives >= 0;
    if (!fits) {
      throw new ShapeError(
        `umapEpoch: ${shapes.map(formatShape).join(', ')} are no points [n, 2], starts [n + 1], columns and rates [entries], ` +
          `other points [m, 2], settings [5] and state [4], or ${negatives} is no number of points to meet.`,
      );
    }
    return [{ shape: y, dtype: 'float32' }];
  },
  cost(inputs, params) {
    // About as many as if every third edge were due: a power counted as 20, and 15 besides.
    return {
      flops: Math.round((35 * (1 + params.negatives) * umapSizes(inputs).entries) / 3),
      bytes: trafficOf(inputs, this.infer(inputs, params)),
    };
  },
};
