/** Infidelity, sensitivity, completeness of the agreement matrix and the verdict, on cases with known answers. */
import { describe, expect, it } from 'vitest';
import { ReferenceDevice } from '../../../src/devices/reference/device.ts';
import { saliency } from '../../../src/explain/gradients.ts';
import { agreementMatrix, infidelities, infidelity, sensitivityMax } from '../../../src/explain/judging/index.ts';
import { intervalText, judgedMeasure } from '../../../src/explain/judging/judgement.ts';
import * as w from '../../../src/index.ts';
import { spearman } from '../../../src/train/ranks.ts';
import { settle } from '../../support/garbage.ts';
import { expectClose } from '../compare.ts';
import { tangledNet } from '../networks.ts';

const device = new ReferenceDevice();
const uniform = (shape: number[], seed: number) => w.randomUniform(shape, { seed, device });

describe('infidelity', () => {
  const weights = w.randomNormal([32, 3], { seed: 2, device });
  const linear = (x: w.Tensor) => w.matmul(w.flatten(x), weights);
  const x = uniform([2, 4, 4, 2], 1);

  it('is 0 for the gradient of a linear model at any scale, and its best scale undoes that', async () => {
    const gradient = await saliency(linear, x, { signed: true, target: 1 });
    await settle();
    const before = w.liveTensorCount();
    const exact = await infidelity(linear, x, gradient, { target: 1, samples: 30 });
    expect(w.liveTensorCount()).toBe(before);
    expectClose(exact.infidelity, [0, 0], 1e-20);
    expectClose(exact.relative, [0, 0], 1e-20);
    expectClose(exact.scale, [1, 1], 1e-12);
    const tenfold = { ...gradient, values: gradient.values.map(value => value * -10) };
    const scaled = await infidelity(linear, x, tenfold as typeof gradient, { target: 1, samples: 30 });
    expectClose(scaled.infidelity, [0, 0], 1e-20);
    expectClose(scaled.scale, [-0.1, -0.1], 1e-12);
  });

  it('of a map of zeros is the mean square of the changes, |w|^2 sd^2 in expectation', async () => {
    const zeros = { values: new Float64Array(32), shape: [2, 4, 4] };
    const { infidelity: found, relative } = await infidelity(linear, x, zeros, {
      target: 0,
      samples: 4000,
      noise: 0.2,
    });
    const column = Array.from((await weights.data()) as Float64Array).filter((_, i) => i % 3 === 0);
    const expected = 0.04 * column.reduce((sum, value) => sum + value ** 2, 0);
    // The mean of 4,000 squares of a normal number scatters by sqrt(2 / 4000) of itself.
    for (const value of found) expect(Math.abs(value / expected - 1)).toBeLessThan(5 * Math.sqrt(2 / 4000));
    expectClose(relative, [1, 1], 1e-12);
  });

  it('judges all methods under the same noise, batched or not', async () => {
    const f = tangledNet(device, 1);
    const images = uniform([2, 9, 9, 2], 3);
    const [a, b] = [5, 6].map(seed => ({ values: new Float64Array(162), shape: [2, 9, 9], seed }));
    a.values.set((await uniform([162], 7).data()) as Float64Array);
    b.values.set((await uniform([162], 8).data()) as Float64Array);
    const together = await infidelities(f, images, [a, b], { samples: 20 });
    const alone = await infidelity(f, images, b, { samples: 20, batchSize: 7 });
    expectClose(together[1].infidelity, alone.infidelity, 1e-9);
    expect(together[0].infidelity).not.toEqual(together[1].infidelity);
    expect((await infidelity(f, images, b, { samples: 20, seed: 1 })).infidelity).not.toEqual(alone.infidelity);
    await expect(infidelity(f, images, b, { samples: 1 })).rejects.toThrow(/at least 2/);
    await expect(infidelity(f, images, b, { noise: 0 })).rejects.toThrow(/above 0/);
  });
});

