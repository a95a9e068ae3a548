/**
 * DeepLIFT's rescale rule for an elementwise function y = f(x), in one pass: for each image its own row and the rows of
 * the background images it is compared with; the multiplier of a background row is the upstream one times the ratio of
 * the output's difference from the image's row to the input's.
 */
import { DTypeError, ShapeError, UsageError } from '../../devices/errors.ts';
import type { KernelDefinition, Spec } from '../../devices/kernel.ts';
import { formatShape, sameShape, sizeOf } from '../../devices/shape.ts';
import { trafficOf } from '../traffic.ts';

export interface RescaleParams {
  readonly images: number;
  /** Rows that follow each image's own row. */
  readonly backgrounds: number;
  /** Where the inputs differ by less, and the outputs by no more than rounding may, `plain` is taken. */
  readonly threshold: number;
}

/**
 * Differences up to this share of the numbers that they are differences of may be rounding (16 units of float32's). A quotient
 * of such differences is noise, which the layers below would share out; any larger one is worth more than a slope, however
 * small the unit that the numbers are in.
 */
export const ROUNDING = 2 ** -20;
/** Slopes beyond are infinite. */
export const LARGEST = 3.4028234663852886e38;

/** Elements of one row. */
export function rowLength({ shape }: Spec, { images, backgrounds }: RescaleParams): number {
  const size = sizeOf(shape);
  return size === 0 ? 0 : size / (images * (1 + backgrounds));
}

/**
 * Inputs [x, y, upstream, plain] of one shape whose elements are [images, 1 + backgrounds, ...]; output of that shape:
 *
 *     x agrees with x0 and plain is finite ? plain : x = x0 ? 0 : upstream * (y - y0) / (x - x0)
 *
 * where x0 and y0 are the first row of each image's group (which therefore gets `plain`). x agrees with x0 when they are equal, or
 * y - y0 may be rounding and x - x0 is below the threshold or may be rounding too. Where nothing differs nothing is
 * contributed, whatever the slope: a root is infinitely steep at 0, and 0 stands for its slope there.
 */
export const rescaleDefinition: KernelDefinition<RescaleParams> = {
  name: 'rescale',
  infer(inputs, params) {
    const [x] = inputs;
    for (const { shape, dtype } of inputs) {
      if (dtype !== 'float32') throw new DTypeError(`rescale takes float32, not ${dtype}.`);
      if (!sameShape(shape, x.shape)) {
        throw new ShapeError(`rescale: shapes ${formatShape(x.shape)} and ${formatShape(shape)} differ.`);
      }
    }
    const { images, backgrounds, threshold } = params;
    if (!Number.isInteger(rowLength(x, params))) {
      throw new ShapeError(
        `rescale: ${formatShape(x.shape)} cannot be cut into ${images} groups of ${1 + backgrounds} rows.`,
      );
    }
    if (!(threshold > 0)) throw new UsageError(`rescale: the threshold must be positive, not ${threshold}.`);
    return [x];
  },
  cost: inputs => ({ flops: 4 * sizeOf(inputs[0].shape), bytes: trafficOf(inputs, [inputs[0]]) }),
};
