/**
 * The register tile: the innermost loop of every contraction on the WebAssembly device. A tile of R rows by 4 V columns
 * of C stays in registers while the contraction runs over k:
 *
 *     acc[i][j] += A[i, k] * B[k, 4 j .. 4 j + 3]       each step: V vector loads of B, R broadcast loads of A
 *
 * Register budget: x86-64 has 16 vector registers, V8 keeps one for itself and hoists *all* loads of a loop body above its
 * arithmetic, so accumulators + loads + one temporary must fit 15. R x V = 4 x 2 needs 8 + (4 + 2) + 1 = 15, and 2 x 4
 * the same; unrolling k by hand doubles the loads and spills (measured: 22-45 instead of 60 GFLOP/s per thread). V8
 * unrolls the loop once by itself. The loop ends when A's pointer arrives, which saves a counter.
 *
 * A's rows are reached through constant offsets from one pointer, so the same loop reads a packed panel (offsets 0, 4, 8,
 * 12, step 16), the rows of a matrix as they lie (offsets i * row length, step 4) or, in a convolution, neighbouring
 * pixels (offsets i * channels) or taps.
 */
import type { WasmAdapterInfo } from '../../devices/kernel.ts';
import { F32x4, type FunctionBuilder, I32, type I32Like } from '../../devices/wasm/assembler/module.ts';
import { Float32Sums, Float64Sums, type Sums } from './sums.wasm.ts';

/** Rows of the tile that fills the register file. */
export const TILE_ROWS = 4;

/**
 * Columns of the tile for a product of `columns` columns: 8, or 16 where pairs of vectors are one register. A column's sum
 * is the same in both, so the choice changes no bits.
 */
export const tileColumns = ({ wide }: Pick<WasmAdapterInfo, 'wide'>, columns: number): number =>
  wide && columns > 8 ? 16 : 8;

/** What the assembler is told of a program of such tiles. */
export const wideTiles = ({ tileWidth }: { readonly tileWidth: number }): { wide: boolean } => ({
  wide: tileWidth === 16,
});

/** Bytes of one stored tile. */
export const tileBytes = (columns: number): number => TILE_ROWS * columns * 4;
/** Bytes of one row of a tile that was put aside. */
export const savedRowBytes = (columns: number, float64: boolean): number => columns * (float64 ? 8 : 4);

/** The smaller of two signed integers. */
export function minimum(a: I32, b: I32Like): I32 {
  const bound = typeof b === 'number' ? I32.constant(b) : b;
  return a.lt(bound).select(a, bound);
}

export interface TileOptions {
  /** Byte offsets of the rows of A from its pointer. */
  readonly rows: readonly number[];
  /** Columns: 8 or 16, see `tileColumns`. */
  readonly columns: number;
  /** Fused multiply-add through relaxed SIMD. */
  readonly relaxed: boolean;
  /** Sums in float64: rounded once, at about a quarter of the speed. */
  readonly float64?: boolean;
}

/** What one tile adds up: where its operands begin and how far the pointers move with each k. */
export interface TileSum {
  readonly a: I32;
  readonly b: I32;
  /** Bytes between consecutive k; A's must not be 0. */
  readonly stepA: I32Like;
  readonly stepB: I32Like;
  /** Number of steps; may be 0. */
  readonly depth: I32Like;
}

export class RegisterTile {
  readonly #f: FunctionBuilder;
  readonly #rows: readonly number[];
  readonly #vectors: number;
  readonly #sums: Sums;

  constructor(f: FunctionBuilder, { rows, columns, relaxed, float64 = false }: TileOptions) {
    const vectors = columns / 4;
    this.#f = f;
    this.#rows = rows;
    this.#vectors = vectors;
    this.#sums = float64 ? new Float64Sums(f, rows.length, vectors) : new Float32Sums(f, rows.length, vectors, relaxed);
  }

