/**
 * How reductions over the rows of x walk. They go by chunks, one task each, whose number follows from the shape; inside a
 * chunk by blocks of at most 64 rows; inside a block by bands of four rows, from left to right. The sums of a block
 * lie in memory, one row of W columns each, and stay in the first-level cache; a band adds to them once for all its rows.
 * At the end of a block its sums are merged into the chunk's. Partial sums over at most 64 rows, then over blocks, then
 * over chunks: the rounding error stays near that of a tree.
 */
import { type F32x4, type FunctionBuilder, type I32, i32, splat } from '../../devices/wasm/assembler/module.ts';
import { type Bands, bandsOf, forEachBandOf, forEachColumn, type RowLayout, smaller } from './rows.wasm.ts';

export interface Chunks {
  /** Of a block: rows whose sums are complete before they are merged into the chunk's. */
  readonly bands: Bands;
  readonly chunkRows: number;
  readonly chunks: number;
}

/** Bytes of a block: blocks of long rows are lower, so that there are enough chunks. */
const BLOCK_BYTES = 128 << 10;
const MOST_BLOCK_ROWS = 64;

/** At most 32 chunks of at least 64 KiB. */
export function chunksOf(layout: RowLayout): Chunks {
  const { rows, width } = layout;
  const bands = bandsOf(layout, BLOCK_BYTES, MOST_BLOCK_ROWS);
  const wanted = Math.min(32, Math.max(1, Math.floor((rows * width) / 16384)));
  const chunkRows = Math.max(1, Math.ceil(Math.ceil(rows / wanted) / bands.height)) * bands.height;
  return { bands, chunkRows, chunks: Math.ceil(rows / chunkRows) };
}

/** Rows of W floats per chunk: two results and the two sums of the block at hand. */
export const PARTIAL_ROWS = 4;

/** Bytes of the partials of all chunks. */
export const partialBytes = ({ width }: RowLayout, { chunks }: Chunks): number => chunks * PARTIAL_ROWS * width * 4;

export interface BandForm {
  readonly width: number;
  /** Of a block. */
  readonly bands: Bands;
}

export interface BandVector {
  /** Byte offset of the band's first row from the array's start, at this band's column. */
  readonly at: I32;
  /** Byte offsets to add to `at` for this column's vector in each row of the band. */
  readonly rows: readonly number[];
  /** Byte offset of the vector from `column` and `first`. */
  readonly offset: number;
  /** Byte offset of the column within any row. */
  readonly column: I32;
  /** Byte offset of the block's first row, at this column. */
  readonly first: I32;
  /** The block's two sums so far. */
  readonly sums: readonly [F32x4, F32x4];
}

export interface BlockVector {
  /** Address of the chunk's first result at this column, and `offset` of the vector there; the second lies W floats on. */
  readonly results: I32;
  readonly offset: number;
  readonly column: I32;
  readonly first: I32;
  readonly sums: readonly [F32x4, F32x4];
}

/**
 * Walks over the chunks start..end. `add` gives the sums of a vector of columns with a band's rows added; `merge` adds a
 * block's sums to the chunk's results, which begin as zeros. `block` is called before the merge of a block, for what all
 * its columns share.
 */
export function forEachBand<Shared>(
  f: FunctionBuilder,
  { width, bands }: BandForm,
  range: { start: I32; end: I32; rows: I32; chunkRows: I32; partials: I32 },
  add: (vector: BandVector) => readonly [F32x4, F32x4],
  block: (rows: I32, rowsBefore: I32) => Shared,
  merge: (vector: BlockVector, shared: Shared) => void,
): void {
  const row4 = width * 4;
  f.for(range.start, range.end, 1, chunk => {
    const results = f.let(range.partials.add(chunk.mul(PARTIAL_ROWS * row4)));
    const firstRow = f.let(chunk.mul(range.chunkRows));
    const chunkEnd = f.let(smaller(firstRow.add(range.chunkRows), range.rows));
    f.fill(results, 0, PARTIAL_ROWS * row4);
    f.for(firstRow, chunkEnd, bands.height, row => {
      const rows = f.let(smaller(chunkEnd.sub(row), bands.height));
      const origin = f.let(row.mul(row4));
      const at = f.let(origin);
      const addBand = (count: number): void => {
        const column = f.local(i32, 0);
        const sums = f.let(results);
        const first = f.let(origin);
        forEachColumn(f, width, [at, column, sums, first], offset => {
          const before = [2, 3].map(part => f.let(sums.f32x4(part * row4 + offset))) as [F32x4, F32x4];
          const rows = Array.from({ length: count }, (_, i) => i * bands.apart * row4 + offset);
          add({ at, rows, offset, column, first, sums: before }).forEach((sum, part) => {
            f.store(sums, sum, (2 + part) * row4 + offset);
          });
        });
      };
      forEachBandOf(f, bands, rows, addBand, skipped => f.advance(at, skipped * row4));

      const shared = block(rows, f.let(row.sub(firstRow)));
      const column = f.local(i32, 0);
      const here = f.let(results);
      const first = f.let(origin);
      forEachColumn(f, width, [here, column, first], offset => {
        const sums = [2, 3].map(part => f.let(here.f32x4(part * row4 + offset))) as [F32x4, F32x4];
        merge({ results: here, offset, column, first, sums }, shared);
        for (const part of [2, 3]) f.store(here, splat(0), part * row4 + offset);
      });
    });
  });
}
