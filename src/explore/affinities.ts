/**
 * How alike t-SNE takes the points of the input to be: around each point a Gaussian, as wide as it must be for its
 * neighbours' shares to have a given perplexity (the effective number of neighbours), made symmetric and scaled to sum to
 * one. Shares beyond three times the perplexity's neighbours are below 1e-2 of the largest and left out by default.
 *
 * L. van der Maaten: Accelerating t-SNE using tree-based algorithms. JMLR 15, 2014.
 */
import { UsageError } from '../devices/errors.ts';
import { checkNeighbours } from './checks.ts';
import { powerOfTwoBelow } from './distances.ts';
import type { Neighbours } from './neighbours.ts';

/** A sparse symmetric matrix of joint probabilities, row by row. */
export interface Affinities {
  readonly count: number;
  /** `[count + 1]`: row i holds entries `starts[i]` to `starts[i + 1]`. */
  readonly starts: Uint32Array;
  /** Column of each entry, ascending within a row. */
  readonly columns: Uint32Array;
  /** p_ij of each entry; all together sum to 1. */
  readonly values: Float64Array;
}

const MOST_BISECTIONS = 200;
const ENTROPY_TOLERANCE = 1e-10;

/**
 * Joint probabilities from nearest neighbours.
 *
 * @param perplexity 1 up to the number of neighbours
 * @throws UsageError for a perplexity that so few neighbours cannot have, or distances that are none
 */
export function jointAffinities(neighbours: Neighbours, perplexity: number): Affinities {
  checkNeighbours(neighbours, 't-SNE');
  const { count, k, indices, distances } = neighbours;
  const bad = distances.findIndex(distance => !(distance >= 0 && distance < Number.POSITIVE_INFINITY));
  if (bad >= 0) {
    throw new UsageError(`t-SNE: a neighbour of point ${Math.floor(bad / k)} lies at a distance of ${distances[bad]}.`);
  }
  if (!(perplexity >= 1 && perplexity <= k)) {
    throw new UsageError(`t-SNE: a perplexity of ${perplexity} cannot be had of ${k} neighbours; give 1 to ${k}.`);
  }
  // Each share belongs to its own row and to its mirror image's.
  const rows: Map<number, number>[] = Array.from({ length: count }, () => new Map());
  const add = (row: number, column: number, share: number): void => {
    rows[row].set(column, (rows[row].get(column) ?? 0) + share);
  };
  for (let i = 0; i < count; i++) {
    const shares = conditionalShares(distances.subarray(i * k, (i + 1) * k), perplexity);
    for (let rank = 0; rank < k; rank++) {
      const share = shares[rank] / (2 * count);
      add(i, indices[i * k + rank], share);
      add(indices[i * k + rank], i, share);
    }
  }
  const starts = new Uint32Array(count + 1);
  for (let i = 0; i < count; i++) starts[i + 1] = starts[i] + rows[i].size;
  const columns = new Uint32Array(starts[count]);
  const values = new Float64Array(starts[count]);
  for (let i = 0; i < count; i++) {
    const row = [...rows[i]].sort(([a], [b]) => a - b);
    row.forEach(([column, value], place) => {
      columns[starts[i] + place] = column;
      values[starts[i] + place] = value;
    });
  }
  return { count, starts, columns, values };
}

/**
 * Shares exp(-beta d^2) of one point's neighbours, summing to 1, with beta by bisection such that their entropy is the
 * logarithm of the perplexity. Equally distant neighbours share alike whatever beta is.
 */
export function conditionalShares(distances: Float64Array, perplexity: number): Float64Array {
  const wanted = Math.log(perplexity);
  // In a unit of their own, whatever the points' is: beta takes care of it, and squares neither overflow nor vanish.
  const unit = powerOfTwoBelow(distances.reduce((most, d) => Math.max(most, d), 0));
  const nearest = distances.reduce((least, d) => Math.min(least, d), Number.POSITIVE_INFINITY) / unit;
  // Squared distances beyond the nearest one's: the shares are the same, and one of them is always 1 before scaling.
  const squares = distances.map(d => (d / unit) * (d / unit) - nearest * nearest);
  const shares = new Float64Array(distances.length);
  let low = 0;
  let high = Number.POSITIVE_INFINITY;
  const mean = squares.reduce((sum, d2) => sum + d2, 0) / squares.length;
  let beta = mean > 0 ? 1 / mean : 1;
  for (let step = 0; step < MOST_BISECTIONS; step++) {
    let sum = 0;
    let moment = 0;
    for (let j = 0; j < squares.length; j++) {
      shares[j] = Math.exp(-beta * squares[j]);
      sum += shares[j];
      moment += shares[j] * squares[j];
    }
    const entropy = Math.log(sum) + (beta * moment) / sum;
    for (let j = 0; j < shares.length; j++) shares[j] /= sum;
    if (Math.abs(entropy - wanted) < ENTROPY_TOLERANCE) break;
    if (entropy > wanted) {
      low = beta;
      beta = high === Number.POSITIVE_INFINITY ? beta * 2 : (low + high) / 2;
    } else {
      high = beta;
      beta = (low + high) / 2;
    }
    if (!Number.isFinite(beta) || low === high) break;
  }
  return shares;
}
