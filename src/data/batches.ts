/**
 * In which order the images of an epoch are seen, and which are held out. Everything follows from (seed, epoch) alone,
 * by counted random numbers, so the order is the same on every device and a run that was cut off finds its place again
 * without replaying the epochs before.
 */
import { UsageError } from '../devices/errors.ts';
import { PhiloxStream, streamNamed } from '../kernels/random/philox.ts';

const SHUFFLE_STREAM = streamNamed('shuffle');
const SPLIT_STREAM = streamNamed('split');
const BALANCE_STREAM = streamNamed('balance');
const FOLD_STREAM = streamNamed('folds');

/** Exchanges the elements in place (R. A. Fisher, F. Yates, 1938; in R. Durstenfeld's form, 1964). */
function fisherYates(values: Uint32Array, random: PhiloxStream): void {
  for (let last = values.length - 1; last > 0; last--) {
    const chosen = random.below(last + 1);
    const kept = values[last];
    values[last] = values[chosen];
    values[chosen] = kept;
  }
}

/**
 * The order of one epoch: a permutation of 0 .. count - 1, each equally likely.
 *
 * @param epoch 0 .. 2^32 - 1; every epoch has its own
 */
export function shuffledIndices(count: number, seed: number, epoch: number): Uint32Array {
  const indices = Uint32Array.from({ length: checkCount(count) }, (_, index) => index);
  fisherYates(indices, new PhiloxStream(seed, SHUFFLE_STREAM, epoch));
  return indices;
}

/**
 * The order of one epoch in which every class that has images is seen equally often: as many places as there are labels,
 * an equal share of them for each class (one more for some, other ones in every epoch, where they do not divide). An image of
 * a large class is seen at most once; those of a small class are all seen before one is seen again.
 *
 * @param labels `[count]`
 * @param epoch 0 .. 2^32 - 1; every epoch has its own
 * @returns places in `labels`
 */
export function balancedIndices(labels: ArrayLike<number>, seed: number, epoch: number): Uint32Array {
  const classes = [...membersByClass(labels)].sort(([a], [b]) => a - b);
  const random = new PhiloxStream(seed, BALANCE_STREAM, epoch);
  const rest = labels.length % classes.length;
  const order = Uint32Array.from(classes, (_, position) => position);
  fisherYates(order, random);
  const hasOneMore = new Set(order.subarray(0, rest));
  const indices = new Uint32Array(labels.length);
  let filled = 0;
  classes.forEach(([label, members], position) => {
    const drawn = Uint32Array.from(members);
    const ofClass = new PhiloxStream(seed, streamNamed(`balance ${label}`), epoch);
    let wanted = Math.floor(labels.length / classes.length) + Number(hasOneMore.has(position));
    while (wanted > 0) {
      fisherYates(drawn, ofClass);
      const some = drawn.subarray(0, wanted);
      indices.set(some, filled);
      filled += some.length;
      wanted -= some.length;
    }
  });
  fisherYates(indices, random);
  return indices;
}

function membersByClass(labels: ArrayLike<number>): Map<number, number[]> {
  const byClass = new Map<number, number[]>();
  for (let index = 0; index < labels.length; index++) {
    const members = byClass.get(labels[index]);
    if (members === undefined) byClass.set(labels[index], [index]);
    else members.push(index);
  }
  return byClass;
}

/** Two disjoint sets of indices, each ascending, that together are all. */
export interface IndexSplit {
  train: Uint32Array;
  heldOut: Uint32Array;
}

/**
 * Holds out a part of the images with the classes in the same proportions as in the whole (largest remainders, so that
 * the number held out is exact).
 *
 * @param labels `[count]`
 * @param holdOut a share below 1 (0.1: every tenth image), or a number of images from 1 on
 * @throws UsageError when that leaves nothing to train on, or is negative
 */
