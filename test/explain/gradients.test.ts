/** Gradients and their averages along paths: closed forms, completeness, seeds, standard errors, nothing left behind. */
import { describe, expect, test } from 'vitest';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import * as explain from '../../src/explain/index.ts';
import { gaussLegendre } from '../../src/explain/quadrature.ts';
import * as w from '../../src/index.ts';
import { cnn, miniResNet } from '../../src/nn/index.ts';
import { settle } from '../support/garbage.ts';
import { expectClose, plain } from './compare.ts';
import { oneConvNet, random, tangledNet } from './networks.ts';

const device = new ReferenceDevice();
w.setDevice(device);

test('Gauss-Legendre points integrate polynomials up to degree 2n - 1', () => {
  for (const points of [1, 2, 3, 10, 50, 200]) {
    const { nodes, weights } = gaussLegendre(points);
    expect(plain(nodes)).toEqual(plain(nodes).sort((a, b) => a - b));
    for (const degree of [0, 1, 2 * points - 2, 2 * points - 1]) {
      const integral = nodes.reduce((sum, x, i) => sum + weights[i] * x ** degree, 0);
      expect(integral).toBeCloseTo(1 / (degree + 1), 13);
    }
  }
  // The three-point rule: (1 -+ sqrt(3/5)) / 2 with 5/18, 8/18, 5/18.
  expect(gaussLegendre(3).nodes[0]).toBeCloseTo((1 - Math.sqrt(0.6)) / 2, 15);
  expect(gaussLegendre(3).weights[1]).toBeCloseTo(4 / 9, 15);
});

describe('one backward pass', () => {
  // f_0 = x0^2 + 3 x1, f_1 = x0 x1
  const f = (x: w.Tensor) => {
    const [x0, x1] = [w.slice(x, [0, 0], [x.shape[0], 1]), w.slice(x, [0, 1], [x.shape[0], 1])];
    return w.concat([w.add(w.square(x0), w.mul(x1, 3)), w.mul(x0, x1)], 1);
  };
  const x = w.tensor([
    [-2, 1],
    [1, 5],
  ]);

  test('saliency and its signed form, of the predicted class and of any other', async () => {
    const predicted = await explain.saliency(f, x);
    expect(plain(predicted.target)).toEqual([0, 0]);
    expect(plain(predicted.prediction)).toEqual([7, 16]);
    expect(plain(predicted.values)).toEqual([4, 3, 2, 3]);
    expect(plain((await explain.saliency(f, x, { signed: true })).values)).toEqual([-4, 3, 2, 3]);
    expect(plain((await explain.saliency(f, x, { signed: true, target: [1, 0] })).values)).toEqual([1, -2, 2, 3]);
  });

  test('input times gradient multiplies value by value', async () => {
    expect(plain((await explain.inputXGradient(f, x, { target: 0 })).values)).toEqual([8, 3, 2, 15]);
  });

  test('batches do not matter', async () => {
    const g = tangledNet(device, 4);
    const images = random(device, [5, 9, 9, 2], 1);
    const whole = await explain.saliency(g, images);
    const parts = await explain.saliency(g, images, { batchSize: 2 });
    expect(parts.values).toEqual(whole.values);
    expect(parts.target).toEqual(whole.target);
  });

  test('a constant function has a gradient of zero', async () => {
    expect(plain((await explain.saliency(images => w.ones([images.shape[0]]), x)).values)).toEqual([0, 0, 0, 0]);
  });

  test('a model keeps its mode and its gradients', async () => {
    const { model, x } = oneConvNet(device);
    model.modules()[1].isTraining = false;
    const modes = model.modules().map(({ isTraining }) => isTraining);
    await explain.saliency(model, x);
    expect(model.modules().map(({ isTraining }) => isTraining)).toEqual(modes);
    expect(model.arena.parametersWithoutGradient().length).toBe(3);
  });

  test('a logit that is not finite gets a sentence', async () => {
    await expect(explain.saliency(images => w.log(images), w.tensor([[1, -1]]))).rejects.toThrow(/image 0 is NaN/);
  });
});

