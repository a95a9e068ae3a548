/**
 * The weight gradient for any geometry: a matrix product whose contraction runs over all output pixels of the batch,
 *
 *     dw[tap, c, k] = sum over pixels of x[pixel under tap, c] * dy[pixel, k]
 *
 * Rows are (tap, channel), columns output channels. Both operands are read as they lie: from one output pixel to the next
 * the tile's four rows (neighbouring channels, or taps where there are few channels) and eight columns move by a constant.
 *
 *  1. `accumulate`: the batch is cut into a fixed number of parts, each with its own sums. A part walks over its images in
 *     bands of a few output rows, small enough that x (copied with its padding) and dy stay in the fast caches while all
 *     tiles of dw pass over them. A tile is loaded, gains the band's pixels, and is stored again, so longer bands mean
 *     less of that, shorter ones better caching. With large filters, a task does only a slice of the taps.
 *  2. `reduce` adds the parts in order and writes dw. The number of parts follows from the shape alone, so results do not
 *     depend on the number of threads.
 *
 * The variant `direct-float64` is the same with sums in float64, on both levels.
 */
import { input, output, scratch, type WasmAdapterInfo, type WasmPlan, type WasmVariant } from '../../devices/kernel.ts';
import {
  type FunctionReference,
  I32,
  i32,
  type ModuleBuilder,
  wasmProgram,
} from '../../devices/wasm/assembler/module.ts';
import { minimum, RegisterTile, savedRowBytes, TILE_ROWS, tileColumns, wideTiles } from '../matmul/tile.wasm.ts';
import { type BandLayout, bandRowBytes, copyBand, filterOffsets, layOutBands, locateBand } from './conv2d.band.wasm.ts';
import { forwardGather } from './conv2d.gather.ts';
import { type Conv2dSizes, type Conv2dWeightGradientParams, conv2dWeightGradientSizes } from './conv2d.ts';

/** Bytes of x and dy in one band. */
const BAND_BYTES = 48 * 1024;
/** Parts of the batch, each with a copy of dw in memory; fewer when dw is large. */
const MAX_PARTS = 16;
const PARTIAL_BYTES = 64 * 1024 * 1024;
const WANTED_TASKS = 8;
/** Rows (taps x channels) up to which every tile gets code of its own, with the taps as immediate offsets. */
const MAX_UNROLLED_ROWS = 64;
const GRAIN_MULTIPLY_ADDS = 500_000;
const GRAIN_ELEMENTS = 50_000;
/** Bytes after a band that tiles at the edge may read (and ignore). */
const SLACK = 64;

const roundUp = (value: number, multiple: number) => Math.ceil(value / multiple) * multiple;

interface Layout extends Omit<Conv2dSizes, 'batch'>, BandLayout {
  readonly relaxed: boolean;
  readonly float64: boolean;
  readonly channelsIn: number;
  readonly channelsOut: number;
  /** Columns of a panel and of the register tile. */
  readonly tileWidth: number;
  readonly panels: number;
  /** Tiles hold four taps of few channels instead of four channels of one tap. */
  readonly unrolled: boolean;
  readonly parts: number;
  readonly slices: number;
}

type Arithmetic = Pick<Layout, 'relaxed' | 'float64' | 'tileWidth'>;

function chooseLayout({ batch, ...sizes }: Conv2dSizes, arithmetic: Arithmetic): Layout {
  const { kernelHeight, kernelWidth, outputWidth, outputChannels, groups } = sizes;
  const taps = kernelHeight * kernelWidth;
  const channelsIn = sizes.inputChannels / groups;
  const channelsOut = outputChannels / groups;
  const limits = { bytes: BAND_BYTES, targetRowBytes: outputWidth * outputChannels * 4 };
  const bands = layOutBands(forwardGather({ batch, ...sizes }), limits);
  const layout = {
    ...sizes,
    ...bands,
    ...arithmetic,
    channelsIn,
    channelsOut,
    panels: Math.ceil(channelsOut / arithmetic.tileWidth),
    unrolled: channelsIn % TILE_ROWS !== 0 && taps * channelsIn <= MAX_UNROLLED_ROWS,
  };
  // The number of parts decides bits, so it must not depend on the width of the tile.
  const narrow = { ...layout, tileWidth: 8, panels: Math.ceil(channelsOut / 8) };
  const memory = Math.floor(PARTIAL_BYTES / partBytes(narrow));
  const parts = Math.max(1, Math.min(MAX_PARTS, memory, batch * bands.bands));
  const slices = layout.unrolled ? 1 : Math.min(taps, Math.ceil(WANTED_TASKS / parts));
  return { ...layout, parts, slices };
}

