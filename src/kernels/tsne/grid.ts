/**
 * Between points and a grid of nodes, on which repulsion is a convolution: `tsneSpread` gives each point's charge of 1 to the
 * three by three nodes around it, `tsneGather` takes what a field is at a point from the same nodes. The weights are those
 * of the quadratic B-spline; the convolution (`explore/interpolated-repulsion.ts`) undoes the smoothing that they bring.
 *
 * G. C. Linderman et al.: Fast interpolation-based t-SNE for improved visualization of single-cell RNA-seq data. Nature
 * Methods 16, 2019, with three nodes per box. They interpolate by a polynomial in each box; splines on the same nodes are
 * continuous, and their forces six times nearer the exact ones (README).
 */
import { DTypeError, ShapeError, UsageError } from '../../devices/errors.ts';
import type { KernelDefinition, Spec } from '../../devices/kernel.ts';
import { formatShape } from '../../devices/shape.ts';
import { trafficOf } from '../traffic.ts';

export interface TsneSpreadParams {
  /** Nodes along each axis, at least 4. */
  readonly nodes: number;
}

export type TsneGatherParams = Record<string, never>;

function checkPlaced(what: string, y: Spec, placement: Spec): void {
  if (y.dtype !== 'float32' || placement.dtype !== 'float32') {
    throw new DTypeError(`${what} takes float32, not ${y.dtype} and ${placement.dtype}.`);
  }
  if (y.shape.length !== 2 || y.shape[1] !== 2 || placement.shape.join() !== '3') {
    throw new ShapeError(
      `${what}: ${formatShape(y.shape)} and ${formatShape(placement.shape)} are no points [n, 2] and a placement [3].`,
    );
  }
}

/**
 * Inputs: y [n, 2]; placement [3]: the coordinates of node (0, 0), and nodes per unit of length. Output: charges [nodes,
 * nodes], row by row of the second coordinate. With a point's place t in nodes, node k = round(t) and u = t - k, nodes k - 1,
 * k, k + 1 have along each axis the weights (1/2 - u)^2 / 2, 3/4 - u^2, (1/2 + u)^2 / 2. Places must lie within 1 to
 * nodes - 3; others count as the nearest of these.
 */
export const tsneSpreadDefinition: KernelDefinition<TsneSpreadParams> = {
  name: 'tsneSpread',
  infer([y, placement], { nodes }) {
    checkPlaced('tsneSpread', y, placement);
    if (!Number.isInteger(nodes) || nodes < 4) {
      throw new UsageError(`tsneSpread: a grid has at least 4 nodes along each axis, not ${nodes}.`);
    }
    return [{ shape: [nodes, nodes], dtype: 'float32' }];
  },
  cost(inputs, params) {
    return { flops: 34 * inputs[0].shape[0], bytes: trafficOf(inputs, this.infer(inputs, params)) };
  },
};

/** Inputs: y [n, 2]; placement [3], as above; field [nodes, nodes, 2]. Output [n, 2]: the field where the points are. */
export const tsneGatherDefinition: KernelDefinition<TsneGatherParams> = {
  name: 'tsneGather',
  infer([y, placement, field]) {
    checkPlaced('tsneGather', y, placement);
    const { shape, dtype } = field;
    if (dtype !== 'float32') throw new DTypeError(`tsneGather takes a field of float32, not ${dtype}.`);
    if (shape.length !== 3 || shape[0] !== shape[1] || shape[0] < 4 || shape[2] !== 2) {
      throw new ShapeError(`tsneGather: ${formatShape(shape)} is no field [nodes, nodes, 2] of at least 4 nodes.`);
    }
    return [{ shape: y.shape, dtype: 'float32' }];
  },
  cost(inputs, params) {
    return { flops: 52 * inputs[0].shape[0], bytes: trafficOf(inputs, this.infer(inputs, params)) };
  },
};

/** The first of three nodes along an axis of `nodes`, around a place in nodes, and their weights. */
export function nodesAround(place: number, nodes: number): { first: number; weights: [number, number, number] } {
  const t = Math.min(nodes - 3, Math.max(1, place));
  const node = Math.floor(t + 0.5);
  const u = t - node;
  return { first: node - 1, weights: [(0.5 - u) ** 2 / 2, 0.75 - u * u, (0.5 + u) ** 2 / 2] };
}
