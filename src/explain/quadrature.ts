/** Gauss-Legendre quadrature: n points that integrate polynomials up to degree 2n - 1 exactly. */
import { UsageError } from '../devices/errors.ts';

export interface Quadrature {
  readonly nodes: Float64Array;
  readonly weights: Float64Array;
}

/** Value and derivative of the Legendre polynomial of degree n, by its recurrence. */
function legendre(n: number, x: number): [number, number] {
  let [previous, value] = [1, x];
  for (let k = 2; k <= n; k++) [previous, value] = [value, ((2 * k - 1) * x * value - (k - 1) * previous) / k];
  return [value, (n * (x * value - previous)) / (x * x - 1)];
}

/**
 * Nodes and weights on [0, 1], in ascending order: the roots of the Legendre polynomial by Newton's method, from
 * Tricomi's estimate.
 * @param points 1 or more
 */
export function gaussLegendre(points: number): Quadrature {
  if (!Number.isInteger(points) || points < 1) {
    throw new UsageError(`A quadrature has at least one point, not ${points}.`);
  }
  const nodes = new Float64Array(points);
  const weights = new Float64Array(points);
  if (points === 1) return { nodes: nodes.fill(0.5), weights: weights.fill(1) };
  for (let i = 0; i < points; i++) {
    let root = Math.cos((Math.PI * (i + 0.75)) / (points + 0.5));
    for (let step = 0; step < 100; step++) {
      const [value, slope] = legendre(points, root);
      const move = value / slope;
      root -= move;
      if (Math.abs(move) < 1e-16) break;
    }
    const [, slope] = legendre(points, root);
    nodes[points - 1 - i] = (1 + root) / 2;
    weights[points - 1 - i] = 1 / ((1 - root * root) * slope * slope);
  }
  return { nodes, weights };
}
