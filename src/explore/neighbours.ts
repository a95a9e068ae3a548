/**
 * Nearest neighbours, exactly, by looking at all pairs. The inner products, nearly all of the work, come from the device a
 * tile of 2,048 x 2,048 pairs at a time; the host keeps each point's best few. Within one set a tile serves both of its
 * sides, so only half of them are computed: 60,000 points take 1.8e9 products of vectors.
 *
 * |a - b|^2 = |a|^2 + |b|^2 - 2 a.b in float32 orders nearly equal distances at random, so a few more candidates than
 * asked for are kept and measured again in float64. In up to four dimensions (a map) that difference of large numbers
 * would cost more than the product saves, so distances are taken from the coordinates at once.
 */
import { matmul } from '../autograd/ops/matmul.ts';
import type { Device } from '../devices/device.ts';
import { ShapeError, UsageError } from '../devices/errors.ts';
import { tensor } from '../tensor/creation.ts';
import { dispose } from '../tensor/lifetime.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { giveWay } from './event-loop.ts';
import { checkPoints, type Points, squaredDistance } from './points.ts';

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

const TILE = 2048;
/** Candidates beyond those asked for. */
const SPARE = 4;
const MOST_DIRECT_DIMENSIONS = 4;

/**
 * The k nearest neighbours of every point.
 *
 * @throws UsageError when there are not k others to be had; the signal's reason when aborted
 */
export async function nearestNeighbours(points: Points, k: number, options: NeighbourOptions): Promise<Neighbours> {
  const { among = points } = options;
  checkPoints(points, 'neighbours');
  checkPoints(among, 'neighbours');
  if (points.dimensions !== among.dimensions) {
    throw new ShapeError(
      `neighbours: points of ${points.dimensions} coordinates among points of ${among.dimensions} coordinates.`,
    );
  }
  const others = among.count - (among === points ? 1 : 0);
  if (!Number.isInteger(k) || k < 1 || k > others) {
    throw new UsageError(`neighbours: ${k} of each point are wanted, but there are ${others} others.`);
  }
  const best = new BestCandidates(points.count, Math.min(k + SPARE, others));
  if (points.dimensions <= MOST_DIRECT_DIMENSIONS) measurePairs(points, among, best, options.signal);
  else await multiplyPairs(points, among, best, options);
  return exactly(points, among, best, k);
}

/** Each point's nearest so far, in ascending order of an approximate squared distance. */
class BestCandidates {
  readonly width: number;
  readonly indices: Int32Array;
  readonly keys: Float64Array;
  /** `[count]`: what a new candidate must be below. */
  readonly worst: Float64Array;

  constructor(count: number, width: number) {
    this.width = width;
    this.indices = new Int32Array(count * width).fill(-1);
    this.keys = new Float64Array(count * width).fill(Number.POSITIVE_INFINITY);
    this.worst = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
  }

  /** Call it only with a key below `worst[point]`. Of equal keys the one that came first stays ahead. */
  insert(point: number, candidate: number, key: number): void {
    const { keys, indices, width } = this;
    const first = point * width;
    let place = first + width - 1;
    for (; place > first && keys[place - 1] > key; place--) {
      keys[place] = keys[place - 1];
      indices[place] = indices[place - 1];
    }
    keys[place] = key;
    indices[place] = candidate;
    this.worst[point] = keys[first + width - 1];
  }
}

function measurePairs(points: Points, among: Points, best: BestCandidates, signal?: AbortSignal): void {
  const { worst } = best;
  for (let i = 0; i < points.count; i++) {
    if (i % TILE === 0) signal?.throwIfAborted();
    for (let j = 0; j < among.count; j++) {
      if (among === points && j === i) continue;
      const key = squaredDistance(points, i, among, j);
      if (key < worst[i]) best.insert(i, j, key);
    }
  }
}

/** A tile's rows on the device, and their squared lengths. */
interface Tile {
  readonly start: number;
  readonly rows: Tensor;
  readonly squares: Float64Array;
}

