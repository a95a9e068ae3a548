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
 *
 * Tiles and filters with values that the transforms would spread (NaN, infinities, huge ones) are marked, and the outputs
 * made of them computed anew from x and w: see winograd.tiles.wasm.ts.
 */
import {
  input,
  output,
  type Spec,
  scratch,
  type WasmAdapterInfo,
  type WasmPlan,
  type WasmVariant,
} from '../../devices/kernel.ts';
import {
  type FunctionReference,
  I32,
  i32,
  type ModuleBuilder,
  wasmProgram,
} from '../../devices/wasm/assembler/module.ts';
import { minimum, RegisterTile, TILE_ROWS, tileColumns, wideTiles } from '../matmul/tile.wasm.ts';
import {
  type Conv2dInputGradientParams,
  type Conv2dParams,
  type Conv2dSizes,
  conv2dInputGradientSizes,
  conv2dSizes,
} from './conv2d.ts';
import { defineFilterTransform } from './winograd.filters.wasm.ts';
import { blockChannels, inputBlock, outputBlock, panelsOf, type WinogradLayout } from './winograd.layout.wasm.ts';
import { defineOutputTransform } from './winograd.outputs.wasm.ts';
import { defineRepair } from './winograd.repair.wasm.ts';
import { blockBytes, defineTileTransform, locateTile, tileGrid, zerosBytes } from './winograd.tiles.wasm.ts';
import { PRODUCTS, TILE_INPUTS, TILE_OUTPUTS, winogradTransforms } from './winograd.transforms.wasm.ts';

const MAX_CHUNK = 16;
const WANTED_TASKS = 8;
const GRAIN_MULTIPLY_ADDS = 500_000;

/** M for one product and one panel, over all tiles of the chunk (four at a time). */
function defineMultiply(m: ModuleBuilder, layout: WinogradLayout): FunctionReference {
  const { channelsIn, tileWidth, relaxed } = layout;
  const rowsA = Array.from({ length: TILE_ROWS }, (_, i) => i * inputBlock(layout));
  return m.inner({ v: i32, u: i32, products: i32, groups: i32 }, undefined, (f, { v, u, products, groups }) => {
    const tile = new RegisterTile(f, { rows: rowsA, columns: tileWidth, relaxed });
    f.repeat(groups, () => {
      tile.clear();
      tile.accumulate({ a: f.let(v), b: f.let(u), stepA: 4, stepB: tileWidth * 4, depth: channelsIn });
      tile.store(products, outputBlock(layout));
      f.advance(v, TILE_ROWS * inputBlock(layout));
      f.advance(products, TILE_ROWS * outputBlock(layout));
    });
  });
}

/** Transforms the tiles from `first` to `last` into V. */
function defineInputs(m: ModuleBuilder, layout: WinogradLayout): FunctionReference {
  const { height, width, channelsIn, relaxed } = layout;
  const grid = tileGrid(layout.outputHeight, layout.outputWidth);
  const image = { height, width, channels: channelsIn };
  const { input: transform } = winogradTransforms(relaxed);
  const options = { extent: TILE_INPUTS, transform, productBytes: channelsIn * 4, tileWidth: layout.tileWidth };
  const transformInput = defineTileTransform(m, image, options);
  const parameters = { first: i32, last: i32, x: i32, v: i32, zeros: i32, block: i32 };
  return m.inner(parameters, undefined, (f, { first, last, x, v, zeros, block }) => {
    f.for(first, last, 1, index => {
      const { image, row, column } = locateTile(f, grid, index);
      f.call(transformInput, [
        x.add(image.mul(height * width * channelsIn * 4)),
        row.sub(layout.paddingTop),
        column.sub(layout.paddingLeft),
        zeros,
        block,
        v,
      ]);
      f.advance(v, inputBlock(layout));
    });
  });
}

/** M for `channels` output channels from `channel` on: 36 products over the tiles of the chunk. */
function defineProducts(m: ModuleBuilder, layout: WinogradLayout): FunctionReference {
  const { channelsIn, tileWidth } = layout;
  const multiply = defineMultiply(m, layout);
  const panelBytes = channelsIn * tileWidth * 4;
  const parameters = { v: i32, u: i32, products: i32, groups: i32, channel: i32, channels: i32 };
  return m.inner(parameters, undefined, (f, { v, u, products, groups, channel, channels }) => {
    f.for(0, PRODUCTS, 1, product => {
      const firstPanel = channel.divU(tileWidth).add(product.mul(panelsOf(layout)));
      const panel = f.let(firstPanel.mul(panelBytes).add(u));
      f.for(0, channels, tileWidth, j => {
        const to = products.add(product.mul(blockChannels(layout)).add(j).shl(2));
        f.call(multiply, [v.add(product.mul(channelsIn * 4)), panel, to, groups]);
        f.advance(panel, panelBytes);
      });
    });
  });
}

