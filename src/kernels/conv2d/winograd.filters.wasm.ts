/**
 * Filters for Winograd's convolution: U[e] = (G g G')[e] for the 36 products e, each a matrix of [C, K] packed in panels
 * of 8 output channels, `U[e][panel][C][8]`. For the input gradient, g is flipped in both directions and its channels are
 * exchanged: the panel's 8 channels are then rows of w, gathered one by one (w is small, and read once per call).
 */
import {
  F32x4,
  type FunctionBuilder,
  f32x4,
  I32,
  i32,
  type ModuleBuilder,
} from '../../devices/wasm/assembler/module.ts';
import { TILE_COLUMNS } from '../matmul/tile.wasm.ts';
import { PRODUCTS, TILE_INPUTS, winogradTransforms } from './winograd.transforms.wasm.ts';

interface FilterLayout {
  /** Of the convolution that is computed: exchanged in the input gradient. */
  readonly channelsIn: number;
  readonly channelsOut: number;
  readonly adjoint: boolean;
  readonly relaxed: boolean;
}

const TAPS = 3;

/** Defines `filters(start, end, w, u)`; one task is one panel. `channelsOut` must be a multiple of 4. */
export function defineFilterTransform(m: ModuleBuilder, layout: FilterLayout): void {
  const { channelsIn, channelsOut, relaxed } = layout;
  const { filter: transform } = winogradTransforms(relaxed);
  const panels = Math.ceil(channelsOut / TILE_COLUMNS);
  const productBytes = panels * channelsIn * TILE_COLUMNS * 4;
  m.function('filters', { start: i32, end: i32, w: i32, u: i32 }, (f, { start, end, w, u }) => {
    // One column of G g, for each of the three columns of taps; kept in locals.
    const columns = Array.from({ length: TILE_INPUTS }, () => Array.from({ length: TAPS }, () => f.local(f32x4)));
    f.for(start, end, 1, panel => {
      f.for(0, channelsIn, 1, channel => {
        f.for(0, 2, 1, half => {
          const first = f.let(panel.mul(TILE_COLUMNS).add(half.shl(2)));
          const to = f.let(u.add(panel.mul(channelsIn).add(channel).mul(TILE_COLUMNS).add(half.shl(2)).shl(2)));
          f.if(
            first.lt(channelsOut),
            () => {
              for (let column = 0; column < TAPS; column++) {
                const taps = Array.from({ length: TAPS }, (_, row) =>
                  f.let(loadTap(layout, { w, channel, first, tap: row * TAPS + column })),
                );
                transform(f, taps).forEach((value, i) => {
                  f.set(columns[i][column], value);
                });
              }
              columns.forEach((row, i) => {
                transform(f, row).forEach((value, j) => {
                  f.store(to, value, (i * TILE_INPUTS + j) * productBytes);
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

/** One tap of four output channels: side by side in w, or in four rows of it. */
function loadTap(
  { channelsIn, channelsOut, adjoint }: FilterLayout,
  { w, channel, first, tap }: { w: I32; channel: I32; first: I32; tap: number },
): F32x4 {
  if (!adjoint) return w.add(channel.mul(channelsOut).add(first).shl(2)).f32x4(tap * channelsIn * channelsOut * 4);
  const flipped = (TAPS * TAPS - 1 - tap) * channelsIn * channelsOut * 4;
  const row = channelsIn * 4;
  const address = w.add(first.mul(channelsIn).add(channel).shl(2));
  let lanes = address.f32x4Zero(flipped);
  for (let lane = 1; lane < 4; lane++) lanes = lanes.replaceLane(lane, address.f32(flipped + lane * row));
  return lanes;
}

function storeZeros(f: FunctionBuilder, to: I32, productBytes: number): void {
  f.for(0, PRODUCTS, 1, product => {
    f.store(to.add(product.mul(I32.constant(productBytes))), F32x4.constant(0, 0, 0, 0));
  });
}
