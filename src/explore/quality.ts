/**
 * How far to believe a map: are a point's neighbours in the map its neighbours in the data (trustworthiness), how many of
 * its true neighbours does it still have (recall), and does a class keep its place (accuracy of the neighbours' vote).
 */
import { ShapeError, UsageError } from '../devices/errors.ts';
import { spearman } from '../train/ranks.ts';
import { checkLabels, checkNeighbours, checkOwnLabels } from './checks.ts';
import { Distances } from './distances.ts';
import type { Neighbours } from './neighbours.ts';
import { type Points, squaredDistance } from './points.ts';

/**
 * Trustworthiness T(k) = 1 - 2 / (n k (2n - 3k - 1)) sum over points, over their k nearest in the map, of max(0, r - k),
 * where r is the neighbour's rank by distance in the data: 1 when no stranger has come near, 0.5 for a map at random.
 * Distances are exact; equal ones rank by index.
 *
 * J. Venna, S. Kaski: Neighborhood preservation in nonlinear projection methods. ICANN 2001.
 *
 * @param map the same points in few dimensions
 * @param sample indices of the points whose neighbours are judged; default all. The mean over them estimates T.
 * @throws UsageError unless 1 <= k < n / 2, for a coordinate that is not finite, or a sample of points that there are not
 */
export function trustworthiness(data: Points, map: Points, k: number, sample?: ArrayLike<number>): number {
  const apart = new Distances(data, data, 'trustworthiness');
  const apartOnMap = new Distances(map, map, 'trustworthiness: the map');
  const n = data.count;
  if (map.count !== n) throw new ShapeError(`trustworthiness: ${map.count} points in the map of ${n} points.`);
  if (!Number.isInteger(k) || k < 1 || k >= n / 2) {
    throw new UsageError(`trustworthiness: ${k} neighbours of ${n} points; it is defined for 1 up to half of them.`);
  }
  const judged = sample?.length ?? n;
  if (judged === 0) throw new UsageError('trustworthiness: a sample without points cannot be judged.');
  const inMap = new Float64Array(n);
  const inData = new Float64Array(n);
  let penalty = 0;
  for (let row = 0; row < judged; row++) {
    const i = sample ? sample[row] : row;
    if (!(Number.isInteger(i) && i >= 0 && i < n)) {
      throw new UsageError(`trustworthiness: there is no point ${i} to judge among ${n}.`);
    }
    for (let j = 0; j < n; j++) {
      inMap[j] = apartOnMap.squared(i, j);
      inData[j] = apart.squared(i, j);
    }
    for (const j of nearest(inMap, i, k)) {
      let rank = 1;
      for (let l = 0; l < n; l++) {
        if (l !== i && (inData[l] < inData[j] || (inData[l] === inData[j] && l < j))) rank++;
      }
      penalty += Math.max(0, rank - k);
    }
  }
  return 1 - (2 / (judged * k * (2 * n - 3 * k - 1))) * penalty;
}

/**
 * Continuity: trustworthiness with data and map exchanged. 1 when no neighbour in the data has been torn away on the map.
 *
 * J. Venna, S. Kaski: Neighborhood preservation in nonlinear projection methods. ICANN 2001.
 *
 * @param sample indices of the points whose neighbours are judged; default all
 * @throws UsageError as `trustworthiness`
 */
export function continuity(data: Points, map: Points, k: number, sample?: ArrayLike<number>): number {
  return trustworthiness(map, data, k, sample);
}

/**
 * Rank correlation of the distances between class centroids in the data and on the map: does the map say which classes are far
 * from which. Classes without points have no centroid. NaN where all distances are equal on one side.
 *
 * @throws UsageError for a label that is no class, or fewer than three classes with points; ShapeError when sizes do not fit
 */
