/** Principal components: known answers on every device, round trips, mistakes, and scikit-learn's on the real images. */
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import { openWasmDevice } from '../../src/devices/wasm/device.ts';
import { fitPca, inverseTransformPca, type Points, transformPca } from '../../src/explore/index.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import { openTestDevices } from '../support/devices.ts';
import { readSystemFashionMnist } from '../support/fashion-mnist.ts';
import { settle } from '../support/garbage.ts';

/** Normal points around `mean` with the given deviations along the axes that `turn` makes of the first two. */
function cloud(count: number, deviations: readonly number[], mean: number, turn = 0): Points {
  const random = new PhiloxStream(count, deviations.length);
  const dimensions = deviations.length;
  const values = new Float64Array(count * dimensions);
  for (let i = 0; i < count; i++) {
    const own = deviations.map(deviation => deviation * random.normal());
    const [a, b] = own;
    own[0] = Math.cos(turn) * a - Math.sin(turn) * b;
    own[1] = Math.sin(turn) * a + Math.cos(turn) * b;
    values.set(
      own.map(value => mean + value),
      i * dimensions,
    );
  }
  return { values, count, dimensions };
}

/** Of coordinate k of centred points. */
function variance({ values, count, dimensions }: Points, k: number): number {
  let sum = 0;
  for (let at = k; at < values.length; at += dimensions) sum += values[at] * values[at];
  return sum / (count - 1);
}

/** Five points on a cross: variances 8 / 4 and 2 / 4 along (1, 1) and (1, -1), by hand. */
const cross: Points = {
  values: Float64Array.of(
    0,
    0,
    Math.SQRT2,
    Math.SQRT2,
    -Math.SQRT2,
    -Math.SQRT2,
    Math.SQRT1_2,
    -Math.SQRT1_2,
    -Math.SQRT1_2,
    Math.SQRT1_2,
  ),
  count: 5,
  dimensions: 2,
};

for (const { name, device } of await openTestDevices()) {
  describe.skipIf(!device)(`PCA on ${name}`, () => {
    if (device) afterAll(() => device.destroy());

    test('five points on a cross', async () => {
      const pca = await fitPca(cross, { components: 2, device: device! });
      const close = (value: number) => expect.closeTo(value, 6);
      expect(Array.from(pca.explainedVariance)).toEqual([close(2), close(0.5)]);
      expect(Array.from(pca.explainedVarianceRatio)).toEqual([close(0.8), close(0.2)]);
      const h = Math.SQRT1_2;
      expect(Array.from(pca.components).map(Math.abs)).toEqual([close(h), close(h), close(h), close(h)]);
      expect(pca.components[0] * pca.components[1]).toBeGreaterThan(0);
      const { values } = await transformPca(pca, cross, device!);
      expect(Math.abs(values[2])).toBeCloseTo(2, 5);
      expect(values[2]).toBeCloseTo(-values[4], 5);
    });

    test('a turned cloud of more rows than one piece, far from the origin', async () => {
      const turn = 0.6;
      const points = cloud(5000, [3, 1, 0.2], 40, turn);
      const pca = await fitPca(points, { components: 3, device: device! });
      expect(pca.samples).toBe(5000);
      for (const i of [0, 1, 2]) expect(Math.sqrt(pca.explainedVariance[i]) / [3, 1, 0.2][i]).toBeCloseTo(1, 1);
      // The first axis, its largest loading positive.
      expect(pca.components[0]).toBeCloseTo(Math.cos(turn), 1);
      expect(pca.components[1]).toBeCloseTo(Math.sin(turn), 1);
      const scores = await transformPca(pca, points, device!);
      for (const k of [0, 1, 2]) expect(variance(scores, k) / pca.explainedVariance[k]).toBeCloseTo(1, 4);
      const back = await inverseTransformPca(pca, scores, device!);
      for (let i = 0; i < 60; i++) expect(back.values[i]).toBeCloseTo(points.values[i], 4);
    });

    test('whitened scores have unit variance, and lead back as well', async () => {
      const points = cloud(300, [5, 2, 1, 0.5], 1);
      const pca = await fitPca(points, { components: 4, device: device!, whiten: true });
      const scores = await transformPca(pca, points, device!);
      for (const k of [0, 1, 2, 3]) {
        expect(variance(scores, k)).toBeCloseTo(1, 4);
      }
      const back = await inverseTransformPca(pca, scores, device!);
      for (let i = 0; i < 40; i++) expect(back.values[i]).toBeCloseTo(points.values[i], 4);
    });

    test('bytes with a scale are the numbers they stand for; memory comes back', async () => {
      await settle();
      const before = device!.memory().liveAllocations;
      const bytes = Uint8Array.from({ length: 90 }, (_, i) => (i * i * 7) % 256);
      const scaled = await fitPca(
        { values: bytes, count: 30, dimensions: 3, scale: 1 / 255 },
        { components: 2, device: device! },
      );
      const plain = await fitPca(
        { values: Float64Array.from(bytes, byte => byte / 255), count: 30, dimensions: 3 },
        { components: 2, device: device! },
      );
      for (const i of [0, 1]) expect(scaled.explainedVariance[i]).toBeCloseTo(plain.explainedVariance[i], 7);
      await transformPca(scaled, { values: bytes, count: 30, dimensions: 3, scale: 1 / 255 }, device!);
      expect(device!.memory().liveAllocations).toBe(before);
    });
  });
}