describe('SmoothGrad', () => {
  test('of a linear function is its gradient, with a standard error of zero', async () => {
    const weight = random(device, [3, 2], 1);
    const x = random(device, [2, 3], 2);
    const { values, standardError, method } = await explain.smoothGrad(y => w.matmul(y, weight), x, { target: 1 });
    const column = plain(await weight.data()).filter((_, i) => i % 2 === 1);
    expectClose(values, [...column, ...column], 1e-12);
    expect(Math.max(...standardError)).toBeLessThan(1e-12);
    expect(method).toBe('smooth-grad of saliency');
  });

  test('wraps any method, follows its seed, and explains the class of the clean image', async () => {
    const f = tangledNet(device, 9);
    const x = random(device, [1, 9, 9, 2], 5);
    const run = (seed: number) =>
      explain.smoothGrad(f, x, { method: explain.inputXGradient, samples: 4, noise: 2, seed });
    const [a, b, c] = [await run(1), await run(1), await run(2)];
    expect(a.values).toEqual(b.values);
    expect(a.values).not.toEqual(c.values);
    expect(a.target).toEqual((await explain.saliency(f, x)).target);
  });
});

describe('integrated gradients', () => {
  test('of a quadratic form are exact with two points', async () => {
    // f = x0^2 + x0 x1: from 0 the attributions are x0^2 + x0 x1 / 2 and x0 x1 / 2.
    const f = (x: w.Tensor) => {
      const x0 = w.slice(x, [0, 0], [x.shape[0], 1]);
      return w.add(w.square(x0), w.mul(x0, w.slice(x, [0, 1], [x.shape[0], 1])));
    };
    const { values, expected, additivityError } = await explain.integratedGradients(f, w.tensor([[3, 4]]), {
      steps: 2,
    });
    expect(values[0]).toBeCloseTo(15, 12);
    expect(values[1]).toBeCloseTo(6, 12);
    expect(expected[0]).toBe(0);
    expect(additivityError).toBeLessThan(1e-12);
  });

  test('a smooth network reaches 1e-3, and the residual shrinks with the steps', async () => {
    const model = cnn({ imageShape: [8, 8, 1], widths: [4, 6], hidden: 12, activation: 'tanh' }).initialize({
      seed: 2,
    });
    const x = w.randomUniform([3, 8, 8, 1], { seed: 3 });
    const few = await explain.integratedGradients(model, x, { steps: 4 });
    const many = await explain.integratedGradients(model, x);
    // Max-pools keep their kinks.
    expect(many.additivityError).toBeLessThan(0.03);
    expect(many.additivityError).toBeLessThan(few.additivityError);
    model.dispose();
  });

  test('a smooth function reaches 1e-9', async () => {
    const weight = random(device, [6, 5], 1, 0.7);
    const f = (x: w.Tensor) => w.matmul(w.tanh(w.matmul(x, weight)), weight, { transposeB: true });
    const { additivityError } = await explain.integratedGradients(f, random(device, [4, 6], 2));
    expect(additivityError).toBeLessThan(1e-9);
  });

  test('chunks, shared and own baselines agree', async () => {
    const f = tangledNet(device, 5);
    const x = random(device, [3, 9, 9, 2], 1);
    const own = w.full([3, 9, 9, 2], 0.25);
    const a = await explain.integratedGradients(f, x, { baseline: 0.25, steps: 7 });
    for (const [baseline, batchSize] of [
      [own, 100],
      [0.25, 3],
      [0.25, 10],
    ] as const) {
      const b = await explain.integratedGradients(f, x, { baseline, steps: 7, batchSize });
      expectClose(b.values, a.values, 1e-11);
      expect(b.expected).toEqual(a.expected);
    }
    await expect(explain.integratedGradients(f, x, { baseline: w.ones([2, 9, 9, 2]) })).rejects.toThrow(
      /\[2, 9, 9, 2\]/,
    );
    expect(own.isDisposed).toBe(false);
  });
});