describe('sensitivity', () => {
  const x = uniform([3, 4, 4, 1], 4);
  const target = Int32Array.of(0, 0, 0);

  it('is 0 for a map that never changes, and for one of zeros', async () => {
    const same = async () => ({
      values: Float64Array.from({ length: 48 }, (_, i) => (i < 32 ? 1 : 0)),
      shape: [3, 4, 4],
      target,
    });
    expect(Array.from(await sensitivityMax(same, x))).toEqual([0, 0, 0]);
  });

  it('of the image itself is the relative size of the noise, within the radius', async () => {
    const own = async (images: w.Tensor) => ({
      values: (await images.data()) as Float64Array,
      shape: images.shape,
      target,
    });
    await settle();
    const before = w.liveTensorCount();
    const found = await sensitivityMax(own, x, { radius: 0.02, samples: 6 });
    expect(w.liveTensorCount()).toBe(before);
    const values = (await x.data()) as Float64Array;
    found.forEach((value, image) => {
      const norm = Math.hypot(...values.subarray(image * 16, (image + 1) * 16));
      // 16 values, uniform in +-0.02: a norm of 0.02 sqrt(16 / 3) on average, never above 0.02 sqrt(16).
      expect(value * norm).toBeGreaterThan(0.02 * Math.sqrt(16 / 3) * 0.8);
      expect(value * norm).toBeLessThan(0.02 * 4);
    });
    expect(await sensitivityMax(own, x, { samples: 6 })).toEqual(found);
    const larger = await sensitivityMax(own, x, { samples: 12 });
    expect(larger.every((value, image) => value >= found[image])).toBe(true);
  });

  it('keeps the class of the clean image, and says so when there is no relative change', async () => {
    const seen: unknown[] = [];
    const growing = async (images: w.Tensor, wanted: unknown) => {
      seen.push(wanted);
      return { values: new Float64Array(48).fill(seen.length - 1), shape: images.shape, target };
    };
    expect(Array.from(await sensitivityMax(growing, x, { samples: 2 }))).toEqual([Number.NaN, Number.NaN, Number.NaN]);
    expect(seen).toEqual(['predicted', target, target]);
    await expect(sensitivityMax(growing, x, { samples: 0 })).rejects.toThrow(/at least 1/);
    await expect(sensitivityMax(growing, x, { radius: 0 })).rejects.toThrow(/above 0/);
  });
});

describe('agreement matrix', () => {
  it('is the mean rank correlation over garment pixels; constant maps are left out', async () => {
    const pixels = Float64Array.from([1, 0, 0.5, 0.2, 0, 0.9, 0.3, 0.8]);
    const x = w.tensor(pixels, [2, 2, 2, 1], { device });
    const a = { values: Float64Array.from([1, 9, 2, 3, 9, 1, 2, 3]), shape: [2, 2, 2] };
    const b = { values: Float64Array.from([3, -9, 2, 1, 0, 1, 2, 3]), shape: [2, 2, 2] };
    const half = { values: Float64Array.from([1, 1, 1, 1, 9, 3, 2, 1]), shape: [2, 2, 2] };
    const matrix = await agreementMatrix(x, [a, b, half]);
    expect(matrix[0]).toEqual([1, (-1 + 1) / 2, -1]);
    expect(matrix[1][2]).toBe(-1);
    expect(matrix.map((row, i) => row.map((_, j) => matrix[j][i]))).toEqual(matrix);
    expect(spearman([-1, 1, 1], [0, 0, 2])).toBeCloseTo(0.5, 12); // Check value 6 of the issue.
    await expect(agreementMatrix(x, [])).rejects.toThrow(/at least one/);
  });
});

