/** The weighted ridge regression of LIME: the closed form, scikit-learn's numbers, and what cannot be fitted. */
import { describe, expect, test } from 'vitest';
import { UsageError } from '../../src/devices/errors.ts';
import { fitLinear, proximity } from '../../src/explain/index.ts';
import { expectClose } from './compare.ts';

describe('three players, every coalition once, f = .1 + .3 z0 + .2 z1 - .1 z2 (attribution.md, check value 5)', () => {
  const masks = Uint8Array.from({ length: 24 }, (_, i) => (Math.floor(i / 3) >> (i % 3)) & 1);
  const rows = Array.from({ length: 8 }, (_, k) => masks.subarray(3 * k, 3 * k + 3));
  const target = rows.map(([a, b, c]) => 0.1 + 0.3 * a + 0.2 * b - 0.1 * c);
  const proximities = rows.map(([a, b, c]) => proximity(a + b + c, 3));

  test('kernel weights by number present', () => {
    expectClose(
      [3, 2, 1, 0].map(present => proximity(present, 3)),
      [1, 0.763847, 0.239533, 0.000335],
      5e-7,
    );
    expect(proximity(0, 7)).toBe(Math.exp(-8));
    expect(proximity(1, 4, 1)).toBe(Math.exp(-1 / 8));
    for (const [present, players, width] of [
      [4, 3, 1],
      [-1, 3, 1],
      [0, 0, 1],
      [Number.NaN, 3, 1],
      [1, 3, 0],
      [1, 3, Number.NaN],
    ])
      expect(() => proximity(present, players, width), `${present} of ${players}`).toThrow(UsageError);
  });

  test('without a penalty the model is recovered exactly, with R^2 = 1', () => {
    const [fit] = fitLinear(masks, 3, [target], proximities, 0);
    expectClose([...fit.weights, fit.intercept, fit.localPrediction, fit.r2], [0.3, 0.2, -0.1, 0.1, 0.5, 1], 1e-14);
    expect(fit.inSampleR2).toBeCloseTo(1, 14);
  });

  test('a penalty draws weights towards zero and leaves the intercept free', () => {
    const [fit] = fitLinear(masks, 3, [target], proximities, 1e9);
    const total = proximities.reduce((sum, weight) => sum + weight, 0);
    const mean = target.reduce((sum, value, k) => sum + proximities[k] * value, 0) / total;
    expectClose([...fit.weights, fit.intercept], [0, 0, 0, mean], 1e-8);
    expect(Math.abs(fit.r2)).toBeLessThan(1e-8);
    expect(Math.abs(fit.inSampleR2)).toBeLessThan(1e-8);
  });
});

