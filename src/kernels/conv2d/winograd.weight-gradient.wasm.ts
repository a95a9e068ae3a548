/**
 * Winograd's weight gradient of 3 x 3 filters with stride 1: the forward identity read backwards,
 *
 *     dg = G' [ sum over tiles of (B' x B) * (A dy A') ] G
 *
 * The 36 element-wise products, summed over tiles, are 36 matrix products of [C, tiles] by [tiles, K]; each tile of 4 x 4
 * output gradients costs 36 multiplications per channel pair where the direct sum needs 144.
 *
 *  1. `accumulate`: a task is one of a fixed number of parts of the tiles of the batch, with its own sums S[e][C][K]. It
 *     goes through its tiles in chunks: transforms x into V[e][tile][C] and dy into D[e][tile][K], then adds
 *     S[e] += V[e]' D[e]. Both operands are read as they lie: k runs over tiles. Longer chunks mean fewer passes over S,
 *     shorter ones keep V and D in L2.
 *  2. `reduce` adds the parts in order and transforms the sums into the nine taps. Taps of sums that are marked, because a
 *     tile held NaN, an infinity or a huge value (winograd.tiles.wasm.ts), are computed anew as direct sums.
 */
import { input, output, scratch, type WasmAdapterInfo, type WasmPlan, type WasmVariant } from '../../devices/kernel.ts';
import {
  F32x4,
  type FunctionReference,
  f32x4,
  i32,
  type ModuleBuilder,
  wasmProgram,
} from '../../devices/wasm/assembler/module.ts';
import { minimum, RegisterTile, TILE_ROWS, tileColumns, wideTiles } from '../matmul/tile.wasm.ts';
import { type Conv2dSizes, type Conv2dWeightGradientParams, conv2dWeightGradientSizes } from './conv2d.ts';
import { winogradApplies, winogradPays } from './conv2d.winograd.wasm.ts';
import { defineTapRepair } from './winograd.repair.wasm.ts';
import { blockBytes, defineTileTransform, locateTile, oddLines, tileGrid, zerosBytes } from './winograd.tiles.wasm.ts';
import { PRODUCTS, TILE_INPUTS, TILE_OUTPUTS, winogradTransforms } from './winograd.transforms.wasm.ts';

const MAX_CHUNK = 48;
/** Parts of the batch: fewer where their sums take much memory, for adding them up takes time too. */
const MAX_PARTS = 16;
const MIN_PARTS = 4;
const SUM_BYTES = 20 * 1024 * 1024;
const TAPS = 3;
const GRAIN_MULTIPLY_ADDS = 500_000;
const GRAIN_ELEMENTS = 50_000;

interface Layout extends Omit<Conv2dSizes, 'batch'> {
  readonly relaxed: boolean;
  /** Columns of the register tile. */
  readonly tileWidth: number;
  /** Output channels, rounded up to whole tiles. */
  readonly columns: number;
  /** Tiles per chunk. */
  readonly chunk: number;
  readonly parts: number;
}

/** Bytes of one part's sums, and of one product's V and D. */
const partBytes = ({ inputChannels, columns }: Pick<Layout, 'inputChannels' | 'columns'>): number =>
  PRODUCTS * inputChannels * columns * 4;
const inputProduct = ({ chunk, inputChannels }: Layout): number => oddLines(chunk * inputChannels * 4);
const gradientProduct = ({ chunk, columns }: Layout): number => oddLines(chunk * columns * 4);

function chooseLayout({ batch, ...sizes }: Conv2dSizes, adapter: WasmAdapterInfo): Layout {
  const { down, across } = tileGrid(sizes.outputHeight, sizes.outputWidth);
  const tiles = batch * down * across;
  const tileWidth = tileColumns(adapter, sizes.outputChannels);
  const columns = Math.ceil(sizes.outputChannels / tileWidth) * tileWidth;
  // The number of parts decides bits, so it must not depend on the width of the tile.
  const narrow = { inputChannels: sizes.inputChannels, columns: Math.ceil(sizes.outputChannels / 8) * 8 };
  const memory = Math.floor(SUM_BYTES / partBytes(narrow));
  const parts = Math.max(1, Math.min(Math.max(memory, MIN_PARTS), MAX_PARTS, Math.ceil(tiles / 16)));
  const perPart = Math.ceil(tiles / parts);
  const chunks = Math.max(1, Math.ceil(perPart / MAX_CHUNK));
  const chunk = Math.max(1, Math.ceil(perPart / chunks));
  return { ...sizes, relaxed: adapter.relaxedSimd, tileWidth, columns, chunk, parts };
}

