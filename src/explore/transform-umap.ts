/**
 * New points on a finished UMAP map, which stays as it is: each starts at the mean of its nearest neighbours' places, weighted by
 * membership, and follows its edges to them among the map's points. New points do not know each other. Epochs and learning
 * rate are umap-learn's: a third of the epochs, a quarter of the rate.
 */
import { ShapeError, UsageError } from '../devices/errors.ts';
import { giveWay } from '../devices/event-loop.ts';
import { memberships } from './fuzzy-graph.ts';
import { nearestNeighbours } from './neighbours.ts';
import { checkPoints, type Points } from './points.ts';
import { followedEdges, type UmapOptions } from './umap.ts';
import { fitCurve } from './umap-curve.ts';
import { UmapLayout } from './umap-layout.ts';

export type TransformUmapOptions = Pick<
  UmapOptions,
  | 'device'
  | 'neighbours'
  | 'minDistance'
  | 'spread'
  | 'epochs'
  | 'learningRate'
  | 'negativeSamples'
  | 'repulsionStrength'
  | 'seed'
  | 'signal'
>;

/**
 * Places points on a map.
 *
 * @param map `[count, 2]`, the embedding of `reference`
 * @param reference the points that the map shows, in the space in which they were mapped
 * @param points new ones in the same space
 * @returns `[points.count, 2]`
 * @throws UsageError for settings that cannot be; ShapeError when sizes do not fit; the signal's reason when aborted
 * @example const placed = await transformUmap(embedding, scores.train, scores.test, { device });
 */
export async function transformUmap(
  map: Points,
  reference: Points,
  points: Points,
  options: TransformUmapOptions,
): Promise<Points> {
  checkPoints(map, 'UMAP: the map');
  if (map.dimensions !== 2 || map.count !== reference.count) {
    throw new ShapeError(
      `UMAP: a map of ${reference.count} points has as many rows of 2 coordinates, not ${map.count} of ${map.dimensions}.`,
    );
  }
  checkOptions(options, reference.count);
  const { device, seed = 0, learningRate = 1 / 4, signal } = options;
  const { neighbours: k = Math.min(15, reference.count), epochs = 100 } = options;
  const curve = fitCurve(options.minDistance, options.spread);
  const found = await nearestNeighbours(points, k, { device, signal, among: reference });
  const shares = memberships(found, false);
  const { scale = 1 } = map;
  const known = Float64Array.from(map.values, value => scale * value);
  const y = new Float64Array(2 * points.count);
  for (let i = 0; i < points.count; i++) {
    let sum = 0;
    for (let at = i * k; at < (i + 1) * k; at++) {
      sum += shares[at];
      for (const axis of [0, 1]) y[2 * i + axis] += shares[at] * known[2 * found.indices[at] + axis];
    }
    for (const axis of [0, 1]) y[2 * i + axis] /= sum;
  }
  if (points.count === 0) return { values: y, count: 0, dimensions: 2 };
  const graph = {
    count: points.count,
    starts: Uint32Array.from({ length: points.count + 1 }, (_, i) => i * k),
    columns: Uint32Array.from(found.indices),
    values: shares,
  };
  const settings = {
    ...{ ...curve, seed, pulls: 1 as const },
    repulsionStrength: options.repulsionStrength ?? 1,
    negativeSamples: options.negativeSamples ?? 5,
  };
  const layout = new UmapLayout(y, followedEdges(graph, epochs), settings, device, known);
  try {
    for (let epoch = 0; epoch < epochs; epoch++) {
      layout.epoch(learningRate * (1 - epoch / epochs));
      await device.pace(2);
      if (epoch % 10 === 0) await giveWay();
      signal?.throwIfAborted();
    }
    return { values: await layout.places(), count: points.count, dimensions: 2 };
  } finally {
    layout.dispose();
  }
}

/** What can be said before anything is computed; `fitCurve` looks at its own. */
function checkOptions(options: TransformUmapOptions, count: number): void {
  for (const [what, value, least, most] of [
    ['neighbours', options.neighbours ?? 1, 1, count],
    ['epochs', options.epochs ?? 0, 0, 65535],
    ['negativeSamples', options.negativeSamples ?? 0, 0, 65535],
  ] as const) {
    if (!(Number.isInteger(value) && value >= least && value <= most))
      throw new UsageError(`UMAP: ${what} is a whole number from ${least} to ${most}, not ${value}.`);
  }
  for (const [what, value] of [
    ['a learning rate', options.learningRate ?? 1],
    ['a strength of repulsion', options.repulsionStrength ?? 1],
  ] as const) {
    if (!(value > 0 && Number.isFinite(value)))
      throw new UsageError(`UMAP: ${what} is a number above 0, not ${value}.`);
  }
}
