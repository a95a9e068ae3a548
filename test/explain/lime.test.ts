/** LIME: a linear box is recovered, the fit tells when it is not linear, seeds, batches, devices, nothing left behind. */
import { afterAll, describe, expect, test } from 'vitest';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import { gridSegments, type LimeOptions, lime, limeMasks, methodNamed, pixelMaps } from '../../src/explain/index.ts';
import * as w from '../../src/index.ts';
import { cnn } from '../../src/nn/index.ts';
import { openTestDevices } from '../support/devices.ts';
import { settle } from '../support/garbage.ts';
import { expectClose } from './compare.ts';

const device = new ReferenceDevice();
w.setDevice(device);

const SIZE = 6;
/** Four cells of 3 x 3 pixels. */
const cells = gridSegments([SIZE, SIZE], 4);

/** Probabilities [1 - p, p] with p = .1 + the sum over cells of weight x the cell's mean. */
function linearBox(weights: readonly number[], on: w.Device = device): (x: w.Tensor) => w.Tensor {
  const perPixel = w.tensor(
    Float32Array.from(cells.labels, label => weights[label] / 9),
    [SIZE * SIZE, 1],
    { device: on },
  );
  return x => {
    const p = w.add(w.matmul(w.reshape(x, [x.shape[0], SIZE * SIZE]), perPixel), 0.1);
    return w.concat([w.sub(1, p), p], 1);
  };
}

const ones = (n = 1): w.Tensor => w.ones([n, SIZE, SIZE, 1]);
const own: LimeOptions = { segments: cells, outputs: 'probabilities', target: 1 };

describe('a box that is linear in its segments', () => {
  const weights = [0.3, -0.05, 0.2, 0.25];

  test('is recovered without a penalty; the fit says so', async () => {
    const { explained, values, shape, changed, prediction, target, predicted } = await lime(
      linearBox(weights),
      ones(),
      {
        ...own,
        alpha: 0,
        samples: 100,
      },
    );
    const [fit] = explained;
    expectClose(fit.weights, weights, 1e-7);
    expectClose([fit.intercept, fit.localPrediction, fit.probability, fit.r2], [0.1, 0.8, 0.8, 1], 1e-7);
    expect(shape).toEqual([1, SIZE, SIZE, 1]);
    expectClose(
      values,
      Array.from(cells.labels, label => weights[label]),
      1e-7,
    );
    expect([target[0], predicted[0]]).toEqual([1, 1]);
    expect(prediction[0]).toBeCloseTo(0.8, 6);
    // Class 1 needs p > .5.
    const masks = limeMasks(100, 4);
    const others = Array.from({ length: 99 }, (_, k) => {
      let p = 0.1;
      for (let i = 0; i < 4; i++) p += weights[i] * masks[(k + 1) * 4 + i];
      return p < 0.5 ? 1 : 0;
    });
    expect(changed[0]).toBe(others.reduce<number>((a, b) => a + b, 0) / 99);
    expect(changed[0]).toBeGreaterThan(0.5);
  });

  test('a ridge penalty of 1 shrinks the weights a little and keeps their order', async () => {
    const [{ weights: fitted, r2 }] = (await lime(linearBox(weights), ones(), own)).explained;
    for (const i of [0, 2, 3]) {
      expect(fitted[i]).toBeGreaterThan(0.95 * weights[i]);
      expect(fitted[i]).toBeLessThan(weights[i]);
    }
    expect(r2).toBeGreaterThan(0.999);
  });

  test('channels share the weight of their pixel', async () => {
    const gray = linearBox(weights);
    const box = (x: w.Tensor) => gray(w.mean(x, 3, true));
    const attribution = await lime(box, w.ones([1, SIZE, SIZE, 3]), { ...own, alpha: 0, samples: 100 });
    expect(attribution.shape).toEqual([1, SIZE, SIZE, 3]);
    expectClose(
      pixelMaps(attribution).values,
      Array.from(cells.labels, label => weights[label]),
      1e-6,
    );
  });
});

