/**
 * The general convolution, forward and input gradient: direct, as an implicit matrix product. For one target pixel the
 * product's row is the source pixels under the taps, its columns are the output channels. Nothing builds that row: along
 * a filter row the source pixels lie next to each other in memory (NHWC), so the register tile walks them as they are,
 * four neighbouring target pixels at a time, tap row by tap row.
 *
 *     panel = [ bias 8 | tap 0: channels x 8 | tap 1: channels x 8 | ... ]     8 output channels, packed per call
 *
 * A task is a band of rows of one image: it copies the source rows with their padding into the thread's own memory (L2),
 * then for each panel (9 x 64 x 8 floats are 18 KiB: L1) runs over all its pixels. The classes of `conv2d.gather.ts` make
 * strided input gradients the same loops. The program is baked for one shape (the batch size excepted), because distances
 * between pixels are immediate offsets of the tile's loads.
 *
 * The variant `direct-float64` is the same with sums in float64.
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
  F32x4,
  type FunctionBuilder,
  type FunctionReference,
  I32,
  i32,
  type ModuleBuilder,
  wasmProgram,
} from '../../devices/wasm/assembler/module.ts';
import { definePackColumns, definePackRows } from '../matmul/panel.wasm.ts';
import {
  copyTileEdge,
  minimum,
  RegisterTile,
  TILE_ROWS,
  tileBytes,
  tileColumns,
  wideTiles,
} from '../matmul/tile.wasm.ts';
import { type BandLayout, bandRowBytes, copyBand, layOutBands, locateBand } from './conv2d.band.wasm.ts';
import { forwardGather, type Gather, inputGradientGather } from './conv2d.gather.ts';
import { type Conv2dInputGradientParams, type Conv2dParams, conv2dInputGradientSizes, conv2dSizes } from './conv2d.ts';

/** Bytes of a band: with the packed filters it shares L2. */
const BAND_BYTES = 160 * 1024;
const GRAIN_MULTIPLY_ADDS = 500_000;
const GRAIN_ELEMENTS = 50_000;

interface Epilogue {
  readonly bias: boolean;
  readonly relu: boolean;
  readonly relaxed: boolean;
  readonly float64: boolean;
}

/** Everything that is fixed when the program is assembled. */
interface Layout extends Epilogue, BandLayout {
  readonly gather: Omit<Gather, 'batch'>;
  readonly channelsIn: number;
  readonly channelsOut: number;
  /** Columns of a panel and of the register tile. */
  readonly tileWidth: number;
  readonly panelsPerGroup: number;
  readonly panelBytes: number;
  /** False when no padding is needed: then pixels are read where they lie. */
  readonly copied: boolean;
}

function chooseLayout({ batch, ...gather }: Gather, epilogue: Epilogue, adapter: WasmAdapterInfo): Layout {
  const { source, target, groups, kernelHeight, kernelWidth } = gather;
  const channelsIn = source.channels / groups;
  const channelsOut = target.channels / groups;
  const tileWidth = tileColumns(adapter, channelsOut);
  const bands = layOutBands({ batch, ...gather }, { bytes: BAND_BYTES });
  const { band, top, sourceRows } = bands;
  const right = band.left + band.columns;
  const bottom = (bands.bands - 1) * bands.bandRows * gather.vertical.sourceStep + top + sourceRows;
  return {
    ...epilogue,
    ...bands,
    gather,
    channelsIn,
    channelsOut,
    tileWidth,
    panelsPerGroup: Math.ceil(channelsOut / tileWidth),
    panelBytes: (kernelHeight * kernelWidth * channelsIn + 1) * tileWidth * 4,
    copied: band.left < 0 || top < 0 || right > source.width || bottom > source.height,
  };
}

