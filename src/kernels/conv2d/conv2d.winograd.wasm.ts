/**
 * Winograd F(4x4, 3x3) for stride 1, forward and input gradient (which is a forward pass over dy with flipped filters).
 *
 *  1. `filters` transforms the filters into 36 matrices U[e] of [C, K], packed in panels of 8 output channels.
 *  2. `convolve`: a task is a chunk of up to 32 tiles of 4 x 4 output pixels. It
 *       - transforms the 6 x 6 inputs of each tile into V[tile][e][C] (pixels beyond the image are zeros),
 *       - and for each block of 16 output channels multiplies M[e] = V[e] U[e], 36 small matrix products over the chunk's
 *         tiles, and transforms M[tile][e][16] into outputs, adding bias and ReLU.
 *     V (32 x 36 x 64 x 4 bytes = 288 KiB for 64 channels) and M (72 KiB) stay in the thread's L2; U streams through.
 *
 * A tile's 36 x C block is contiguous, so a transform writes memory in order; the register tile reaches its four rows
 * (tiles) through constant offsets. Blocks are padded to an odd number of cache lines: a power of two would put the same
 * product of all tiles into the same few sets of L1.
 */
import { input, output, type Spec, scratch, type WasmPlan, type WasmVariant } from '../../devices/kernel.ts';
import {
  F32x4,
  type FunctionBuilder,
  type FunctionReference,
  I32,
  i32,
  type ModuleBuilder,
  wasmProgram,
} from '../../devices/wasm/assembler/module.ts';
import { minimum, RegisterTile, TILE_COLUMNS, TILE_ROWS } from '../matmul/tile.wasm.ts';
import {
  type Conv2dInputGradientParams,
  type Conv2dParams,
  type Conv2dSizes,
  conv2dInputGradientSizes,
  conv2dSizes,
} from './conv2d.ts';
import { defineFilterTransform } from './winograd.filters.wasm.ts';
import { PRODUCTS, TILE_INPUTS, TILE_OUTPUTS, winogradTransforms } from './winograd.transforms.wasm.ts';

/** Output channels whose products are held between multiplication and output transform. */
const BLOCK_CHANNELS = 16;
const MAX_CHUNK = 32;
const WANTED_TASKS = 8;
const GRAIN_MULTIPLY_ADDS = 500_000;

/** An odd number of cache lines that holds `bytes`. */
export const oddLines = (bytes: number): number => (Math.ceil(bytes / 64) | 1) * 64;

interface Layout {
  readonly height: number;
  readonly width: number;
  readonly channelsIn: number;
  readonly outputHeight: number;
  readonly outputWidth: number;
  readonly channelsOut: number;
  readonly paddingTop: number;
  readonly paddingLeft: number;
  readonly adjoint: boolean;
  readonly bias: boolean;
  readonly relu: boolean;
  readonly relaxed: boolean;
  /** Tiles per task. */
  readonly chunk: number;
}

const tileGrid = ({ outputHeight, outputWidth }: Layout) => ({
  down: Math.ceil(outputHeight / TILE_OUTPUTS),
  across: Math.ceil(outputWidth / TILE_OUTPUTS),
});
const panelsOf = (channels: number): number => Math.ceil(channels / TILE_COLUMNS);
/** Bytes of one tile's transformed inputs, and of its products for one block of output channels. */
const inputBlock = ({ channelsIn }: Layout): number => oddLines(PRODUCTS * channelsIn * 4);
const OUTPUT_BLOCK = oddLines(PRODUCTS * BLOCK_CHANNELS * 4);

