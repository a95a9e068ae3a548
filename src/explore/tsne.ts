/**
 * t-SNE: points in the plane whose likenesses (Student's t) resemble those in the input (Gaussians). The gradient is the
 * difference of two forces (`forces.ts`): attraction between neighbours and repulsion between all pairs, exact for few
 * points, interpolated for many. Settings are openTSNE's: a start from PCA, exaggerated attraction first, a learning rate
 * of n over the exaggeration for the gradient without its factor of 4, momentum, gains, limited steps.
 *
 * L. van der Maaten, G. Hinton: Visualizing data using t-SNE. JMLR 9, 2008.
 * A. C. Belkina et al.: Automated optimized parameters for t-SNE. Nature Communications 10, 2019 (the learning rate).
 * D. Kobak, P. Berens: The art of using t-SNE for single-cell transcriptomics. Nature Communications 10, 2019 (the start,
 * and late exaggeration).
 */
import type { Device } from '../devices/device.ts';
import { ShapeError, UsageError } from '../devices/errors.ts';
import { giveWay } from '../devices/event-loop.ts';
import { PhiloxStream, streamNamed } from '../kernels/random/philox.ts';
import { jointAffinities } from './affinities.ts';
import { checkNeighbours } from './checks.ts';
import { Forces, fasterRepulsion, type RepulsionMethod } from './forces.ts';
import { fewerNeighbours, type Neighbours, nearestNeighbours } from './neighbours.ts';
import { fitPca, transformPca } from './pca.ts';
import { checkPoints, type Points } from './points.ts';

/** Standard deviation of the start: so small that all similarities are equal at first. */
const START_DEVIATION = 1e-4;
const MOMENTUM = 0.8;
const LEAST_GAIN = 0.01;
const LONGEST_STEP = 5;
const REPORT_EVERY = 50;
const GIVE_WAY_EVERY = 10;

export interface TsneOptions {
  readonly device: Device;
  /** Effective number of neighbours of a point. */
  readonly perplexity?: number;
  /** Neighbours with attraction; default 3 x perplexity, `'all'` for every pair. */
  readonly neighbours?: number | 'all';
  /** How much stronger attraction is during the first phase. */
  readonly exaggeration?: number;
  readonly exaggerationSteps?: number;
  /** Steps after the first phase. */
  readonly steps?: number;
  /** How much stronger attraction is after the first phase; default 1. About 4 draws clusters of large sets together. */
  readonly lateExaggeration?: number;
  /** For the gradient without its factor of 4; by default the number of points over the exaggeration of the phase. */
  readonly learningRate?: number;
  /** Nearest neighbours that are known already; at least as many of each point as are wanted. */
  readonly precomputed?: Neighbours;
  /** How repulsion is computed; by default in the faster way. */
  readonly repulsion?: RepulsionMethod;
  /** Where some points are on the way, every so many steps and at the end; by default all points. */
  readonly snapshots?: { readonly every: number; readonly points?: ArrayLike<number> };
  /** Where points start: their first two principal components, or a normal cloud of this seed. */
  readonly start?: 'pca' | 'random';
  readonly seed?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: TsneProgress) => void;
}

export interface TsneProgress {
  readonly step: number;
  readonly steps: number;
  /** Kullback-Leibler divergence of the map's likenesses from the input's, without exaggeration; see TsneMap. */
  readonly kl: number;
}

/** Where points were after so many steps: `[points, 2]`. */
export interface TsneSnapshot {
  readonly step: number;
  readonly values: Float32Array;
}

export interface TsneMap {
  /** `[count, 2]`, centred. */
  readonly embedding: Points;
  /**
   * Kullback-Leibler divergence in nats from likenesses among the neighbours with attraction, as descent sees it: comparable
   * between maps of the same neighbours. `klDivergence` has all pairs.
   */
  readonly kl: number;
  readonly history: readonly { readonly step: number; readonly kl: number }[];
  readonly perplexity: number;
  readonly exaggeration: number;
  readonly exaggerationSteps: number;
  readonly lateExaggeration: number;
  readonly steps: number;
  readonly repulsion: RepulsionMethod;
  readonly snapshots: readonly TsneSnapshot[];
}

/**
 * A map of points in the plane.
 *
 * @param points rows; reduce images to about 50 principal components first
 * @throws UsageError for settings that cannot be; the signal's reason when aborted
 * @example const { embedding, kl } = await tsne(await transformPca(pca, pixels, device), { device });
 */
