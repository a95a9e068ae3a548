/**
 * What the measures share: images on the host, of which they make altered copies; the class that is judged, per image;
 * and maps brought onto the images' pixels, in an order of importance in which ties are broken by a seed, so that a map
 * with large equal parts (a relu, a superpixel) is judged as fairly as any other and the same way twice.
 */
import { noGrad, softmax } from '../../autograd/index.ts';
import { ShapeError, UsageError } from '../../devices/errors.ts';
import { formatShape } from '../../devices/shape.ts';
import { PhiloxStream, streamNamed } from '../../kernels/random/philox.ts';
import { Module } from '../../nn/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import {
  type Attribution,
  explainedImages,
  type FloatArray,
  pixelMaps,
  readLogits,
  type Target,
  targetRows,
} from '../attribution.ts';
import { checkImages, evaluate } from '../evaluation.ts';
import { resizeMaps } from '../maps.ts';
import { type HostImage, type Predict, predictCopies } from '../predict.ts';

/** What is judged by its scores: a model, by its probabilities; any other function of images, by what it gives. */
export type Judged = Module | Predict;

/** What the black-box measures have in common. */
export interface JudgingOptions {
  /** Default `predicted`. */
  readonly target?: Target;
  /** Most images that go through the model at once, which bounds memory. Default 128. */
  readonly batchSize?: number;
  readonly seed?: number;
}

/** An attribution, or maps alone: [N, H, W, C], or [N, h, w] of any size (enlarged to the images where they are smaller). */
export type JudgedMaps = Pick<Attribution, 'values' | 'shape'>;

/**
 * A method with everything but images and classes settled. `keys` are given where images are to be explained with the random
 * numbers of others.
 */
export type Explainer = (
  x: Tensor,
  target: Target,
  keys?: ArrayLike<number>,
) => Promise<Pick<Attribution, 'values' | 'shape' | 'target'>>;

/** Images [N, H, W, C] on the host. */
export interface HostImages {
  readonly values: FloatArray;
  readonly count: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly device: Tensor['device'];
}

/** Reads images [N, H, W, C]. */
export async function hostImages(x: Tensor): Promise<HostImages> {
  checkImages(x, 'images');
  if (x.rank !== 4)
    throw new ShapeError(`Explanations are judged on images [N, H, W, C], not ${formatShape(x.shape)}.`);
  const [count, height, width, channels] = x.shape;
  return { values: (await x.data()) as FloatArray, count, height, width, channels, device: x.device };
}

/** The scores by which something is judged: a model's probabilities, or a function's own scores. */
export function scoresOf(f: Judged): Predict {
  return f instanceof Module ? x => noGrad(() => softmax(evaluate(f, x))) : f;
}

export interface JudgedClasses {
  /** The class judged, per image. */
  readonly target: Int32Array;
  /** Its score, per image. */
  readonly scores: Float64Array;
}

/** The class to judge and its score, for each image. */
export async function judgedClasses(
  predict: Predict,
  host: HostImages,
  target: Target | undefined,
  batchSize: number,
): Promise<JudgedClasses> {
  const size = host.values.length / host.count;
  const explained = explainedImages(host.count);
  await predictCopies(predict, oneImage(host), {
    count: host.count,
    batchSize,
    write: (image, into, offset) => into.set(host.values.subarray(image * size, (image + 1) * size), offset),
    take: (scores, start, rows, classes) =>
      readLogits(explained, start, scores, classes, targetRows(target, start, rows, host.count)),
  });
  return { target: explained.target, scores: explained.prediction };
}

/** How altered copies of the images are made and whose score is wanted. */
export interface AlteredCopies {
  readonly count: number;
  readonly batchSize: number;
  /** Which image a copy is made of. */
  imageOf(copy: number): number;
  /** Alters `into[offset ...]`, which holds the image. */
  alter(copy: number, into: FloatArray, offset: number): void;
}

/** Scores of altered copies [count], each of the class judged of its image. */
export async function scoreCopies(
  predict: Predict,
  host: HostImages,
  { target }: Pick<JudgedClasses, 'target'>,
  { count, batchSize, imageOf, alter }: AlteredCopies,
): Promise<Float64Array> {
  const size = host.values.length / host.count;
  const found = new Float64Array(count);
  await predictCopies(predict, oneImage(host), {
    count,
    batchSize,
    write(copy, into, offset) {
      const image = imageOf(copy);
      into.set(host.values.subarray(image * size, (image + 1) * size), offset);
      alter(copy, into, offset);
    },
    take(scores, start, rows, classes) {
      for (let row = 0; row < rows; row++) found[start + row] = scores[row * classes + target[imageOf(start + row)]];
    },
  });
  return found;
}

function oneImage({ values, height, width, channels, device }: HostImages): HostImage {
  return { values: values.subarray(0, height * width * channels), shape: [1, height, width, channels], device };
}

/**
 * One number per pixel of each image: channels summed, smaller maps enlarged (bilinear, half-pixel centres).
 * @throws ShapeError when there is not one map per image; UsageError for a value that is not finite
 */
export function mapsOnPixels(maps: JudgedMaps, { count, height, width }: HostImages): FloatArray {
  if (maps.shape[0] !== count) {
    throw new ShapeError(`There are ${maps.shape[0]} maps for ${count} images; judging needs one for each.`);
  }
  const bad = maps.values.findIndex(value => !Number.isFinite(value));
  if (bad >= 0)
    throw new UsageError(`Value ${bad} of the maps is ${maps.values[bad]}; only finite maps can be judged.`);
  return resizeMaps(pixelMaps(maps), [height, width]).values;
}

const TIES_STREAM = streamNamed('judging-ties');

/**
 * The pixels of one map, the most important (largest) first; ties in a random order that depends on seed and image only.
 * @param map [H W]
 * @param key whole number of the image (its place, or a key of its values)
 * @throws UsageError for a value that is NaN, which has no place in an order
 */
export function pixelOrder(map: ArrayLike<number>, seed: number, key: number): Uint32Array {
  for (let pixel = 0; pixel < map.length; pixel++) {
    if (Number.isNaN(map[pixel]))
      throw new UsageError(`The map has no value (NaN) at pixel ${pixel}; it ranks nothing.`);
  }
  const random = new PhiloxStream(seed, TIES_STREAM, key);
  const lot = Uint32Array.from({ length: map.length }, () => random.nextUint32());
  const order = Uint32Array.from({ length: map.length }, (_, pixel) => pixel);
  return order.sort((a, b) => (map[a] === map[b] ? lot[a] - lot[b] || a - b : map[b] > map[a] ? 1 : -1));
}

/** Positions of an image that the garment covers: any channel above zero. */
export function garmentPixels(host: HostImages, image: number): Uint32Array {
  const { height, width, channels, values } = host;
  const start = image * height * width * channels;
  const found: number[] = [];
  for (let pixel = 0; pixel < height * width; pixel++) {
    for (let c = 0; c < channels; c++) {
      if (values[start + pixel * channels + c] > 0) {
        found.push(pixel);
        break;
      }
    }
  }
  return Uint32Array.from(found);
}
