/** sin and cos of any float in WGSL: the algorithm of `trigonometry.wasm.ts`, whose comments explain it. */
import { COS, HALF_PI, HALF_PI_PAIR, SIN, TWO_OVER_PI } from './coefficients.ts';
import { hornerText, type WgslLibrary } from './wgsl-library.ts';

/** Word `word + i` of the digits of 2 / pi; a vector cannot index an array. */
function wordOfDigits(i: number): string {
  const words = TWO_OVER_PI.slice(i, i + 5);
  return words
    .slice(1)
    .reduce((chosen, word, w) => `select(${chosen}, U(${word}u), word == U(${w + 1}u))`, `U(${words[0]}u)`);
}

export const trigonometricFunctions: WgslLibrary = {
  upperProduct: {
    text: /* wgsl */ `// The upper half of a 64-bit product, from halves of 16 bits.
fn upperProduct(a: U, b: U) -> U {
  let aLow = a & U(0xffffu);
  let aHigh = a >> U(16u);
  let bLow = b & U(0xffffu);
  let bHigh = b >> U(16u);
  let middle = aHigh * bLow + ((aLow * bLow) >> U(16u));
  let cross = aLow * bHigh + (middle & U(0xffffu));
  return aHigh * bHigh + (middle >> U(16u)) + (cross >> U(16u));
}`,
  },
  Angle: {
    text: /* wgsl */ `struct Angle { rest: T, quadrant: I }`,
  },
  reduceExactly: {
    text: /* wgsl */ `// Quadrant and rest of x >= pi / 4 in magnitude, by its exact product with 2 / pi modulo 4.
fn reduceExactly(x: T) -> Angle {
  let bits = bitcast<U>(x);
  let exponent = (bits >> U(23u)) & U(255u);
  let mantissa = (bits & U(0x7fffffu)) | U(0x800000u);
  let start = max(exponent, U(120u)) - U(120u);
  let word = start >> U(5u);
  let left = start & U(31u);
  let right = U(31u) - left;
  let d0 = ${wordOfDigits(0)};
  let d1 = ${wordOfDigits(1)};
  let d2 = ${wordOfDigits(2)};
  let d3 = ${wordOfDigits(3)};
  let w0 = (d0 << left) | ((d1 >> U(1u)) >> right);
  let w1 = (d1 << left) | ((d2 >> U(1u)) >> right);
  let w2 = (d2 << left) | ((d3 >> U(1u)) >> right);
  var low = mantissa * w2;
  let low1 = mantissa * w1;
  var middle = low1 + upperProduct(mantissa, w2);
  let carry = select(U(0u), U(1u), middle < low1);
  let top = mantissa * w0 + upperProduct(mantissa, w1) + carry + U(0x20000000u);
  var high = (top & U(0x3fffffffu)) - U(0x20000000u);
  let isNegative = high > U(0x7fffffffu);
  low = select(low, U(0u) - low, isNegative);
  middle = select(middle, ~middle + select(U(0u), U(1u), low == U(0u)), isNegative);
  high = select(high, ~high + select(U(0u), U(1u), (low | middle) == U(0u)), isNegative);
  let fraction = T(high) * ${2 ** -30} + T(middle) * ${2 ** -62};
  let size = bitcast<U>(fraction * ${HALF_PI_PAIR[0]} + fraction * ${HALF_PI_PAIR[1]});
  let sign = (bits & U(0x80000000u)) ^ select(U(0u), U(0x80000000u), isNegative);
  let turns = bitcast<I>(top >> U(30u));
  return Angle(bitcast<T>(size | sign), select(turns, -turns, bits > U(0x7fffffffu)));
}`,
    uses: ['Angle', 'upperProduct'],
  },
  sinQuarter: {
    text: /* wgsl */ `// sin(x + quarterTurns pi / 2)
fn sinQuarter(x: T, quarterTurns: i32) -> T {
  let magnitude = bitcast<U>(x) & U(0x7fffffffu);
  let isFar = magnitude > U(0x47c35000u); // 1e5
  let bounded = select(x, T(0.0), isFar);
  let n = round(bounded * ${2 / Math.PI});
  var quadrant = I(n);
  var r = ${HALF_PI.reduce((rest, piece) => `(${rest} - n * ${piece})`, 'bounded')};
  let hard = isFar | ((abs(r) < T(${2 ** -13})) & (quadrant != I(0)));
  if (any(hard)) {
    let exact = reduceExactly(x);
    r = select(r, exact.rest, hard);
    quadrant = select(quadrant, exact.quadrant, hard);
  }
  quadrant += I(quarterTurns);
  let z = r * r;
  let sine = ${hornerText('z', SIN)} * z * r + r;
  let cosine = ${hornerText('z', COS)} * z * z - 0.5 * z + 1.0;
  let value = select(sine, cosine, (quadrant & I(1)) == I(1));
  let turned = select(value, -value, (quadrant & I(2)) == I(2));
  return select(turned, notANumber(x), magnitude >= U(0x7f800000u));
}`,
    uses: ['notANumber', 'reduceExactly'],
  },
  sine: {
    text: /* wgsl */ `fn sine(x: T) -> T {
  let isZero = (bitcast<U>(x) & U(0x7fffffffu)) == U(0u);
  return select(sinQuarter(x, 0), x, isZero);
}`,
    uses: ['sinQuarter'],
  },
  cosine: { text: /* wgsl */ `fn cosine(x: T) -> T { return sinQuarter(x, 1); }`, uses: ['sinQuarter'] },
};
