/**
 * ROAD (remove and debias): pixels are removed in the order of a map, once the most important first and once the least,
 * and imputed instead of blackened. The gap between the two probabilities, averaged over how much was removed, says how
 * much better the map's order is than the reverse; a map that knows nothing scores 0. Pixels are chosen by rank, so ties
 * never remove more than was asked for.
 */
import { UsageError } from '../../devices/errors.ts';
import { PhiloxStream, streamNamed } from '../../kernels/random/philox.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { DEFAULT_BATCH } from '../attribution.ts';
import { imageKeys } from '../image-keys.ts';
import {
  hostImages,
  type Judged,
  type JudgedMaps,
  type JudgingOptions,
  judgedClasses,
  mapsOnPixels,
  pixelOrder,
  scoreCopies,
  scoresOf,
} from './images.ts';
import { Neighbourhood } from './imputation.ts';

export interface RoadOptions extends JudgingOptions {
  /** How much is removed, in per cent of the pixels. Default 10, 20, ..., 90. */
  readonly percentiles?: readonly number[];
  /** Standard deviation of what is added to imputed pixels. Default 0.01. */
  readonly noise?: number;
}

export interface RoadScores {
  /** The mean over percentiles of (least relevant first - most relevant first) / 2 [N]: larger is better. */
  readonly combined: Float64Array;
  readonly percentiles: readonly number[];
  /** Score of the class after removing the most important pixels [N, percentiles], row-major. */
  readonly mostRelevantFirst: Float64Array;
  /** Score of the class after removing the least important pixels [N, percentiles], row-major. */
  readonly leastRelevantFirst: Float64Array;
}

const NOISE_STREAM = streamNamed('road-noise');
const PERCENTILES = [10, 20, 30, 40, 50, 60, 70, 80, 90];

/**
 * ROAD's combined score. The noise depends on seed and image only, so methods are compared on the same imputed pixels.
 *
 * @param f a model (its probabilities count) or any function from images to scores
 * @param x images [N, H, W, C]
 * @param maps one per image, raw
 */
export async function road(f: Judged, x: Tensor, maps: JudgedMaps, options: RoadOptions = {}): Promise<RoadScores> {
  const { percentiles = PERCENTILES, noise = 0.01, target, seed = 0, batchSize = DEFAULT_BATCH } = options;
  if (percentiles.length === 0 || percentiles.some(percentile => !(percentile > 0 && percentile < 100))) {
    throw new UsageError(`ROAD removes more than 0 and less than 100 per cent of the pixels, not ${percentiles}.`);
  }
  if (!(noise >= 0 && Number.isFinite(noise)))
    throw new UsageError(`The noise of ROAD must be a finite standard deviation of at least 0, not ${noise}.`);
  const host = await hostImages(x);
  const pixels = host.height * host.width;
  const size = pixels * host.channels;
  const onPixels = mapsOnPixels(maps, host);
  const predict = scoresOf(f);
  const judged = await judgedClasses(predict, host, target, batchSize);
  const neighbourhood = new Neighbourhood(host.height, host.width);
  const keys = imageKeys(host.values, host.count);
  const each = 2 * percentiles.length;
  const imageOf = (copy: number): number => Math.floor(copy / each);
  let prepared = -1;
  let order = new Uint32Array(0);
  let added = new Float64Array(0);
  const prepare = (image: number): void => {
    if (prepared === image) return;
    prepared = image;
    order = pixelOrder(
      onPixels.subarray(image * pixels, (image + 1) * pixels),
      seed,
      keys[image],
    ) as Uint32Array<ArrayBuffer>;
    const random = new PhiloxStream(seed, NOISE_STREAM, keys[image]);
    added = Float64Array.from({ length: size }, () => noise * random.normal());
  };
  const scores = await scoreCopies(predict, host, judged, {
    count: host.count * each,
    batchSize,
    imageOf,
    alter(copy, into, offset) {
      prepare(imageOf(copy));
      const count = Math.round((percentiles[(copy % each) >> 1] / 100) * pixels);
      const removed = copy % 2 === 0 ? order.subarray(0, count) : order.subarray(pixels - count);
      neighbourhood.impute(into, offset, host.channels, removed);
      for (const pixel of removed) {
        for (let k = pixel * host.channels; k < (pixel + 1) * host.channels; k++) into[offset + k] += added[k];
      }
    },
  });
  const half = scores.length / 2;
  const mostRelevantFirst = Float64Array.from({ length: half }, (_, i) => scores[2 * i]);
  const leastRelevantFirst = Float64Array.from({ length: half }, (_, i) => scores[2 * i + 1]);
  const combined = Float64Array.from({ length: host.count }, (_, image) => {
    let total = 0;
    for (let i = image * percentiles.length; i < (image + 1) * percentiles.length; i++) {
      total += (leastRelevantFirst[i] - mostRelevantFirst[i]) / 2;
    }
    return total / percentiles.length;
  });
  return { combined, percentiles, mostRelevantFirst, leastRelevantFirst };
}
