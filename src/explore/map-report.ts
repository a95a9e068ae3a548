/** The map of an exploration: t-SNE of some images, what it is worth, how it formed, and where test images lie on it. */
import type { Device } from '../devices/device.ts';
import { animationOf, type MapAnimation } from './animation.ts';
import { finiteOrNull, klDivergence } from './divergence.ts';
import { fewerNeighbours, type Neighbours, nearestNeighbours } from './neighbours.ts';
import { type ClassOverlap, classOverlap } from './overlap.ts';
import type { Points } from './points.ts';
import { neighbourRecall, neighbourVotes, trustworthiness } from './quality.ts';
import { transformTsne } from './transform-tsne.ts';
import { type TsneOptions, tsne } from './tsne.ts';

/** Neighbours that vote on a class; those by which a map's trustworthiness is judged. */
export const VOTERS = 10;
export const TRUST_NEIGHBOURS = 12;
/** Images whose trustworthiness is computed; of more, a sample. */
const MOST_JUDGED = 2500;
const ANIMATED = 3000;
const ANIMATE_EVERY = 25;

export interface MapReport {
  readonly images: number;
  /** Places of the images in the training set, and their labels. */
  readonly indices: readonly number[];
  readonly labels: readonly number[];
  /** Coordinates on the map, and on the first two principal components. */
  readonly points: readonly (readonly [number, number])[];
  readonly principal: readonly (readonly [number, number])[];
  readonly perplexity: number;
  readonly steps: number;
  /** Kullback-Leibler divergence in nats over all pairs (`klDivergence`); null where it could not be had. */
  readonly kl: number | null;
  /** On the way, over the neighbours with attraction, as descent sees it: higher. */
  readonly history: readonly { readonly step: number; readonly kl: number }[];
  /** Of a sample of so many images. */
  readonly trustworthiness: { readonly k: number; readonly value: number; readonly images: number };
  /** The same for the first two principal components, as a yardstick. */
  readonly principalTrustworthiness: number;
  /** Share of the nearest neighbours among the components that are nearest neighbours on the map. */
  readonly recall: { readonly k: number; readonly value: number };
  /** Overlap of these images' classes among the components, and on the map. */
  readonly inComponents: ClassOverlap;
  readonly onMap: ClassOverlap;
  /** Test images placed on the finished map: how many, and the share whose neighbours on the map vote for their class. */
  readonly placed: { readonly images: number; readonly accuracy: number };
  /** How the map formed. */
  readonly animation: MapAnimation;
}

/** A map with all its digits, and what is reported of it. */
export interface DrawnMap {
  readonly report: MapReport;
  /** `[images, 2]` */
  readonly embedding: Points;
  /** Test images on the same map. */
  readonly placed: Points;
}

export interface MapImages {
  /** Places in the training set. */
  readonly indices: Uint32Array;
  readonly labels: Uint8Array;
  /** Among the principal components. */
  readonly points: Points;
  /** Of the points, if they are known: at least three times the perplexity and ten. */
  readonly neighbours?: Neighbours;
  readonly test: { readonly points: Points; readonly labels: Uint8Array };
  readonly classes: number;
}

export interface MapOptions
  extends Pick<
    TsneOptions,
    'perplexity' | 'exaggerationSteps' | 'steps' | 'lateExaggeration' | 'learningRate' | 'seed' | 'signal'
  > {
  readonly device: Device;
  readonly onProgress?: (what: string) => void;
}

/** The usual perplexity for so many points: three times as many neighbours must be there to be had. */
export function perplexityOf(count: number): number {
  return Math.min(30, Math.floor((count - 1) / 3));
}

/** Draws the map and judges it. */
export async function drawMap(images: MapImages, options: MapOptions): Promise<DrawnMap> {
  const { points, labels, classes } = images;
  const { device, signal, onProgress = () => {} } = options;
  const { count } = points;
  const perplexity = options.perplexity ?? perplexityOf(count);
  const k = Math.min(count - 1, Math.max(VOTERS, Math.ceil(3 * perplexity)));
  const neighbours = images.neighbours ?? (await nearestNeighbours(points, k, { device, signal }));
  const animated = everySo(count, ANIMATED);
  const { embedding, snapshots, ...run } = await tsne(points, {
    ...options,
    perplexity,
    precomputed: neighbours,
    snapshots: { every: ANIMATE_EVERY, points: animated },
    onProgress: ({ step, steps: all, kl }) => onProgress(`t-SNE: step ${step} of ${all}, divergence ${kl.toFixed(3)}`),
  });
  signal?.throwIfAborted();
  onProgress('placing test images');
  const placed = await transformTsne(embedding, points, images.test.points, { device, signal });
  onProgress('judging the map');
  const plane: Points = {
    values: points.values.filter((_: number, at: number) => at % points.dimensions < 2) as Float64Array,
    count,
    dimensions: 2,
  };
  const inComponents = fewerNeighbours(neighbours, VOTERS);
  const onMap = await nearestNeighbours(embedding, VOTERS, { device, signal });
  const trusted = Math.min(TRUST_NEIGHBOURS, Math.floor((count - 1) / 2));
  const judged = everySo(count, MOST_JUDGED);
  const report: MapReport = {
    images: count,
    indices: Array.from(images.indices),
    labels: Array.from(labels),
    points: pairsOf(embedding),
    principal: pairsOf(plane),
    perplexity: run.perplexity,
    steps: run.exaggerationSteps + run.steps,
    kl: finiteOrNull(await klDivergence(points, embedding, { device, perplexity, neighbours, signal })),
    history: run.history,
    trustworthiness: {
      k: trusted,
      value: trustworthiness(points, embedding, trusted, judged),
      images: judged.length,
    },
    principalTrustworthiness: trustworthiness(points, plane, trusted, judged),
    recall: { k: VOTERS, value: neighbourRecall(inComponents, onMap) },
    inComponents: classOverlap(inComponents, labels, classes),
    onMap: classOverlap(onMap, labels, classes),
    placed: {
      images: placed.count,
      accuracy: await placedAccuracy(placed, embedding, images, options),
    },
    animation: animationOf(snapshots, animated),
  };
  return { report, embedding, placed };
}

/** At most `most` of `count` places, as far apart as they can be, ascending. */
function everySo(count: number, most: number): Uint32Array {
  const length = Math.min(count, most);
  return Uint32Array.from({ length }, (_, i) => Math.floor((i * count) / length));
}

async function placedAccuracy(
  placed: Points,
  embedding: Points,
  { labels, classes, test }: MapImages,
  { device, signal }: MapOptions,
): Promise<number> {
  if (placed.count === 0) return 0;
  const votes = neighbourVotes(
    await nearestNeighbours(placed, VOTERS, { device, signal, among: embedding }),
    labels,
    classes,
  );
  return votes.reduce((right, vote, i) => right + Number(vote === test.labels[i]), 0) / placed.count;
}

/** Coordinates with four digits after the point: a tenth of a thousandth of a map that is tens across. */
export function pairsOf({ values, count }: Points): [number, number][] {
  const round = (value: number): number => Math.round(1e4 * value) / 1e4;
  return Array.from({ length: count }, (_, i) => [round(values[2 * i]), round(values[2 * i + 1])]);
}
