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

  it('says so when there is no best temperature', () => {
    const allRight = fitTemperature([2, 0, 0, 3], [0, 1]);
    expect(allRight).toMatchObject({ atLimit: true, temperature: TEMPERATURE_RANGE[0] });
    const allWrong = fitTemperature([0, 2, 3, 0], [0, 1]);
    expect(allWrong).toMatchObject({ atLimit: true, temperature: TEMPERATURE_RANGE[1] });
  });
});
