/**
 * Forward convolution of few channels: a first layer. One channel under a 3 x 3 filter gives sums of nine terms, in runs of
 * three, too short for the direct variant's loops. Here the patches of four neighbouring pixels are written out, k
 * outermost (`patch[tap, channel][4 pixels]`, 144 bytes for one channel), and the register tile runs over each panel of
 * output channels in one go. With one channel and stride 1 a patch row is one vector load.
 */
import { input, output, type Spec, scratch, type WasmVariant } from '../../devices/kernel.ts';
import {
  type FunctionReference,
  I32,
  i32,
  type ModuleBuilder,
  wasmProgram,
} from '../../devices/wasm/assembler/module.ts';
import { definePack } from '../matmul/matmul.packed.wasm.ts';
import {
  copyTileEdge,
  minimum,
  RegisterTile,
  TILE_ROWS,
  tileBytes,
  tileColumns,
  wideTiles,
} from '../matmul/tile.wasm.ts';
import { type BandLayout, bandRowBytes, copyBand, filterOffsets, layOutBands, locateBand } from './conv2d.band.wasm.ts';
import { forwardGather } from './conv2d.gather.ts';
import { type Conv2dParams, type Conv2dSizes, conv2dSizes } from './conv2d.ts';

/** Longest sums for which patches are written out element by element. */
const MAX_TERMS = 64;
/** Runs of this length and more are served well by the direct variant. */
const SHORT_RUN = 8;
const BAND_BYTES = 64 * 1024;
const GRAIN_MULTIPLY_ADDS = 200_000;
/** Bytes behind the band that the last patch's vector loads may read (and ignore). */
const SLACK = 16;

interface Layout extends Omit<Conv2dSizes, 'batch'>, BandLayout {
  readonly bias: boolean;
  readonly relu: boolean;
  readonly relaxed: boolean;
  readonly terms: number;
  /** Columns of a panel and of the register tile. */
  readonly tileWidth: number;
}

/** Computes up to four neighbouring output pixels, all channels. */
function definePixels(m: ModuleBuilder, layout: Layout, pixels: number): FunctionReference {
  const { inputChannels, outputChannels, strides, terms, tileWidth, relu, relaxed } = layout;
  const sourcePixel = strides[1] * inputChannels * 4;
  const targetPixel = outputChannels * 4;
  const parameters = { source: i32, panels: i32, target: i32, patch: i32, edge: i32 };
  return m.inner(parameters, undefined, (f, { source, panels, target, patch, edge }) => {
    filterOffsets(layout, layout.band, inputChannels).forEach((offset, term) => {
      const to = term * TILE_ROWS * 4;
      if (sourcePixel === 4) f.store(patch, source.f32x4(offset), to);
      else {
        for (let i = 0; i < pixels; i++) f.store(patch, source.f32(offset + i * sourcePixel), to + i * 4);
      }
    });
    const rows = Array.from({ length: pixels }, (_, i) => i * 4);
    const tile = new RegisterTile(f, { rows, columns: tileWidth, relaxed });
    const panel = f.let(panels);
    const to = f.let(target);
    f.for(0, outputChannels, tileWidth, channel => {
      tile.startFromRow(panel);
      f.advance(panel, tileWidth * 4);
      tile.accumulate({ a: f.let(patch), b: panel, stepA: TILE_ROWS * 4, stepB: tileWidth * 4, depth: terms });
      if (relu) tile.relu();
      const columns = f.let(minimum(I32.constant(outputChannels).sub(channel), tileWidth));
      f.if(
        columns.eq(tileWidth),
        () => tile.store(to, targetPixel),
        () => {
          tile.store(edge, tileWidth * 4);
          const rowBytes = I32.constant(targetPixel);
          const rows = I32.constant(pixels);
          copyTileEdge(f, { tile: edge, tileColumns: tileWidth, c: to, rowBytes, rows, columns });
        },
      );
      f.advance(to, tileWidth * 4);
    });
  });
}

