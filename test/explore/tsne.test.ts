/**
 * t-SNE: perplexities are what was asked for, the gradient is the derivative of the divergence, exaggeration changes the
 * loss as it should, devices agree, clusters that are apart stay apart; and the map of 2,500 real images is trustworthy.
 */
import { afterAll, describe, expect, test } from 'vitest';
import { stratifiedSplit } from '../../src/data/batches.ts';
import { UsageError } from '../../src/devices/errors.ts';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import { openWasmDevice } from '../../src/devices/wasm/device.ts';
import {
  conditionalShares,
  Forces,
  fitPca,
  jointAffinities,
  nearestNeighbours,
  neighbourAccuracy,
  type Points,
  selectPoints,
  transformPca,
  trustworthiness,
  tsne,
} from '../../src/explore/index.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import { openTestDevices } from '../support/devices.ts';
import { readSystemFashionMnist } from '../support/fashion-mnist.ts';
import { settle } from '../support/garbage.ts';

const reference = new ReferenceDevice();

/** `each` points around every of `clusters` centres of a space. */
function clusters(
  each: number,
  centres: number,
  dimensions: number,
  apart: number,
): { points: Points; labels: number[] } {
  const random = new PhiloxStream(each, centres);
  const labels = Array.from({ length: each * centres }, (_, i) => Math.floor(i / each));
  const middle = Array.from({ length: centres * dimensions }, () => apart * random.normal());
  const values = Float64Array.from(
    { length: labels.length * dimensions },
    (_, at) => middle[labels[Math.floor(at / dimensions)] * dimensions + (at % dimensions)] + random.normal(),
  );
  return { points: { values, count: labels.length, dimensions }, labels };
}

const entropyOf = (shares: Float64Array): number => shares.reduce((sum, p) => (p > 0 ? sum - p * Math.log(p) : sum), 0);

describe('affinities', () => {
  test('shares have the perplexity asked for, near and far', () => {
    const random = new PhiloxStream(1);
    for (const scale of [1e-200, 1e-6, 1, 1e6, 1e200]) {
      const distances = Float64Array.from({ length: 90 }, () => scale * (5 + random.uniform())).sort();
      for (const perplexity of [2, 30, 80]) {
        const shares = conditionalShares(distances, perplexity);
        expect(shares.reduce((sum, p) => sum + p)).toBeCloseTo(1, 12);
        expect(Math.exp(entropyOf(shares))).toBeCloseTo(perplexity, 6);
        expect(Array.from(shares)).toEqual(Array.from(shares).sort((a, b) => b - a));
      }
    }
  });

  test('equal distances share alike', () => {
    const shares = conditionalShares(new Float64Array(4).fill(3), 2);
    expect(Array.from(shares)).toEqual([0.25, 0.25, 0.25, 0.25]);
    expect(Array.from(conditionalShares(new Float64Array(3), 3))).toEqual([1 / 3, 1 / 3, 1 / 3]);
  });

  test('joint ones are symmetric and sum to 1', async () => {
    const { points } = clusters(20, 3, 5, 3);
    const { starts, columns, values } = jointAffinities(await nearestNeighbours(points, 15, { device: reference }), 5);
    expect(values.reduce((sum, p) => sum + p)).toBeCloseTo(1, 12);
    const at = new Map<string, number>();
    for (let i = 0; i < 60; i++)
      for (let e = starts[i]; e < starts[i + 1]; e++) at.set(`${i} ${columns[e]}`, values[e]);
    for (const [key, value] of at) expect(at.get(key.split(' ').reverse().join(' '))).toBe(value);
    expect(() =>
      jointAffinities({ count: 1, k: 2, indices: Int32Array.of(0, 0), distances: Float64Array.of(1, 2) }, 3),
    ).toThrow('a perplexity of 3 cannot be had of 2 neighbours');
    for (const distance of [Number.NaN, Number.POSITIVE_INFINITY, -1]) {
      expect(() =>
        jointAffinities({ count: 1, k: 2, indices: Int32Array.of(1, 2), distances: Float64Array.of(1, distance) }, 2),
      ).toThrow(`lies at a distance of ${distance}`);
    }
  });
});

