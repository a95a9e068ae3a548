/** Calibration against NumPy from the definition, and a temperature found by SciPy's minimiser. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/devices/errors.ts';
import {
  expectedCalibrationError,
  fitTemperature,
  reliabilityTable,
  TEMPERATURE_RANGE,
} from '../../src/train/calibration.ts';
import { negativeLogLikelihood, softmaxRows } from '../../src/train/scores.ts';
import { difference, expected } from './expected.ts';

describe.each(expected.classifiers)(
  'calibration: $name',
  ({ classes, logits, labels, reliability, ece, ...wanted }) => {
    it('fills the bins', () => {
      const table = reliabilityTable(softmaxRows(logits, classes), labels);
      expect(difference(table, reliability)).toBeLessThan(1e-12);
      expect(expectedCalibrationError(table)).toBeCloseTo(ece, 12);
    });

    it('fits the temperature', () => {
      const fit = fitTemperature(logits, labels);
      // SciPy's minimiser compares losses, so its place is good to about the root of their precision.
      expect(Math.abs(fit.temperature / wanted.temperature - 1)).toBeLessThan(1e-6);
      expect(fit.nllAfter).toBeLessThanOrEqual(wanted.nllAtTemperature + 1e-15);
      expect(fit.nllAfter).toBeLessThanOrEqual(fit.nllBefore);
      expect(fit.nllBefore).toBeCloseTo(wanted.nll, 12);
      expect(fit.atLimit).toBe(false);
      expect(fit.iterations).toBeLessThan(20);
    });
  },
);

describe('reliabilityTable', () => {
  it('puts a confidence on an edge into the bin below it', () => {
    const counts = reliabilityTable([0.6, 0.4, 0.8, 0.2, 1, 0], [0, 0, 0], 5).map(bin => bin.count);
    expect(counts).toEqual([0, 0, 1, 1, 1]);
  });

  it('by the edges it names, whatever confidence times bins rounds to', () => {
    for (let bins = 2; bins <= 100; bins++) {
      for (let edge = Math.ceil(bins / 2); edge <= bins; edge++) {
        for (const confidence of [edge / bins, (edge / bins) * (1 - 2 ** -53), (edge / bins) * (1 + 2 ** -52)]) {
          if (confidence < 0.5 || confidence > 1) continue;
          const [bin] = reliabilityTable([confidence, 1 - confidence], [0], bins).filter(({ count }) => count > 0);
          expect(confidence > bin.low && confidence <= bin.high, `${confidence} in ${bin.low}, ${bin.high}`).toBe(true);
        }
      }
    }
  });

  it('refuses numbers of bins, and tables, that are none', () => {
    for (const bins of [0, -1, 1.5, Number.NaN]) expect(() => reliabilityTable([1, 0], [0], bins)).toThrow(UsageError);
    expect(() => expectedCalibrationError([])).toThrow('no images');
    const [bin] = reliabilityTable([1, 0], [0], 1);
    for (const count of [-1, 0.5, Number.NaN])
      expect(() => expectedCalibrationError([{ ...bin, count }])).toThrow(`not ${count}`);
  });

  it('leaves empty bins empty', () => {
    const [first] = reliabilityTable([0.9, 0.1], [0], 2);
    expect(first).toEqual({ low: 0, high: 0.5, count: 0, confidence: null, accuracy: null });
  });

  it('is 0 for confidences that come true', () => {
    const probabilities = Array.from({ length: 10 }, () => [0.7, 0.3]).flat();
    const table = reliabilityTable(probabilities, [0, 0, 0, 0, 0, 0, 0, 1, 1, 1]);
    expect(expectedCalibrationError(table)).toBeCloseTo(0, 15);
  });

  it('refuses logits', () => {
    expect(() => reliabilityTable([5, -2], [0])).toThrow(UsageError);
    expect(() => reliabilityTable([1, 0], [0], 0)).toThrow(UsageError);
  });
});

describe('fitTemperature', () => {
  const { logits, labels } = expected.classifiers[0];

  it('finds its own scale again: logits times k need k times the temperature', () => {
    const { temperature } = fitTemperature(logits, labels);
    fc.assert(
      fc.property(fc.double({ min: 0.1, max: 10, noNaN: true }), scale => {
        const scaled = logits.map(value => value * scale);
        expect(fitTemperature(scaled, labels).temperature / scale / temperature).toBeCloseTo(1, 8);
      }),
      { numRuns: 30 },
    );
  });

  it('is at a minimum', () => {
    const { temperature, nllAfter } = fitTemperature(logits, labels);
    expect(negativeLogLikelihood(logits, labels, temperature * 1.01)).toBeGreaterThan(nllAfter);
    expect(negativeLogLikelihood(logits, labels, temperature / 1.01)).toBeGreaterThan(nllAfter);
  });

  it.each([1e-300, 1e-200, 1e-12, 1e-4, 1e4, 1e12, 1e200])(
    'in units of %d the temperature is that many times',
    unit => {
      const usual = fitTemperature(logits, labels);
      const found = fitTemperature(
        logits.map(value => value * unit),
        labels,
      );
      expect(found.temperature / unit / usual.temperature).toBeCloseTo(1, 8);
      expect(found.nllAfter).toBeCloseTo(usual.nllAfter, 12);
      expect(found.atLimit).toBe(false);
    },
  );

  it('does not care where the logits of an image begin', () => {
    const classes = logits.length / labels.length;
    const offset = logits.map((value, at) => value + 2 ** 20 * (1 + (Math.floor(at / classes) % 3)));
    expect(fitTemperature(offset, labels).temperature / fitTemperature(logits, labels).temperature).toBeCloseTo(1, 6);
  });

  it('keeps 1 where every temperature is as good', () => {
    for (const value of [0, 1, -1e300])
      expect(fitTemperature([value, value, value, value], [0, 1])).toMatchObject({ temperature: 1, atLimit: false });
    expect(fitTemperature([3, 7], [0, 0])).toMatchObject({ temperature: 1, nllAfter: 0 });
  });

  it('finds a best temperature hotter or colder than the range', () => {
    // One label in a hundred is wrong beside logits 1e-3 apart; 51 of 100 are right beside logits 30 apart.
    const close = Array.from({ length: 100 }, () => [1e-3, 0]).flat();
    const cold = fitTemperature(
      close,
      Array.from({ length: 100 }, (_, i) => Number(i === 0)),
    );
    // softmax([d, 0] / T) = 99 / 100 at T = d / ln 99, by hand.
    expect(cold.temperature).toBeCloseTo(1e-3 / Math.log(99), 12);
    expect(cold.atLimit).toBe(false);
    const far = Array.from({ length: 100 }, () => [30, 0]).flat();
    const hot = fitTemperature(
      far,
      Array.from({ length: 100 }, (_, i) => Number(i >= 51)),
    );
    expect(hot.temperature / (30 / Math.log(51 / 49))).toBeCloseTo(1, 9);
    expect(hot.atLimit).toBe(false);
  });

  it('says so when there is no best temperature', () => {
    const allRight = fitTemperature([2, 0, 0, 3], [0, 1]);
    expect(allRight).toMatchObject({ atLimit: true, temperature: TEMPERATURE_RANGE[0] });
    expect(allRight.reason).toContain('the colder the better');
    expect(fitTemperature([0, 2, 3, 0], [0, 1]).reason).toContain('less of the labels than chance');
    const allWrong = fitTemperature([0, 2, 3, 0], [0, 1]);
    expect(allWrong).toMatchObject({ atLimit: true, temperature: TEMPERATURE_RANGE[1] });
  });
});
