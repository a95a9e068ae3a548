/**
 * The error function and the normal distribution on four lanes. (1 + erf) / 2 has lost half its digits at x = -3.5 and all
 * at -6; from TAIL down the distribution function is the density times Mills' ratio, which keeps them.
 */
import { type F32x4, type FunctionBuilder, splat } from '../../devices/wasm/assembler/module.ts';
import { ERF_BORDER, ERF_FAR, ERF_NEAR, MILLS, MILLS_CENTER } from './coefficients.ts';
import { copySign, exp, expOfSum, horner } from './vector-math.wasm.ts';

/** So far down that few activations lie beyond (0.6 % of normal ones): the branch costs 6 % of gelu, at -2 it was 15 %. */
const TAIL = -2.5;

/** Error function, within 1.2 ULP. */
export function erf(f: FunctionBuilder, x: F32x4): F32x4 {
  const magnitude = f.let(x.abs());
  const square = f.let(x.mul(x));
  const near = f.let(horner(square, ERF_NEAR).mul(x).add(x));
  const t = f.let(magnitude.pmin(4)); // erf(4) rounds to 1
  const power = f.let(horner(t, ERF_FAR).mul(t).sub(t));
  const far = f.let(splat(1).sub(exp(f, power)));
  return f.let(magnitude.lt(ERF_BORDER).select(near, copySign(far, x)));
}

/** e^(-x^2 k) for k a power of two, within 1.5 ULP. The square has too many digits for a float, so it comes in two parts. */
export function bell(f: FunctionBuilder, x: F32x4, k: number): F32x4 {
  const t = f.let(x.abs().pmin(15 / Math.sqrt(k))); // 0 from there
  const upper = f.let(
    t
      .bits()
      .and(0xfffff000 | 0)
      .asF32x4(),
  );
  const high = f.let(upper.mul(upper).mul(-k));
  return expOfSum(f, high, f.let(t.sub(upper).mul(t.add(upper)).mul(-k)));
}

/** Standard normal density, (2 pi)^-1/2 e^(-x^2 / 2). */
const density = (f: FunctionBuilder, x: F32x4): F32x4 => f.let(bell(f, x, 0.5).mul(1 / Math.sqrt(2 * Math.PI)));

/** For x <= TAIL: the distribution function over the density. */
function millsRatio(f: FunctionBuilder, x: F32x4): F32x4 {
  const t = f.let(x.neg().pmin(15)); // the density is 0 from there
  const inverse = f.let(splat(1).div(t.add(MILLS_CENTER)));
  return horner(f.let(t.sub(MILLS_CENTER).mul(inverse)), MILLS).mul(inverse);
}

/** (1 + erf(x / sqrt 2)) / 2, which is right to 3e-8 absolutely. */
const halfOfErf = (f: FunctionBuilder, x: F32x4): F32x4 =>
  f.let(
    erf(f, f.let(x.mul(Math.SQRT1_2)))
      .add(1)
      .mul(0.5),
  );

/** Standard normal distribution function, within 64 ULP right of TAIL (4e-6) and 6 ULP left of it. */
export function normalCumulative(f: FunctionBuilder, x: F32x4): F32x4 {
  const value = halfOfErf(f, x);
  const isTail = f.let(x.le(TAIL));
  f.if(isTail.anyTrue(), () => {
    f.set(value, isTail.select(density(f, x).mul(millsRatio(f, x)), value));
  });
  return value;
}

/** The derivative of x normalCumulative(x). */
export function geluDerivative(f: FunctionBuilder, x: F32x4): F32x4 {
  const value = f.let(halfOfErf(f, x).add(plainDensity(f, x).mul(x)));
  const isTail = f.let(x.le(TAIL));
  f.if(isTail.anyTrue(), () => {
    f.set(value, isTail.select(density(f, x).mul(millsRatio(f, x).add(x)), value));
  });
  return value;
}

/** The density with an absolute error of 6e-8, which is all that counts beside a distribution function near 1. */
const plainDensity = (f: FunctionBuilder, x: F32x4): F32x4 =>
  exp(f, f.let(x.mul(x).mul(-0.5))).mul(1 / Math.sqrt(2 * Math.PI));
