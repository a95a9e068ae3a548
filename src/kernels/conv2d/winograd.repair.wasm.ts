/**
 * What comes of Winograd's sums that were marked (winograd.tiles.wasm.ts), computed directly. Taps beyond the image are not
 * read, so that a filter's NaN stays away from outputs that it does not reach.
 *
 *  - Convolution: the first product enters a tile's first output only, which every tile has. Where that is NaN, all outputs
 *    of the tile in this channel are computed anew.
 *  - Weight gradient: a mark is in a channel of x or of dy, and all nine taps of each pair of channels that it belongs to
 *    are computed anew, over all images.
 */

import {
  F32x4,
  type FunctionBuilder,
  type FunctionReference,
  f32x4,
  type I32,
  i32,
  i32x4,
  type ModuleBuilder,
} from '../../devices/wasm/assembler/module.ts';
import type { Conv2dSizes } from './conv2d.ts';
import { type FilterLayout, filterAddress, filterStep, loadTap, TAPS } from './winograd.filters.wasm.ts';

export interface RepairLayout extends FilterLayout {
  readonly height: number;
  readonly width: number;
  readonly outputWidth: number;
  readonly paddingTop: number;
  readonly paddingLeft: number;
  readonly bias: boolean;
  readonly relu: boolean;
}

/** Terms summed side by side: input channels, which are a multiple of as many, or neighbouring pixels. */
const CHAINS = 4;

/** One pixel of four output channels, put where the mask is set. */
function definePixel(m: ModuleBuilder, layout: RepairLayout): FunctionReference {
  const { height, width, channelsIn, relu, relaxed } = layout;
  const parameters = { image: i32, w: i32, bias: i32, to: i32, top: i32, left: i32, channel: i32, lanes: i32x4 };
  return m.inner(parameters, undefined, (f, { image, w, bias, to, top, left, channel, lanes }) => {
    const sums = Array.from({ length: CHAINS }, () => f.local(f32x4));
    const filters = f.let(filterAddress(layout, w, 0, channel));
    for (let tap = 0; tap < TAPS * TAPS; tap++) {
      const y = f.let(top.add(Math.floor(tap / TAPS)));
      const x = f.let(left.add(tap % TAPS));
      f.if(y.ltU(height).and(x.ltU(width)), () => {
        const pixel = f.let(
          image.add(
            y
              .mul(width)
              .add(x)
              .mul(channelsIn * 4),
          ),
        );
        const weights = f.let(filters);
        f.repeat(channelsIn / CHAINS, () => {
          sums.forEach((sum, i) => {
            f.set(sum, pixel.f32x4Splat(i * 4).multiplyAdd(loadTap(layout, weights, tap, i), sum, relaxed));
          });
          f.advance(pixel, CHAINS * 4);
          f.advance(weights, CHAINS * filterStep(layout));
        });
      });
    }
    const sum = sums[0].add(sums[1]).add(sums[2].add(sums[3]));
    const biased = layout.bias ? f.let(sum.add(bias.add(channel.shl(2)).f32x4())) : f.let(sum);
    f.store(to, lanes.select<F32x4>(relu ? biased.pmax(0) : biased, to.f32x4()));
  });
}

/** Defines the repair of one tile in `vectors` times four channels from `channel` on; `to` is its first output there. */
export function defineRepair(m: ModuleBuilder, layout: RepairLayout): FunctionReference {
  const { channelsOut, outputWidth, paddingTop, paddingLeft } = layout;
  const pixelBytes = channelsOut * 4;
  const computePixel = definePixel(m, layout);
  const tile = { row: i32, column: i32, rows: i32, columns: i32 };
  const parameters = { image: i32, w: i32, bias: i32, to: i32, ...tile, channel: i32, vectors: i32 };
  return m.inner(parameters, undefined, (f, { image, w, bias, to, row, column, rows, columns, channel, vectors }) => {
    f.repeat(vectors, () => {
      const first = f.let(to.f32x4());
      f.if(first.ne(first).anyTrue(), () => {
        const lanes = f.let(first.ne(first));
        f.for(0, rows, 1, i => {
          f.for(0, columns, 1, j => {
            const pixel = to.add(i.mul(outputWidth).add(j).mul(pixelBytes));
            const [top, left] = [row.add(i).sub(paddingTop), column.add(j).sub(paddingLeft)];
            f.call(computePixel, [image, w, bias, pixel, top, left, channel, lanes]);
          });
        });
      });
      f.advance(to, 16);
      f.advance(channel, 4);
    });
  });
}

