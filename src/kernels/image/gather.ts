/**
 * Batches straight from the dataset on the device. Images stay bytes, [M, H, W, C], for the whole training; a batch is a
 * list of indices, and becomes float32 in [0, 1] as it is gathered. Pixel u becomes the float32 nearest to u / 255 on
 * every device. An index outside [0, M) cannot throw from inside a kernel: its pixels become NaN and its label -1.
 */
import { DTypeError, ShapeError } from '../../devices/errors.ts';
import type { KernelDefinition, Spec } from '../../devices/kernel.ts';
import { formatShape, sizeOf } from '../../devices/shape.ts';

export type GatherParams = Readonly<Record<string, never>>;

/** Throws unless `images` is uint8 [M, H, W, C] and `indices` int32 [N]. */
export function checkImagesAndIndices(what: string, images: Spec, indices: Spec): void {
  if (images.dtype !== 'uint8') throw new DTypeError(`${what}: images must be uint8, got ${images.dtype}.`);
  if (images.shape.length !== 4) {
    throw new ShapeError(`${what}: images must be [M, H, W, C], got ${formatShape(images.shape)}.`);
  }
  checkIndices(what, indices);
}

function checkIndices(what: string, indices: Spec): void {
  if (indices.dtype !== 'int32') throw new DTypeError(`${what}: indices must be int32, got ${indices.dtype}.`);
  if (indices.shape.length !== 1) {
    throw new ShapeError(`${what}: indices must be a list [N], got ${formatShape(indices.shape)}.`);
  }
}

/** Inputs [images uint8 [M, H, W, C], indices int32 [N]]; output float32 [N, H, W, C] in [0, 1]. */
export const gatherImagesDefinition: KernelDefinition<GatherParams> = {
  name: 'gatherImages',
  infer([images, indices]) {
    checkImagesAndIndices('gatherImages', images, indices);
    return [{ shape: [indices.shape[0], ...images.shape.slice(1)], dtype: 'float32' }];
  },
  cost([images, indices]) {
    const count = indices.shape[0];
    const pixels = count * sizeOf(images.shape.slice(1));
    return { flops: pixels, bytes: 5 * pixels + 4 * count };
  },
};

/** Inputs [labels uint8 [M], indices int32 [N]]; output int32 [N]. */
export const gatherLabelsDefinition: KernelDefinition<GatherParams> = {
  name: 'gatherLabels',
  infer([labels, indices]) {
    if (labels.dtype !== 'uint8') throw new DTypeError(`gatherLabels: labels must be uint8, got ${labels.dtype}.`);
    if (labels.shape.length !== 1) {
      throw new ShapeError(`gatherLabels: labels must be a list [M], got ${formatShape(labels.shape)}.`);
    }
    checkIndices('gatherLabels', indices);
    return [{ shape: indices.shape, dtype: 'int32' }];
  },
  cost: ([, indices]) => ({ flops: 0, bytes: 9 * indices.shape[0] }),
};
