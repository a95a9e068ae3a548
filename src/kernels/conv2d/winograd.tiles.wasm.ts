/**
 * From an image to transformed tiles. A tile is a square of pixels, all channels; its two-dimensional transform applies a
 * one-dimensional one to the columns, into a block of the thread's own memory (L1), and then to the rows, into the 36
 * products' places, which are `productBytes` apart. Pixels beyond the image count as zeros: rows outside are read from a
 * row of zeros, columns outside are not read at all.
 *
 * A transform mixes all pixels of its tile, so NaN, an infinity or a huge value would reach outputs that do not see it. Such
 * values are marked: the first product of their tile and channel becomes NaN, and so do all sums that it enters. What is
 * made of a marked sum is computed anew, directly (winograd.repair.wasm.ts).
 */
import {
  F32x4,
  type FunctionBuilder,
  type FunctionReference,
  f32x4,
  type I32,
  type I32x4,
  i32,
  i32x4,
  type ModuleBuilder,
} from '../../devices/wasm/assembler/module.ts';
import { isPaired, walkVectors } from '../side-by-side.wasm.ts';
import { PRODUCTS, TILE_INPUTS, TILE_OUTPUTS, type Transform } from './winograd.transforms.wasm.ts';

export interface TiledImage {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

/** Bytes of the thread's memory that a transform needs: one row of zeros (cleared by the caller) and one block. */
export const zerosBytes = (channels: number): number => TILE_INPUTS * channels * 4;
export const blockBytes = (channels: number): number => TILE_INPUTS * TILE_INPUTS * channels * 4;

/**
 * Values whose squares add up to less are far from overflow in every transform and sum: below 2^40 before, 2^48 after a
 * transform, and a product of two is added up a thousand million times before it comes near 2^128.
 */
const SAFE_SQUARES = 2 ** 80;

/** Lanes whose sum of squares is too large, infinite or NaN. */
export const isUnsafe = (squares: F32x4): I32x4 => squares.lt(SAFE_SQUARES).not();

/** `value` with NaN in the lanes of a mask. */
export const marked = (value: F32x4, lanes: I32x4): F32x4 => value.bits().or(lanes).asF32x4();

/** The bits of 2^40; those of infinities and NaN, without their signs, are larger. Tiles below it need no second look. */
const LARGE_BITS = (127 + 40) << 23;
/**
 * Maxima that are kept side by side, of the bits without sign: the cheapest test that was found. Squares added up cost 4 to
 * 10 % of a convolution, in one chain up to 27 %; this costs 0 to 4 %.
 */
const CHAINS = 2;

/** Marks the channels of the tile at `to` whose 36 values are unsafe. */
function markTile(f: FunctionBuilder, to: I32, channels: number, productBytes: number): void {
  const at = f.let(to);
  const squares = f.local(f32x4);
  f.repeat(channels / 4, () => {
    const product = f.let(at);
    f.set(squares, F32x4.constant(0, 0, 0, 0));
    f.repeat(PRODUCTS, () => {
      const value = f.let(product.f32x4());
      f.set(squares, squares.add(value.mul(value)));
      f.advance(product, productBytes);
    });
    f.store(at, marked(at.f32x4(), isUnsafe(squares)));
    f.advance(at, 16);
  });
}

export interface TileTransform {
  /** Pixels along one side of a tile. */
  readonly extent: number;
  readonly transform: Transform;
  /** Bytes between the products of one tile. */
  readonly productBytes: number;
  /** Columns of the register tiles of the program. */
  readonly tileWidth: number;
}

/**
 * Defines a function of (image, top, left, zeros, block, to) that transforms the tile of `extent` x `extent` pixels whose
 * first pixel is (top, left).
 */
export function defineTileTransform(
  m: ModuleBuilder,
  { height, width, channels }: TiledImage,
  { extent, transform, productBytes, tileWidth }: TileTransform,
): FunctionReference {
  const pixel = channels * 4;
  const paired = isPaired(tileWidth, channels);
  const parameters = { image: i32, top: i32, left: i32, zeros: i32, block: i32, to: i32 };
  return m.inner(parameters, undefined, (f, { image, top, left, zeros, block, to }) => {
    const rows = Array.from({ length: extent }, (_, i) => {
      const y = f.let(top.add(i));
      return f.let(y.ltU(height).select(image.add(y.mul(width).add(left).mul(pixel)), zeros));
    });
    const largest = Array.from({ length: CHAINS }, () => f.local(i32x4));
    const column = f.let(block);
    f.for(0, extent, 1, j => {
      f.if(
        left.add(j).ltU(width),
        () => {
          walkVectors(f, {
            paired,
            vectors: channels / 4,
            compute: (offset, constant) => {
              const values = rows.map(row => f.let(row.f32x4(offset)));
              values.forEach((value, i) => {
                const chain = largest[i % CHAINS];
                f.set(chain, chain.maxU(value.bits().add(value.bits())));
              });
              return transform(f, values, constant);
            },
            store: (value, i, offset) => f.store(column, value, i * extent * pixel + offset),
            advance: bytes => {
              for (const row of rows) f.advance(row, bytes);
              f.advance(column, bytes);
            },
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
      walkVectors(f, {
        paired,
        vectors: channels / 4,
        compute: (offset, constant) =>
          transform(
            f,
            Array.from({ length: extent }, (_, j) => f.let(row.f32x4(j * pixel + offset))),
            constant,
          ),
        store: (value, j, offset) => f.store(at, value, j * productBytes + offset),
        advance: bytes => {
          f.advance(row, bytes);
          f.advance(at, bytes);
        },
      });
      f.advance(row, (extent - 1) * pixel);
      f.advance(target, TILE_INPUTS * productBytes);
    });
    const magnitudes = largest.reduce((all, chain) => all.maxU(chain)).shrU(1);
    f.if(magnitudes.ge(LARGE_BITS).anyTrue(), () => markTile(f, to, channels, productBytes));
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
