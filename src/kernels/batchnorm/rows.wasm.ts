/**
 * How the WebAssembly kernels walk over x [count, C]. Four consecutive values should belong to four fixed channels
 * whatever C is, so `fold` rows are read as one row of W = fold C columns, W a multiple of 16 where that is cheap: column
 * w holds channel w mod C, and per-channel vectors are laid out `fold` times in a table of W entries. The count mod fold
 * rows at the end (the tail) are few and done on their own.
 *
 * Reductions go by chunks, one task each, whose number follows from the shape; inside a chunk by blocks of rows that stay
 * in the first-level cache while a few vectors of columns at a time run down them with their sums in registers. Partial
 * sums over at most 64 rows, then over blocks, then over chunks: the rounding error stays near that of a tree.
 */
import type { Spec } from '../../devices/kernel.ts';
import { type F32x4, type FunctionBuilder, I32, i32 } from '../../devices/wasm/assembler/module.ts';
import { fourLanes, type Lanes, oneLane } from '../lanes.wasm.ts';
import { batchNormSizes } from './batchnorm.ts';

export interface RowLayout {
  readonly channels: number;
  readonly count: number;
  readonly fold: number;
  /** W */
  readonly width: number;
  /** Rows of W columns. */
  readonly rows: number;
  readonly tailRows: number;
}

const greatestCommonDivisor = (a: number, b: number): number => (b === 0 ? a : greatestCommonDivisor(b, a % b));

export function rowLayout(specs: readonly Spec[]): RowLayout {
  const { channels, count } = batchNormSizes(specs);
  let fold = 4 / greatestCommonDivisor(4, channels);
  while (channels > 0 && fold * channels < 16) fold *= 2;
  const rows = Math.floor(count / fold);
  return { channels, count, fold, width: fold * channels, rows, tailRows: count - rows * fold };
}

export interface Chunks {
  /** Rows that run through registers before they are added to the chunk's sums. */
  readonly blockRows: number;
  readonly chunkRows: number;
  readonly chunks: number;
}

/** At most 32 chunks of at least 64 KiB; blocks of `blockBytes` and 8 to 64 rows. */
export function chunksOf({ rows, width }: RowLayout, blockBytes: number): Chunks {
  const blockRows = Math.min(64, Math.max(8, Math.floor(blockBytes / (4 * width))));
  const wanted = Math.min(32, Math.max(1, Math.floor((rows * width) / 16384)));
  const chunkRows = Math.max(1, Math.ceil(Math.ceil(rows / wanted) / blockRows)) * blockRows;
  return { blockRows, chunkRows, chunks: Math.ceil(rows / chunkRows) };
}

/** Fewest tasks of `elements` each worth another thread. */
export const grainOf = (elements: number): number => Math.max(1, Math.ceil(32768 / Math.max(1, elements)));

export interface ColumnBlock {
  /** Vectors of columns to treat at once. */
  readonly vectors: number;
  /** Rows in this block, at least 1. */
  readonly rows: I32;
  /** Rows of the chunk that came before it. */
  readonly rowsBefore: I32;
  /** Byte offset of the block's first column in its first row. */
  readonly first: I32;
  /** Byte offset of the block's first column within any row. */
  readonly column: I32;
  /** Index of the chunk. */
  readonly chunk: I32;
}

/** Calls `emit` for the loop body over blocks of chunks start..end, `vectors` columns of four at a time. */
export function forEachColumnBlock(
  f: FunctionBuilder,
  width: number,
  blockRows: number,
  vectors: number,
  range: { start: I32; end: I32; rows: I32; chunkRows: I32 },
  emit: (block: ColumnBlock) => void,
): void {
  const groups = Math.floor(width / (4 * vectors));
  const rest = (width - groups * 4 * vectors) / 4;
  f.for(range.start, range.end, 1, chunk => {
    const firstRow = f.let(chunk.mul(range.chunkRows));
    const chunkEnd = f.let(smaller(firstRow.add(range.chunkRows), range.rows));
    f.for(firstRow, chunkEnd, blockRows, row => {
      const rows = f.let(smaller(chunkEnd.sub(row), blockRows));
      const rowsBefore = f.let(row.sub(firstRow));
      const origin = f.let(row.mul(width * 4));
      if (groups > 0) {
        f.for(0, groups * vectors * 16, vectors * 16, column => {
          emit({ vectors, rows, rowsBefore, first: f.let(origin.add(column)), column, chunk });
        });
      }
      if (rest > 0) {
        const column = f.local(i32, groups * vectors * 16);
        emit({ vectors: rest, rows, rowsBefore, first: f.let(origin.add(column)), column, chunk });
      }
    });
  });
}

