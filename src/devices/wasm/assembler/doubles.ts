/** Expressions of two float64. */
import { type Emit, Expression, load, simd, type ValueType } from './expression.ts';
import { I32 } from './scalars.ts';
import { F32x4 } from './vectors.ts';

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
  /** The two in the other order. */
  swapped(): F64x2 {
    const words = this.words();
    return words.shuffle(words, 2, 3, 0, 1).asF64x2();
  }
  /** Their bits, two lanes each. */
  words(): F32x4 {
    return new F32x4(this.emit);
  }
  /** Rounded to float32, in lanes 0 and 1; zeros above. */
  demote(): F32x4 {
    return new F32x4(out => {
      this.emit(out);
      simd(out, 0x5e);
    });
  }
}

declare module './scalars.ts' {
  interface I32 {
    f64x2(offset?: number): F64x2;
  }
}

declare module './vectors.ts' {
  interface F32x4 {
    /** Lanes 0 and 1 as float64. */
    promoteLow(): F64x2;
    /** The bits of two float64. */
    asF64x2(): F64x2;
  }
}

I32.prototype.f64x2 = function (this: I32, offset = 0): F64x2 {
  return new F64x2(load(this, out => simd(out, 0), 2, offset));
};

F32x4.prototype.promoteLow = function (this: F32x4): F64x2 {
  return new F64x2(out => {
    this.emit(out);
    simd(out, 0x5f);
  });
};

F32x4.prototype.asF64x2 = function (this: F32x4): F64x2 {
  return new F64x2(this.emit);
};

export const f64x2: ValueType<F64x2> = { code: 0x7b, make: (emit, local) => new F64x2(emit, local) };