type TapLayout = Pick<
  Conv2dSizes,
  'height' | 'width' | 'inputChannels' | 'outputHeight' | 'outputWidth' | 'outputChannels' | 'padding'
> & { readonly relaxed: boolean };

/** Along one axis, the outputs whose `tap` lies inside an image of `extent` pixels. */
function outputsWithTap(tap: number, padding: number, outputs: number, extent: number): { from: number; to: number } {
  const from = Math.max(0, padding - tap);
  return { from, to: Math.max(from, Math.min(outputs, extent + padding - tap)) };
}

/** Defines the repair of the nine taps of input channel `channel` in four output channels from `column` on. */
export function defineTapRepair(m: ModuleBuilder, layout: TapLayout): FunctionReference {
  const { height, width, inputChannels, outputHeight, outputWidth, outputChannels, padding } = layout;
  const arrays = { x: i32, dy: i32, dw: i32 };
  const parameters = { ...arrays, batch: i32, channel: i32, column: i32, lanes: i32x4 };
  return m.inner(parameters, undefined, (f, { x, dy, dw, batch, channel, column, lanes }) => {
    const [total, ofImage] = [f.local(f32x4), f.local(f32x4)];
    const zero = F32x4.constant(0, 0, 0, 0);
    for (let tap = 0; tap < TAPS * TAPS; tap++) {
      const [ky, kx] = [Math.floor(tap / TAPS), tap % TAPS];
      const rows = outputsWithTap(ky, padding[0], outputHeight, height);
      const columns = outputsWithTap(kx, padding[2], outputWidth, width);
      f.set(total, zero);
      f.for(0, batch, 1, image => {
        f.set(ofImage, zero);
        f.for(rows.from, rows.to, 1, row => {
          const inputRow = image
            .mul(height)
            .add(row)
            .add(ky - padding[0]);
          const input = inputRow.mul(width).add(columns.from + kx - padding[2]);
          const output = image.mul(outputHeight).add(row).mul(outputWidth).add(columns.from);
          const pixel = f.let(x.add(input.mul(inputChannels).add(channel).shl(2)));
          const gradient = f.let(dy.add(output.mul(outputChannels).add(column).shl(2)));
          f.set(ofImage, ofImage.add(rowSum(f, layout, columns.to - columns.from, pixel, gradient)));
        });
        f.set(total, total.add(ofImage));
      });
      const at = f.let(
        dw.add(
          channel
            .add(tap * inputChannels)
            .mul(outputChannels)
            .add(column)
            .shl(2),
        ),
      );
      f.store(at, lanes.select<F32x4>(total, at.f32x4()));
    }
  });
}

/** Sum of pixel times gradient over `count` neighbouring pixels. */
function rowSum(f: FunctionBuilder, layout: TapLayout, count: number, pixel: I32, gradient: I32): F32x4 {
  const { inputChannels, outputChannels, relaxed } = layout;
  const sums = Array.from({ length: CHAINS }, () => f.let(F32x4.constant(0, 0, 0, 0)));
  const addPixels = (pixels: number): void => {
    for (let i = 0; i < pixels; i++) {
      const value = pixel.f32x4Splat(i * inputChannels * 4);
      f.set(sums[i], value.multiplyAdd(gradient.f32x4(i * outputChannels * 4), sums[i], relaxed));
    }
  };
  if (count >= CHAINS) {
    f.repeat(Math.floor(count / CHAINS), () => {
      addPixels(CHAINS);
      f.advance(pixel, CHAINS * inputChannels * 4);
      f.advance(gradient, CHAINS * outputChannels * 4);
    });
  }
  addPixels(count % CHAINS);
  return sums[0].add(sums[1]).add(sums[2].add(sums[3]));
}
