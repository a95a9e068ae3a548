/**
 * Maximum pooling. The forward pass needs only the largest value: `pmax` is one instruction but forgets a NaN, so a mask
 * remembers whether there was one. Gradient and pick need to know which pixel won: the first of equals, or the last NaN.
 */
import {
  type F32x4,
  type FunctionBuilder,
  type I32,
  type I32x4,
  i32,
  splatI32,
  type WasmProgram,
  wasmProgram,
} from '../../devices/wasm/assembler/module.ts';
import type { Lanes } from '../lanes.wasm.ts';
import type { WindowShape } from './pool.ts';
import {
  clearUncovered,
  forEachChannelBetween,
  forEachChannelBlock,
  forEachOutputPixel,
  forEachWindowPixel,
  type OutputPixel,
  pixelOffsets,
  smaller,
  vectorsPerBlock,
  windowKey,
  windowProgram,
} from './windows.wasm.ts';

const indices = (count: number): number[] => [...Array(count).keys()];

/** y = the largest value of each window. */
export function maxPoolProgram(shape: WindowShape): WasmProgram {
  return windowProgram('maxPool2d', shape, (f, { x, y }, pixel) => {
    forEachChannelBlock(f, shape.channels, vectorsPerBlock(shape), (lanes, count, channel) => {
      const vectors = indices(count);
      const first = f.let(pixel.first.add(channel));
      const best = vectors.map(() => f.let(lanes.all(Number.NEGATIVE_INFINITY)));
      const notANumber = lanes.width === 4 ? vectors.map(() => f.let(splatI32(0))) : [];
      forEachWindowPixel(f, shape, pixel, first, (offset, constant) => {
        for (const v of vectors) {
          const load = lanes.load(x.add(offset), constant + v * 16);
          if (lanes.width === 1) {
            f.set(best[v], best[v].max(load)); // the scalar instruction passes NaN on
            continue;
          }
          const value = f.let(load);
          f.set(best[v], best[v].pmax(value));
          f.set(notANumber[v], notANumber[v].or(value.ne(value)));
        }
      });
      for (const v of vectors) {
        const result = lanes.width === 4 ? best[v].bits().or(notANumber[v]).asF32x4() : best[v];
        f.store(y.add(pixel.out).add(channel), result, v * 16);
      }
    });
  });
}

/** Whether `value` beats the best so far: larger, or NaN. */
const beats = (value: F32x4, best: F32x4): I32x4 => value.gt(best).or(value.ne(value));

/** y = v at the winner of each window of x. */
export function maxPoolPickProgram(shape: WindowShape): WasmProgram {
  return windowProgram('maxPool2dPick', shape, (f, { x, y, v }, pixel) => {
    forEachChannelBlock(f, shape.channels, 1, (lanes, _, channel) => {
      const first = f.let(pixel.first.add(channel));
      const best = f.let(lanes.load(x.add(first)));
      const picked = f.let(lanes.load(v.add(first)));
      forEachWindowPixel(f, shape, pixel, first, (offset, constant) => {
        const value = f.let(lanes.load(x.add(offset), constant));
        const mask = f.let(beats(value, best));
        f.set(best, lanes.where(mask, value, best));
        f.set(picked, lanes.where(mask, lanes.load(v.add(offset), constant), picked));
      });
      f.store(y.add(pixel.out).add(channel), picked);
    });
  });
}

/** Byte offsets in x of a window's winners, one for each of a few channels. */
export function findWinner(
  f: FunctionBuilder,
  shape: WindowShape,
  { x, pixel, lanes, channel }: { x: I32; pixel: OutputPixel; lanes: Lanes; channel: I32 },
): I32x4 {
  const first = f.let(pixel.first.add(channel));
  const best = f.let(lanes.load(x.add(first)));
  const winner = f.local(lanes.integerType);
  f.set(winner, lanes.allIntegers(first));
  forEachWindowPixel(f, shape, pixel, first, (offset, constant) => {
    const value = f.let(lanes.load(x.add(offset), constant));
    const mask = f.let(beats(value, best));
    f.set(best, lanes.where(mask, value, best));
    f.set(winner, mask.select(lanes.allIntegers(offset.add(constant)), winner));
  });
  return winner;
}

