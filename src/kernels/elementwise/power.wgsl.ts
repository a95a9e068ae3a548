/** x^y in WGSL: the algorithm of `power.wasm.ts`. Every product whose error counts is exact, fused or not. */
import { POW_CP, POW_EXP2, POW_LN2, POW_LOG2, POW_LOG2_CENTER } from './coefficients.ts';
import { hornerText, type WgslLibrary } from './wgsl-library.ts';

export const powerFunctions: WgslLibrary = {
  upperDigits: {
    text: /* wgsl */ `// The upper 12 bits of the significand: products of two such numbers are exact.
fn upperDigits(x: T) -> T { return bitcast<T>(bitcast<U>(x) & U(0xfffff000u)); }`,
  },
  FloatSum: {
    text: /* wgsl */ `struct FloatSum { high: T, low: T }`,
  },
  log2Pair: {
    text: /* wgsl */ `// log2 of positive finite x, the first part with 12 significant bits
fn log2Pair(x: T) -> FloatSum {
  let given = bitcast<U>(x);
  let isSubnormal = given < U(0x00800000u); // its bits times 2^-149, whatever a driver does with such numbers
  let bits = select(given, bitcast<U>(T(given)), isSubnormal);
  let fraction = bits & U(0x7fffffu);
  // Three intervals: the significand is compared with 1, with 1.5, or halved and compared with 1.
  let isMiddle = (fraction > U(0x1cc471u)) & (fraction < U(0x5db3d7u));
  let isHigh = fraction >= U(0x5db3d7u);
  let n = T(bitcast<I>(bits >> U(23u)) - I(127) - select(I(0), I(149), isSubnormal) + select(I(0), I(1), isHigh));
  let significandBits = (fraction | U(0x3f800000u)) - select(U(0u), U(0x00800000u), isHigh);
  let significand = bitcast<T>(significandBits);
  let center = select(T(1.0), T(1.5), isMiddle);
  // s = (significand - center) / (significand + center), in two parts
  let u = significand - center;
  let v = 1.0 / (significand + center);
  let s = u * v;
  let sHigh = upperDigits(s);
  let sumHigh = bitcast<T>((((significandBits >> U(1u)) & U(0xfffff000u)) | U(0x20000000u)) + U(0x00400000u)
    + select(U(0u), U(0x00200000u), isMiddle));
  let sumLow = significand - (sumHigh - center);
  let sLow = v * ((u - sHigh * sumHigh) - sHigh * sumLow);
  // ln(significand / center) = 2 s + 2/3 s^3 + ..., as 2/3 s (3 + s^2 + r)
  let s2 = s * s;
  let r = s2 * s2 * ${hornerText('s2', POW_LOG2)} + sLow * (sHigh + s);
  let sHigh2 = sHigh * sHigh;
  let tHigh = upperDigits(sHigh2 + 3.0 + r);
  let tLow = r - ((tHigh - 3.0) - sHigh2);
  let productHigh = sHigh * tHigh;
  let productLow = sLow * tHigh + tLow * s;
  let pHigh = upperDigits(productHigh + productLow);
  let pLow = productLow - (pHigh - productHigh);
  // times 2 / (3 ln 2), plus log2 of the center, plus the exponent
  let zHigh = pHigh * ${POW_CP[1]};
  let zLow = pHigh * ${POW_CP[2]} + pLow * ${POW_CP[0]} + select(T(0.0), T(${POW_LOG2_CENTER[1]}), isMiddle);
  let centerHigh = select(T(0.0), T(${POW_LOG2_CENTER[0]}), isMiddle);
  let first = upperDigits(zHigh + zLow + centerHigh + n);
  return FloatSum(first, zLow - (first - n - centerHigh - zHigh));
}`,
    uses: ['FloatSum', 'upperDigits'],
  },
  exp2Pair: {
    text: /* wgsl */ `// 2^(high + low), |high + low| <= 151
fn exp2Pair(high: T, low: T) -> T {
  let n = round(high + low);
  let rest = high - n;
  let t = bitcast<T>(bitcast<U>(low + rest) & U(0xffff8000u));
  let u = t * ${POW_LN2[1]};
  let v = (low - (t - rest)) * ${POW_LN2[0]} + t * ${POW_LN2[2]};
  let z = u + v;
  let w = v - (z - u);
  let z2 = z * z;
  let c = z - z2 * ${hornerText('z2', POW_EXP2)};
  let correction = z * c / (c - 2.0) - (w + z * w);
  return scaleByPowerOfTwo(1.0 - (correction - z), I(n));
}`,
    uses: ['scaleByPowerOfTwo'],
  },
  power: {
    text: /* wgsl */ `// C's pow: x^0 = 1^y = 1, negative x to an integer keeps the parity's sign, otherwise NaN
fn power(x: T, y: T) -> T {
  let xBits = bitcast<U>(x) & U(0x7fffffffu);
  let yBits = bitcast<U>(y) & U(0x7fffffffu);
  let magnitude = bitcast<T>(xBits);
  let logarithm = log2Pair(magnitude);
  // Beyond 2^40 in magnitude, powers of anything but 1 and -1 are 0 or infinity.
  let bounded = clamp(y, T(-1.0995116e12), T(1.0995116e12));
  let yHigh = upperDigits(bounded);
  let productHigh = yHigh * logarithm.high;
  let productLow = (bounded - yHigh) * logarithm.high + bounded * logarithm.low;
  let sum = productHigh + productLow;
  let isInside = abs(sum) <= T(151.0);
  let regular = exp2Pair(select(clamp(sum, T(-151.0), T(129.0)), productHigh, isInside),
    select(T(0.0), productLow, isInside));

  // At the borders only the direction counts: growing gives infinity, shrinking 0.
  let isBorder = (xBits == U(0u)) | (xBits == U(0x7f800000u)) | (yBits == U(0x7f800000u));
  let grows = (xBits > U(0x3f800000u)) != isNegative(y);
  let infinity = bitcast<T>((xBits & U(0u)) | U(0x7f800000u));
  let size = select(regular, select(T(0.0), infinity, grows), isBorder);

  let isWhole = (yBits == U(0u)) | ((yBits >= U(0x3f800000u)) & (y == trunc(y)));
  let isOdd = isWhole & (yBits < U(0x4b800000u)) & (abs(y * 0.5 - trunc(y * 0.5)) > T(0.25));
  let sign = select(U(0u), bitcast<U>(x) & U(0x80000000u), isOdd);
  let real = bitcast<T>(bitcast<U>(size) | sign);
  let isRootOfNegative = isBelowZero(x) & (xBits != U(0x7f800000u)) & !isWhole;
  let isUndefined = isRootOfNegative | isNaN(x) | isNaN(y);
  let isOne = (yBits == U(0u)) | (bitcast<U>(x) == U(0x3f800000u))
    | ((bitcast<U>(x) == U(0xbf800000u)) & (yBits == U(0x7f800000u)));
  return select(select(real, notANumber(x), isUndefined), T(1.0), isOne);
}`,
    uses: ['exp2Pair', 'isBelowZero', 'isNaN', 'isNegative', 'log2Pair', 'notANumber', 'upperDigits'],
  },
};
