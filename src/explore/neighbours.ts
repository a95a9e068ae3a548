/**
 * Nearest neighbours, exactly, by looking at all pairs. The inner products, nearly all of the work, come from the device a
 * tile of 2,048 x 2,048 pairs at a time; within one set a tile serves both of its sides, so only half of them are computed:
 * 60,000 points take 1.8e9 products of vectors.
 *
 * |a - b|^2 = |a|^2 + |b|^2 - 2 a.b in float32 is no distance to go by: where points lie close together and far from the
 * origin, nothing of it is left. So it only says, by a bound that is proved (`inner-products.ts`), which pairs cannot matter;
 * the others are measured in float64 there and then. Of points that are spread out that is about k ln(n / k) of n pairs; of
 * tight clusters far apart it is all the pairs within a cluster. In up to four dimensions (a map) measuring costs no more than
 * asking the device, so all pairs are measured.
 */
import type { Device } from '../devices/device.ts';
import { UsageError } from '../devices/errors.ts';
import { giveWay } from '../devices/event-loop.ts';
import { dispose } from '../tensor/lifetime.ts';
import { Distances } from './distances.ts';
import { InnerProducts, MOST_PRODUCT_DIMENSIONS, type Tile } from './inner-products.ts';
import type { Points } from './points.ts';
import { Turns } from './turns.ts';

export interface Neighbours {
  /** `[count, k]`: row i holds the nearest to point i, the nearest first; equal distances by index. */
  readonly indices: Int32Array;
  /** `[count, k]`, Euclidean. */
  readonly distances: Float64Array;
  readonly count: number;
  readonly k: number;
}

export interface NeighbourOptions {
  readonly device: Device;
  /** Where to look; by default among the points themselves, where no point is its own neighbour. */
  readonly among?: Points;
  readonly signal?: AbortSignal;
  /** Share of the pairs that are done, 0 to 1. */
  readonly onProgress?: (share: number) => void;
}

const MOST_DIRECT_DIMENSIONS = 4;

/**
 * The k nearest neighbours of every point.
 *
 * @throws UsageError when there are not k others to be had, or for a coordinate that is not finite (the first is named);
 *   ShapeError when sizes do not fit; the signal's reason when aborted
 */
export async function nearestNeighbours(points: Points, k: number, options: NeighbourOptions): Promise<Neighbours> {
  const { among = points } = options;
  const distances = new Distances(points, among, 'neighbours');
  const others = among.count - (among === points ? 1 : 0);
  if (!Number.isInteger(k) || k < 1 || k > others) {
    throw new UsageError(`neighbours: ${k} of each point are wanted, but there are ${others} others.`);
  }
  const nearest = new Nearest(distances, points.count, k);
  const isMeasured = points.dimensions <= MOST_DIRECT_DIMENSIONS || points.dimensions >= MOST_PRODUCT_DIMENSIONS;
  if (isMeasured) await measurePairs(distances, nearest, options);
  else await filterPairs(distances, nearest, options);
  return nearest.found();
}

/** Each point's nearest so far, in ascending order of distance. */
class Nearest {
  readonly #distances: Distances;
  readonly #count: number;
  readonly #k: number;
  readonly #indices: Int32Array;
  readonly #squares: Float64Array;
  /** `[count]`: the square that a new neighbour must be below; 0 where nothing can be nearer. */
  readonly worst: Float64Array;

  constructor(distances: Distances, count: number, k: number) {
    this.#distances = distances;
    this.#count = count;
    this.#k = k;
    this.#indices = new Int32Array(count * k).fill(-1);
    this.#squares = new Float64Array(count * k).fill(Number.POSITIVE_INFINITY);
    this.worst = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
  }