export function centroidCorrelation(data: Points, map: Points, labels: ArrayLike<number>, classes: number): number {
  if (map.count !== data.count || labels.length !== data.count) {
    throw new ShapeError(
      `centroids: ${map.count} points on the map and ${labels.length} labels for ${data.count} points.`,
    );
  }
  const present = new Set<number>();
  for (let i = 0; i < labels.length; i++) {
    if (!(Number.isInteger(labels[i]) && labels[i] >= 0 && labels[i] < classes))
      throw new UsageError(`centroids: the label of point ${i} is ${labels[i]}; classes are 0 to ${classes - 1}.`);
    present.add(labels[i]);
  }
  if (present.size < 3)
    throw new UsageError(`centroids: distances of ${present.size} classes have no order; it takes three.`);
  const apart = [data, map].map(points => {
    const centroids = centroidsOf(points, labels, classes);
    const order = [...present].sort((a, b) => a - b);
    return order.flatMap((a, place) => order.slice(place + 1).map(b => squaredDistance(centroids, a, centroids, b)));
  });
  return spearman(apart[0], apart[1]);
}

function centroidsOf({ values, dimensions, scale = 1 }: Points, labels: ArrayLike<number>, classes: number): Points {
  const sums = new Float64Array(classes * dimensions);
  const sizes = new Uint32Array(classes);
  for (let i = 0; i < labels.length; i++) {
    sizes[labels[i]]++;
    for (let k = 0; k < dimensions; k++) sums[labels[i] * dimensions + k] += scale * values[i * dimensions + k];
  }
  const means = sums.map((sum, at) => sum / Math.max(1, sizes[Math.floor(at / dimensions)]));
  return { values: means, count: classes, dimensions };
}

/** Indices of the k smallest distances but the point's own; equal ones by index. */
function nearest(distances: Float64Array, own: number, k: number): number[] {
  const found: number[] = [];
  for (let j = 0; j < distances.length; j++) {
    if (j === own) continue;
    if (found.length === k && distances[j] >= distances[found[k - 1]]) continue;
    let place = found.length === k ? k - 1 : found.length;
    for (; place > 0 && distances[found[place - 1]] > distances[j]; place--) found[place] = found[place - 1];
    found[place] = j;
  }
  return found;
}

/** Share of the points' nearest neighbours in the data that are among their nearest in the map. */
export function neighbourRecall(data: Neighbours, map: Neighbours): number {
  const { count, k } = data;
  checkNeighbours(data, 'recall');
  checkNeighbours(map, 'recall');
  if (map.count !== count || map.k !== k) {
    throw new ShapeError(`recall: ${map.k} neighbours of ${map.count} points against ${k} of ${count}.`);
  }
  let kept = 0;
  for (let i = 0; i < count; i++) {
    const own = new Set(data.indices.subarray(i * k, (i + 1) * k));
    for (let rank = 0; rank < k; rank++) if (own.has(map.indices[i * k + rank])) kept++;
  }
  return kept / (count * k);
}

/**
 * The class that most of each point's neighbours have; of classes with equally many, the nearest neighbour's. As no point
 * is its own neighbour, this is leave-one-out classification.
 *
 * @param labels of the points among which the neighbours were looked for
 * @throws UsageError for a neighbour without a label, or a label that is no class
 */
export function neighbourVotes(neighbours: Neighbours, labels: ArrayLike<number>, classes: number): Int32Array {
  checkNeighbours(neighbours, 'votes');
  checkLabels(neighbours, labels, classes, 'votes');
  const { indices, count, k } = neighbours;
  const votes = new Int32Array(count);
  const counts = new Uint32Array(classes);
  for (let i = 0; i < count; i++) {
    counts.fill(0);
    for (let rank = 0; rank < k; rank++) counts[labels[indices[i * k + rank]]]++;
    const most = counts.reduce((a, b) => Math.max(a, b));
    for (let rank = 0; rank < k; rank++) {
      const label = labels[indices[i * k + rank]];
      if (counts[label] < most) continue;
      votes[i] = label;
      break;
    }
  }
  return votes;
}

/**
 * Share of points whose neighbours' vote is their own class.
 *
 * @param labels of the points, which are also those among which the neighbours were looked for
 */
export function neighbourAccuracy(neighbours: Neighbours, labels: ArrayLike<number>, classes: number): number {
  const votes = neighbourVotes(neighbours, labels, classes);
  if (votes.length === 0) throw new UsageError('accuracy: there are no points whose neighbours could vote.');
  checkOwnLabels(neighbours, labels, 'accuracy');
  let right = 0;
  for (let i = 0; i < votes.length; i++) if (votes[i] === labels[i]) right++;
  return right / votes.length;
}
