/**
 * The whole look at a data set before training, in order: cleaning, principal components, neighbours and what they say of
 * overlap and labels, a map. The result is plain JSON and holds all that a report needs besides pictures of the images.
 */
import { stratifiedSplit } from '../data/batches.ts';
import type { Dataset } from '../data/dataset.ts';
import { CLASS_NAMES } from '../data/fashion-mnist.ts';
import type { Device } from '../devices/device.ts';
import { UsageError } from '../devices/errors.ts';
import { giveWay } from '../devices/event-loop.ts';
import { type CleaningReport, cleaningReport } from './cleaning.ts';
import { type NearDuplicates, nearDuplicates } from './near-duplicates.ts';
import { nearestNeighbours } from './neighbours.ts';
import { type ClassOverlap, classOverlap, type LabelCandidate, labelCandidates } from './overlap.ts';
import { fitPca, type Pca, transformPca } from './pca.ts';
import { type Points, pixelsOf, selectPoints } from './points.ts';
import { neighbourRecall, trustworthiness } from './quality.ts';
import { tsne } from './tsne.ts';

/** Neighbours that vote on a class; those by which a map's trustworthiness is judged. */
const VOTERS = 10;
const TRUST_NEIGHBOURS = 12;
const MOST_LISTED = 100;

export interface ExplorationOptions {
  readonly device: Device;
  readonly seed?: number;
  /** Principal components to keep; the map and the neighbours see no more than these. */
  readonly components?: number;
  /** Training images on the map. */
  readonly mapImages?: number;
  /** Training images that are compared with each other; default all. */
  readonly neighbourImages?: number;
  /** Steps of t-SNE with exaggerated attraction, and after. */
  readonly exaggerationSteps?: number;
  readonly steps?: number;
  /** Root of the mean squared pixel difference, in [0, 1], up to which two images are nearly the same. */
  readonly nearThreshold?: number;
  readonly signal?: AbortSignal;
  /** What is being done, for people. */
  readonly onProgress?: (what: string) => void;
}

export interface Variances {
  /** Images that the components were fitted to. */
  readonly images: number;
  readonly totalVariance: number;
  readonly explainedVariance: readonly number[];
  readonly explainedVarianceRatio: readonly number[];
}

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
  /** Kullback-Leibler divergence in nats, at the end and on the way. */
  readonly kl: number;
  readonly history: readonly { readonly step: number; readonly kl: number }[];
  readonly trustworthiness: { readonly k: number; readonly value: number };
  /** The same for the first two principal components, as a yardstick. */
  readonly principalTrustworthiness: number;
  /** Share of the nearest neighbours among the components that are nearest neighbours on the map. */
  readonly recall: { readonly k: number; readonly value: number };
  /** Overlap of these images' classes among the components, and on the map. */
  readonly inComponents: ClassOverlap;
  readonly onMap: ClassOverlap;
}

export interface ExploreResult {
  readonly classNames: readonly string[];
  readonly seed: number;
  readonly device: string;
  readonly sampleData: boolean;
  /** Absent for Fashion-MNIST. */
  readonly dataKind?: 'other';
  readonly cleaning: CleaningReport;
  /** The most alike pairs only; the counts are of all. */
  readonly nearDuplicates: NearDuplicates;
  readonly pca: Variances;
  /** Overlap of the training images' classes in the space of the components. */
  readonly overlap: ClassOverlap;
  /** Candidates for label errors: how many there are, and the foremost, with places in the training set. */
  readonly labelCandidates: { readonly count: number; readonly foremost: readonly LabelCandidate[] };
  readonly map: MapReport;
  /** Seconds of each part. */
  readonly seconds: Readonly<Record<string, number>>;
}

/**
 * Explores a training set (and how the test set stands to it).
 *
 * @returns the result, and the components, which a report shows as pictures
 * @throws UsageError for too few images; the signal's reason when aborted
 */
