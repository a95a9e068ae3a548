/**
 * Average pooling. Sums are scaled by the reciprocal of the window's area, which depends on the pixel only where windows
 * are clipped. The gradient gathers: every input pixel adds up the shares of the windows that contain it.
 */
import {
  F32,
  type FunctionBuilder,
  I32,
  i32,
  type WasmProgram,
  wasmProgram,
} from '../../devices/wasm/assembler/module.ts';
import type { WindowShape } from './pool.ts';
import {
  clearUncovered,
  forEachChannelBlock,
  forEachWindowPixel,
  pixelOffsets,
  smaller,
  vectorsPerBlock,
  windowKey,
  windowProgram,
} from './windows.wasm.ts';

const indices = (count: number): number[] => [...Array(count).keys()];

/** Pixels that window `index` counts along an axis: those inside the image, or inside the padded image. */
export function countedExtent(
  f: FunctionBuilder,
  shape: WindowShape,
  axis: 0 | 1,
  index: I32,
  countPadding: boolean,
): I32 {
  const { kernel, strides, padding } = shape;
  const extent = axis === 0 ? shape.height : shape.width;
  const [before, after] = [padding[2 * axis], padding[2 * axis + 1]];
  const start = f.let(index.mul(strides[axis]).sub(before));
  const end = f.let(smaller(f.let(start.add(kernel[axis])), extent + (countPadding ? after : 0)));
  return f.let(end.sub(countPadding ? start : start.gt(0).select(start, I32.constant(0))));
}

/** y = the mean of each window. */
export function averagePoolProgram(shape: WindowShape, countPadding: boolean): WasmProgram {
  return windowProgram(`avgPool2d ${countPadding}`, shape, (f, { x, y }, pixel) => {
    const height = countedExtent(f, shape, 0, pixel.oy, countPadding);
    const width = countedExtent(f, shape, 1, pixel.ox, countPadding);
    const scale = f.let(F32.constant(1).div(height.mul(width).toF32S()));
    forEachChannelBlock(f, shape.channels, vectorsPerBlock(shape), (lanes, count, channel) => {
      const vectors = indices(count);
      const first = f.let(pixel.first.add(channel));
      const sum = vectors.map(() => f.let(lanes.all(0)));
      forEachWindowPixel(f, shape, pixel, first, (offset, constant) => {
        for (const v of vectors) f.set(sum[v], sum[v].add(lanes.load(x.add(offset), constant + v * 16)));
      });
      for (const v of vectors) f.store(y.add(pixel.out).add(channel), sum[v].mul(lanes.all(scale)), v * 16);
    });
  });
}

/** First window that contains pixel `index` of an axis, and the one behind the last (none where strides leave gaps). */
export function windowsAround(f: FunctionBuilder, shape: WindowShape, index: I32, axis: 0 | 1) {
  const { kernel, strides, padding, outputHeight, outputWidth } = shape;
  const position = f.let(index.add(padding[2 * axis]));
  const past = f.let(position.sub(kernel[axis] - strides[axis]));
  const first = f.let(past.gt(0).select(past.divU(strides[axis]), I32.constant(0)));
  const windows = axis === 0 ? outputHeight : outputWidth;
  const end = smaller(f.let(position.divU(strides[axis]).add(1)), windows);
  return { first, end: f.let(end) };
}

