/**
 * Training augmentation: flip, shift, erase, in this order, while a batch is gathered. Every decision is integer
 * arithmetic on Philox words, so one seed gives the same pictures on every device, bit for bit.
 *
 * The `state` is [seed, stream, counter low, counter high] as in the random kernels; the host starts an epoch with
 * counter (0, epoch), and the step moves the low word on. An image is keyed by its POSITION in the batch:
 *
 *     block A = philox(counter (position, 1, low, high))      A0 vertical shift, A1 horizontal shift, A2 flip, A3 erase?
 *     block B = philox(counter (position, 2, low, high))      B0 rectangle, B1 top, B2 left
 *     noise e = philox(counter (position, 3 + e / 4, low, high)) word e % 4, for element e of the output image
 *     block I = philox(counter (dataset index, 0, 0, 0))      I0: which way this image looks in even epochs
 *
 * all under key (seed, stream). A whole number below n is the high word of `word * n`.
 */
import { ShapeError, UsageError } from '../../devices/errors.ts';
import type { KernelDefinition, Spec } from '../../devices/kernel.ts';
import { formatShape, sizeOf } from '../../devices/shape.ts';
import { checkState } from '../random/random.ts';
import { checkImagesAndIndices } from './gather.ts';

/** Random erasing. Areas are fractions of the image, aspects height / width. */
export interface EraseParams {
  readonly probability: number;
  readonly minArea: number;
  readonly maxArea: number;
  readonly minAspect: number;
  readonly maxAspect: number;
  /** What the rectangle is filled with: black, or uniform noise in [0, 1). */
  readonly fill: 'zero' | 'random';
}

export interface AugmentParams {
  /** Largest shift in pixels, each way on each axis; pixels beyond the border are reflected without repeating it. */
  readonly crop: number;
  /**
   * `random`: each image is mirrored with probability 1/2. `alternating`: each image is mirrored in every other epoch (the
   * parity of state[3]), half of them starting mirrored, so that two epochs in a row always show both sides.
   * K. Jordan: 94 % on CIFAR-10 in 3.29 seconds on a single GPU, 2024.
   */
  readonly flip: 'none' | 'random' | 'alternating';
  readonly erase: EraseParams | null;
}

/** Sizes of a rectangle are drawn from this many (area, aspect) pairs: 16 x 16. */
export const RECTANGLES = 256;

/**
 * The rectangles that erasing chooses from, packed as height << 16 | width: areas in 16 even steps, aspects in 16 even
 * steps of their logarithm, both taken at the middle of a step, cut to the image. The host rounds square roots once, in
 * float64, so that devices only look up. Z. Zhong et al.: Random erasing data augmentation, AAAI 2020.
 */
export function eraseRectangles(erase: EraseParams, height: number, width: number): Uint32Array {
  const rectangles = new Uint32Array(RECTANGLES);
  const logMin = Math.log(erase.minAspect);
  const logMax = Math.log(erase.maxAspect);
  for (let i = 0; i < RECTANGLES; i++) {
    const areaStep = ((i >> 4) + 0.5) / 16;
    const aspectStep = ((i & 15) + 0.5) / 16;
    const area = (erase.minArea + (erase.maxArea - erase.minArea) * areaStep) * height * width;
    const aspect = Math.exp(logMin + (logMax - logMin) * aspectStep);
    const h = Math.min(height, Math.max(1, Math.round(Math.sqrt(area * aspect))));
    const w = Math.min(width, Math.max(1, Math.round(Math.sqrt(area / aspect))));
    rectangles[i] = (h << 16) | w;
  }
  return rectangles;
}

function checkErase({ probability, minArea, maxArea, minAspect, maxAspect }: EraseParams): void {
  if (!(probability >= 0 && probability <= 1)) {
    throw new UsageError(`augmentImages: the probability of erasing must lie in [0, 1], not ${probability}.`);
  }
  if (!(minArea >= 0 && minArea <= maxArea && maxArea <= 1)) {
    throw new UsageError(`augmentImages: erased areas ${minArea} to ${maxArea} are not fractions in ascending order.`);
  }
  if (!(minAspect > 0 && minAspect <= maxAspect && maxAspect < Number.POSITIVE_INFINITY)) {
    throw new UsageError(`augmentImages: erased aspects ${minAspect} to ${maxAspect} must be above 0 and ascending.`);
  }
}

/** Inputs [images uint8 [M, H, W, C], indices int32 [N], state uint32 [4]]; output float32 [N, H, W, C] in [0, 1]. */
export const augmentImagesDefinition: KernelDefinition<AugmentParams> = {
  name: 'augmentImages',
  infer([images, indices, state], { crop, erase }): Spec[] {
    checkImagesAndIndices('augmentImages', images, indices);
    checkState('augmentImages', state);
    const [, height, width, channels] = images.shape;
    if (!Number.isInteger(crop) || crop < 0) {
      throw new UsageError(`augmentImages: the largest shift must be a whole number of pixels, not ${crop}.`);
    }
    if (crop > 0 && crop >= Math.min(height, width) && height * width > 0) {
      throw new ShapeError(
        `augmentImages: a shift of ${crop} pixels reflects beyond images of ${formatShape([height, width])} pixels.`,
      );
    }
    if (height > 0xffff || width > 0xffff) {
      throw new ShapeError(`augmentImages: images of ${formatShape([height, width])} pixels are larger than 65535.`);
    }
    if (erase) checkErase(erase);
    return [{ shape: [indices.shape[0], height, width, channels], dtype: 'float32' }];
  },
  cost([images, indices]) {
    const count = indices.shape[0];
    const pixels = count * sizeOf(images.shape.slice(1));
    return { flops: pixels, bytes: 5 * pixels + 4 * count + 16 };
  },
};
