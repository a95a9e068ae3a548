/** McNemar against SciPy; the bootstrap against the normal approximation it must approach, and its own seed. */
import { describe, expect, it } from 'vitest';
import { ShapeError, UsageError } from '../../src/devices/errors.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import {
  bootstrapInterval,
  complementaryError,
  mcNemar,
  mcNemarFromCounts,
  pairedBootstrap,
  quantile,
} from '../../src/train/comparison.ts';
import { expected } from './expected.ts';

describe('McNemar', () => {
  it.each(expected.mcnemar)(
    '$onlyFirst against $onlySecond as SciPy',
    ({ onlyFirst, onlySecond, pValue, statistic }) => {
      const found = mcNemarFromCounts(onlyFirst, onlySecond);
      expect(Math.abs(found.pValue - pValue)).toBeLessThanOrEqual(1e-11 * pValue);
      expect(found.statistic).toBe(statistic);
      expect(found.method).toBe(statistic === undefined ? 'exact binomial' : 'chi-square with continuity correction');
      expect(mcNemarFromCounts(onlySecond, onlyFirst).pValue).toBe(found.pValue);
    },
  );

  it('counts only images on which the models differ', () => {
    expect(mcNemar([0, 1, 2, 2, 0], [0, 1, 0, 1, 1], [0, 2, 2, 2, 1])).toMatchObject({
      onlyFirst: 2,
      onlySecond: 1,
      pValue: 1,
    });
    expect(() => mcNemar([0], [0, 1], [0, 1])).toThrow(ShapeError);
  });

  it('has an erfc as good as its comment says', () => {
    for (const { x, value } of expected.erfc) {
      expect(Math.abs(complementaryError(x) / value - 1), `erfc(${x})`).toBeLessThan(1e-13);
    }
  });
});

describe('bootstrap', () => {
  const random = new PhiloxStream(7);
  const first = Array.from({ length: 800 }, () => (random.uniform() < 0.9 ? 1 : 0));
  const second = first.map(right => (random.uniform() < 0.06 ? 1 - right : right));

  it('comes near the normal interval of a mean', () => {
    const differences = first.map((value, index) => second[index] - value);
    const mean = differences.reduce((sum, value) => sum + value, 0) / 800;
    const deviation = Math.sqrt(differences.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 800);
    const reach = (1.96 * deviation) / Math.sqrt(800);
    const found = pairedBootstrap(first, second, { resamples: 4000 });
    expect(found.estimate).toBeCloseTo(mean, 14);
    // The bounds' own scatter over seeds is about 2 % of the interval's width.
    expect(Math.abs(found.low - (mean - reach))).toBeLessThan(0.2 * reach);
    expect(Math.abs(found.high - (mean + reach))).toBeLessThan(0.2 * reach);
  });

  it('is the same for the same seed and another for another', () => {
    const { low, high } = pairedBootstrap(first, second, { seed: 1, resamples: 500 });
    expect(pairedBootstrap(first, second, { seed: 1, resamples: 500 })).toMatchObject({ low, high });
    const values = first.map((_, index) => Math.sin(index * 12.9898));
    const ofSeed = (seed: number) =>
      bootstrapInterval(800, indices => values[indices[0]] + values[indices[1]], { seed }).low;
    expect(ofSeed(1)).not.toBe(ofSeed(2));
  });

  it('widens with the level', () => {
    const narrow = pairedBootstrap(first, second, { level: 0.5, resamples: 500 });
    const wide = pairedBootstrap(first, second, { level: 0.99, resamples: 500 });
    expect(wide.low).toBeLessThan(narrow.low);
    expect(wide.high).toBeGreaterThan(narrow.high);
  });

  it('has nothing to say about equal models', () => {
    expect(pairedBootstrap(first, first, { resamples: 200 })).toMatchObject({ estimate: 0, low: 0, high: 0 });
  });

  it('refuses what makes no interval', () => {
    expect(() => pairedBootstrap([1], [1, 2])).toThrow(ShapeError);
    expect(() => pairedBootstrap([], [])).toThrow(UsageError);
    expect(() => pairedBootstrap([1], [2], { level: 95 })).toThrow(UsageError);
    expect(() => pairedBootstrap([1], [2], { resamples: 3 })).toThrow(UsageError);
  });

  it('interpolates quantiles as NumPy does', () => {
    expect(quantile([1, 2, 4, 8], 0.5)).toBe(3); // numpy.quantile([1, 2, 4, 8], 0.5)
    expect(quantile([1, 2, 4, 8], 0.9)).toBeCloseTo(6.8, 14);
    expect(quantile([5], 0.3)).toBe(5);
  });
});
