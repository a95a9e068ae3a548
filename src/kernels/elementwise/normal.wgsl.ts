/** The error function and the normal distribution in WGSL: the algorithms of `normal.wasm.ts`. */
import { ERF_BORDER, ERF_FAR, ERF_NEAR, MILLS, MILLS_CENTER } from './coefficients.ts';
import { hornerText, type WgslLibrary } from './wgsl-library.ts';

const DENSITY_AT_ZERO = 1 / Math.sqrt(2 * Math.PI);

export const normalFunctions: WgslLibrary = {
  erf: {
    text: /* wgsl */ `fn erf(x: T) -> T {
  let t = min(abs(x), T(4.0)); // erf(4) rounds to 1
  let s = t * t;
  // Where the correction to x would be subnormal a driver may drop it.
  let near = select(${hornerText('s', ERF_NEAR)} * t + t, t * ${2 / Math.sqrt(Math.PI)}, t < T(1e-30));
  let far = 1.0 - expOfSum(${hornerText('t', ERF_FAR)} * t - t, T(0.0));
  let size = bitcast<U>(select(far, near, t < T(${ERF_BORDER})));
  return select(bitcast<T>(size | (bitcast<U>(x) & U(0x80000000u))), x, isNaN(x));
}`,
    uses: ['expOfSum', 'isNaN'],
  },
  bell: {
    text: /* wgsl */ `// e^(-k x^2) for k a power of two: the square has too many digits for a float, so it comes in two parts
fn bell(x: T, k: f32) -> T {
  let t = min(abs(x), T(21.0)); // 0 from there
  let upper = bitcast<T>(bitcast<U>(t) & U(0xfffff000u));
  return select(expOfSum(upper * upper * -k, (t - upper) * (t + upper) * -k), x, isNaN(x));
}`,
    uses: ['expOfSum', 'isNaN'],
  },
  normalDensity: {
    text: /* wgsl */ `// Standard normal density.
fn normalDensity(x: T) -> T { return bell(x, 0.5) * ${DENSITY_AT_ZERO}; }`,
    uses: ['bell'],
  },
  millsRatio: {
    text: /* wgsl */ `// For x <= -1: the standard normal distribution function over the density.
fn millsRatio(x: T) -> T {
  let t = min(abs(x), T(15.0)); // the density is 0 from there
  let inverse = 1.0 / (t + ${MILLS_CENTER}.0);
  let v = (t - ${MILLS_CENTER}.0) * inverse;
  return ${hornerText('v', MILLS)} * inverse;
}`,
  },
  normalCumulative: {
    text: /* wgsl */ `// Standard normal distribution function: of (1 + erf) / 2 digits are lost below -1.
fn normalCumulative(x: T) -> T {
  let tail = normalDensity(x) * millsRatio(x);
  return select(0.5 + 0.5 * erf(x * ${Math.SQRT1_2}), tail, x < T(-1.0));
}`,
    uses: ['erf', 'millsRatio', 'normalDensity'],
  },
  geluDerivative: {
    text: /* wgsl */ `// The derivative of x normalCumulative(x).
fn geluDerivative(x: T) -> T {
  let density = normalDensity(x);
  let plain = 0.5 + 0.5 * erf(x * ${Math.SQRT1_2}) + x * density;
  return select(plain, density * (millsRatio(x) + x), x < T(-1.0));
}`,
    uses: ['erf', 'millsRatio', 'normalDensity'],
  },
};