test('the gradient is a quarter of the derivative of the divergence', async () => {
  const { points } = clusters(5, 3, 4, 2);
  const neighbours = await nearestNeighbours(points, points.count - 1, { device: reference });
  const forces = new Forces(jointAffinities(neighbours, 4), reference);
  for (const spread of [1e-2, 1, 20]) {
    const random = new PhiloxStream(7, Math.round(100 * spread));
    const y = Float64Array.from({ length: 30 }, () => spread * random.normal());
    const { gradient } = await forces.at(y);
    const scale = Math.max(...gradient.map(Math.abs));
    for (let i = 0; i < y.length; i++) {
      const h = 1e-4 * spread;
      const at = async (shift: number): Promise<number> => {
        const moved = y.slice();
        moved[i] += shift;
        return (await forces.at(moved, 1, true)).kl!;
      };
      const slope = ((await at(h)) - (await at(-h))) / (2 * h);
      expect(Math.abs(4 * gradient[i] - slope), `coordinate ${i}`).toBeLessThan(1e-6 * 4 * scale);
    }
  }
  forces.dispose();
});

test('divergence by definition, also from an exaggerated loss', async () => {
  const { points } = clusters(6, 2, 3, 1);
  const n = points.count;
  const affinities = jointAffinities(await nearestNeighbours(points, n - 1, { device: reference }), 3);
  const forces = new Forces(affinities, reference);
  const random = new PhiloxStream(5);
  const y = Float64Array.from({ length: 2 * n }, () => random.normal());
  const likeness = (i: number, j: number): number =>
    1 / (1 + (y[2 * i] - y[2 * j]) ** 2 + (y[2 * i + 1] - y[2 * j + 1]) ** 2);
  let z = 0;
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) if (i !== j) z += likeness(i, j);
  const exaggeration = 12;
  let plain = 0;
  let exaggerated = 0;
  for (let i = 0; i < n; i++) {
    for (let e = affinities.starts[i]; e < affinities.starts[i + 1]; e++) {
      const [p, q] = [affinities.values[e], likeness(i, affinities.columns[e]) / z];
      plain += p * Math.log(p / q);
      exaggerated += exaggeration * p * Math.log((exaggeration * p) / q);
    }
  }
  const { kl } = await forces.at(y, exaggeration, true);
  expect(kl).toBeCloseTo(plain, 12);
  expect(kl).toBeCloseTo(exaggerated / exaggeration - Math.log(exaggeration), 12);
  forces.dispose();
});

for (const { name, device } of await openTestDevices()) {
  describe.skipIf(!device)(`t-SNE on ${name}`, () => {
    if (device) afterAll(() => device.destroy());
    const { points, labels } = clusters(25, 4, 6, 6);
    const short = { perplexity: 10, exaggerationSteps: 60, steps: 90 };

    test('forces agree with the reference', async () => {
      const affinities = jointAffinities(await nearestNeighbours(points, 30, { device: reference }), 10);
      const random = new PhiloxStream(11);
      const y = Float64Array.from({ length: 200 }, () => 8 * random.normal());
      const exact = new Forces(affinities, reference);
      const own = new Forces(affinities, device!);
      const wanted = await exact.at(y, 4, true);
      const found = await own.at(y, 4, true);
      const scale = Math.max(...wanted.gradient.map(Math.abs));
      for (let i = 0; i < 200; i++) expect(Math.abs(found.gradient[i] - wanted.gradient[i])).toBeLessThan(1e-5 * scale);
      expect(found.kl).toBeCloseTo(wanted.kl!, 5);
      exact.dispose();
      own.dispose();
    });

    test('clusters stay apart, memory comes back, and the divergence falls', async () => {
      await settle();
      const before = device!.memory().liveAllocations;
      const steps: number[] = [];
      const map = await tsne(points, { ...short, device: device!, onProgress: ({ step }) => steps.push(step) });
      expect(device!.memory().liveAllocations).toBe(before);
      expect(steps).toEqual([0, 50, 100]);
      expect(map.history.map(({ step }) => step)).toEqual([0, 50, 100, 150]);
      expect(map.kl).toBe(map.history.at(-1)!.kl);
      expect(map.kl).toBeLessThan(0.5 * map.history[0].kl);
      expect(map.kl).toBeGreaterThan(0);
      const around = await nearestNeighbours(map.embedding, 10, { device: device! });
      expect(neighbourAccuracy(around, labels, 4)).toBe(1);
      expect(trustworthiness(points, map.embedding, 12)).toBeGreaterThan(0.93);
      const { values } = map.embedding;
      for (const axis of [0, 1]) {
        let sum = 0;
        for (let at = axis; at < values.length; at += 2) sum += values[at];
        expect(Math.abs(sum)).toBeLessThan(1e-9);
      }
    });

    test('the same seed gives the same map, another seed another', async () => {
      const map = async (seed: number) =>
        (await tsne(points, { ...short, steps: 20, device: device!, start: 'random', seed })).embedding.values;
      expect(await map(1)).toEqual(await map(1));
      expect(await map(2)).not.toEqual(await map(1));
    });
  });
}