  /** Visits every place of the tile. */
  #each(visit: (row: number, vector: number) => void): void {
    for (let row = 0; row < this.#rows.length; row++) {
      for (let vector = 0; vector < this.#vectors; vector++) visit(row, vector);
    }
  }

  /** Starts from zeros. */
  clear(): void {
    this.#each((i, j) => this.#sums.set(i, j, F32x4.constant(0, 0, 0, 0)));
  }

  /** Starts every row from one row of values (a bias). */
  startFromRow(address: I32): void {
    this.#each((i, j) => this.#sums.set(i, j, address.f32x4(16 * j)));
  }

  /** Puts the sums aside as they are (`savedRowBytes` for each row), to go on with them later. */
  save(address: I32): void {
    this.#eachSaved((i, j, offset) => this.#sums.save(i, j, address, offset));
  }

  restore(address: I32): void {
    this.#eachSaved((i, j, offset) => this.#sums.restore(i, j, address, offset));
  }

  addSaved(address: I32): void {
    this.#eachSaved((i, j, offset) => this.#sums.addSaved(i, j, address, offset));
  }

  #eachSaved(visit: (row: number, vector: number, offset: number) => void): void {
    this.#each((i, j) => visit(i, j, (i * this.#vectors + j) * this.#sums.bytes));
  }

  /** Four columns of a row. */
  value(row: number, vector: number): F32x4 {
    return this.#sums.get(row, vector);
  }

  /** Starts from a stored tile whose rows are `rowBytes` apart. */
  load(address: I32, rowBytes: number): void {
    this.#each((i, j) => this.#sums.set(i, j, address.f32x4(i * rowBytes + 16 * j)));
  }

  store(address: I32, rowBytes: number): void {
    this.#each((i, j) => this.#f.store(address, this.#sums.get(i, j), i * rowBytes + 16 * j));
  }

  /** Stores to rows whose distance is known only at run time. */
  storeRows(address: I32, rowBytes: I32): void {
    const row = this.#f.let(address);
    this.#each((i, j) => {
      if (i > 0 && j === 0) this.#f.advance(row, rowBytes);
      this.#f.store(row, this.#sums.get(i, j), 16 * j);
    });
  }

  /** max(acc, 0); a NaN stays a NaN. (V8 packs constants, but not broadcasts of constants.) */
  relu(): void {
    this.#each((i, j) => this.#sums.set(i, j, this.#sums.get(i, j).pmax(F32x4.constant(0, 0, 0, 0))));
  }

  /** Adds the products. The locals `a` and `b` end up `depth` steps further on. */
  accumulate({ a, b, stepA, stepB, depth }: TileSum): void {
    const f = this.#f;
    const loop = () => {
      const end = f.let(a.add(I32.constant(1).mul(stepA).mul(depth)));
      f.doWhile(
        () => {
          const rows = this.#rows.map(offset => f.let(a.f32x4Splat(offset)));
          for (let j = 0; j < this.#vectors; j++) this.#sums.addProducts(rows, j, f.let(b.f32x4(16 * j)));
          f.advance(a, stepA);
          f.advance(b, stepB);
        },
        () => a.ne(end),
      );
    };
    if (depth instanceof I32) f.if(depth, loop);
    else if (depth > 0) loop();
  }
}

/**
 * Copies the valid part of a stored tile to C: the edges of a matrix whose sizes are not multiples of the tile.
 */
export function copyTileEdge(
  f: FunctionBuilder,
  edge: { tile: I32; tileColumns: number; c: I32; rowBytes: I32; rows: I32; columns: I32 },
): void {
  f.for(0, edge.rows, 1, i => {
    const from = f.let(edge.tile.add(i.mul(edge.tileColumns * 4)));
    const to = f.let(edge.c.add(i.mul(edge.rowBytes)));
    f.for(0, edge.columns, 1, j => f.store(to.add(j.shl(2)), from.add(j.shl(2)).f32()));
  });
}