type Tiling = Pick<
  Layout,
  'kernelHeight' | 'kernelWidth' | 'channelsIn' | 'panels' | 'groups' | 'unrolled' | 'float64' | 'tileWidth'
>;

/** Tiles of four rows in one group: of all taps together when unrolled, else tap by tap. */
function rowTiles({ kernelHeight, kernelWidth, channelsIn, unrolled }: Tiling): number {
  const taps = kernelHeight * kernelWidth;
  return unrolled ? Math.ceil((taps * channelsIn) / TILE_ROWS) : taps * Math.ceil(channelsIn / TILE_ROWS);
}

const savedTileBytes = ({ tileWidth, float64 }: Pick<Layout, 'tileWidth' | 'float64'>): number =>
  TILE_ROWS * savedRowBytes(tileWidth, float64);

/** One part's sums: [group][row tile][panel][4][tileWidth]. */
const partBytes = (tiling: Tiling): number => tiling.groups * rowTiles(tiling) * tiling.panels * savedTileBytes(tiling);

const tileParameters = {
  /** x under the tile's first row, and dy's first column, at the band's first output pixel. */
  a: i32,
  b: i32,
  /** The row tile's sums, panel after panel. */
  sums: i32,
  /** Output rows in the band. */
  rows: i32,
};

/** Adds the band's pixels to one row tile, for all panels. `offsets` are the tile's rows, in bytes from `a`. */
function defineTile(m: ModuleBuilder, layout: Layout, offsets: readonly number[]): FunctionReference {
  const { strides, band, inputChannels, outputChannels, outputWidth, panels, tileWidth, relaxed, float64 } = layout;
  const stepA = strides[1] * inputChannels * 4;
  const stepB = outputChannels * 4;
  return m.inner(tileParameters, undefined, (f, { a, b, sums, rows }) => {
    const tile = new RegisterTile(f, { rows: offsets, columns: tileWidth, relaxed, float64 });
    f.repeat(panels, () => {
      tile.restore(sums);
      const pixelA = f.let(a);
      const pixelB = f.let(b);
      f.repeat(rows, () => {
        tile.accumulate({ a: pixelA, b: pixelB, stepA, stepB, depth: outputWidth });
        f.advance(pixelA, strides[0] * bandRowBytes(band) - outputWidth * stepA);
      });
      tile.save(sums);
      f.advance(sums, savedTileBytes(layout));
      f.advance(b, tileWidth * 4);
    });
  });
}

/** Byte offsets in the band of the rows of each unrolled tile; rows beyond the last repeat it and are ignored. */
function unrolledOffsets(layout: Layout): number[][] {
  const rows = filterOffsets(layout, layout.band, layout.channelsIn);
  const tiles: number[][] = [];
  for (let first = 0; first < rows.length; first += TILE_ROWS) {
    tiles.push(Array.from({ length: TILE_ROWS }, (_, i) => rows[Math.min(first + i, rows.length - 1)]));
  }
  return tiles;
}

