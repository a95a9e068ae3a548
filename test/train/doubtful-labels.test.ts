/** Doubtful labels by confident learning: a case by hand, and noise that was put in and is found. */
import { describe, expect, test } from 'vitest';
import { ShapeError, UsageError } from '../../src/devices/errors.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import { doubtfulLabels } from '../../src/train/index.ts';

describe('doubtful labels', () => {
  test('by hand: a class that reaches its threshold and is above the label', () => {
    // Thresholds, the means of a class's own images: 0: (0.9 + 0.7 + 0.2) / 3 = 0.6; 1: (0.8 + 0.4) / 2 = 0.6; 2 has no images.
    const probabilities = Float64Array.of(
      ...[0.9, 0.1, 0.0],
      ...[0.7, 0.2, 0.1],
      ...[0.2, 0.7, 0.1], // of class 0, looks like 1
      ...[0.1, 0.8, 0.1],
      ...[0.5, 0.4, 0.1], // of class 1: 0 is above it, but below its threshold
    );
    expect(doubtfulLabels(probabilities, [0, 0, 0, 1, 1])).toEqual([
      { index: 2, label: 0, likely: 1, probability: 0.7, ofLabel: 0.2 },
    ]);
  });

  test('labels that were exchanged are found, the surest first', () => {
    const random = new PhiloxStream(3);
    const labels = Uint8Array.from({ length: 600 }, (_, i) => i % 3);
    const probabilities = new Float64Array(1800);
    labels.forEach((label, i) => {
      const own = 0.6 + 0.39 * random.uniform();
      for (let c = 0; c < 3; c++) probabilities[3 * i + c] = c === label ? own : (1 - own) / 2;
    });
    const noisy = labels.slice();
    for (let i = 0; i < 600; i += 20) noisy[i] = (noisy[i] + 1) % 3;
    const found = doubtfulLabels(probabilities, noisy);
    expect(found.length).toBeGreaterThan(15);
    for (const { index, likely } of found) expect([index % 20, likely]).toEqual([0, labels[index]]);
    const margins = found.map(({ probability, ofLabel }) => probability - ofLabel);
    expect(margins).toEqual([...margins].sort((a, b) => b - a));
    expect(doubtfulLabels(probabilities, labels)).toEqual([]);
  });

  test('what cannot be is refused', () => {
    expect(() => doubtfulLabels(Float64Array.of(0.5, 0.4), [0])).toThrow(UsageError);
    expect(() => doubtfulLabels(Float64Array.of(0.5, 0.5), [2])).toThrow(
      'The label of image 0 is 2; with 2 classes it must be 0 to 1',
    );
    expect(() => doubtfulLabels(Float64Array.of(0.5, 0.5, 1), [0, 1])).toThrow(ShapeError);
  });
});