/** S[e] += V[e]' D[e] for one product over all tiles of a chunk. */
function defineMultiply(m: ModuleBuilder, layout: Layout): FunctionReference {
  const { inputChannels, tileWidth, columns, relaxed } = layout;
  const parameters = { v: i32, d: i32, sums: i32, tiles: i32, isFirst: i32 };
  return m.inner(parameters, undefined, (f, { v, d, sums, tiles, isFirst }) => {
    const tile = new RegisterTile(f, { rows: [0, 4, 8, 12], columns: tileWidth, relaxed });
    f.repeat(inputChannels / TILE_ROWS, () => {
      const panel = f.let(d);
      f.repeat(columns / tileWidth, () => {
        f.if(
          isFirst,
          () => tile.clear(),
          () => tile.load(sums, columns * 4),
        );
        const depth = tiles;
        tile.accumulate({ a: f.let(v), b: f.let(panel), stepA: inputChannels * 4, stepB: columns * 4, depth });
        tile.store(sums, columns * 4);
        f.advance(panel, tileWidth * 4);
        f.advance(sums, tileWidth * 4);
      });
      f.advance(v, TILE_ROWS * 4);
      f.advance(sums, (TILE_ROWS - 1) * columns * 4);
    });
  });
}

/** One task is one part of the tiles. */
function defineAccumulate(m: ModuleBuilder, layout: Layout): void {
  const { height, width, inputChannels, outputHeight, outputWidth, outputChannels, padding, columns, chunk } = layout;
  const grid = tileGrid(outputHeight, outputWidth);
  const transforms = winogradTransforms(layout.relaxed);
  const images = { height, width, channels: inputChannels };
  const transformInput = defineTileTransform(m, images, {
    extent: TILE_INPUTS,
    transform: transforms.input,
    productBytes: inputProduct(layout),
    tileWidth: layout.tileWidth,
  });
  const gradients = { height: outputHeight, width: outputWidth, channels: outputChannels };
  const transformGradient = defineTileTransform(m, gradients, {
    extent: TILE_OUTPUTS,
    transform: transforms.outputGradient,
    productBytes: gradientProduct(layout),
    tileWidth: layout.tileWidth,
  });
  const multiply = defineMultiply(m, layout);
  m.function(
    'accumulate',
    {
      start: i32,
      end: i32,
      x: i32,
      dy: i32,
      sums: i32,
      v: i32,
      d: i32,
      zeros: i32,
      block: i32,
      /** Tiles in all images, and in one part. */
      total: i32,
      perPart: i32,
    },
    (f, { start, end, x, dy, sums, v, d, zeros, block, total, perPart }) => {
      f.fill(zeros, 0, zerosBytes(Math.max(inputChannels, outputChannels)));
      f.for(start, end, 1, part => {
        const own = f.let(sums.add(part.mul(partBytes(layout))));
        const firstTile = f.let(part.mul(perPart));
        const lastTile = f.let(minimum(firstTile.add(perPart), total));
        f.if(firstTile.ge(lastTile), () => f.fill(own, 0, partBytes(layout)));
        f.for(firstTile, lastTile, chunk, first => {
          const tiles = f.let(minimum(lastTile.sub(first), chunk));
          f.for(0, tiles, 1, index => {
            const { image, row, column } = locateTile(f, grid, first.add(index));
            f.call(transformInput, [
              x.add(image.mul(height * width * inputChannels * 4)),
              row.sub(padding[0]),
              column.sub(padding[2]),
              zeros,
              block,
              v.add(index.mul(inputChannels * 4)),
            ]);
            f.call(transformGradient, [
              dy.add(image.mul(outputHeight * outputWidth * outputChannels * 4)),
              row,
              column,
              zeros,
              block,
              d.add(index.mul(columns * 4)),
            ]);
          });
          f.for(0, PRODUCTS, 1, product => {
            f.call(multiply, [
              v.add(product.mul(inputProduct(layout))),
              d.add(product.mul(gradientProduct(layout))),
              own.add(product.mul(inputChannels * columns * 4)),
              tiles,
              first.eq(firstTile),
            ]);
          });
        });
      });
    },
  );
}

