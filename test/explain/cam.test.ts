/** Class activation maps and guided backpropagation: known values, definitions spelled out on the host, devices, mistakes. */
import { afterAll, describe, expect, test } from 'vitest';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import * as explain from '../../src/explain/index.ts';
import * as w from '../../src/index.ts';
import { cnn, miniResNet } from '../../src/nn/index.ts';
import { openTestDevices } from '../support/devices.ts';
import { expectClose, plain } from './compare.ts';
import { oneConvNet, random, tangledNet } from './networks.ts';

const device = new ReferenceDevice();
w.setDevice(device);

describe('the one-convolution net (attribution.md, check value 1)', () => {
  const { model, x } = oneConvNet(device);

  test('its output is 54', async () => expect(await model.eval().call(x).item()).toBe(54));

  test('Grad-CAM at the convolution and behind the relu', async () => {
    const atConv = await explain.gradCam(model, x, { layer: 'conv' });
    expect(plain(atConv.values)).toEqual([11.25, 13.5, 20.25, 22.5]);
    expect(atConv).toMatchObject({ layer: 'conv', shape: [1, 2, 2], method: 'grad-cam' });
    expect(atConv.prediction[0]).toBe(54);
    expect(plain((await explain.gradCam(model, x, { layer: 'relu1' })).values)).toEqual([0, 4, 28, 32.5]);
    expect((await explain.gradCam(model, x)).layer).toBe('relu1');
  });

  test('HiResCAM and LayerCAM, at the convolution and behind the relu', async () => {
    for (const layer of ['conv', 'relu1']) {
      expect(plain((await explain.hiResCam(model, x, { layer })).values)).toEqual([0, 4, 25, 25]);
      expect(plain((await explain.layerCam(model, x, { layer })).values)).toEqual([0, 4, 31, 40]);
    }
  });

  test('guided backpropagation, folded relus included', async () => {
    const { values } = await explain.guidedBackprop(model, x);
    expect(plain(values)).toEqual([0, 1, 1, 1, 1, 3, 3, 2, 1, 3, 3, 2, 1, 2, 2, 1]);
  });

  test('the same by a function cut in two', async () => {
    const [weight, bias] = [w.ones([3, 3, 1, 2]), w.tensor([-50, -75])];
    const row = w.reshape(w.tensor([1, 1, 1, 1, 1, -1, -1, -1]), [8, 1]);
    const split: explain.SplitFunction = {
      features: images => w.conv2d(images, weight, { bias }),
      head: a => w.relu(w.matmul(w.flatten(w.transpose(w.relu(a), [0, 3, 1, 2])), row)),
      name: 'my conv',
    };
    const { values, layer } = await explain.gradCam(split, x);
    expect(plain(values)).toEqual([11.25, 13.5, 20.25, 22.5]);
    expect(layer).toBe('my conv');
  });

  test('Grad-CAM++ and XGrad-CAM behind the relu, by hand', async () => {
    // A = [0, 4, 31, 40] and [0, 0, 6, 15]; g = 1 everywhere, and [1, -1, -1, -1].
    const a = [
      [0, 4, 31, 40],
      [0, 0, 6, 15],
    ];
    const plusPlus = [4 / (2 + 75), 1 / (2 + 21)];
    const xGrad = [75 / 75, -21 / 21];
    const maps = (weights: number[]) => [0, 1, 2, 3].map(i => weights[0] * a[0][i] + weights[1] * a[1][i]);
    const got = await Promise.all([
      explain.gradCamPlusPlus(model, x, { layer: 'relu1' }),
      explain.xGradCam(model, x, { layer: 'relu1' }),
    ]);
    expectClose(got[0].values, maps(plusPlus), 1e-12);
    expectClose(got[1].values, maps(xGrad), 1e-12);
  });

  test('Grad-CAM++ and XGrad-CAM refuse a layer with negative activations', async () => {
    await expect(explain.gradCamPlusPlus(model, x, { layer: 'conv' })).rejects.toThrow(/behind a relu.*"conv".*-30/);
    await expect(explain.xGradCam(model, x, { layer: 'conv' })).rejects.toThrow(/behind a relu.*allowNegative: true/);
  });

  test('Grad-CAM++ and XGrad-CAM take their formulas at the convolution where that is asked for', async () => {
    // A = [-5, 4, 31, 40] and [-30, -21, 6, 15], sums 70 and -30; g = [0, 1, 1, 1] and [0, 0, -1, -1].
    const a = [
      [-5, 4, 31, 40],
      [-30, -21, 6, 15],
    ];
    const options = { layer: 'conv', allowNegative: true };
    const maps = (weights: number[]) => [0, 1, 2, 3].map(i => weights[0] * a[0][i] + weights[1] * a[1][i]);
    // sum relu(g) / (2 + relu(g) sum A), and sum(g A) / sum(A).
    expectClose((await explain.gradCamPlusPlus(model, x, options)).values, maps([3 / (2 + 70), 0]), 1e-12);
    expectClose((await explain.xGradCam(model, x, options)).values, maps([75 / 70, -21 / -30]), 1e-12);
    // The other methods have no such condition, and take the option without minding it.
    expect(plain((await explain.gradCam(model, x, options)).values)).toEqual([11.25, 13.5, 20.25, 22.5]);
    const named = await explain.methodNamed('xgrad-cam').run(model, x, { ...options, background: x });
    expectClose(named.values, maps([75 / 70, 0.7]), 1e-12);
  });

  test('sums of activations that cancel make no map', async () => {
    const split = (k: number) => ({ features: (y: w.Tensor) => y, head: (b: w.Tensor) => w.mul(w.sum(b, [1, 2]), k) });
    const cancelling = w.tensor(Float64Array.of(1, -1, 2, -2), [1, 2, 2, 1]);
    await expect(
      explain.gradCamPlusPlus(split(1), w.tensor(Float64Array.of(1, -3), [1, 1, 2, 1]), { allowNegative: true }),
    ).rejects.toThrow(/grad-cam\+\+: value 0 of image 0 is/);
    // g = 1 everywhere: sum(g A) = sum(A) = 0, a channel that says nothing.
    const { values } = await explain.xGradCam(split(1), cancelling, { allowNegative: true });
    expect(plain(values)).toEqual([0, 0, 0, 0]);
  });

  test('the unit of the activations changes no map but by itself', async () => {
    const shape = [1, 3, 3, 4];
    const a = await w.relu(random(device, shape, 9)).data();
    const weights = random(device, [4, 2], 10);
    const run = async (method: typeof explain.gradCam, unit: number) => {
      const split = {
        features: (y: w.Tensor) => w.affine(y, unit, 0),
        head: (b: w.Tensor) => w.matmul(w.globalAveragePool(w.affine(b, 1 / unit, 0)), weights),
      };
      return (await method(split, w.tensor(Float64Array.from(a), shape), { target: 1 })).values;
    };
    for (const method of [explain.xGradCam, explain.eigenCam, explain.scoreCam]) {
      const usual = await run(method, 1);
      const scale = Math.max(...Array.from(usual, Math.abs));
      // XGrad-CAM's weights are gradients, in the inverse unit.
      for (const unit of method === explain.eigenCam ? [1e-200, 1e-9, 1e9] : [1e-9, 1e9]) {
        const found = Array.from(await run(method, unit), value =>
          method === explain.xGradCam ? value : value / unit,
        );
        expectClose(found, usual, 1e-9 * scale);
      }
    }
  });

  test('Score-CAM, step by step on the host', async () => {
    const { values } = await explain.scoreCam(model, x, { layer: 'relu1' });
    const a = [
      [0, 4, 31, 40],
      [0, 0, 6, 15],
    ];
    const scores: number[] = [];
    for (const map of a) {
      // Aligned corners, 2 x 2 to 4 x 4: thirds between the corners.
      const mask = Array.from({ length: 16 }, (_, i) => {
        const [v, u] = [Math.floor(i / 4) / 3, (i % 4) / 3];
        return (1 - v) * ((1 - u) * map[0] + u * map[1]) + v * ((1 - u) * map[2] + u * map[3]);
      });
      const range = Math.max(...mask) - Math.min(...mask);
      const masked = mask.map((value, i) => (i * (value - Math.min(...mask))) / range);
      scores.push(
        await model
          .eval()
          .call(w.tensor(Float64Array.from(masked), [1, 4, 4, 1]))
          .item(),
      );
    }
    const largest = Math.max(...scores);
    const exps = scores.map(score => Math.exp(score - largest));
    const weights = exps.map(value => value / (exps[0] + exps[1]));
    expectClose(
      values,
      a[0].map((value, i) => weights[0] * value + weights[1] * a[1][i]),
      1e-9,
    );
  });
});

