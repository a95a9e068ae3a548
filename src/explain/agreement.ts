/**
 * Does one explanation support another, e.g. Grad-CAM and LIME? Two measures compare them. Both use ranks, so units do
 * not matter: the rank correlation of the maps' means over segments of the image (do they order its parts alike?), and the
 * overlap of the pixels that each ranks highest (do they point at the same place?). Neither value means anything by itself: random
 * maps overlap too. So each map is also compared with random maps, as coarse as the segments, and what is
 * reported is how far the real agreement lies above that. Only the garment counts (pixels above zero): that both maps
 * neglect the background is no agreement.
 */
import { UsageError } from '../devices/errors.ts';
import { PhiloxStream, streamNamed } from '../kernels/random/philox.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type BootstrapInterval, pairedBootstrap } from '../train/comparison.ts';
import { spearman } from '../train/ranks.ts';
import { imageKeys, keyOf } from './image-keys.ts';
import { garmentPixels, hostImages, type JudgedMaps, mapsOnPixels, pixelOrder } from './judging/images.ts';
import { type Segmentation, type Segments, segmentImages } from './segmentation/index.ts';

/** How alike two maps of one image are. */
export interface MapAgreement {
  /** Spearman's correlation of the segment means, -1 to 1; NaN where a map has the same mean everywhere. */
  readonly spearman: number;
  /** Intersection over union of the highest-ranked pixels, 0 to 1. */
  readonly iou: number;
}

export interface ImageAgreement extends MapAgreement {
  /** The mean over random maps, each compared with both maps. */
  readonly random: MapAgreement;
  /** The share of the random comparisons that the real ones exceed (half of the equal ones): 0.5 is what chance gives. */
  readonly aboveRandom: MapAgreement;
}

/** One measure over a sample of images. */
export interface AgreementSummary {
  readonly mean: number;
  /** The mean of the random maps. */
  readonly random: number;
  /** mean - random, with its paired bootstrap interval over images. */
  readonly difference: BootstrapInterval;
  /** The share of random comparisons exceeded, mean over images. */
  readonly aboveRandom: number;
  /** Images that the measure exists for. */
  readonly images: number;
}

export interface Agreement {
  /** Per image; undefined for an image without any pixel above zero. */
  readonly images: readonly (ImageAgreement | undefined)[];
  /** Undefined when the measure exists for no image. */
  readonly spearman?: AgreementSummary;
  readonly iou?: AgreementSummary;
}

export interface AgreementOptions {
  /** What the means are taken over. Default: SLIC superpixels; best LIME's own segments where it is one of the two. */
  readonly segments?: Segmentation;
  /** About how many segments SLIC and the grid make. Default 50. */
  readonly segmentCount?: number;
  /** The share of the garment's pixels that count as ranked highest. Default 0.2. */
  readonly top?: number;
  /** Random maps per image. Default 100. */
  readonly randomMaps?: number;
  readonly seed?: number;
}

const RANDOM_STREAM = streamNamed('agreement');

/**
 * How far two attributions of the same images agree, against random maps.
 *
 * @param x the images explained [N, H, W, C]
 * @param a one attribution, [N, H, W, C] or [N, h, w] (raw: ranks need no relu and no scaling)
 * @param b the other
 * @throws ShapeError, UsageError when maps or segments do not fit the images, or an option is out of range
 */
export async function attributionAgreement(
  x: Tensor,
  a: JudgedMaps,
  b: JudgedMaps,
  options: AgreementOptions = {},
): Promise<Agreement> {
  const { segments, segmentCount, top = 0.2, randomMaps = 100, seed = 0 } = options;
  checkTop(top);
  if (!Number.isInteger(randomMaps) || randomMaps < 1)
    throw new UsageError(`randomMaps must be a whole number of at least 1, not ${randomMaps}.`);
  const host = await hostImages(x);
  const cuts = segmentImages({ values: host.values, shape: x.shape }, segments, segmentCount);
  const maps = [a, b].map(one => mapsOnPixels(one, host));
  const pixels = host.height * host.width;
  const keys = imageKeys(host.values, host.count);
  const images = cuts.map((cut, image): ImageAgreement | undefined => {
    const garment = garmentPixels(host, image);
    if (garment.length === 0) return undefined;
    const look = (map: ArrayLike<number>, lot: number): Look =>
      lookAt(map, cut, garment, top, seed, keyOf(keys[image], lot));
    const [first, second] = maps.map((map, lot) => look(map.subarray(image * pixels, (image + 1) * pixels), lot));
    const real = compare(first, second);
    const random = new PhiloxStream(seed, RANDOM_STREAM, keys[image]);
    const chance = Array.from({ length: randomMaps }, (_, k) => {
      const perSegment = Float64Array.from({ length: cut.count }, () => random.uniform());
      const drawn = look(
        Float64Array.from(cut.labels, label => perSegment[label]),
        k + 2,
      );
      return [compare(first, drawn), compare(second, drawn)];
    }).flat();
    return { ...real, random: meanOf(chance), aboveRandom: shareExceeded(real, chance) };
  });
  return { images, spearman: summary(images, 'spearman', seed), iou: summary(images, 'iou', seed) };
}

