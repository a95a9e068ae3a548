/**
 * Two distributions, as far as comparisons need them, in float64: tails of the fair binomial (McNemar's test, exactly) and
 * quantiles of Student's t (intervals of a mean of few values).
 */
import { UsageError } from '../devices/errors.ts';

/** ln(2 pi) / 2 */
const HALF_LOG_2PI = 0.9189385332046727;

/**
 * What Stirling's formula leaves of ln(n!): exact up to 15 (factorials are), the asymptotic series beyond, which is good to
 * 1e-16 there.
 *
 * C. Loader: Fast and accurate computation of binomial probabilities. 2000.
 */
function stirlingError(n: number): number {
  if (n < 16) {
    let factorial = 1;
    for (let i = 2; i <= n; i++) factorial *= i;
    return n === 0 ? 0 : Math.log(factorial) - (n + 0.5) * Math.log(n) + n - HALF_LOG_2PI;
  }
  const square = n * n;
  return (1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - 1 / 1188 / square) / square) / square) / square) / n;
}

/** x ln(x / mean) + mean - x, without the cancellation of its terms where x is near the mean. */
function deviance(x: number, mean: number): number {
  if (Math.abs(x - mean) >= 0.1 * (x + mean)) return (x === 0 ? 0 : x * Math.log(x / mean)) + mean - x;
  const v = (x - mean) / (x + mean);
  let total = (x - mean) * v;
  let term = 2 * x * v;
  for (let j = 1; ; j++) {
    term *= v * v;
    const next = total + term / (2 * j + 1);
    if (next === total) return total;
    total = next;
  }
}

/**
 * The chance of at most `most` heads among `tosses` of a fair coin. Relative error about 1e-13; 0 where float64 has no smaller
 * number.
 *
 * @param most whole number, 0 up to half of the tosses
 */
export function fairBinomialTail(most: number, tosses: number): number {
  if (!(Number.isInteger(most) && Number.isInteger(tosses) && most >= 0 && 2 * most <= tosses)) {
    throw new UsageError(`A tail of ${tosses} tosses holds 0 to half of them, not ${most}.`);
  }
  if (most === 0) return 2 ** -tosses;
  const others = tosses - most;
  const exponent =
    stirlingError(tosses) -
    stirlingError(most) -
    stirlingError(others) -
    deviance(most, tosses / 2) -
    deviance(others, tosses / 2);
  const likeliest = Math.exp(exponent) * Math.sqrt(tosses / (2 * Math.PI * most * others));
  // From the likeliest outcome down each is less likely than the one before.
  let total = 1;
  let ratio = 1;
  for (let k = most; k > 0; k--) {
    ratio *= k / (tosses - k + 1);
    if (ratio < 1e-18 * total) break;
    total += ratio;
  }
  return likeliest * total;
}

/** ln Gamma(x) for x > 0 a multiple of a half. */
function logGamma(x: number): number {
  // Up to where the series of Stirling's formula is exact, by Gamma(x + 1) = x Gamma(x).
  let shift = 0;
  for (; x < 16; x++) shift += Math.log(x);
  return (x - 0.5) * Math.log(x) - x + HALF_LOG_2PI + stirlingError(x) - shift;
}

/**
 * The chance that Student's t with `freedom` degrees of freedom exceeds t >= 0: half of the incomplete beta function at
 * freedom / (freedom + t^2), by its continued fraction (Lentz's method).
 *
 * NIST Digital Library of Mathematical Functions, 8.17.22.
 */
export function studentTail(t: number, freedom: number): number {
  const [a, b] = [freedom / 2, 0.5];
  const x = freedom / (freedom + t * t);
  const y = (t * t) / (freedom + t * t);
  if (y === 0) return 0.5;
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log(y));
  // The fraction converges fast on one side of (a + 1) / (a + b + 2); beyond it the function is 1 less its mirror image.
  return x < (a + 1) / (a + b + 2)
    ? (front * betaFraction(x, a, b)) / a / 2
    : (1 - (front * betaFraction(y, b, a)) / b) / 2;
}

function betaFraction(x: number, a: number, b: number): number {
  const tiny = 1e-300;
  const away = (value: number): number => (Math.abs(value) < tiny ? tiny : value);
  let c = 1;
  let d = 1 / away(1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1; m <= 1000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away(1 + even * d);
    c = away(1 + even / c);
    fraction *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away(1 + odd * d);
    c = away(1 + odd / c);
    fraction *= d * c;
    if (Math.abs(d * c - 1) < 1e-16) break;
  }
  return fraction;
}

/**
 * The t beyond which Student's t lies with a chance of (1 - level) / 2 on either side, by bisection.
 *
 * @param level 0 to 1
 * @param freedom degrees of freedom, at least 1
 */
export function studentReach(level: number, freedom: number): number {
  const tail = (1 - level) / 2;
  let [low, high] = [0, 1];
  while (studentTail(high, freedom) > tail) {
    low = high;
    high *= 2;
  }
  for (let step = 0; step < 200; step++) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) break;
    if (studentTail(middle, freedom) > tail) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
