/**
 * Convolution and its gradients as one loop nest. A *tap* is one meeting of an input pixel, a filter weight and an
 * output pixel; all three kernels visit every tap once and differ only in what they add to what:
 *
 *     forward          y[n, oy, ox, k]      += x[n, iy, ix, c] * w[ky, kx, c, k]
 *     input gradient   dx[n, iy, ix, c]     += dy[n, oy, ox, k] * w[ky, kx, c, k]
 *     weight gradient  dw[ky, kx, c, k]     += x[n, iy, ix, c] * dy[n, oy, ox, k]
 */
import type { TypedArray } from '../../devices/dtype.ts';
import type { Spec } from '../../devices/kernel.ts';
import {
  type Conv2dInputGradientParams,
  type Conv2dParams,
  type Conv2dSizes,
  type Conv2dWeightGradientParams,
  conv2dInputGradientSizes,
  conv2dSizes,
  conv2dWeightGradientSizes,
} from './conv2d.ts';

/** Calls `visit` with the element indices into x, w and y of every tap that does not fall on padding. */
function forEachTap(sizes: Conv2dSizes, visit: (x: number, w: number, y: number) => void): void {
  const { batch, height, width, inputChannels, kernelHeight, kernelWidth, outputHeight, outputWidth } = sizes;
  const { outputChannels, strides, padding, dilations, groups } = sizes;
  const channelsIn = inputChannels / groups;
  const channelsOut = outputChannels / groups;
  for (let n = 0; n < batch; n++) {
    for (let oy = 0; oy < outputHeight; oy++) {
      for (let ox = 0; ox < outputWidth; ox++) {
        const y = ((n * outputHeight + oy) * outputWidth + ox) * outputChannels;
        for (let ky = 0; ky < kernelHeight; ky++) {
          const iy = oy * strides[0] - padding[0] + ky * dilations[0];
          if (iy < 0 || iy >= height) continue;
          for (let kx = 0; kx < kernelWidth; kx++) {
            const ix = ox * strides[1] - padding[2] + kx * dilations[1];
            if (ix < 0 || ix >= width) continue;
            const x = ((n * height + iy) * width + ix) * inputChannels;
            const w = (ky * kernelWidth + kx) * channelsIn * outputChannels;
            for (let group = 0; group < groups; group++) {
              for (let c = 0; c < channelsIn; c++) {
                for (let k = group * channelsOut; k < (group + 1) * channelsOut; k++) {
                  visit(x + group * channelsIn + c, w + c * outputChannels + k, y + k);
                }
              }
            }
          }
        }
      }
    }
  }
}

export function conv2dReference(
  [x, w, bias]: readonly TypedArray[],
  [y]: readonly TypedArray[],
  specs: readonly Spec[],
  params: Conv2dParams,
): void {
  const sizes = conv2dSizes(specs, params);
  for (let i = 0; i < y.length; i++) y[i] = bias ? bias[i % sizes.outputChannels] : 0;
  forEachTap(sizes, (xi, wi, yi) => {
    y[yi] += x[xi] * w[wi];
  });
  if (params.activation === 'relu') for (let i = 0; i < y.length; i++) y[i] = Math.max(y[i], 0);
}

export function conv2dInputGradientReference(
  [dy, w]: readonly TypedArray[],
  [dx]: readonly TypedArray[],
  specs: readonly Spec[],
  params: Conv2dInputGradientParams,
): void {
  dx.fill(0);
  forEachTap(conv2dInputGradientSizes(specs, params), (xi, wi, yi) => {
    dx[xi] += dy[yi] * w[wi];
  });
}

export function conv2dWeightGradientReference(
  [x, dy]: readonly TypedArray[],
  [dw]: readonly TypedArray[],
  specs: readonly Spec[],
  params: Conv2dWeightGradientParams,
): void {
  dw.fill(0);
  forEachTap(conv2dWeightGradientSizes(specs, params), (xi, wi, yi) => {
    dw[wi] += x[xi] * dy[yi];
  });
}