test('Eigen-CAM: scores on the first principal component, in the direction of the channel sums', async () => {
  // Centred activations of rank one plus a little: A_ik = p_i q_k + small noise.
  const p = [3, -1, 0.5, 2, -2.5, -2];
  const q = [1, -0.2, 0.7, -0.1];
  const noise = await random(device, [24], 1, 1e-9).data();
  const a = Float64Array.from({ length: 24 }, (_, i) => 7 + p[i >> 2] * q[i % 4] + noise[i]);
  const split = { features: (x: w.Tensor) => x, head: (b: w.Tensor) => w.globalAveragePool(b) };
  const { values } = await explain.eigenCam(split, w.tensor(a, [1, 2, 3, 4]));
  const length = Math.hypot(...q);
  expectClose(
    values,
    p.map(score => score * length),
    1e-6,
  );
  const flat = await explain.eigenCam(split, w.ones([2, 2, 3, 4]));
  expect(plain(flat.values)).toEqual(new Array(12).fill(0));
});

test('Eigen-CAM where positions are fewer than channels: its variance is the largest there is', async () => {
  const a = random(device, [1, 2, 3, 40], 3);
  const split = { features: (x: w.Tensor) => x, head: (b: w.Tensor) => w.globalAveragePool(b) };
  const { values } = await explain.eigenCam(split, a);
  const data = await a.data();
  const centred = Array.from({ length: 40 }, (_, k) => {
    const column = [0, 1, 2, 3, 4, 5].map(i => data[i * 40 + k]);
    const mean = column.reduce((s, v) => s + v) / 6;
    return column.map(value => value - mean);
  });
  // Scores s on the first component are an eigenvector of A A^T, with the eigenvalue |s|^2.
  const eigenvalue = Math.hypot(...values) ** 2;
  for (let i = 0; i < 6; i++) {
    let image = 0;
    for (const column of centred) for (let j = 0; j < 6; j++) image += column[i] * column[j] * values[j];
    expect(image).toBeCloseTo(eigenvalue * values[i], 8);
  }
  const trace = centred.flat().reduce((s, v) => s + v * v, 0);
  expect(eigenvalue).toBeGreaterThan(trace / 5);
});

