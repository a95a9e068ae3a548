/**
 * What an explanation is: a number per input value (or per position of an inner map), raw and signed, with everything
 * needed to judge it. Making it pretty (relu, scaling, resizing, colours) is a later step and never done here, so that
 * maps of different methods and images can be compared.
 */
import { NonFiniteError, ShapeError, UsageError } from '../devices/errors.ts';
import { formatShape, type Shape } from '../devices/shape.ts';
import type { Module } from '../nn/index.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** Images [N, ...] to one value per class [N, classes] (or one value [N]): logits, not probabilities. */
export type LogitFunction = (x: Tensor) => Tensor;

/** What can be explained: a model (it is run in evaluation mode; its own mode is restored) or any function of tensors. */
export type Explainable = Module | LogitFunction;

/** The class to explain: that of the largest logit of each image, one for all images, or one per image. */
export type Target = 'predicted' | number | ArrayLike<number>;

/** float32 devices give Float32Array, the reference device Float64Array. */
export type FloatArray = Float32Array | Float64Array;

export interface Attribution {
  /** The method's name as the command line knows it, e.g. `grad-cam`. */
  readonly method: string;
  /** Raw and signed, row-major in `shape`. */
  readonly values: FloatArray;
  /** [N, ...] as the images, or [N, h, w] for maps of an inner layer. */
  readonly shape: Shape;
  /** The class explained, per image. */
  readonly target: Int32Array;
  /** Its logit, per image. */
  readonly prediction: Float64Array;
  /** The class of the largest logit, per image. */
  readonly predicted: Int32Array;
}

/** An attribution whose values should add up to a difference of logits. */
export interface CompleteAttribution extends Attribution {
  /** The logit that the attributions count from, per image: of the baseline, or the mean over a background. */
  readonly expected: Float64Array;
  /** sum(values) - (prediction - expected), per image. */
  readonly residual: Float64Array;
  /** |residual| over what it is measured by (`additivityScale`), per image. */
  readonly additivityErrors: Float64Array;
  /** The largest of them. */
  readonly additivityError: number;
}

export interface ExplainOptions {
  /** Default `predicted`. */
  readonly target?: Target;
  /** Most images that go through the model at once, which bounds memory. Default 128. */
  readonly batchSize?: number;
  /**
   * For methods that sample: a whole number per image that its random numbers follow from, with the seed. Default: a key of its
   * values (see `imageKeys`). Images with one key are explained with the same random numbers.
   */
  readonly keys?: ArrayLike<number>;
}

export const DEFAULT_BATCH = 128;

/** The classes to explain for images `start .. start + count`; undefined where they are the predicted ones. */
export function targetRows(
  target: Target | undefined,
  start: number,
  count: number,
  images: number,
): Int32Array | undefined {
  if (target === undefined || target === 'predicted') return undefined;
  if (typeof target === 'number') return new Int32Array(count).fill(checkClass(target));
  if (typeof target === 'string') {
    throw new UsageError(`A target is a class, one class per image, or 'predicted', not '${target}'.`);
  }
  if (target.length !== images) {
    throw new ShapeError(`There are ${target.length} targets for ${images} images; give one for each, or one for all.`);
  }
  return Int32Array.from({ length: count }, (_, i) => checkClass(target[start + i]));
}

function checkClass(label: number): number {
  if (Number.isInteger(label) && label >= 0) return label;
  throw new UsageError(`A target class is a whole number of at least 0, not ${label}.`);
}

/** Which class each image is explained for, and what the model says. */
export interface Explained {
  readonly target: Int32Array;
  readonly prediction: Float64Array;
  readonly predicted: Int32Array;
}

/** Room for the classes and logits of `images` images, filled chunk by chunk with `readLogits`. */
export function explainedImages(images: number): Explained {
  return {
    target: new Int32Array(images),
    prediction: new Float64Array(images),
    predicted: new Int32Array(images),
  };
}

/**
 * Notes what the logits [count, classes] of images `start ...` say.
 * @throws NonFiniteError for a logit that is not finite; UsageError for a target that is no class of the model
 */
export function readLogits(
  into: Explained,
  start: number,
  logits: ArrayLike<number>,
  classes: number,
  targets: Int32Array | undefined,
): void {
  const count = logits.length / classes;
  for (let i = 0; i < count; i++) {
    let best = 0;
    for (let c = 0; c < classes; c++) {
      const logit = logits[i * classes + c];
      if (!Number.isFinite(logit)) {
        throw new NonFiniteError(`The model's output for image ${start + i} is ${logit}; it cannot be explained.`);
      }
      if (logit > logits[i * classes + best]) best = c;
    }
    const target = targets?.[i] ?? best;
    if (target >= classes) {
      throw new UsageError(`There is no class ${target} to explain: the model has ${classes} (0 to ${classes - 1}).`);
    }
    into.target[start + i] = target;
    into.predicted[start + i] = best;
    into.prediction[start + i] = logits[i * classes + target];
  }
}

/**
 * What a residual is measured by: the difference of logits that the attributions should add up to. Where that is small beside
 * what they add up from (they cancel), or beside the logits themselves (float32 rounds their difference), it is a hundredth of the
 * attributions' magnitudes, or a thousandth of the larger logit, if that is more. No unit matters.
 *
 * @param magnitude sum of |attributions|
 */
export function additivityScale(prediction: number, expected: number, magnitude: number): number {
  const difference = Math.abs(prediction - expected);
  return Math.max(difference, magnitude / 100, Math.abs(prediction) / 1000, Math.abs(expected) / 1000);
}

/** Sums, residuals and errors of attributions [N, ...] that should add up to prediction - expected. */
export function completeness(
  values: ArrayLike<number>,
  prediction: Float64Array,
  expected: Float64Array,
): Pick<CompleteAttribution, 'expected' | 'residual' | 'additivityErrors' | 'additivityError'> {
  const images = prediction.length;
  const size = values.length / Math.max(1, images);
  const residual = new Float64Array(images);
  const additivityErrors = new Float64Array(images);
  for (let i = 0; i < images; i++) {
    let sum = 0;
    let magnitude = 0;
    for (let k = 0; k < size; k++) {
      sum += values[i * size + k];
      magnitude += Math.abs(values[i * size + k]);
    }
    residual[i] = sum - (prediction[i] - expected[i]);
    const scale = additivityScale(prediction[i], expected[i], magnitude);
    additivityErrors[i] = scale > 0 ? Math.abs(residual[i]) / scale : 0;
  }
  return {
    expected,
    residual,
    additivityErrors,
    additivityError: additivityErrors.reduce((a, b) => Math.max(a, b), 0),
  };
}

/**
 * One number per pixel: the sum over channels of an attribution [N, H, W, C]; maps [N, h, w] are returned as they are.
 * @returns values and shape [N, H, W]
 */
export function pixelMaps({ values, shape }: Pick<Attribution, 'values' | 'shape'>): {
  values: FloatArray;
  shape: [number, number, number];
} {
  if (shape.length === 3) return { values, shape: [shape[0], shape[1], shape[2]] };
  if (shape.length !== 4) {
    throw new ShapeError(`Attributions of shape ${formatShape(shape)} are no pictures [N, H, W, C].`);
  }
  const [images, height, width, channels] = shape;
  const sums = values.slice(0, images * height * width).fill(0);
  for (let i = 0; i < values.length; i++) sums[Math.floor(i / channels)] += values[i];
  return { values: sums, shape: [images, height, width] };
}
