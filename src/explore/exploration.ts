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
import type { MapComparison } from './map-comparison.ts';
import {
  type DrawnMap,
  drawMap,
  type MapImages,
  type MapReport,
  perplexityOf,
  TRUST_NEIGHBOURS,
  VOTERS,
} from './map-report.ts';
import { type NearDuplicates, nearDuplicates } from './near-duplicates.ts';
import { fewerNeighbours, type Neighbours, nearestNeighbours } from './neighbours.ts';
import { type ClassOverlap, classOverlap, type LabelCandidate, labelCandidates } from './overlap.ts';
import { fitPca, type Pca, transformPca } from './pca.ts';
import { type Points, pixelsOf, selectPoints } from './points.ts';

const MOST_LISTED = 100;

export interface ExplorationOptions {
  readonly device: Device;
  readonly seed?: number;
  /** Principal components to keep; the map and the neighbours see no more than these. */
  readonly components?: number;
  /** Training images on the map; default 2,500. */
  readonly mapImages?: number | 'all';
  /** Training images that are compared with each other; default all. */
  readonly neighbourImages?: number;
  /** Settings of t-SNE; see TsneOptions. */
  readonly perplexity?: number;
  readonly exaggerationSteps?: number;
  readonly steps?: number;
  readonly lateExaggeration?: number;
  readonly learningRate?: number;
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
  /** What maps are worth, where they were compared. */
  readonly comparison?: MapComparison;
  /** Seconds of each part. */
  readonly seconds: Readonly<Record<string, number>>;
}

/**
 * Explores a training set (and how the test set stands to it).
 *
 * @returns the result, the components, which a report shows as pictures, the map with all its digits, and what it was drawn of
 * @throws UsageError for too few images; the signal's reason when aborted
 */
export async function exploreImages(
  data: Pick<Dataset, 'train' | 'test' | 'isSample'> & Partial<Pick<Dataset, 'kind' | 'classNames'>>,
  options: ExplorationOptions,
): Promise<{ result: ExploreResult; pca: Pca; map: DrawnMap; images: MapImages }> {
  const { device, seed = 0, signal, onProgress = () => {}, mapImages = 2500 } = options;
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

  const mapped = chosen(train.labels, mapImages === 'all' ? train.count : mapImages, seed);
  const perplexity = options.perplexity ?? perplexityOf(mapped.length);
  const compared = await compareImages(
    { train, test, classes, scores, compared: chosen(train.labels, options.neighbourImages ?? train.count, seed) },
    // One search serves both where both are about all images.
    mapped.length === train.count ? Math.min(train.count - 1, Math.ceil(3 * perplexity)) : VOTERS,
    options,
    timed,
  );

  const isWhole = mapped.length === train.count && compared.neighbours.count === train.count;
  const images: MapImages = {
    indices: mapped,
    labels: pick(train.labels, mapped),
    points: selectPoints(scores.train, mapped),
    neighbours: isWhole ? compared.neighbours : undefined,
    test: { points: scores.test, labels: test.labels },
    classes,
  };
  const map = await timed('map', 't-SNE', () => drawMap(images, { ...options, perplexity }));
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
    nearDuplicates: compared.nearDuplicates,
    pca: {
      images: pca.samples,
      totalVariance: pca.totalVariance,
      explainedVariance: Array.from(pca.explainedVariance),
      explainedVarianceRatio: Array.from(pca.explainedVarianceRatio),
    },
    overlap: compared.overlap,
    labelCandidates: compared.labelCandidates,
    map: map.report,
    seconds,
  };
  return { result, pca, map, images };
}

type Timed = <T>(part: string, what: string, work: () => T | Promise<T>) => Promise<T>;

/** What images are to be compared, and where they lie among the components. */
interface Compared extends Pick<Dataset, 'train' | 'test'> {
  readonly classes: number;
  readonly scores: { readonly train: Points; readonly test: Points };
  /** Places in the training set. */
  readonly compared: Uint32Array;
}

/** Neighbours among the components, at least `k` of each image, and what they say of duplicates, classes and labels. */
async function compareImages(
  { train, test, classes, scores, compared }: Compared,
  k: number,
  { device, signal, onProgress = () => {}, nearThreshold = 0.03 }: ExplorationOptions,
  timed: Timed,
): Promise<Pick<ExploreResult, 'nearDuplicates' | 'overlap' | 'labelCandidates'> & { neighbours: Neighbours }> {
  const own = selectPoints(scores.train, compared);
  const search = percentOf(onProgress, 'neighbours');
  const isWhole = compared.length === train.count;
  const found = await timed('neighbours', 'neighbours', async () => ({
    train: await nearestNeighbours(own, isWhole ? Math.max(VOTERS, k) : VOTERS, {
      ...{ device, signal },
      onProgress: share => search(share, 1),
    }),
    test: await nearestNeighbours(scores.test, 1, { device, signal, among: own }),
    withinTest: test.count > 1 ? await nearestNeighbours(scores.test, 1, { device, signal }) : undefined,
  }));
  const voters = fewerNeighbours(found.train, VOTERS);
  const near = await timed('near duplicates', 'near duplicates', () =>
    nearDuplicates(
      { train, test },
      [
        { split: 'train', neighbours: voters, indices: compared, among: compared },
        { split: 'test', neighbours: found.test, among: compared },
        ...(found.withinTest ? [{ split: 'test', amongSplit: 'test', neighbours: found.withinTest } as const] : []),
      ],
      nearThreshold,
    ),
  );
  const labels = pick(train.labels, compared);
  const candidates = labelCandidates(voters, labels, classes);
  const inTrainingSet = (candidate: LabelCandidate): LabelCandidate => ({
    ...candidate,
    index: compared[candidate.index],
    neighbours: candidate.neighbours.map(neighbour => ({ ...neighbour, index: compared[neighbour.index] })),
  });
  return {
    nearDuplicates: { ...near, pairs: near.pairs.slice(0, MOST_LISTED) },
    overlap: classOverlap(voters, labels, classes),
    labelCandidates: { count: candidates.length, foremost: candidates.slice(0, MOST_LISTED).map(inTrainingSet) },
    neighbours: found.train,
  };
}

/** Runs one part of the work after the other, and notes the seconds that each took. */
function timedInto(seconds: Record<string, number>, { signal, onProgress = () => {} }: ExplorationOptions): Timed {
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

/** What can be said of the options before anything is computed; t-SNE looks at its own. */
function checkOptions(options: ExplorationOptions): void {
  const { components, mapImages, neighbourImages, exaggerationSteps, steps, nearThreshold } = options;
  for (const [what, value, least] of [
    ['components', components, 1],
    // Each point has as many neighbours as vote.
    ['mapImages', mapImages === 'all' ? undefined : mapImages, VOTERS + 1],
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

/** Places of `wanted` images (or all there are), the classes in their proportions, ascending. */
function chosen(labels: Uint8Array, wanted: number, seed: number): Uint32Array {
  if (wanted >= labels.length) return Uint32Array.from(labels.keys());
  return stratifiedSplit(labels, wanted, seed).heldOut;
}

function pick(labels: Uint8Array, indices: Uint32Array): Uint8Array {
  return Uint8Array.from(indices, index => labels[index]);
}

function percentOf(report: (what: string) => void, what: string): (done: number, all: number) => void {
  return (done, all) => report(`${what}: ${Math.round((100 * done) / all)} %`);
}
