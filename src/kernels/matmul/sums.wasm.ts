/** What a register tile adds up in: float32, or float64 on devices of highest precision. */
import { type F32x4, type FunctionBuilder, f32x4, f64x2, type I32 } from '../../devices/wasm/assembler/module.ts';
import { both, demote, type F64x4, promote } from '../float64.wasm.ts';

/** The sums of a tile: what is added and kept where, seen from outside as float32, saved as they are. */
export interface Sums {
  /** Bytes of a saved vector. */
  readonly bytes: number;
  save(row: number, vector: number, address: I32, offset: number): void;
  restore(row: number, vector: number, address: I32, offset: number): void;
  addSaved(row: number, vector: number, address: I32, offset: number): void;
  get(row: number, vector: number): F32x4;
  set(row: number, vector: number, value: F32x4): void;
  /** Adds rows[i] * columns to the sums of every row. */
  addProducts(rows: readonly F32x4[], vector: number, columns: F32x4): void;
}

export class Float32Sums implements Sums {
  readonly bytes = 16;
  readonly #f: FunctionBuilder;
  readonly #relaxed: boolean;
  readonly #sums: readonly (readonly F32x4[])[];

  constructor(f: FunctionBuilder, rows: number, vectors: number, relaxed: boolean) {
    this.#f = f;
    this.#relaxed = relaxed;
    this.#sums = Array.from({ length: rows }, () => Array.from({ length: vectors }, () => f.local(f32x4)));
  }
  save(row: number, vector: number, address: I32, offset: number): void {
    this.#f.store(address, this.#sums[row][vector], offset);
  }
  restore(row: number, vector: number, address: I32, offset: number): void {
    this.set(row, vector, address.f32x4(offset));
  }
  addSaved(row: number, vector: number, address: I32, offset: number): void {
    this.set(row, vector, this.get(row, vector).add(address.f32x4(offset)));
  }
  get(row: number, vector: number): F32x4 {
    return this.#sums[row][vector];
  }
  set(row: number, vector: number, value: F32x4): void {
    this.#f.set(this.#sums[row][vector], value);
  }
  addProducts(rows: readonly F32x4[], vector: number, columns: F32x4): void {
    rows.forEach((row, i) => {
      this.set(i, vector, row.multiplyAdd(columns, this.#sums[i][vector], this.#relaxed));
    });
  }
}

/** The product of two float32 has 48 binary digits, which float64 holds: nothing is rounded but the sum, in its 53rd. */
export class Float64Sums implements Sums {
  readonly bytes = 32;
  readonly #f: FunctionBuilder;
  /** [row][vector] */
  readonly #sums: readonly (readonly F64x4[])[];

  constructor(f: FunctionBuilder, rows: number, vectors: number) {
    this.#f = f;
    const pair = () => both(() => f.local(f64x2));
    this.#sums = Array.from({ length: rows }, () => Array.from({ length: vectors }, pair));
  }
  save(row: number, vector: number, address: I32, offset: number): void {
    this.#sums[row][vector].forEach((sum, half) => {
      this.#f.store(address, sum, offset + 16 * half);
    });
  }
  restore(row: number, vector: number, address: I32, offset: number): void {
    this.#assign(
      row,
      vector,
      both(half => address.f64x2(offset + 16 * half)),
    );
  }
  addSaved(row: number, vector: number, address: I32, offset: number): void {
    const sum = this.#sums[row][vector];
    this.#assign(
      row,
      vector,
      both(half => sum[half].add(address.f64x2(offset + 16 * half))),
    );
  }
  get(row: number, vector: number): F32x4 {
    return demote(this.#sums[row][vector]);
  }
  set(row: number, vector: number, value: F32x4): void {
    this.#assign(row, vector, promote(this.#f, value));
  }
  addProducts(rows: readonly F32x4[], vector: number, columns: F32x4): void {
    const wide = promote(this.#f, columns);
    rows.forEach((row, i) => {
      const factor = this.#f.let(row.promoteLow()); // a broadcast: its lanes are all the same
      const sum = this.#sums[i][vector];
      this.#assign(
        i,
        vector,
        both(half => sum[half].add(factor.mul(wide[half]))),
      );
    });
  }
  #assign(row: number, vector: number, value: F64x4): void {
    this.#sums[row][vector].forEach((sum, half) => {
      this.#f.set(sum, value[half]);
    });
  }
}
