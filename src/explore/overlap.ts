/**
 * How far classes overlap, as numbers: what class an image's nearest neighbours have. Counted over all images this gives a
 * confusion matrix without a classifier, the pairs of classes that lie through each other, and the images that lie among
 * another class altogether, which may be mislabelled.
 */
import { checkOwnLabels } from './checks.ts';
import type { Neighbours } from './neighbours.ts';
import { neighbourVotes } from './quality.ts';

export interface ConfusedPair {
  readonly classes: readonly [number, number];
  /** Images of either that the neighbours take for the other, and their share of the images of both. */
  readonly images: number;
  readonly share: number;
}

export interface ClassOverlap {
  readonly images: number;
  /** Neighbours that vote. */
  readonly k: number;
  /** Share of images whose neighbours' vote is their own class. */
  readonly accuracy: number;
  /** Images by class (row) and by their neighbours' vote (column). */
  readonly votes: readonly (readonly number[])[];
  /** [a][b]: mean share of class b among the neighbours of class a's images; rows sum to 1. */
  readonly neighbourShares: readonly (readonly number[])[];
  /** Every pair of classes, the most confused first. */
  readonly pairs: readonly ConfusedPair[];
}

/**
 * The overlap of classes among neighbours. Labels belong to the points and to those among which they have neighbours.
 * @throws UsageError for a label that is no class, or a neighbour without one
 */
export function classOverlap(neighbours: Neighbours, labels: ArrayLike<number>, classes: number): ClassOverlap {
  const { count, k, indices } = neighbours;
  const voted = neighbourVotes(neighbours, labels, classes);
  checkOwnLabels(neighbours, labels, 'overlap');
  const square = (): number[][] => Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  const votes = square();
  const shares = square();
  const perClass = new Array<number>(classes).fill(0);
  let right = 0;
  for (let i = 0; i < count; i++) {
    perClass[labels[i]]++;
    votes[labels[i]][voted[i]]++;
    if (voted[i] === labels[i]) right++;
    for (let rank = 0; rank < k; rank++) shares[labels[i]][labels[indices[i * k + rank]]] += 1 / k;
  }
  const pairs: ConfusedPair[] = [];
  for (let a = 0; a < classes; a++) {
    for (let b = a + 1; b < classes; b++) {
      const images = votes[a][b] + votes[b][a];
      const both = perClass[a] + perClass[b];
      pairs.push({ classes: [a, b], images, share: both === 0 ? 0 : images / both });
    }
  }
  pairs.sort((p, q) => q.share - p.share || q.images - p.images);
  return {
    images: count,
    k,
    accuracy: count === 0 ? 0 : right / count,
    votes,
    neighbourShares: shares.map((row, label) => row.map(sum => (perClass[label] === 0 ? 0 : sum / perClass[label]))),
    pairs,
  };
}

/** An image that lies among another class. */
export interface LabelCandidate {
  /** Its place among the points. */
  readonly index: number;
  readonly label: number;
  /** The class of most of its neighbours, and how many of the k have it. */
  readonly suggested: number;
  readonly agreeing: number;
  /** The neighbours, nearest first. */
  readonly neighbours: readonly { readonly index: number; readonly label: number; readonly distance: number }[];
  /** Share of its class's images that their neighbours take for the suggested class: the rarer, the more it says. */
  readonly commonness: number;
  /** Distance to the neighbours over the usual distance in the suggested class: below 1 it lies in the thick of it. */
  readonly remoteness: number;
}

/**
 * Images none of whose neighbours has their own class while nearly all (nine in ten) agree on another. That is a reason to
 * look at a label, not to change it: where classes overlap, a rightly named shirt lies among T-shirts. Those in the thick of
 * the other class come before those at its edge, which may be like nothing at all; then the rarest confusions come first (a
 * pullover among dresses before a coat among pullovers), for the commoner one is the more it is the classes' own.
 */
export function labelCandidates(neighbours: Neighbours, labels: ArrayLike<number>, classes: number): LabelCandidate[] {
  const { count, k, indices, distances } = neighbours;
  const voted = neighbourVotes(neighbours, labels, classes);
  checkOwnLabels(neighbours, labels, 'label candidates');
  const meanDistance = Float64Array.from({ length: count }, (_, i) => {
    let sum = 0;
    for (let rank = 0; rank < k; rank++) sum += distances[i * k + rank];
    return sum / k;
  });
  const usual = Array.from({ length: classes }, (_, label) => {
    const own = meanDistance.filter((_, i) => labels[i] === label).sort();
    return own.length === 0 ? 0 : own[own.length >> 1];
  });
  const { votes } = classOverlap(neighbours, labels, classes);
  const sizes = votes.map(row => row.reduce((sum, images) => sum + images, 0));
  const found: LabelCandidate[] = [];
  for (let i = 0; i < count; i++) {
    const suggested = voted[i];
    if (suggested === labels[i]) continue;
    const own = Array.from({ length: k }, (_, rank) => ({
      index: indices[i * k + rank],
      label: labels[indices[i * k + rank]],
      distance: distances[i * k + rank],
    }));
    const agreeing = own.filter(({ label }) => label === suggested).length;
    if (own.some(({ label }) => label === labels[i]) || agreeing < 0.9 * k) continue;
    const commonness = votes[labels[i]][suggested] / sizes[labels[i]];
    const remoteness = usual[suggested] > 0 ? meanDistance[i] / usual[suggested] : 0;
    found.push({ index: i, label: labels[i], suggested, agreeing, neighbours: own, commonness, remoteness });
  }
  // No farther from its neighbours than a member of their class usually is.
  const place = ({ remoteness }: LabelCandidate): number => (remoteness <= 1 ? 0 : 1);
  return found.sort((a, b) => place(a) - place(b) || a.commonness - b.commonness || a.remoteness - b.remoteness);
}
