/**
 * How the WebAssembly kernels walk over windows. A task is one row of output pixels; the window of a pixel is clipped to
 * the image once, and all channels of the pixel follow: blocks of a few vectors, then single vectors, then single
 * channels. Windows that lie inside the image are written out pixel by pixel, clipped ones are loops.
 */
import { type FunctionBuilder, I32, i32, type WasmProgram, wasmProgram } from '../../devices/wasm/assembler/module.ts';
import { fourLanes, type Lanes, oneLane } from '../lanes.wasm.ts';
import type { WindowShape } from './pool.ts';

/** Everything but the batch, which no program depends on. */
export function windowKey(shape: WindowShape): string {
  const { height, width, channels, outputHeight, outputWidth, kernel, strides, padding } = shape;
  return [height, width, channels, outputHeight, outputWidth, ...kernel, ...strides, ...padding].join(' ');
}

/** An output pixel: all offsets in bytes, all values locals. */
export interface OutputPixel {
  readonly oy: I32;
  readonly ox: I32;
  /** Offset of channel 0 of the window's first pixel inside the image. */
  readonly first: I32;
  /** Pixels of the window inside the image. */
  readonly rows: I32;
  readonly columns: I32;
  /** Offset of channel 0 of the output pixel. */
  readonly out: I32;
}

export const smaller = (a: I32, b: I32 | number): I32 => a.lt(b).select(a, typeof b === 'number' ? I32.constant(b) : b);
const larger = (a: I32, b: number): I32 => a.gt(b).select(a, I32.constant(b));

/** First pixel inside the image and number of such pixels, of window `index` along one axis. */
function clip(f: FunctionBuilder, index: I32, kernel: number, stride: number, before: number, extent: number) {
  const start = f.let(index.mul(stride).sub(before));
  const first = f.let(larger(start, 0));
  return { first, count: f.let(smaller(f.let(start.add(kernel)), extent).sub(first)) };
}

/** Calls `emit` for every pixel of the output rows start..end, counted through the whole batch. */
export function forEachOutputPixel(
  f: FunctionBuilder,
  shape: WindowShape,
  start: I32,
  end: I32,
  emit: (pixel: OutputPixel) => void,
): void {
  const { height, width, channels, outputHeight, outputWidth, kernel, strides, padding } = shape;
  f.for(start, end, 1, row => {
    const image = f.let(row.divU(outputHeight));
    const oy = f.let(row.sub(image.mul(outputHeight)));
    const vertical = clip(f, oy, kernel[0], strides[0], padding[0], height);
    const firstRow = f.let(image.mul(height).add(vertical.first).mul(width));
    const out = f.let(row.mul(outputWidth * channels * 4));
    f.for(0, outputWidth, 1, ox => {
      const horizontal = clip(f, ox, kernel[1], strides[1], padding[2], width);
      const first = f.let(firstRow.add(horizontal.first).mul(channels * 4));
      emit({ oy, ox, first, rows: vertical.count, columns: horizontal.count, out });
      f.advance(out, channels * 4);
    });
  });
}

/** Calls `emit` for every channel: `vectors` at once where there are enough. `channel` is an offset in bytes. */
export function forEachChannelBlock(
  f: FunctionBuilder,
  channels: number,
  vectors: number,
  emit: (lanes: Lanes, count: number, channel: I32) => void,
): void {
  const whole = Math.floor(channels / (4 * vectors));
  if (whole > 0) f.for(0, whole * vectors * 16, vectors * 16, channel => emit(fourLanes, vectors, channel));
  const rest = Math.floor(channels / 4) - whole * vectors;
  if (rest > 0) emit(fourLanes, rest, f.local(i32, whole * vectors * 16));
  if (channels % 4 > 0) f.for(Math.floor(channels / 4) * 16, channels * 4, 4, channel => emit(oneLane, 1, channel));
}