export async function exploreImages(
  data: Pick<Dataset, 'train' | 'test' | 'isSample'> & Partial<Pick<Dataset, 'kind' | 'classNames'>>,
  options: ExplorationOptions,
): Promise<{ result: ExploreResult; pca: Pca }> {
  const { device, seed = 0, signal, onProgress = () => {} } = options;
  const { mapImages = 2500, nearThreshold = 0.03 } = options;
  const { train, test } = data;
  const { classNames = CLASS_NAMES, kind } = data;
  const classes = classNames.length;
  if (train.count < 4 * TRUST_NEIGHBOURS) {
    throw new UsageError(`explore: ${train.count} training images are too few; it takes ${4 * TRUST_NEIGHBOURS}.`);
  }
  checkOptions(options);
  const seconds: Record<string, number> = {};
  const timed = timedInto(seconds, options);

  const cleaning = await timed('cleaning', 'counting', () => cleaningReport({ train, test }, classes));

  const pixels = pixelsOf(train);
  const components = Math.min(options.components ?? 50, train.count, pixels.dimensions);
  const pca = await timed('pca', 'principal components', () =>
    fitPca(pixels, { components, device, signal, onProgress: percentOf(onProgress, 'principal components') }),
  );
  const scores = await timed('projection', 'projecting', async () => ({
    train: await transformPca(pca, pixels, device),
    test: await transformPca(pca, pixelsOf(test), device),
  }));

  const compared = chosen(train.labels, options.neighbourImages ?? train.count, seed);
  const own = selectPoints(scores.train, compared);
  const ownLabels = pick(train.labels, compared);
  const search = percentOf(onProgress, 'neighbours');
  const neighbours = await timed('neighbours', 'neighbours', async () => ({
    train: await nearestNeighbours(own, VOTERS, { device, signal, onProgress: share => search(share, 1) }),
    test: await nearestNeighbours(scores.test, 1, { device, signal, among: own }),
  }));
  const near = await timed('near duplicates', 'near duplicates', () =>
    nearDuplicates(
      { train, test },
      [
        { split: 'train', neighbours: neighbours.train, indices: compared, among: compared },
        { split: 'test', neighbours: neighbours.test, among: compared },
      ],
      nearThreshold,
    ),
  );
  const overlap = classOverlap(neighbours.train, ownLabels, classes);
  const candidates = labelCandidates(neighbours.train, ownLabels, classes);
  const inTrainingSet = (candidate: LabelCandidate): LabelCandidate => ({
    ...candidate,
    index: compared[candidate.index],
    neighbours: candidate.neighbours.map(neighbour => ({ ...neighbour, index: compared[neighbour.index] })),
  });

  const map = await timed('map', 't-SNE', () => mapOf(train.labels, classes, scores.train, mapImages, options));
  const result: ExploreResult = {
    classNames,
    seed,
    device: device.info.description,
    sampleData: data.isSample,
    ...(kind === 'other' && { dataKind: kind }),
    cleaning: {
      ...cleaning,
      duplicates: { ...cleaning.duplicates, groups: cleaning.duplicates.groups.slice(0, MOST_LISTED) },
    },
    nearDuplicates: { ...near, pairs: near.pairs.slice(0, MOST_LISTED) },
    pca: {
      images: pca.samples,
      totalVariance: pca.totalVariance,
      explainedVariance: Array.from(pca.explainedVariance),
      explainedVarianceRatio: Array.from(pca.explainedVarianceRatio),
    },
    overlap,
    labelCandidates: { count: candidates.length, foremost: candidates.slice(0, MOST_LISTED).map(inTrainingSet) },
    map,
    seconds,
  };
  return { result, pca };
}

/** Runs one part of the work after the other, and notes the seconds that each took. */
function timedInto(
  seconds: Record<string, number>,
  { signal, onProgress = () => {} }: ExplorationOptions,
): <T>(part: string, what: string, work: () => T | Promise<T>) => Promise<T> {
  return async (part, what, work) => {
    await giveWay();
    signal?.throwIfAborted();
    onProgress(what);
    const began = performance.now();
    const value = await work();
    seconds[part] = Math.round(performance.now() - began) / 1000;
    return value;
  };
}