describe('expected gradients', () => {
  test('of a linear function: (x - drawn background) w, within its standard error of (x - mean) w', async () => {
    const weight = random(device, [4, 3], 1);
    const [x, background] = [random(device, [2, 4], 2), random(device, [20, 4], 3)];
    const { values, standardError } = await explain.expectedGradients(y => w.matmul(y, weight), x, {
      background,
      target: 2,
      seed: 5,
    });
    const [xs, bs, ws] = await Promise.all([x.data(), background.data(), weight.data()]);
    let sum = 0;
    for (let i = 0; i < 8; i++) {
      let mean = 0;
      for (let b = 0; b < 20; b++) mean += bs[b * 4 + (i % 4)] / 20;
      const z = (values[i] - (xs[i] - mean) * ws[(i % 4) * 3 + 2]) / standardError[i];
      sum += z * z;
    }
    // Mean of eight squared z values: 1 expected, 3 far out.
    expect(sum / 8).toBeLessThan(3);
    expect(sum / 8).toBeGreaterThan(0.05);
  });

  test('draws the same points for every class, whatever the batch', async () => {
    // Two classes with the same logit must get the same attributions.
    const f = (x: w.Tensor) => w.concat([w.sum(w.sin(x), 1, true), w.sum(w.sin(x), 1, true)], 1);
    const [x, background] = [random(device, [3, 4], 2), random(device, [6, 4], 3)];
    const run = (target: number, batchSize: number) =>
      explain.gradientShap(f, x, { background, target, samples: 20, batchSize });
    const a = await run(0, 1000);
    for (const other of [await run(1, 1000), await run(1, 7), await run(0, 41)]) {
      expectClose(other.values, a.values, 1e-12);
      expectClose(other.standardError, a.standardError, 1e-12);
    }
  });

  test('their standard error shrinks with the root of the samples, and they approach additivity', async () => {
    const f = (x: w.Tensor) => w.sum(w.tanh(x), 1);
    const [x, background] = [random(device, [1, 4], 2), random(device, [6, 4], 3)];
    const few = await explain.expectedGradients(f, x, { background, samples: 100 });
    const many = await explain.expectedGradients(f, x, { background, samples: 6400 });
    const ratios = few.standardError.map((error, i) => error / many.standardError[i]);
    expectClose(ratios, new Array(4).fill(8), 2.5);
    expect(many.additivityError).toBeLessThan(0.05);
  });
});

describe('global explanations', () => {
  test('per class mean and mean magnitude of its images, and shares of regions', () => {
    const attribution = {
      values: Float64Array.of(1, -1, 2, 0, 3, 1, -4, 0, 5, 5, 5, 5),
      shape: [3, 2, 2, 1],
      target: Int32Array.of(1, 1, 0),
    };
    const summary = explain.summarizeByClass(attribution, {
      classes: 3,
      regions: [
        { name: 'top', mask: [1, 1, 0, 0] },
        { name: 'bottom', mask: [0, 0, 1, 1] },
      ],
    });
    expect(plain(summary.counts)).toEqual([1, 2, 0]);
    expect(plain(summary.meanSigned.subarray(4, 8))).toEqual([2, 0, -1, 0]);
    expect(plain(summary.meanAbsolute.subarray(4, 8))).toEqual([2, 1, 3, 0]);
    expect(summary.regions).toEqual(['top', 'bottom']);
    expect(summary.byClass[1].signed).toEqual([2, -1]);
    expect(summary.byClass[1].share).toEqual([0.5, 0.5]);
    expect(summary.byClass[2]).toEqual({ count: 0, signed: [0, 0], absolute: [0, 0], share: [0, 0] });
  });

  test('global SHAP over a model adds up, chunk by chunk', async () => {
    const model = miniResNet({ widths: [3, 4], blocks: [1, 1] }).initialize({ seed: 1 });
    const x = w.randomUniform([7, 9, 9, 1], { seed: 2 });
    const background = w.randomUniform([3, 9, 9, 1], { seed: 3 });
    const labels = [0, 1, 1, 0, 1, 2, 1];
    const whole = await explain.deepShap(model, x, { background, target: labels });
    const summary = await explain.globalShap(model, x, { background, target: labels, classes: 10, imagesAtOnce: 3 });
    const direct = explain.summarizeByClass(whole, { classes: 10 });
    expectClose(summary.meanSigned, direct.meanSigned, 1e-12);
    expectClose(summary.meanAbsolute, direct.meanAbsolute, 1e-12);
    expect(summary.regions.length).toBe(9);
    expect(summary.additivityError).toBeLessThan(1e-9);
    model.dispose();
  });
});

