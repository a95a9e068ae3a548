/** Bilinear resampling, pixel by pixel. */
import type { TypedArray } from '../../devices/dtype.ts';
import type { Spec } from '../../devices/kernel.ts';
import {
  type AffineParams,
  type ResizeAxis,
  type ResizeGradientParams,
  type ResizeParams,
  resizeAxis,
} from './resample.ts';

export function affineImagesReference(
  [x, matrices]: readonly TypedArray[],
  [y]: readonly TypedArray[],
  [{ shape }]: readonly Spec[],
  _params: AffineParams,
): void {
  const [batch, height, width, channels] = shape;
  for (let n = 0; n < batch; n++) {
    const pixel = (row: number, column: number, c: number): number =>
      row < 0 || row >= height || column < 0 || column >= width
        ? 0
        : x[((n * height + row) * width + column) * channels + c];
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < width; column++) {
        const m = n * 6;
        const sourceX = matrices[m] * column + matrices[m + 1] * row + matrices[m + 2];
        const sourceY = matrices[m + 3] * column + matrices[m + 4] * row + matrices[m + 5];
        const left = Math.floor(sourceX);
        const top = Math.floor(sourceY);
        const u = sourceX - left;
        const v = sourceY - top;
        for (let c = 0; c < channels; c++) {
          const upper = (1 - u) * pixel(top, left, c) + u * pixel(top, left + 1, c);
          const lower = (1 - u) * pixel(top + 1, left, c) + u * pixel(top + 1, left + 1, c);
          y[((n * height + row) * width + column) * channels + c] = (1 - v) * upper + v * lower;
        }
      }
    }
  }
}

/** The two input pixels that output position o lies between, and the weight of the second. */
function neighbours(o: number, { from, step, offset, denominator }: ResizeAxis): [number, number, number] {
  const position = Math.max(0, o * step + offset);
  const first = Math.floor(position / denominator);
  return [first, Math.min(first + 1, from - 1), (position - first * denominator) / denominator];
}

/** Calls `visit` with every pair of input and output elements that meet, and their weight. */
function forEachMeeting(
  batch: number,
  [vertical, horizontal]: readonly [ResizeAxis, ResizeAxis],
  channels: number,
  visit: (x: number, y: number, weight: number) => void,
): void {
  for (let n = 0; n < batch; n++) {
    for (let row = 0; row < vertical.to; row++) {
      const [top, bottom, v] = neighbours(row, vertical);
      for (let column = 0; column < horizontal.to; column++) {
        const [left, right, u] = neighbours(column, horizontal);
        for (let c = 0; c < channels; c++) {
          const y = ((n * vertical.to + row) * horizontal.to + column) * channels + c;
          const x = (fromRow: number, fromColumn: number): number =>
            ((n * vertical.from + fromRow) * horizontal.from + fromColumn) * channels + c;
          visit(x(top, left), y, (1 - v) * (1 - u));
          visit(x(top, right), y, (1 - v) * u);
          visit(x(bottom, left), y, v * (1 - u));
          visit(x(bottom, right), y, v * u);
        }
      }
    }
  }
}

export function resizeBilinearReference(
  [x]: readonly TypedArray[],
  [y]: readonly TypedArray[],
  [{ shape }]: readonly Spec[],
  { size, alignCorners }: ResizeParams,
): void {
  const [batch, height, width, channels] = shape;
  const axes = [resizeAxis(height, size[0], alignCorners), resizeAxis(width, size[1], alignCorners)] as const;
  y.fill(0);
  forEachMeeting(batch, axes, channels, (xi, yi, weight) => {
    y[yi] += weight * x[xi];
  });
}

export function resizeBilinearGradientReference(
  [dy]: readonly TypedArray[],
  [dx]: readonly TypedArray[],
  [{ shape }]: readonly Spec[],
  { inputSize, alignCorners }: ResizeGradientParams,
): void {
  const [batch, height, width, channels] = shape;
  const axes = [resizeAxis(inputSize[0], height, alignCorners), resizeAxis(inputSize[1], width, alignCorners)] as const;
  dx.fill(0);
  forEachMeeting(batch, axes, channels, (xi, yi, weight) => {
    dx[xi] += weight * dy[yi];
  });
}
