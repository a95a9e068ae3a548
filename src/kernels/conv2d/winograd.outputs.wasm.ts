/** Winograd's last step on wasm: products of a tile become output pixels. */
import { type FunctionReference, type I32, i32, type ModuleBuilder } from '../../devices/wasm/assembler/module.ts';
import { isPaired, walkVectors } from '../side-by-side.wasm.ts';
import { blockChannels, type WinogradLayout } from './winograd.layout.wasm.ts';
import { TILE_INPUTS, TILE_OUTPUTS, winogradTransforms } from './winograd.transforms.wasm.ts';

/** Transforms one tile's products into up to 4 x 4 output pixels of one block of channels. */
export function defineOutputTransform(m: ModuleBuilder, layout: WinogradLayout): FunctionReference {
  const { outputWidth, channelsOut, bias: hasBias, relu, relaxed } = layout;
  const { output: transform } = winogradTransforms(relaxed);
  const step = blockChannels(layout) * 4; // between the products of one tile
  const pixel = channelsOut * 4;
  const paired = isPaired(layout.tileWidth, channelsOut);
  return m.inner(
    {
      products: i32,
      /** First output pixel of the tile, at the block's first channel. */
      to: i32,
      /** Output rows and columns of the tile that exist. */
      rows: i32,
      columns: i32,
      /** Vectors of four channels in this block. */
      vectors: i32,
      bias: i32,
      /** Room for four pixels, at the right edge of the image. */
      edge: i32,
    },
    undefined,
    (f, { products, to, rows, columns, vectors, bias, edge }) => {
      const column = f.let(products);
      f.repeat(TILE_INPUTS, () => {
        const at = f.let(column);
        walkVectors(f, {
          paired,
          vectors,
          compute: (offset, constant) =>
            transform(
              f,
              Array.from({ length: TILE_INPUTS }, (_, i) => f.let(at.f32x4(i * TILE_INPUTS * step + offset))),
              constant,
            ),
          store: (value, i, offset) => f.store(at, value, i * TILE_INPUTS * step + offset),
          advance: bytes => f.advance(at, bytes),
        });
        f.advance(column, step);
      });
      const emitRow = (target: I32, targetPixel: number) => {
        const at = f.let(products);
        const pixelAt = f.let(target);
        const biasAt = f.let(bias);
        walkVectors(f, {
          paired,
          vectors,
          compute: (offset, constant) => {
            const values = Array.from({ length: TILE_INPUTS }, (_, j) => f.let(at.f32x4(j * step + offset)));
            const added = hasBias ? f.let(biasAt.f32x4(offset)) : undefined;
            return transform(f, values, constant).map(value => {
              const biased = added ? value.add(added) : value;
              return relu ? biased.pmax(constant(0)) : biased;
            });
          },
          store: (value, j, offset) => f.store(pixelAt, value, j * targetPixel + offset),
          advance: bytes => {
            f.advance(at, bytes);
            f.advance(pixelAt, bytes);
            if (hasBias) f.advance(biasAt, bytes);
          },
        });
      };
      f.repeat(rows, () => {
        f.if(
          columns.eq(TILE_OUTPUTS),
          () => emitRow(to, pixel),
          () => {
            emitRow(edge, step);
            f.for(0, columns, 1, j => f.copy(to.add(j.mul(pixel)), edge.add(j.mul(step)), vectors.shl(4)));
          },
        );
        f.advance(products, TILE_INPUTS * step);
        f.advance(to, outputWidth * pixel);
      });
    },
  );
}