test('a hundred explanations leave nothing behind', async () => {
  const model = miniResNet({ widths: [2, 3], blocks: [1, 1] }).initialize({ seed: 1 });
  const x = w.randomUniform([2, 8, 8, 1], { seed: 2 });
  const background = w.randomUniform([2, 8, 8, 1], { seed: 3 });
  const methods: (() => Promise<unknown>)[] = [
    () => explain.gradCam(model, x),
    () => explain.gradCamPlusPlus(model, x, { layer: 'stage1' }),
    () => explain.scoreCam(model, x),
    () => explain.eigenCam(model, x),
    () => explain.guidedGradCam(model, x),
    () => explain.saliency(model, x),
    () => explain.smoothGrad(model, x, { samples: 2 }),
    () => explain.integratedGradients(model, x, { steps: 3 }),
    () => explain.expectedGradients(model, x, { background, samples: 3 }),
    () => explain.deepShap(model, x, { background }),
    // What breaks additivity is looked for, and what fails fails cleanly.
    () => explain.deepShap(y => w.softmax(w.affine(w.flatten(y), 9, 0)), x, { background, tolerance: 0 }),
    () => explain.gradCam(model, x, { target: 77 }).catch(() => undefined),
    () => explain.gradCam(model, x, { layer: 'nothing' }).catch(() => undefined),
    () => explain.deepShap(y => w.log(w.neg(y)), x, { background }).catch(() => undefined),
  ];
  for (const method of methods) await method();
  await settle();
  const tensors = w.liveTensorCount();
  await settle();
  const { liveAllocations } = device.memory();
  for (let i = 0; i < 100; i++) await methods[i % methods.length]();
  expect(w.liveTensorCount()).toBe(tensors);
  expect(device.memory().liveAllocations).toBe(liveAllocations);
  expect(x.node).toBeUndefined();
  expect(background.node).toBeUndefined();
  model.dispose();
});

describe('where the model is infinitely steep', () => {
  const root = (x: w.Tensor) => w.sum(w.sqrt(x), 1, true);
  const x = w.tensor([[0, 4]]);
  const spread = w.tensor([
    [1, 0.5],
    [0, 1],
  ]);
  const inside = (y: w.Tensor) => root(w.matmul(y, spread));
  const gamma = (y: w.Tensor) => w.sum(w.pow(y, w.tensor([1 / 2.2])), 1, true);

  test('a value that equals the baseline gets 0, at the input and inside', async () => {
    for (const f of [root, inside]) {
      const { values, additivityError } = await explain.integratedGradients(f, x, { steps: 200 });
      expect(values[0]).toBe(0);
      expect(values[1]).toBeCloseTo(2, 2);
      expect(additivityError).toBeLessThan(0.01);
      const background = w.tensor([[0, 1]]);
      const expected = await explain.expectedGradients(f, x, { background, samples: 400 });
      expect(expected.values[0]).toBe(0);
      expect(expected.standardError[0]).toBe(0);
      expect(Math.abs(expected.values[1] - 1)).toBeLessThan(4 * expected.standardError[1]);
    }
    const corrected = await explain.integratedGradients(gamma, x, { steps: 200 });
    expect(corrected.values[0]).toBe(0);
    expect(corrected.values[1]).toBeCloseTo(4 ** (1 / 2.2), 1);
    expect(plain((await explain.inputXGradient(root, x)).values)).toEqual([0, 1]);
  });

  test('maps that are not finite are refused in a sentence, not shown', async () => {
    await expect(explain.saliency(root, x)).rejects.toThrow(/saliency: value 0 of image 0 is Infinity/);
    await expect(
      explain.saliency(
        root,
        w.tensor([
          [1, 1],
          [4, 0],
        ]),
      ),
    ).rejects.toThrow(/value 1 of image 1/);
    // A number over 0 is beyond float64, and so are its logits.
    await expect(explain.integratedGradients(y => w.sum(w.reciprocal(y), 1, true), w.tensor([[1, 2]]))).rejects.toThrow(
      /output for the baseline is Infinity/,
    );
  });

  test('baselines and backgrounds that are not finite are refused', async () => {
    const [nan, infinite] = [w.tensor([[1, Number.NaN]]), w.tensor([[1, Number.POSITIVE_INFINITY]])];
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY])
      await expect(explain.integratedGradients(root, x, { baseline: value })).rejects.toThrow(`not ${value}`);
    await expect(explain.integratedGradients(root, x, { baseline: nan })).rejects.toThrow(
      'Value 1 of baseline image 0 is NaN',
    );
    await expect(explain.integratedGradients(root, x, { baseline: infinite })).rejects.toThrow('is Infinity');
    await expect(explain.expectedGradients(root, x, { background: nan })).rejects.toThrow('background image 0 is NaN');
  });

  test('options that are no numbers are refused', async () => {
    for (const noise of [Number.NaN, -1, Number.POSITIVE_INFINITY])
      await expect(explain.smoothGrad(gamma, x, { noise })).rejects.toThrow(`not ${noise}`);
    for (const steps of [0, 1.5, Number.NaN])
      await expect(explain.integratedGradients(root, x, { steps })).rejects.toThrow(`${steps}`);
    for (const samples of [1, 2.5, Number.NaN])
      await expect(explain.expectedGradients(root, x, { background: x, samples })).rejects.toThrow(`not ${samples}`);
  });
});