describe('verdict', () => {
  const methods = ['a', 'b', 'c', 'random-map'].map(name => ({ name, isBaseline: name === 'random-map' }));
  const noise = async (seed: number) => (await w.randomNormal([60], { seed, std: 0.1, device }).data()) as Float64Array;

  it('marks the best and what cannot be told from it, with intervals that hold the truth', async () => {
    const shared = await noise(1);
    const [n2, n3, n4] = [await noise(2), await noise(3), await noise(4)];
    const scores = [
      shared.map((value, i) => value + 1 + 0.1 * n2[i]),
      shared.map((value, i) => value + 1 + 0.1 * n3[i]),
      shared.map(value => value + 1.5),
      shared.map((value, i) => value + 2 + n4[i]),
    ];
    const { scores: found } = judgedMeasure('deletion', methods, scores, 'random-map');
    expect(
      found
        .map(({ rank }) => rank)
        .slice(0, 2)
        .sort(),
    ).toEqual(['best', 'tied']);
    expect(found[2].rank).toBeNull();
    expect(found[3]).toMatchObject({ rank: null, versusRandom: null });
    const { low, high, mean } = found[2].versusRandom!;
    expect(low).toBeLessThan(-0.45);
    expect(high).toBeGreaterThan(-0.55);
    expect(mean).toBeCloseTo(found[2].estimate!.mean - found[3].estimate!.mean, 12);
    // Pairing takes out what the images share: the difference is known far better than either mean.
    const own = found[0].estimate!;
    const apart = judgedMeasure('insertion', methods, scores, 'a').scores[2].versusRandom!;
    expect(apart.high! - apart.low!).toBeLessThan((own.high! - own.low!) / 2);
  });

  it('intervals cover the true mean about as often as they say', async () => {
    let covered = 0;
    for (let trial = 0; trial < 60; trial++) {
      const sample = (await w
        .randomNormal([40], { seed: 1000 + trial, mean: 3, std: 1, device })
        .data()) as Float64Array;
      const { low, high } = judgedMeasure('road', [methods[0]], [sample], 'none', { seed: trial, resamples: 300 })
        .scores[0].estimate!;
      if (low! <= 3 && high! >= 3) covered++;
    }
    // 95 % of 60 are 57; fewer than 51 would happen less than once in a thousand.
    expect(covered).toBeGreaterThanOrEqual(51);
  });

  it('leaves out what has no score, and knows signs, exemptions and baselines', () => {
    const scores = [
      [0.1, Number.NaN, -0.1, 0.05, -0.05, 0.02, -0.02],
      [0.5, 0.6, 0.7, 0.5, 0.6, 0.7, 0.6],
      [-0.9, -0.9, -0.9, -0.9, -0.9, -0.9, -0.9],
      [1, 1, 1, 1, 1, 1, 1],
    ];
    const result = judgedMeasure('randomisation', methods, scores, 'random-map');
    expect(result.scores[0].perImage.slice(0, 3)).toEqual([0.1, null, -0.1]);
    expect(result.scores[0].estimate).toMatchObject({ images: 6 });
    expect(result.scores[0].estimate!.mean).toBeCloseTo(0, 12);
    expect(result.scores.map(({ rank }) => rank)).toEqual(['best', null, null, null]);
    expect(result.scores[2].estimate).toMatchObject({ mean: -0.9, low: null, high: null, images: 7 });
    const eigen = [{ name: 'eigen-cam', isBaseline: false }, methods[1]];
    const exempt = judgedMeasure(
      'randomisation',
      eigen,
      [
        [0, 0],
        [0.3, 0.3],
      ],
      'random-map',
    );
    expect(exempt.scores.map(({ rank }) => rank)).toEqual([null, 'best']);
    expect(exempt.scores[0].exempt).toMatch(/strongest pattern/);
    const absent = judgedMeasure('completeness', methods.slice(0, 2), [undefined, [0.01]], 'random-map');
    expect(absent.scores[0]).toMatchObject({ perImage: [], estimate: null, versusRandom: null, rank: null });
    expect(JSON.parse(JSON.stringify(result))).toEqual(result);
  });

  it('of fewer than five images has no intervals, says why, and calls no method worse than the best', () => {
    for (const images of [1, 2, 3, 4]) {
      const scores = [0.1, 0.5, 0.9, 0.7].map(level => Array.from({ length: images }, (_, i) => level + 0.01 * i));
      const { scores: found } = judgedMeasure('deletion', methods, scores, 'random-map');
      expect(found.map(({ rank }) => rank)).toEqual(['best', 'tied', 'tied', null]);
      for (const { estimate, versusRandom } of found) {
        for (const some of [estimate, versusRandom]) {
          if (some === null) continue;
          expect(some).toMatchObject({ low: null, high: null, images });
          expect(intervalText(some, String)).toMatch(/^no interval: \d images? (is|are) too few, it takes 5$/);
        }
      }
    }
    const scores = [0.1, 0.5].map(level => [0, 0.2, 0.05, 0.01, 0.3].map(value => level + value));
    // The same difference for each of five images: no spread, hence no interval, and yet no tie.
    expect(judgedMeasure('deletion', methods.slice(0, 2), scores, 'none').scores[1].rank).toBeNull();
    expect(judgedMeasure('deletion', methods.slice(0, 2), [scores[0], scores[0]], 'none').scores[1].rank).toBe('tied');
  });
});