export function stratifiedSplit(labels: ArrayLike<number>, holdOut: number, seed: number): IndexSplit {
  const count = labels.length;
  const wanted = holdOut < 1 ? Math.round(holdOut * count) : holdOut;
  if (!(holdOut >= 0) || !Number.isInteger(wanted) || (wanted >= count && wanted > 0)) {
    throw new UsageError(
      `Of ${count} images, ${holdOut} cannot be held out: give a share below 1 or a smaller number.`,
    );
  }
  const byClass = membersByClass(labels);
  const classes = [...byClass.keys()].sort((a, b) => a - b);
  const shares = largestRemainders(
    classes.map(label => byClass.get(label)!.length),
    wanted,
  );
  const isHeldOut = new Uint8Array(count);
  classes.forEach((label, position) => {
    const members = Uint32Array.from(byClass.get(label)!);
    fisherYates(members, new PhiloxStream(seed, SPLIT_STREAM, label));
    for (const index of members.subarray(0, shares[position])) isHeldOut[index] = 1;
  });
  const train = new Uint32Array(count - wanted);
  const heldOut = new Uint32Array(wanted);
  let trained = 0;
  let held = 0;
  for (let index = 0; index < count; index++) {
    if (isHeldOut[index] === 1) heldOut[held++] = index;
    else train[trained++] = index;
  }
  return { train, heldOut };
}

/**
 * Divides all images into folds of nearly the same size (they differ by one at most), each class evenly among them.
 *
 * @param labels `[count]`
 * @param folds from 2 to the number of images
 * @returns the indices of each fold, ascending
 */
export function stratifiedFolds(labels: ArrayLike<number>, folds: number, seed: number): Uint32Array[] {
  if (!Number.isInteger(folds) || folds < 2 || folds > labels.length) {
    throw new UsageError(
      `${labels.length} images cannot be divided into ${folds} folds; at least 2, of an image each.`,
    );
  }
  const dealt: number[][] = Array.from({ length: folds }, () => []);
  let next = 0;
  for (const [label, members] of [...membersByClass(labels)].sort(([a], [b]) => a - b)) {
    const shuffled = Uint32Array.from(members);
    fisherYates(shuffled, new PhiloxStream(seed, FOLD_STREAM, label));
    // The next class goes on where this one ended, so that no fold gets every class's first image.
    for (const index of shuffled) dealt[next++ % folds].push(index);
  }
  return dealt.map(fold => Uint32Array.from(fold).sort());
}

/** Whole numbers in the proportion of `sizes` that add up to `total`. */
function largestRemainders(sizes: readonly number[], total: number): number[] {
  const whole = sizes.reduce((sum, size) => sum + size, 0);
  const exact = sizes.map(size => (whole === 0 ? 0 : (size * total) / whole));
  const shares = exact.map(Math.floor);
  const order = exact.map((_, position) => position).sort((a, b) => exact[b] - shares[b] - (exact[a] - shares[a]));
  const missing = total - shares.reduce((sum, share) => sum + share, 0);
  for (const position of order.slice(0, missing)) shares[position]++;
  return shares;
}

/**
 * Cuts an epoch's order into batches (views, not copies).
 *
 * @param dropLast leave out a last batch that is not full, for steps that need a fixed shape
 */
export function epochBatches(indices: Uint32Array, batchSize: number, dropLast = false): Uint32Array[] {
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new UsageError(`A batch must hold a whole number of at least 1 image, not ${batchSize}.`);
  }
  const end = dropLast ? indices.length - (indices.length % batchSize) : indices.length;
  const batches: Uint32Array[] = [];
  for (let start = 0; start < end; start += batchSize) {
    batches.push(indices.subarray(start, Math.min(start + batchSize, end)));
  }
  return batches;
}

function checkCount(count: number): number {
  if (!Number.isInteger(count) || count < 0 || count > 0xffffffff) {
    throw new UsageError(`The number of images must be a whole number of at least 0, not ${count}.`);
  }
  return count;
}