/** Calls `emit` for the channels from `first` to `last`, offsets in bytes; `first` is a whole number of vectors. */
export function forEachChannelBetween(
  f: FunctionBuilder,
  channels: number,
  first: I32,
  last: I32,
  emit: (lanes: Lanes, channel: I32) => void,
): void {
  const full = Math.floor(channels / 4) * 16;
  f.for(first, f.let(smaller(last, full)), 16, channel => emit(fourLanes, channel));
  if (channels % 4 > 0) f.for(full, last, 4, channel => emit(oneLane, channel));
}

/** Largest window that is written out; and how many vectors of channels then fit the registers beside its loads. */
const UNROLLED_WINDOW = 12;

export function vectorsPerBlock({ kernel }: WindowShape): number {
  const area = kernel[0] * kernel[1];
  return area > UNROLLED_WINDOW ? 4 : Math.max(1, Math.min(4, Math.floor(8 / area)));
}

/** Calls `visit` for the pixels of a window in row-major order, with an offset made of a local and a constant. */
export function forEachWindowPixel(
  f: FunctionBuilder,
  { kernel, width, channels }: WindowShape,
  window: { rows: I32; columns: I32 },
  first: I32,
  visit: (offset: I32, constant: number) => void,
): void {
  const pixelBytes = channels * 4;
  const looped = (): void => {
    const rowStart = f.let(first);
    f.repeat(window.rows, () => {
      const offset = f.let(rowStart);
      f.repeat(window.columns, () => {
        visit(offset, 0);
        f.advance(offset, pixelBytes);
      });
      f.advance(rowStart, width * pixelBytes);
    });
  };
  if (kernel[0] * kernel[1] > UNROLLED_WINDOW) {
    looped();
    return;
  }
  const inside = window.rows.mul(window.columns).eq(kernel[0] * kernel[1]);
  f.if(
    inside,
    () => {
      for (let ky = 0; ky < kernel[0]; ky++) {
        for (let kx = 0; kx < kernel[1]; kx++) visit(first, (ky * width + kx) * pixelBytes);
      }
    },
    looped,
  );
}

/** Byte offsets of a disjoint window's pixels from its first, in row-major order. */
export function pixelOffsets({ kernel, width, channels }: WindowShape): number[] {
  const area = kernel[0] * kernel[1];
  return Array.from({ length: area }, (_, i) => (Math.floor(i / kernel[1]) * width + (i % kernel[1])) * channels * 4);
}

/** After the last disjoint window of a row: zeros in `dx` to the right of it, and below the last row of windows. */
export function clearUncovered(f: FunctionBuilder, shape: WindowShape, dx: I32, pixel: OutputPixel): void {
  const { width, height, channels, outputWidth, outputHeight, kernel } = shape;
  const rowBytes = width * channels * 4;
  const coveredBytes = outputWidth * kernel[1] * channels * 4;
  const rowsBelow = height - outputHeight * kernel[0];
  if (coveredBytes === rowBytes && rowsBelow === 0) return;
  f.if(pixel.ox.eq(outputWidth - 1), () => {
    const row = f.let(dx.add(pixel.first).sub((outputWidth - 1) * kernel[1] * channels * 4));
    if (coveredBytes < rowBytes) {
      for (let ky = 0; ky < kernel[0]; ky++) {
        f.fill(row.add(ky * rowBytes + coveredBytes), 0, rowBytes - coveredBytes);
      }
    }
    if (rowsBelow > 0) {
      f.if(pixel.oy.eq(outputHeight - 1), () => f.fill(row.add(kernel[0] * rowBytes), 0, rowsBelow * rowBytes));
    }
  });
}

/** A program over rows of output pixels, one function of arrays x, y and a third. */
export function windowProgram(
  name: string,
  shape: WindowShape,
  body: (f: FunctionBuilder, arrays: { x: I32; y: I32; v: I32 }, pixel: OutputPixel) => void,
): WasmProgram {
  return wasmProgram(`${name} ${windowKey(shape)}`, m => {
    m.function('run', { start: i32, end: i32, x: i32, y: i32, v: i32 }, (f, { start, end, x, y, v }) => {
      forEachOutputPixel(f, shape, start, end, pixel => body(f, { x, y, v }, pixel));
    });
  });
}