function tilesOf({ values, count, dimensions, scale = 1 }: Points, device: Device): Tile[] {
  return Array.from({ length: Math.ceil(count / TILE) }, (_, tile) => {
    const start = tile * TILE;
    const some = values.subarray(start * dimensions, Math.min(start + TILE, count) * dimensions);
    const rows = Float64Array.from(some, value => scale * value);
    const squares = new Float64Array(rows.length / dimensions);
    for (let i = 0; i < rows.length; i++) squares[Math.floor(i / dimensions)] += rows[i] * rows[i];
    return { start, rows: tensor(rows, [squares.length, dimensions], { device }), squares };
  });
}

async function multiplyPairs(
  points: Points,
  among: Points,
  best: BestCandidates,
  { device, signal, onProgress }: NeighbourOptions,
): Promise<void> {
  const isOneSet = among === points;
  const left = tilesOf(points, device);
  const right = isOneSet ? left : tilesOf(among, device);
  const total = isOneSet ? (left.length * (left.length + 1)) / 2 : left.length * right.length;
  let done = 0;
  try {
    for (const [index, a] of left.entries()) {
      // Every point meets its candidates in the order of their indices, whichever side of a tile it is on.
      for (const b of isOneSet ? right.slice(index) : right) {
        await giveWay();
        signal?.throwIfAborted();
        const product = matmul(a.rows, b.rows, { transposeB: true });
        const dots = await product.data();
        product.dispose();
        if (!isOneSet) compareRows(a, b, dots, best);
        else comparePairs(a, b, dots, best);
        onProgress?.(++done / total);
      }
    }
  } finally {
    dispose(...left.map(({ rows }) => rows), ...right.map(({ rows }) => rows));
  }
}

/** The tile's columns as candidates for its rows. */
function compareRows(a: Tile, b: Tile, dots: ArrayLike<number>, best: BestCandidates): void {
  const { worst } = best;
  for (let i = 0, at = 0; i < a.squares.length; i++) {
    const point = a.start + i;
    for (let j = 0; j < b.squares.length; j++, at++) {
      const key = a.squares[i] + b.squares[j] - 2 * dots[at];
      if (key < worst[point]) best.insert(point, b.start + j, key);
    }
  }
}

/** Rows and columns as candidates for each other; on the diagonal each pair once. */
function comparePairs(a: Tile, b: Tile, dots: ArrayLike<number>, best: BestCandidates): void {
  const { worst } = best;
  const columns = b.squares.length;
  for (let i = 0; i < a.squares.length; i++) {
    const point = a.start + i;
    for (let j = a === b ? i + 1 : 0; j < columns; j++) {
      const other = b.start + j;
      const key = a.squares[i] + b.squares[j] - 2 * dots[i * columns + j];
      if (key < worst[point]) best.insert(point, other, key);
      if (key < worst[other]) best.insert(other, point, key);
    }
  }
}

/** The k nearest candidates by distances in float64. */
function exactly(points: Points, among: Points, { width, indices }: BestCandidates, k: number): Neighbours {
  const { count } = points;
  const nearest = new Int32Array(count * k);
  const distances = new Float64Array(count * k);
  for (let i = 0; i < count; i++) {
    const candidates = Array.from(indices.subarray(i * width, (i + 1) * width), index => ({
      index,
      square: squaredDistance(points, i, among, index),
    })).sort((a, b) => a.square - b.square || a.index - b.index);
    for (let rank = 0; rank < k; rank++) {
      nearest[i * k + rank] = candidates[rank].index;
      distances[i * k + rank] = Math.sqrt(candidates[rank].square);
    }
  }
  return { indices: nearest, distances, count, k };
}

/** The first `k` of each point's neighbours. */
export function fewerNeighbours({ indices, distances, count, k: all }: Neighbours, k: number): Neighbours {
  if (k > all) throw new UsageError(`neighbours: ${k} of each point are wanted, but only ${all} were looked for.`);
  const pick = <A extends Int32Array | Float64Array>(from: A): A =>
    from.filter((_: number, at: number) => at % all < k) as A;
  return { indices: pick(indices), distances: pick(distances), count, k };
}
