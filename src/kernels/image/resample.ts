/**
 * Resampling of float images between pixels: affine maps (rotation, scale, shear, shift), and resizing with its gradient.
 * All are bilinear. Resizing finds its two neighbours and their weight as exact fractions of whole numbers, so that all
 * devices and the gradient agree on which pixels meet.
 */
import { DTypeError, ShapeError } from '../../devices/errors.ts';
import type { KernelDefinition, Spec } from '../../devices/kernel.ts';
import { formatShape, sizeOf } from '../../devices/shape.ts';

export type AffineParams = Readonly<Record<string, never>>;

export interface ResizeParams {
  /** [height, width] of the output. */
  readonly size: readonly [number, number];
  /**
   * false: pixels are squares, and the images' outer edges coincide (output pixel o lies at (o + 1/2) in / out - 1/2).
   * true: pixels are points, and the images' corner points coincide (o lies at o (in - 1) / (out - 1)).
   */
  readonly alignCorners: boolean;
}

export interface ResizeGradientParams {
  /** [H, W] of the image whose gradient is wanted. */
  readonly inputSize: readonly [number, number];
  readonly alignCorners: boolean;
}

/**
 * Output position o along one axis lies at max(0, o * step + offset) / denominator in input pixels: all whole numbers.
 * Extents up to 16384 keep every product below 2^31.
 */
export interface ResizeAxis {
  readonly from: number;
  readonly to: number;
  readonly step: number;
  readonly offset: number;
  readonly denominator: number;
}

export const LARGEST_RESIZE = 16384;

/** The grid of one axis, from `from` input pixels to `to` output pixels. */
export function resizeAxis(from: number, to: number, alignCorners: boolean): ResizeAxis {
  if (!alignCorners) return { from, to, step: 2 * from, offset: from - to, denominator: 2 * to };
  if (to === 1) return { from, to, step: 0, offset: 0, denominator: 1 };
  return { from, to, step: from - 1, offset: 0, denominator: to - 1 };
}

function checkFloatImages(what: string, { shape, dtype }: Spec): void {
  if (dtype !== 'float32') throw new DTypeError(`${what} takes float32 images, not ${dtype}.`);
  if (shape.length !== 4) throw new ShapeError(`${what}: images must be [N, H, W, C], got ${formatShape(shape)}.`);
}

function checkExtents(what: string, from: readonly number[], to: readonly number[]): void {
  for (const extent of [...from, ...to]) {
    if (!Number.isInteger(extent) || extent < 1 || extent > LARGEST_RESIZE) {
      throw new ShapeError(
        `${what}: cannot resize ${formatShape(from)} to ${formatShape(to)} pixels (sizes from 1 to ${LARGEST_RESIZE}).`,
      );
    }
  }
}

/**
 * Inputs [x [N, H, W, C], matrices [N, 6]]; output [N, H, W, C]. The matrix [a, b, c, d, e, f] of an image says where an
 * output pixel comes from, in pixels from the centre of the top left one:
 *
 *     source x = a * x + b * y + c        source y = d * x + e * y + f
 *
 * Pixels outside the image count as zeros. (The host makes the matrices in float64, random angles included.)
 */
export const affineImagesDefinition: KernelDefinition<AffineParams> = {
  name: 'affineImages',
  infer([x, matrices]) {
    checkFloatImages('affineImages', x);
    if (matrices.dtype !== 'float32') throw new DTypeError(`affineImages takes float32, not ${matrices.dtype}.`);
    if (matrices.shape.length !== 2 || matrices.shape[0] !== x.shape[0] || matrices.shape[1] !== 6) {
      throw new ShapeError(
        `affineImages: images ${formatShape(x.shape)} need matrices ${formatShape([x.shape[0], 6])}, ` +
          `got ${formatShape(matrices.shape)}.`,
      );
    }
    return [{ shape: x.shape, dtype: 'float32' }];
  },
  cost: ([x]) => ({ flops: 12 * sizeOf(x.shape), bytes: 8 * sizeOf(x.shape) + 24 * x.shape[0] }),
};

/** Input [x [N, H, W, C]]; output [N, ...size, C]. No antialiasing: shrinking below a half skips pixels. */
export const resizeBilinearDefinition: KernelDefinition<ResizeParams> = {
  name: 'resizeBilinear',
  infer([x], { size }) {
    checkFloatImages('resizeBilinear', x);
    const [batch, height, width, channels] = x.shape;
    checkExtents('resizeBilinear', [height, width], size);
    return [{ shape: [batch, ...size, channels], dtype: 'float32' }];
  },
  cost([x], { size }) {
    const outputs = x.shape[0] * size[0] * size[1] * x.shape[3];
    return { flops: 8 * outputs, bytes: 4 * (sizeOf(x.shape) + outputs) };
  },
};

/** Input [dy [N, h, w, C]]; output [N, ...inputSize, C]: the gradient of resizeBilinear from inputSize to [h, w]. */
export const resizeBilinearGradientDefinition: KernelDefinition<ResizeGradientParams> = {
  name: 'resizeBilinearGradient',
  infer([dy], { inputSize }) {
    checkFloatImages('resizeBilinearGradient', dy);
    const [batch, height, width, channels] = dy.shape;
    checkExtents('resizeBilinearGradient', inputSize, [height, width]);
    return [{ shape: [batch, ...inputSize, channels], dtype: 'float32' }];
  },
  cost([dy], { inputSize }) {
    const inputs = dy.shape[0] * inputSize[0] * inputSize[1] * dy.shape[3];
    return { flops: 8 * sizeOf(dy.shape), bytes: 4 * (sizeOf(dy.shape) + inputs) };
  },
};