/** One task is one part of the batch (and one slice of the taps). */
function defineAccumulate(m: ModuleBuilder, layout: Layout): void {
  const { band, bandRows, top, sourceRows, outputHeight, outputWidth, outputChannels, groups, slices } = layout;
  const { channelsIn, channelsOut, panels, kernelHeight, kernelWidth, dilations, strides, unrolled } = layout;
  const taps = kernelHeight * kernelWidth;
  const tapsPerSlice = Math.ceil(taps / slices);
  const tilesPerTap = Math.ceil(channelsIn / TILE_ROWS);
  const rowTileBytes = panels * savedTileBytes(layout);
  const groupBytes = rowTiles(layout) * rowTileBytes;
  const functions = unrolled
    ? unrolledOffsets(layout).map(offsets => defineTile(m, layout, offsets))
    : [defineTile(m, layout, [0, 4, 8, 12])];
  const copyGradient = channelsOut % layout.tileWidth !== 0; // its last panel would read beyond the array
  m.function(
    'accumulate',
    { start: i32, end: i32, x: i32, dy: i32, sums: i32, images: i32, gradients: i32, total: i32, perPart: i32 },
    (f, { start, end, x, dy, sums, images, gradients, total, perPart }) => {
      f.for(start, end, 1, task => {
        const part = f.let(task.divU(slices));
        const firstTap = f.let(task.remU(slices).mul(tapsPerSlice));
        const lastTap = f.let(minimum(firstTap.add(tapsPerSlice), taps));
        const own = f.let(sums.add(part.mul(partBytes(layout))));
        f.for(0, groups, 1, group => {
          const first = own.add(group.mul(groupBytes)).add(firstTap.mul(tilesPerTap * rowTileBytes));
          const bytes = unrolled ? I32.constant(groupBytes) : lastTap.sub(firstTap).mul(tilesPerTap * rowTileBytes);
          f.if(lastTap.gt(firstTap), () => f.fill(first, 0, bytes));
        });
        const lastBand = minimum(part.add(1).mul(perPart), total);
        f.for(part.mul(perPart), f.let(lastBand), 1, index => {
          const { image, first } = locateBand(f, layout, index);
          const rows = f.let(minimum(I32.constant(outputHeight).sub(first), bandRows));
          const source = f.let(x.add(image.mul(band.height * band.width * band.channels * 4)));
          const sourceTop = f.let(first.mul(strides[0]).add(top));
          copyBand(f, band, { image: source, band: images, top: sourceTop, rows: sourceRows });
          const gradient = f.let(
            dy.add(
              image
                .mul(outputHeight)
                .add(first)
                .mul(outputWidth * outputChannels * 4),
            ),
          );
          if (copyGradient) {
            f.copy(gradients, gradient, rows.mul(outputWidth * outputChannels * 4));
            f.set(gradient, gradients);
          }
          f.for(0, groups, 1, group => {
            const columns = f.let(gradient.add(group.mul(channelsOut * 4)));
            const target = f.let(own.add(group.mul(groupBytes)));
            const channel = f.let(images.add(group.mul(channelsIn * 4)));
            if (unrolled) {
              functions.forEach((tile, i) => {
                f.call(tile, [channel, columns, target.add(i * rowTileBytes), rows]);
              });
            } else {
              f.advance(target, firstTap.mul(tilesPerTap * rowTileBytes));
              f.for(firstTap, lastTap, 1, tap => {
                const down = tap.divU(kernelWidth).mul(dilations[0] * bandRowBytes(band));
                const across = tap.remU(kernelWidth).mul(dilations[1] * band.channels * 4);
                const pixel = f.let(channel.add(down).add(across));
                f.repeat(tilesPerTap, () => {
                  f.call(functions[0], [pixel, columns, target, rows]);
                  f.advance(pixel, TILE_ROWS * 4);
                  f.advance(target, rowTileBytes);
                });
              });
            }
          });
        });
      });
    },
  );
}