/** Outputs of the tiles from `first` to `last` in `channels` channels from `channel` on. */
function defineOutputs(m: ModuleBuilder, layout: WinogradLayout): FunctionReference {
  const { height, width, channelsIn, outputHeight, outputWidth, channelsOut } = layout;
  const grid = tileGrid(outputHeight, outputWidth);
  const transformOutput = defineOutputTransform(m, layout);
  const repair = defineRepair(m, layout);
  const arrays = { x: i32, w: i32, bias: i32, y: i32, products: i32, edge: i32 };
  const parameters = { first: i32, last: i32, channel: i32, channels: i32, ...arrays };
  return m.inner(parameters, undefined, (f, { first, last, channel, channels, x, w, bias, y, products, edge }) => {
    const vectors = f.let(channels.shrU(2));
    f.for(first, last, 1, index => {
      const { image, row, column } = locateTile(f, grid, index);
      const pixel = image.mul(outputHeight).add(row).mul(outputWidth).add(column);
      const to = f.let(y.add(pixel.mul(channelsOut).add(channel).shl(2)));
      const rows = f.let(minimum(I32.constant(outputHeight).sub(row), TILE_OUTPUTS));
      const columns = f.let(minimum(I32.constant(outputWidth).sub(column), TILE_OUTPUTS));
      f.call(transformOutput, [products, to, rows, columns, vectors, bias.add(channel.shl(2)), edge]);
      const images = x.add(image.mul(height * width * channelsIn * 4));
      f.call(repair, [images, w, bias, to, row, column, rows, columns, channel, vectors]);
      f.advance(products, outputBlock(layout));
    });
  });
}

/** One task is one chunk of tiles, counted through all images. */
function defineConvolve(m: ModuleBuilder, layout: WinogradLayout): void {
  const { channelsIn, channelsOut, chunk } = layout;
  const transformInputs = defineInputs(m, layout);
  const multiply = defineProducts(m, layout);
  const transformOutputs = defineOutputs(m, layout);
  m.function(
    'convolve',
    {
      start: i32,
      end: i32,
      x: i32,
      w: i32,
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
    (f, { start, end, x, w, u, bias, y, v, products, zeros, block, edge, total }) => {
      f.fill(zeros, 0, zerosBytes(channelsIn));
      f.for(start, end, 1, task => {
        const first = f.let(task.mul(chunk));
        const last = f.let(minimum(first.add(chunk), total));
        f.call(transformInputs, [first, last, x, v, zeros, block]);
        const tiles = last.sub(first);
        const groups = f.let(tiles.add(TILE_ROWS - 1).shrU(2));
        f.for(0, channelsOut, blockChannels(layout), channel => {
          const channels = f.let(minimum(I32.constant(channelsOut).sub(channel), blockChannels(layout)));
          f.call(multiply, [v, u, products, groups, channel, channels]);
          f.call(transformOutputs, [first, last, channel, channels, x, w, bias, y, products, edge]);
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

function plan(batch: number, shape: Omit<WinogradLayout, 'chunk' | 'tileWidth'>, adapter: WasmAdapterInfo): WasmPlan {
  const { down, across } = tileGrid(shape.outputHeight, shape.outputWidth);
  const tiles = batch * down * across;
  const tileWidth = tileColumns(adapter, shape.channelsOut);
  const layout: WinogradLayout = { ...shape, tileWidth, chunk: chooseChunk(tiles) };
  const { channelsIn, channelsOut, chunk } = layout;
  const program = wasmProgram(
    `conv2d winograd ${JSON.stringify(layout)}`,
    m => {
      defineFilterTransform(m, layout);
      defineConvolve(m, layout);
    },
    wideTiles(layout),
  );
  return {
    scratch: [
      { bytes: PRODUCTS * panelsOf(layout) * channelsIn * tileWidth * 4 },
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
        tasks: panelsOf(layout),
        grain: Math.ceil(4000 / (channelsIn * tileWidth)),
        args: [input(1), scratch(0)],
        prepares: true,
      },
      {
        program,
        entry: 'convolve',
        tasks: Math.ceil(tiles / chunk),
        grain: Math.ceil(GRAIN_MULTIPLY_ADDS / (chunk * PRODUCTS * channelsIn * channelsOut)),
        args: [
          input(0),
          input(1),
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

/** 3 x 3, stride 1, no dilation, no groups, whole vectors of channels, and not asked to be direct. */
export function winogradApplies(sizes: Conv2dSizes): boolean {
  const { kernelHeight, kernelWidth, strides, dilations, groups, inputChannels, outputChannels } = sizes;
  return (
    sizes.convolution !== 'direct' &&
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
  convolution: 'default',
  applies: (specs: readonly Spec[], params) => winogradApplies(conv2dSizes(specs, params)),
  prefers: (specs: readonly Spec[], params) => winogradPays(conv2dSizes(specs, params)),
  plan(specs, params, adapter) {
    const sizes = conv2dSizes(specs, params);
    const shape = {
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
    };
    return plan(sizes.batch, shape, adapter);
  },
};

export const conv2dInputGradientWinograd: WasmVariant<Conv2dInputGradientParams> = {
  name: 'winograd',
  convolution: 'default',
  applies: (specs: readonly Spec[], params) => winogradApplies(conv2dInputGradientSizes(specs, params)),
  prefers: (specs: readonly Spec[], params) => winogradPays(conv2dInputGradientSizes(specs, params)),
  plan(specs, params, adapter) {
    const sizes = conv2dInputGradientSizes(specs, params);
    const shape = {
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
    };
    return plan(sizes.batch, shape, adapter);
  },
};