describe('guided backpropagation', () => {
  test('is the gradient where there is no relu, and smaller where there is', async () => {
    const x = random(device, [2, 3], 1);
    const f = (images: w.Tensor) => w.tanh(images);
    const guided = await explain.guidedBackprop(f, x, { target: 1 });
    expect(guided.values).toEqual((await explain.saliency(f, x, { target: 1, signed: true })).values);
  });

  test('reaches relus that are reused, functional or fused: only positive gradients come out of the first', async () => {
    const x = w.relu(random(device, [2, 9, 9, 2], 1));
    const { values } = await explain.guidedBackprop(images => tangledNet(device, 3)(w.relu(images)), x);
    expect(Math.min(...values)).toBe(0);
    expect(Math.max(...values)).toBeGreaterThan(0);
  });

  test('times enlarged Grad-CAM is guided Grad-CAM', async () => {
    const { model, x } = oneConvNet(device);
    const guided = await explain.guidedBackprop(model, x);
    const cam = explain.resizeMaps(await explain.gradCam(model, x, { layer: 'relu1' }), [4, 4]);
    const product = await explain.guidedGradCam(model, x, { layer: 'relu1' });
    expectClose(
      product.values,
      Array.from(guided.values, (value, i) => value * cam.values[i]),
      1e-12,
    );
    expect(product).toMatchObject({ layer: 'relu1', shape: [1, 4, 4, 1] });
  });
});

