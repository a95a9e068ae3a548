/**
 * What is lost when a part of the image is covered: a window slid over it (occlusion), or one segment after another (feature
 * ablation). The plainest question to a black box. The answers do not add up to anything: parts that stand in for each other
 * are never missed together. Convolutions are computed directly here, so that a covered part changes exactly what sees it.
 *
 * M. D. Zeiler, R. Fergus: Visualizing and understanding convolutional networks. ECCV 2014. (captum: Occlusion,
 * FeatureAblation.)
 */
import { ShapeError, UsageError } from '../devices/errors.ts';
import { formatShape, sizeOf } from '../devices/shape.ts';
import type { Module } from '../nn/index.ts';
import { tidy } from '../tensor/lifetime.ts';
import type { Tensor } from '../tensor/tensor.ts';
import {
  type Attribution,
  DEFAULT_BATCH,
  type Explained,
  type ExplainOptions,
  explainedImages,
  readLogits,
  type Target,
  targetRows,
} from './attribution.ts';
import { coalitionScores, hostBaseline, type Players, pixelPlayers, varyingPlayers } from './coalitions.ts';
import { checkImages, imageRows } from './evaluation.ts';
import type { PlayerOptions } from './player-attribution.ts';
import { explainEach } from './players.ts';
import { hostImage, localBlackBox, type Predict, predictCopies } from './predict.ts';

/** What covering the parts of one image takes from its scores. */
export interface Drops {
  /** Scores of the image as it is [classes]. */
  readonly present: Float64Array;
  /** Score of the image less score with the part covered [classes, parts]. */
  readonly drops: Float64Array;
}

export interface FeatureAblationAttribution extends Attribution {
  /** Per image: its parts. */
  readonly players: readonly Players[];
  /** Per image: the drops of every class. */
  readonly images: readonly Drops[];
  /** Per image: the drops [M] of the class explained. */
  readonly playerValues: readonly Float64Array[];
}

/**
 * For each segment, the score of the image less the score without that segment. Every pixel of a segment gets the segment's
 * drop (its channels share it).
 *
 * @param f a model (its logits), or any function of images [N, ...] to scores [N, K]
 * @param x images [N, ...]
 */
export async function featureAblation(
  f: Module | Predict,
  x: Tensor,
  options: PlayerOptions = {},
): Promise<FeatureAblationAttribution> {
  const { target, baseline, batchSize } = options;
  const predict = localBlackBox(f);
  const results = await explainEach(x, options, async (image, players) => {
    const { count } = players;
    // The whole image, then all but one of those whose absence makes another image; nothing is lost with the others.
    const varying = await varyingPlayers(image, players, baseline);
    const masks = new Uint8Array((1 + varying.length) * count).fill(1);
    for (const [i, player] of varying.entries()) masks[(1 + i) * count + player] = 0;
    const scores = await coalitionScores(predict, image, players, masks, { baseline, batchSize });
    const { present, drops } = dropsFrom(scores, varying.length);
    const all = new Float64Array(present.length * count);
    for (let c = 0; c < present.length; c++) {
      for (const [i, player] of varying.entries()) all[c * count + player] = drops[c * varying.length + i];
    }
    return { players, present, drops: all };
  });
  const { explained, chosen } = dropsOfTargets(results, target);
  const values = mapOf(x.shape, (image, position, positions) => {
    const { labels } = results[image].players;
    const channels = positions / labels.length;
    return chosen[image][labels[Math.floor(position / channels)]] / channels;
  });
  const players = results.map(result => result.players);
  return {
    method: 'feature-ablation',
    values,
    shape: x.shape,
    ...explained,
    players,
    images: results,
    playerValues: chosen,
  };
}

export interface OcclusionOptions extends ExplainOptions {
  /** Side, or height and width, in pixels. Default: a seventh of the image. */
  readonly window?: number | readonly [height: number, width: number];
  /** Steps of the window, at most its size so that no pixel is passed over. Default: half of it. */
  readonly stride?: number | readonly [vertical: number, horizontal: number];
  /** What covers: a number, an image [1, ...], or a background [B, ...] whose scores are averaged. Default 0: black. */
  readonly baseline?: number | Tensor;
}

export interface OcclusionAttribution extends Attribution {
  readonly window: readonly [number, number];
  readonly stride: readonly [number, number];
  /** Per image: the drops of every class, one for each of the `grid` of windows, row by row. */
  readonly images: readonly Drops[];
  /** How many windows there are, down and across. */
  readonly grid: readonly [number, number];
}

/**
 * Slides a window over the image and notes how far the score falls where it covers. A pixel gets the mean drop of the
 * windows over it (its channels share it). Windows at the right and lower edge are cut off there.
 *
 * @param f a model (its logits), or any function of images [N, H, W, C] to scores [N, K]
 * @param x images [N, H, W, C]
 * @throws ShapeError, UsageError when images, window and stride do not fit each other
 */
