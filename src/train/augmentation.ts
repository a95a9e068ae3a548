/**
 * How a training batch comes about: gathered, cropped, mirrored and erased by one kernel on the device, then turned and
 * stretched a little, then mixed with the same batch in reverse order. Whatever is random follows from (seed, epoch,
 * batch), so it is the same on every device and after a resume. Angles and shares are drawn on the host in float64: a few
 * numbers an image, while the pixels stay on the device.
 */
import { runKernel } from '../autograd/op.ts';
import { add, flip, mul, sub } from '../autograd/ops/index.ts';
import { noGrad } from '../autograd/tape.ts';
import type { Batch, DeviceDataset } from '../data/device-dataset.ts';
import { UsageError } from '../devices/errors.ts';
import { type AugmentParams, affineImages } from '../kernels/image/index.ts';
import { PhiloxStream, streamNamed } from '../kernels/random/philox.ts';
import { tensor } from '../tensor/creation.ts';
import { dispose, tidy } from '../tensor/lifetime.ts';
import { Tensor } from '../tensor/tensor.ts';

/** Small random affine maps about the image's centre; each value is the largest deviation, drawn uniformly. */
export interface AffineRange {
  /** Rotation either way. */
  readonly degrees: number;
  /** Relative size: 0.1 draws factors from 0.9 to 1.1. */
  readonly scale: number;
  /** Slant of vertical lines either way, in degrees. */
  readonly shear: number;
}

export interface AugmentationOptions {
  /** Crop, flip and erasing. */
  readonly augmentation?: AugmentParams;
  readonly affine?: AffineRange;
  /** Mixup (Zhang et al., 2018): two images blended, the share from Beta(alpha, alpha). Default 0: none. */
  readonly mixup?: number;
  /** Cutmix (Yun et al., 2019): a rectangle of another image, its area from Beta(alpha, alpha). Default 0: none. */
  readonly cutmix?: number;
}

/** A batch whose images may be mixtures. */
export interface TrainingBatch extends Batch {
  /** The other class in each image, int32 [N], and what share of the image is of class `labels`, float32 [1]. */
  readonly mixed?: { readonly labels: Tensor; readonly share: Tensor };
}

/** Where in a run a batch stands; its random numbers depend on nothing else. */
export interface BatchPlace {
  readonly seed: number;
  readonly epoch: number;
  readonly batch: number;
}

/** The images at `indices` as training sees them. The caller disposes the tensors (see `disposeBatch`). */
export function trainingBatch(
  data: DeviceDataset,
  indices: ArrayLike<number>,
  options: AugmentationOptions,
  { seed, epoch, batch }: BatchPlace,
): TrainingBatch {
  const { augmentation, affine, mixup = 0, cutmix = 0 } = options;
  const streamOf = (purpose: string) => new PhiloxStream(seed, streamNamed(`${purpose} ${batch}`), epoch);
  return tidy(() =>
    noGrad(() => {
      let taken: TrainingBatch = augmentation
        ? data.augmentedBatch(indices, augmentation, { seed, epoch, step: batch })
        : data.batch(indices);
      if (affine) taken = { ...taken, images: warp(taken.images, affine, streamOf('affine')) };
      if (mixup > 0 || cutmix > 0) taken = mix(taken, mixup, cutmix, streamOf('mix'));
      return taken;
    }),
  );
}

export function disposeBatch({ images, labels, mixed }: TrainingBatch): void {
  dispose(images, labels, mixed?.labels, mixed?.share);
}

/** Every image under its own small affine map. */
function warp(images: Tensor, range: AffineRange, random: PhiloxStream): Tensor {
  const [count, height, width] = images.shape;
  const matrices = affineMatrices(count, height, width, range, random);
  const [output] = runKernel(affineImages, [images, tensor(matrices, [count, 6], { device: images.device })], {});
  return new Tensor(output.storage, output.shape);
}

/**
 * Matrices [count, 6] that say where output pixels come from: source = inverse scale, shear and rotation about the centre.
 * Exported for tests.
 */