/** One task packs one panel: the output channels of one tile, in one group. */
function definePack(m: ModuleBuilder, layout: Layout): void {
  const { gather, channelsIn, channelsOut, tileWidth, panelsPerGroup, panelBytes, bias: hasBias } = layout;
  const { adjoint, kernelHeight, kernelWidth } = gather;
  const taps = kernelHeight * kernelWidth;
  const pack = (adjoint ? definePackRows : definePackColumns)(m, tileWidth);
  const rowBytes = (adjoint ? channelsIn : channelsOut) * gather.groups * 4; // one row of K filters
  m.function('pack', { start: i32, end: i32, w: i32, bias: i32, panels: i32 }, (f, { start, end, w, bias, panels }) => {
    f.for(start, end, 1, task => {
      const group = f.let(task.divU(panelsPerGroup));
      const channel = f.let(task.remU(panelsPerGroup).mul(tileWidth));
      const valid = f.let(minimum(I32.constant(channelsOut).sub(channel), tileWidth));
      const panel = f.let(panels.add(task.mul(panelBytes)));
      for (let j = 0; j < tileWidth; j += 4) f.store(panel, F32x4.constant(0, 0, 0, 0), 4 * j);
      if (hasBias) {
        const from = f.let(bias.add(group.mul(channelsOut).add(channel).shl(2)));
        f.for(0, valid, 1, j => f.store(panel.add(j.shl(2)), from.add(j.shl(2)).f32()));
      }
      const first = f.let(panel.add(tileWidth * 4));
      if (adjoint) {
        // Output channels are rows of w, and the taps go in from the last to the first.
        const from = f.let(w.add(channel.mul(rowBytes)).add(group.mul(channelsIn * 4)));
        const to = f.let(first.add((taps - 1) * channelsIn * tileWidth * 4));
        f.repeat(taps, () => {
          f.call(pack, [from, to, rowBytes, valid, channelsIn]);
          f.advance(from, channelsOut * rowBytes);
          f.advance(to, -channelsIn * tileWidth * 4);
        });
      } else {
        const from = w.add(group.mul(channelsOut).add(channel).shl(2));
        f.call(pack, [from, first, rowBytes, valid, taps * channelsIn]);
      }
    });
  });
}

/** Parameters of the function that computes one row of target pixels of one class for one panel. */
const rowParameters = {
  /** Source pixel under the first tap of the first target pixel. */
  source: i32,
  panel: i32,
  /** The panel's weights of the first tap. */
  weights: i32,
  target: i32,
  /** Target pixels. */
  count: i32,
  /** Output channels that exist in this panel. */
  valid: i32,
  tapRows: i32,
  /** Bytes between tap rows, in the source and in the panel. */
  sourceRowStep: i32,
  weightRowStep: i32,
  tapColumns: i32,
  sourceColumnStep: i32,
  weightColumnStep: i32,
  /** Source values that lie in sequence under one tap (or under a whole tap row). */
  run: i32,
  edge: i32,
};

function defineRow(m: ModuleBuilder, { gather, tileWidth, relu, relaxed, float64 }: Layout): FunctionReference {
  const { horizontal, source, target } = gather;
  const sourcePixel = horizontal.sourceStep * source.channels * 4;
  const targetPixel = horizontal.targetStep * target.channels * 4;
  const tails = [...new Set(horizontal.classes.map(({ count }) => count % TILE_ROWS))].filter(tail => tail > 0);
  const hasFull = horizontal.classes.some(({ count }) => count >= TILE_ROWS);
  return m.inner(rowParameters, undefined, (f, p) => {
    const emitTile = (pixels: number) => {
      const rows = Array.from({ length: pixels }, (_, i) => i * sourcePixel);
      const tile = new RegisterTile(f, { rows, columns: tileWidth, relaxed, float64 });
      tile.startFromRow(p.panel);
      const sourceRow = f.let(p.source);
      const weightRow = f.let(p.weights);
      f.for(0, p.tapRows, 1, () => {
        const a = f.let(sourceRow);
        const b = f.let(weightRow);
        f.repeat(p.tapColumns, () => {
          tile.accumulate({ a: f.let(a), b: f.let(b), stepA: 4, stepB: tileWidth * 4, depth: p.run });
          f.advance(a, p.sourceColumnStep);
          f.advance(b, p.weightColumnStep);
        });
        f.advance(sourceRow, p.sourceRowStep);
        f.advance(weightRow, p.weightRowStep);
      });
      if (relu) tile.relu();
      f.if(
        p.valid.eq(tileWidth),
        () => tile.store(p.target, targetPixel),
        () => {
          tile.store(p.edge, tileWidth * 4);
          const rowBytes = I32.constant(targetPixel);
          const rows = I32.constant(pixels);
          copyTileEdge(f, { tile: p.edge, tileColumns: tileWidth, c: p.target, rowBytes, rows, columns: p.valid });
        },
      );
    };
    if (hasFull) {
      f.while(
        () => p.count.ge(TILE_ROWS),
        () => {
          emitTile(TILE_ROWS);
          f.advance(p.source, TILE_ROWS * sourcePixel);
          f.advance(p.target, TILE_ROWS * targetPixel);
          f.advance(p.count, -TILE_ROWS);
        },
      );
    }
    for (const tail of tails) f.if(p.count.eq(tail), () => emitTile(tail));
  });
}