/** V: transforms the 6 x 6 pixels of one tile, all channels. */
function defineInputTransform(m: ModuleBuilder, layout: Layout): FunctionReference {
  const { height, width, channelsIn, relaxed } = layout;
  const { input: transform } = winogradTransforms(relaxed);
  const pixel = channelsIn * 4;
  return m.inner(
    { image: i32, top: i32, left: i32, zeros: i32, v: i32 },
    undefined,
    (f, { image, top, left, zeros, v }) => {
      // Rows beyond the image are read from `zeros`; columns beyond it are not read at all.
      const rows = Array.from({ length: TILE_INPUTS }, (_, i) => {
        const y = f.let(top.add(i));
        return f.let(y.ltU(height).select(image.add(y.mul(width).add(left).mul(pixel)), zeros));
      });
      const to = f.let(v);
      f.for(0, TILE_INPUTS, 1, column => {
        f.if(
          left.add(column).ltU(width),
          () => {
            f.repeat(channelsIn / 4, () => {
              const values = rows.map(row => f.let(row.f32x4()));
              transform(f, values).forEach((value, i) => {
                f.store(to, value, i * TILE_INPUTS * pixel);
              });
              for (const row of rows) f.advance(row, 16);
              f.advance(to, 16);
            });
          },
          () => {
            f.repeat(channelsIn / 4, () => {
              for (let i = 0; i < TILE_INPUTS; i++) {
                f.store(to, F32x4.constant(0, 0, 0, 0), i * TILE_INPUTS * pixel);
              }
              f.advance(to, 16);
            });
            for (const row of rows) f.advance(row, pixel);
          },
        );
      });
      const block = f.let(v);
      f.repeat(TILE_INPUTS, () => {
        f.repeat(channelsIn / 4, () => {
          const values = Array.from({ length: TILE_INPUTS }, (_, j) => f.let(block.f32x4(j * pixel)));
          transform(f, values).forEach((value, j) => {
            f.store(block, value, j * pixel);
          });
          f.advance(block, 16);
        });
        f.advance(block, (TILE_INPUTS - 1) * pixel);
      });
    },
  );
}

/** M for one product and one panel, over all tiles of the chunk (four at a time). */
function defineMultiply(m: ModuleBuilder, layout: Layout): FunctionReference {
  const { channelsIn, relaxed } = layout;
  const rowsA = Array.from({ length: TILE_ROWS }, (_, i) => i * inputBlock(layout));
  return m.inner({ v: i32, u: i32, products: i32, groups: i32 }, undefined, (f, { v, u, products, groups }) => {
    const tile = new RegisterTile(f, { rows: rowsA, relaxed });
    f.repeat(groups, () => {
      tile.clear();
      tile.accumulate({ a: f.let(v), b: f.let(u), stepA: 4, stepB: TILE_COLUMNS * 4, depth: channelsIn });
      tile.store(products, OUTPUT_BLOCK);
      f.advance(v, TILE_ROWS * inputBlock(layout));
      f.advance(products, TILE_ROWS * OUTPUT_BLOCK);
    });
  });
}