describe('what the figures beside the picture say', () => {
  test('a box that is no sum of its parts has a low R^2', async () => {
    // p = .1 + .8 [an even number of cells is there]: no linear model of cells sees that.
    const even = (x: w.Tensor) => {
      const sums = w.mul(w.mean(x, [1, 2, 3]), 4);
      const p = w.reshape(w.add(w.mul(w.square(w.cos(w.mul(sums, Math.PI / 2))), 0.8), 0.1), [-1, 1]);
      return w.concat([w.sub(1, p), p], 1);
    };
    const [{ r2, probability }] = (await lime(even, ones(), own)).explained;
    expect(probability).toBeCloseTo(0.9, 6);
    expect(r2).toBeLessThan(0.2);
  });

  test("a segment's own mean changes nothing where segments are flat", async () => {
    const { explained, changed } = await lime(linearBox([0.3, -0.05, 0.2, 0.25]), ones(), {
      ...own,
      baseline: 'own-mean',
    });
    expect(changed[0]).toBe(0);
    expectClose(explained[0].weights, [0, 0, 0, 0], 1e-7);
    expect(explained[0].r2).toBe(0);
  });

  test.each([
    [16, 200],
    [16, 20],
    [36, 30],
  ])('noise has no R^2: %i segments, %i samples', async (segmentCount, samples) => {
    // A box that is a hash of the picture.
    const noise = async (batch: w.Tensor): Promise<w.Tensor> => {
      const values = await batch.data();
      const [n, size] = [batch.shape[0], values.length / batch.shape[0]];
      const rows = Array.from({ length: n }, (_, i) => {
        let hash = 2166136261;
        for (let k = 0; k < size; k++) hash = Math.imul(hash ^ (Math.round(values[i * size + k] * 255) + k), 16777619);
        return (hash >>> 0) / 2 ** 32;
      });
      return w.tensor(Float64Array.from(rows.flatMap(p => [p, 1 - p])), [n, 2]);
    };
    const image = w.randomUniform([1, SIZE, SIZE, 1], { seed: 3, low: 0.2, high: 1 });
    const options: LimeOptions = { segments: 'grid', segmentCount, samples, outputs: 'probabilities' };
    const { r2, inSampleR2 } = (await lime(noise, image, options)).explained[0];
    expect(r2).toBeLessThan(0.05);
    if (samples <= 30) expect(inSampleR2).toBeGreaterThan(0.3);
  });

  test('segments that equal their replacement are left out, with a weight of exactly 0', async () => {
    // The two cells to the left are black already.
    const half = w.tensor(
      Float64Array.from(cells.labels, label => (label % 2 === 0 ? 0 : 1)),
      [1, SIZE, SIZE, 1],
    );
    const seen: number[] = [];
    const box = linearBox([0.3, -0.05, 0.2, 0.25]);
    const counted = (x: w.Tensor) => {
      seen.push(x.shape[0]);
      return box(x);
    };
    const { explained } = await lime(counted, half, { ...own, alpha: 0, samples: 40 });
    expect(
      [...explained[0].weights].map((weight, i) => (i % 2 === 0 ? weight : Math.round(weight * 1e6) / 1e6)),
    ).toEqual([0, -0.05, 0, 0.25]);
    expect(explained[0].weights[0]).toBe(0);
    expect(explained[0].r2).toBeCloseTo(1, 9);
    // The same with a penalty, and with a baseline that some other cells are equal to.
    const white = await lime(box, half, { ...own, samples: 40, baseline: 1 });
    expect([white.explained[0].weights[1], white.explained[0].weights[3]]).toEqual([0, 0]);
    expect(white.explained[0].weights[0]).toBeLessThan(-0.1);
    seen.length = 0;
    const still = await lime(counted, w.zeros([1, SIZE, SIZE, 1]), own);
    expect(seen).toEqual([1]);
    expect([...still.explained[0].weights]).toEqual([0, 0, 0, 0]);
    expect(still.explained[0]).toMatchObject({ r2: 0, localPrediction: expect.closeTo(0.1, 6) });
    expect(still.changed[0]).toBe(0);
  });

  test('a constant box: zeros, no NaN', async () => {
    const { values, explained, changed } = await lime(x => w.zeros([x.shape[0], 3]), ones(), { segments: cells });
    expect([...values].every(value => value === 0)).toBe(true);
    expect(explained[0]).toMatchObject({ label: 0, r2: 0, localPrediction: expect.closeTo(1 / 3, 12) });
    expect(changed[0]).toBe(0);
  });
});