/** One task is one band of one image. */
function defineConvolve(m: ModuleBuilder, layout: Layout): void {
  const { gather, channelsOut, tileWidth, panelBytes, band, top, sourceRows, copied } = layout;
  const { source, target, vertical } = gather;
  const row = defineRow(m, layout);
  m.function(
    'convolve',
    { start: i32, end: i32, source: i32, panels: i32, target: i32, scratch: i32, edge: i32 },
    (f, args) => {
      f.for(args.start, args.end, 1, task => {
        const { image, first } = locateBand(f, layout, task);
        const from = f.let(args.source.add(image.mul(source.height * source.width * source.channels * 4)));
        const to = f.let(args.target.add(image.mul(target.height * target.width * target.channels * 4)));
        const sourceTop = f.let(first.mul(vertical.sourceStep).add(top));
        const pixels = f.local(i32);
        if (copied) {
          copyBand(f, band, { image: from, band: args.scratch, top: sourceTop, rows: sourceRows });
          f.set(pixels, args.scratch);
        } else {
          f.set(
            pixels,
            from.add(
              sourceTop
                .mul(source.width)
                .add(band.left)
                .mul(source.channels * 4),
            ),
          );
        }
        const panel = f.let(args.panels);
        f.for(0, gather.groups, 1, group => {
          f.for(0, channelsOut, tileWidth, channel => {
            emitClasses(f, layout, row, { pixels, panel, to, first, group, channel, edge: args.edge });
            f.advance(panel, panelBytes);
          });
        });
      });
    },
  );
}

/** All rows of the band, class by class, for one panel. */
function emitClasses(
  f: FunctionBuilder,
  { gather, channelsIn, channelsOut, tileWidth, bandRows, band, top, copied }: Layout,
  row: FunctionReference,
  at: { pixels: I32; panel: I32; to: I32; first: I32; group: I32; channel: I32; edge: I32 },
): void {
  const { vertical, horizontal, source, target, kernelWidth, groups } = gather;
  const rowBytes = copied ? bandRowBytes(band) : source.width * source.channels * 4;
  const tapBytes = channelsIn * tileWidth * 4;
  const valid = f.let(minimum(I32.constant(channelsOut).sub(at.channel), tileWidth));
  const origin = f.let(at.pixels.add(at.group.mul(channelsIn * 4)));
  const targetChannel = f.let(at.to.add(at.group.mul(channelsOut).add(at.channel).shl(2)));
  for (const down of vertical.classes) {
    const last = f.let(minimum(at.first.add(bandRows), down.count));
    for (const across of horizontal.classes) {
      // Taps that touch in memory and in the panel are one run: a whole filter row where nothing is dilated or grouped.
      const merged = groups === 1 && across.taps.sourceStep === 1 && across.taps.filterStep === 1;
      const taps = down.taps.count === 0 || across.taps.count === 0 ? 0 : across.taps.count;
      f.for(at.first, last, 1, y => {
        const sourceRow = y
          .sub(at.first)
          .mul(vertical.sourceStep)
          .add(down.taps.sourceFirst - top);
        const sourceColumn = across.taps.sourceFirst - band.left;
        const filter = down.taps.filterFirst * kernelWidth + across.taps.filterFirst;
        const targetRow = y.mul(vertical.targetStep).add(down.first).mul(target.width).add(across.first);
        f.call(row, [
          origin.add(sourceRow.mul(rowBytes)).add(sourceColumn * source.channels * 4),
          at.panel,
          at.panel.add(tileWidth * 4 + filter * tapBytes),
          targetChannel.add(targetRow.mul(target.channels * 4)),
          across.count,
          valid,
          taps === 0 ? 0 : down.taps.count,
          down.taps.sourceStep * rowBytes,
          down.taps.filterStep * kernelWidth * tapBytes,
          merged ? 1 : taps,
          across.taps.sourceStep * source.channels * 4,
          across.taps.filterStep * tapBytes,
          merged ? taps * channelsIn : channelsIn,
          at.edge,
        ]);
      });
    }
  }
}

