/**
 * Coalitions: an image in which some players (superpixels, pixels, any partition of the input) are present and the others
 * are replaced by a baseline. Every black-box explanation by presence and absence (Shapley values, LIME, ablation) asks the
 * same question, "what does the box say when only these are there?", so it is answered once, here.
 */
import { ShapeError, UsageError } from '../devices/errors.ts';
import { formatShape, type Shape, sameShape, sizeOf } from '../devices/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { DEFAULT_BATCH, type FloatArray } from './attribution.ts';
import { checkImages, newLike } from './evaluation.ts';
import { type BlackBox, type HostImage, hostImage, predictCopies } from './predict.ts';

export type { Predict } from './predict.ts';

/**
 * A partition of the input: `labels[i]` in 0 .. count - 1 says whose position i is, every player having at least one. One
 * label per pixel (a `Segments` is one such partition; the pixel's channels go together) or per value.
 */
export interface Players {
  readonly labels: Int32Array;
  readonly count: number;
}

/**
 * What stands where a player is absent: a number, an image [1, ...], a background [B, ...] (each of its images in turn, and
 * the scores averaged), or each player's own mean per channel.
 */
export type Baseline = number | Tensor | 'own-mean';

export interface CoalitionOptions {
  /** Default 0: black. */
  readonly baseline?: Baseline;
  /** Most images that go through the box at once, which bounds memory. Default 128. */
  readonly batchSize?: number;
}

/** Every pixel (all its channels) of an image [1, H, W, C] a player of its own; every value of any other input. */
export function pixelPlayers({ shape }: Pick<Tensor, 'shape'>): Players {
  const count = pixelCount(shape);
  return { labels: Int32Array.from({ length: count }, (_, i) => i), count };
}

/** H W of [1, H, W, C]; every value of any other input. */
function pixelCount(shape: Shape): number {
  return sizeOf(shape.slice(1, shape.length === 4 ? 3 : undefined));
}

/** Throws unless `players` divide an image [1, ...] among them, each player getting something. */
export function checkPlayers({ labels, count }: Players, shape: Shape): void {
  if (!Number.isInteger(count) || count < 1) {
    throw new UsageError(`There must be at least one player, not ${count}.`);
  }
  const pixels = pixelCount(shape);
  if (labels.length !== pixels && labels.length !== sizeOf(shape.slice(1))) {
    throw new ShapeError(
      `${labels.length} player labels do not fit ${formatShape(shape.slice(1))}: give one for each of its ${pixels} pixels.`,
    );
  }
  const used = new Uint8Array(count);
  for (const label of labels) {
    if (!(label >= 0 && label < count)) {
      throw new UsageError(`A player label is ${label}; with ${count} players labels are 0 to ${count - 1}.`);
    }
    used[label] = 1;
  }
  const idle = used.indexOf(0);
  if (idle >= 0) throw new UsageError(`Player ${idle} of ${count} has no part of the image.`);
}

/** Baseline images on the host, one after another in `values`. */
export interface HostBaseline {
  readonly values: FloatArray;
  readonly count: number;
}

/** The images that absent players are taken from. */
export async function hostBaseline(baseline: Baseline, image: HostImage, players: Players): Promise<HostBaseline> {
  if (baseline === 'own-mean') return { values: ownMeans(image.values, players), count: 1 };
  if (typeof baseline === 'number') {
    if (!Number.isFinite(baseline)) throw new UsageError(`A baseline must be a finite number, not ${baseline}.`);
    return { values: newLike(image.values, image.values.length).fill(baseline), count: 1 };
  }
  if (typeof baseline === 'string') {
    throw new UsageError(`A baseline is a number, images, or 'own-mean', not '${baseline}'.`);
  }
  checkImages(baseline, 'baseline images');
  if (!sameShape(baseline.shape.slice(1), image.shape.slice(1))) {
    throw new ShapeError(
      `Baseline images ${formatShape(baseline.shape)} do not fit an image ${formatShape(image.shape)}.`,
    );
  }
  return { values: (await baseline.data()) as FloatArray, count: baseline.shape[0] };
}