describe('far from the origin and in any unit', () => {
  const device = new ReferenceDevice();
  const points = cloud(3000, [3, 1, 0.2], 0, 0.6);

  test('an offset of 1e15 changes the mean and nothing else', async () => {
    // What is left of the points once they have been at the offset is what there is to find.
    const offset = Array.from(points.values, (value, at) => 1e15 + (at % 3) + 40 * value);
    const back = { ...points, values: Float64Array.from(offset, value => value - 1e15) };
    const far = { ...points, values: Float64Array.from(offset) };
    const [near, there] = [await fitPca(back, { components: 3, device }), await fitPca(far, { components: 3, device })];
    for (const i of [0, 1, 2]) {
      expect(there.explainedVariance[i] / near.explainedVariance[i]).toBeCloseTo(1, 4);
      expect(there.components[3 * i]).toBeCloseTo(near.components[3 * i], 4);
    }
  });

  test.each([2 ** -300, 2 ** -130, 2 ** 130, 2 ** 300])('a unit of %d', async unit => {
    const usual = await fitPca(points, { components: 3, device });
    const scaled = { ...points, values: (points.values as Float64Array).map(value => value * unit) };
    const pca = await fitPca(scaled, { components: 3, device });
    expect(pca.components).toEqual(usual.components);
    expect(pca.explainedVariance).toEqual(usual.explainedVariance.map(variance => variance * unit * unit));
    const scores = await transformPca(pca, scaled, device);
    expect(scores.values).toEqual(
      ((await transformPca(usual, points, device)).values as Float64Array).map(v => v * unit),
    );
    const back = await inverseTransformPca(pca, scores, device);
    for (let i = 0; i < 60; i++) expect(back.values[i] / unit).toBeCloseTo(points.values[i], 5);
  });

  test('n points have n - 1 directions with a variance; the last is left at 0', async () => {
    const few = { values: Float64Array.of(1, 2, 9, 4, -3, 5, 8, 7, 1, 1, 6, 0), count: 3, dimensions: 4 };
    const pca = await fitPca(few, { components: 3, device, whiten: true });
    expect(pca.explainedVariance[2]).toBe(0);
    const { values } = await transformPca(pca, few, device);
    for (const i of [0, 1, 2]) expect(values[3 * i + 2]).toBeCloseTo(0, 12);
  });
});

describe('mistakes', () => {
  const device = new ReferenceDevice();

  test('are said in one sentence', async () => {
    await expect(fitPca(cross, { components: 3, device })).rejects.toThrow(
      '3 components cannot be had of 5 points of 2',
    );
    await expect(fitPca({ ...cross, count: 4 }, { components: 1, device })).rejects.toThrow(
      '10 values do not make 4 points',
    );
    const single = { values: Float64Array.of(1, 2), count: 1, dimensions: 2 };
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const bad = { values: Float64Array.of(0, 1, 2, 3, 4, value), count: 3, dimensions: 2 };
      await expect(fitPca(bad, { components: 1, device })).rejects.toThrow(`coordinate 1 of point 2 is ${value}`);
    }
    for (const unit of [1e-200, 1e200]) {
      const extreme = { values: Float64Array.of(0, unit, 2 * unit), count: 3, dimensions: 1 };
      await expect(fitPca(extreme, { components: 1, device })).rejects.toThrow('variances are beyond float64');
    }
    for (const components of [0, -1, 1.5, Number.NaN])
      await expect(fitPca(cross, { components, device })).rejects.toThrow(`${components} components cannot be had`);
    await expect(fitPca(single, { components: 1, device })).rejects.toThrow('at least two points');
    const pca = await fitPca(cross, { components: 1, device });
    await expect(
      transformPca(pca, { values: Float64Array.of(1, 2, 3), count: 1, dimensions: 3 }, device),
    ).rejects.toThrow('points of 3 coordinates, but it was fitted to 2');
    await expect(inverseTransformPca(pca, cross, device)).rejects.toThrow('scores of 2 coordinates for 1 components');
  });

  test('an aborted fit stops', async () => {
    await expect(fitPca(cross, { components: 1, device, signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
  });

  test('points without any variance have components, but explain nothing', async () => {
    const same = { values: new Float64Array(12).fill(3), count: 4, dimensions: 3 };
    const { explainedVariance, explainedVarianceRatio, components } = await fitPca(same, {
      components: 2,
      device,
      whiten: true,
    });
    expect(Array.from(explainedVariance)).toEqual([0, 0]);
    expect(Array.from(explainedVarianceRatio)).toEqual([0, 0]);
    expect(components.every(Number.isFinite)).toBe(true);
  });
});

const real = readSystemFashionMnist();
test.skipIf(!real)(
  `the 60,000 images agree with scikit-learn ${real ? '' : '(skipped: dataset-fashion-mnist is not installed)'}`,
  async () => {
    const expected = JSON.parse(readFileSync(new URL('./expected-pca.json', import.meta.url), 'utf8'));
    const bytes = Buffer.from(expected.components, 'base64');
    const device = await openWasmDevice();
    const points = { values: real!.images, count: 60_000, dimensions: 784, scale: 1 / 255 };
    const pca = await fitPca(points, { components: 50, device });
    await device.destroy();
    pca.explainedVariance.forEach((variance, i) => {
      expect(Math.abs(variance / expected.explainedVariance[i] - 1), `variance ${i}`).toBeLessThan(1e-4);
    });
    expect(pca.totalVariance / expected.totalVariance).toBeCloseTo(1, 6);
    for (let i = 0; i < 5; i++)
      expect(pca.explainedVarianceRatio[i]).toBeCloseTo(expected.explainedVarianceRatio[i], 6);
    for (let row = 0; row < 20; row++) {
      let dot = 0;
      let square = 0;
      for (let k = 0; k < 784; k++) {
        const loading = bytes.readInt16LE(2 * (row * 784 + k));
        dot += loading * pca.components[row * 784 + k];
        square += loading * loading;
      }
      expect(Math.abs(dot) / Math.sqrt(square), `component ${row}`).toBeGreaterThan(0.9999);
    }
  },
  120_000,
);