/** What can be said of the options before anything is computed. */
function checkOptions(options: ExplorationOptions): void {
  const { components, mapImages, neighbourImages, exaggerationSteps, steps, nearThreshold } = options;
  for (const [what, value, least] of [
    ['components', components, 1],
    // Each point has as many neighbours as vote.
    ['mapImages', mapImages, VOTERS + 1],
    ['neighbourImages', neighbourImages, VOTERS + 1],
    ['exaggerationSteps', exaggerationSteps, 0],
    ['steps', steps, 0],
  ] as const) {
    if (value !== undefined && !(Number.isInteger(value) && value >= least))
      throw new UsageError(`explore: ${what} is a whole number of at least ${least}, not ${value}.`);
  }
  if (nearThreshold !== undefined && !(nearThreshold >= 0 && nearThreshold < Number.POSITIVE_INFINITY))
    throw new UsageError(`explore: nearThreshold is a number of at least 0, not ${nearThreshold}.`);
}

async function mapOf(
  labels: Uint8Array,
  classes: number,
  scores: Points,
  mapImages: number,
  { device, seed = 0, signal, onProgress = () => {}, exaggerationSteps, steps }: ExplorationOptions,
): Promise<MapReport> {
  const indices = chosen(labels, mapImages, seed);
  const ownLabels = pick(labels, indices);
  const points = selectPoints(scores, indices);
  const { count } = points;
  // 3 x perplexity neighbours must be there to be had.
  const perplexity = Math.min(30, Math.floor((count - 1) / 3));
  const { embedding, ...run } = await tsne(points, {
    device,
    perplexity,
    exaggerationSteps,
    steps,
    seed,
    signal,
    onProgress: ({ step, steps: all, kl }) => onProgress(`t-SNE: step ${step} of ${all}, divergence ${kl.toFixed(3)}`),
  });
  signal?.throwIfAborted();
  onProgress('judging the map');
  const plane: Points = {
    values: points.values.filter((_: number, at: number) => at % points.dimensions < 2) as Float64Array,
    count,
    dimensions: 2,
  };
  const [inComponents, onMap] = [
    await nearestNeighbours(points, VOTERS, { device, signal }),
    await nearestNeighbours(embedding, VOTERS, { device, signal }),
  ];
  const k = Math.min(TRUST_NEIGHBOURS, Math.floor((count - 1) / 2));
  return {
    images: count,
    indices: Array.from(indices),
    labels: Array.from(ownLabels),
    points: pairsOf(embedding),
    principal: pairsOf(plane),
    perplexity: run.perplexity,
    steps: run.exaggerationSteps + run.steps,
    kl: run.kl,
    history: run.history,
    trustworthiness: { k, value: trustworthiness(points, embedding, k) },
    principalTrustworthiness: trustworthiness(points, plane, k),
    recall: { k: VOTERS, value: neighbourRecall(inComponents, onMap) },
    inComponents: classOverlap(inComponents, ownLabels, classes),
    onMap: classOverlap(onMap, ownLabels, classes),
  };
}

/** Places of `wanted` images (or all there are), the classes in their proportions, ascending. */
function chosen(labels: Uint8Array, wanted: number, seed: number): Uint32Array {
  if (wanted >= labels.length) return Uint32Array.from(labels.keys());
  return stratifiedSplit(labels, wanted, seed).heldOut;
}

function pick(labels: Uint8Array, indices: Uint32Array): Uint8Array {
  return Uint8Array.from(indices, index => labels[index]);
}

/** Coordinates with four digits after the point: a tenth of a thousandth of a map that is tens across. */
function pairsOf({ values, count }: Points): [number, number][] {
  const round = (value: number): number => Math.round(1e4 * value) / 1e4;
  return Array.from({ length: count }, (_, i) => [round(values[2 * i]), round(values[2 * i + 1])]);
}

function percentOf(report: (what: string) => void, what: string): (done: number, all: number) => void {
  return (done, all) => report(`${what}: ${Math.round((100 * done) / all)} %`);
}
