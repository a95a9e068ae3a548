/**
 * Images that are nearly the same: the same garment photographed twice, or one photograph with a grey level changed. The
 * nearest neighbour in the space of principal components proposes them (a projection never lengthens a distance, so a
 * pair that is close in pixels is close there too), the pixels decide.
 */
import type { ImageSet, Split } from '../data/fashion-mnist.ts';
import { UsageError } from '../devices/errors.ts';
import { checkNeighbours } from './checks.ts';
import type { ImageRef } from './cleaning.ts';
import type { Neighbours } from './neighbours.ts';
import { pixelsOf, squaredDistance } from './points.ts';

export interface NearDuplicate {
  readonly images: readonly [ImageRef, ImageRef];
  /** Root of the mean squared difference of their pixels, in [0, 1]; never 0, equal images are another matter. */
  readonly difference: number;
}

export interface NearDuplicates {
  /** Differences up to this one are near. */
  readonly threshold: number;
  readonly withinTrain: number;
  readonly withinTest: number;
  /** Test images that are nearly a training image. */
  readonly testInTrain: number;
  /** Pairs whose labels differ. */
  readonly conflicting: number;
  /** The pairs, the most alike first. */
  readonly pairs: readonly NearDuplicate[];
}

/** More than float32 adds to the length of a projection of pixels in [0, 1]. */
const PROJECTION_ERROR = 1e-3;

/** Neighbours of the images at `indices` (default: all) of a set. */
export interface ProposedPairs {
  readonly split: Split;
  readonly neighbours: Neighbours;
  /** Place in the set of each point whose neighbours these are. */
  readonly indices?: ArrayLike<number>;
  /** The set in which they were looked for. Default: the training images. */
  readonly amongSplit?: Split;
  /** Place in that set of each point among which they were looked for. */
  readonly among?: ArrayLike<number>;
}

/**
 * Pairs of an image and its nearest neighbour that differ by no more than `threshold`, each pair once.
 * @throws UsageError for a threshold that is no number of at least 0
 */
export function nearDuplicates(
  sets: Readonly<Record<Split, ImageSet>>,
  proposals: readonly ProposedPairs[],
  threshold: number,
): NearDuplicates {
  if (!(threshold >= 0 && threshold < Number.POSITIVE_INFINITY)) {
    throw new UsageError(`near duplicates: the threshold is a number of at least 0, not ${threshold}.`);
  }
  const pixels = { train: pixelsOf(sets.train), test: pixelsOf(sets.test) };
  const { dimensions } = pixels.train;
  const longest = threshold * Math.sqrt(dimensions);
  const pairs = new Map<string, NearDuplicate>();
  for (const { split, neighbours, indices, amongSplit = 'train', among } of proposals) {
    checkNeighbours(neighbours, 'near duplicates');
    for (let i = 0; i < neighbours.count; i++) {
      // Projected in float32 a pair may lie a little farther apart than its pixels do.
      if (neighbours.distances[i * neighbours.k] > 1.001 * longest + PROJECTION_ERROR) continue;
      const a = indices ? indices[i] : i;
      const place = neighbours.indices[i * neighbours.k];
      const b = among ? among[place] : place;
      const difference = Math.sqrt(squaredDistance(pixels[split], a, pixels[amongSplit], b) / dimensions);
      if (difference > threshold || difference === 0) continue;
      const refs: ImageRef[] = [
        { split: amongSplit, index: b, label: sets[amongSplit].labels[b] },
        { split, index: a, label: sets[split].labels[a] },
      ];
      if (split === amongSplit) refs.sort((x, y) => x.index - y.index);
      const key = `${amongSplit} ${refs[0].index} ${split} ${refs[1].index}`;
      pairs.set(key, { images: [refs[0], refs[1]], difference });
    }
  }
  const found = [...pairs.values()].sort((a, b) => a.difference - b.difference);
  const between = (one: Split, other: Split): number =>
    found.filter(({ images: [a, b] }) => a.split === one && b.split === other).length;
  return {
    threshold,
    withinTrain: between('train', 'train'),
    withinTest: between('test', 'test'),
    testInTrain: between('train', 'test'),
    conflicting: found.filter(({ images: [a, b] }) => a.label !== b.label).length,
    pairs: found,
  };
}
