/**
 * Typed expressions. `x.add(y)` builds a tree; the function builder writes it out as stack code when a statement uses
 * it. A tree that is used twice is computed twice, so what is wanted twice goes through `f.let`. The classes are the
 * types: `I32` (also addresses), `F32`, and the ways to read a 128-bit vector, `F32x4`, `I32x4` and `F64x2`. Loads are
 * methods of the address: `pointer.f32x4(16)` reads the vector 16 bytes after `pointer`.
 */
import type { ByteWriter } from './encoding.ts';

export type Emit = (out: ByteWriter) => void;

const SIMD = 0xfd;
const simd = (out: ByteWriter, opcode: number): void => {
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

export type I32Like = I32 | number;
export type F32Like = F32 | number;

const asI32 = (value: I32Like): I32 => (typeof value === 'number' ? I32.constant(value) : value);
const asF32 = (value: F32Like): F32 => (typeof value === 'number' ? F32.constant(value) : value);
const asF32x4 = (value: F32x4 | F32Like): F32x4 => (value instanceof F32x4 ? value : splat(value));
const asI32x4 = (value: I32x4 | I32Like): I32x4 => (value instanceof I32x4 ? value : splatI32(value));

export class I32 extends Expression {
  readonly value: number | undefined;
  constructor(emit: Emit, local = -1, value?: number) {
    super(emit, local);
    this.value = value;
  }

  static constant(value: number): I32 {
    return new I32(
      out => {
        out.byte(0x41);
        out.signed(value);
      },
      -1,
      value | 0,
    );
  }

  #binary(opcode: number, other: I32Like): I32 {
    const right = asI32(other);
    return new I32(out => {
      this.emit(out);
      right.emit(out);
      out.byte(opcode);
    });
  }

  add(other: I32Like): I32 {
    const right = asI32(other);
    if (right.value === 0) return this;
    if (this.value === 0) return right;
    if (this.value !== undefined && right.value !== undefined) return I32.constant(this.value + right.value);
    return this.#binary(0x6a, right);
  }
  sub(other: I32Like): I32 {
    return asI32(other).value === 0 ? this : this.#binary(0x6b, other);
  }
  mul(other: I32Like): I32 {
    const right = asI32(other);
    if (right.value === 1) return this;
    if (this.value !== undefined && right.value !== undefined) return I32.constant(Math.imul(this.value, right.value));
    return this.#binary(0x6c, right);
  }
  divS(other: I32Like): I32 {
    return this.#binary(0x6d, other);
  }
  divU(other: I32Like): I32 {
    return asI32(other).value === 1 ? this : this.#binary(0x6e, other);
  }
  remS(other: I32Like): I32 {
    return this.#binary(0x6f, other);
  }
  remU(other: I32Like): I32 {
    return this.#binary(0x70, other);
  }
  and(other: I32Like): I32 {
    return this.#binary(0x71, other);
  }
  or(other: I32Like): I32 {
    return this.#binary(0x72, other);
  }
  xor(other: I32Like): I32 {
    return this.#binary(0x73, other);
  }
  shl(other: I32Like): I32 {
    return asI32(other).value === 0 ? this : this.#binary(0x74, other);
  }
  shrS(other: I32Like): I32 {
    return this.#binary(0x75, other);
  }
  shrU(other: I32Like): I32 {
    return this.#binary(0x76, other);
  }
  eq(other: I32Like): I32 {
    return this.#binary(0x46, other);
  }
  ne(other: I32Like): I32 {
    return this.#binary(0x47, other);
  }
  /** Signed comparisons; the unsigned ones end in U. All give 1 or 0. */
  lt(other: I32Like): I32 {
    return this.#binary(0x48, other);
  }
  ltU(other: I32Like): I32 {
    return this.#binary(0x49, other);
  }
  gt(other: I32Like): I32 {
    return this.#binary(0x4a, other);
  }
  gtU(other: I32Like): I32 {
    return this.#binary(0x4b, other);
  }
  le(other: I32Like): I32 {
    return this.#binary(0x4c, other);
  }
  leU(other: I32Like): I32 {
    return this.#binary(0x4d, other);
  }
  ge(other: I32Like): I32 {
    return this.#binary(0x4e, other);
  }
  geU(other: I32Like): I32 {
    return this.#binary(0x4f, other);
  }
  eqz(): I32 {
    return this.#unary(0x45);
  }
  #unary(opcode: number): I32 {
    return new I32(out => {
      this.emit(out);
      out.byte(opcode);
    });
  }
  /** `this` is not 0 ? `a` : `b`, without a branch; both are computed. */
  select<E extends Expression>(a: E, b: E): E {
    const Type = a.constructor as new (emit: Emit) => E;
    return new Type(out => {
      a.emit(out);
      b.emit(out);
      this.emit(out);
      out.byte(0x1b);
    });
  }
  toF32S(): F32 {
    return new F32(this.#unary(0xb2).emit);
  }
  toF32U(): F32 {
    return new F32(this.#unary(0xb3).emit);
  }
  reinterpretF32(): F32 {
    return new F32(this.#unary(0xbe).emit);
  }

  // Loads from this address plus a constant offset in bytes.
  #load(prefix: Emit, align: number, offset: number): Emit {
    return out => {
      this.emit(out);
      prefix(out);
      out.unsigned(align);
      out.unsigned(offset);
    };
  }
  i32(offset = 0): I32 {
    return new I32(this.#load(out => out.byte(0x28), 2, offset));
  }
  u8(offset = 0): I32 {
    return new I32(this.#load(out => out.byte(0x2d), 0, offset));
  }
  f32(offset = 0): F32 {
    return new F32(this.#load(out => out.byte(0x2a), 2, offset));
  }
  f32x4(offset = 0): F32x4 {
    return new F32x4(this.#load(out => simd(out, 0), 2, offset));
  }
  f64x2(offset = 0): F64x2 {
    return new F64x2(this.#load(out => simd(out, 0), 2, offset));
  }
  i32x4(offset = 0): I32x4 {
    return new I32x4(this.#load(out => simd(out, 0), 2, offset));
  }
  /** One float in all four lanes. */
  f32x4Splat(offset = 0): F32x4 {
    return new F32x4(this.#load(out => simd(out, 9), 2, offset));
  }
  /** One float in lane 0, zeros above. */
  f32x4Zero(offset = 0): F32x4 {
    return new F32x4(this.#load(out => simd(out, 92), 2, offset));
  }
  /** Two floats in lanes 0 and 1, zeros above. */
  f32x4LoadTwo(offset = 0): F32x4 {
    return new F32x4(this.#load(out => simd(out, 93), 2, offset));
  }
  /** Four bytes as four unsigned integers. */
  u8x4(offset = 0): I32x4 {
    const bytes = this.#load(out => simd(out, 92), 0, offset);
    return new I32x4(out => {
      bytes(out);
      simd(out, 0x89); // i16x8.extend_low_i8x16_u
      simd(out, 0xa9); // i32x4.extend_low_i16x8_u
    });
  }
}

export class F32 extends Expression {
  static constant(value: number): F32 {
    return new F32(out => {
      out.byte(0x43);
      out.float32(value);
    });
  }
  #binary(opcode: number, other: F32Like): Emit {
    const right = asF32(other);
    return out => {
      this.emit(out);
      right.emit(out);
      out.byte(opcode);
    };
  }
  #unary(opcode: number): Emit {
    return out => {
      this.emit(out);
      out.byte(opcode);
    };
  }
  add(other: F32Like): F32 {
    return new F32(this.#binary(0x92, other));
  }
  sub(other: F32Like): F32 {
    return new F32(this.#binary(0x93, other));
  }
  mul(other: F32Like): F32 {
    return new F32(this.#binary(0x94, other));
  }
  div(other: F32Like): F32 {
    return new F32(this.#binary(0x95, other));
  }
  /** NaN if either is NaN. */
  min(other: F32Like): F32 {
    return new F32(this.#binary(0x96, other));
  }
  max(other: F32Like): F32 {
    return new F32(this.#binary(0x97, other));
  }
  eq(other: F32Like): I32 {
    return new I32(this.#binary(0x5b, other));
  }
  ne(other: F32Like): I32 {
    return new I32(this.#binary(0x5c, other));
  }
  lt(other: F32Like): I32 {
    return new I32(this.#binary(0x5d, other));
  }
  gt(other: F32Like): I32 {
    return new I32(this.#binary(0x5e, other));
  }
  le(other: F32Like): I32 {
    return new I32(this.#binary(0x5f, other));
  }
  ge(other: F32Like): I32 {
    return new I32(this.#binary(0x60, other));
  }
  abs(): F32 {
    return new F32(this.#unary(0x8b));
  }
  neg(): F32 {
    return new F32(this.#unary(0x8c));
  }
  floor(): F32 {
    return new F32(this.#unary(0x8e));
  }
  sqrt(): F32 {
    return new F32(this.#unary(0x91));
  }
  /** Towards zero; saturates, NaN gives 0. */
  truncateToI32S(): I32 {
    return new I32(out => {
      this.emit(out);
      out.byte(0xfc, 0);
    });
  }
  reinterpretI32(): I32 {
    return new I32(this.#unary(0xbc));
  }
  splat(): F32x4 {
    return splat(this);
  }
}

/** The same float in all four lanes. */
export function splat(value: F32Like): F32x4 {
  const scalar = asF32(value);
  return new F32x4(out => {
    scalar.emit(out);
    simd(out, 0x13);
  });
}

/** The same integer in all four lanes. */
export function splatI32(value: I32Like): I32x4 {
  const scalar = asI32(value);
  return new I32x4(out => {
    scalar.emit(out);
    simd(out, 0x11);
  });
}

export class F32x4 extends Expression {
  static constant(a: number, b: number, c: number, d: number): F32x4 {
    return new F32x4(out => {
      simd(out, 12);
      for (const lane of [a, b, c, d]) out.float32(lane);
    });
  }
  #binary(opcode: number, other: F32x4 | F32Like): Emit {
    const right = asF32x4(other);
    return out => {
      this.emit(out);
      right.emit(out);
      simd(out, opcode);
    };
  }
  #unary(opcode: number): Emit {
    return out => {
      this.emit(out);
      simd(out, opcode);
    };
  }
  add(other: F32x4 | F32Like): F32x4 {
    return new F32x4(this.#binary(0xe4, other));
  }
  sub(other: F32x4 | F32Like): F32x4 {
    return new F32x4(this.#binary(0xe5, other));
  }
  mul(other: F32x4 | F32Like): F32x4 {
    return new F32x4(this.#binary(0xe6, other));
  }
  div(other: F32x4 | F32Like): F32x4 {
    return new F32x4(this.#binary(0xe7, other));
  }
  /** NaN if either is NaN. */
  min(other: F32x4 | F32Like): F32x4 {
    return new F32x4(this.#binary(0xe8, other));
  }
  max(other: F32x4 | F32Like): F32x4 {
    return new F32x4(this.#binary(0xe9, other));
  }
  /** `other < this ? other : this`: one instruction on x86. */
  pmin(other: F32x4 | F32Like): F32x4 {
    return new F32x4(this.#binary(0xea, other));
  }
  /** `this < other ? other : this`: one instruction on x86; keeps a NaN in `this`. */
  pmax(other: F32x4 | F32Like): F32x4 {
    return new F32x4(this.#binary(0xeb, other));
  }
  /** this * factor + addend; one rounding when `relaxed` (and the hardware fuses), otherwise two. */
  multiplyAdd(factor: F32x4, addend: F32x4, relaxed: boolean): F32x4 {
    if (!relaxed) return addend.add(this.mul(factor));
    return new F32x4(out => {
      this.emit(out);
      factor.emit(out);
      addend.emit(out);
      simd(out, 0x105);
    });
  }
  abs(): F32x4 {
    return new F32x4(this.#unary(0xe0));
  }
  neg(): F32x4 {
    return new F32x4(this.#unary(0xe1));
  }
  sqrt(): F32x4 {
    return new F32x4(this.#unary(0xe3));
  }
  ceil(): F32x4 {
    return new F32x4(this.#unary(0x67));
  }
  floor(): F32x4 {
    return new F32x4(this.#unary(0x68));
  }
  truncate(): F32x4 {
    return new F32x4(this.#unary(0x69));
  }
  /** Round half to even. */
  nearest(): F32x4 {
    return new F32x4(this.#unary(0x6a));
  }
  // Comparisons give masks: all bits set where true.
  eq(other: F32x4 | F32Like): I32x4 {
    return new I32x4(this.#binary(0x41, other));
  }
  ne(other: F32x4 | F32Like): I32x4 {
    return new I32x4(this.#binary(0x42, other));
  }
  lt(other: F32x4 | F32Like): I32x4 {
    return new I32x4(this.#binary(0x43, other));
  }
  gt(other: F32x4 | F32Like): I32x4 {
    return new I32x4(this.#binary(0x44, other));
  }
  le(other: F32x4 | F32Like): I32x4 {
    return new I32x4(this.#binary(0x45, other));
  }
  ge(other: F32x4 | F32Like): I32x4 {
    return new I32x4(this.#binary(0x46, other));
  }
  lane(index: number): F32 {
    return new F32(out => {
      this.emit(out);
      simd(out, 0x1f);
      out.byte(index);
    });
  }
  replaceLane(index: number, value: F32Like): F32x4 {
    const scalar = asF32(value);
    return new F32x4(out => {
      this.emit(out);
      scalar.emit(out);
      simd(out, 0x20);
      out.byte(index);
    });
  }
  /** Lanes of the pair (this, other), numbered 0-7. */
  shuffle(other: F32x4, a: number, b: number, c: number, d: number): F32x4 {
    return new F32x4(out => {
      this.emit(out);
      other.emit(out);
      simd(out, 13);
      for (const lane of [a, b, c, d]) for (let byte = 0; byte < 4; byte++) out.byte(lane * 4 + byte);
    });
  }
  /** (lane 0 + lane 2) + (lane 1 + lane 3): always the same order. */
  horizontalSum(): F32 {
    const pairs = this.add(this.shuffle(this, 2, 3, 0, 1));
    return pairs.lane(0).add(pairs.lane(1));
  }
  /** Towards zero, saturating; NaN gives 0. */
  truncateToI32x4(): I32x4 {
    return new I32x4(this.#unary(0xf8));
  }
  bits(): I32x4 {
    return new I32x4(this.emit);
  }
  /** Lanes 0 and 1 as float64. */
  promoteLow(): F64x2 {
    return new F64x2(this.#unary(0x5f));
  }
}

/** Two float64: what sums are kept in where float32 is not enough. */
export class F64x2 extends Expression {
  #binary(opcode: number, other: F64x2): Emit {
    return out => {
      this.emit(out);
      other.emit(out);
      simd(out, opcode);
    };
  }
  add(other: F64x2): F64x2 {
    return new F64x2(this.#binary(0xf0, other));
  }
  sub(other: F64x2): F64x2 {
    return new F64x2(this.#binary(0xf1, other));
  }
  mul(other: F64x2): F64x2 {
    return new F64x2(this.#binary(0xf2, other));
  }
  div(other: F64x2): F64x2 {
    return new F64x2(this.#binary(0xf3, other));
  }
  sqrt(): F64x2 {
    return new F64x2(out => {
      this.emit(out);
      simd(out, 0xef);
    });
  }
  /** Rounded to float32, in lanes 0 and 1; zeros above. */
  demote(): F32x4 {
    return new F32x4(out => {
      this.emit(out);
      simd(out, 0x5e);
    });
  }
}

export class I32x4 extends Expression {
  static constant(a: number, b: number, c: number, d: number): I32x4 {
    return new I32x4(out => {
      simd(out, 12);
      out.append(new Uint8Array(Int32Array.of(a, b, c, d).buffer));
    });
  }
  #binary(opcode: number, other: I32x4 | I32Like): I32x4 {
    const right = asI32x4(other);
    return new I32x4(out => {
      this.emit(out);
      right.emit(out);
      simd(out, opcode);
    });
  }
  #shift(opcode: number, count: I32Like): I32x4 {
    const amount = asI32(count);
    return new I32x4(out => {
      this.emit(out);
      amount.emit(out);
      simd(out, opcode);
    });
  }
  #unary(opcode: number): Emit {
    return out => {
      this.emit(out);
      simd(out, opcode);
    };
  }
  add(other: I32x4 | I32Like): I32x4 {
    return this.#binary(0xae, other);
  }
  sub(other: I32x4 | I32Like): I32x4 {
    return this.#binary(0xb1, other);
  }
  mul(other: I32x4 | I32Like): I32x4 {
    return this.#binary(0xb5, other);
  }
  minS(other: I32x4 | I32Like): I32x4 {
    return this.#binary(0xb6, other);
  }
  maxS(other: I32x4 | I32Like): I32x4 {
    return this.#binary(0xb8, other);
  }
  and(other: I32x4 | I32Like): I32x4 {
    return this.#binary(78, other);
  }
  /** this & ~other */
  andNot(other: I32x4 | I32Like): I32x4 {
    return this.#binary(79, other);
  }
  or(other: I32x4 | I32Like): I32x4 {
    return this.#binary(80, other);
  }
  xor(other: I32x4 | I32Like): I32x4 {
    return this.#binary(81, other);
  }
  not(): I32x4 {
    return new I32x4(this.#unary(77));
  }
  neg(): I32x4 {
    return new I32x4(this.#unary(0xa1));
  }
  abs(): I32x4 {
    return new I32x4(this.#unary(0xa0));
  }
  shl(count: I32Like): I32x4 {
    return this.#shift(0xab, count);
  }
  shrS(count: I32Like): I32x4 {
    return this.#shift(0xac, count);
  }
  shrU(count: I32Like): I32x4 {
    return this.#shift(0xad, count);
  }
  // Comparisons give masks: all bits set where true.
  eq(other: I32x4 | I32Like): I32x4 {
    return this.#binary(0x37, other);
  }
  ne(other: I32x4 | I32Like): I32x4 {
    return this.#binary(0x38, other);
  }
  lt(other: I32x4 | I32Like): I32x4 {
    return this.#binary(0x39, other);
  }
  ltU(other: I32x4 | I32Like): I32x4 {
    return this.#binary(0x3a, other);
  }
  gt(other: I32x4 | I32Like): I32x4 {
    return this.#binary(0x3b, other);
  }
  le(other: I32x4 | I32Like): I32x4 {
    return this.#binary(0x3d, other);
  }
  ge(other: I32x4 | I32Like): I32x4 {
    return this.#binary(0x3f, other);
  }
  /** Bit by bit: where this mask is set `a`, elsewhere `b`. */
  select<E extends F32x4 | I32x4>(a: E, b: E): E {
    const Type = a.constructor as new (emit: Emit) => E;
    return new Type(out => {
      a.emit(out);
      b.emit(out);
      this.emit(out);
      simd(out, 82);
    });
  }
  /** 1 if any bit is set. */
  anyTrue(): I32 {
    return new I32(this.#unary(83));
  }
  /** The four sign bits as a number. */
  bitmask(): I32 {
    return new I32(this.#unary(0xa4));
  }
  lane(index: number): I32 {
    return new I32(out => {
      this.emit(out);
      simd(out, 0x1b);
      out.byte(index);
    });
  }
  replaceLane(index: number, value: I32Like): I32x4 {
    const scalar = asI32(value);
    return new I32x4(out => {
      this.emit(out);
      scalar.emit(out);
      simd(out, 0x1c);
      out.byte(index);
    });
  }
  /** Lanes of the pair (this, other), numbered 0-7. */
  shuffle(other: I32x4, a: number, b: number, c: number, d: number): I32x4 {
    return new I32x4(new F32x4(this.emit).shuffle(new F32x4(other.emit), a, b, c, d).emit);
  }
  /** 64-bit products of unsigned lanes 0 and 1; the four 32-bit words are low0, high0, low1, high1. */
  multiplyWideLowU(other: I32x4): I32x4 {
    return this.#binary(0xde, other);
  }
  /** 64-bit products of unsigned lanes 2 and 3. */
  multiplyWideHighU(other: I32x4): I32x4 {
    return this.#binary(0xdf, other);
  }
  toF32x4S(): F32x4 {
    return new F32x4(this.#unary(0xfa));
  }
  toF32x4U(): F32x4 {
    return new F32x4(this.#unary(0xfb));
  }
  asF32x4(): F32x4 {
    return new F32x4(this.emit);
  }
}

export const i32: ValueType<I32> = { code: 0x7f, make: (emit, local) => new I32(emit, local) };
export const f32: ValueType<F32> = { code: 0x7d, make: (emit, local) => new F32(emit, local) };
export const f32x4: ValueType<F32x4> = { code: 0x7b, make: (emit, local) => new F32x4(emit, local) };
export const i32x4: ValueType<I32x4> = { code: 0x7b, make: (emit, local) => new I32x4(emit, local) };
export const f64x2: ValueType<F64x2> = { code: 0x7b, make: (emit, local) => new F64x2(emit, local) };
