/**
 * Winograd F(4x4, 3x3) for stride 1, forward and input gradient (which is a forward pass over dy with flipped filters).
 *
 *  1. `filters` transforms the filters into 36 matrices U[e] of [C, K], packed in panels of 8 output channels.
 *  2. `convolve`: a task is a chunk of up to 16 tiles of 4 x 4 output pixels. It
 *       - transforms the 6 x 6 inputs of each tile into V[tile][e][C],
 *       - and for each block of 64 output channels multiplies M[e] = V[e] U[e], 36 small matrix products over the chunk's
 *         tiles, and transforms M[tile][e][64] into outputs, adding bias and ReLU.
 *     V and M (16 x 36 x 64 x 4 bytes = 144 KiB each for 64 channels) stay in the thread's L2; U streams through.
 *
 * A tile's 36 x C block is contiguous, so a transform writes memory in order; the register tile reaches its four rows
 * (tiles) through constant offsets. Blocks are padded to an odd number of cache lines: a power of two would put the same
 * product of all tiles into the same few sets of L1.
 */
import { input, output, type Spec, scratch, type WasmPlan, type WasmVariant } from '../../devices/kernel.ts';
import {
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
import { blockBytes, defineTileTransform, locateTile, oddLines, tileGrid, zerosBytes } from './winograd.tiles.wasm.ts';
import { PRODUCTS, TILE_INPUTS, TILE_OUTPUTS, winogradTransforms } from './winograd.transforms.wasm.ts';

/** Output channels whose products are held between multiplication and output transform. */
const MAX_BLOCK_CHANNELS = 64;
const MAX_CHUNK = 16;
const WANTED_TASKS = 8;
const GRAIN_MULTIPLY_ADDS = 500_000;

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

const panelsOf = (channels: number): number => Math.ceil(channels / TILE_COLUMNS);
/** Output channels per block: whole panels. */
const blockChannels = ({ channelsOut }: Layout): number =>
  Math.min(MAX_BLOCK_CHANNELS, panelsOf(channelsOut) * TILE_COLUMNS);
/** Bytes of one tile's transformed inputs, and of its products for one block of output channels. */
const inputBlock = ({ channelsIn }: Layout): number => oddLines(PRODUCTS * channelsIn * 4);
const outputBlock = (layout: Layout): number => oddLines(PRODUCTS * blockChannels(layout) * 4);

/** M for one product and one panel, over all tiles of the chunk (four at a time). */
function defineMultiply(m: ModuleBuilder, layout: Layout): FunctionReference {
  const { channelsIn, relaxed } = layout;
  const rowsA = Array.from({ length: TILE_ROWS }, (_, i) => i * inputBlock(layout));
  return m.inner({ v: i32, u: i32, products: i32, groups: i32 }, undefined, (f, { v, u, products, groups }) => {
    const tile = new RegisterTile(f, { rows: rowsA, relaxed });
    f.repeat(groups, () => {
      tile.clear();
      tile.accumulate({ a: f.let(v), b: f.let(u), stepA: 4, stepB: TILE_COLUMNS * 4, depth: channelsIn });
      tile.store(products, outputBlock(layout));
      f.advance(v, TILE_ROWS * inputBlock(layout));
      f.advance(products, TILE_ROWS * outputBlock(layout));
    });
  });
}

/** Transforms one tile's products into up to 4 x 4 output pixels of one block of channels. */
function defineOutputTransform(m: ModuleBuilder, layout: Layout): FunctionReference {
  const { outputWidth, channelsOut, bias: hasBias, relu, relaxed } = layout;
  const { output: transform } = winogradTransforms(relaxed);
  const step = blockChannels(layout) * 4; // between the products of one tile
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
  const grid = tileGrid(layout.outputHeight, layout.outputWidth);
  const image = { height: layout.height, width: layout.width, channels: channelsIn };
  const transformInput = defineTileTransform(m, image, {
    extent: TILE_INPUTS,
    transform: winogradTransforms(layout.relaxed).input,
    productBytes: channelsIn * 4,
  });
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
      block: i32,
      edge: i32,
      /** Tiles in all images. */
      total: i32,
    },
    (f, { start, end, x, u, bias, y, v, products, zeros, block, edge, total }) => {
      f.fill(zeros, 0, zerosBytes(channelsIn));
      f.for(start, end, 1, task => {
        const first = f.let(task.mul(chunk));
        const last = f.let(minimum(first.add(chunk), total));
        const tileInputs = f.let(v);
        f.for(first, last, 1, index => {
          const { image, row, column } = locateTile(f, grid, index);
          f.call(transformInput, [
            x.add(image.mul(layout.height * layout.width * channelsIn * 4)),
            row.sub(layout.paddingTop),
            column.sub(layout.paddingLeft),
            zeros,
            block,
            tileInputs,
          ]);
          f.advance(tileInputs, inputBlock(layout));
        });
        const groups = f.let(
          last
            .sub(first)
            .add(TILE_ROWS - 1)
            .shrU(2),
        );
        f.for(0, channelsOut, blockChannels(layout), channel => {
          const channels = f.let(minimum(I32.constant(channelsOut).sub(channel), blockChannels(layout)));
          f.for(0, PRODUCTS, 1, product => {
            const panel = f.let(
              channel
                .shrU(3)
                .add(product.mul(panelsOf(channelsOut)))
                .mul(panelBytes)
                .add(u),
            );
            f.for(0, channels, TILE_COLUMNS, j => {
              const to = products.add(product.mul(blockChannels(layout)).add(j).shl(2));
              f.call(multiply, [v.add(product.mul(channelsIn * 4)), panel, to, groups]);
              f.advance(panel, panelBytes);
            });
          });
          const tile = f.let(products);
          f.for(first, last, 1, index => {
            const { image, row, column } = locateTile(f, grid, index);
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
            f.advance(tile, outputBlock(layout));
          });
        });
      });
    },
  );
}

function chooseChunk(tiles: number): number {
  let chunk = MAX_CHUNK;
  while (chunk > TILE_ROWS && tiles / chunk < WANTED_TASKS) chunk /= 2;
  return chunk;
}

function plan(batch: number, shape: Omit<Layout, 'chunk'>): WasmPlan {
  const { down, across } = tileGrid(shape.outputHeight, shape.outputWidth);
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
      { bytes: chunk * outputBlock(layout), perThread: true },
      { bytes: zerosBytes(channelsIn), perThread: true },
      { bytes: blockBytes(channelsIn), perThread: true },
      { bytes: TILE_OUTPUTS * blockChannels(layout) * 4, perThread: true },
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
          scratch(5),
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