describe('scikit-learn 1.x', () => {
  // m = np.array([[((k*37+11) >> i) & 1 for i in range(5)] for k in range(20)], float); m[0] = 1
  // t = np.array([((k*k*13+5*k) % 29) / 29 for k in range(20)])
  // d = 1 - np.sqrt(m.sum(1) / 5); w = np.exp(-d*d / (2*.25**2))
  // r = Ridge(alpha=a, solver='cholesky').fit(m, t, sample_weight=w)
  // r.coef_, r.intercept_, r.predict(m[:1]), r.score(m, t, sample_weight=w)
  const masks = Uint8Array.from({ length: 100 }, (_, i) =>
    i < 5 ? 1 : ((Math.floor(i / 5) * 37 + 11) >> (i % 5)) & 1,
  );
  const target = Array.from({ length: 20 }, (_, k) => ((k * k * 13 + 5 * k) % 29) / 29);
  const present = Array.from({ length: 20 }, (_, k) => masks.subarray(5 * k, 5 * k + 5).reduce((a, b) => a + b, 0));
  const proximities = present.map(count => proximity(count, 5));

  test.each([
    {
      alpha: 1,
      weights: [
        0.005615090221920658, 0.01923651673442466, 0.01346089819570831, 0.06512550321676036, 0.1039217654989257,
      ],
      rest: [0.23804777959277226, 0.08352669441920291],
      local: 0.44540755,
    },
    {
      alpha: 0.1,
      weights: [
        -0.003218324372273667, 0.02150591673444034, 0.026650122031791377, 0.08605438781762798, 0.14994849851251113,
      ],
      rest: [0.18777407658578513, 0.09250335167782942],
      local: 0.46871468,
    },
  ])('Ridge with alpha = $alpha and sample weights', ({ alpha, weights, rest, local }) => {
    // A second target must not disturb the first: they share one factorisation.
    const [fit, opposite] = fitLinear(masks, 5, [target, target.map(value => 1 - value)], proximities, alpha);
    expectClose(fit.weights, weights, 1e-13);
    expectClose([fit.intercept, fit.inSampleR2], rest, 1e-13);
    expect(fit.localPrediction).toBeCloseTo(local, 8);
    expectClose(
      opposite.weights,
      weights.map(weight => -weight),
      1e-13,
    );
    expect(opposite.r2).toBeCloseTo(fit.r2, 12);
  });

  test.each([0, 0.1, 1, 30])('R^2 is of samples left out, one by one: alpha = %d', alpha => {
    const [{ r2, inSampleR2 }] = fitLinear(masks, 5, [target], proximities, alpha);
    let [missed, variation] = [0, 0];
    for (let k = 0; k < 20; k++) {
      const others = Array.from({ length: 20 }, (_, i) => i).filter(i => i !== k);
      const rest = Uint8Array.from(others.flatMap(i => [...masks.subarray(5 * i, 5 * i + 5)]));
      const weights = others.map(i => proximities[i]);
      const [fit] = fitLinear(rest, 5, [others.map(i => target[i])], weights, alpha);
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      const mean = others.reduce((sum, i) => sum + proximities[i] * target[i], 0) / total;
      const said = fit.weights.reduce((sum, weight, i) => sum + weight * masks[5 * k + i], fit.intercept);
      missed += proximities[k] * (target[k] - said) ** 2;
      variation += proximities[k] * (target[k] - mean) ** 2;
    }
    expect(r2).toBeCloseTo(1 - missed / variation, 11);
    // The target is no function of the masks: the fit in sample is better than it is.
    expect(r2).toBeLessThan(0);
    expect(inSampleR2).toBeGreaterThan(0);
  });
});

test('a target that never varies has weights of zero and an R^2 of zero, not NaN', () => {
  const masks = Uint8Array.of(1, 1, 0, 1, 1, 0);
  const [fit] = fitLinear(masks, 2, [[0.1, 0.1, 0.1]], [1, 0.7, 0.3], 1);
  expect([...fit.weights, fit.intercept, fit.r2, fit.inSampleR2]).toEqual([0, 0, 0.1, 0, 0]);
});

test('what cannot be fitted gets a sentence', () => {
  const masks = Uint8Array.of(1, 1, 0, 0, 1, 1);
  expect(() => fitLinear(masks, 2, [[0, 1, 2]], [1, 1, 1], 0)).toThrow(/do not determine the weight of player 1/);
  expect(() => fitLinear(masks, 2, [[0, 1]], [1, 1, 1])).toThrow(/Masks \[3, 2\] and targets of 3 values/);
  expect(() => fitLinear(masks, 2, [[0, 1, 2]], [1, 1, 1], -1)).toThrow(/alpha/);
  expect(() => fitLinear(masks, 2, [[0, 1, 2]], [0, 0, 0])).toThrow(/weight above 0/);
  for (const value of [-1, Number.NaN, Number.POSITIVE_INFINITY])
    expect(() => fitLinear(masks, 2, [[0, 1, 2]], [1, value, 1])).toThrow(
      `proximity of sample 1 is a number of at least 0, not ${value}`,
    );
  expect(() =>
    fitLinear(
      masks,
      2,
      [
        [0, 1, 2],
        [0, 1, Number.NaN],
      ],
      [1, 1, 1],
    ),
  ).toThrow('A target of sample 2 is NaN');
  for (const alpha of [Number.NaN, Number.POSITIVE_INFINITY])
    expect(() => fitLinear(masks, 2, [[0, 1, 2]], [1, 1, 1], alpha)).toThrow(`not ${alpha}`);
});
