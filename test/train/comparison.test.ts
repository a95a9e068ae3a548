/** McNemar and Student's t against SciPy; the bootstrap against the normal approximation it must approach, and its own seed. */
import { describe, expect, it } from 'vitest';
import { ShapeError, UsageError } from '../../src/devices/errors.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import {
  bootstrapInterval,
  mcNemar,
  mcNemarFromCounts,
  pairedBootstrap,
  quantile,
} from '../../src/train/comparison.ts';
import { studentReach } from '../../src/train/distributions.ts';
import { expected } from './expected.ts';

describe('McNemar', () => {
  it.each(expected.mcnemar)('$onlyFirst against $onlySecond as SciPy', ({ onlyFirst, onlySecond, pValue }) => {
    const found = mcNemarFromCounts(onlyFirst, onlySecond);
    expect(Math.abs(found.pValue - pValue)).toBeLessThanOrEqual(1e-12 * pValue);
    expect(found.method).toBe('exact binomial');
    expect(mcNemarFromCounts(onlySecond, onlyFirst).pValue).toBe(found.pValue);
  });

  it('one more win never makes it less certain', () => {
    let before = 1;
    for (let wins = 2; wins < 400; wins++) {
      const { pValue } = mcNemarFromCounts(0, wins);
      expect(pValue, `0 against ${wins}`).toBeLessThan(before);
      before = pValue;
    }
    expect(mcNemarFromCounts(0, 5000).pValue).toBe(0);
    expect(mcNemarFromCounts(29_900, 30_100).pValue).toBeCloseTo(0.4167, 3);
  });

  it('refuses counts that are none', () => {
    for (const [b, c] of [
      [-1, 3],
      [3, -1],
      [1.5, 2],
      [Number.NaN, 1],
      [1, Number.POSITIVE_INFINITY],
    ]) {
      expect(() => mcNemarFromCounts(b, c), `${b}, ${c}`).toThrow(UsageError);
    }
    expect(() => mcNemar([], [], [])).toThrow('no images');
  });

  it('counts only images on which the models differ', () => {
    expect(mcNemar([0, 1, 2, 2, 0], [0, 1, 0, 1, 1], [0, 2, 2, 2, 1])).toMatchObject({
      onlyFirst: 2,
      onlySecond: 1,
      pValue: 1,
    });
    expect(() => mcNemar([0], [0, 1], [0, 1])).toThrow(ShapeError);
  });
});

describe("Student's t", () => {
  it.each(expected.student)('reach of $level at $freedom degrees of freedom as SciPy', ({ level, freedom, reach }) => {
    expect(studentReach(level, freedom) / reach).toBeCloseTo(1, 12);
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
    expect(found.method).toBe('bootstrap');
    expect(Math.abs(found.low! - (mean - reach))).toBeLessThan(0.2 * reach);
    expect(Math.abs(found.high! - (mean + reach))).toBeLessThan(0.2 * reach);
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
    expect(wide.low!).toBeLessThan(narrow.low!);
    expect(wide.high!).toBeGreaterThan(narrow.high!);
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

  it('refuses values that are none, and names them', () => {
    expect(() => pairedBootstrap([0, Number.NaN], [1, 1])).toThrow('image 1 are NaN and 1');
    expect(() => pairedBootstrap([0, 1], [1, Number.POSITIVE_INFINITY])).toThrow('image 1 are 1 and Infinity');
    const values = [1, 2, 3, 4, 5, 6];
    expect(() => bootstrapInterval(6, indices => (indices.includes(0) ? Number.NaN : 1))).toThrow('is NaN');
    for (const count of [0, -1, 2.5, Number.NaN])
      expect(() => bootstrapInterval(count, () => 1)).toThrow(`at least one image, not ${count}`);
    for (const options of [{ level: Number.NaN }, { level: 1 }, { resamples: 0 }, { resamples: 150.5 }])
      expect(() => pairedBootstrap(values, values, options), JSON.stringify(options)).toThrow(UsageError);
  });

  it('of fewer than five images there is no interval, and it says so', () => {
    for (const count of [1, 2, 3, 4]) {
      const first = Array.from({ length: count }, (_, i) => i * i);
      const second = first.map(value => value + 1 + Math.sin(value));
      const found = pairedBootstrap(first, second);
      expect(found).toMatchObject({ low: null, high: null, method: 'none', resamples: 0 });
      expect(found.reason).toBe(`${count} ${count === 1 ? 'image is' : 'images are'} too few, it takes 5`);
      expect(found.estimate).toBeCloseTo(second.reduce((sum, value, i) => sum + value - first[i], 0) / count, 14);
      expect(bootstrapInterval(count, () => 3)).toMatchObject({ estimate: 3, low: null, high: null, method: 'none' });
    }
  });

  it("of few images it is Student's t", () => {
    // scipy.stats.t.interval(.95, 4, mean, sem) of [1, 2, 4, 8, 16]: 6.2 -+ 2.7764451051977934 * 2.727636339397171
    const found = pairedBootstrap([0, 0, 0, 0, 0], [1, 2, 4, 8, 16]);
    expect(found.method).toBe("Student's t");
    expect(found.low).toBeCloseTo(6.2 - 2.7764451051977934 * 2.727636339397171, 12);
    expect(found.high).toBeCloseTo(6.2 + 2.7764451051977934 * 2.727636339397171, 12);
    expect(
      pairedBootstrap(
        new Float64Array(29),
        Array.from({ length: 29 }, (_, i) => Math.sin(i)),
      ).method,
    ).toBe("Student's t");
    expect(
      pairedBootstrap(
        new Float64Array(30),
        Array.from({ length: 30 }, (_, i) => Math.sin(i)),
      ).method,
    ).toBe('bootstrap');
  });

  it('says nothing of the spread of few values that are equal', () => {
    const found = pairedBootstrap(new Float64Array(8), new Float64Array(8).fill(0.1));
    expect(found).toMatchObject({ estimate: 0.1, low: null, high: null, method: 'none' });
    expect(found.reason).toContain('all 8 values are equal');
  });

  it.each([5, 8, 20])('of %i normal values it holds the truth about as often as it says', count => {
    const random = new PhiloxStream(11, count);
    let held = 0;
    for (let trial = 0; trial < 600; trial++) {
      const values = Array.from({ length: count }, () => random.normal());
      const { low, high } = pairedBootstrap(new Float64Array(count), values);
      if (low! <= 0 && high! >= 0) held++;
    }
    // 95 % of 600 are 570, with a deviation of 5.3; the bootstrap's interval holds it 493 times of 5 values.
    expect(Math.abs(held - 570)).toBeLessThan(22);
  });

  it('interpolates quantiles as NumPy does', () => {
    expect(quantile([1, 2, 4, 8], 0.5)).toBe(3); // numpy.quantile([1, 2, 4, 8], 0.5)
    expect(quantile([1, 2, 4, 8], 0.9)).toBeCloseTo(6.8, 14);
    expect(quantile([5], 0.3)).toBe(5);
    expect(() => quantile([], 0.5)).toThrow('no values');
    for (const q of [-0.1, 1.1, Number.NaN]) expect(() => quantile([1, 2], q)).toThrow(`not at ${q}`);
  });
});
