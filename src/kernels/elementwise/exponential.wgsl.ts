/** exp, log and what is made of them, in WGSL: the algorithms of `vector-math.wasm.ts`, specials by their bits. */
import { EXP, LN2_HIGH, LN2_LOW, LOG, LOG1P, TANH } from './coefficients.ts';
import { hornerText, type WgslLibrary } from './wgsl-library.ts';

export const exponentialFunctions: WgslLibrary = {
  powerOfTwo: {
    text: /* wgsl */ `// 2^n for n in [-126, 127]
fn powerOfTwo(n: I) -> T { return bitcast<T>((n + I(127)) << U(23u)); }`,
  },
  scaleByPowerOfTwo: {
    text: /* wgsl */ `// x 2^n for n in [-252, 254]
fn scaleByPowerOfTwo(x: T, n: I) -> T {
  let half = n >> U(1u);
  return x * powerOfTwo(half) * powerOfTwo(n - half);
}`,
    uses: ['powerOfTwo'],
  },
  expm1Reduced: {
    text: /* wgsl */ `// e^r - 1 for r about ln 2 / 2 or less
fn expm1Reduced(r: T) -> T { return ${hornerText('r', EXP)} * (r * r) + r; }`,
  },
  expOfSum: {
    text: /* wgsl */ `// e^(high + low), low being 0.1 or less; finite numbers only
fn expOfSum(high: T, low: T) -> T {
  let bounded = clamp(high, T(-104.5), T(89.0)); // 0 and infinity from there
  let n = round(bounded * ${Math.LOG2E});
  let r = bounded - n * ${LN2_HIGH} - n * ${LN2_LOW} + low;
  return scaleByPowerOfTwo(expm1Reduced(r) + 1.0, I(n));
}`,
    uses: ['expm1Reduced', 'scaleByPowerOfTwo'],
  },
  exponential: {
    text: /* wgsl */ `// e^x
fn exponential(x: T) -> T { return select(expOfSum(x, T(0.0)), x, isNaN(x)); }`,
    uses: ['expOfSum', 'isNaN'],
  },
  expm1OfNegative: {
    text: /* wgsl */ `// e^x - 1 for x <= 0; larger x count as 0
fn expm1OfNegative(x: T) -> T {
  let bounded = clamp(x, T(-60.0), T(0.0));
  let n = round(bounded * ${Math.LOG2E});
  let p = expm1Reduced(bounded - n * ${LN2_HIGH} - n * ${LN2_LOW});
  let scale = powerOfTwo(I(n));
  return p * scale + (scale - 1.0);
}`,
    uses: ['expm1Reduced', 'powerOfTwo'],
  },
  logarithm: {
    text: /* wgsl */ `// ln x; ln 0 = -inf, of negative numbers NaN
fn logarithm(x: T) -> T {
  let given = bitcast<U>(x);
  // A subnormal number is its bits times 2^-149, whatever a driver does with such numbers.
  let isSubnormal = given < U(0x00800000u);
  let bits = select(given, bitcast<U>(T(given)), isSubnormal) - U(0x3f3504f3u); // sqrt(1/2) becomes 0
  let n = T(bitcast<I>(bits) >> U(23u)) - select(T(0.0), T(149.0), isSubnormal);
  let m = bitcast<T>((bits & U(0x7fffffu)) + U(0x3f3504f3u)) - 1.0;
  let square = m * m;
  let small = ${hornerText('m', LOG)} * m * square + n * ${LN2_LOW} - 0.5 * square;
  let value = m + small + n * ${LN2_HIGH};
  let isRegular = given - U(1u) < U(0x7f7fffffu); // above 0, finite
  let edge = select(x, notANumber(x), isBelowZero(x));
  let minusInfinity = bitcast<T>(given | U(0xff800000u));
  let isZero = (given & U(0x7fffffffu)) == U(0u);
  return select(select(edge, minusInfinity, isZero), value, isRegular);
}`,
    uses: ['isBelowZero', 'notANumber'],
  },
  log1pOfFraction: {
    text: /* wgsl */ `// ln(1 + x) for x in [0, 1], as 2 artanh(x / (2 + x))
fn log1pOfFraction(x: T) -> T {
  let s = x / (x + 2.0);
  let z = s * s;
  return ${hornerText('z', LOG1P)} * z * s + (s + s);
}`,
  },
  sigmoid: {
    text: /* wgsl */ `// 1 / (1 + e^-x), made of what cannot overflow
fn sigmoid(x: T) -> T {
  let e = expOfSum(-abs(x), T(0.0));
  let value = select(T(1.0), e, isBelowZero(x)) / (1.0 + e);
  return select(value, x, isNaN(x));
}`,
    uses: ['expOfSum', 'isBelowZero', 'isNaN'],
  },
  softplus: {
    text: /* wgsl */ `// ln(1 + e^x)
fn softplus(x: T) -> T {
  let value = max(x, T(0.0)) + log1pOfFraction(expOfSum(-abs(x), T(0.0)));
  return select(value, x, isNaN(x));
}`,
    uses: ['expOfSum', 'isNaN', 'log1pOfFraction'],
  },
  hyperbolicTangent: {
    text: /* wgsl */ `fn hyperbolicTangent(x: T) -> T {
  let t = min(abs(x), T(10.0)); // rounds to 1 from there
  let z = t * t;
  let near = ${hornerText('z', TANH)} * z * t + t;
  let far = 1.0 - 2.0 / (expOfSum(t + t, T(0.0)) + 1.0);
  let size = bitcast<U>(select(far, near, t < T(0.625)));
  return select(bitcast<T>(size | (bitcast<U>(x) & U(0x80000000u))), x, isNaN(x));
}`,
    uses: ['expOfSum', 'isNaN'],
  },
};