/** One task is one band of one image. */
function defineConvolve(m: ModuleBuilder, layout: Layout): void {
  const { band, bandRows, top, sourceRows, strides, inputChannels } = layout;
  const { outputHeight, outputWidth, outputChannels } = layout;
  const tail = outputWidth % TILE_ROWS;
  const fourPixels = definePixels(m, layout, TILE_ROWS);
  const tailPixels = tail > 0 ? definePixels(m, layout, tail) : undefined;
  const sourceStep = strides[1] * inputChannels * 4;
  m.function(
    'convolve',
    { start: i32, end: i32, x: i32, panels: i32, y: i32, scratch: i32, patch: i32, edge: i32 },
    (f, { start, end, x, panels, y, scratch, patch, edge }) => {
      f.for(start, end, 1, task => {
        const { image, first } = locateBand(f, layout, task);
        const from = f.let(x.add(image.mul(band.height * band.width * band.channels * 4)));
        const sourceTop = f.let(first.mul(strides[0]).add(top));
        copyBand(f, band, { image: from, band: scratch, top: sourceTop, rows: sourceRows });
        const rows = f.let(minimum(I32.constant(outputHeight).sub(first), bandRows));
        const target = f.let(
          y.add(
            image
              .mul(outputHeight)
              .add(first)
              .mul(outputWidth * outputChannels * 4),
          ),
        );
        f.for(0, rows, 1, row => {
          const source = f.let(scratch.add(row.mul(strides[0] * bandRowBytes(band))));
          f.for(0, outputWidth - tail, TILE_ROWS, () => {
            f.call(fourPixels, [source, panels, target, patch, edge]);
            f.advance(source, TILE_ROWS * sourceStep);
            f.advance(target, TILE_ROWS * outputChannels * 4);
          });
          if (tailPixels) {
            f.call(tailPixels, [source, panels, target, patch, edge]);
            f.advance(target, tail * outputChannels * 4);
          }
        });
      });
    },
  );
}

export const conv2dPatches: WasmVariant<Conv2dParams> = {
  name: 'patches',
  applies(specs: readonly Spec[], params) {
    const { kernelHeight, kernelWidth, inputChannels, groups } = conv2dSizes(specs, params);
    return groups === 1 && kernelHeight * kernelWidth * inputChannels <= MAX_TERMS;
  },
  prefers(specs, params) {
    const { kernelWidth, inputChannels, dilations } = conv2dSizes(specs, params);
    return (dilations[1] === 1 ? kernelWidth * inputChannels : inputChannels) < SHORT_RUN;
  },
  plan(specs, params, adapter) {
    const { batch, ...sizes } = conv2dSizes(specs, params);
    const bias = specs.length > 2;
    const layout: Layout = {
      ...sizes,
      ...layOutBands(forwardGather({ batch, ...sizes }), { bytes: BAND_BYTES }),
      bias,
      relu: params.activation === 'relu',
      relaxed: adapter.relaxedSimd,
      terms: sizes.kernelHeight * sizes.kernelWidth * sizes.inputChannels,
      tileWidth: tileColumns(adapter, sizes.outputChannels),
    };
    const { terms, tileWidth, band, bandRows, bands, sourceRows, outputWidth, outputChannels } = layout;
    const program = wasmProgram(
      `conv2d patches ${JSON.stringify(layout)}`,
      m => {
        definePack(m, { transposeB: false, bias, tileWidth });
        defineConvolve(m, layout);
      },
      wideTiles(layout),
    );
    const panels = Math.ceil(outputChannels / tileWidth);
    return {
      scratch: [
        { bytes: panels * (terms + 1) * tileWidth * 4 },
        { bytes: sourceRows * bandRowBytes(band) + SLACK, perThread: true },
        { bytes: terms * TILE_ROWS * 4, perThread: true },
        { bytes: tileBytes(tileWidth), perThread: true },
      ],
      passes: [
        {
          program,
          entry: 'pack',
          tasks: panels,
          grain: panels,
          args: [input(1), bias ? input(2) : 0, scratch(0), outputChannels, terms],
          prepares: true,
        },
        {
          program,
          entry: 'convolve',
          tasks: batch * bands,
          grain: Math.ceil(GRAIN_MULTIPLY_ADDS / (bandRows * outputWidth * outputChannels * terms)),
          args: [input(0), scratch(0), output(0), scratch(1), scratch(2), scratch(3)],
        },
      ],
    };
  },
};
