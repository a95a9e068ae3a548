/**
 * UMAP: points in the plane that are near where the input's fuzzy graph (`fuzzy-graph.ts`) has an edge. Settings are
 * umap-learn's: the point itself is one of its 15 neighbours; edges are followed as often as their membership says; for each,
 * five others are met by chance; the learning rate falls to 0 in a line. The layout (`kernels/umap`) is the same on any
 * number of threads.
 *
 * L. McInnes, J. Healy, J. Melville: UMAP: Uniform manifold approximation and projection. arXiv 1802.03426, 2018.
 * D. Kobak, G. Linderman: Initialization is critical for preserving global data structure in both t-SNE and UMAP. Nature
 * Biotechnology 39, 2021 (why the start is PCA).
 */
import type { Device } from '../devices/device.ts';
import { UsageError } from '../devices/errors.ts';
import { giveWay } from '../devices/event-loop.ts';
import { PhiloxStream, streamNamed } from '../kernels/random/philox.ts';
import type { Affinities } from './affinities.ts';
import { checkKnownNeighbours } from './checks.ts';
import { fuzzyGraph } from './fuzzy-graph.ts';
import { fewerNeighbours, type Neighbours, nearestNeighbours } from './neighbours.ts';
import { fitPca, transformPca } from './pca.ts';
import { checkPoints, type Points } from './points.ts';
import { Snapshots, type TsneSnapshot } from './tsne.ts';
import { fitCurve } from './umap-curve.ts';
import { type LayoutEdges, UmapLayout } from './umap-layout.ts';

/** The start reaches so far from its middle. */
const START_EXTENT = 10;
/** Parts what would start in one place. */
const START_NOISE = 1e-4;
const REPORT_EVERY = 10;
/** Up to so many points 500 epochs are the default, beyond 200. */
const FEW_POINTS = 10_000;

export interface UmapOptions {
  readonly device: Device;
  /** Neighbours of a point in the input, itself one of them as in umap-learn; default 15. */
  readonly neighbours?: number;
  /** Distance on the map of points that belong together wholly; default 0.1. */
  readonly minDistance?: number;
  /** In what distance nearness falls off beyond it; default 1. */
  readonly spread?: number;
  /** Default 500 for up to 10,000 points, 200 for more. */
  readonly epochs?: number;
  /** Of the first epoch; default 1. */
  readonly learningRate?: number;
  /** Points that are met by chance each time an edge is followed; default 5. */
  readonly negativeSamples?: number;
  /** How strongly they push; default 1. */
  readonly repulsionStrength?: number;
  /** Nearest neighbours that are known already; of each point at least one fewer than `neighbours`. */
  readonly precomputed?: Neighbours;
  /** Where some points are on the way, every so many epochs and at the end; by default all points. */
  readonly snapshots?: { readonly every: number; readonly points?: ArrayLike<number> };
  /** Where points start: their first two principal components, or anywhere. */
  readonly start?: 'pca' | 'random';
  readonly seed?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly epoch: number; readonly epochs: number }) => void;
}

export interface UmapMap {
  /** `[count, 2]` */
  readonly embedding: Points;
  /** Of the curve 1 / (1 + a d^2b). */
  readonly a: number;
  readonly b: number;
  readonly neighbours: number;
  readonly epochs: number;
  readonly snapshots: readonly TsneSnapshot[];
}

/**
 * A map of points in the plane.
 *
 * @param points rows; reduce images to about 50 principal components first
 * @throws UsageError for settings that cannot be; NonFiniteError where a learning rate is too high; the signal's reason when
 *   aborted
 * @example const { embedding } = await umap(await transformPca(pca, pixels, device), { device });
 */
export async function umap(points: Points, options: UmapOptions): Promise<UmapMap> {
  checkPoints(points, 'UMAP');
  const { device, seed = 0, learningRate = 1, signal } = options;
  const { count } = points;
  checkOptions(options, count);
  const { neighbours = Math.min(15, count), epochs = count <= FEW_POINTS ? 500 : 200 } = options;
  const curve = fitCurve(options.minDistance, options.spread);
  const graph = fuzzyGraph(await neighboursOf(points, neighbours - 1, options));
  const y = await startOf(points, options);
  const snapshots = new Snapshots(y, options.snapshots);
  const settings = {
    ...{ ...curve, seed, pulls: 2 as const },
    repulsionStrength: options.repulsionStrength ?? 1,
    negativeSamples: options.negativeSamples ?? 5,
  };
  const layout = new UmapLayout(y, followedEdges(graph, epochs), settings, device);
  try {
    for (let epoch = 0; epoch < epochs; epoch++) {
      if (options.snapshots && epoch % options.snapshots.every === 0) {
        y.set(await layout.places());
        snapshots.see(epoch);
      }
      layout.epoch(learningRate * (1 - epoch / epochs));
      await device.pace(2);
      if (epoch % REPORT_EVERY === 0) {
        options.onProgress?.({ epoch, epochs });
        await giveWay();
        signal?.throwIfAborted();
      }
    }
    y.set(await layout.places());
    snapshots.see(epochs, true);
    const embedding = { values: y, count, dimensions: 2 };
    return { embedding, ...curve, neighbours, epochs, snapshots: snapshots.taken };
  } finally {
    layout.dispose();
  }
}

