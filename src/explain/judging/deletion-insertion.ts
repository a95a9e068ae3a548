/**
 * Deletion and insertion: the probability of the class while the pixels that a map calls most important are blackened one
 * after another, and while they appear on black. A good map makes the first curve fall at once (a small area) and the
 * second rise at once (a large one).
 *
 * V. Petsiuk, A. Das, K. Saenko: RISE: randomized input sampling for explanation of black-box models. BMVC 2018.
 */
import { UsageError } from '../../devices/errors.ts';
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

export interface PixelCurveOptions extends JudgingOptions {
  /** Pixels that go (or come) at a time. Default 28. */
  readonly pixelsPerStep?: number;
  /** What a pixel is without its value. Default 0: black. */
  readonly baseline?: number;
}

export interface PixelCurves {
  /** Area under each image's curve [N]. */
  readonly auc: Float64Array;
  /** Share of the pixels that have gone (or come) at each point, from 0 to 1. */
  readonly fractions: Float64Array;
  /** The class's score at each point [N, points], row-major. */
  readonly curves: Float64Array;
}

/**
 * The score of the class while pixels are deleted, most important first: smaller areas are better.
 *
 * @param f a model (its probabilities count) or any function from images to scores
 * @param x images [N, H, W, C]
 * @param maps one per image, raw
 */
export function deletion(
  f: Judged,
  x: Tensor,
  maps: JudgedMaps,
  options: PixelCurveOptions = {},
): Promise<PixelCurves> {
  return pixelCurves(f, x, maps, options, false);
}

/** The score of the class while pixels appear on the baseline, most important first: larger areas are better. */
export function insertion(
  f: Judged,
  x: Tensor,
  maps: JudgedMaps,
  options: PixelCurveOptions = {},
): Promise<PixelCurves> {
  return pixelCurves(f, x, maps, options, true);
}

async function pixelCurves(
  f: Judged,
  x: Tensor,
  maps: JudgedMaps,
  options: PixelCurveOptions,
  inserting: boolean,
): Promise<PixelCurves> {
  const { pixelsPerStep = 28, baseline = 0, target, seed = 0, batchSize = DEFAULT_BATCH } = options;
  if (!Number.isInteger(pixelsPerStep) || pixelsPerStep < 1) {
    throw new UsageError(`Pixels per step must be a whole number of at least 1, not ${pixelsPerStep}.`);
  }
  if (!Number.isFinite(baseline)) throw new UsageError(`A baseline must be a finite number, not ${baseline}.`);
  const host = await hostImages(x);
  const pixels = host.height * host.width;
  const onPixels = mapsOnPixels(maps, host);
  const predict = scoresOf(f);
  const judged = await judgedClasses(predict, host, target, batchSize);
  const keys = imageKeys(host.values, host.count);
  const orders = Array.from({ length: host.count }, (_, image) =>
    pixelOrder(onPixels.subarray(image * pixels, (image + 1) * pixels), seed, keys[image]),
  );
  const points = Math.ceil(pixels / pixelsPerStep) + 1;
  const changed = Array.from({ length: points }, (_, point) => Math.min(point * pixelsPerStep, pixels));
  const curves = await scoreCopies(predict, host, judged, {
    count: host.count * points,
    batchSize,
    imageOf: copy => Math.floor(copy / points),
    alter(copy, into, offset) {
      const order = orders[Math.floor(copy / points)];
      const count = changed[copy % points];
      const absent = inserting ? order.subarray(count) : order.subarray(0, count);
      for (const pixel of absent) {
        const at = offset + pixel * host.channels;
        into.fill(baseline, at, at + host.channels);
      }
    },
  });
  const fractions = Float64Array.from(changed, count => count / pixels);
  const auc = Float64Array.from({ length: host.count }, (_, image) =>
    areaUnder(curves.subarray(image * points, (image + 1) * points), fractions),
  );
  return { auc, fractions, curves };
}

/** The area under straight lines between the points. */
export function areaUnder(curve: ArrayLike<number>, at: ArrayLike<number>): number {
  let area = 0;
  for (let i = 1; i < at.length; i++) area += ((curve[i] + curve[i - 1]) / 2) * (at[i] - at[i - 1]);
  return area;
}