export async function occlusion(
  f: Module | Predict,
  x: Tensor,
  options: OcclusionOptions = {},
): Promise<OcclusionAttribution> {
  const { target, baseline = 0, batchSize = DEFAULT_BATCH } = options;
  checkImages(x);
  if (x.rank !== 4) throw new ShapeError(`A window slides over images [N, H, W, C], not ${formatShape(x.shape)}.`);
  if (typeof baseline === 'string') {
    throw new UsageError(`A window covers with a number or with images, not with '${baseline}'.`);
  }
  const [, height, width, channels] = x.shape;
  const window = sizesOf(options.window ?? [Math.ceil(height / 7), Math.ceil(width / 7)], [height, width], 'window');
  const stride = sizesOf(options.stride ?? [Math.ceil(window[0] / 2), Math.ceil(window[1] / 2)], window, 'stride');
  const rows = windowSpans(height, window[0], stride[0]);
  const columns = windowSpans(width, window[1], stride[1]);
  const windows = rows.flatMap(([top, bottom]) => columns.map(([left, right]) => ({ top, bottom, left, right })));
  const predict = localBlackBox(f);
  const results: Drops[] = [];
  for (let index = 0; index < x.shape[0]; index++) {
    const image = tidy(() => imageRows(x, index, 1));
    try {
      const host = await hostImage(image);
      const covers = await hostBaseline(baseline, host, pixelPlayers(x));
      let scores = new Float64Array(0);
      await predictCopies(predict, host, {
        // The whole image, then each window with each of the covers.
        count: 1 + windows.length * covers.count,
        batchSize,
        write(copy, into, offset) {
          into.set(host.values, offset);
          if (copy === 0) return;
          const { top, bottom, left, right } = windows[Math.floor((copy - 1) / covers.count)];
          const cover = ((copy - 1) % covers.count) * host.values.length;
          for (let y = top; y < bottom; y++) {
            const [from, to] = [(y * width + left) * channels, (y * width + right) * channels];
            into.set(covers.values.subarray(cover + from, cover + to), offset + from);
          }
        },
        take(batch, start, some, classes) {
          if (start === 0) scores = new Float64Array((1 + windows.length) * classes);
          for (let row = 0; row < some; row++) {
            const copy = start + row;
            const part = copy === 0 ? 0 : 1 + Math.floor((copy - 1) / covers.count);
            const copies = copy === 0 ? 1 : covers.count;
            for (let c = 0; c < classes; c++) scores[part * classes + c] += batch[row * classes + c] / copies;
          }
        },
      });
      results.push(dropsFrom(scores, windows.length));
    } finally {
      image.dispose();
    }
  }
  const { explained, chosen } = dropsOfTargets(results, target);
  const maps = chosen.map(drops => meanOfWindows(drops, rows, columns));
  const values = mapOf(x.shape, (image, position) => maps[image][Math.floor(position / channels)] / channels);
  const grid = [rows.length, columns.length] as const;
  return { method: 'occlusion', values, shape: x.shape, ...explained, window, stride, images: results, grid };
}

/** @param scores [1 + parts, classes]: of the whole image, then with each part covered */
function dropsFrom(scores: Float64Array, parts: number): Drops {
  const classes = scores.length / (1 + parts);
  const present = scores.slice(0, classes);
  const drops = new Float64Array(classes * parts);
  for (let c = 0; c < classes; c++) {
    for (let part = 0; part < parts; part++) drops[c * parts + part] = present[c] - scores[(1 + part) * classes + c];
  }
  return { present, drops };
}

/** The class explained for each image, and its drops. */
function dropsOfTargets(
  images: readonly Drops[],
  target: Target | undefined,
): { explained: Explained; chosen: Float64Array[] } {
  const explained = explainedImages(images.length);
  const chosen = images.map(({ present, drops }, i) => {
    readLogits(explained, i, present, present.length, targetRows(target, i, 1, images.length));
    const parts = drops.length / present.length;
    return drops.slice(explained.target[i] * parts, (explained.target[i] + 1) * parts);
  });
  return { explained, chosen };
}

/** Values of `shape` [N, ...] from each image's value at each of its positions. */
function mapOf(
  shape: readonly number[],
  valueAt: (image: number, position: number, positions: number) => number,
): Float64Array {
  const size = sizeOf(shape.slice(1));
  return Float64Array.from({ length: shape[0] * size }, (_, k) => valueAt(Math.floor(k / size), k % size, size));
}

/** One size for both axes or one each, as whole numbers from 1 to `limits`. */
function sizesOf(
  sizes: number | readonly [number, number],
  limits: readonly [number, number],
  what: 'window' | 'stride',
): readonly [number, number] {
  const pair = typeof sizes === 'number' ? ([sizes, sizes] as const) : sizes;
  if (pair.length !== 2 || pair.some((size, axis) => !(Number.isInteger(size) && size >= 1 && size <= limits[axis]))) {
    const most = what === 'window' ? 'the image' : 'the window';
    throw new UsageError(
      `An occlusion ${what} must be of 1 to ${limits.join(' x ')} pixels (${most}), not ${pair.join(' x ')}.`,
    );
  }
  return [pair[0], pair[1]];
}

/** Where windows begin and end along one axis, the last one cut off at the edge. */
function windowSpans(size: number, window: number, stride: number): (readonly [from: number, to: number])[] {
  const count = Math.ceil((size - window) / stride) + 1;
  return Array.from({ length: count }, (_, i) => [i * stride, Math.min(size, i * stride + window)] as const);
}

type Spans = ReturnType<typeof windowSpans>;

/** Each pixel's mean over the windows that cover it, row by row. */
function meanOfWindows(drops: Float64Array, rows: Spans, columns: Spans): Float64Array {
  const [height, width] = [rows[rows.length - 1][1], columns[columns.length - 1][1]];
  const sums = new Float64Array(height * width);
  const covers = new Int32Array(height * width);
  for (const [i, [top, bottom]] of rows.entries()) {
    for (const [j, [left, right]] of columns.entries()) {
      for (let y = top; y < bottom; y++) {
        for (let x = left; x < right; x++) {
          sums[y * width + x] += drops[i * columns.length + j];
          covers[y * width + x]++;
        }
      }
    }
  }
  return sums.map((sum, pixel) => sum / covers[pixel]);
}