describe('targets are probabilities', () => {
  const logitsOf = (x: w.Tensor) => w.log(linearBox([0.3, 0.1, 0.2, 0.25])(x));
  const asBox = linearBox([0.3, 0.1, 0.2, 0.25]);

  test('of logits, the softmax', async () => {
    const fromLogits = await lime(logitsOf, ones(), { segments: cells, samples: 60 });
    const fromProbabilities = await lime(asBox, ones(), { ...own, samples: 60 });
    expectClose(fromLogits.explained[0].weights, fromProbabilities.explained[0].weights, 1e-7);
    expect(fromLogits.prediction[0]).toBeCloseTo(Math.log(0.95), 6);
    expect(fromProbabilities.prediction[0]).toBeCloseTo(0.95, 6);
  });

  test('outputs that are not what was said are refused', async () => {
    await expect(lime(logitsOf, ones(), own)).rejects.toThrow(/outside \[0, 1\].*'logits'/);
    await expect(lime(asBox, ones(), { segments: cells })).rejects.toThrow(/adds up to 1.*'probabilities'/);
    await expect(lime(x => w.mean(x, [1, 2, 3]), ones(), { segments: cells })).rejects.toThrow(/no softmax/);
  });

  test('a single probability per image is one class', async () => {
    const p = (x: w.Tensor) => w.mean(x, [1, 2, 3]);
    const { explained } = await lime(p, ones(), { segments: cells, outputs: 'probabilities', alpha: 0, samples: 80 });
    expectClose(explained[0].weights, [0.25, 0.25, 0.25, 0.25], 1e-7);
  });

  test('all top classes come from the same altered images, the likeliest first, the target among them', async () => {
    const four = (x: w.Tensor) => {
      const mean = w.mean(w.reshape(x, [x.shape[0], 2, 3, 6]), [2, 3]);
      return w.concat([w.mul(mean, 2), w.mul(mean, -1)], 1);
    };
    let calls = 0;
    const counted = (x: w.Tensor) => {
      calls += x.shape[0];
      return four(x);
    };
    const { classes, explained } = await lime(counted, ones(), {
      segments: cells,
      topClasses: 2,
      target: 3,
      samples: 50,
    });
    expect(calls).toBe(50);
    expect(classes[0].map(({ label }) => label)).toEqual([0, 1, 3]);
    expect(explained[0]).toBe(classes[0][2]);
    const only1 = await lime(four, ones(), { segments: cells, topClasses: 1, target: 1, samples: 50 });
    expect(only1.explained[0]).toEqual(classes[0][1]);
  });
});

