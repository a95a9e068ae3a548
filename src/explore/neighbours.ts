/**
 * Nearest neighbours, exactly, by looking at all pairs. The inner products, nearly all of the work, come from the device a
 * tile at a time, and a kernel keeps of each row the candidates that could be nearest (`kernels/nearest`): 70,000 points
 * take 4.9e9 products of vectors, of which the host sees some hundred for each point.
 *
 * |a - b|^2 = |a|^2 + |b|^2 - 2 a.b in float32 is no distance to go by: where points lie close together and far from the
 * origin, nothing of it is left. So it only says, by a bound that is proved (`inner-products.ts`), which pairs cannot matter.
 * A few more candidates than neighbours are kept, those of the smallest bounds, and measured in float64. Where the last
 * neighbour is nearer than the largest bound that was kept, no other pair can be nearer: proved. For the other points (tight
 * clusters far apart, many equal points) every pair that the bound does not rule out is measured. In up to four dimensions
 * (a map) points are sorted into cells of a grid instead, and measured from the nearest cells on (`grid.ts`).
 */

import { matmul } from '../autograd/ops/matmul.ts';
import type { Device } from '../devices/device.ts';
import { UsageError } from '../devices/errors.ts';
import { giveWay } from '../devices/event-loop.ts';
import { keepNearest } from '../kernels/nearest/index.ts';
import { tensor } from '../tensor/creation.ts';
import { dispose } from '../tensor/lifetime.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { Distances } from './distances.ts';
import { Grid } from './grid.ts';
import { disposeTiles, InnerProducts, MOST_PRODUCT_DIMENSIONS, type Tile } from './inner-products.ts';
import { type Points, selectPoints } from './points.ts';
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

const MOST_GRID_DIMENSIONS = 4;

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
  if (points.dimensions <= MOST_GRID_DIMENSIONS) await searchGrid(distances, nearest, options);
  else if (points.dimensions >= MOST_PRODUCT_DIMENSIONS) await measurePairs(distances, nearest, options);
  else await filterPairs(distances, nearest, options);
  return nearest.found();
}

/** Each point's nearest so far, in ascending order of distance. */
class Nearest {
  readonly #distances: Distances;
  readonly #count: number;
  readonly k: number;
  readonly #indices: Int32Array;
  readonly #squares: Float64Array;
  /** `[count]`: the square that a new neighbour must be below; 0 where nothing can be nearer. */
  readonly worst: Float64Array;

  constructor(distances: Distances, count: number, k: number) {
    this.#distances = distances;
    this.#count = count;
    this.k = k;
    this.#indices = new Int32Array(count * k).fill(-1);
    this.#squares = new Float64Array(count * k).fill(Number.POSITIVE_INFINITY);
    this.worst = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
  }

  /** Offers a neighbour; says whether it is one of the nearest so far. Of equal distances the lower index is ahead. */
  offer(point: number, candidate: number, square: number): boolean {
    if (!(square <= this.worst[point])) return false;
    const squares = this.#squares;
    const indices = this.#indices;
    const first = point * this.k;
    let place = first + this.k - 1;
    if (square === squares[place] && candidate > indices[place]) return false;
    for (; place > first && squares[place - 1] >= square; place--) {
      if (squares[place - 1] === square && indices[place - 1] < candidate) break;
      squares[place] = squares[place - 1];
      indices[place] = indices[place - 1];
    }
    squares[place] = square;
    indices[place] = candidate;
    this.worst[point] = squares[first + this.k - 1];
    return true;
  }