describe('default layers', () => {
  test.each([
    ['cnn', cnn({ imageShape: [12, 12, 1], widths: [3, 4], hidden: 8 }), 'act2_2', [2, 6, 6]],
    ['mini-resnet', miniResNet({ widths: [3, 4, 5] }), 'stage3', [2, 3, 3]],
    ['pre-activation', miniResNet({ widths: [3, 4, 5], block: 'pre-activation' }), 'headAct', [2, 3, 3]],
  ] as const)('of %s', async (_, model, layer, shape) => {
    model.initialize({ seed: 1 });
    const x = w.randomUniform([2, 12, 12, 1], { seed: 2 });
    expect(await explain.gradCam(model, x)).toMatchObject({ layer, shape });
    model.dispose();
  });

  test('a model without a map has none', async () => {
    const model = miniResNet({ widths: [2], blocks: [1] }).initialize();
    await expect(explain.gradCam(model, w.ones([1, 1, 1, 1]))).rejects.toThrow(/name one/);
    await expect(explain.gradCam(model, w.ones([1, 4, 4, 1]), { layer: 'stage7' })).rejects.toThrow(/stage7.*stage1/);
    await expect(explain.gradCam(model, w.ones([1, 4, 4, 1]), { layer: 'logits' })).rejects.toThrow(/\[N, h, w/);
    model.dispose();
  });
});

describe('steps towards a picture', () => {
  test('relu, scaling, resizing with half-pixel centres', () => {
    const maps = { values: Float64Array.of(-1, 0, 1, 3), shape: [1, 2, 2] };
    expect(plain(explain.positiveMaps(maps).values)).toEqual([0, 0, 1, 3]);
    const scaled = explain.scaledMaps(maps).values;
    expectClose(scaled, [0, 0.25, 0.5, 1], 1e-15);
    for (const unit of [1e-300, 1e-9, 1e-7, 1e300]) {
      const tiny = { values: Float64Array.of(-unit, 0, unit, 3 * unit), shape: [1, 2, 2] };
      expectClose(explain.scaledMaps(tiny).values, [0, 0.25, 0.5, 1], 1e-15);
    }
    expect(plain(explain.scaledMaps({ values: Float64Array.of(-1.7e308, 1.7e308), shape: [1, 1, 2] }).values)).toEqual([
      0, 1,
    ]);
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const bad = { values: Float64Array.of(0, 1, 2, value), shape: [2, 1, 2] };
      expect(() => explain.scaledMaps(bad)).toThrow(`Value 1 of map 1 is ${value}`);
    }
    // Two pixels to four: the outer quarters keep the value of their pixel.
    const wide = explain.resizeMaps({ values: Float64Array.of(0, 4), shape: [1, 1, 2] }, [1, 4]);
    expect(plain(wide.values)).toEqual([0, 1, 3, 4]);
  });

  test('a flat map stays finite', () => {
    const flat = explain.camPictureMaps({ values: new Float32Array(8).fill(-2), shape: [2, 2, 2] }, [5, 5]);
    expect(plain(flat.values)).toEqual(new Array(50).fill(0));
  });
});

describe('every device and batch size agrees with float64', async () => {
  const METHODS = {
    gradCam: explain.gradCam,
    gradCamPlusPlus: explain.gradCamPlusPlus,
    layerCam: explain.layerCam,
    hiResCam: explain.hiResCam,
    xGradCam: explain.xGradCam,
    scoreCam: explain.scoreCam,
    eigenCam: explain.eigenCam,
    guidedGradCam: explain.guidedGradCam,
  };
  const build = (on: w.Device) => miniResNet({ widths: [4, 6, 8] }).initialize({ seed: 5, device: on });
  const pixels = (on: w.Device) => w.randomUniform([3, 16, 16, 1], { seed: 6, device: on });
  for (const { name, device: one } of await openTestDevices()) {
    describe.skipIf(!one)(name, () => {
      if (one) afterAll(() => one.destroy());
      test.each(Object.entries(METHODS))('%s', async (_, method) => {
        const options = { layer: 'stage2', target: [1, 2, 3] };
        const wanted = await method(build(device), pixels(device), options);
        const got = await method(build(one!), pixels(one!), { ...options, batchSize: 2 });
        const scale = Math.max(...Array.from(wanted.values, Math.abs));
        expect(got.shape).toEqual(wanted.shape);
        expectClose(got.values, wanted.values, 2e-4 * scale);
      });
    });
  }
});
