/**
 * exp, log, sin and their kin on four lanes: WebAssembly has none of them. Polynomials after range reduction, mostly those
 * of Cephes (Moshier, netlib.org/cephes, single precision), erf after N. Juffa. Each function states its largest error in
 * units in the last place (ULP), measured by `test/kernels/vector-math.test.ts` over all exponents, and treats subnormals,
 * infinities and NaN as C's does.
 *
 * An expression that is used twice is computed twice, hence the many `f.let`.
 */
import { type F32x4, type FunctionBuilder, type I32x4, splat, splatI32 } from '../../devices/wasm/assembler/module.ts';

/** Adding 1.5 * 2^23 to |x| < 2^22 rounds x to an integer and leaves it in the low bits. */
const ROUNDER = 12582912;
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

/** e^x = 2^n (1 + p) with p = e^r - 1, |r| <= ln 2 / 2; keeps NaN. */
function reduceExp(f: FunctionBuilder, x: F32x4): { n: I32x4; p: F32x4 } {
  // Beyond these bounds every result is 0 or infinity. pmin and pmax keep a NaN on their left.
  const clamped = f.let(x.pmin(89).pmax(-104.5));
  const rounded = f.let(clamped.mul(Math.LOG2E).add(ROUNDER));
  const n = f.let(rounded.bits().sub(ROUNDER_BITS));
  const nFloat = f.let(rounded.sub(ROUNDER));
  const r = f.let(clamped.sub(nFloat.mul(0.693359375)).sub(nFloat.mul(-2.1219444e-4)));
  const q = horner(
    r,
    [1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1],
  );
  return { n, p: f.let(q.mul(r.mul(r)).add(r)) };
}

/** e^x, within 1.0 ULP; exact overflow to infinity, gradual underflow to 0. */
export function exp(f: FunctionBuilder, x: F32x4): F32x4 {
  const { n, p } = reduceExp(f, x);
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
  const tail = horner(
    m,
    [
      7.0376836292e-2, -1.151461031e-1, 1.167699874e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
      2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
    ],
  );
  const small = tail.mul(m).mul(square).add(exponent.mul(-2.1219444e-4)).sub(square.mul(0.5));
  const result = f.let(m.add(small).add(exponent.mul(0.693359375)));
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

/** 1 / (1 + e^-x), within 2.4 ULP for x > -87 and within 2e-38 absolutely below. */
export function sigmoid(f: FunctionBuilder, x: F32x4): F32x4 {
  return f.let(splat(1).div(exp(f, f.let(x.neg())).add(1)));
}

/** Hyperbolic tangent, within 1.3 ULP. */
export function tanh(f: FunctionBuilder, x: F32x4): F32x4 {
  const magnitude = f.let(x.abs());
  const square = f.let(x.mul(x));
  const series = horner(
    square,
    [-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1],
  );
  const near = f.let(series.mul(square).mul(x).add(x));
  const far = f.let(splat(1).sub(splat(2).div(exp(f, f.let(magnitude.add(magnitude))).add(1))));
  return f.let(magnitude.lt(0.625).select(near, copySign(far, x)));
}

/** Error function, within 1.2 ULP. */
export function erf(f: FunctionBuilder, x: F32x4): F32x4 {
  const magnitude = f.let(x.abs());
  const square = f.let(x.mul(x));
  const nearSeries = [-5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1, 1.28379166e-1];
  const near = f.let(horner(square, nearSeries).mul(x).add(x));
  const t = f.let(magnitude.pmin(4)); // erf(4) rounds to 1
  const farSeries = [
    -1.7285347e-5, 3.83197126e-4, -3.88396438e-3, 2.42546219e-2, -1.06777877e-1, -6.34846687e-1, -1.28717512e-1,
  ];
  const power = f.let(horner(t, farSeries).mul(t).sub(t));
  const far = f.let(splat(1).sub(exp(f, power)));
  return f.let(magnitude.lt(0.927734375).select(near, copySign(far, x)));
}

/** pi / 2 in pieces of 8 bits (the last one rounded), so that each times an integer below 2^16 is exact. */
export const HALF_PI: number[] = [];
for (let rest = Math.PI / 2; HALF_PI.length < 5; rest -= HALF_PI[HALF_PI.length - 1]) {
  const unit = 2 ** (Math.floor(Math.log2(rest)) - 7);
  HALF_PI.push(HALF_PI.length === 4 ? Math.fround(rest) : Math.floor(rest / unit) * unit);
}

/** sin(x + quarterTurns pi / 2) */
function sinQuarter(f: FunctionBuilder, x: F32x4, quarterTurns: number): F32x4 {
  const rounded = f.let(x.mul(2 / Math.PI).add(ROUNDER));
  const n = f.let(rounded.sub(ROUNDER));
  const quadrant = f.let(rounded.bits().add(quarterTurns));
  const r = f.let(HALF_PI.reduce((rest: F32x4, piece) => rest.sub(n.mul(piece)), x));
  const z = f.let(r.mul(r));
  const sine = f.let(horner(z, [-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1]).mul(z).mul(r).add(r));
  const cosineTail = horner(z, [2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2]);
  const cosine = f.let(cosineTail.mul(z).mul(z).sub(z.mul(0.5)).add(1));
  const value = f.let(quadrant.and(1).eq(1).select(cosine, sine));
  const signed = f.let(value.bits().xor(quadrant.and(2).shl(30)).asF32x4());
  return f.let(x.abs().le(1e5).select(signed, splat(Number.NaN)));
}

/**
 * Sine for |x| <= 1e5, within 1.1e-7 absolutely. Farther out, where neighbouring floats lie so far apart that an angle has
 * lost its meaning for most purposes, NaN rather than a wrong number.
 */
export const sin = (f: FunctionBuilder, x: F32x4): F32x4 => sinQuarter(f, x, 0);

/** Cosine; domain and error as for `sin`. */
export const cos = (f: FunctionBuilder, x: F32x4): F32x4 => sinQuarter(f, x, 1);

/** Standard normal distribution up to x: (1 + erf(x / sqrt 2)) / 2. */
export const normalCumulative = (f: FunctionBuilder, x: F32x4): F32x4 =>
  f.let(
    erf(f, f.let(x.mul(Math.SQRT1_2)))
      .add(1)
      .mul(0.5),
  );

/** Lanes of 1.0 where the mask is set, else 0. */
export const oneWhere = (mask: I32x4): F32x4 => mask.and(0x3f800000).asF32x4();

/** Integer lanes of 1 where the mask is set, else 0. */
export const flagWhere = (mask: I32x4): I32x4 => mask.and(1);

/** -1, 0 or 1 as the sign of x; keeps NaN. */
export const sign = (f: FunctionBuilder, x: F32x4): F32x4 =>
  f.let(x.ne(x).select(x, oneWhere(x.gt(0)).sub(oneWhere(x.lt(0)))));

/** The same for integers. */
export const signOfIntegers = (x: I32x4): I32x4 => x.shrS(31).or(splatI32(0).sub(x).shrU(31));
