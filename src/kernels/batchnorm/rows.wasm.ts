/**
 * How the WebAssembly kernels walk over x [count, C]. Four consecutive values should belong to four fixed channels
 * whatever C is, so `fold` rows are read as one row of W = fold C columns, W a multiple of 4 and at least 16: column
 * w holds channel w mod C, and per-channel vectors are laid out `fold` times in a table of W entries. The count mod fold
 * rows at the end (the tail) are few and done on their own.
 *
 * All walks take a band of four rows at once and go along them from left to right, so that what belongs to a column
 * (parameters or sums, which stay in the first-level cache) is loaded and stored once for all four. Short rows of a band are
 * neighbours, and memory is read as it lies. Long ones are far apart, so that each of the four runs through many pages in
 * order, which is what prefetchers follow. `bands.wasm.ts` holds the reductions, this file the layout and the elementwise
 * passes.
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

/** How a stretch of rows is walked over, four at a time. */
export interface Bands {
  /** Rows of a whole stretch. */
  readonly height: number;
  /** Rows from one row of a band to the next. */
  readonly apart: number;
}

export const BAND = 4;
/** Columns from which on the rows of a band lie apart. */
const LONG_ROW = 64;

/**
 * Stretches of about `bytes`, of eight rows at least. Where the rows of a band are apart, not by whole pages (for widths
 * that are powers of two up to 512): they would get into each other's way in the first-level cache.
 */
export function bandsOf({ width }: RowLayout, bytes: number, mostRows = Number.MAX_SAFE_INTEGER): Bands {
  const rows = Math.min(mostRows, Math.max(8, Math.floor(bytes / (4 * width))));
  if (width < LONG_ROW) return { height: rows, apart: 1 };
  const apart = Math.max(2, (Math.floor(rows / BAND) - 1) | 1);
  return { height: BAND * apart, apart };
}

/**
 * `emit` for the bands of a stretch of `rows` rows, then for single rows. It works at the first row of a band, the others lie
 * `apart` further on each, and goes on to the next row; `skip` goes on by so many rows.
 */
export function forEachBandOf(
  f: FunctionBuilder,
  { height, apart }: Bands,
  rows: I32,
  emit: (rows: 1 | typeof BAND) => void,
  skip: (rows: number) => void,
): void {
  const left = f.let(rows);
  if (apart === 1) {
    const bands = f.let(rows.divU(BAND));
    f.if(bands, () =>
      f.repeat(bands, () => {
        emit(BAND);
        skip(BAND - 1);
      }),
    );
    f.set(left, rows.remU(BAND));
  } else {
    f.if(rows.eq(height), () => {
      f.repeat(apart, () => emit(BAND));
      skip((BAND - 1) * apart);
      f.set(left, I32.constant(0));
    });
  }
  f.if(left, () => f.repeat(left, () => emit(1)));
}

/** The smaller of two signed integers. */
export const smaller = (a: I32, b: I32 | number): I32 => a.lt(b).select(a, typeof b === 'number' ? I32.constant(b) : b);

/**
 * Tasks of an elementwise pass: stretches of rows; the last one includes the tail. 128 KiB each, because with 16 the
 * prefetchers lose their way too often (a fifth slower); less where there would be too few for many threads.
 */
export function elementwiseTasks(layout: RowLayout): { bands: Bands; tasks: number; grain: number } {
  const { rows, width } = layout;
  let elements = 32768;
  while (elements > 4096 && rows * width < 16 * elements) elements /= 2;
  const bands = bandsOf(layout, 4 * elements);
  const tasks = Math.max(1, Math.ceil(rows / bands.height));
  return { bands, tasks, grain: grainOf(bands.height * width) };
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
  /** Of a task. */
  readonly bands: Bands;
  /** Rows of the table. */
  readonly parameters: number;
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
  const { width, bands } = walk;
  const { start, end, rows, tail, table } = range;
  const task = f.local(i32);
  f.set(task, end);
  f.while(
    () => task.gt(start),
    () => {
      f.advance(task, -1);
      const row = f.let(task.mul(bands.height));
      const rowCount = f.let(smaller(rows.sub(row), bands.height));
      const origin = f.let(row.mul(width * 4));
      const pointers = arrays.map(array => f.let(array.add(origin)));
      forEachBandOf(
        f,
        bands,
        rowCount,
        count => emitRows(f, walk, count, table, pointers, emit),
        skipped => {
          for (const pointer of pointers) f.advance(pointer, skipped * width * 4);
        },
      );
      f.if(rowCount.add(row).eq(rows), () => emitTail(f, walk, tail, table, pointers, emit));
    },
  );
}

/** A band of `count` rows from left to right, four vectors of columns at a time, the parameters of each loaded once. */
function emitRows(
  f: FunctionBuilder,
  { width, parameters, bands }: ElementWalk,
  count: number,
  table: I32,
  pointers: readonly I32[],
  emit: ElementBody,
): void {
  const column = f.let(table);
  forEachColumn(f, width, [...pointers, column], offset => {
    const held = Array.from({ length: parameters }, (_, part) => f.let(column.f32x4(part * width * 4 + offset)));
    for (let row = 0; row < count; row++) {
      emit(fourLanes, pointers, row * bands.apart * width * 4 + offset, held);
    }
  });
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
