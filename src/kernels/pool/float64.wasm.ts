/**
 * The sums of pooling in float64, for devices of highest precision: means of windows and of images, and the gradients of
 * overlapping windows, each rounded once. Windows are walked over as in the other forms (`windows.wasm.ts`).
 */
import {
  type FunctionBuilder,
  type I32,
  i32,
  type WasmProgram,
  wasmProgram,
} from '../../devices/wasm/assembler/module.ts';
import { assign, combined, type F64x4, held, wideLanes, wideSplat, wideZeros } from '../float64.wasm.ts';
import type { Lanes } from '../lanes.wasm.ts';
import { countedExtent, windowsAround } from './average.wasm.ts';
import { findWinner } from './max.wasm.ts';
import type { WindowShape } from './pool.ts';
import {
  forEachChannelBlock,
  forEachOutputPixel,
  forEachWindowPixel,
  type OutputPixel,
  windowKey,
  windowProgram,
} from './windows.wasm.ts';

const divided = (f: FunctionBuilder, sum: F64x4, count: I32): F64x4 =>
  combined(sum, wideSplat(f, count.toF32S()), 'div');

/** y = the mean of each window. */
export function averagePoolFloat64(shape: WindowShape, countPadding: boolean): WasmProgram {
  return windowProgram(`avgPool2d float64 ${countPadding}`, shape, (f, { x, y }, pixel) => {
    const height = countedExtent(f, shape, 0, pixel.oy, countPadding);
    const width = countedExtent(f, shape, 1, pixel.ox, countPadding);
    forEachChannelBlock(f, shape.channels, 1, ({ width: lanes }, _, channel) => {
      const wide = wideLanes(f, lanes);
      const sum = wideZeros(f);
      forEachWindowPixel(f, shape, pixel, f.let(pixel.first.add(channel)), (offset, constant) =>
        assign(f, sum, combined(sum, wide.load(x.add(offset), constant), 'add')),
      );
      wide.store(y.add(pixel.out).add(channel), divided(f, sum, height.mul(width)));
    });
  });
}

/** dx, a task being one row of input pixels, each of which adds up the shares of the windows that contain it. */
export function averageGradientFloat64(shape: WindowShape, countPadding: boolean): WasmProgram {
  const { height, width, channels, outputHeight, outputWidth } = shape;
  const pixelBytes = channels * 4;
  return wasmProgram(`avgPool2dGradient float64 ${windowKey(shape)} ${countPadding}`, m => {
    m.function('run', { start: i32, end: i32, dy: i32, dx: i32 }, (f, { start, end, dy, dx }) => {
      f.for(start, end, 1, row => {
        const image = f.let(row.divU(height));
        const vertical = windowsAround(f, shape, f.let(row.sub(image.mul(height))), 0);
        const to = f.let(dx.add(row.mul(width * pixelBytes)));
        const from = f.let(dy.add(image.mul(outputHeight * outputWidth * pixelBytes)));
        f.for(0, width, 1, ix => {
          const horizontal = windowsAround(f, shape, ix, 1);
          forEachChannelBlock(f, channels, 1, ({ width: lanes }, _, channel) => {
            const wide = wideLanes(f, lanes);
            const sum = wideZeros(f);
            f.for(vertical.first, vertical.end, 1, oy => {
              const windowHeight = countedExtent(f, shape, 0, oy, countPadding);
              f.for(horizontal.first, horizontal.end, 1, ox => {
                const area = windowHeight.mul(countedExtent(f, shape, 1, ox, countPadding));
                const at = f.let(from.add(oy.mul(outputWidth).add(ox).mul(pixelBytes)).add(channel));
                assign(f, sum, combined(sum, divided(f, wide.load(at), area), 'add'));
              });
            });
            wide.store(to.add(channel), sum);
          });
          f.advance(to, pixelBytes);
        });
      });
    });
  });
}

