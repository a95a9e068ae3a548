/**
 * Depthwise convolution (as many groups as channels in and out), forward and input gradient. There is no sum over
 * channels, hence no matrix product: vectors run over four channels, and every channel meets its own filter,
 *
 *     y[pixel, c .. c + 3] = sum over taps of x[pixel under tap, c .. c + 3] * w[tap, c .. c + 3]
 *
 * for four neighbouring pixels at a time, so that a weight is loaded once for four multiply-adds. Channels that do not
 * fill a vector are computed by a vector that overlaps the one before. Bands and pixel classes are those of the direct
 * variant; w is read as it lies, backwards in the input gradient.
 */
import { input, output, scratch, type WasmPlan, type WasmVariant } from '../../devices/kernel.ts';
import {
  F32x4,
  type FunctionReference,
  f32x4,
  i32,
  type ModuleBuilder,
  wasmProgram,
} from '../../devices/wasm/assembler/module.ts';
import { minimum } from '../matmul/tile.wasm.ts';
import { type BandLayout, bandRowBytes, copyBand, layOutBands, locateBand } from './conv2d.band.wasm.ts';
import { forwardGather, type Gather, inputGradientGather } from './conv2d.gather.ts';
import {
  type Conv2dInputGradientParams,
  type Conv2dParams,
  type Conv2dSizes,
  conv2dInputGradientSizes,
  conv2dSizes,
} from './conv2d.ts';

const PIXELS = 4;
const BAND_BYTES = 128 * 1024;
const GRAIN_MULTIPLY_ADDS = 100_000;

interface Epilogue {
  readonly bias: boolean;
  readonly relu: boolean;
  readonly relaxed: boolean;
}

interface Layout extends Epilogue, BandLayout {
  readonly gather: Omit<Gather, 'batch'>;
  readonly channels: number;
}

const pixelParameters = {
  source: i32,
  weights: i32,
  bias: i32,
  target: i32,
  tapRows: i32,
  sourceRowStep: i32,
  weightRowStep: i32,
  tapColumns: i32,
  sourceColumnStep: i32,
  weightColumnStep: i32,
};

/** Computes `pixels` neighbouring target pixels, all channels. */
function definePixels(m: ModuleBuilder, layout: Layout, pixels: number): FunctionReference {
  const { gather, channels, bias: hasBias, relu, relaxed } = layout;
  const sourcePixel = gather.horizontal.sourceStep * channels * 4;
  const targetPixel = gather.horizontal.targetStep * channels * 4;
  return m.inner(pixelParameters, undefined, (f, p) => {
    const sums = Array.from({ length: pixels }, () => f.local(f32x4));
    f.for(0, channels, 4, first => {
      const channel = f.let(minimum(first, channels - 4).shl(2));
      for (const sum of sums) {
        f.set(sum, hasBias ? p.bias.add(channel).f32x4() : F32x4.constant(0, 0, 0, 0));
      }
      const sourceRow = f.let(p.source.add(channel));
      const weightRow = f.let(p.weights.add(channel));
      f.for(0, p.tapRows, 1, () => {
        const x = f.let(sourceRow);
        const w = f.let(weightRow);
        f.repeat(p.tapColumns, () => {
          const weight = f.let(w.f32x4());
          sums.forEach((sum, i) => {
            f.set(sum, weight.multiplyAdd(x.f32x4(i * sourcePixel), sum, relaxed));
          });
          f.advance(x, p.sourceColumnStep);
          f.advance(w, p.weightColumnStep);
        });
        f.advance(sourceRow, p.sourceRowStep);
        f.advance(weightRow, p.weightRowStep);
      });
      const to = f.let(p.target.add(channel));
      sums.forEach((sum, i) => {
        f.store(to, relu ? sum.pmax(0) : sum, i * targetPixel);
      });
    });
  });
}

