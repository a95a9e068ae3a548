/** Loads of vectors, as methods of the address. The offset is in bytes. */
import { load, simd } from './expression.ts';
import { I32 } from './scalars.ts';
import { F32x4, I32x4 } from './vectors.ts';

declare module './scalars.ts' {
  interface I32 {
    f32x4(offset?: number): F32x4;
    i32x4(offset?: number): I32x4;
    /** One float in all four lanes. */
    f32x4Splat(offset?: number): F32x4;
    /** One float in lane 0, zeros above. */
    f32x4Zero(offset?: number): F32x4;
    /** Two floats in lanes 0 and 1, zeros above. */
    f32x4LoadTwo(offset?: number): F32x4;
    /** Four bytes as four unsigned integers. */
    u8x4(offset?: number): I32x4;
  }
}

I32.prototype.f32x4 = function (this: I32, offset = 0): F32x4 {
  return new F32x4(load(this, out => simd(out, 0), 2, offset));
};

I32.prototype.i32x4 = function (this: I32, offset = 0): I32x4 {
  return new I32x4(load(this, out => simd(out, 0), 2, offset));
};

I32.prototype.f32x4Splat = function (this: I32, offset = 0): F32x4 {
  return new F32x4(load(this, out => simd(out, 9), 2, offset));
};

I32.prototype.f32x4Zero = function (this: I32, offset = 0): F32x4 {
  return new F32x4(load(this, out => simd(out, 92), 2, offset));
};

I32.prototype.f32x4LoadTwo = function (this: I32, offset = 0): F32x4 {
  return new F32x4(load(this, out => simd(out, 93), 2, offset));
};

I32.prototype.u8x4 = function (this: I32, offset = 0): I32x4 {
  const bytes = load(this, out => simd(out, 92), 0, offset);
  return new I32x4(out => {
    bytes(out);
    simd(out, 0x89); // i16x8.extend_low_i8x16_u
    simd(out, 0xa9); // i32x4.extend_low_i16x8_u
  });
};
