/** Ranks, correlation and detection against SciPy and scikit-learn, ties included. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ShapeError, UsageError } from '../../src/devices/errors.ts';
import { averageRanks, detection, pearson, spearman } from '../../src/train/ranks.ts';
import { difference, expected } from './expected.ts';

describe('ranks', () => {
  it('agree with SciPy', () => {
    for (const { a, b, rho, ranks } of expected.spearman) {
      expect([...averageRanks(a)]).toEqual(ranks);
      expect(spearman(a, b)).toBeCloseTo(rho, 14);
    }
  });

  it('share the mean under ties', () => {
    expect([...averageRanks([3, 1, 3, 3, Number.POSITIVE_INFINITY])]).toEqual([3, 1, 3, 3, 5]);
    expect(spearman([-1, 1, 1], [0, 0, 2])).toBe(0.5);
  });

  it('have no correlation with a constant', () => {
    expect(spearman([0.1, 0.1, 0.1], [1, 2, 3])).toBeNaN();
    expect(pearson([0.1, 0.1, 0.1], [1, 2, 3])).toBeNaN();
  });

  it('have no unit', () => {
    const [a, b] = [
      [1, 2, 4, 3, 7],
      [2, 1, 5, 9, 8],
    ];
    const usual = pearson(a, b);
    for (const unit of [2 ** -1000, 2 ** -300, 2 ** 300, 2 ** 1000]) {
      const scaled = a.map(value => value * unit);
      expect(pearson(scaled, b)).toBe(usual);
      expect(pearson(b, scaled)).toBe(usual);
      expect(pearson(scaled, scaled)).toBeCloseTo(1, 14);
    }
  });

  it('see only the order', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -20, max: 20 }), { minLength: 2, maxLength: 50 }), values => {
        const stretched = values.map(value => Math.exp(value / 5));
        const rho = spearman(values, stretched);
        if (new Set(values).size === 1) expect(rho).toBeNaN();
        else expect(rho).toBeCloseTo(1, 12);
      }),
    );
  });

  it('refuse what is no pair or no number', () => {
    expect(() => spearman([1, 2], [1])).toThrow(ShapeError);
    expect(() => pearson([1], [1])).toThrow(UsageError);
    expect(() => averageRanks([1, Number.NaN])).toThrow('NaN');
    expect(() => pearson([1, 2, Number.NaN], [1, 2, 3])).toThrow('Value 2 of 3 is NaN');
    expect(() => pearson([1, 2, 3], [1, Number.POSITIVE_INFINITY, 3])).toThrow('Value 1 of 3 is Infinity');
  });
});

describe('detection', () => {
  it.each(expected.detection)('agrees with scikit-learn (AUROC $auroc)', ({ positives, negatives, ...wanted }) => {
    expect(difference(detection(positives, negatives), wanted)).toBeLessThan(1e-14);
  });

  it('has an AUROC that turns to its complement when the sides change places', () => {
    const scores = fc.array(fc.integer({ min: 0, max: 10 }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(scores, scores, (a, b) => {
        expect(detection(a, b).auroc + detection(b, a).auroc).toBeCloseTo(1, 12);
      }),
    );
  });

  it('refuses an empty side and NaN', () => {
    expect(() => detection([], [1])).toThrow(UsageError);
    expect(() => detection([Number.NaN], [1])).toThrow(UsageError);
  });
});