test('an aborted map stops between two steps; settings that cannot be are refused', async () => {
  const { points } = clusters(10, 2, 3, 2);
  const controller = new AbortController();
  const seen: number[] = [];
  const onProgress = ({ step }: { step: number }): void => {
    seen.push(step);
    if (step === 50) controller.abort();
  };
  await expect(
    tsne(points, { device: reference, perplexity: 5, signal: controller.signal, onProgress }),
  ).rejects.toThrow(/abort/i);
  expect(seen).toEqual([0, 50]);
  await expect(tsne(points, { device: reference, perplexity: 25 })).rejects.toThrow('a perplexity of 25 cannot be had');
  await expect(tsne(points, { device: reference, exaggeration: 0 })).rejects.toThrow('an exaggeration of 0');
  for (const options of [
    { steps: -1 },
    { steps: 1.5 },
    { exaggerationSteps: Number.NaN },
    { exaggeration: Number.POSITIVE_INFINITY },
    { perplexity: Number.NaN },
    { perplexity: 0.5 },
    { neighbours: 0 },
    { neighbours: 2.5 },
    { start: 'PCA' as 'pca' },
  ]) {
    const [[, value]] = Object.entries(options);
    const message = new RegExp(`${value}.*\\.$`);
    await expect(
      tsne(points, { device: reference, perplexity: 5, ...options }),
      JSON.stringify(options),
    ).rejects.toThrow(message);
    await expect(tsne(points, { device: reference, perplexity: 5, ...options })).rejects.toThrow(UsageError);
  }
  const bad = selectPoints(points, [0, 1, 2, 3, 4, 5, 6, 7]);
  bad.values[7] = Number.NaN;
  await expect(tsne(bad, { device: reference, perplexity: 2 })).rejects.toThrow('of point 2 is NaN');
  await expect(tsne(selectPoints(points, [0, 1]), { device: reference })).rejects.toThrow('at least three points');
  const same: Points = { values: new Float64Array(24), count: 8, dimensions: 3 };
  await expect(tsne(same, { device: reference, perplexity: 2 })).rejects.toThrow('all points are the same');
});

const real = readSystemFashionMnist();
test.skipIf(!real)(
  `the map of 2,500 images is trustworthy ${real ? '' : '(skipped: dataset-fashion-mnist is not installed)'}`,
  async () => {
    const device = await openWasmDevice();
    const chosen = stratifiedSplit(real!.labels, 2500, 0).heldOut;
    const pixels = selectPoints({ values: real!.images, count: 60_000, dimensions: 784, scale: 1 / 255 }, chosen);
    const scores = await transformPca(await fitPca(pixels, { components: 50, device }), pixels, device);
    // Half of the usual steps after the exaggeration: the divergence is 0.949 then, with all of them 0.927.
    const { embedding, kl } = await tsne(scores, { device, steps: 250 });
    await device.destroy();
    expect(kl).toBeLessThan(0.97);
    const every25th = Array.from({ length: 100 }, (_, i) => 25 * i);
    expect(trustworthiness(scores, embedding, 12, every25th)).toBeGreaterThan(0.97);
    expect(trustworthiness(pixels, embedding, 12, every25th)).toBeGreaterThan(0.97);
  },
  180_000,
);
