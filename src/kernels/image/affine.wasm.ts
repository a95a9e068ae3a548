/**
 * Affine maps in WebAssembly: a task is a row, and the lanes are four neighbouring output pixels. Coordinates, weights,
 * borders and addresses of the four taps are computed in vectors, once for all channels; only the loads are single.
 */
import { input, output, type WasmVariant } from '../../devices/kernel.ts';
import {
  F32x4,
  type FunctionBuilder,
  type I32,
  I32x4,
  i32,
  splatI32,
  wasmProgram,
} from '../../devices/wasm/assembler/module.ts';
import type { AffineParams } from './resample.ts';

/** Fewest values worth a second thread. */
const GRAIN_VALUES = 4096;

/** One of the four neighbours of four pixels: where they lie (bytes into the image), and which of them exist. */
interface Tap {
  readonly offsets: I32x4;
  readonly inside: I32x4;
}

/** Emits: the values of four neighbours, zeros where there are none. */
function gather(f: FunctionBuilder, channel: I32, { offsets, inside }: Tap): F32x4 {
  let values = channel.add(offsets.lane(0)).f32x4Zero();
  for (let lane = 1; lane < 4; lane++) values = values.replaceLane(lane, channel.add(offsets.lane(lane)).f32());
  return f.let(values.bits().and(inside).asF32x4());
}

const program = wasmProgram('affineImages', m => {
  const parameters = { start: i32, end: i32, x: i32, matrices: i32, y: i32, height: i32, width: i32, channels: i32 };
  m.function('run', parameters, (f, { start, end, x, matrices, y, height, width, channels }) => {
    const [heights, widths] = [height, width].map(extent => f.let(splatI32(extent)));
    const zero = I32x4.constant(0, 0, 0, 0);
    const pixelBytes = f.let(channels.shl(2));
    f.for(start, end, 1, task => {
      const n = f.let(task.divU(height));
      const row = f.let(task.sub(n.mul(height)).toF32S());
      const matrix = f.let(matrices.add(n.mul(24)));
      const image = f.let(x.add(n.mul(height).mul(width).mul(pixelBytes)));
      const perColumn = [0, 12].map(at => f.let(matrix.f32x4Splat(at)));
      const rowStart = [0, 12].map(at =>
        f.let(
          matrix
            .f32(at + 4)
            .mul(row)
            .add(matrix.f32(at + 8))
            .splat(),
        ),
      );
      f.for(0, width, 4, column => {
        const columns = f.let(
          splatI32(column)
            .add(I32x4.constant(0, 1, 2, 3))
            .toF32x4S(),
        );
        const [sourceX, sourceY] = [0, 1].map(axis => f.let(perColumn[axis].mul(columns).add(rowStart[axis])));
        const [u, v] = [sourceX, sourceY].map(source => f.let(source.sub(source.floor())));
        const [left, top] = [sourceX, sourceY].map(source => f.let(source.floor().truncateToI32x4()));
        const taps = [0, 1, 2, 3].map((corner): Tap => {
          const tapX = f.let(left.add(corner & 1));
          const tapY = f.let(top.add(corner >> 1));
          const inside = tapX.ge(zero).and(tapX.lt(widths)).and(tapY.ge(zero)).and(tapY.lt(heights));
          const nearX = tapX.maxS(zero).minS(widths.sub(1));
          const nearY = tapY.maxS(zero).minS(heights.sub(1));
          return { inside: f.let(inside), offsets: f.let(nearY.mul(widths).add(nearX).mul(splatI32(pixelBytes))) };
        });
        const one = F32x4.constant(1, 1, 1, 1);
        const weights = [one.sub(u).mul(one.sub(v)), u.mul(one.sub(v)), one.sub(u).mul(v), u.mul(v)].map(w => f.let(w));
        const to = f.let(y.add(task.mul(width).add(column).mul(pixelBytes)));
        const left4 = f.let(width.sub(column));
        f.for(0, pixelBytes, 4, at => {
          const channel = f.let(image.add(at));
          const terms = taps.map((tap, corner) => weights[corner].mul(gather(f, channel, tap)));
          const value = f.let(terms[0].add(terms[1]).add(terms[2].add(terms[3])));
          for (let lane = 0; lane < 4; lane++) {
            f.if(left4.gt(lane), () => f.storeLane(to.add(at).add(pixelBytes.mul(lane)), value, lane));
          }
        });
      });
    });
  });
});

export const affineImagesWasm: readonly WasmVariant<AffineParams>[] = [
  {
    name: 'four-pixels',
    applies: () => true,
    plan([{ shape }]) {
      const [batch, height, width, channels] = shape;
      const args = [input(0), input(1), output(0), height, width, channels];
      const grain = Math.ceil(GRAIN_VALUES / Math.max(1, width * channels));
      return { passes: [{ program, entry: 'run', tasks: batch * height, args, grain }] };
    },
  },
];
