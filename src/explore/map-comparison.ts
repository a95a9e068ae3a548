/**
 * What maps are worth, side by side: of pixels and of what a network learned, by principal components, t-SNE and UMAP, all by
 * the same measures; and how well the overlap of classes in each space says which of them the network will confuse.
 */
import type { Device } from '../devices/device.ts';
import { type BootstrapInterval, bootstrapInterval } from '../train/comparison.ts';
import { spearman } from '../train/ranks.ts';
import { finiteOrNull, klDivergence } from './divergence.ts';
import { pairsOf } from './map-report.ts';
import { fewerNeighbours, type Neighbours, nearestNeighbours } from './neighbours.ts';
import { classOverlap } from './overlap.ts';
import type { Points } from './points.ts';
import { centroidCorrelation, continuity, neighbourAccuracy, neighbourRecall, trustworthiness } from './quality.ts';
import { tsne } from './tsne.ts';
import { umap } from './umap.ts';

/** Neighbours that trustworthiness and continuity look at, that vote, and that are recalled. */
const TRUSTED = 12;
const VOTERS = 10;
const RECALLED = [10, 50] as const;
/** Points whose trustworthiness and continuity are computed; of more, a sample. */
const MOST_JUDGED = 2500;

export type MapMethod = 'PCA' | 't-SNE' | 'UMAP';

/** Points to be laid out. */
export interface MapSpace {
  /** For people: "pixels", "features". */
  readonly name: string;
  /** Principal components of what the space is about, the first two first. */
  readonly points: Points;
  /** Their t-SNE map, if there is one already. */
  readonly tsne?: Points;
}

export interface MapQuality {
  readonly space: string;
  readonly method: MapMethod;
  /** Coordinates of the images; absent for principal components, and for a map that was there already. */
  readonly points?: readonly (readonly [number, number])[];
  /** Both with 12 neighbours. */
  readonly trustworthiness: number;
  readonly continuity: number;
  /** Share of the nearest 10 and 50 (or of all, where there are fewer) that are among the nearest on the map. */
  readonly recall10: number;
  readonly recall50: number;
  /** Leave-one-out, by 10 neighbours on the map. */
  readonly accuracy: number;
  /** In nats, over all pairs. Only t-SNE looks for a small one; the others' maps are in units of their own. */
  readonly kl: number | null;
  /** Rank correlation of the distances of class centroids in the space and on the map; null where there are not three classes. */
  readonly centroids: number | null;
  /** Rank correlation, over pairs of classes, of overlap on the map and the network's confusions; null without a network. */
  readonly confusions: BootstrapInterval | null;
}

export interface MapComparison {
  readonly images: number;
  readonly perplexity: number;
  /** Of the spaces themselves: leave-one-out accuracy of 10 neighbours, and what their overlap says of confusions. */
  readonly spaces: readonly {
    readonly name: string;
    readonly dimensions: number;
    readonly accuracy: number;
    readonly confusions: BootstrapInterval | null;
  }[];
  readonly maps: readonly MapQuality[];
}

export interface ComparisonOptions {
  readonly device: Device;
  readonly labels: ArrayLike<number>;
  readonly classes: number;
  readonly perplexity: number;
  /** [true][predicted] of a network on other images. */
  readonly confusion?: readonly (readonly number[])[];
  readonly seed?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (what: string) => void;
}

/**
 * Draws the maps of some spaces, which show the same images, and judges them.
 * @returns the comparison, and the maps in the order of its rows
 * @throws UsageError for settings that cannot be; the signal's reason when aborted
 */