/** One task is one band of one image. */
function defineConvolve(m: ModuleBuilder, layout: Layout): void {
  const { gather, channels, band, bandRows, top, sourceRows } = layout;
  const { source, target, vertical, horizontal, kernelHeight, kernelWidth, adjoint } = gather;
  const pixelBytes = channels * 4;
  const functions = new Map<number, FunctionReference>();
  for (const { count } of horizontal.classes) {
    for (const pixels of [count >= PIXELS ? PIXELS : 0, count % PIXELS]) {
      if (pixels > 0 && !functions.has(pixels)) functions.set(pixels, definePixels(m, layout, pixels));
    }
  }
  // Filter positions count from the far end in the input gradient.
  const direction = adjoint ? -1 : 1;
  const firstTap = adjoint ? (kernelHeight * kernelWidth - 1) * pixelBytes : 0;
  const parameters = { start: i32, end: i32, source: i32, weights: i32, bias: i32, target: i32, scratch: i32 };
  m.function('convolve', parameters, (f, args) => {
    f.for(args.start, args.end, 1, task => {
      const { image, first } = locateBand(f, layout, task);
      const from = f.let(args.source.add(image.mul(source.height * source.width * pixelBytes)));
      const to = f.let(args.target.add(image.mul(target.height * target.width * pixelBytes)));
      const sourceTop = f.let(first.mul(vertical.sourceStep).add(top));
      copyBand(f, band, { image: from, band: args.scratch, top: sourceTop, rows: sourceRows });
      for (const down of vertical.classes) {
        const last = f.let(minimum(first.add(bandRows), down.count));
        for (const across of horizontal.classes) {
          const hasTaps = down.taps.count > 0 && across.taps.count > 0;
          const tap = down.taps.filterFirst * kernelWidth + across.taps.filterFirst;
          const weights = f.let(args.weights.add(firstTap + direction * tap * pixelBytes));
          f.for(first, last, 1, y => {
            const row = y
              .sub(first)
              .mul(vertical.sourceStep)
              .add(down.taps.sourceFirst - top);
            const column = (across.taps.sourceFirst - band.left) * pixelBytes;
            const at = f.let(args.scratch.add(row.mul(bandRowBytes(band))).add(column));
            const targetRow = y.mul(vertical.targetStep).add(down.first).mul(target.width).add(across.first);
            const out = f.let(to.add(targetRow.mul(pixelBytes)));
            const call = (pixels: number) =>
              f.call(functions.get(pixels)!, [
                at,
                weights,
                args.bias,
                out,
                hasTaps ? down.taps.count : 0,
                down.taps.sourceStep * bandRowBytes(band),
                direction * down.taps.filterStep * kernelWidth * pixelBytes,
                across.taps.count,
                across.taps.sourceStep * pixelBytes,
                direction * across.taps.filterStep * pixelBytes,
              ]);
            const tail = across.count % PIXELS;
            if (across.count >= PIXELS) {
              f.for(0, across.count - tail, PIXELS, () => {
                call(PIXELS);
                f.advance(at, PIXELS * horizontal.sourceStep * pixelBytes);
                f.advance(out, PIXELS * horizontal.targetStep * pixelBytes);
              });
            }
            if (tail > 0) call(tail);
          });
        }
      }
    });
  });
}

function plan({ batch, ...gather }: Gather, epilogue: Epilogue): WasmPlan {
  const bands = layOutBands({ batch, ...gather }, { bytes: BAND_BYTES });
  const layout: Layout = { ...epilogue, ...bands, gather, channels: gather.source.channels };
  const program = wasmProgram(`conv2d depthwise ${JSON.stringify(layout)}`, m => defineConvolve(m, layout));
  const { target, kernelHeight, kernelWidth } = gather;
  const { bandRows, sourceRows, band, channels } = layout;
  const multiplyAdds = bandRows * target.width * channels * kernelHeight * kernelWidth;
  return {
    scratch: [{ bytes: sourceRows * bandRowBytes(band), perThread: true }],
    passes: [
      {
        program,
        entry: 'convolve',
        tasks: batch * layout.bands,
        grain: Math.ceil(GRAIN_MULTIPLY_ADDS / multiplyAdds),
        args: [input(0), input(1), epilogue.bias ? input(2) : 0, output(0), scratch(0)],
      },
    ],
  };
}

function isDepthwise({ groups, inputChannels, outputChannels }: Conv2dSizes): boolean {
  return groups === inputChannels && groups === outputChannels && groups >= 4;
}

export const conv2dDepthwise: WasmVariant<Conv2dParams> = {
  name: 'depthwise',
  applies: (specs, params) => isDepthwise(conv2dSizes(specs, params)),
  plan(specs, params, adapter) {
    return plan(forwardGather(conv2dSizes(specs, params)), {
      bias: specs.length > 2,
      relu: params.activation === 'relu',
      relaxed: adapter.relaxedSimd,
    });
  },
};

export const conv2dInputGradientDepthwise: WasmVariant<Conv2dInputGradientParams> = {
  name: 'depthwise',
  applies: (specs, params) => isDepthwise(conv2dInputGradientSizes(specs, params)),
  plan(specs, params, adapter) {
    const gather = inputGradientGather(conv2dInputGradientSizes(specs, params));
    return plan(gather, { bias: false, relu: false, relaxed: adapter.relaxedSimd });
  },
};
