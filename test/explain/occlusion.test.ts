/** Occlusion and feature ablation: linear functions in closed form, edges, baselines, batches, sentences for mistakes. */
import { describe, expect, test } from 'vitest';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import * as explain from '../../src/explain/index.ts';
import * as w from '../../src/index.ts';
import { cnn } from '../../src/nn/index.ts';
import { expectClose, plain } from './compare.ts';
import { random, tangledNet } from './networks.ts';

const device = new ReferenceDevice();
w.setDevice(device);

const sumOfPixels = (batch: w.Tensor): w.Tensor => w.sum(batch, [1, 2, 3]);
const counting = (height: number, width: number): w.Tensor =>
  w.tensor(
    Float32Array.from({ length: height * width }, (_, i) => i),
    [1, height, width, 1],
  );

describe('occlusion', () => {
  test('without overlap: each window takes what lies under it', async () => {
    const result = await explain.occlusion(sumOfPixels, counting(4, 4), { window: 2, stride: 2 });
    expect(plain(result.values)).toEqual([10, 10, 18, 18, 10, 10, 18, 18, 42, 42, 50, 50, 42, 42, 50, 50]);
    expect([result.grid, plain(result.images[0].drops)]).toEqual([
      [2, 2],
      [10, 18, 42, 50],
    ]);
    expect(plain(result.prediction)).toEqual([120]);
  });

  test('with overlap: a pixel gets the mean of the windows over it', async () => {
    // 1 x 4 image 0, 1, 2, 3; windows of two: drops 1, 3, 5.
    const { values } = await explain.occlusion(sumOfPixels, counting(1, 4), { window: [1, 2], stride: [1, 1] });
    expect(plain(values)).toEqual([1, 2, 4, 5]);
  });

  test('a last window is cut off at the edge', async () => {
    // 1 x 5 image, windows of three in steps of two: [0, 3), [2, 5); of four in steps of three: [0, 4), [3, 5).
    const by = async (window: number, stride: number) => {
      const result = await explain.occlusion(sumOfPixels, counting(1, 5), { window: [1, window], stride: [1, stride] });
      return [plain(result.images[0].drops), plain(result.values)];
    };
    expect(await by(3, 2)).toEqual([
      [3, 9],
      [3, 3, 6, 9, 9],
    ]);
    expect(await by(4, 3)).toEqual([
      [6, 7],
      [6, 6, 6, 6.5, 7],
    ]);
  });

  test('covers with a number, an image, or a background in turn; channels go together', async () => {
    const weight = random(device, [3, 3, 2], 1);
    const f = (batch: w.Tensor) => w.sum(w.mul(batch, weight), [1, 2, 3]);
    const x = random(device, [2, 3, 3, 2], 2);
    const background = random(device, [3, 3, 3, 2], 3);
    const [xs, bs, ws] = await Promise.all([x.data(), background.data(), weight.data()]);
    const expected = (covered: (k: number) => number) =>
      Array.from({ length: 18 }, (_, pixel) =>
        [0, 1].reduce((sum, c) => {
          const k = (pixel % 9) * 2 + c;
          return sum + (xs[Math.floor(pixel / 9) * 18 + k] - covered(k)) * ws[k];
        }, 0),
      );
    const maps = async (baseline: number | w.Tensor, batchSize?: number) =>
      explain.pixelMaps(await explain.occlusion(f, x, { window: 1, baseline, batchSize })).values;
    expectClose(
      await maps(0.3),
      expected(() => 0.3),
      1e-12,
    );
    const mean = (k: number) => (bs[k] + bs[18 + k] + bs[36 + k]) / 3;
    for (const batchSize of [1, 5, 128]) expectClose(await maps(background, batchSize), expected(mean), 1e-12);
    const own = w.slice(background, [1, 0, 0, 0], [1, 3, 3, 2]);
    expectClose(
      await maps(own),
      expected(k => bs[18 + k]),
      1e-12,
    );
  });

  test('the class of the image as it is, or any other; batches do not matter', async () => {
    const f = tangledNet(device, 6);
    const x = random(device, [2, 9, 9, 2], 3, 0.6);
    const whole = await explain.occlusion(f, x, { window: 4 });
    expect(plain(whole.target)).toEqual(plain((await explain.saliency(f, x)).target));
    expect([whole.window, whole.stride, whole.grid]).toEqual([
      [4, 4],
      [2, 2],
      [4, 4],
    ]);
    expectClose((await explain.occlusion(f, x, { window: 4, batchSize: 5 })).values, whole.values, 1e-12);
    const [first, second] = [
      await explain.occlusion(f, x, { target: [1, 2] }),
      await explain.occlusion(f, x, { target: 2 }),
    ];
    expect(plain(first.values.slice(162))).toEqual(plain(second.values.slice(162)));
    expect(plain(first.values.slice(0, 162))).not.toEqual(plain(second.values.slice(0, 162)));
    expect(first.window).toEqual([2, 2]);
  });

  test.each([
    ['a window larger than the image', { window: 5 }, /1 to 4 x 4 pixels \(the image\), not 5 x 5/],
    ['a window of nothing', { window: 0 }, /not 0 x 0/],
    ['gaps between windows', { window: 2, stride: 3 }, /1 to 2 x 2 pixels \(the window\), not 3 x 3/],
    ['half a step', { window: 2, stride: [1, 0.5] as const }, /not 1 x 0.5/],
    ['means', { baseline: 'own-mean' as never }, /'own-mean'/],
    ['a baseline of another size', { baseline: w.ones([1, 3, 3, 1]) }, /\[1, 3, 3, 1\]/],
    ['a class there is not', { target: 3 }, /no class 3/],
    ['too many targets', { target: [0, 0] }, /2 targets for 1/],
  ])('%s: a sentence', async (_, options, message) => {
    await expect(explain.occlusion(sumOfPixels, counting(4, 4), options)).rejects.toThrow(message);
  });
  test('rows: a sentence', async () => {
    await expect(explain.occlusion(batch => w.sum(batch, 1), w.ones([1, 5]))).rejects.toThrow(/\[N, H, W, C\]/);
  });
});