export async function compareMaps(
  spaces: readonly MapSpace[],
  options: ComparisonOptions,
): Promise<{ comparison: MapComparison; maps: readonly Points[] }> {
  const { device, labels, classes, perplexity, seed = 0, signal, onProgress = () => {} } = options;
  const rows: MapQuality[] = [];
  const drawn: Points[] = [];
  const described: MapComparison['spaces'][number][] = [];
  for (const { name, points, tsne: known } of spaces) {
    onProgress(`${name}: neighbours`);
    const k = Math.min(points.count - 1, Math.max(RECALLED[1], Math.ceil(3 * perplexity)));
    const neighbours = await nearestNeighbours(points, k, { device, signal });
    const voters = fewerNeighbours(neighbours, Math.min(k, VOTERS));
    described.push({
      name,
      dimensions: points.dimensions,
      accuracy: neighbourAccuracy(voters, labels, classes),
      confusions: confusionCorrelation(voters, options),
    });
    const shared = { device, seed, signal, precomputed: neighbours };
    const draw: Readonly<Record<MapMethod, () => Promise<Points>>> = {
      PCA: async () => firstTwo(points),
      't-SNE': async () => known ?? (await tsne(points, { ...shared, perplexity })).embedding,
      UMAP: async () => (await umap(points, shared)).embedding,
    };
    for (const method of ['PCA', 't-SNE', 'UMAP'] as const) {
      onProgress(`${name}: ${method}`);
      const map = await draw[method]();
      signal?.throwIfAborted();
      onProgress(`${name}: judging ${method}`);
      const coordinates = method === 'PCA' || map === known ? {} : { points: pairsOf(map) };
      rows.push({ space: name, method, ...coordinates, ...(await judge(points, map, neighbours, options)) });
      drawn.push(map);
    }
  }
  const images = spaces[0]?.points.count ?? 0;
  return { comparison: { images, perplexity, spaces: described, maps: rows }, maps: drawn };
}

async function judge(
  points: Points,
  map: Points,
  neighbours: Neighbours,
  options: ComparisonOptions,
): Promise<Omit<MapQuality, 'space' | 'method' | 'points'>> {
  const { device, labels, classes, perplexity, signal } = options;
  const { count } = points;
  const onMap = await nearestNeighbours(map, Math.min(count - 1, RECALLED[1]), { device, signal });
  const recall = (k: number): number => {
    const own = Math.min(k, onMap.k);
    return neighbourRecall(fewerNeighbours(neighbours, own), fewerNeighbours(onMap, own));
  };
  const voters = fewerNeighbours(onMap, Math.min(VOTERS, onMap.k));
  const trusted = Math.min(TRUSTED, Math.floor((count - 1) / 2));
  const judged = Math.min(count, MOST_JUDGED);
  const sample = Uint32Array.from({ length: judged }, (_, i) => Math.floor((i * count) / judged));
  return {
    trustworthiness: trustworthiness(points, map, trusted, sample),
    continuity: continuity(points, map, trusted, sample),
    recall10: recall(RECALLED[0]),
    recall50: recall(RECALLED[1]),
    accuracy: neighbourAccuracy(voters, labels, classes),
    kl: finiteOrNull(await klDivergence(points, map, { device, perplexity, signal })),
    centroids: new Set(Array.from(labels)).size < 3 ? null : centroidCorrelation(points, map, labels, classes),
    confusions: confusionCorrelation(voters, options),
  };
}

function firstTwo({ values, count, dimensions, scale = 1 }: Points): Points {
  const plane = Float64Array.from({ length: 2 * count }, (_, at) => scale * values[(at >> 1) * dimensions + (at % 2)]);
  return { values: plane, count, dimensions: 2 };
}

/**
 * Rank correlation, over pairs of classes, of the share of neighbours that belong to the other class and the share of images that
 * a network takes for the other class; its interval is a bootstrap's over the pairs.
 */
function confusionCorrelation(
  neighbours: Neighbours,
  { labels, classes, confusion, seed }: ComparisonOptions,
): BootstrapInterval | null {
  if (!confusion) return null;
  const { neighbourShares } = classOverlap(neighbours, labels, classes);
  const sizes = confusion.map(row => row.reduce((sum, images) => sum + images, 0));
  const overlap: number[] = [];
  const confused: number[] = [];
  for (let a = 0; a < classes; a++) {
    for (let b = a + 1; b < classes; b++) {
      overlap.push(neighbourShares[a][b] + neighbourShares[b][a]);
      confused.push(confusion[a][b] / Math.max(1, sizes[a]) + confusion[b][a] / Math.max(1, sizes[b]));
    }
  }
  const pick = (values: readonly number[], indices: Uint32Array): Float64Array =>
    Float64Array.from(indices, index => values[index]);
  const correlation = (indices: Uint32Array): number => {
    const value = spearman(pick(overlap, indices), pick(confused, indices));
    // All pairs that were drawn are alike: they say nothing.
    return Number.isNaN(value) ? 0 : value;
  };
  return overlap.length < 2 ? null : bootstrapInterval(overlap.length, correlation, { seed });
}
