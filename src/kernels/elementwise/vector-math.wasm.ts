/**
 * exp, log and their kin on four lanes: WebAssembly has none of them (nor of those in `trigonometry.wasm.ts`,
 * `normal.wasm.ts` and `power.wasm.ts`). Polynomials after range reduction, with the numbers of `coefficients.ts`. Each
 * function states its largest error in units in the last place (ULP), measured by `test/kernels/vector-math.test.ts` over
 * all exponents, and treats subnormals, infinities and NaN as C's does.
 *
 * An expression that is used twice is computed twice, hence the many `f.let`.
 */
import { type F32x4, type FunctionBuilder, type I32x4, splat, splatI32 } from '../../devices/wasm/assembler/module.ts';
import { EXP, LN2_HIGH, LN2_LOW, LOG, TANH } from './coefficients.ts';

/** Adding 1.5 * 2^23 to |x| < 2^22 rounds x to an integer and leaves it in the low bits. */
export const ROUNDER = 12582912;
const ROUNDER_BITS = 0x4b400000;

/** c[0] x^n + ... + c[n] by Horner's rule. */
export function horner(x: F32x4, coefficients: readonly number[]): F32x4 {
  const [leading, ...rest] = coefficients;
  return rest.reduce((sum: F32x4, c) => sum.mul(x).add(c), splat(leading));
}

/** 2^n for n in [-126, 127]. */
const powerOfTwo = (n: I32x4): F32x4 => n.add(127).shl(23).asF32x4();

/** x 2^n for n in [-252, 254]: in two steps, so that subnormal results round once and overflow gives infinity. */
export function scaleByPowerOfTwo(f: FunctionBuilder, x: F32x4, n: I32x4): F32x4 {
  const half = f.let(n.shrS(1));
  return x.mul(powerOfTwo(half)).mul(powerOfTwo(n.sub(half)));
}

/** x with the sign bit of `sign`. */
export const copySign = (x: F32x4, sign: F32x4): F32x4 =>
  x
    .bits()
    .or(sign.bits().and(0x80000000 | 0))
    .asF32x4();

/** e^(x + low) = 2^n (1 + p) with p = e^r - 1, |r| about ln 2 / 2 or less; keeps NaN. */
function reduceExp(
  f: FunctionBuilder,
  x: F32x4,
  { low, upper = 89 }: { low?: F32x4; upper?: number } = {},
): { n: I32x4; p: F32x4 } {
  // Beyond these bounds every e^x is 0 or infinity. pmin and pmax keep a NaN on their left.
  const clamped = f.let(x.pmin(upper).pmax(-104.5));
  const rounded = f.let(clamped.mul(Math.LOG2E).add(ROUNDER));
  const n = f.let(rounded.bits().sub(ROUNDER_BITS));
  const nFloat = f.let(rounded.sub(ROUNDER));
  const rest = clamped.sub(nFloat.mul(LN2_HIGH)).sub(nFloat.mul(LN2_LOW));
  const r = f.let(low ? rest.add(low) : rest);
  const q = horner(r, EXP);
  return { n, p: f.let(q.mul(r.mul(r)).add(r)) };
}

/** e^x, within 1.0 ULP; exact overflow to infinity, gradual underflow to 0. */
export function exp(f: FunctionBuilder, x: F32x4): F32x4 {
  const { n, p } = reduceExp(f, x);
  return f.let(scaleByPowerOfTwo(f, p.add(1), n));
}

/** e^(high + low) for high <= 0 and a low part of at most 0.1 in magnitude, within 1.0 ULP of the sum's. */
export function expOfSum(f: FunctionBuilder, high: F32x4, low: F32x4): F32x4 {
  const { n, p } = reduceExp(f, high, { low });
  return f.let(scaleByPowerOfTwo(f, p.add(1), n));
}