export function affineMatrices(
  count: number,
  height: number,
  width: number,
  { degrees, scale, shear }: AffineRange,
  random: PhiloxStream,
): Float32Array {
  if (!(scale >= 0 && scale < 1) || !(Math.abs(shear) < 90) || !Number.isFinite(degrees)) {
    throw new UsageError(`Affine augmentation by ${degrees} degrees, scale ${scale}, shear ${shear} is not possible.`);
  }
  const matrices = new Float32Array(6 * count);
  const [cx, cy] = [(width - 1) / 2, (height - 1) / 2];
  const within = (most: number): number => most * (2 * random.uniform() - 1);
  for (let i = 0; i < count; i++) {
    const angle = (within(degrees) * Math.PI) / 180;
    const size = 1 + within(scale);
    const slant = Math.tan((within(shear) * Math.PI) / 180);
    const [cos, sin] = [Math.cos(angle) / size, Math.sin(angle) / size];
    const [a, b] = [cos, cos * slant - sin];
    const [d, e] = [sin, sin * slant + cos];
    matrices.set([a, b, cx - a * cx - b * cy, d, e, cy - d * cx - e * cy], 6 * i);
  }
  return matrices;
}

/** Mixup or cutmix of a batch with itself reversed; where both are wanted, a coin decides for the batch. */
function mix({ images, labels }: Batch, mixup: number, cutmix: number, random: PhiloxStream): TrainingBatch {
  const { device, shape } = images;
  const cuts = cutmix > 0 && (mixup <= 0 || random.uniform() < 0.5);
  const share = beta(cuts ? cutmix : mixup, random);
  const [, height, width] = shape;
  const mask = cuts ? cutMask(height, width, share, random) : Float32Array.of(share);
  const own = mask.reduce((sum, value) => sum + value, 0) / mask.length;
  // Shares go in as tensors: as kernel parameters they would make a new plan every step.
  const keep = tensor(mask, cuts ? [1, height, width, 1] : [1], { device });
  const mixture = add(mul(images, keep), mul(flip(images, [0]), sub(1, keep)));
  const others = flip(labels, [0]);
  const [first, second] = own >= 0.5 ? [labels, others] : [others, labels];
  const greater = tensor(Float32Array.of(Math.max(own, 1 - own)), [1], { device });
  return { images: mixture, labels: first, mixed: { labels: second, share: greater } };
}

/** 1 where an image stays, 0 in a rectangle of about 1 - share of its area that is centred anywhere. */
export function cutMask(height: number, width: number, share: number, random: PhiloxStream): Float32Array {
  const mask = new Float32Array(height * width).fill(1);
  const side = Math.sqrt(1 - share);
  const span = (extent: number): [number, number] => {
    const centre = random.below(extent);
    const half = Math.round(extent * side) / 2;
    return [Math.max(0, Math.ceil(centre - half)), Math.min(extent, Math.ceil(centre + half))];
  };
  const [top, bottom] = span(height);
  const [left, right] = span(width);
  for (let y = top; y < bottom; y++) mask.fill(0, y * width + left, y * width + right);
  return mask;
}

/** A number from Beta(alpha, alpha), as X / (X + Y) of two gamma variates. */
export function beta(alpha: number, random: PhiloxStream): number {
  const [x, y] = [gamma(alpha, random), gamma(alpha, random)];
  return x + y === 0 ? 0.5 : x / (x + y);
}

/** Gamma(shape, 1) (Marsaglia and Tsang: A simple method for generating gamma variables, 2000). */
function gamma(shape: number, random: PhiloxStream): number {
  // Not by `**`, whose last bit depends on the engine's version.
  if (shape < 1) return gamma(shape + 1, random) * Math.exp(Math.log(random.uniform()) / shape);
  const d = shape - 1 / 3;
  for (;;) {
    const x = random.normal();
    const v = (1 + x / Math.sqrt(9 * d)) ** 3;
    if (v > 0 && Math.log(1 - random.uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
  }
}