/** Transforms one tile's products into up to 4 x 4 output pixels of one block of channels. */
function defineOutputTransform(m: ModuleBuilder, layout: Layout): FunctionReference {
  const { outputWidth, channelsOut, bias: hasBias, relu, relaxed } = layout;
  const { output: transform } = winogradTransforms(relaxed);
  const step = BLOCK_CHANNELS * 4; // between the products of one tile
  const pixel = channelsOut * 4;
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
        f.repeat(vectors, () => {
          const values = Array.from({ length: TILE_INPUTS }, (_, i) => f.let(at.f32x4(i * TILE_INPUTS * step)));
          transform(f, values).forEach((value, i) => {
            f.store(at, value, i * TILE_INPUTS * step);
          });
          f.advance(at, 16);
        });
        f.advance(column, step);
      });
      const emitRow = (target: I32, targetPixel: number) => {
        const at = f.let(products);
        const pixelAt = f.let(target);
        const biasAt = f.let(bias);
        f.repeat(vectors, () => {
          const values = Array.from({ length: TILE_INPUTS }, (_, j) => f.let(at.f32x4(j * step)));
          const added = hasBias ? f.let(biasAt.f32x4()) : undefined;
          transform(f, values).forEach((value, j) => {
            const biased = added ? value.add(added) : value;
            f.store(pixelAt, relu ? biased.pmax(0) : biased, j * targetPixel);
          });
          f.advance(at, 16);
          f.advance(pixelAt, 16);
          if (hasBias) f.advance(biasAt, 16);
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

/** One task is one chunk of tiles, counted through all images. */
function defineConvolve(m: ModuleBuilder, layout: Layout): void {
  const { channelsIn, channelsOut, chunk } = layout;
  const transformInput = defineInputTransform(m, layout);
  const multiply = defineMultiply(m, layout);
  const transformOutput = defineOutputTransform(m, layout);
  const panelBytes = channelsIn * TILE_COLUMNS * 4;
  m.function(
    'convolve',
    {
      start: i32,
      end: i32,
      x: i32,
      u: i32,
      bias: i32,
      y: i32,
      v: i32,
      products: i32,
      zeros: i32,
      edge: i32,
      /** Tiles in all images. */
      total: i32,
    },
    (f, { start, end, x, u, bias, y, v, products, zeros, edge, total }) => {
      f.fill(zeros, 0, TILE_INPUTS * channelsIn * 4);
      f.for(start, end, 1, task => {
        const first = f.let(task.mul(chunk));
        const last = f.let(minimum(first.add(chunk), total));
        const block = f.let(v);
        f.for(first, last, 1, index => {
          const { image, row, column } = locateTile(f, layout, index);
          f.call(transformInput, [
            x.add(image.mul(layout.height * layout.width * channelsIn * 4)),
            row.sub(layout.paddingTop),
            column.sub(layout.paddingLeft),
            zeros,
            block,
          ]);
          f.advance(block, inputBlock(layout));
        });
        const groups = f.let(
          last
            .sub(first)
            .add(TILE_ROWS - 1)
            .shrU(2),
        );
        f.for(0, channelsOut, BLOCK_CHANNELS, channel => {
          const channels = f.let(minimum(I32.constant(channelsOut).sub(channel), BLOCK_CHANNELS));
          f.for(0, PRODUCTS, 1, product => {
            const panel = f.let(
              channel
                .shrU(3)
                .add(product.mul(panelsOf(channelsOut)))
                .mul(panelBytes)
                .add(u),
            );
            f.for(0, channels, TILE_COLUMNS, j => {
              const to = products.add(product.mul(BLOCK_CHANNELS).add(j).shl(2));
              f.call(multiply, [v.add(product.mul(channelsIn * 4)), panel, to, groups]);
              f.advance(panel, panelBytes);
            });
          });
          const tile = f.let(products);
          f.for(first, last, 1, index => {
            const { image, row, column } = locateTile(f, layout, index);
            const pixel = image.mul(layout.outputHeight).add(row).mul(layout.outputWidth).add(column);
            f.call(transformOutput, [
              tile,
              y.add(pixel.mul(channelsOut).add(channel).shl(2)),
              minimum(I32.constant(layout.outputHeight).sub(row), TILE_OUTPUTS),
              minimum(I32.constant(layout.outputWidth).sub(column), TILE_OUTPUTS),
              channels.shrU(2),
              bias.add(channel.shl(2)),
              edge,
            ]);
            f.advance(tile, OUTPUT_BLOCK);
          });
        });
      });
    },
  );
}

/** Image of a tile and its first output pixel. */
function locateTile(f: FunctionBuilder, layout: Layout, index: I32): { image: I32; row: I32; column: I32 } {
  const { down, across } = tileGrid(layout);
  const image = f.let(index.divU(down * across));
  const rest = f.let(index.sub(image.mul(down * across)));
  return {
    image,
    row: f.let(rest.divU(across).mul(TILE_OUTPUTS)),
    column: f.let(rest.remU(across).mul(TILE_OUTPUTS)),
  };
}

function chooseChunk(tiles: number): number {
  let chunk = MAX_CHUNK;
  while (chunk > TILE_ROWS && tiles / chunk < WANTED_TASKS) chunk /= 2;
  return chunk;
}

function plan(batch: number, shape: Omit<Layout, 'chunk'>): WasmPlan {
  const { down, across } = tileGrid({ ...shape, chunk: 0 });
  const tiles = batch * down * across;
  const layout: Layout = { ...shape, chunk: chooseChunk(tiles) };
  const { channelsIn, channelsOut, adjoint, chunk } = layout;
  const program = wasmProgram(`conv2d winograd ${JSON.stringify(layout)}`, m => {
    defineFilterTransform(m, { channelsIn, channelsOut, adjoint, relaxed: layout.relaxed });
    defineConvolve(m, layout);
  });
  return {
    scratch: [
      { bytes: PRODUCTS * panelsOf(channelsOut) * channelsIn * TILE_COLUMNS * 4 },
      { bytes: chunk * inputBlock(layout), perThread: true },
      { bytes: chunk * OUTPUT_BLOCK, perThread: true },
      { bytes: TILE_INPUTS * channelsIn * 4, perThread: true },
      { bytes: TILE_OUTPUTS * BLOCK_CHANNELS * 4, perThread: true },
    ],
    passes: [
      {
        program,
        entry: 'filters',
        tasks: panelsOf(channelsOut),
        grain: Math.ceil(4000 / (channelsIn * TILE_COLUMNS)),
        args: [input(1), scratch(0)],
      },
      {
        program,
        entry: 'convolve',
        tasks: Math.ceil(tiles / chunk),
        grain: Math.ceil(GRAIN_MULTIPLY_ADDS / (chunk * PRODUCTS * channelsIn * channelsOut)),
        args: [
          input(0),
          scratch(0),
          layout.bias ? input(2) : 0,
          output(0),
          scratch(1),
          scratch(2),
          scratch(3),
          scratch(4),
          tiles,
        ],
      },
    ],
  };
}

/** 3 x 3, stride 1, no dilation, no groups, whole vectors of channels. */
export function winogradApplies(sizes: Conv2dSizes): boolean {
  const { kernelHeight, kernelWidth, strides, dilations, groups, inputChannels, outputChannels } = sizes;
  return (
    kernelHeight === 3 &&
    kernelWidth === 3 &&
    [...strides, ...dilations, groups].every(one => one === 1) &&
    inputChannels % 4 === 0 &&
    outputChannels % 4 === 0
  );
}

/** Worth its transforms: enough channels on both sides, and not mostly border. */
export function winogradPays({ inputChannels, outputChannels, outputHeight, outputWidth }: Conv2dSizes): boolean {
  return Math.min(inputChannels, outputChannels) >= 16 && outputHeight >= 3 && outputWidth >= 3;
}

export const conv2dWinograd: WasmVariant<Conv2dParams> = {
  name: 'winograd',
  applies: (specs: readonly Spec[], params) => winogradApplies(conv2dSizes(specs, params)),
  prefers: (specs: readonly Spec[], params) => winogradPays(conv2dSizes(specs, params)),
  plan(specs, params, adapter) {
    const sizes = conv2dSizes(specs, params);
    return plan(sizes.batch, {
      height: sizes.height,
      width: sizes.width,
      channelsIn: sizes.inputChannels,
      outputHeight: sizes.outputHeight,
      outputWidth: sizes.outputWidth,
      channelsOut: sizes.outputChannels,
      paddingTop: sizes.padding[0],
      paddingLeft: sizes.padding[2],
      adjoint: false,
      bias: specs.length > 2,
      relu: params.activation === 'relu',
      relaxed: adapter.relaxedSimd,
    });
  },
};

export const conv2dInputGradientWinograd: WasmVariant<Conv2dInputGradientParams> = {
  name: 'winograd',
  applies: (specs: readonly Spec[], params) => winogradApplies(conv2dInputGradientSizes(specs, params)),
  prefers: (specs: readonly Spec[], params) => winogradPays(conv2dInputGradientSizes(specs, params)),
  plan(specs, params, adapter) {
    const sizes = conv2dInputGradientSizes(specs, params);
    return plan(sizes.batch, {
      height: sizes.outputHeight,
      width: sizes.outputWidth,
      channelsIn: sizes.outputChannels,
      outputHeight: sizes.height,
      outputWidth: sizes.width,
      channelsOut: sizes.inputChannels,
      paddingTop: 2 - sizes.padding[0],
      paddingLeft: 2 - sizes.padding[2],
      adjoint: true,
      bias: false,
      relu: false,
      relaxed: adapter.relaxedSimd,
    });
  },
};