/** One task is one row of dw: one tap and input channel, all output channels. */
function defineReduce(m: ModuleBuilder, layout: Layout): void {
  const { parts, groups, panels, channelsIn, channelsOut, tileWidth, unrolled, relaxed, float64 } = layout;
  const rowTileBytes = panels * savedTileBytes(layout);
  m.function('reduce', { start: i32, end: i32, sums: i32, dw: i32 }, (f, { start, end, sums, dw }) => {
    const total = new RegisterTile(f, { rows: [0], columns: tileWidth, relaxed, float64 });
    f.for(start, end, 1, row => {
      const tile = f.local(i32);
      const rowInTile = f.local(i32);
      if (unrolled) {
        f.set(tile, row.shrU(2));
        f.set(rowInTile, row.and(3));
      } else {
        const channel = f.let(row.remU(channelsIn));
        f.set(
          tile,
          row
            .divU(channelsIn)
            .mul(Math.ceil(channelsIn / TILE_ROWS))
            .add(channel.shrU(2)),
        );
        f.set(rowInTile, channel.and(3));
      }
      const to = f.let(dw.add(row.mul(groups * channelsOut * 4)));
      const from = f.let(sums.add(tile.mul(rowTileBytes)).add(rowInTile.mul(savedRowBytes(tileWidth, float64))));
      f.repeat(groups, () => {
        const panel = f.let(from);
        f.for(0, channelsOut, tileWidth, column => {
          const part = f.let(panel);
          total.clear();
          f.repeat(parts, () => {
            total.addSaved(part);
            f.advance(part, partBytes(layout));
          });
          const valid = f.let(I32.constant(channelsOut).sub(column));
          const lanes = Array.from({ length: tileWidth / 4 }, (_, j) => f.let(total.value(0, j)));
          f.if(
            valid.ge(tileWidth),
            () => {
              lanes.forEach((lane, j) => {
                f.store(to, lane, 16 * j);
              });
            },
            () => {
              for (let i = 0; i < tileWidth - 1; i++) {
                f.if(valid.gt(i), () => f.storeLane(to, lanes[i >> 2], i & 3, 4 * i));
              }
            },
          );
          f.advance(to, minimum(valid, tileWidth).shl(2));
          f.advance(panel, savedTileBytes(layout));
        });
        f.advance(from, rowTiles(layout) * rowTileBytes);
      });
    });
  });
}

function plan(sizes: Conv2dSizes, adapter: WasmAdapterInfo, float64: boolean): WasmPlan {
  const tileWidth = tileColumns(adapter, sizes.outputChannels / sizes.groups);
  const layout = chooseLayout(sizes, { relaxed: adapter.relaxedSimd, float64, tileWidth });
  const { parts, slices, bands, bandRows, sourceRows, band, outputWidth, outputChannels, groups } = layout;
  const { kernelHeight, kernelWidth, channelsIn, channelsOut } = layout;
  const program = wasmProgram(
    `conv2d weight gradient ${JSON.stringify(layout)}`,
    m => {
      defineAccumulate(m, layout);
      defineReduce(m, layout);
    },
    wideTiles(layout),
  );
  const total = sizes.batch * bands;
  const perPart = Math.ceil(total / parts);
  const rows = kernelHeight * kernelWidth * channelsIn;
  const multiplyAdds =
    (perPart * bandRows * outputWidth * rows * groups * roundUp(channelsOut, layout.tileWidth)) / slices;
  return {
    scratch: [
      { bytes: parts * partBytes(layout) },
      { bytes: sourceRows * bandRowBytes(band) + SLACK, perThread: true },
      { bytes: bandRows * outputWidth * outputChannels * 4 + SLACK, perThread: true },
    ],
    passes: [
      {
        program,
        entry: 'accumulate',
        tasks: parts * slices,
        grain: Math.ceil(GRAIN_MULTIPLY_ADDS / Math.max(1, multiplyAdds)),
        args: [input(0), input(1), scratch(0), scratch(1), scratch(2), total, perPart],
      },
      {
        program,
        entry: 'reduce',
        tasks: rows,
        grain: Math.ceil(GRAIN_ELEMENTS / (parts * groups * roundUp(channelsOut, layout.tileWidth))),
        args: [scratch(0), output(0)],
      },
    ],
  };
}

export const conv2dWeightGradientDirect: WasmVariant<Conv2dWeightGradientParams> = {
  name: 'direct',
  applies: () => true,
  plan: (specs, params, adapter) => plan(conv2dWeightGradientSizes(specs, params), adapter, false),
};

export const conv2dWeightGradientDirectFloat64: WasmVariant<Conv2dWeightGradientParams> = {
  name: 'direct-float64',
  precision: 'highest',
  applies: () => true,
  plan: (specs, params, adapter) => plan(conv2dWeightGradientSizes(specs, params), adapter, true),
};