function ownMeans(values: FloatArray, { labels, count }: Players): FloatArray {
  const channels = values.length / labels.length;
  const first = new Int32Array(count).fill(-1);
  const sums = new Float64Array(count * channels);
  const sizes = new Float64Array(count);
  // Measured from each player's first value, so that a flat player's mean is its value to the bit.
  for (const [i, label] of labels.entries()) {
    if (first[label] < 0) first[label] = i;
    sizes[label]++;
    for (let c = 0; c < channels; c++) {
      sums[label * channels + c] += values[i * channels + c] - values[first[label] * channels + c];
    }
  }
  const means = newLike(values, values.length);
  for (let k = 0; k < values.length; k++) {
    const label = labels[Math.floor(k / channels)];
    const channel = k % channels;
    means[k] = values[first[label] * channels + channel] + sums[label * channels + channel] / sizes[label];
  }
  return means;
}

/**
 * The players whose presence changes the image at all. The others, whose part equals the baseline (each of its images), are
 * worth nothing to anybody (Shapley's axiom of the dummy), and asking about them only adds noise.
 *
 * @param image [1, ...]
 * @returns their numbers, ascending
 */
export async function varyingPlayers(image: Tensor, players: Players, baseline: Baseline = 0): Promise<Int32Array> {
  const host = await hostImage(image);
  checkPlayers(players, host.shape);
  const absent = await hostBaseline(baseline, host, players);
  const { values } = host;
  const channels = values.length / players.labels.length;
  const varies = new Uint8Array(players.count);
  for (let base = 0; base < absent.values.length; base += values.length) {
    for (let k = 0; k < values.length; k++) {
      if (values[k] !== absent.values[base + k]) varies[players.labels[Math.floor(k / channels)]] = 1;
    }
  }
  return Int32Array.from(varies.keys()).filter(player => varies[player] === 1);
}

/** Masks [K, chosen players] as masks [K, M] of all, in which the others are present. */
export function masksOfAll(masks: Uint8Array, chosen: Int32Array, count: number): Uint8Array {
  if (chosen.length === count) return masks;
  const coalitions = chosen.length === 0 ? 0 : masks.length / chosen.length;
  const all = new Uint8Array(coalitions * count).fill(1);
  for (let k = 0; k < coalitions; k++) {
    for (const [i, player] of chosen.entries()) all[k * count + player] = masks[k * chosen.length + i];
  }
  return all;
}

/**
 * What `f` says about coalitions of one image's players.
 *
 * @param image [1, ...]; evaluated on its device
 * @param masks [K, M], row-major: 1 where a player is present, 0 where the baseline stands for it
 * @returns scores [K, classes], row-major (averaged over a background); `classes` is the length divided by K
 * @throws ShapeError, UsageError when players, masks or baseline do not fit; NonFiniteError when a score is not finite
 */
export async function coalitionScores(
  f: BlackBox,
  image: Tensor,
  players: Players,
  masks: Uint8Array,
  options: CoalitionOptions = {},
): Promise<Float64Array> {
  const { baseline = 0, batchSize = DEFAULT_BATCH } = options;
  const host = await hostImage(image);
  const { values } = host;
  const size = values.length;
  checkPlayers(players, host.shape);
  const { labels, count } = players;
  const coalitions = masks.length / count;
  if (!Number.isInteger(coalitions) || coalitions < 1) {
    throw new ShapeError(`${masks.length} mask values do not make coalitions [K, ${count}].`);
  }
  const absent = await hostBaseline(baseline, host, players);
  const channels = size / labels.length;
  let scores = new Float64Array(0);
  await predictCopies(f, host, {
    count: coalitions * absent.count,
    batchSize,
    write(copy, into, offset) {
      const mask = Math.floor(copy / absent.count) * count;
      const base = (copy % absent.count) * size;
      for (let i = 0, k = 0; i < labels.length; i++) {
        const isPresent = masks[mask + labels[i]] !== 0;
        for (let c = 0; c < channels; c++, k++) into[offset + k] = isPresent ? values[k] : absent.values[base + k];
      }
    },
    take(batch, start, rows, classes) {
      if (start === 0) scores = new Float64Array(coalitions * classes);
      for (let row = 0; row < rows; row++) {
        const to = Math.floor((start + row) / absent.count) * classes;
        for (let c = 0; c < classes; c++) scores[to + c] += batch[row * classes + c] / absent.count;
      }
    },
  });
  return scores;
}
