/** Powers against exact arithmetic with whole numbers. */
import { expect, it } from 'vitest';
import { wholePower } from '../../src/nn/optim/power.ts';

/** The double nearest to base^exponent: base is a whole number times a power of two, and so is its power. */
function exactPower(base: number, exponent: number): number {
  const negative = base < 0 && exponent % 2 === 1;
  const mantissa = BigInt(Math.abs(base) * 2 ** 60); // exact: bases here have no digits beyond 2^-60
  let digits = mantissa ** BigInt(exponent);
  const scale = -60 * exponent;
  const extra = digits.toString(2).length - 53;
  let shifted = 0;
  if (extra > 0) {
    const half = 1n << BigInt(extra - 1);
    const rest = digits & ((1n << BigInt(extra)) - 1n);
    digits >>= BigInt(extra);
    if (rest > half || (rest === half && digits % 2n === 1n)) digits++;
    shifted = extra;
  }
  const value = Number(digits) * 2 ** Math.max(-1000, scale + shifted) * 2 ** Math.min(0, scale + shifted + 1000);
  return negative ? -value : value;
}

const BASES = [0.9, 0.99, 0.999, 0.95, 0.98, 0.5, 0.1, 0.25, -0.7];

it('rounds a power once, whatever the version of the engine', () => {
  for (const base of BASES) {
    for (const exponent of [...Array(60).keys(), 100, 117, 150, 240, 299]) {
      expect(wholePower(base, exponent), `${base} ** ${exponent}`).toBe(exactPower(base, exponent));
    }
  }
});

it('is at most one unit from the own power of V8 11 and 12, and the same after rounding 1 - power to float32', () => {
  // 0.9 ** 4 there is 0.6561000000000001; 0.9 * 0.9 * 0.9 * 0.9 is, too; nearest is 0.6561.
  expect(wholePower(0.9, 4)).toBe(0.6561);
  for (const base of [0.9, 0.99, 0.999, 0.95, 0.98, 0.9999]) {
    for (let exponent = 0; exponent < 20_000; exponent += 7) {
      const [own, engine] = [wholePower(base, exponent), base ** exponent];
      expect(Math.abs(own - engine)).toBeLessThanOrEqual(2 ** -52 * engine + Number.MIN_VALUE);
      expect(Math.fround(1 - own)).toBe(Math.fround(1 - engine));
    }
  }
});

it('goes on to very long runs and to nothing', () => {
  expect(wholePower(0.999, 1e6)).toBe(0);
  expect(wholePower(0.5, 1000)).toBe(2 ** -1000);
  expect(wholePower(0, 0)).toBe(1);
  expect(wholePower(0, 3)).toBe(0);
});