/** One task is one input channel: adds the parts' sums, then transforms them four output channels at a time. */
function defineReduce(m: ModuleBuilder, layout: Layout): void {
  const { inputChannels, outputChannels, columns, parts, relaxed } = layout;
  const { filterGradient: transform } = winogradTransforms(relaxed);
  const repair = defineTapRepair(m, layout);
  const arrays = { x: i32, dy: i32, sums: i32, dw: i32, block: i32 };
  m.function('reduce', { start: i32, end: i32, ...arrays, batch: i32 }, (f, args) => {
    const { start, end, x, dy, sums, dw, block, batch } = args;
    const sum = f.local(f32x4);
    const step = columns * 4; // between products in the block
    f.for(start, end, 1, channel => {
      const from = f.let(sums.add(channel.mul(columns * 4)));
      const to = f.let(block);
      f.repeat(PRODUCTS, () => {
        const first = f.let(from);
        f.repeat(columns / 4, () => {
          const part = f.let(first);
          f.set(sum, F32x4.constant(0, 0, 0, 0));
          f.repeat(parts, () => {
            f.set(sum, sum.add(part.f32x4()));
            f.advance(part, partBytes(layout));
          });
          f.store(to, sum);
          f.advance(to, 16);
          f.advance(first, 16);
        });
        f.advance(from, inputChannels * columns * 4);
      });
      f.for(0, outputChannels, 4, column => {
        // Columns of the 6 x 6 block, then its first three rows.
        const at = f.let(block.add(column.shl(2)));
        const first = f.let(at.f32x4());
        f.repeat(TILE_INPUTS, () => {
          const values = Array.from({ length: TILE_INPUTS }, (_, i) => f.let(at.f32x4(i * TILE_INPUTS * step)));
          transform(f, values).forEach((value, i) => {
            f.store(at, value, i * TILE_INPUTS * step);
          });
          f.advance(at, step);
        });
        const row = f.let(block.add(column.shl(2)));
        const tap = f.let(dw.add(channel.mul(outputChannels).add(column).shl(2)));
        const tapBytes = inputChannels * outputChannels * 4;
        f.repeat(TAPS, () => {
          const values = Array.from({ length: TILE_INPUTS }, (_, j) => f.let(row.f32x4(j * step)));
          transform(f, values).forEach((value, j) => {
            f.store(tap, value, j * tapBytes);
          });
          f.advance(row, TILE_INPUTS * step);
          f.advance(tap, TAPS * tapBytes);
        });
        const isMarked = f.let(first.ne(first));
        f.if(isMarked.anyTrue(), () => f.call(repair, [x, dy, dw, batch, channel, column, isMarked]));
      });
    });
  });
}

function plan(sizes: Conv2dSizes, adapter: WasmAdapterInfo): WasmPlan {
  const layout = chooseLayout(sizes, adapter);
  const { inputChannels, columns, parts } = layout;
  const { down, across } = tileGrid(sizes.outputHeight, sizes.outputWidth);
  const total = sizes.batch * down * across;
  const perPart = Math.ceil(total / parts);
  const program = wasmProgram(
    `conv2d winograd weight gradient ${JSON.stringify(layout)}`,
    m => {
      defineAccumulate(m, layout);
      defineReduce(m, layout);
    },
    wideTiles(layout),
  );
  const widest = Math.max(inputChannels, columns);
  return {
    scratch: [
      { bytes: parts * partBytes(layout) },
      { bytes: PRODUCTS * inputProduct(layout), perThread: true },
      { bytes: PRODUCTS * gradientProduct(layout), perThread: true },
      { bytes: zerosBytes(widest), perThread: true },
      { bytes: blockBytes(widest), perThread: true },
    ],
    passes: [
      {
        program,
        entry: 'accumulate',
        tasks: parts,
        grain: Math.ceil(GRAIN_MULTIPLY_ADDS / Math.max(1, perPart * PRODUCTS * inputChannels * columns)),
        args: [input(0), input(1), scratch(0), scratch(1), scratch(2), scratch(3), scratch(4), total, perPart],
      },
      {
        program,
        entry: 'reduce',
        tasks: inputChannels,
        grain: Math.ceil(GRAIN_ELEMENTS / (parts * PRODUCTS * columns)),
        args: [input(0), input(1), scratch(0), output(0), scratch(4), sizes.batch],
      },
    ],
  };
}

export const conv2dWeightGradientWinograd: WasmVariant<Conv2dWeightGradientParams> = {
  name: 'winograd',
  convolution: 'default',
  applies: (specs, params) => winogradApplies(conv2dWeightGradientSizes(specs, params)),
  prefers: (specs, params) => winogradPays(conv2dWeightGradientSizes(specs, params)),
  plan: (specs, params, adapter) => plan(conv2dWeightGradientSizes(specs, params), adapter),
};
