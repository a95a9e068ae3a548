/**
 * x^y on four lanes: 2^(y log2 x), where log2 x is carried in two floats, because an error in its last place would be
 * multiplied by y. The algorithm is that of fdlibm's e_powf.c, with its branches turned into selections. Within 1.0 ULP, measured by
 * `test/kernels/vector-math.test.ts`.
 */
import { type F32x4, type FunctionBuilder, splat, splatI32 } from '../../devices/wasm/assembler/module.ts';
import { POW_CP, POW_EXP2, POW_LN2, POW_LOG2, POW_LOG2_CENTER } from './coefficients.ts';
import { horner, scaleByPowerOfTwo } from './vector-math.wasm.ts';

/** The upper 12 bits of the significand: products of two such numbers are exact. */
const upper = (x: F32x4): F32x4 =>
  x
    .bits()
    .and(0xfffff000 | 0)
    .asF32x4();

/** log2 of positive finite x as a sum of two floats, the first with 12 significant bits. */
function log2Pair(f: FunctionBuilder, x: F32x4): [F32x4, F32x4] {
  const subnormal = f.let(x.lt(1.1754943508222875e-38));
  const bits = f.let(subnormal.select(x.mul(16777216), x).bits());
  const fraction = f.let(bits.and(0x7fffff));
  // Three intervals: the significand is compared with 1, with 1.5, or halved and compared with 1.
  const middle = f.let(fraction.gt(0x1cc471).and(fraction.lt(0x5db3d7)));
  const high = f.let(fraction.ge(0x5db3d7));
  const n = f.let(bits.shrU(23).sub(127).sub(subnormal.and(24)).add(high.and(1)).toF32x4S());
  const significandBits = f.let(fraction.or(0x3f800000).sub(high.and(0x00800000)));
  const significand = f.let(significandBits.asF32x4());
  const center = f.let(middle.select(splat(1.5), splat(1)));
  // s = (significand - center) / (significand + center), in two parts.
  const u = f.let(significand.sub(center));
  const v = f.let(splat(1).div(significand.add(center)));
  const s = f.let(u.mul(v));
  const sHigh = f.let(upper(s));
  const sumHigh = f.let(
    significandBits
      .shrS(1)
      .and(0xfffff000 | 0)
      .or(0x20000000)
      .add(0x00400000)
      .add(middle.and(1 << 21))
      .asF32x4(),
  );
  const sumLow = significand.sub(sumHigh.sub(center));
  const sLow = f.let(v.mul(u.sub(sHigh.mul(sumHigh)).sub(sHigh.mul(sumLow))));
  // log(significand / center) = 2 s + 2/3 s^3 + ..., as 2/3 s (3 + s^2 + r)
  const s2 = f.let(s.mul(s));
  const series = horner(s2, POW_LOG2);
  const r = f.let(
    s2
      .mul(s2)
      .mul(series)
      .add(sLow.mul(sHigh.add(s))),
  );
  const sHigh2 = f.let(sHigh.mul(sHigh));
  const tHigh = f.let(upper(f.let(sHigh2.add(3).add(r))));
  const tLow = f.let(r.sub(tHigh.sub(3).sub(sHigh2)));
  const productHigh = f.let(sHigh.mul(tHigh));
  const productLow = f.let(sLow.mul(tHigh).add(tLow.mul(s)));
  const pHigh = f.let(upper(f.let(productHigh.add(productLow))));
  const pLow = f.let(productLow.sub(pHigh.sub(productHigh)));
  // Times 2 / (3 ln 2), plus log2 of the center, plus the exponent.
  const zHigh = f.let(pHigh.mul(POW_CP[1]));
  const centerLow = middle.select(splat(POW_LOG2_CENTER[1]), splat(0));
  const zLow = f.let(pHigh.mul(POW_CP[2]).add(pLow.mul(POW_CP[0])).add(centerLow));
  const centerHigh = f.let(middle.select(splat(POW_LOG2_CENTER[0]), splat(0)));
  const first = f.let(upper(f.let(zHigh.add(zLow).add(centerHigh).add(n))));
  return [first, f.let(zLow.sub(first.sub(n).sub(centerHigh).sub(zHigh)))];
}

/** 2^(high + low), |high + low| <= 151. */
function exp2Pair(f: FunctionBuilder, high: F32x4, low: F32x4): F32x4 {
  const n = f.let(high.add(low).nearest());
  const rest = f.let(high.sub(n));
  const t = f.let(
    low
      .add(rest)
      .bits()
      .and(0xffff8000 | 0)
      .asF32x4(),
  );
  const u = f.let(t.mul(POW_LN2[1]));
  const v = f.let(low.sub(t.sub(rest)).mul(POW_LN2[0]).add(t.mul(POW_LN2[2])));
  const z = f.let(u.add(v));
  const w = f.let(v.sub(z.sub(u)));
  const z2 = f.let(z.mul(z));
  const series = horner(z2, POW_EXP2);
  const c = f.let(z.sub(z2.mul(series)));
  const correction = z
    .mul(c)
    .div(c.sub(2))
    .sub(w.add(z.mul(w)));
  return f.let(scaleByPowerOfTwo(f, f.let(splat(1).sub(correction.sub(z))), f.let(n.truncateToI32x4())));
}

/** x^y with C's special cases: x^0 = 1^y = 1, negative x to an integer keeps the parity's sign, otherwise NaN. */
export function pow(f: FunctionBuilder, x: F32x4, y: F32x4): F32x4 {
  const magnitude = f.let(x.abs());
  const [logHigh, logLow] = log2Pair(f, magnitude);
  const yHigh = f.let(upper(y));
  const productHigh = f.let(yHigh.mul(logHigh));
  const productLow = f.let(y.sub(yHigh).mul(logHigh).add(y.mul(logLow)));
  const exponent = f.let(productHigh.add(productLow));
  const outside = f.let(exponent.abs().le(151).not());
  const clamped = exponent.pmin(129).pmax(-151);
  const regular = exp2Pair(f, f.let(outside.select(clamped, productHigh)), f.let(outside.select(splat(0), productLow)));

  // At the borders only the direction counts: growing gives infinity, shrinking 0.
  const atBorder = magnitude.eq(0).or(magnitude.eq(Infinity)).or(y.abs().eq(Infinity));
  const grows = magnitude.gt(1).xor(y.lt(0));
  const size = f.let(atBorder.select(grows.select(splat(Infinity), splat(0)), regular));

  const negative = f.let(x.bits().shrS(31));
  const half = f.let(y.mul(0.5));
  const fractional = f.let(y.ne(y.truncate()));
  const odd = fractional.not().and(half.ne(half.truncate()));
  const signed = f.let(size.bits().xor(negative.and(odd).shl(31)).asF32x4());
  const undefinedRoot = x.lt(0).and(x.gt(-Infinity)).and(fractional);
  const unordered = x.ne(x).or(y.ne(y));
  const real = f.let(undefinedRoot.or(unordered).select(splat(Number.NaN), signed));
  const one = y
    .eq(0)
    .or(x.eq(1))
    .or(x.eq(-1).and(y.abs().eq(Infinity)));
  return f.let(one.select(splatI32(0x3f800000).asF32x4(), real));
}
