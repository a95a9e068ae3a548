/**
 * From an image to transformed tiles. A tile is a square of pixels, all channels; its two-dimensional transform applies a
 * one-dimensional one to the columns, into a block of the thread's own memory (L1), and then to the rows, into the 36
 * products' places, which are `productBytes` apart. Pixels beyond the image count as zeros: rows outside are read from a
 * row of zeros, columns outside are not read at all.
 */
import {
  F32x4,
  type FunctionBuilder,
  type FunctionReference,
  type I32,
  i32,
  type ModuleBuilder,
} from '../../devices/wasm/assembler/module.ts';
import { TILE_INPUTS, TILE_OUTPUTS, type Transform } from './winograd.transforms.wasm.ts';

export interface TiledImage {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

/** Bytes of the thread's memory that a transform needs: one row of zeros (cleared by the caller) and one block. */
export const zerosBytes = (channels: number): number => TILE_INPUTS * channels * 4;
export const blockBytes = (channels: number): number => TILE_INPUTS * TILE_INPUTS * channels * 4;

/**
 * Defines a function of (image, top, left, zeros, block, to) that transforms the tile of `extent` x `extent` pixels whose
 * first pixel is (top, left).
 */
export function defineTileTransform(
  m: ModuleBuilder,
  { height, width, channels }: TiledImage,
  { extent, transform, productBytes }: { extent: number; transform: Transform; productBytes: number },
): FunctionReference {
  const pixel = channels * 4;
  const parameters = { image: i32, top: i32, left: i32, zeros: i32, block: i32, to: i32 };
  return m.inner(parameters, undefined, (f, { image, top, left, zeros, block, to }) => {
    const rows = Array.from({ length: extent }, (_, i) => {
      const y = f.let(top.add(i));
      return f.let(y.ltU(height).select(image.add(y.mul(width).add(left).mul(pixel)), zeros));
    });
    const column = f.let(block);
    f.for(0, extent, 1, j => {
      f.if(
        left.add(j).ltU(width),
        () => {
          f.repeat(channels / 4, () => {
            const values = rows.map(row => f.let(row.f32x4()));
            transform(f, values).forEach((value, i) => {
              f.store(column, value, i * extent * pixel);
            });
            for (const row of rows) f.advance(row, 16);
            f.advance(column, 16);
          });
        },
        () => {
          f.repeat(channels / 4, () => {
            for (let i = 0; i < TILE_INPUTS; i++) f.store(column, F32x4.constant(0, 0, 0, 0), i * extent * pixel);
            f.advance(column, 16);
          });
          for (const row of rows) f.advance(row, pixel);
        },
      );
    });
    const row = f.let(block);
    const target = f.let(to);
    f.repeat(TILE_INPUTS, () => {
      const at = f.let(target);
      f.repeat(channels / 4, () => {
        const values = Array.from({ length: extent }, (_, j) => f.let(row.f32x4(j * pixel)));
        transform(f, values).forEach((value, j) => {
          f.store(at, value, j * productBytes);
        });
        f.advance(row, 16);
        f.advance(at, 16);
      });
      f.advance(row, (extent - 1) * pixel);
      f.advance(target, TILE_INPUTS * productBytes);
    });
  });
}

/** How 4 x 4 output pixels tile an image. */
export interface TileGrid {
  readonly down: number;
  readonly across: number;
}

export const tileGrid = (outputHeight: number, outputWidth: number): TileGrid => ({
  down: Math.ceil(outputHeight / TILE_OUTPUTS),
  across: Math.ceil(outputWidth / TILE_OUTPUTS),
});

/** Image of a tile, counted through all images, and its first output pixel. */
export function locateTile(f: FunctionBuilder, grid: TileGrid, index: I32): { image: I32; row: I32; column: I32 } {
  const image = f.let(index.divU(grid.down * grid.across));
  const rest = f.let(index.sub(image.mul(grid.down * grid.across)));
  return {
    image,
    row: f.let(rest.divU(grid.across).mul(TILE_OUTPUTS)),
    column: f.let(rest.remU(grid.across).mul(TILE_OUTPUTS)),
  };
}

/** An odd number of cache lines that holds `bytes`: blocks at such a distance spread over all sets of L1. */
export const oddLines = (bytes: number): number => (Math.ceil(bytes / 64) | 1) * 64;