/** e^x - 1 for x <= 0 (larger x count as 0), within 1.0 ULP. */
export function expm1OfNegative(f: FunctionBuilder, x: F32x4): F32x4 {
  const { n, p } = reduceExp(f, f.let(x.pmin(0).pmax(-60)));
  const scale = f.let(powerOfTwo(n));
  return f.let(p.mul(scale).add(scale.sub(1)));
}

/** Natural logarithm, within 0.8 ULP; log 0 = -inf, of negative numbers NaN. */
export function log(f: FunctionBuilder, x: F32x4): F32x4 {
  // Subnormals are scaled up to where the exponent field means what it says.
  const subnormal = f.let(x.lt(1.1754943508222875e-38));
  const bits = f.let(subnormal.select(x.mul(8388608), x).bits().sub(0x3f3504f3)); // sqrt(1/2) becomes 0
  const exponent = f.let(bits.shrS(23).sub(subnormal.and(23)).toF32x4S());
  const m = f.let(bits.and(0x7fffff).add(0x3f3504f3).asF32x4().sub(1)); // mantissa in [sqrt 1/2, sqrt 2), less 1
  const square = f.let(m.mul(m));
  const tail = horner(m, LOG);
  const small = tail.mul(m).mul(square).add(exponent.mul(LN2_LOW)).sub(square.mul(0.5));
  const result = f.let(m.add(small).add(exponent.mul(LN2_HIGH)));
  // 0 and infinity map to themselves up to sign; x - x is NaN for negative infinity, and negative numbers give NaN.
  const edge = f.let(x.eq(0).select(splat(-Infinity), x.ge(0).select(x, splat(Number.NaN))));
  const regular = x.gt(0).and(x.lt(Infinity));
  return f.let(regular.select(result, x.ne(x).select(x, edge)));
}

/** log(1 + x) for x in [0, 1], within 1.3 ULP. */
export function log1pOfFraction(f: FunctionBuilder, x: F32x4): F32x4 {
  const u = f.let(x.add(1));
  return f.let(log(f, u).add(x.sub(u.sub(1)).div(u))); // what the sum lost, to first order
}

/** 1 / (1 + e^-x), within 2.4 ULP, subnormal results included. */
export function sigmoid(f: FunctionBuilder, x: F32x4): F32x4 {
  const { n, p } = reduceExp(f, f.let(x.neg()), { upper: 104.5 });
  // With e^-x = a / t the quotient is t / (t + a), which does not overflow where e^-x would.
  const half = f.let(n.shrS(1));
  const a = p.add(1).mul(powerOfTwo(half));
  const t = f.let(powerOfTwo(half.sub(n)));
  return f.let(t.div(a.add(t)));
}

/** Hyperbolic tangent, within 1.3 ULP; -0 of -0. */
export function tanh(f: FunctionBuilder, x: F32x4): F32x4 {
  const magnitude = f.let(x.abs());
  const square = f.let(x.mul(x));
  const near = f.let(horner(square, TANH).mul(square).mul(x).add(x));
  const far = f.let(splat(1).sub(splat(2).div(exp(f, f.let(magnitude.add(magnitude))).add(1))));
  return f.let(copySign(magnitude.lt(0.625).select(near, far), x));
}

/** Lanes of 1.0 where the mask is set, else 0. */
export const oneWhere = (mask: I32x4): F32x4 => mask.and(0x3f800000).asF32x4();

/** Integer lanes of 1 where the mask is set, else 0. */
export const flagWhere = (mask: I32x4): I32x4 => mask.and(1);

/** -1, 0 or 1 as the sign of x; keeps NaN. */
export const sign = (f: FunctionBuilder, x: F32x4): F32x4 =>
  f.let(x.ne(x).select(x, oneWhere(x.gt(0)).sub(oneWhere(x.lt(0)))));

/** The same for integers. */
export const signOfIntegers = (x: I32x4): I32x4 => x.shrS(31).or(splatI32(0).sub(x).shrU(31));