/** dx, a task being one row of input pixels. */
export function averagePoolGradientProgram(shape: WindowShape, countPadding: boolean): WasmProgram {
  const { height, width, channels, outputHeight, outputWidth } = shape;
  const pixelBytes = channels * 4;
  return wasmProgram(`avgPool2dGradient ${windowKey(shape)} ${countPadding}`, m => {
    m.function('run', { start: i32, end: i32, dy: i32, dx: i32 }, (f, { start, end, dy, dx }) => {
      f.for(start, end, 1, row => {
        const image = f.let(row.divU(height));
        const vertical = windowsAround(f, shape, f.let(row.sub(image.mul(height))), 0);
        const to = f.let(dx.add(row.mul(width * pixelBytes)));
        const from = f.let(dy.add(image.mul(outputHeight * outputWidth * pixelBytes)));
        f.for(0, width, 1, ix => {
          const horizontal = windowsAround(f, shape, ix, 1);
          forEachChannelBlock(f, channels, 4, (lanes, count, channel) => {
            const vectors = indices(count);
            const sum = vectors.map(() => f.let(lanes.all(0)));
            f.for(vertical.first, vertical.end, 1, oy => {
              const windowHeight = countedExtent(f, shape, 0, oy, countPadding);
              f.for(horizontal.first, horizontal.end, 1, ox => {
                const area = windowHeight.mul(countedExtent(f, shape, 1, ox, countPadding));
                const scale = f.let(lanes.all(F32.constant(1).div(area.toF32S())));
                const at = f.let(from.add(oy.mul(outputWidth).add(ox).mul(pixelBytes)).add(channel));
                for (const v of vectors) f.set(sum[v], sum[v].add(lanes.load(at, v * 16).mul(scale)));
              });
            });
            for (const v of vectors) f.store(to.add(channel), sum[v], v * 16);
          });
          f.advance(to, pixelBytes);
        });
      });
    });
  });
}

/** dx for disjoint windows: every window writes its share to its own pixels. A task is one row of windows. */
export function disjointAverageGradientProgram(shape: WindowShape): WasmProgram {
  const offsets = pixelOffsets(shape);
  return windowProgram('avgPool2dGradient disjoint', shape, (f, { y: dx, v: dy }, pixel) => {
    forEachChannelBlock(f, shape.channels, 1, (lanes, _, channel) => {
      const perPixel = f.let(lanes.load(dy.add(pixel.out).add(channel)).mul(lanes.all(1 / offsets.length)));
      const to = f.let(dx.add(pixel.first).add(channel));
      for (const offset of offsets) f.store(to, perPixel, offset);
    });
    clearUncovered(f, shape, dx, pixel);
  });
}

/** y [N, C] = means over all pixels, a task being one image: sums of image rows, then of the rows' sums. */
export function globalAverageProgram(height: number, width: number, channels: number): WasmProgram {
  return wasmProgram(`globalAveragePool ${height} ${width} ${channels}`, m => {
    m.function('run', { start: i32, end: i32, x: i32, y: i32 }, (f, { start, end, x, y }) => {
      f.for(start, end, 1, image => {
        forEachChannelBlock(f, channels, 4, (lanes, count, channel) => {
          const vectors = indices(count);
          const at = f.let(x.add(image.mul(height * width * channels * 4)).add(channel));
          const total = vectors.map(() => f.let(lanes.all(0)));
          f.repeat(height, () => {
            const sum = vectors.map(() => f.let(lanes.all(0)));
            f.repeat(width, () => {
              for (const v of vectors) f.set(sum[v], sum[v].add(lanes.load(at, v * 16)));
              f.advance(at, channels * 4);
            });
            for (const v of vectors) f.set(total[v], total[v].add(sum[v]));
          });
          const to = f.let(y.add(image.mul(channels * 4)).add(channel));
          for (const v of vectors) f.store(to, total[v].mul(lanes.all(1 / (height * width))), v * 16);
        });
      });
    });
  });
}

/** dx [N, H, W, C] = dy [N, C] / (H W), a task being one image. */
export function globalAverageGradientProgram(area: number, channels: number): WasmProgram {
  return wasmProgram(`globalAveragePoolGradient ${area} ${channels}`, m => {
    m.function('run', { start: i32, end: i32, dy: i32, dx: i32 }, (f, { start, end, dy, dx }) => {
      f.for(start, end, 1, image => {
        const from = f.let(dy.add(image.mul(channels * 4)));
        const to = f.let(dx.add(image.mul(area * channels * 4)));
        f.repeat(area, () => {
          forEachChannelBlock(f, channels, 4, (lanes, count, channel) => {
            for (const v of indices(count)) {
              const perPixel = lanes.load(from.add(channel), v * 16).mul(lanes.all(1 / area));
              f.store(to.add(channel), perPixel, v * 16);
            }
          });
          f.advance(to, channels * 4);
        });
      });
    });
  });
}