export async function tsne(points: Points, options: TsneOptions): Promise<TsneMap> {
  checkPoints(points, 't-SNE');
  const { device, perplexity = 30, exaggeration = 12, exaggerationSteps = 250, steps = 500, signal } = options;
  const { lateExaggeration = 1, repulsion = fasterRepulsion(points.count, device) } = options;
  const { count } = points;
  checkOptions(options, count);
  const affinities = jointAffinities(await neighboursOf(points, perplexity, options), perplexity);
  const y = await startOf(points, options);
  const history: { step: number; kl: number }[] = [];
  const snapshots = new Snapshots(y, options.snapshots);
  const forces = new Forces(affinities, device, repulsion);
  const velocity = new Float64Array(2 * count);
  const gains = new Float64Array(2 * count).fill(1);
  const all = exaggerationSteps + steps;
  try {
    for (let step = 0; step < all; step++) {
      signal?.throwIfAborted();
      const factor = step < exaggerationSteps ? exaggeration : lateExaggeration;
      if (step === exaggerationSteps) {
        // Another landscape: what was learnt about the old one's slopes does not hold.
        velocity.fill(0);
        gains.fill(1);
      }
      snapshots.see(step);
      const { gradient, kl } = await forces.at(y, factor, step % REPORT_EVERY === 0);
      if (kl !== undefined) {
        history.push({ step, kl });
        options.onProgress?.({ step, steps: all, kl });
      }
      descend(y, gradient, velocity, gains, options.learningRate ?? count / factor);
      if (step % GIVE_WAY_EVERY === 0) await giveWay();
    }
    const kl = (await forces.at(y, 1, true)).kl!;
    history.push({ step: all, kl });
    snapshots.see(all, true);
    return {
      embedding: { values: y, count, dimensions: 2 },
      ...{ kl, history, perplexity, exaggeration, exaggerationSteps, lateExaggeration, steps, repulsion },
      snapshots: snapshots.taken,
    };
  } finally {
    forces.dispose();
  }
}

async function neighboursOf(points: Points, perplexity: number, options: TsneOptions): Promise<Neighbours> {
  const { count } = points;
  const { device, signal, precomputed, neighbours: wanted = Math.ceil(3 * perplexity) } = options;
  const k = wanted === 'all' ? count - 1 : Math.min(count - 1, wanted);
  if (!precomputed) return nearestNeighbours(points, k, { device, signal });
  checkNeighbours(precomputed, 't-SNE');
  if (precomputed.count !== count)
    throw new ShapeError(`t-SNE: neighbours of ${precomputed.count} points were given for ${count} points.`);
  const foreign = precomputed.indices.findIndex(index => index >= count);
  if (foreign >= 0)
    throw new UsageError(`t-SNE: point ${precomputed.indices[foreign]} is a neighbour, but there are ${count} points.`);
  return precomputed.k === k ? precomputed : fewerNeighbours(precomputed, k);
}

/** Takes down where points are, now and then. */
class Snapshots {
  readonly taken: TsneSnapshot[] = [];
  readonly #y: Float64Array;
  readonly #every: number;
  readonly #points: ArrayLike<number>;

  constructor(y: Float64Array, options: TsneOptions['snapshots']) {
    this.#y = y;
    this.#every = options?.every ?? 0;
    this.#points = options?.points ?? { length: y.length / 2 };
  }