/**
 * How alike two maps of one image are.
 *
 * @param a one number per pixel [H * W]
 * @param b the same
 * @param garment the pixels that count
 * @param seed decides between pixels of equal rank, for each map on its own
 */
export function mapAgreement(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  segments: Segments,
  garment: Uint32Array,
  { top = 0.2, seed = 0 }: Pick<AgreementOptions, 'top' | 'seed'> = {},
): MapAgreement {
  checkTop(top);
  if (garment.length === 0) throw new UsageError('There is no pixel on which the maps could agree.');
  return compare(lookAt(a, segments, garment, top, seed, 0), lookAt(b, segments, garment, top, seed, 1));
}

function checkTop(top: number): void {
  if (!(top > 0 && top <= 1)) throw new UsageError(`The top share of an image lies between 0 and 1, not ${top}.`);
}

/** What is compared of one map. */
interface Look {
  /** Means over the garment's part of each segment that has one, up to a constant. */
  readonly means: Float64Array;
  /** The pixels ranked highest. */
  readonly top: ReadonlySet<number>;
}

function lookAt(
  map: ArrayLike<number>,
  { labels, count }: Segments,
  garment: Uint32Array,
  top: number,
  seed: number,
  lot: number,
): Look {
  const sums = new Float64Array(count);
  const sizes = new Float64Array(count);
  for (const pixel of garment) {
    // From the first value, so that a flat map has means of exactly the same rank.
    sums[labels[pixel]] += map[pixel] - map[garment[0]];
    sizes[labels[pixel]]++;
  }
  const inGarment = Float64Array.from(garment, pixel => map[pixel]);
  const highest = pixelOrder(inGarment, seed, lot).subarray(0, Math.max(1, Math.round(top * garment.length)));
  return {
    means: sums.map((sum, label) => sum / sizes[label]).filter((_, label) => sizes[label] > 0),
    top: new Set(Array.from(highest, place => garment[place])),
  };
}

function compare(a: Look, b: Look): MapAgreement {
  let shared = 0;
  for (const pixel of a.top) if (b.top.has(pixel)) shared++;
  return {
    spearman: a.means.length > 1 ? spearman(a.means, b.means) : Number.NaN,
    iou: shared / (a.top.size + b.top.size - shared),
  };
}

function meanOf(several: readonly MapAgreement[]): MapAgreement {
  const mean = (key: keyof MapAgreement): number => {
    const found = several.map(one => one[key]).filter(value => !Number.isNaN(value));
    return found.reduce((sum, value) => sum + value, 0) / found.length;
  };
  return { spearman: mean('spearman'), iou: mean('iou') };
}

function shareExceeded(real: MapAgreement, chance: readonly MapAgreement[]): MapAgreement {
  const share = (key: keyof MapAgreement): number => {
    const found = chance.map(one => one[key]).filter(value => !Number.isNaN(value));
    if (Number.isNaN(real[key])) return Number.NaN;
    return (
      found.reduce((sum, value) => sum + (value < real[key] ? 1 : value === real[key] ? 0.5 : 0), 0) / found.length
    );
  };
  return { spearman: share('spearman'), iou: share('iou') };
}

function summary(
  images: readonly (ImageAgreement | undefined)[],
  key: keyof MapAgreement,
  seed: number,
): AgreementSummary | undefined {
  const some = images.filter(image => image !== undefined && !Number.isNaN(image[key])) as ImageAgreement[];
  if (some.length === 0) return undefined;
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const real = some.map(image => image[key]);
  const random = some.map(image => image.random[key]);
  return {
    mean: mean(real),
    random: mean(random),
    difference: pairedBootstrap(random, real, { seed }),
    aboveRandom: mean(some.map(image => image.aboveRandom[key])),
    images: some.length,
  };
}