  /** Measures a candidate's distance and offers it. */
  measure(point: number, candidate: number): boolean {
    return this.offer(point, candidate, this.#distances.squared(point, candidate, this.worst[point]));
  }

  /** Forgets what was found for a point. */
  forget(point: number): void {
    this.#indices.fill(-1, point * this.k, (point + 1) * this.k);
    this.#squares.fill(Number.POSITIVE_INFINITY, point * this.k, (point + 1) * this.k);
    this.worst[point] = Number.POSITIVE_INFINITY;
  }

  found(): Neighbours {
    const distances = this.#squares.map(square => this.#distances.length(square));
    return { indices: this.#indices, distances, count: this.#count, k: this.k };
  }
}

async function searchGrid(distances: Distances, nearest: Nearest, options: NeighbourOptions): Promise<void> {
  const { points, among } = distances;
  const { worst } = nearest;
  options.signal?.throwIfAborted();
  const turns = new Turns(options.signal);
  const grid = new Grid(distances);
  for (let i = 0; i < points.count; i++) {
    if (turns.isOver) {
      options.onProgress?.(i / points.count);
      await turns.give();
    }
    const own = among === points ? i : -1;
    grid.visit(
      i,
      () => worst[i],
      candidate => {
        if (candidate !== own) nearest.measure(i, candidate);
      },
    );
  }
  options.onProgress?.(1);
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

/** Rows that the device looks at together: their products with a tile of columns stay in a cache. */
const ROWS = 512;
/** Candidates kept beyond the neighbours, at least. */
const SPARE = 8;

async function filterPairs(distances: Distances, nearest: Nearest, options: NeighbourOptions): Promise<void> {
  const { points, among } = distances;
  const { device, signal, onProgress } = options;
  const turns = new Turns(signal);
  const products = new InnerProducts(distances);
  const others = among.count - (among === points ? 1 : 0);
  const kept = Math.min(others, nearest.k + Math.max(SPARE, nearest.k >> 3));
  const right = products.tiles(among, device);
  const unproved: number[] = [];
  try {
    for (let start = 0; start < points.count; start += ROWS) {
      const rows = Array.from({ length: Math.min(ROWS, points.count - start) }, (_, i) => start + i);
      const [left] = products.tiles(selectPoints(points, rows), device, ROWS);
      const candidates = new Candidates(left, kept, device);
      try {
        await giveWay();
        for (const tile of right) {
          candidates.meet(tile, among === points ? start : -1);
          await device.pace(2);
          signal?.throwIfAborted();
        }
        const { bounds, indices } = await candidates.found();
        for (let i = 0; i < rows.length; i++) {
          if (turns.isOver) await turns.give();
          const own = indices.subarray(i * kept, (i + 1) * kept).sort();
          for (const candidate of own) nearest.measure(rows[i], candidate);
          const isProved = kept === others || products.limitOnDevice(nearest.worst[rows[i]]) < bounds[i * kept];
          if (!isProved) unproved.push(rows[i]);
        }
      } finally {
        candidates.dispose();
      }
      onProgress?.((start + rows.length) / points.count);
    }
    await measureUnproved(unproved, right, products, distances, nearest, options);
  } finally {
    disposeTiles(right);
  }
}

/** What the device keeps for some rows while columns come a tile at a time. */
class Candidates {
  readonly #left: Tile;
  readonly #kept: number;
  readonly #bounds: Tensor;
  readonly #indices: Tensor;

  constructor(left: Tile, kept: number, device: Device) {
    const rows = left.shrunk.length;
    this.#left = left;
    this.#kept = kept;
    this.#bounds = tensor(new Float32Array(rows * kept).fill(Number.POSITIVE_INFINITY), [rows, kept], { device });
    this.#indices = tensor(new Int32Array(rows * kept).fill(-1), [rows, kept], { device });
  }

  /** @param firstRow index of the first row among the columns; negative where no column is a row */
  meet({ start, rows, lengths }: Tile, firstRow: number): void {
    const { device } = rows;
    const products = matmul(this.#left.rows, rows, { transposeB: true });
    const places = tensor(Int32Array.of(start, firstRow), [2], { device });
    const operands = [products, this.#left.lengths, lengths, places];
    device.run(keepNearest, operands, [this.#bounds, this.#indices], { kept: this.#kept });
    dispose(products, places);
  }

  /** The heaps of all rows; the largest bound that was kept comes first. */
  async found(): Promise<{ bounds: Float32Array | Float64Array; indices: Int32Array }> {
    const { device } = this.#bounds;
    const bounds = (await device.read(this.#bounds.storage)) as Float32Array | Float64Array;
    return { bounds, indices: (await device.read(this.#indices.storage)) as Int32Array };
  }

  dispose(): void {
    disposeTiles([this.#left]);
    dispose(this.#bounds, this.#indices);
  }
}

/** Measures, for some of the points, every pair that the bound does not rule out. */
async function measureUnproved(
  which: readonly number[],
  right: readonly Tile[],
  products: InnerProducts,
  { points, among }: Distances,
  nearest: Nearest,
  { device, signal }: NeighbourOptions,
): Promise<void> {
  if (which.length === 0) return;
  const turns = new Turns(signal);
  for (const point of which) nearest.forget(point);
  const left = products.tiles(selectPoints(points, which), device);
  try {
    for (const a of left) {
      for (const b of right) {
        await giveWay();
        signal?.throwIfAborted();
        const dots = await products.of(a, b);
        for (let i = 0, at = 0; i < a.shrunk.length; i++) {
          if (turns.isOver) await turns.give();
          const point = which[a.start + i];
          // Candidates come in ascending order and the first stays ahead: where the worst is 0, no other takes its place.
          let limit = products.limit(nearest.worst[point]);
          for (let j = 0; j < b.shrunk.length; j++, at++) {
            if (a.shrunk[i] + b.shrunk[j] - 2 * dots[at] > limit || nearest.worst[point] === 0) continue;
            if (among === points && b.start + j === point) continue;
            if (nearest.measure(point, b.start + j)) limit = products.limit(nearest.worst[point]);
          }
        }
      }
    }
  } finally {
    disposeTiles(left);
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
