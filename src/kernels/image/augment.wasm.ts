/**
 * Augmentation in WebAssembly, in two passes: a task of the first is an image, whose three Philox blocks fill three lanes;
 * a task of the second is a row. Within a row, what lies inside the image is copied four bytes at a time, reversed where the
 * image is mirrored; only reflected borders go pixel by pixel. The rectangle is laid over the finished row.
 *
 * Decisions are eight words per image: address of the image (-1 where the index names none), shift down, shift right,
 * mirrored, and top, left, height, width of the erased rectangle, of height 0 where there is none.
 */
import { input, output, scratch, type WasmVariant } from '../../devices/kernel.ts';
import {
  type F32x4,
  type FunctionBuilder,
  I32,
  I32x4,
  i32,
  splatI32,
  type WasmProgram,
  wasmProgram,
} from '../../devices/wasm/assembler/module.ts';
import { philoxBlocks, transposeWords } from '../random/philox.wasm.ts';
import { thresholdOf } from '../random/random.ts';
import { type AugmentParams, eraseRectangles, RECTANGLES } from './augment.ts';
import { copyPixels, fillWithNaN, fourPixels } from './gather.wasm.ts';

const DECISION_BYTES = 32;
/** Fewest pixel values worth a second thread. */
const GRAIN_VALUES = 16_384;

/** A whole number in [0, n): the high word of word * n. */
const below = (word: I32, n: I32): I32 => splatI32(word).multiplyWideLowU(splatI32(n)).lane(1);

/** Emits the first lanes of a vector from scalars. */
const lanes = (...values: (I32 | number)[]): I32x4 =>
  values.reduce<I32x4>((vector, value, lane) => vector.replaceLane(lane, value), I32x4.constant(0, 0, 0, 0));

/** The deciding pass. The rectangles, where there are any, are part of the code: written to scratch, then looked up. */
function decideProgram(flip: AugmentParams['flip'], rectangles: Uint32Array | null): WasmProgram {
  return wasmProgram(`augmentImages decide ${flip} ${rectangles ? rectangles.join(' ') : ''}`, m => {
    const arrays = { images: i32, indices: i32, state: i32, decisions: i32, table: i32 };
    const sizes = { count: i32, height: i32, width: i32, bytes: i32 };
    const odds = { crop: i32, threshold: i32, always: i32 };
    m.function('run', { start: i32, end: i32, ...arrays, ...sizes, ...odds }, (f, args) => {
      const { images, indices, state, decisions, table, count, height, width, bytes, crop } = args;
      if (rectangles) {
        for (let i = 0; i < RECTANGLES; i += 4) {
          f.store(table, I32x4.constant(rectangles[i], rectangles[i + 1], rectangles[i + 2], rectangles[i + 3]), 4 * i);
        }
      }
      const key: [I32, I32] = [f.let(state.i32(0)), f.let(state.i32(4))];
      const low = f.let(state.i32(8));
      const high = f.let(state.i32(12));
      const shifts = f.let(crop.shl(1).add(1));
      f.for(args.start, args.end, 1, n => {
        const index = f.let(indices.add(n.shl(2)).i32());
        // Lane 0: block A, lane 1: block B, lane 2: the image's own block.
        const words = philoxBlocks(
          f,
          [lanes(n, n, index), I32x4.constant(1, 2, 0, 0), lanes(low, low), lanes(high, high)],
          key,
        );
        const [a, b, own] = transposeWords(f, words);
        const to = f.let(decisions.add(n.mul(DECISION_BYTES)));
        f.store(to, index.ltU(count).select(images.add(index.mul(bytes)), I32.constant(-1)));
        f.store(to, below(a.lane(0), shifts).sub(crop), 4);
        f.store(to, below(a.lane(1), shifts).sub(crop), 8);
        const mirrored = flip === 'random' ? a.lane(2).and(1) : own.lane(0).xor(high).and(1);
        f.store(to, flip === 'none' ? I32.constant(0) : mirrored, 12);
        if (!rectangles) {
          f.store(to, I32x4.constant(0, 0, 0, 0), 16);
          return;
        }
        const rectangle = f.let(table.add(b.lane(0).shrU(24).shl(2)).i32());
        const eraseHeight = f.let(rectangle.shrU(16));
        const eraseWidth = f.let(rectangle.and(0xffff));
        const erased = a.lane(3).ltU(args.threshold).or(args.always);
        f.store(to, below(b.lane(1), height.sub(eraseHeight).add(1)), 16);
        f.store(to, below(b.lane(2), width.sub(eraseWidth).add(1)), 20);
        f.store(to, erased.select(eraseHeight, I32.constant(0)), 24);
        f.store(to, eraseWidth, 28);
      });
    });
  });
}

/** The pixel that position i shows when the row is mirrored about its first and its last pixel. */
const reflect = (i: I32, extent: I32): I32 =>
  i.lt(0).select(I32.constant(0).sub(i), i.ge(extent).select(extent.sub(1).shl(1).sub(i), i));

const reversed = (pixels: F32x4): F32x4 => pixels.shuffle(pixels, 3, 2, 1, 0);

/** What the functions that write one row work with. */
interface Row {
  /** First byte of the source row and first address of the output row. */
  readonly bytes: I32;
  readonly pixels: I32;
  readonly width: I32;
  readonly channels: I32;
  readonly shift: I32;
  readonly mirrored: I32;
}

/** Emits: output columns [first, end) one value at a time. */
function copyColumns(f: FunctionBuilder, row: Row, first: I32, end: I32): void {
  const { bytes, pixels, width, channels, shift, mirrored } = row;
  f.for(first, end, 1, column => {
    const unflipped = f.let(reflect(f.let(column.add(shift)), width));
    const source = f.let(bytes.add(mirrored.select(width.sub(1).sub(unflipped), unflipped).mul(channels)));
    const target = f.let(pixels.add(column.mul(channels).shl(2)));
    f.for(0, channels, 1, c => f.store(target.add(c.shl(2)), source.add(c).u8().toF32S().div(255)));
  });
}