  see(step: number, isLast = false): void {
    if (this.#every === 0 || (!isLast && step % this.#every !== 0)) return;
    const { length } = this.#points;
    const values = new Float32Array(2 * length);
    for (let i = 0; i < length; i++) {
      const point = this.#points[i] ?? i;
      values[2 * i] = this.#y[2 * point];
      values[2 * i + 1] = this.#y[2 * point + 1];
    }
    this.taken.push({ step, values });
  }
}

/** What can be said before anything is computed. */
function checkOptions(options: TsneOptions, count: number): void {
  const { perplexity = 30, exaggeration = 12, exaggerationSteps = 250, steps = 500, neighbours, start } = options;
  if (count < 3) throw new UsageError(`t-SNE needs at least three points, not ${count}.`);
  for (const factor of [exaggeration, options.lateExaggeration ?? 1]) {
    if (!(factor >= 1 && Number.isFinite(factor)))
      throw new UsageError(`t-SNE: an exaggeration of ${factor} is not a number of at least 1.`);
  }
  const { learningRate = 1, repulsion = 'exact', snapshots } = options;
  if (!(learningRate > 0 && Number.isFinite(learningRate)))
    throw new UsageError(`t-SNE: a learning rate is a number above 0, not ${learningRate}.`);
  if (repulsion !== 'exact' && repulsion !== 'interpolated')
    throw new UsageError(`t-SNE: repulsion is 'exact' or 'interpolated', not '${repulsion}'.`);
  if (snapshots && !(Number.isInteger(snapshots.every) && snapshots.every >= 1))
    throw new UsageError(`t-SNE: snapshots are taken every 1 or more steps, not ${snapshots.every}.`);
  for (const point of Array.from(snapshots?.points ?? [])) {
    if (!(Number.isInteger(point) && point >= 0 && point < count))
      throw new UsageError(`t-SNE: there is no point ${point} among ${count} to take snapshots of.`);
  }
  if (!(perplexity >= 1 && perplexity <= count - 1)) {
    throw new UsageError(
      `t-SNE: a perplexity of ${perplexity} cannot be had of ${count} points; give 1 to ${count - 1}.`,
    );
  }
  for (const [what, value] of [
    ['exaggerationSteps', exaggerationSteps],
    ['steps', steps],
  ] as const) {
    if (!(Number.isInteger(value) && value >= 0))
      throw new UsageError(`t-SNE: ${what} is a whole number of at least 0, not ${value}.`);
  }
  if (neighbours !== undefined && neighbours !== 'all' && !(Number.isInteger(neighbours) && neighbours >= 1))
    throw new UsageError(`t-SNE: neighbours are a whole number of at least 1 or 'all', not ${neighbours}.`);
  if (start !== undefined && start !== 'pca' && start !== 'random')
    throw new UsageError(`t-SNE: points start from 'pca' or 'random', not '${start}'.`);
}

async function startOf(
  points: Points,
  { device, start = 'pca', seed = 0, signal }: TsneOptions,
): Promise<Float64Array> {
  const y = new Float64Array(2 * points.count);
  if (start === 'random') {
    const random = new PhiloxStream(seed, streamNamed('t-SNE start'));
    return y.map(() => START_DEVIATION * random.normal());
  }
  if (points.dimensions < 2) throw new UsageError('t-SNE: points on a line have no second component to start from.');
  const pca = await fitPca(points, { components: 2, device, signal });
  const { values } = await transformPca(pca, points, device);
  const deviation = Math.sqrt(pca.explainedVariance[0]);
  if (deviation === 0) throw new UsageError('t-SNE: all points are the same.');
  return y.map((_, i) => (START_DEVIATION * values[i]) / deviation);
}

/**
 * One step of gradient descent with momentum, in place. A coordinate that keeps its direction goes faster by 0.2 of the
 * learning rate, one that turned back slower by a fifth (R. A. Jacobs's delta-bar-delta, 1988); no point moves farther
 * than 5; the map stays centred.
 */
function descend(
  y: Float64Array,
  gradient: Float64Array,
  velocity: Float64Array,
  gains: Float64Array,
  learningRate: number,
): void {
  const count = y.length / 2;
  for (let i = 0; i < y.length; i++) {
    const keepsOn = gradient[i] * velocity[i] <= 0;
    gains[i] = Math.max(LEAST_GAIN, keepsOn ? gains[i] + 0.2 : gains[i] * 0.8);
    velocity[i] = MOMENTUM * velocity[i] - learningRate * gains[i] * gradient[i];
  }
  let meanX = 0;
  let meanY = 0;
  for (let i = 0; i < y.length; i += 2) {
    const length = Math.sqrt(velocity[i] * velocity[i] + velocity[i + 1] * velocity[i + 1]);
    if (length > LONGEST_STEP) {
      velocity[i] *= LONGEST_STEP / length;
      velocity[i + 1] *= LONGEST_STEP / length;
    }
    y[i] += velocity[i];
    y[i + 1] += velocity[i + 1];
    meanX += y[i];
    meanY += y[i + 1];
  }
  for (let i = 0; i < y.length; i += 2) {
    y[i] -= meanX / count;
    y[i + 1] -= meanY / count;
  }
}
