/** Metrics of one evaluation against scikit-learn's, and against what they must be by definition. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ShapeError, UsageError } from '../../src/devices/errors.ts';
import {
  accuracyOf,
  confidentMistakes,
  confusionMatrix,
  evaluateLogits,
  evaluateProbabilities,
  wilsonInterval,
} from '../../src/train/metrics.ts';
import {
  brierScore,
  logLoss,
  meanProbabilities,
  negativeLogLikelihood,
  predictedClasses,
  softmaxRows,
  topKAccuracy,
} from '../../src/train/scores.ts';
import { difference, expected } from './expected.ts';

const namesOf = (classes: number) => Array.from({ length: classes }, (_, c) => `class ${c}`);

describe.each(expected.classifiers)('evaluateLogits: $name', wanted => {
  const names = namesOf(wanted.classes);
  const { logits, labels, confusion, accuracy, ci95, perClass, macro, weighted, top2, nll, brier, ece } = wanted;

  it('agrees with scikit-learn', () => {
    const found = evaluateLogits(logits, labels, names);
    expect(found.images).toBe(labels.length);
    expect(found.confusion).toEqual(confusion);
    expect(found.perClass.map(entry => entry.name)).toEqual(names);
    const others = { accuracy, ci95, perClass, macro, weighted, top2, nll, brier, ece };
    for (const [metric, value] of Object.entries(others)) {
      expect(difference(found[metric as keyof typeof found], value), metric).toBeLessThan(1e-12);
    }
  });

  it('takes a Float32Array, to its precision', () => {
    const found = evaluateLogits(Float32Array.from(logits), Uint8Array.from(labels), names);
    expect(found.confusion).toEqual(confusion);
    expect(found.nll).toBeCloseTo(nll, 6);
  });

  it('gives the same for the probabilities of those logits', () => {
    const probabilities = softmaxRows(logits, wanted.classes);
    expect(
      difference(evaluateProbabilities(probabilities, labels, names), evaluateLogits(logits, labels, names)),
    ).toBeLessThan(1e-12);
    expect(logLoss(probabilities, labels)).toBeCloseTo(nll, 12);
  });

  it('ranks k classes', () => {
    expect(topKAccuracy(logits, labels, 1)).toBeCloseTo(accuracy, 14);
    expect(topKAccuracy(logits, labels, 3)).toBeCloseTo(wanted.top3, 14);
    expect(topKAccuracy(logits, labels, wanted.classes)).toBe(1);
  });

  it('is plain data', () => {
    const found = evaluateLogits(logits, labels, names);
    expect(JSON.parse(JSON.stringify(found))).toEqual(found);
  });
});

describe('scores', () => {
  it('counts of equal scores the first class as predicted', () => {
    expect([...predictedClasses([1, 1, 0, 2, 2, 2], 3)]).toEqual([0, 0]);
    expect(topKAccuracy([1, 1, 0, 1, 1, 0], [0, 1], 1)).toBe(0.5);
    expect(topKAccuracy([1, 1, 0, 1, 1, 0], [0, 1], 2)).toBe(1);
  });

  it('survives logits that overflow exp', () => {
    expect([...softmaxRows([1000, 0, -1000], 3)]).toEqual([1, 0, 0]);
    expect(negativeLogLikelihood([1000, 0, -1000], [2])).toBe(2000);
  });

  it('keeps the digits of large logits', () => {
    // Two equal logits are even odds, however large: ln 2.
    for (const large of [1e8, 3e38, 1e300]) {
      expect([...softmaxRows([large, large], 2)]).toEqual([0.5, 0.5]);
      expect(negativeLogLikelihood([large, large], [0])).toBeCloseTo(Math.LN2, 15);
    }
    expect(negativeLogLikelihood([-1.7e308, 1.7e308], [1])).toBe(0);
    expect([...softmaxRows([0, Number.NEGATIVE_INFINITY], 2)]).toEqual([1, 0]);
  });

  it('refuses temperatures that are none', () => {
    for (const temperature of [-1, 0, Number.NaN, Number.POSITIVE_INFINITY, 1e-320]) {
      const message = `above 0, not ${temperature}`;
      expect(() => softmaxRows([2, 1], 2, temperature)).toThrow(message);
      expect(() => negativeLogLikelihood([2, 1], [0], temperature)).toThrow(message);
      expect(() => evaluateLogits([2, 1], [0], ['a', 'b'], temperature)).toThrow(UsageError);
    }
  });

  it('refuses rows that are none', () => {
    expect(() => softmaxRows([1, 2, 3], 2)).toThrow('no rows of 2 classes');
    expect(() => predictedClasses([1, 2, 3], 2)).toThrow('no rows of 2 classes');
    for (const classes of [0, -1, 1.5, Number.NaN]) {
      expect(() => softmaxRows([1, 2, 3], classes)).toThrow(`not ${classes}`);
      expect(() => predictedClasses([1, 2, 3], classes)).toThrow(`not ${classes}`);
      expect(() => confusionMatrix([0], [0], classes)).toThrow(`not ${classes}`);
    }
    expect(() => predictedClasses([0, 1, 2, Number.NaN], 2)).toThrow('image 1 for class 1 is NaN');
    for (const row of [[1, Number.NaN], [Number.POSITIVE_INFINITY, 1], new Array(2).fill(Number.NEGATIVE_INFINITY)])
      expect(() => softmaxRows([0, 1, ...row], 2)).toThrow('The logits of image 1 have no softmax');
    expect(() =>
      accuracyOf([
        [0, 0],
        [0, 0],
      ]),
    ).toThrow('without images');
  });

  it('ranks among a whole number of classes, at least 1', () => {
    for (const k of [0, -1, 1.5, Number.NaN]) expect(() => topKAccuracy([0.6, 0.4], [0], k)).toThrow(`not ${k}`);
    expect(() => topKAccuracy([0.6, Number.NaN], [0], 1)).toThrow('is NaN');
    // sklearn.metrics.top_k_accuracy_score warns, and gives 1, where k is the number of classes or more.
    expect(topKAccuracy([0.6, 0.4], [1], 2)).toBe(1);
    expect(topKAccuracy([0.6, 0.4], [1], 5)).toBe(1);
  });

  it("is twice scikit-learn's Brier score for two classes", () => {
    const { probability, labels, brier } = expected.binaryBrier;
    expect(
      brierScore(
        probability.flatMap(p => [1 - p, p]),
        labels,
      ) / 2,
    ).toBeCloseTo(brier, 14);
  });

  it('averages members', () => {
    expect(
      [
        ...meanProbabilities([
          [1, 0],
          [0, 1],
          [0.25, 0.75],
        ]),
      ].map(p => p.toFixed(12)),
    ).toEqual(['0.416666666667', '0.583333333333']);
    expect(() => meanProbabilities([[1, 0], [1]])).toThrow(ShapeError);
    expect(() => meanProbabilities([])).toThrow(UsageError);
  });

  it('refuses what cannot be meant, in one sentence', () => {
    expect(() => evaluateLogits([], [], [])).toThrow('There are no images to evaluate.');
    expect(() => evaluateLogits([1, 2, 3], [0, 1], ['a', 'b'])).toThrow(ShapeError);
    expect(() => evaluateLogits([1, 2], [2], ['a', 'b'])).toThrow('The label of image 0 is 2');
    expect(() => evaluateLogits([1, 2], [0.5], ['a', 'b'])).toThrow(UsageError);
    expect(() => evaluateLogits([1, 2, 1, Number.NaN], [0, 1], ['a', 'b'])).toThrow('image 1 for class 1 is NaN');
    expect(() => evaluateLogits([1, 2], [1], ['a'])).toThrow('1 class names for 2 classes');
    expect(() => evaluateProbabilities([3, -1], [1], ['a', 'b'])).toThrow('are these logits?');
  });
});

describe('confusion matrix', () => {
  it('has true classes as rows', () => {
    expect(confusionMatrix([1, 1, 0], [0, 1, 0], 2)).toEqual([
      [1, 1],
      [0, 1],
    ]);
    expect(
      accuracyOf([
        [1, 1],
        [0, 1],
      ]),
    ).toBeCloseTo(2 / 3, 15);
  });

  it('refuses lengths and classes that do not fit', () => {
    expect(() => confusionMatrix([0], [0, 1], 2)).toThrow(ShapeError);
    expect(() => confusionMatrix([2], [0], 2)).toThrow(UsageError);
    expect(() => confusionMatrix([0], [-1], 2)).toThrow(UsageError);
  });
});

describe('wilsonInterval', () => {
  it('agrees with SciPy', () => {
    for (const { hits, trials, low, high } of expected.wilson) {
      expect(difference(wilsonInterval(hits, trials), [low, high])).toBeLessThan(1e-14);
    }
  });

  it('holds the proportion and stays in [0, 1]', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100_000 }), fc.double({ min: 0, max: 1, noNaN: true }), (trials, share) => {
        const hits = Math.round(share * trials);
        const [low, high] = wilsonInterval(hits, trials);
        expect(low).toBeGreaterThanOrEqual(0);
        expect(high).toBeLessThanOrEqual(1);
        expect(low).toBeLessThanOrEqual(hits / trials);
        expect(high).toBeGreaterThanOrEqual(hits / trials);
      }),
    );
  });

  it('refuses no trials', () => {
    expect(() => wilsonInterval(0, 0)).toThrow(UsageError);
    expect(() => wilsonInterval(3, 2)).toThrow(UsageError);
    for (const [hits, trials] of [
      [-1, 3],
      [Number.NaN, 10],
      [1, Number.NaN],
      [0.5, 3],
      [1, 2.5],
      [1, Number.POSITIVE_INFINITY],
    ]) {
      expect(() => wilsonInterval(hits, trials), `${hits} of ${trials}`).toThrow(UsageError);
    }
    for (const z of [0, -1.96, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => wilsonInterval(1, 2, z)).toThrow(`above 0, not ${z}`);
  });

  it('of few trials it is wide enough', () => {
    // How often it holds a proportion follows from the binomial distribution; averaged over all proportions.
    for (let trials = 1; trials <= 12; trials++) {
      let [mean, least] = [0, 1];
      for (let p = 0.0005; p < 1; p += 0.001) {
        let held = 0;
        let chance = (1 - p) ** trials;
        for (let hits = 0; hits <= trials; hits++) {
          const [low, high] = wilsonInterval(hits, trials);
          if (low <= p && p <= high) held += chance;
          chance *= (((trials - hits) / (hits + 1)) * p) / (1 - p);
        }
        mean += held / 1000;
        least = Math.min(least, held);
      }
      expect(mean, `${trials} trials`).toBeGreaterThan(0.945);
      expect(mean, `${trials} trials`).toBeLessThan(0.965);
      expect(least, `${trials} trials`).toBeGreaterThan(0.78);
    }
  });
});

describe('confidentMistakes', () => {
  it('lists wrong predictions, surest first', () => {
    const probabilities = [0.9, 0.1, 0.3, 0.7, 0.95, 0.05, 0.4, 0.6];
    expect(confidentMistakes(probabilities, [1, 1, 1, 0], 2)).toEqual([
      { index: 2, label: 1, predicted: 0, confidence: 0.95 },
      { index: 0, label: 1, predicted: 0, confidence: 0.9 },
    ]);
    expect(confidentMistakes(probabilities, [1, 1, 1, 0], 9)).toHaveLength(3);
    for (const count of [-1, 1.5, Number.NaN])
      expect(() => confidentMistakes(probabilities, [1, 1, 1, 0], count)).toThrow(`not ${count}`);
    expect(() => confidentMistakes([5, -2], [1], 1)).toThrow('are these logits?');
  });
});
