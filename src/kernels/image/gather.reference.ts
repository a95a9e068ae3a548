/** Batches by index, pixel by pixel. */
import type { TypedArray } from '../../devices/dtype.ts';
import type { Spec } from '../../devices/kernel.ts';
import type { GatherParams } from './gather.ts';

export function gatherImagesReference(
  [images, indices]: readonly TypedArray[],
  [y]: readonly TypedArray[],
  [{ shape }]: readonly Spec[],
  _params: GatherParams,
): void {
  const [count, height, width, channels] = shape;
  const size = height * width * channels;
  for (let n = 0; n < indices.length; n++) {
    const index = indices[n];
    const exists = index >= 0 && index < count;
    for (let i = 0; i < size; i++) y[n * size + i] = exists ? images[index * size + i] / 255 : Number.NaN;
  }
}

export function gatherLabelsReference(
  [labels, indices]: readonly TypedArray[],
  [y]: readonly TypedArray[],
  [{ shape }]: readonly Spec[],
  _params: GatherParams,
): void {
  for (let n = 0; n < indices.length; n++) {
    const index = indices[n];
    y[n] = index >= 0 && index < shape[0] ? labels[index] : -1;
  }
}
