/**
 * The parts of KernelSHAP: which coalitions it asks for and what they weigh, and the least-squares fit, singular or not.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import * as explain from '../../src/explain/index.ts';
import { shapleyRegression } from '../../src/explain/kernel-shap.ts';
import { solvePositive } from '../../src/explain/least-squares.ts';
import * as w from '../../src/index.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import { expectClose, plain } from './compare.ts';
import { codeOf } from './games.ts';
import { random, stripes, tangledNet } from './networks.ts';

const device = new ReferenceDevice();
w.setDevice(device);

describe('the Shapley kernel and the coalitions it asks for', () => {
  test('weights for four players', () => {
    expect([1, 2, 3].map(size => explain.kernelWeight(4, size))).toEqual([0.25, 0.125, 0.25]);
    expect(() => explain.kernelWeight(4, 0)).toThrow(/1 to 3/);
  });

  test('all of them where the budget allows, weighed by the kernel', () => {
    for (let players = 2; players <= 10; players++) {
      const { masks, weights, isComplete } = explain.kernelCoalitions(
        players,
        explain.defaultBudget(players),
        new PhiloxStream(1),
      );
      expect(isComplete).toBe(true);
      const total = Array.from({ length: players - 1 }, (_, i) => (players - 1) / ((i + 1) * (players - i - 1)));
      const scale = total.reduce((a, b) => a + b);
      const seen = new Set<number>();
      weights.forEach((weight, k) => {
        const mask = masks.subarray(k * players, (k + 1) * players);
        const size = mask.reduce((a, b) => a + b, 0);
        expect(weight).toBeCloseTo(explain.kernelWeight(players, size) / scale, 14);
        seen.add(codeOf(Array.from(mask, bit => bit === 1)));
      });
      expect(seen.size).toBe(2 ** players - 2);
    }
  });

  test('2 M + 2048 of many players: the outer sizes completely, the rest in different pairs of complements', () => {
    for (const [players, sizes] of [
      [12, 3],
      [13, 3],
      [16, 2],
      [49, 1],
      [300, 0],
    ]) {
      const budget = explain.defaultBudget(players);
      expect(budget).toBe(2 * players + 2048);
      const drawn = explain.kernelCoalitions(players, budget, new PhiloxStream(7));
      expect(drawn.enumerated).toEqual(Array.from({ length: sizes }, (_, i) => i + 1));
      expect(drawn.isComplete).toBe(false);
      expect(drawn.weights.length).toBe(budget);
      expect(drawn.weights.reduce((a, b) => a + b)).toBeCloseTo(1, 10);
      const rows = Array.from(drawn.weights, (_, k) => drawn.masks.subarray(k * players, (k + 1) * players).join(''));
      expect(new Set(rows).size).toBe(budget);
      const complements = rows.map(row => row.replace(/./g, bit => (bit === '0' ? '1' : '0')));
      expect(complements.map((_, k) => complements[k % 2 ? k - 1 : k + 1])).toEqual(rows);
      expect(drawn.weights.map((_, k) => drawn.weights[k % 2 ? k - 1 : k + 1])).toEqual(drawn.weights);
      // Each enumerated size carries its own share, the drawn ones what is left.
      const share = (size: number) =>
        drawn.weights.reduce((sum, weight, k) => sum + (rows[k].replaceAll('0', '').length === size ? weight : 0), 0);
      const kernel = (size: number) => (players - 1) / (size * (players - size));
      const all = Array.from({ length: players - 1 }, (_, i) => kernel(i + 1)).reduce((a, b) => a + b);
      for (const size of drawn.enumerated) expect(share(size)).toBeCloseTo(kernel(size) / all, 12);
    }
  });

  test('a coalition drawn again gains weight', () => {
    // 8 of the 14 coalitions of four players are enumerated (size 1 and 3); of the three pairs of size 2, two are drawn.
    const { weights, enumerated } = explain.kernelCoalitions(4, 12, new PhiloxStream(3));
    expect(enumerated).toEqual([1]);
    expect(weights.length).toBe(12);
    const counts = [0, 1].map(pair => weights[8 + 2 * pair]);
    expect(2 * (counts[0] + counts[1])).toBeCloseTo(3 / 11, 12);
    const several = Array.from({ length: 20 }, (_, seed) => explain.kernelCoalitions(4, 12, new PhiloxStream(seed)));
    expect(several.some(drawn => Math.abs(drawn.weights[8] - drawn.weights[10]) > 0.01)).toBe(true);
  });

  test('sizes are drawn in proportion to their weight', () => {
    const players = 60;
    const { masks, weights, enumerated } = explain.kernelCoalitions(players, 8000, new PhiloxStream(5));
    const most = enumerated.length;
    const kernel = (size: number) => 1 / (size * (players - size));
    const inner = Array.from({ length: players - 1 - 2 * most }, (_, i) => most + 1 + i);
    const all = inner.map(kernel).reduce((a, b) => a + b);
    const drawn = new Map<number, number>();
    let total = 0;
    weights.forEach((weight, k) => {
      const size = masks.subarray(k * players, (k + 1) * players).reduce((a, b) => a + b, 0);
      if (size <= most || size >= players - most) return;
      drawn.set(size, (drawn.get(size) ?? 0) + weight);
      total += weight;
    });
    for (const size of inner) {
      const share = kernel(size) / all;
      // Some 4,000 independent draws of a pair of sizes.
      const error = 5 * Math.sqrt(share / 2 / 3500);
      expect(Math.abs((drawn.get(size) ?? 0) / total - share)).toBeLessThan(error);
    }
  });
});

test('players and budgets that are none', () => {
  for (const players of [0, -1, 2.5, Number.NaN])
    expect(() => explain.kernelCoalitions(players, 10, new PhiloxStream(1))).toThrow(`not ${players}`);
  for (const budget of [-2, 2.5, Number.NaN])
    expect(() => explain.kernelCoalitions(5, budget, new PhiloxStream(1))).toThrow(`not ${budget}`);
  expect(explain.kernelCoalitions(1, 0, new PhiloxStream(1)).weights.length).toBe(0);
});

describe('least squares', () => {
  test('full rank: the solution; below: the one of least norm', () => {
    const full = solvePositive(Float64Array.of(5, 4, 0, 4, 6, 1, 0, 1, 1), Float64Array.of(-3, -7.5, -1.5), 3);
    expect(full.rank).toBe(3);
    expectClose(full.values, [1, -2, 0.5], 1e-12);
    // B = [[1, 2, 0, 1], [0, 1, 1, -1]]; A = B'B; b = A [[1, 2], [-2, 0], [.5, 1], [3, -1]]; numpy.linalg.pinv(A) @ b
    const a = Float64Array.of(1, 2, 0, 1, 2, 5, 1, 1, 0, 1, 1, -1, 1, 1, -1, 2);
    const half = solvePositive(a, Float64Array.of(0, 1, -4.5, 4, -4.5, 2, 4.5, -1), 4);
    expect(half.rank).toBe(2);
    const expected = [9, 2, -36, 26, -54, 22, 63, -20].map(value => value / 34);
    expectClose(half.values, expected, 1e-12);
    expect(plain(solvePositive(new Float64Array(4), new Float64Array(2), 2).values)).toEqual([0, 0]);
  });

  test('of random matrices of any rank agrees with its own equations, and lies in their row space', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 0, max: 12 }), fc.nat(1e6), (n, r, seed) => {
        const rank = Math.min(n, r);
        const source = new PhiloxStream(seed);
        const rows = Float64Array.from({ length: rank * n }, () => source.normal());
        const inside = Float64Array.from({ length: rank }, () => source.normal());
        const a = new Float64Array(n * n);
        const x = new Float64Array(n);
        for (let k = 0; k < rank; k++) {
          for (let i = 0; i < n; i++) {
            x[i] += rows[k * n + i] * inside[k];
            for (let j = 0; j < n; j++) a[i * n + j] += rows[k * n + i] * rows[k * n + j];
          }
        }
        const b = Float64Array.from({ length: n }, (_, i) =>
          x.reduce((sum, value, j) => sum + a[i * n + j] * value, 0),
        );
        const solved = solvePositive(a, b, n);
        // x is in the row space, so it is the solution of least norm.
        const scale = Math.max(1, ...x.map(Math.abs));
        const close = solved.values.every((value, i) => Math.abs(value - x[i]) < 1e-5 * scale);
        // Random matrices close to a lower rank are rare but possible; then only the equations can hold.
        expect(close || solved.rank < rank).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  test('too few coalitions: least norm among the first M - 1 values, and the sum holds', () => {
    // numpy: X = Z[:, :-1] - Z[:, -1:]; y = f - f0 - Z[:, -1] (f1 - f0); lstsq(sqrt(w) X, sqrt(w) y); rank 3 of 5
    const masks = Uint8Array.from([
      1, 0, 0, 1, 0, 0, 0, 1, 1, 0, 1, 1, 0, 1, 0, 0, 0, 0, 1, 0, 1, 1, 1, 1, 1, 1, 0, 0, 1, 0, 0, 0, 1, 1, 0, 1,
    ]);
    const coalitions = {
      masks,
      weights: Float64Array.of(0.2, 0.2, 0.1, 0.1, 0.15, 0.25),
      enumerated: [],
      isComplete: false,
    };
    const scores = Float64Array.of(2, 0.25, 0.3, 1.1, 0.7, 1.9, -0.4, 2.2);
    const { values } = shapleyRegression({ labels: new Int32Array(0), count: 6 }, coalitions, scores);
    expectClose(values, [-0.05625, 0.275, 0, 0.53125, -0.5875, 1.5875], 1e-12);
  });

  test('a budget below the number of players gives finite values that add up', async () => {
    const f = tangledNet(device, 3);
    const x = random(device, [1, 9, 9, 2], 5);
    for (const samples of [2, 3, 10, 40]) {
      const { values, additivityError, images } = await explain.kernelShap(f, x, { segments: stripes(27), samples });
      expect(images[0].coalitions).toBeLessThanOrEqual(2 + samples);
      expect(plain(values).every(Number.isFinite)).toBe(true);
      expect(additivityError).toBeLessThan(1e-12);
    }
  });
});