/**
 * dx for windows that may overlap: a task is one image, or one of `blocks` parts of its channels, which it clears and then
 * adds every window's gradient to, at the winner, in row-major order of the windows.
 */
export function maxPoolGradientProgram(shape: WindowShape, blocks: number, blockChannels: number): WasmProgram {
  const { channels, height, width, outputHeight } = shape;
  const pixelBytes = channels * 4;
  return wasmProgram(`maxPool2dGradient ${windowKey(shape)} ${blocks} ${blockChannels}`, m => {
    m.function('run', { start: i32, end: i32, x: i32, dy: i32, dx: i32 }, (f, { start, end, x, dy, dx }) => {
      const addWindow = (pixel: OutputPixel, lanes: Lanes, channel: I32): void => {
        const winner = findWinner(f, shape, { x, pixel, lanes, channel });
        const gradient = f.let(lanes.load(dy.add(pixel.out).add(channel)));
        for (let lane = 0; lane < lanes.width; lane++) {
          const at = f.let(dx.add(lanes.integerLane(winner, lane)).add(lane * 4));
          f.store(at, at.f32().add(lanes.lane(gradient, lane)));
        }
      };
      f.for(start, end, 1, task => {
        const image = f.let(task.divU(blocks));
        const firstChannel = f.let(task.sub(image.mul(blocks)).mul(blockChannels * 4));
        const lastChannel = f.let(smaller(firstChannel.add(blockChannels * 4), pixelBytes));
        const origin = f.let(dx.add(image.mul(height * width * pixelBytes)));
        if (blocks === 1) f.fill(origin, 0, height * width * pixelBytes);
        else {
          const at = f.let(origin.add(firstChannel));
          f.repeat(height * width, () => {
            f.fill(at, 0, lastChannel.sub(firstChannel));
            f.advance(at, pixelBytes);
          });
        }
        const firstRow = f.let(image.mul(outputHeight));
        forEachOutputPixel(f, shape, firstRow, f.let(firstRow.add(outputHeight)), pixel => {
          forEachChannelBetween(f, channels, firstChannel, lastChannel, (lanes, channel) =>
            addWindow(pixel, lanes, channel),
          );
        });
      });
    });
  });
}

/**
 * dx for disjoint windows: every window writes its own pixels, once. A task is one row of windows.
 */
export function disjointMaxPoolGradientProgram(shape: WindowShape): WasmProgram {
  const { channels } = shape;
  const offsets = pixelOffsets(shape);
  return windowProgram('maxPool2dGradient disjoint', shape, (f, { x, y: dx, v: dy }, pixel) => {
    forEachChannelBlock(f, channels, 1, (lanes, _, channel) => {
      const first = f.let(pixel.first.add(channel));
      const from = f.let(x.add(first));
      const best = f.let(lanes.load(from, offsets[0]));
      const ahead = offsets.slice(1).map(offset => {
        const value = f.let(lanes.load(from, offset));
        const mask = f.let(beats(value, best));
        f.set(best, lanes.where(mask, value, best));
        return mask;
      });
      const gradient = f.let(lanes.load(dy.add(pixel.out).add(channel)));
      const to = f.let(dx.add(first));
      // From the last pixel to the first: one wins if it beat those before it and none after it beat it.
      for (let i = offsets.length - 1; i >= 0; i--) {
        const wins = i > 0 ? lanes.where(ahead[i - 1], gradient, lanes.all(0)) : gradient;
        f.store(to, wins, offsets[i]);
        if (i > 0) f.set(gradient, lanes.zeroWhere(ahead[i - 1], gradient));
      }
    });
    clearUncovered(f, shape, dx, pixel);
  });
}
