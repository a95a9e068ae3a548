/**
 * How UMAP sees the input: a graph whose edges have a degree of membership, 0 to 1. Seen from a point, its nearest neighbour
 * belongs to it wholly and others the less the farther they are beyond that one, at a rate with which memberships sum to the
 * binary logarithm of the number of neighbours. An edge is in the graph if either end says so (the probabilistic union).
 *
 * L. McInnes, J. Healy, J. Melville: UMAP: Uniform manifold approximation and projection. arXiv 1802.03426, 2018, section 4.1.
 */
import { UsageError } from '../devices/errors.ts';
import { type Affinities, sortRow, symmetrized } from './affinities.ts';
import { checkNeighbours } from './checks.ts';
import type { Neighbours } from './neighbours.ts';

const HALVINGS = 64;
const TOLERANCE = 1e-5;
/** A width is at least this share of the mean distance; umap-learn's. */
const LEAST_WIDTH = 1e-3;

/** Memberships exp(-max(0, d - rho) / sigma) of one point's neighbours. */
export interface SmoothNeighbours {
  readonly memberships: Float64Array;
  /** Distance up to which a neighbour belongs wholly; in the unit of the distances. */
  readonly rho: number;
  readonly sigma: number;
}

/**
 * Memberships of one point's neighbours, which sum to log2(neighbours + 1) where a width can make them.
 *
 * @param distances ascending, without the point's own 0
 * @param meanOfAll mean distance of all points' neighbours: the width where all of a point's neighbours are at its place
 * @param isConnected whether the nearest neighbour apart from the point belongs wholly, as among the points of a map; to points
 *   that are added to a map nobody needs to
 */
export function smoothNeighbours(distances: Float64Array, meanOfAll: number, isConnected = true): SmoothNeighbours {
  const wanted = Math.log2(distances.length + 1);
  const rho = isConnected ? (distances.find(distance => distance > 0) ?? 0) : 0;
  const sumAt = (sigma: number): number => {
    let sum = 0;
    for (const distance of distances) sum += distance > rho ? Math.exp(-(distance - rho) / sigma) : 1;
    return sum;
  };
  let low = 0;
  let high = Number.POSITIVE_INFINITY;
  let sigma = 1;
  for (let step = 0; step < HALVINGS; step++) {
    const sum = sumAt(sigma);
    if (Math.abs(sum - wanted) < TOLERANCE) break;
    if (sum > wanted) high = sigma;
    else low = sigma;
    sigma = high === Number.POSITIVE_INFINITY ? 2 * sigma : (low + high) / 2;
  }
  const mean = distances.reduce((sum, distance) => sum + distance, 0) / distances.length;
  sigma = Math.max(sigma, LEAST_WIDTH * (rho > 0 ? mean : meanOfAll));
  const memberships = Float64Array.from(distances, distance =>
    distance > rho && sigma > 0 ? Math.exp(-(distance - rho) / sigma) : 1,
  );
  return { memberships, rho, sigma };
}

/** Memberships of all points' neighbours, `[count, k]`, each row in the order of its neighbours. */
export function memberships(neighbours: Neighbours, isConnected = true): Float64Array {
  checkNeighbours(neighbours, 'UMAP');
  const { count, k, distances } = neighbours;
  const bad = distances.findIndex(distance => !(distance >= 0 && distance < Number.POSITIVE_INFINITY));
  if (bad >= 0) {
    throw new UsageError(`UMAP: a neighbour of point ${Math.floor(bad / k)} lies at a distance of ${distances[bad]}.`);
  }
  const mean = distances.reduce((sum, distance) => sum + distance / distances.length, 0);
  const all = new Float64Array(count * k);
  for (let i = 0; i < count; i++) {
    const own = distances.subarray(i * k, (i + 1) * k);
    all.set(smoothNeighbours(own, mean, isConnected).memberships, i * k);
  }
  return all;
}

/**
 * The graph of some points: entry (i, j) is the membership a + b - a b of the edge between them, with a as i sees it and b as j
 * does.
 * @throws UsageError for distances that are none
 */
export function fuzzyGraph(neighbours: Neighbours): Affinities {
  const { count, k } = neighbours;
  const seen = memberships(neighbours);
  const columns = neighbours.indices.slice();
  for (let i = 0; i < count; i++) {
    sortRow(columns.subarray(i * k, (i + 1) * k), seen.subarray(i * k, (i + 1) * k));
  }
  return symmetrized(count, k, columns, seen, (a, b) => a + b - a * b);
}