describe('seeds, batches, images', () => {
  test('the first row is whole and the others are fair coins', () => {
    const masks = limeMasks(300, 50, 7);
    expect(masks.subarray(0, 50).every(bit => bit === 1)).toBe(true);
    expect(masks.every(bit => bit === 0 || bit === 1)).toBe(true);
    const share = masks.subarray(50).reduce((a, b) => a + b, 0) / (299 * 50);
    // Five standard deviations of a share of 14,950 coins.
    expect(Math.abs(share - 0.5)).toBeLessThan((5 * 0.5) / Math.sqrt(299 * 50));
    expect(limeMasks(9, 5, 7)).toEqual(limeMasks(9, 5, 7));
    for (const players of [-1, 1.5, Number.NaN]) expect(() => limeMasks(9, players, 7)).toThrow(`not ${players}`);
    expect(limeMasks(9, 5, 7)).not.toEqual(limeMasks(9, 5, 8));
    // More samples continue the shorter run.
    expect(limeMasks(20, 5, 7).subarray(0, 45)).toEqual(limeMasks(9, 5, 7));
  });

  const model = cnn({ imageShape: [8, 8, 1], widths: [4, 6], hidden: 12 }).initialize({ device, seed: 2 });
  const images = w.randomUniform([3, 8, 8, 1], { seed: 4 });
  const settings: LimeOptions = { segmentCount: 9, samples: 60 };

  test('one seed repeats everything, and batches, company and mode do not matter', async () => {
    const whole = await lime(model, images, settings);
    expect(await lime(model, images, { ...settings, batchSize: 7 })).toEqual(whole);
    const second = w.slice(images, [1, 0, 0, 0], [1, 8, 8, 1]);
    const alone = await lime(model, second, settings);
    expect(alone.explained[0]).toEqual(whole.explained[1]);
    expect(alone.segments[0]).toEqual(whole.segments[1]);
    expect([...alone.values]).toEqual([...whole.values.slice(64, 128)]);
    expect((await lime(model, images, { ...settings, seed: 1 })).values).not.toEqual(whole.values);
    expect(model.modules().every(({ isTraining }) => isTraining)).toBe(true);
  });

  test('is among the methods by name, shown signed', async () => {
    const { display, run } = methodNamed('lime');
    const background = w.zeros([1, 8, 8, 1]);
    const cut = gridSegments([8, 8], 4);
    const first = w.slice(images, [0, 0, 0, 0], [1, 8, 8, 1]);
    const attribution = await run(model, first, { background, target: [3], seed: 5, segments: cut });
    expect(display).toBe('signed');
    expect(attribution).toMatchObject({ method: 'lime', shape: [1, 8, 8, 1], target: Int32Array.of(3) });
    expect(attribution).toMatchObject({ segments: [cut] });
  });

  test('leaves no tensors behind, nor does a run that fails', async () => {
    await settle();
    const { liveAllocations } = device.memory();
    await lime(model, images, settings);
    const failing = (x: w.Tensor) => (x.shape[0] < 60 ? w.log(w.sub(w.mean(x, [1, 2]), 9)) : w.zeros([60, 2]));
    await expect(lime(failing, images, { ...settings, samples: 100, batchSize: 60 })).rejects.toThrow();
    expect(device.memory().liveAllocations).toBe(liveAllocations);
  });

  test.each([
    ['one sample', { samples: 1 }, /at least 2 samples, not 1/],
    ['no kernel width', { kernelWidth: 0 }, /kernel width/],
    ['a negative alpha', { alpha: -1 }, /alpha/],
    ['half a class', { topClasses: 0.5 }, /topClasses/],
    ['other outputs', { outputs: 'scores' as never }, /'scores'/],
    ['another cut', { segments: cells }, /6 x 6 pixels, the image of 8 x 8/],
    ['too many segments', { segmentCount: 65 }, /cannot be cut into 65/],
    ['targets of other images', { target: [1] }, /1 targets for 3 images/],
    ['a class that is none', { target: 10 }, /no class 10/],
    ['a baseline that is no number', { baseline: Number.NaN }, /finite number/],
    ['half a batch', { batchSize: 0 }, /batchSize/],
  ])('%s gets a sentence', async (_, options, message) => {
    await expect(lime(model, images, { samples: 20, ...options })).rejects.toThrow(message);
  });

  test('rows of features are no images', async () => {
    await expect(lime(x => x, w.ones([2, 5]))).rejects.toThrow(/\[N, H, W, C\], not \[2, 5\]/);
  });
});

describe('devices', async () => {
  const devices = await openTestDevices();
  afterAll(() => Promise.all(devices.map(({ device: one }) => one?.destroy())));
  const weightsOn = async (on: w.Device): Promise<number[]> => {
    const model = cnn({ imageShape: [8, 8, 1], widths: [4, 6], hidden: 12 }).initialize({ device: on, seed: 2 });
    const x = w.randomUniform([2, 8, 8, 1], { seed: 4, device: on });
    await settle();
    const before = on.memory().liveAllocations;
    const { explained, changed } = await lime(model, x, { segmentCount: 9, samples: 200, batchSize: 64 });
    expect(on.memory().liveAllocations).toBe(before);
    x.dispose();
    model.dispose();
    return [...explained.flatMap(({ weights, r2 }) => [...weights, r2]), ...changed];
  };
  let expected: number[] | undefined;
  for (const { name, device: one } of devices) {
    test.skipIf(!one)(`${name} agrees with the reference`, async () => {
      expectClose(await weightsOn(one!), (expected ??= await weightsOn(device)), 1e-5);
    });
  }
});
