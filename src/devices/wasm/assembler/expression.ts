/**
 * Typed expressions. `x.add(y)` builds a tree; the function builder writes it out as stack code when a statement uses
 * it. A tree that is used twice is computed twice, so what is wanted twice goes through `f.let`. The classes are the
 * types: `I32` (also addresses) and `F32` (scalars.ts), and the ways to read a 128-bit vector, `F32x4` and `I32x4`
 * (vectors.ts) and `F64x2` (doubles.ts). Loads are methods of the address: `pointer.f32x4(16)` reads the vector 16 bytes
 * after `pointer`.
 *
 * Each type makes values of the others, yet a file knows only those above it in this list: where an older type makes a
 * younger one (a load of a vector, a splat), the younger one's file gives it that method.
 */
import type { ByteWriter } from './encoding.ts';

export type Emit = (out: ByteWriter) => void;

const SIMD = 0xfd;

/** Writes a vector instruction. */
export const simd = (out: ByteWriter, opcode: number): void => {
  out.byte(SIMD);
  out.unsigned(opcode);
};

export abstract class Expression {
  readonly emit: Emit;
  /** Index of the local this expression reads, or -1 for a computed value. */
  readonly local: number;
  constructor(emit: Emit, local = -1) {
    this.emit = emit;
    this.local = local;
  }
}

/** A value type: its code in the binary format and how to make an expression of it. */
export interface ValueType<E extends Expression> {
  readonly code: number;
  make(emit: Emit, local?: number): E;
}

/** Code of a load: the address, what `instruction` writes, the alignment as a power of two, the offset in bytes. */
export function load(address: Expression, instruction: Emit, align: number, offset: number): Emit {
  return out => {
    address.emit(out);
    instruction(out);
    out.unsigned(align);
    out.unsigned(offset);
  };
}