/** Emits: a whole row, its inside by vectors. */
function copyRow(f: FunctionBuilder, row: Row): void {
  const { bytes, pixels, width, channels, shift, mirrored } = row;
  const zero = I32.constant(0);
  // Output columns whose source lies inside the image.
  const first = f.let(shift.lt(0).select(zero.sub(shift), zero));
  const end = f.let(shift.gt(0).select(width.sub(shift), width));
  copyColumns(f, row, zero, first);
  f.if(
    mirrored.eqz(),
    () => {
      const source = f.let(bytes.add(first.add(shift).mul(channels)));
      const target = f.let(pixels.add(first.mul(channels).shl(2)));
      copyPixels(f, source, target, f.let(end.sub(first).mul(channels)));
    },
    () => {
      const column = f.let(first);
      f.if(channels.eq(1), () => {
        const last = f.let(bytes.add(width.sub(4)).sub(shift));
        f.while(
          () => column.add(4).le(end),
          () => {
            f.store(pixels.add(column.shl(2)), reversed(f.let(fourPixels(last.sub(column)))));
            f.advance(column, 4);
          },
        );
      });
      copyColumns(f, row, column, end);
    },
  );
  copyColumns(f, row, end, width);
}

/** Emits: values [first, end) of image n, counted within the image, become uniform noise. `pixels`: value 0's address. */
function fillWithNoise(f: FunctionBuilder, state: I32, n: I32, pixels: I32, first: I32, end: I32): void {
  const key: [I32, I32] = [f.let(state.i32(0)), f.let(state.i32(4))];
  f.for(f.let(first.and(-16)), end, 16, start => {
    const blocks = splatI32(start.shrU(2).add(3)).add(I32x4.constant(0, 1, 2, 3));
    const words = philoxBlocks(f, [splatI32(n), blocks, splatI32(state.i32(8)), splatI32(state.i32(12))], key);
    transposeWords(f, words).forEach((four, block) => {
      const noise = f.let(
        four
          .shrU(8)
          .toF32x4S()
          .mul(2 ** -24),
      );
      for (let lane = 0; lane < 4; lane++) {
        const value = f.let(start.add(4 * block + lane));
        f.if(value.ge(first).and(value.lt(end)), () => f.storeLane(pixels.add(value.shl(2)), noise, lane));
      }
    });
  });
}

const fetchProgram = (fill: 'none' | 'zero' | 'random'): WasmProgram =>
  wasmProgram(`augmentImages fetch ${fill}`, m => {
    const arrays = { state: i32, decisions: i32, y: i32 };
    const sizes = { height: i32, width: i32, channels: i32 };
    m.function('run', { start: i32, end: i32, ...arrays, ...sizes }, (f, args) => {
      const { state, decisions, y, height, width, channels } = args;
      const rowValues = f.let(width.mul(channels));
      f.for(args.start, args.end, 1, task => {
        const n = f.let(task.divU(height));
        const row = f.let(task.sub(n.mul(height)));
        const decision = f.let(decisions.add(n.mul(DECISION_BYTES)));
        const image = f.let(decision.i32());
        const pixels = f.let(y.add(task.mul(rowValues).shl(2)));
        const show = (): void => {
          const sourceRow = f.let(reflect(f.let(row.add(decision.i32(4))), height));
          const bytes = f.let(image.add(sourceRow.mul(rowValues)));
          const shift = f.let(decision.i32(8));
          copyRow(f, { bytes, pixels, width, channels, shift, mirrored: f.let(decision.i32(12)) });
          if (fill === 'none') return;
          f.if(row.sub(decision.i32(16)).ltU(decision.i32(24)), () => {
            const first = f.let(decision.i32(20).mul(channels));
            const count = f.let(decision.i32(28).mul(channels));
            if (fill === 'zero') {
              f.fill(pixels.add(first.shl(2)), 0, count.shl(2));
            } else {
              const before = f.let(row.mul(rowValues).add(first));
              fillWithNoise(f, state, n, pixels.sub(row.mul(rowValues).shl(2)), before, f.let(before.add(count)));
            }
          });
        };
        f.if(image.ne(-1), show, () => fillWithNaN(f, pixels, rowValues));
      });
    });
  });

export const augmentImagesWasm: readonly WasmVariant<AugmentParams>[] = [
  {
    name: 'rows',
    applies: () => true,
    plan([images, indices], { crop, flip, erase }) {
      const [count, height, width, channels] = images.shape;
      const batch = indices.shape[0];
      const rectangles = erase && eraseRectangles(erase, height, width);
      const { threshold, always } = thresholdOf(erase?.probability ?? 0);
      const bytes = height * width * channels;
      return {
        scratch: [{ bytes: batch * DECISION_BYTES }, { bytes: 4 * RECTANGLES, perThread: true }],
        passes: [
          {
            program: decideProgram(flip, rectangles),
            entry: 'run',
            tasks: batch,
            args: [
              ...[input(0), input(1), input(2), scratch(0), scratch(1)],
              ...[count, height, width, bytes, crop, threshold | 0, always ? 1 : 0],
            ],
            grain: 512,
          },
          {
            program: fetchProgram(erase?.fill ?? 'none'),
            entry: 'run',
            tasks: batch * height,
            args: [input(2), scratch(0), output(0), height, width, channels],
            grain: Math.ceil(GRAIN_VALUES / Math.max(1, width * channels)),
          },
        ],
      };
    },
  },
];
