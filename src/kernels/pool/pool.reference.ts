/** Pooling as loops over windows. Every kernel of the family visits the same windows and differs in what it does there. */
import type { TypedArray } from '../../devices/dtype.ts';
import type { Spec } from '../../devices/kernel.ts';
import { sizeOf } from '../../devices/shape.ts';
import {
  type AvgPool2dGradientParams,
  type AvgPool2dParams,
  avgPool2dGradientSizes,
  type GlobalAveragePoolGradientParams,
  type Pool2dGeometry,
  type Pool2dSizes,
  pool2dSizes,
} from './pool.ts';

/**
 * Calls `visit` for every window and channel with the index of its output element, the indices of its pixels in row-major
 * order (those on padding left out), and its area within the padded image.
 */
function forEachWindow(
  sizes: Pool2dSizes,
  { kernel, strides, padding }: Pool2dGeometry,
  visit: (y: number, pixels: readonly number[], paddedArea: number) => void,
): void {
  const { batch, height, width, channels, outputHeight, outputWidth } = sizes;
  for (let n = 0; n < batch; n++) {
    for (let oy = 0; oy < outputHeight; oy++) {
      const top = oy * strides[0] - padding[0];
      const paddedHeight = Math.min(top + kernel[0], height + padding[1]) - top;
      for (let ox = 0; ox < outputWidth; ox++) {
        const left = ox * strides[1] - padding[2];
        const paddedWidth = Math.min(left + kernel[1], width + padding[3]) - left;
        for (let c = 0; c < channels; c++) {
          const pixels: number[] = [];
          for (let iy = Math.max(top, 0); iy < Math.min(top + kernel[0], height); iy++) {
            for (let ix = Math.max(left, 0); ix < Math.min(left + kernel[1], width); ix++) {
              pixels.push(((n * height + iy) * width + ix) * channels + c);
            }
          }
          visit(((n * outputHeight + oy) * outputWidth + ox) * channels + c, pixels, paddedHeight * paddedWidth);
        }
      }
    }
  }
}

/** The first of the largest values; the last NaN where there is one, because that is how PyTorch scans. */
function winner(x: TypedArray, pixels: readonly number[]): number {
  let best = pixels[0];
  for (const pixel of pixels) if (x[pixel] > x[best] || Number.isNaN(x[pixel])) best = pixel;
  return best;
}

export function maxPool2dReference(
  [x]: readonly TypedArray[],
  [y]: readonly TypedArray[],
  specs: readonly Spec[],
  params: Pool2dGeometry,
): void {
  forEachWindow(pool2dSizes('maxPool2d', specs[0].shape, params), params, (out, pixels) => {
    y[out] = x[winner(x, pixels)];
  });
}

export function maxPool2dGradientReference(
  [x, dy]: readonly TypedArray[],
  [dx]: readonly TypedArray[],
  specs: readonly Spec[],
  params: Pool2dGeometry,
): void {
  dx.fill(0);
  forEachWindow(pool2dSizes('maxPool2dGradient', specs[0].shape, params), params, (out, pixels) => {
    dx[winner(x, pixels)] += dy[out];
  });
}

export function maxPool2dPickReference(
  [x, v]: readonly TypedArray[],
  [y]: readonly TypedArray[],
  specs: readonly Spec[],
  params: Pool2dGeometry,
): void {
  forEachWindow(pool2dSizes('maxPool2dPick', specs[0].shape, params), params, (out, pixels) => {
    y[out] = v[winner(x, pixels)];
  });
}

export function avgPool2dReference(
  [x]: readonly TypedArray[],
  [y]: readonly TypedArray[],
  specs: readonly Spec[],
  params: AvgPool2dParams,
): void {
  forEachWindow(pool2dSizes('avgPool2d', specs[0].shape, params), params, (out, pixels, paddedArea) => {
    let sum = 0;
    for (const pixel of pixels) sum += x[pixel];
    y[out] = sum / (params.countPadding ? paddedArea : pixels.length);
  });
}

export function avgPool2dGradientReference(
  [dy]: readonly TypedArray[],
  [dx]: readonly TypedArray[],
  specs: readonly Spec[],
  params: AvgPool2dGradientParams,
): void {
  dx.fill(0);
  forEachWindow(avgPool2dGradientSizes(specs, params), params, (out, pixels, paddedArea) => {
    const perPixel = dy[out] / (params.countPadding ? paddedArea : pixels.length);
    for (const pixel of pixels) dx[pixel] += perPixel;
  });
}

export function globalAveragePoolReference(
  [x]: readonly TypedArray[],
  [y]: readonly TypedArray[],
  specs: readonly Spec[],
): void {
  const [batch, height, width, channels] = specs[0].shape;
  const area = height * width;
  for (let n = 0; n < batch; n++) {
    for (let c = 0; c < channels; c++) {
      let sum = 0;
      for (let pixel = 0; pixel < area; pixel++) sum += x[(n * area + pixel) * channels + c];
      y[n * channels + c] = sum / area;
    }
  }
}

export function globalAveragePoolGradientReference(
  [dy]: readonly TypedArray[],
  [dx]: readonly TypedArray[],
  specs: readonly Spec[],
  { inputSize }: GlobalAveragePoolGradientParams,
): void {
  const channels = specs[0].shape[1];
  const area = sizeOf(inputSize);
  for (let i = 0; i < dx.length; i++) {
    const c = i % channels;
    const n = Math.floor(i / (area * channels));
    dx[i] = dy[n * channels + c] / area;
  }
}