/** The graph's edges by how often they are followed: in every epoch where membership is largest, never where it is too seldom. */
export function followedEdges({ starts, columns, values, count }: Affinities, epochs: number): LayoutEdges {
  const most = values.reduce((largest, value) => Math.max(largest, value), 0);
  const isFollowed = (at: number): boolean => values[at] * epochs >= most;
  const kept = new Int32Array(count + 1);
  const chosen: number[] = [];
  for (let i = 0; i < count; i++) {
    for (let at = starts[i]; at < starts[i + 1]; at++) if (isFollowed(at)) chosen.push(at);
    kept[i + 1] = chosen.length;
  }
  return {
    starts: kept,
    columns: Int32Array.from(chosen, at => columns[at]),
    rates: Float64Array.from(chosen, at => values[at] / most),
  };
}

async function neighboursOf(points: Points, k: number, options: UmapOptions): Promise<Neighbours> {
  const { device, signal, precomputed } = options;
  if (!precomputed) return nearestNeighbours(points, k, { device, signal });
  checkKnownNeighbours(precomputed, points.count, 'UMAP');
  return precomputed.k === k ? precomputed : fewerNeighbours(precomputed, k);
}

/** What can be said before anything is computed; `fitCurve` looks at its own. */
function checkOptions(options: UmapOptions, count: number): void {
  if (count < 3) throw new UsageError(`UMAP needs at least three points, not ${count}.`);
  const { neighbours = Math.min(15, count), epochs = 1, negativeSamples = 1, snapshots, start } = options;
  if (!(Number.isInteger(neighbours) && neighbours >= 2 && neighbours <= count))
    throw new UsageError(`UMAP: a point has 2 to ${count} neighbours, itself one of them, not ${neighbours}.`);
  for (const [what, value, least] of [
    ['epochs', epochs, 0],
    ['negativeSamples', negativeSamples, 0],
  ] as const) {
    if (!(Number.isInteger(value) && value >= least && value < 2 ** 16))
      throw new UsageError(`UMAP: ${what} is a whole number from ${least} to 65535, not ${value}.`);
  }
  for (const [what, value] of [
    ['a learning rate', options.learningRate ?? 1],
    ['a strength of repulsion', options.repulsionStrength ?? 1],
  ] as const) {
    if (!(value > 0 && Number.isFinite(value)))
      throw new UsageError(`UMAP: ${what} is a number above 0, not ${value}.`);
  }
  if (start !== undefined && start !== 'pca' && start !== 'random')
    throw new UsageError(`UMAP: points start from 'pca' or 'random', not '${start}'.`);
  if (snapshots && !(Number.isInteger(snapshots.every) && snapshots.every >= 1))
    throw new UsageError(`UMAP: snapshots are taken every 1 or more epochs, not ${snapshots.every}.`);
  for (const point of Array.from(snapshots?.points ?? [])) {
    if (!(Number.isInteger(point) && point >= 0 && point < count))
      throw new UsageError(`UMAP: there is no point ${point} among ${count} to take snapshots of.`);
  }
}

async function startOf(
  points: Points,
  { device, start = 'pca', seed = 0, signal }: UmapOptions,
): Promise<Float64Array> {
  const random = new PhiloxStream(seed, streamNamed('UMAP start'));
  const y = new Float64Array(2 * points.count);
  if (start === 'random') return y.map(() => START_EXTENT * (2 * random.uniform() - 1));
  if (points.dimensions < 2) throw new UsageError('UMAP: points on a line have no second component to start from.');
  const pca = await fitPca(points, { components: 2, device, signal });
  const { values } = await transformPca(pca, points, device);
  let farthest = 0;
  for (const value of values) farthest = Math.max(farthest, Math.abs(value));
  if (farthest === 0) throw new UsageError('UMAP: all points are the same.');
  return y.map((_, i) => (START_EXTENT * values[i]) / farthest + START_NOISE * random.normal());
}
