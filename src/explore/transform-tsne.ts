/**
 * New points on a finished t-SNE map, which stays as it is: each starts at the median of its nearest neighbours' places and
 * descends the divergence of its own likenesses to the map's points. New points do not know each other, so any number of them
 * may be placed, in any order. Defaults are openTSNE's.
 *
 * P. G. Poličar, M. Stražar, B. Zupan: Embedding to reference t-SNE space addresses batch effects in single-cell
 * classification. Machine Learning 112, 2021.
 */
import type { Device } from '../devices/device.ts';
import { ShapeError, UsageError } from '../devices/errors.ts';
import { conditionalShares } from './affinities.ts';
import { MapField } from './map-field.ts';
import { nearestNeighbours } from './neighbours.ts';
import { checkPoints, type Points } from './points.ts';
import { Turns } from './turns.ts';

const MOMENTUM = 0.8;
const LEAST_GAIN = 0.01;
const LONGEST_GRADIENT = 0.25;

export interface TransformTsneOptions {
  readonly device: Device;
  /** Effective number of neighbours of a new point; fewer than for the map itself, so that it joins the nearest. */
  readonly perplexity?: number;
  /** Points of the map that draw a new one; default five times the perplexity. */
  readonly neighbours?: number;
  readonly exaggeration?: number;
  readonly steps?: number;
  readonly learningRate?: number;
  readonly signal?: AbortSignal;
}

/**
 * Places points on a map.
 *
 * @param map `[count, 2]`, the embedding of `reference`
 * @param reference the points that the map shows, in the space in which they were mapped
 * @param points new ones in the same space
 * @returns `[points.count, 2]`
 * @throws UsageError for settings that cannot be; ShapeError when sizes do not fit; the signal's reason when aborted
 * @example const placed = await transformTsne(embedding, scores.train, scores.test, { device });
 */
export async function transformTsne(
  map: Points,
  reference: Points,
  points: Points,
  options: TransformTsneOptions,
): Promise<Points> {
  checkPoints(map, 't-SNE: the map');
  checkOptions(map, reference, options);
  const { device, signal, perplexity = 5 } = options;
  const k = Math.min(reference.count, options.neighbours ?? Math.ceil(5 * perplexity));
  if (perplexity > k) throw new UsageError(`t-SNE: a perplexity of ${perplexity} cannot be had of ${k} neighbours.`);
  const { indices, distances } = await nearestNeighbours(points, k, { device, signal, among: reference });
  const { scale = 1 } = map;
  const known = Float64Array.from(map.values, value => scale * value);
  const field = await MapField.of(known, device);
  const placed = new Float64Array(2 * points.count);
  const turns = new Turns(signal);
  for (let i = 0; i < points.count; i++) {
    if (turns.isOver) await turns.give();
    const own = indices.subarray(i * k, (i + 1) * k);
    const shares = conditionalShares(distances.subarray(i * k, (i + 1) * k), perplexity);
    placed.set(place(known, own, shares, field, options), 2 * i);
  }
  return { values: placed, count: points.count, dimensions: 2 };
}

function checkOptions(map: Points, reference: Points, options: TransformTsneOptions): void {
  const { perplexity = 5, neighbours = 1, exaggeration = 1.5, steps = 250, learningRate = 0.1 } = options;
  if (map.dimensions !== 2 || map.count !== reference.count) {
    throw new ShapeError(
      `t-SNE: a map of ${reference.count} points has as many rows of 2 coordinates, not ${map.count} of ${map.dimensions}.`,
    );
  }
  for (const [what, value, least] of [
    ['a perplexity', perplexity, 1],
    ['an exaggeration', exaggeration, 1],
  ] as const) {
    if (!(value >= least && Number.isFinite(value)))
      throw new UsageError(`t-SNE: ${what} is a number of at least ${least}, not ${value}.`);
  }
  for (const [what, value, least] of [
    ['neighbours', neighbours, 1],
    ['steps', steps, 0],
  ] as const) {
    if (!(Number.isInteger(value) && value >= least))
      throw new UsageError(`t-SNE: ${what} are a whole number of at least ${least}, not ${value}.`);
  }
  if (!(learningRate > 0 && Number.isFinite(learningRate)))
    throw new UsageError(`t-SNE: a learning rate is a number above 0, not ${learningRate}.`);
}

/** Where one point comes to rest among those that draw it. */
function place(
  known: Float64Array,
  neighbours: Int32Array,
  shares: Float64Array,
  field: MapField,
  { exaggeration = 1.5, steps = 250, learningRate = 0.1 }: TransformTsneOptions,
): Float64Array {
  const y = Float64Array.of(median(known, neighbours, 0), median(known, neighbours, 1));
  const velocity = new Float64Array(2);
  const gains = new Float64Array(2).fill(1);
  const gradient = new Float64Array(2);
  const met = new Float64Array(3);
  for (let step = 0; step < steps; step++) {
    gradient.fill(0);
    for (let rank = 0; rank < neighbours.length; rank++) {
      const j = 2 * neighbours[rank];
      const [dx, dy] = [y[0] - known[j], y[1] - known[j + 1]];
      const pull = (exaggeration * shares[rank]) / (1 + dx * dx + dy * dy);
      gradient[0] += pull * dx;
      gradient[1] += pull * dy;
    }
    field.at(y[0], y[1], met);
    // Interpolation may leave less than nothing where all points are far away.
    const normalizer = Math.max(met[2], Number.MIN_VALUE);
    for (const axis of [0, 1]) gradient[axis] -= met[axis] / normalizer;
    const length = Math.sqrt(gradient[0] ** 2 + gradient[1] ** 2);
    const shorter = length > LONGEST_GRADIENT ? LONGEST_GRADIENT / length : 1;
    for (const axis of [0, 1]) {
      const slope = shorter * gradient[axis];
      gains[axis] = Math.max(LEAST_GAIN, slope * velocity[axis] <= 0 ? gains[axis] + 0.2 : gains[axis] * 0.8);
      velocity[axis] = MOMENTUM * velocity[axis] - learningRate * gains[axis] * slope;
      y[axis] += velocity[axis];
    }
  }
  return y;
}

function median(known: Float64Array, neighbours: Int32Array, axis: 0 | 1): number {
  const along = Float64Array.from(neighbours, j => known[2 * j + axis]).sort();
  const middle = along.length >> 1;
  return along.length % 2 === 1 ? along[middle] : (along[middle - 1] + along[middle]) / 2;
}