  /**
   * Offers a neighbour; says whether it is one of the nearest so far. Candidates must come in the order of their indices: of
   * equal distances the first one stays ahead.
   */
  offer(point: number, candidate: number, square: number): boolean {
    if (!(square < this.worst[point])) return false;
    const squares = this.#squares;
    const indices = this.#indices;
    const first = point * this.#k;
    let place = first + this.#k - 1;
    for (; place > first && squares[place - 1] > square; place--) {
      squares[place] = squares[place - 1];
      indices[place] = indices[place - 1];
    }
    squares[place] = square;
    indices[place] = candidate;
    this.worst[point] = squares[first + this.#k - 1];
    return true;
  }

  found(): Neighbours {
    const distances = this.#squares.map(square => this.#distances.length(square));
    return { indices: this.#indices, distances, count: this.#count, k: this.#k };
  }
}

async function measurePairs(distances: Distances, nearest: Nearest, options: NeighbourOptions): Promise<void> {
  const { points, among } = distances;
  const { worst } = nearest;
  options.signal?.throwIfAborted();
  const turns = new Turns(options.signal);
  for (let i = 0; i < points.count; i++) {
    if (turns.isOver) {
      options.onProgress?.(i / points.count);
      await turns.give();
    }
    for (let j = 0; j < among.count; j++) {
      if (among === points && j === i) continue;
      nearest.offer(i, j, distances.squared(i, j, worst[i]));
    }
  }
  options.onProgress?.(1);
}

async function filterPairs(distances: Distances, nearest: Nearest, options: NeighbourOptions): Promise<void> {
  const { points, among } = distances;
  const { device, signal, onProgress } = options;
  const isOneSet = among === points;
  const products = new InnerProducts(distances);
  const left = products.tiles(points, device);
  const right = isOneSet ? left : products.tiles(among, device);
  const total = isOneSet ? (left.length * (left.length + 1)) / 2 : left.length * right.length;
  const filter = new Filter(distances, products, nearest, new Turns(signal));
  let done = 0;
  try {
    for (const [index, a] of left.entries()) {
      // Every point meets its candidates in the order of their indices, whichever side of a tile it is on.
      for (const b of isOneSet ? right.slice(index) : right) {
        await giveWay();
        signal?.throwIfAborted();
        const dots = await products.of(a, b);
        if (isOneSet) await filter.pairs(a, b, dots);
        else await filter.rows(a, b, dots);
        onProgress?.(++done / total);
      }
    }
  } finally {
    dispose(...left.map(({ rows }) => rows), ...(isOneSet ? [] : right.map(({ rows }) => rows)));
  }
}

/** Measures those pairs of a tile that could matter. */
class Filter {
  readonly #distances: Distances;
  readonly #products: InnerProducts;
  readonly #nearest: Nearest;
  readonly #turns: Turns;
  /** `[count]`: a pair whose bound is above is farther away than the worst of the point's nearest. */
  readonly #limits: Float64Array;

  constructor(distances: Distances, products: InnerProducts, nearest: Nearest, turns: Turns) {
    this.#distances = distances;
    this.#products = products;
    this.#nearest = nearest;
    this.#turns = turns;
    this.#limits = new Float64Array(distances.points.count).fill(Number.POSITIVE_INFINITY);
  }

  /** The tile's columns as candidates for its rows. */
  async rows(a: Tile, b: Tile, dots: ArrayLike<number>): Promise<void> {
    const limits = this.#limits;
    for (let i = 0, at = 0; i < a.shrunk.length; i++) {
      if (this.#turns.isOver) await this.#turns.give();
      const point = a.start + i;
      for (let j = 0; j < b.shrunk.length; j++, at++) {
        const bound = a.shrunk[i] + b.shrunk[j] - 2 * dots[at];
        if (bound <= limits[point]) this.#measure(point, b.start + j);
      }
    }
  }

  /** Rows and columns as candidates for each other; on the diagonal each pair once. */
  async pairs(a: Tile, b: Tile, dots: ArrayLike<number>): Promise<void> {
    const limits = this.#limits;
    const columns = b.shrunk.length;
    for (let i = 0; i < a.shrunk.length; i++) {
      if (this.#turns.isOver) await this.#turns.give();
      const point = a.start + i;
      for (let j = a === b ? i + 1 : 0; j < columns; j++) {
        const other = b.start + j;
        const bound = a.shrunk[i] + b.shrunk[j] - 2 * dots[i * columns + j];
        const isForPoint = bound <= limits[point];
        const isForOther = bound <= limits[other];
        if (isForPoint && isForOther) this.#measureBoth(point, other);
        else if (isForPoint) this.#measure(point, other);
        else if (isForOther) this.#measure(other, point);
      }
    }
  }

  #measure(point: number, candidate: number): void {
    this.#offer(point, candidate, this.#distances.squared(point, candidate, this.#nearest.worst[point]));
  }

  #measureBoth(point: number, other: number): void {
    const { worst } = this.#nearest;
    const square = this.#distances.squared(point, other, Math.max(worst[point], worst[other]));
    this.#offer(point, other, square);
    this.#offer(other, point, square);
  }

  #offer(point: number, candidate: number, square: number): void {
    if (!this.#nearest.offer(point, candidate, square)) return;
    const worst = this.#nearest.worst[point];
    // Nothing is nearer than 0, and of equal distances the first stays ahead: this point needs no more candidates.
    this.#limits[point] = worst === 0 ? Number.NEGATIVE_INFINITY : this.#products.limit(worst);
  }
}

/**
 * The first `k` of each point's neighbours.
 * @throws UsageError unless 1 <= k <= the number looked for
 */
export function fewerNeighbours({ indices, distances, count, k: all }: Neighbours, k: number): Neighbours {
  if (!Number.isInteger(k) || k < 1)
    throw new UsageError(`neighbours: ${k} of each point cannot be had; ask for 1 to ${all}.`);
  if (k > all) throw new UsageError(`neighbours: ${k} of each point are wanted, but only ${all} were looked for.`);
  const pick = <A extends Int32Array | Float64Array>(from: A): A =>
    from.filter((_: number, at: number) => at % all < k) as A;
  return { indices: pick(indices), distances: pick(distances), count, k };
}
