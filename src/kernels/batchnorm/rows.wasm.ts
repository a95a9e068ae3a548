/**
 * How the WebAssembly kernels walk over x [count, C]. Four consecutive values should belong to four fixed channels
 * whatever C is, so `fold` rows are read as one row of W = fold C columns, W a multiple of 16 where that is cheap: column
 * w holds channel w mod C, and per-channel vectors are laid out `fold` times in a table of W entries. The count mod fold
 * rows at the end (the tail) are few and done on their own.
 *
 * All walks take two or four neighbouring rows at once and go along them from left to right, so that memory is read as it
 * lies and what belongs to a column (parameters or sums, which stay in the first-level cache) is loaded and stored once
 * for all of these rows. `bands.wasm.ts` holds the reductions, this file the layout and the elementwise passes.
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

/** Fewest tasks of `elements` each worth another thread. */
export const grainOf = (elements: number): number => Math.max(1, Math.ceil(32768 / Math.max(1, elements)));

/** The smaller of two signed integers. */
export const smaller = (a: I32, b: I32 | number): I32 => a.lt(b).select(a, typeof b === 'number' ? I32.constant(b) : b);

/**
 * Tasks of an elementwise pass: stretches of rows; the last one includes the tail. 128 KiB each, because with 16 the
 * prefetchers lose their way too often (a fifth slower); less where there would be too few for many threads.
 */
export function elementwiseTasks({ rows, width }: RowLayout): { rowsPerTask: number; tasks: number; grain: number } {
  let elements = 32768;
  while (elements > 4096 && rows * width < 16 * elements) elements /= 2;
  const rowsPerTask = Math.max(1, Math.floor(elements / width));
  return { rowsPerTask, tasks: Math.max(1, Math.ceil(rows / rowsPerTask)), grain: grainOf(rowsPerTask * width) };
}

/** The body of an elementwise loop: addresses of the current element in each array, and its parameters. */
export type ElementBody = (
  lanes: Lanes,
  pointers: readonly I32[],
  offset: number,
  parameters: readonly F32x4[],
) => void;

export interface ElementWalk {
  readonly width: number;
  readonly rowsPerTask: number;
  /** Rows of the table. */
  readonly parameters: number;
  /** Rows to treat at once. */
  readonly band: 1 | 2;
}

/**
 * Calls `emit` for the loop bodies of an elementwise pass over `arrays` of x's shape with parameters from
 * the rows of a table of W columns. Runs from the end to the start: what the reduction before it read last is still
 * in the cache.
 */
export function forEachElement(
  f: FunctionBuilder,
  walk: ElementWalk,
  range: { start: I32; end: I32; rows: I32; tail: I32; table: I32 },
  arrays: readonly I32[],
  emit: ElementBody,
): void {
  const { width, rowsPerTask, band } = walk;
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
      f.if(rowCount.ge(band), () =>
        f.repeat(rowCount.divU(band), () => emitRows(f, walk, band, table, pointers, emit)),
      );
      const rest = f.let(rowCount.and(band - 1));
      f.if(rest, () => f.repeat(rest, () => emitRows(f, walk, 1, table, pointers, emit)));
      f.if(rowCount.add(row).eq(rows), () => emitTail(f, walk, tail, table, pointers, emit));
    },
  );
}

/** `emit` for bands of `band` rows, then of one row for what is left. */
export function forEachBandOf(f: FunctionBuilder, band: 1 | 2 | 4, rows: I32, emit: (rows: number) => void): void {
  const whole = f.let(rows.divU(band));
  f.if(whole, () => f.repeat(whole, () => emit(band)));
  if (band === 1) return;
  const rest = f.let(rows.and(band - 1));
  f.if(rest, () => f.repeat(rest, () => emit(1)));
}

/** `count` rows from left to right, four vectors of columns at a time, the parameters of each loaded once. */
function emitRows(
  f: FunctionBuilder,
  { width, parameters }: ElementWalk,
  count: number,
  table: I32,
  pointers: readonly I32[],
  emit: ElementBody,
): void {
  const column = f.let(table);
  forEachColumn(f, width, [...pointers, column], offset => {
    const held = Array.from({ length: parameters }, (_, part) => f.let(column.f32x4(part * width * 4 + offset)));
    for (let row = 0; row < count; row++) emit(fourLanes, pointers, row * width * 4 + offset, held);
  });
  if (count > 1) for (const pointer of pointers) f.advance(pointer, (count - 1) * width * 4);
}

/**
 * A loop over W columns, four vectors of four at a time, then the rest: `emit` gets the byte offset of each vector from the
 * `pointers`, which move along.
 */
export function forEachColumn(
  f: FunctionBuilder,
  width: number,
  pointers: readonly I32[],
  emit: (offset: number) => void,
): void {
  const some = (count: number): void => {
    for (let v = 0; v < count; v++) emit(16 * v);
    for (const pointer of pointers) f.advance(pointer, 16 * count);
  };
  f.repeat(Math.floor(width / 16), () => some(4));
  const rest = (width / 4) % 4;
  if (rest > 0) some(rest);
}

function emitTail(
  f: FunctionBuilder,
  { width, parameters }: ElementWalk,
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
        const held = Array.from({ length: parameters }, (_, part) => f.let(lanes.load(column, part * width * 4)));
        emit(lanes, pointers, 0, held);
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
