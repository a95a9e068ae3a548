/** Expressions of four numbers: `F32x4`, and `I32x4`, also the type of masks. */
import { type Emit, Expression, simd, type ValueType } from './expression.ts';
import { asF32, asI32, F32, type F32Like, I32, type I32Like } from './scalars.ts';

const asF32x4 = (value: F32x4 | F32Like): F32x4 => (value instanceof F32x4 ? value : splat(value));
const asI32x4 = (value: I32x4 | I32Like): I32x4 => (value instanceof I32x4 ? value : splatI32(value));

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

declare module './scalars.ts' {
  interface F32 {
    splat(): F32x4;
  }
}

F32.prototype.splat = function (this: F32): F32x4 {
  return splat(this);
};

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
  maxU(other: I32x4 | I32Like): I32x4 {
    return this.#binary(0xb9, other);
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

export const f32x4: ValueType<F32x4> = { code: 0x7b, make: (emit, local) => new F32x4(emit, local) };
export const i32x4: ValueType<I32x4> = { code: 0x7b, make: (emit, local) => new I32x4(emit, local) };