/** The smaller of two signed integers. */
export const smaller = (a: I32, b: I32 | number): I32 => a.lt(b).select(a, typeof b === 'number' ? I32.constant(b) : b);

/** Tasks of an elementwise pass: stretches of rows, about 16 KiB each; the last one includes the tail. */
export function elementwiseTasks({ rows, width }: RowLayout): { rowsPerTask: number; tasks: number; grain: number } {
  const rowsPerTask = Math.max(1, Math.floor(4096 / width));
  return { rowsPerTask, tasks: Math.max(1, Math.ceil(rows / rowsPerTask)), grain: grainOf(rowsPerTask * width) };
}

/** The body of an elementwise loop: addresses of the current element in each array, and its parameters by part. */
export type ElementBody = (
  lanes: Lanes,
  pointers: readonly I32[],
  offset: number,
  parameter: (part: number) => F32x4,
) => void;

/**
 * Calls `emit` for the loop bodies of an elementwise pass over `arrays` of x's shape with parameters from
 * the rows of a table of W columns. Runs from the end to the start: what the reduction before it read last is still
 * in the cache.
 */
export function forEachElement(
  f: FunctionBuilder,
  { width, rowsPerTask }: { width: number; rowsPerTask: number },
  range: { start: I32; end: I32; rows: I32; tail: I32; table: I32 },
  arrays: readonly I32[],
  emit: ElementBody,
): void {
  const { start, end, rows, tail, table } = range;
  const task = f.local(i32);
  f.set(task, end);
  f.while(
    () => task.gt(start),
    () => {
      f.advance(task, -1);
      const row = f.let(task.mul(rowsPerTask));
      const rowCount = f.let(smaller(rows.sub(row), rowsPerTask));
      const origin = f.let(row.mul(width * 4));
      const pointers = arrays.map(array => f.let(array.add(origin)));
      f.if(rowCount.gt(0), () => f.repeat(rowCount, () => emitRow(f, width, table, pointers, emit)));
      f.if(rowCount.add(row).eq(rows), () => emitTail(f, width, tail, table, pointers, emit));
    },
  );
}

/** Rows this short are written out whole; longer ones are loops over four vectors. */
const UNROLLED = 8;

/**
 * One row from left to right, parameters loaded beside the values. Keeping the parameters of two columns in registers and
 * running down the rows with them is slower by a third: the stores then hop from line to line.
 */
function emitRow(f: FunctionBuilder, width: number, table: I32, pointers: readonly I32[], emit: ElementBody): void {
  const vectors = width / 4;
  const run = (column: I32, count: number): void => {
    for (let v = 0; v < count; v++) {
      emit(fourLanes, pointers, v * 16, part => column.f32x4(part * width * 4 + v * 16));
    }
    for (const pointer of pointers) f.advance(pointer, count * 16);
  };
  if (vectors <= UNROLLED) {
    run(table, vectors);
    return;
  }
  const column = f.let(table);
  f.repeat(Math.floor(vectors / 4), () => {
    run(column, 4);
    f.advance(column, 64);
  });
  if (vectors % 4 !== 0) run(column, vectors % 4);
}

function emitTail(
  f: FunctionBuilder,
  width: number,
  tail: I32,
  table: I32,
  pointers: readonly I32[],
  emit: ElementBody,
): void {
  const column = f.let(table);
  for (const lanes of [fourLanes, oneLane]) {
    const count = f.let(lanes.width === 4 ? tail.shrU(2) : tail.and(3));
    f.if(count, () =>
      f.repeat(count, () => {
        emit(lanes, pointers, 0, part => lanes.load(column, part * width * 4));
        for (const pointer of [...pointers, column]) f.advance(pointer, lanes.width * 4);
      }),
    );
  }
}

/**
 * Calls `emit` for every channel of tasks start..end, a task being four channels: with vectors for full tasks, one by one
 * for the last C mod 4 channels. `channel` is a byte offset.
 */
export function forEachChannel(
  f: FunctionBuilder,
  channels: number,
  start: I32,
  end: I32,
  emit: (lanes: Lanes, channel: I32) => void,
): void {
  const full = Math.floor(channels / 4) * 16;
  f.for(start.shl(4), f.let(smaller(f.let(end.shl(4)), full)), 16, channel => emit(fourLanes, channel));
  if (channels % 4 !== 0) {
    f.if(end.shl(4).gt(full), () => f.for(full, channels * 4, 4, channel => emit(oneLane, channel)));
  }
}
