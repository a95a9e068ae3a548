/**
 * Filters for Winograd's convolution: U[e] = (G g G')[e] for the 36 products e, each a matrix of [C, K] packed in panels
 * of 8 output channels, `U[e][panel][C][8]`. For the input gradient, g is flipped in both directions and its channels are
 * exchanged: the panel's 8 channels are then rows of w, gathered one by one (w is small, and read once per call). Filters
 * that are NaN, infinite or huge are marked like pixels (winograd.tiles.wasm.ts), for each pair of channels.
 */
import {
  F32x4,
  type FunctionBuilder,
  f32x4,
  I32,
  i32,
  type ModuleBuilder,
} from '../../devices/wasm/assembler/module.ts';
import { isUnsafe, marked } from './winograd.tiles.wasm.ts';
import { PRODUCTS, TILE_INPUTS, winogradTransforms } from './winograd.transforms.wasm.ts';

export interface FilterLayout {
  /** Of the convolution that is computed: exchanged in the input gradient. */
  readonly channelsIn: number;
  readonly channelsOut: number;
  readonly adjoint: boolean;
  readonly relaxed: boolean;
  /** Columns of a panel. */
  readonly tileWidth: number;
}

export const TAPS = 3;

/** Defines `filters(start, end, w, u)`; one task is one panel. `channelsOut` must be a multiple of 4. */
export function defineFilterTransform(m: ModuleBuilder, layout: FilterLayout): void {
  const { channelsIn, channelsOut, relaxed, tileWidth } = layout;
  const { filter: transform } = winogradTransforms(relaxed);
  const panels = Math.ceil(channelsOut / tileWidth);
  const productBytes = panels * channelsIn * tileWidth * 4;
  m.function('filters', { start: i32, end: i32, w: i32, u: i32 }, (f, { start, end, w, u }) => {
    // One column of G g, for each of the three columns of taps; kept in locals.
    const columns = Array.from({ length: TILE_INPUTS }, () => Array.from({ length: TAPS }, () => f.local(f32x4)));
    const squares = f.local(f32x4);
    f.for(start, end, 1, panel => {
      f.for(0, channelsIn, 1, channel => {
        f.for(0, tileWidth / 4, 1, vector => {
          const first = f.let(panel.mul(tileWidth).add(vector.shl(2)));
          const to = f.let(u.add(panel.mul(channelsIn).add(channel).mul(tileWidth).add(vector.shl(2)).shl(2)));
          f.if(
            first.lt(channelsOut),
            () => {
              const address = f.let(filterAddress(layout, w, channel, first));
              f.set(squares, F32x4.constant(0, 0, 0, 0));
              for (let column = 0; column < TAPS; column++) {
                const taps = Array.from({ length: TAPS }, (_, row) =>
                  f.let(loadTap(layout, address, row * TAPS + column)),
                );
                for (const tap of taps) f.set(squares, squares.add(tap.mul(tap)));
                transform(f, taps).forEach((value, i) => {
                  f.set(columns[i][column], value);
                });
              }
              columns.forEach((row, i) => {
                transform(f, row).forEach((value, j) => {
                  const stored = i + j === 0 ? marked(value, isUnsafe(squares)) : value;
                  f.store(to, stored, (i * TILE_INPUTS + j) * productBytes);
                });
              });
            },
            () => storeZeros(f, to, productBytes),
          );
        });
      });
    });
  });
}

/** Where the first taps of one input channel and of four output channels from `first` on lie. */
export function filterAddress(layout: FilterLayout, w: I32, channel: I32 | number, first: I32): I32 {
  const { channelsIn, channelsOut, adjoint } = layout;
  const index = adjoint ? first.mul(channelsIn).add(channel) : first.add(I32.constant(channelsOut).mul(channel));
  return w.add(index.shl(2));
}

/** Bytes between the filters of neighbouring input channels. */
export const filterStep = ({ channelsOut, adjoint }: FilterLayout): number => (adjoint ? 4 : channelsOut * 4);

/** One tap of four output channels, of the input channel `ahead` of the address: side by side in w, or in four rows. */
export function loadTap(layout: FilterLayout, address: I32, tap: number, ahead = 0): F32x4 {
  const { channelsIn, channelsOut, adjoint } = layout;
  const step = ahead * filterStep(layout);
  if (!adjoint) return address.f32x4(tap * channelsIn * channelsOut * 4 + step);
  const flipped = (TAPS * TAPS - 1 - tap) * channelsIn * channelsOut * 4 + step;
  let lanes = address.f32x4Zero(flipped);
  for (let lane = 1; lane < 4; lane++) lanes = lanes.replaceLane(lane, address.f32(flipped + lane * channelsIn * 4));
  return lanes;
}

function storeZeros(f: FunctionBuilder, to: I32, productBytes: number): void {
  f.for(0, PRODUCTS, 1, product => {
    f.store(to.add(product.mul(I32.constant(productBytes))), F32x4.constant(0, 0, 0, 0));
  });
}
