/** The checks of arguments: what passes comes back, what does not is one sentence with argument, value and allowed range. */
import { describe, expect, it } from 'vitest';
import {
  everyOf,
  finite,
  flag,
  fraction,
  inRange,
  integerInRange,
  knownOptions,
  nonNegative,
  nonNegativeInteger,
  oneOf,
  pairOf,
  positive,
  positiveInteger,
  seed32,
  showValue,
} from '../../src/devices/checks.ts';
import { UsageError } from '../../src/devices/errors.ts';

const JUNK = [Number.NaN, undefined, null, '1', true, [1], {}, 1n, () => 1];

function refusal(f: () => unknown): string {
  try {
    f();
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as Error).message;
  }
  throw new Error('The call was not refused.');
}

describe('checks of arguments', () => {
  const numeric = [
    { check: finite, good: [-1, 0, 0.5, 1e300], bad: [Infinity, -Infinity], allowed: 'a finite number' },
    { check: positive, good: [5e-324, 1], bad: [0, -0, -1, Infinity], allowed: 'a finite number above 0' },
    { check: nonNegative, good: [0, -0, 2], bad: [-1e-9, Infinity], allowed: 'a finite number of at least 0' },
    { check: fraction, good: [0, 0.3, 1], bad: [-0.1, 1.0001], allowed: 'a number of at least 0 and at most 1' },
    { check: positiveInteger, good: [1, 7], bad: [0, -1, 1.5, Infinity], allowed: 'a whole number of at least 1' },
    { check: nonNegativeInteger, good: [0, 7], bad: [-1, 0.5], allowed: 'a whole number of at least 0' },
    { check: seed32, good: [0, 2 ** 32 - 1], bad: [-1, 2 ** 32, 1.5], allowed: 'at least 0 and at most 4294967295' },
  ];
  it.each(numeric)('gives back what is $allowed, and says so otherwise', ({ check, good, bad, allowed }) => {
    for (const value of good) expect(check('f', 'x', value)).toBe(value);
    for (const value of [...bad, ...JUNK] as number[]) {
      const message = refusal(() => check('f', 'x', value));
      expect(message).toContain('f: x must be ');
      expect(message).toContain(allowed);
      expect(message).toContain(`, not ${showValue(value)}.`);
    }
  });

  it('knows open and closed ends', () => {
    expect(inRange('f', 'x', 0.999, { from: 0, below: 1 })).toBe(0.999);
    expect(refusal(() => inRange('f', 'x', 1, { from: 0, below: 1 }))).toBe(
      'f: x must be a number of at least 0 and below 1, not 1.',
    );
    expect(refusal(() => inRange('f', 'x', 0, { above: 0, to: 1 }))).toBe(
      'f: x must be a number above 0 and at most 1, not 0.',
    );
    expect(refusal(() => inRange('f', 'x', 3, { to: 2 }))).toBe('f: x must be a number of at most 2, not 3.');
    expect(refusal(() => integerInRange('f', 'x', 8, { from: 1, to: 7 }))).toBe(
      'f: x must be a whole number of at least 1 and at most 7, not 8.',
    );
    expect(refusal(() => positiveInteger('f', 'x', 1e300))).toBe(
      'f: x must be a whole number of magnitude below 2^53, not 1e+300.',
    );
  });

  it('takes flags and words literally', () => {
    expect(flag('f', 'x', false)).toBe(false);
    for (const value of [0, 1, 'yes', undefined, null] as unknown as boolean[]) {
      expect(refusal(() => flag('f', 'x', value))).toContain('true or false');
    }
    expect(oneOf('f', 'x', 'same', ['same', 'valid'])).toBe('same');
    expect(refusal(() => oneOf<string>('f', 'x', 'SAME', ['same', 'valid']))).toBe(
      'f: x must be one of same, valid, not "SAME".',
    );
    expect(refusal(() => oneOf<string>('f', 'x', 'constructor', ['same', 'valid']))).toContain('"constructor"');
  });

  it('checks arrays and pairs element by element', () => {
    expect(everyOf('f', 'x', [1, 2, 3], positiveInteger)).toEqual([1, 2, 3]);
    expect(refusal(() => everyOf('f', 'x', [1, 0], positiveInteger))).toContain('f: x[1] must be');
    expect(refusal(() => everyOf('f', 'x', 3 as unknown as number[], positiveInteger))).toContain('an array, not 3');
    // A hole of an array is an element too.
    expect(refusal(() => everyOf('f', 'x', new Array<number>(1), positiveInteger))).toContain('not undefined');
    expect(pairOf('f', 'x', 2, positiveInteger)).toEqual([2, 2]);
    expect(pairOf('f', 'x', [1, 2], positiveInteger)).toEqual([1, 2]);
    expect(refusal(() => pairOf('f', 'x', [1, 0], positiveInteger))).toContain('f: x[1] must be');
    expect(refusal(() => pairOf('f', 'x', 0, positiveInteger))).toContain('f: x must be');
    const three = [1, 2, 3] as unknown as [number, number];
    expect(refusal(() => pairOf('f', 'x', three, positiveInteger))).toContain('not [1, 2, 3]');
  });

  it('names options that do not exist', () => {
    const options: { rate?: number; seed?: number } = { rate: 1 };
    expect(knownOptions('f', options, ['rate', 'seed'])).toBe(options);
    expect(refusal(() => knownOptions('f', { rte: 1 } as typeof options, ['rate', 'seed']))).toBe(
      'f: there is no option "rte"; there are rate, seed.',
    );
    expect(refusal(() => knownOptions('f', 3 as unknown as typeof options, ['rate']))).toContain('an object, not 3');
  });

  it('shows values on one line, cut when long', () => {
    expect(showValue('a\nb')).toBe('"a\\nb"');
    expect(showValue('x'.repeat(1000)).length).toBeLessThan(80);
    expect(showValue(Array.from({ length: 100 }, () => 0)).length).toBeLessThan(60);
    expect(showValue(-0)).toBe('-0');
    expect(showValue(new Map())).toBe('an object (Map)');
    expect(showValue(Object.create(null))).toBe('an object (no class)');
    expect(showValue([Symbol('s'), null])).toBe('[Symbol(s), null]');
  });
});