/** y [N, C] = means over all pixels, a task being one image. */
export function globalAverageFloat64(area: number, channels: number): WasmProgram {
  return wasmProgram(`globalAveragePool float64 ${area} ${channels}`, m => {
    m.function('run', { start: i32, end: i32, x: i32, y: i32, area: i32 }, (f, { start, end, x, y, ...a }) => {
      f.for(start, end, 1, image => {
        forEachChannelBlock(f, channels, 1, ({ width }, _, channel) => {
          const wide = wideLanes(f, width);
          const at = f.let(x.add(image.mul(area * channels * 4)).add(channel));
          const sum = wideZeros(f);
          f.repeat(a.area, () => {
            assign(f, sum, combined(sum, wide.load(at), 'add'));
            f.advance(at, channels * 4);
          });
          wide.store(y.add(image.mul(channels * 4)).add(channel), divided(f, sum, a.area));
        });
      });
    });
  });
}

/** dx [N, H, W, C] = dy [N, C] / (H W), a task being one image. */
export function globalAverageGradientFloat64(area: number, channels: number): WasmProgram {
  return wasmProgram(`globalAveragePoolGradient float64 ${area} ${channels}`, m => {
    m.function('run', { start: i32, end: i32, dy: i32, dx: i32, area: i32 }, (f, { start, end, dy, dx, ...a }) => {
      f.for(start, end, 1, image => {
        forEachChannelBlock(f, channels, 1, ({ width }, _, channel) => {
          const wide = wideLanes(f, width);
          const share = held(f, divided(f, wide.load(dy.add(image.mul(channels * 4)).add(channel)), a.area));
          const to = f.let(dx.add(image.mul(area * channels * 4)).add(channel));
          f.repeat(a.area, () => {
            wide.store(to, share);
            f.advance(to, channels * 4);
          });
        });
      });
    });
  });
}

/**
 * dx of overlapping maxima: a task is one image, whose sums lie in `sums`, as large as the image in float64. They are
 * cleared, every window adds its gradient at its winner, and they are rounded into dx.
 */
export function maxPoolGradientFloat64(shape: WindowShape): WasmProgram {
  const { channels, height, width, outputHeight } = shape;
  const imageBytes = height * width * channels * 4;
  return wasmProgram(`maxPool2dGradient float64 ${windowKey(shape)}`, m => {
    const parameters = { start: i32, end: i32, x: i32, dy: i32, dx: i32, sums: i32 };
    m.function('run', parameters, (f, { start, end, x, dy, dx, sums }) => {
      const addWindow = (pixel: OutputPixel, lanes: Lanes, channel: I32, origin: I32): void => {
        const winner = findWinner(f, shape, { x, pixel, lanes, channel });
        const gradient = f.let(lanes.load(dy.add(pixel.out).add(channel)));
        for (let lane = 0; lane < lanes.width; lane++) {
          const at = f.let(sums.add(lanes.integerLane(winner, lane).sub(origin).shl(1)).add(lane * 8));
          const added = lanes.lane(gradient, lane).splat().promoteLow();
          const sum = f.let(at.f32x4LoadTwo().asF64x2().add(added));
          f.storeLane(at, sum.words(), 0);
          f.storeLane(at, sum.words(), 1, 4);
        }
      };
      f.for(start, end, 1, image => {
        const origin = f.let(image.mul(imageBytes));
        f.fill(sums, 0, 2 * imageBytes);
        const firstRow = f.let(image.mul(outputHeight));
        forEachOutputPixel(f, shape, firstRow, f.let(firstRow.add(outputHeight)), pixel =>
          forEachChannelBlock(f, channels, 1, (lanes, _, channel) => addWindow(pixel, lanes, channel, origin)),
        );
        const to = f.let(dx.add(origin));
        f.for(0, imageBytes, 4, at =>
          f.storeLane(to.add(at), sums.add(at.shl(1)).f32x4LoadTwo().asF64x2().demote(), 0),
        );
      });
    });
  });
}
