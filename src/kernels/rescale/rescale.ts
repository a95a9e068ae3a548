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
  /** Where the inputs differ by less, `plain` is taken. */
  readonly threshold: number;
}

/** Elements of one row. */
export function rowLength({ shape }: Spec, { images, backgrounds }: RescaleParams): number {
  const size = sizeOf(shape);
  return size === 0 ? 0 : size / (images * (1 + backgrounds));
}

/**
 * Inputs [x, y, upstream, plain] of one shape whose elements are [images, 1 + backgrounds, ...]; output of that shape:
 *
 *     |x - x0| < threshold ? plain : upstream * (y - y0) / (x - x0)
 *
 * where x0 and y0 are the first row of each image's group (which therefore gets `plain`).
 */
export const rescaleDefinition: KernelDefinition<RescaleParams> = {
  name: 'rescale',
  infer(inputs, params) {
    const [x] = inputs;
    for (const { shape, dtype } of inputs) {
      if (dtype !== 'float32') throw new DTypeError(`rescale: float32 wanted, got ${dtype}.`);
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