function plan(gather: Gather, epilogue: Epilogue, adapter: WasmAdapterInfo): WasmPlan {
  const layout = chooseLayout(gather, epilogue, adapter);
  const program = wasmProgram(
    `conv2d direct ${JSON.stringify(layout)}`,
    m => {
      definePack(m, layout);
      defineConvolve(m, layout);
    },
    wideTiles(layout),
  );
  const { channelsIn, panelsPerGroup, panelBytes, bandRows, bands, band, sourceRows, copied } = layout;
  const { target, kernelHeight, kernelWidth, groups, batch } = gather;
  const taps = kernelHeight * kernelWidth * channelsIn;
  const panels = groups * panelsPerGroup;
  const multiplyAdds = bandRows * target.width * target.channels * taps;
  return {
    scratch: [
      { bytes: panels * panelBytes },
      { bytes: copied ? sourceRows * bandRowBytes(band) : 64, perThread: true },
      { bytes: tileBytes(layout.tileWidth), perThread: true },
    ],
    passes: [
      {
        program,
        entry: 'pack',
        tasks: panels,
        grain: Math.ceil((4 * GRAIN_ELEMENTS) / panelBytes),
        args: [input(1), epilogue.bias ? input(2) : 0, scratch(0)],
        prepares: true,
      },
      {
        program,
        entry: 'convolve',
        tasks: batch * bands,
        grain: Math.ceil(GRAIN_MULTIPLY_ADDS / multiplyAdds),
        args: [input(0), scratch(0), output(0), scratch(1), scratch(2)],
      },
    ],
  };
}

const forwardPlan =
  (float64: boolean): WasmVariant<Conv2dParams>['plan'] =>
  (specs: readonly Spec[], params, adapter: WasmAdapterInfo) =>
    plan(
      forwardGather(conv2dSizes(specs, params)),
      { bias: specs.length > 2, relu: params.activation === 'relu', relaxed: adapter.relaxedSimd, float64 },
      adapter,
    );

const inputGradientPlan =
  (float64: boolean): WasmVariant<Conv2dInputGradientParams>['plan'] =>
  (specs: readonly Spec[], params, adapter: WasmAdapterInfo) =>
    plan(
      inputGradientGather(conv2dInputGradientSizes(specs, params)),
      { bias: false, relu: false, relaxed: adapter.relaxedSimd, float64 },
      adapter,
    );

const direct = { name: 'direct', applies: () => true };
const directFloat64 = { name: 'direct-float64', precision: 'highest', applies: () => true } as const;

export const conv2dDirect: WasmVariant<Conv2dParams> = { ...direct, plan: forwardPlan(false) };
export const conv2dDirectFloat64: WasmVariant<Conv2dParams> = { ...directFloat64, plan: forwardPlan(true) };
export const conv2dInputGradientDirect: WasmVariant<Conv2dInputGradientParams> = {
  ...direct,
  plan: inputGradientPlan(false),
};
export const conv2dInputGradientDirectFloat64: WasmVariant<Conv2dInputGradientParams> = {
  ...directFloat64,
  plan: inputGradientPlan(true),
};