describe('feature ablation', () => {
  test('of a linear function is what each segment adds', async () => {
    const halves = explain.segmentsFromMap([0, 0, 1, 1, 0, 0, 1, 1], [2, 4]);
    const result = await explain.featureAblation(sumOfPixels, counting(2, 4), { segments: halves });
    expect(plain(result.playerValues[0])).toEqual([10, 18]);
    expect(plain(result.values)).toEqual([10, 10, 18, 18, 10, 10, 18, 18]);
    expect(plain(result.images[0].drops)).toEqual([10, 18]);
  });

  test('misses what segments can stand in for, which Shapley values share', async () => {
    // f = max of two pixels, both 1: neither is missed.
    const f = (batch: w.Tensor) => w.max(w.reshape(batch, [-1, 2]), 1);
    const x = w.ones([1, 1, 2, 1]);
    expect(plain((await explain.featureAblation(f, x, { segments: 'pixels' })).values)).toEqual([0, 0]);
    expectClose((await explain.exactShapley(f, x, { segments: 'pixels' })).values, [0.5, 0.5], 1e-12);
  });

  test('channels share the drop; every class is there; own segments for each image', async () => {
    const f = tangledNet(device, 6);
    const x = random(device, [2, 9, 9, 2], 3, 0.6);
    const segments = await explain.choosePlayers(x, { segments: 'slic', segmentCount: 6 });
    const result = await explain.featureAblation(f, x, { segments, target: 3 });
    const maps = explain.pixelMaps(result);
    segments.forEach(({ labels }, i) => {
      const drops = Array.from(labels, label => result.playerValues[i][label]);
      expectClose(maps.values.slice(i * 81, (i + 1) * 81), drops, 1e-12);
      const { present } = result.images[i];
      const count = segments[i].count;
      expect(plain(result.images[i].drops.slice(3 * count, 4 * count))).toEqual(plain(result.playerValues[i]));
      expect(present[3]).toBe(result.prediction[i]);
    });
    const again = await explain.featureAblation(f, x, { segments, target: 3, batchSize: 3 });
    expectClose(again.values, result.values, 1e-12);
  });
});

test('methods run by name give signed maps of the shape of the images', async () => {
  const model = cnn({ imageShape: [8, 8, 1], widths: [3, 4], hidden: 6 }).initialize({ seed: 1 });
  const x = w.randomUniform([1, 8, 8, 1], { seed: 3 });
  const segments = explain.gridSegments([8, 8], 4);
  for (const name of ['kernel-shap', 'occlusion', 'feature-ablation']) {
    const named = explain.methodNamed(name);
    const result = await named.run(model, x, { background: x, segments, target: 2 });
    expect([named.display, result.method, result.shape, result.values.length]).toEqual(['signed', name, x.shape, 64]);
  }
  model.dispose();
});
