/** Expressions of one number: `I32`, also the type of addresses and conditions, and `F32`. */
import { type Emit, Expression, load, type ValueType } from './expression.ts';

export type I32Like = I32 | number;
export type F32Like = F32 | number;

export const asI32 = (value: I32Like): I32 => (typeof value === 'number' ? I32.constant(value) : value);
export const asF32 = (value: F32Like): F32 => (typeof value === 'number' ? F32.constant(value) : value);

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

  // Loads from this address plus a constant offset in bytes; those of vectors stand in loads.ts.
  i32(offset = 0): I32 {
    return new I32(load(this, out => out.byte(0x28), 2, offset));
  }
  u8(offset = 0): I32 {
    return new I32(load(this, out => out.byte(0x2d), 0, offset));
  }
  f32(offset = 0): F32 {
    return new F32(load(this, out => out.byte(0x2a), 2, offset));
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
}

export const i32: ValueType<I32> = { code: 0x7f, make: (emit, local) => new I32(emit, local) };
export const f32: ValueType<F32> = { code: 0x7d, make: (emit, local) => new F32(emit, local) };
