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

const MOST_STEPS = 200;
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
  const shares = new Float64Array(count * k);
  const columns = indices.slice();
  for (let i = 0; i < count; i++) {
    const row = conditionalShares(distances.subarray(i * k, (i + 1) * k), perplexity);
    sortRow(columns.subarray(i * k, (i + 1) * k), row);
    shares.set(row, i * k);
  }
  return symmetrized(count, k, columns, shares);
}

/** Sorts a row's columns, and its shares with them. */
function sortRow(columns: Int32Array, shares: Float64Array): void {
  const { length } = columns;
  // A column and the place it came from in one number, which float64 holds up to 2^53.
  const keys = Float64Array.from(columns, (column, place) => column * length + place).sort();
  const before = shares.slice();
  keys.forEach((key, place) => {
    columns[place] = Math.floor(key / length);
    shares[place] = before[key % length];
  });
}

/** Each share belongs half to its own row and half to its mirror image's; over `count` rows they sum to 1. */
function symmetrized(count: number, k: number, columns: Int32Array, shares: Float64Array): Affinities {
  // The mirror images, row by row: as rows are passed in order, theirs are ascending.
  const mirrored = new Uint32Array(count + 1);
  for (const column of columns) mirrored[column + 1]++;
  for (let i = 0; i < count; i++) mirrored[i + 1] += mirrored[i];
  const next = mirrored.slice(0, count);
  const places = new Uint32Array(count * k);
  for (let at = 0; at < columns.length; at++) places[next[columns[at]]++] = at;

  const starts = new Uint32Array(count + 1);
  let merged = { columns: new Uint32Array(2 * count * k), values: new Float64Array(2 * count * k) };
  let out = 0;
  for (let i = 0; i < count; i++) {
    let [own, mirror] = [i * k, mirrored[i]];
    const [ownEnd, mirrorEnd] = [(i + 1) * k, mirrored[i + 1]];
    while (own < ownEnd || mirror < mirrorEnd) {
      const ownColumn = own < ownEnd ? columns[own] : count;
      const mirrorColumn = mirror < mirrorEnd ? Math.floor(places[mirror] / k) : count;
      const column = Math.min(ownColumn, mirrorColumn);
      const share = ownColumn === column ? shares[own++] : 0;
      const mirrorShare = mirrorColumn === column ? shares[places[mirror++]] : 0;
      merged.columns[out] = column;
      merged.values[out++] = (share + mirrorShare) / (2 * count);
    }
    starts[i + 1] = out;
  }
  merged = { columns: merged.columns.slice(0, out), values: merged.values.slice(0, out) };
  return { count, starts, ...merged };
}

/**
 * Shares exp(-beta d^2) of one point's neighbours, summing to 1, with beta such that their entropy is the logarithm of the
 * perplexity: by Newton's steps, and by halves where such a step would leave what is left of the range. Equally distant
 * neighbours share alike whatever beta is.
 */
export function conditionalShares(distances: Float32Array | Float64Array, perplexity: number): Float64Array {
  return conditionalGaussian(distances, perplexity).shares;
}

/** The shares, and beta in inverse units of squared distance. */
export function conditionalGaussian(
  distances: Float32Array | Float64Array,
  perplexity: number,
): { shares: Float64Array; beta: number } {
  const wanted = Math.log(perplexity);
  const { length } = distances;
  let largest = 0;
  let nearest = Number.POSITIVE_INFINITY;
  for (const distance of distances) {
    largest = Math.max(largest, distance);
    nearest = Math.min(nearest, distance);
  }
  // In a unit of their own, whatever the points' is: beta takes care of it, and squares neither overflow nor vanish.
  const unit = powerOfTwoBelow(largest);
  // Squared distances beyond the nearest one's: the shares are the same, and one of them is always 1 before scaling.
  const squares = Float64Array.from(distances, d => (d / unit) * (d / unit) - (nearest / unit) ** 2);
  const shares = new Float64Array(length);
  let low = 0;
  let high = Number.POSITIVE_INFINITY;
  const mean = squares.reduce((sum, d2) => sum + d2, 0) / length;
  let beta = mean > 0 ? 1 / mean : 1;
  for (let step = 0; step < MOST_STEPS; step++) {
    let sum = 0;
    let moment = 0;
    let second = 0;
    for (let j = 0; j < length; j++) {
      const share = Math.exp(-beta * squares[j]);
      shares[j] = share;
      sum += share;
      moment += share * squares[j];
      second += share * squares[j] * squares[j];
    }
    const average = moment / sum;
    const excess = Math.log(sum) + beta * average - wanted;
    for (let j = 0; j < length; j++) shares[j] /= sum;
    if (Math.abs(excess) < ENTROPY_TOLERANCE) break;
    if (excess > 0) low = beta;
    else high = beta;
    // The entropy falls by beta times the variance of the squares; in the logarithm of beta it is nearly straight.
    const newton = beta * Math.exp(excess / (beta * beta * (second / sum - average * average)));
    const half = high === Number.POSITIVE_INFINITY ? 2 * beta : (low + high) / 2;
    beta = newton > low && newton < high ? newton : half;
    if (!Number.isFinite(beta) || low === high) break;
  }
  return { shares, beta: beta / unit / unit };
}
