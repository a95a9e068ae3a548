/**
 * sin and cos on four lanes, for any float. An angle is reduced to |r| <= pi / 4 and a quadrant. Up to 1e5 multiples of
 * pi / 2, in pieces whose products are exact, are taken off. Farther out, and where so little is left that the pieces' last
 * digits show, the product x 2/pi is taken in integers instead (M. Payne, R. Hanek, SIGNUM 1983): of the digits of 2 / pi
 * only the 96 matter that lie around those of x, since whole turns drop out.
 */
import { type F32x4, type FunctionBuilder, type I32x4, splat, splatI32 } from '../../devices/wasm/assembler/module.ts';
import { multiplyWide } from '../wide-product.wasm.ts';
import { COS, HALF_PI, HALF_PI_PAIR, SIN, TWO_OVER_PI } from './coefficients.ts';
import { horner, ROUNDER } from './vector-math.wasm.ts';

/** Up to this the pieces of pi / 2 may be used. */
const NEAR = 1e5;
/** What is left must not be smaller where pieces were used: it is right to 2^-39 absolutely. */
const LEAST_REST = 2 ** -13;

/** Where the digits of 2 / pi that matter for x 2^shift begin among the words, per lane: three words of a window. */
function windowOfDigits(f: FunctionBuilder, start: I32x4): [I32x4, I32x4, I32x4] {
  const word = f.let(start.shrU(5));
  const offset = f.let(start.and(31));
  const words = [0, 1, 2, 3].map(i => {
    const chosen = f.let(splatI32(TWO_OVER_PI[i] | 0));
    for (let w = 1; w + i < TWO_OVER_PI.length && w <= 4; w++) {
      f.set(chosen, word.eq(w).select(splatI32(TWO_OVER_PI[w + i] | 0), chosen));
    }
    return chosen;
  });
  // Shifts by a different count in each lane are products with powers of two, of which floats hold the halves.
  const powerOf = (n: I32x4): I32x4 => n.add(127).shl(23).asF32x4().truncateToI32x4();
  const half = f.let(offset.shrU(1));
  const factor = f.let(powerOf(half).mul(powerOf(offset.sub(half))));
  const products = words.map(w => multiplyWide(f, w, factor).map(part => f.let(part)));
  return [0, 1, 2].map(i => f.let(products[i][1].or(products[i + 1][0]))) as [I32x4, I32x4, I32x4];
}

/** Quadrant and rest of x >= pi / 4 in magnitude, by its exact product with 2 / pi modulo 4. */
function reduceExactly(f: FunctionBuilder, x: F32x4): { rest: F32x4; quadrant: I32x4 } {
  const bits = f.let(x.bits());
  const exponent = f.let(bits.shrU(23).and(255));
  const mantissa = f.let(bits.and(0x7fffff).or(0x800000));
  // x = mantissa 2^(exponent - 150); digits of weight 4 and more in the product are whole turns.
  const [w0, w1, w2] = windowOfDigits(f, f.let(exponent.sub(120).maxS(0)));
  const [high2, low2] = multiplyWide(f, mantissa, w2);
  const [high1, low1] = multiplyWide(f, mantissa, w1);
  const low = f.let(low2);
  const middle = f.let(low1.add(high2));
  const carry = middle.ltU(low1); // -1 where there is one
  const top = f.let(mantissa.mul(w0).add(high1).sub(carry).add(0x20000000)); // to the nearest quadrant
  const turns = f.let(top.shrU(30));
  const signed = f.let(top.and(0x3fffffff).sub(0x20000000));
  // The fraction, at most 1/2 in magnitude, in units of 2^-94: its magnitude as three words.
  const negative = f.let(signed.shrS(31));
  f.set(low, low.xor(negative).sub(negative));
  const carryLow = f.let(negative.and(low.eq(0)));
  f.set(middle, middle.xor(negative).sub(carryLow));
  const carryMiddle = carryLow.and(middle.eq(0));
  const high = f.let(signed.xor(negative).sub(carryMiddle));
  const fraction = f.let(
    high
      .toF32x4U()
      .mul(2 ** -30)
      .add(middle.toF32x4U().mul(2 ** -62)),
  );
  const magnitude = fraction.mul(HALF_PI_PAIR[0]).add(fraction.mul(HALF_PI_PAIR[1]));
  const sign = f.let(bits.shrS(31));
  const rest = magnitude.bits().xor(sign.xor(negative).and(0x80000000 | 0));
  // Infinity less itself is NaN.
  return { rest: f.let(rest.asF32x4().add(x.sub(x))), quadrant: f.let(turns.xor(sign).sub(sign)) };
}

/** sin(x + quarterTurns pi / 2) */
function sinQuarter(f: FunctionBuilder, x: F32x4, quarterTurns: number): F32x4 {
  const rounded = f.let(x.mul(2 / Math.PI).add(ROUNDER));
  const n = f.let(rounded.sub(ROUNDER));
  const quadrant = f.let(rounded.bits().add(quarterTurns));
  const r = f.let(HALF_PI.reduce((rest: F32x4, piece) => rest.sub(n.mul(piece)), x));
  const isFar = x.abs().gt(NEAR);
  const hard = f.let(isFar.or(r.abs().lt(LEAST_REST).and(n.ne(0))));
  f.if(hard.anyTrue(), () => {
    const exact = reduceExactly(f, x);
    f.set(r, hard.select(exact.rest, r));
    f.set(quadrant, hard.select(exact.quadrant.add(quarterTurns), quadrant));
  });
  const z = f.let(r.mul(r));
  const sine = f.let(horner(z, SIN).mul(z).mul(r).add(r));
  const cosine = f.let(horner(z, COS).mul(z).mul(z).sub(z.mul(0.5)).add(splat(1)));
  const value = f.let(quadrant.and(1).eq(1).select(cosine, sine));
  return f.let(value.bits().xor(quadrant.and(2).shl(30)).asF32x4());
}

/** Sine, within 3 ULP; NaN of infinities, -0 of -0. */
export const sin = (f: FunctionBuilder, x: F32x4): F32x4 => f.let(x.eq(0).select(x, sinQuarter(f, x, 0)));

/** Cosine, within 3 ULP; NaN of infinities. */
export const cos = (f: FunctionBuilder, x: F32x4): F32x4 => sinQuarter(f, x, 1);
