/** DeepSHAP: known values, exact completeness whatever the network, the culprit named when there is one, all devices. */
import { afterAll, describe, expect, test } from 'vitest';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import { deepShap } from '../../src/explain/index.ts';
import * as w from '../../src/index.ts';
import type { UnaryOp } from '../../src/kernels/elementwise/elementwise.ts';
import { unaryTable } from '../../src/kernels/elementwise/unary.table.ts';
import { cnn, Linear, Module, miniResNet, Sequential } from '../../src/nn/index.ts';
import { openTestDevices } from '../support/devices.ts';
import { drawn, ROWS } from '../support/examples.ts';
import { expectClose } from './compare.ts';
import { random, tangledNet } from './networks.ts';

const device = new ReferenceDevice();
w.setDevice(device);

describe('known values (attribution.md, check values 2 and 3)', () => {
  test('2 relu(x1) + 2 relu(x2 - 1.5) at (1, 2): attributions [2, 1], delta 0', async () => {
    const f = (x: w.Tensor) => w.sum(w.mul(w.relu(w.sub(x, w.tensor([0, 1.5]))), 2), 1);
    const { values, additivityError, prediction } = await deepShap(f, w.tensor([[1, 2]]), {
      background: w.zeros([1, 2]),
    });
    expect([...values]).toEqual([2, 1]);
    expect(prediction[0]).toBe(3);
    expect(additivityError).toBe(0);
  });

  // In float32 too: wherever x and baseline differ in one place, the whole difference belongs there.
  test.each([
    [
      [1, 2, 3, 9],
      [0, 0, 0, -8],
    ],
    [
      [4, 8, 6, 7],
      [0, -7, 0, 0],
    ],
  ])('a max-pool over ones, baseline %j: %j', async (baseline, expected) => {
    const f = (x: w.Tensor) => w.reshape(w.maxPool2d(x, { kernel: [1, 4] }), [-1, 1]);
    const { values } = await deepShap(f, w.ones([1, 1, 4, 1]), { background: w.tensor([[baseline.map(v => [v])]]) });
    expect(Array.from(values, value => value + 0)).toEqual(expected);
  });

  test('a linear model: (x - mean background) w', async () => {
    const weight = random(device, [5, 3], 1);
    const [x, background] = [random(device, [2, 5], 2), random(device, [7, 5], 3)];
    const { values } = await deepShap(images => w.matmul(images, weight), x, { target: [2, 0], background });
    const [xs, bs, ws] = await Promise.all([x.data(), background.data(), weight.data()]);
    [2, 0].forEach((target, i) => {
      for (let k = 0; k < 5; k++) {
        let mean = 0;
        for (let b = 0; b < 7; b++) mean += bs[b * 5 + k] / 7;
        expect(values[i * 5 + k]).toBeCloseTo((xs[i * 5 + k] - mean) * ws[k * 3 + target], 12);
      }
    });
  });

  test('a constant model: zeros', async () => {
    const { values, additivityError } = await deepShap(images => w.ones([images.shape[0], 3]), w.ones([2, 4]), {
      background: w.zeros([2, 4]),
    });
    expect([...values]).toEqual(new Array(8).fill(0));
    expect(additivityError).toBe(0);
  });
});

describe('completeness in float64', () => {
  const unaries = ROWS.filter(([name]) => name in unaryTable);
  test.each(unaries)('%s', async (name, { examples: [{ inputs }] }) => {
    const op = name as UnaryOp;
    const { values: range } = inputs[0];
    const sample = (rows: number, seed: number) => drawn({ shape: [rows, 6], values: range }, device, seed);
    const weight = random(device, [6, 2], 5);
    const { additivityError, values } = await deepShap(x => w.matmul(w.unary(op, x), weight), sample(3, 6), {
      background: sample(4, 7),
    });
    expect(additivityError).toBeLessThan(1e-12);
    expect(values.every(Number.isFinite)).toBe(true);
  });

  const pairs: Record<string, (x: w.Tensor) => w.Tensor> = {
    'product of two varying values': x => w.mul(x, w.sin(x)),
    'a varying value over a varying one': x => w.div(x, w.affine(w.square(x), 1, 1)),
    'a number over a varying value': x => w.div(1, w.affine(w.square(x), 1, 1)),
    'a power of two varying values': x => w.pow(w.affine(w.square(x), 1, 0.5), w.tanh(x)),
    'a power of a varying value': x => w.pow(x, 3),
    'maximum of a varying value and a number': x => w.maximum(x, 0.2),
    'maximum of two varying values': x => w.maximum(x, w.square(x)),
    'minimum of two varying values': x => w.minimum(x, w.square(x)),
    clamp: x => w.clamp(x, -0.5, 0.7),
    'a gate per row': x => w.mul(x, w.sigmoid(w.sum(x, 1, true))),
    'division by a value per row': x => w.div(x, w.exp(w.mean(x, 1, true))),
    'largest of a row': x => w.max(x, 1, true),
    'smallest of a row': x => w.min(x, 1, true),
    'sum of squares': x => w.sumOfSquares(x, 1, true),
    'variance of a row': x => w.variance(x, 1, { keepDims: true }),
    'softmax spelled out': x => w.div(w.exp(x), w.sum(w.exp(x), 1, true)),
    'attention: matrix products of varying values': x => {
      const rows = w.reshape(x, [-1, 3, 2]);
      return w.reshape(w.matmul(w.matmul(rows, rows, { transposeB: true }), rows), [-1, 6]);
    },
    'a batch of batches': x => w.reshape(w.relu(w.reshape(x, [-1, 2])), [-1, 6]),
    'leaky relu and elu with their own parameters': x => w.add(w.leakyRelu(x, 0.3), w.elu(x, 0.7)),
  };
  test.each(Object.entries(pairs))('%s', async (_, f) => {
    const x = random(device, [3, 6], 8);
    const background = random(device, [4, 6], 9);
    const y = (images: w.Tensor) => w.sum(f(images), 1);
    const { additivityError, brokenBy } = await deepShap(y, x, { background });
    expect(brokenBy).toBeUndefined();
    expect(additivityError).toBeLessThan(1e-11);
  });

  test.each([1, 2, 3, 4, 5])('a network with everything in it, seed %i', async seed => {
    const f = tangledNet(device, 100 * seed);
    const x = random(device, [3, 9, 9, 2], seed);
    const background = random(device, [5, 9, 9, 2], seed + 50);
    for (const target of ['predicted', 0, 6] as const) {
      const { additivityError } = await deepShap(f, x, { target, background });
      expect(additivityError).toBeLessThan(1e-9);
    }
  });

  test.each(['cnn', 'mini-resnet', 'mini-resnet, pre-activation, gelu'])('%s', async name => {
    const small = { widths: [4, 6, 8] };
    const model =
      name === 'cnn'
        ? cnn({ imageShape: [12, 12, 1], widths: [4, 6], hidden: 16 })
        : miniResNet(name === 'mini-resnet' ? small : { ...small, block: 'pre-activation', activation: 'gelu' });
    model.initialize({ seed: 3 });
    const x = w.randomUniform([3, 12, 12, 1], { seed: 4 });
    const background = w.randomUniform([5, 12, 12, 1], { seed: 5 });
    const { additivityError, values } = await deepShap(model, x, { background });
    expect(additivityError).toBeLessThan(1e-9);
    expect(values.some(value => Math.abs(value) > 1e-3)).toBe(true);
    expect(model.isTraining).toBe(true);
    model.dispose();
  });
});

describe('the chunks it is computed in', () => {
  test('do not matter', async () => {
    const f = tangledNet(device, 7);
    const x = random(device, [5, 9, 9, 2], 1);
    const background = random(device, [6, 9, 9, 2], 2);
    const whole = await deepShap(f, x, { background, batchSize: 100 });
    for (const batchSize of [1, 4, 6, 13]) {
      const { values } = await deepShap(f, x, { background, batchSize });
      expectClose(values, whole.values, 1e-12);
    }
  });
});

describe('where the image equals its background', () => {
  const root = (x: w.Tensor) => w.sum(w.sqrt(x), 1, true);
  const x = w.tensor([[0, 4]]);

  test('an infinite slope contributes nothing', async () => {
    // sqrt(4) - sqrt(1), and nothing for 0 against 0; by hand.
    const { values, additivityError } = await deepShap(root, x, { background: w.tensor([[0, 1]]) });
    expectClose(values, [0, 1], 1e-15);
    expect(additivityError).toBeLessThan(1e-14);
    const gamma = (y: w.Tensor) => w.sum(w.pow(y, w.tensor([1 / 2.2])), 1, true);
    const corrected = await deepShap(gamma, x, { background: w.tensor([[0, 1]]) });
    expectClose(corrected.values, [0, 4 ** (1 / 2.2) - 1], 1e-14);
  });

  test('inside a network too, where the slope would spread', async () => {
    const weight = w.tensor([
      [1, 0.5],
      [0, 1],
    ]);
    const f = (y: w.Tensor) => w.sum(w.sqrt(w.matmul(y, weight)), 1, true);
    const { values, additivityError } = await deepShap(f, x, { background: w.tensor([[0, 1]]) });
    expectClose(values, [0, 1], 1e-15);
    expect(additivityError).toBeLessThan(1e-14);
  });

  test('and next to it a steep slope contributes what it gains', async () => {
    for (const tiny of [1e-4, 1e-8, 1e-14, 1e-30]) {
      const { values } = await deepShap(root, w.tensor([[tiny, 4]]), { background: w.tensor([[0, 1]]) });
      expect(values[0] / Math.sqrt(tiny)).toBeCloseTo(1, 12);
    }
  });

  test('logits of the background that are not finite are named', async () => {
    const log = (y: w.Tensor) => w.sum(w.log(y), 1, true);
    const background = w.tensor([
      [1, 1],
      [0, 1],
    ]);
    await expect(deepShap(log, w.tensor([[2, 4]]), { background })).rejects.toThrow('background image 1 is -Infinity');
    await expect(deepShap(root, w.tensor([[Number.NaN, 4]]), { background })).rejects.toThrow('image 0 is NaN');
  });
});

describe('the unit does not matter', () => {
  test.each([1e-12, 1e-8, 1e-4, 1, 1e4])('inputs and weights in units of %d', async unit => {
    const f = (y: w.Tensor) => w.sum(w.maxPool2d(w.relu(y), { kernel: 2 }), [1, 2]);
    const scaled = (seed: number, images: number) => w.affine(random(device, [images, 4, 4, 2], seed), unit, 0);
    const { values, additivityError } = await deepShap(f, scaled(1, 2), { target: 1, background: scaled(2, 5) });
    const usual = await deepShap(f, random(device, [2, 4, 4, 2], 1), {
      target: 1,
      background: random(device, [5, 4, 4, 2], 2),
    });
    expectClose(
      values.map(value => value / unit),
      usual.values,
      1e-12,
    );
    expect(additivityError).toBeLessThan(1e-12);
  });

  test('an output in small units that is wholly wrong is called wrong', async () => {
    const relu = (y: w.Tensor) => w.where(w.greater(y, 0), y, w.zerosLike(y));
    for (const unit of [1e-12, 1e-4, 1, 1e6]) {
      const f = (y: w.Tensor) => w.affine(relu(y), unit, 0);
      const { additivityError, brokenBy } = await deepShap(f, w.tensor([[2]]), { background: w.tensor([[-1]]) });
      expect(additivityError).toBeCloseTo(1, 9);
      expect(brokenBy).toEqual({ operation: 'where', error: expect.closeTo(1, 9) });
    }
  });
});

describe('what breaks additivity is named', () => {
  const background = w.randomNormal([4, 3], { seed: 1 });
  const x = w.randomNormal([2, 3], { seed: 2, std: 2 });
  test.each([
    ['softmax', (images: w.Tensor) => w.softmax(w.mul(w.relu(images), 2))],
    ['where', (images: w.Tensor) => w.where(w.greater(images, 0), w.mul(images, 3), w.neg(images))],
    ['prod', (images: w.Tensor) => w.reshape(w.prod(w.affine(images, 1, 3), 1), [-1, 1])],
  ] as const)('%s', async (name, f) => {
    const { additivityError, brokenBy } = await deepShap(f, x, { target: 0, background });
    expect(additivityError).toBeGreaterThan(0.01);
    expect(brokenBy?.operation).toBe(name);
  });

  test('where only a few of many background images show it', async () => {
    const relu = (y: w.Tensor) => w.where(w.greater(y, 0), y, w.zerosLike(y));
    for (const [count, wrong] of [
      [200, 72],
      [300, 1],
    ]) {
      const background = w.tensor(
        Float64Array.from({ length: count }, (_, i) => (i < count - wrong ? 2 : -1)),
        [count, 1],
      );
      const { brokenBy, additivityError } = await deepShap(relu, w.tensor([[2]]), { background, tolerance: 1e-6 });
      expect(brokenBy?.operation).toBe('where');
      expect(brokenBy!.error).toBeCloseTo(additivityError, 9);
    }
  });

  test('the worst of two, over the whole background', async () => {
    // Two breaking operations: the first loses 1 with every image, the second 40 with one in four.
    const relu = (y: w.Tensor) => w.where(w.greater(y, 0), y, w.zerosLike(y));
    const f = (y: w.Tensor) => {
      const [a, b] = [w.slice(y, [0, 0], [y.shape[0], 1]), w.slice(y, [0, 1], [y.shape[0], 1])];
      return w.add(relu(a), w.reshape(w.prod(w.concat([b, b], 1), 1), [-1, 1]));
    };
    const background = w.tensor([
      [-1, 3],
      [-1, 3],
      [-1, 3],
      [-1, 9],
    ]);
    for (const batchSize of [1, 2, 128]) {
      const { brokenBy } = await deepShap(f, w.tensor([[1, 3]]), { background, batchSize });
      expect(brokenBy?.operation).toBe('prod');
    }
  });

  test('a part that no gradient reaches is no operation of the tape', async () => {
    const f = (y: w.Tensor) => w.detach(w.relu(y));
    const { brokenBy, additivityError } = await deepShap(f, w.tensor([[2]]), { background: w.tensor([[-1]]) });
    expect(additivityError).toBe(1);
    expect(brokenBy).toEqual({ operation: 'nothing on the tape', error: 0 });
  });

  test('with the module it is in', async () => {
    class Probabilities extends Module {
      forward(x: w.Tensor): w.Tensor {
        return w.softmax(w.affine(x, 5, 0));
      }
    }
    const model = new Sequential({ dense: new Linear(3, 4), head: new Probabilities() }).initialize({ seed: 1 });
    const { brokenBy } = await deepShap(model, x, { background });
    expect(brokenBy?.operation).toBe('softmax (head)');
    model.dispose();
  });
});

describe('mistakes get a sentence', () => {
  const background = w.zeros([2, 3]);
  const identity = (x: w.Tensor) => x;
  test.each([
    ['a class that is not there', { target: 3, background }, /no class 3.*has 3/],
    ['too few targets', { target: [1], background }, /1 targets for 2 images/],
    ['a background of another size', { background: w.zeros([2, 4]) }, /\[2, 4\].*\[2, 3\]/],
    ['no batch', { background, batchSize: 0 }, /batchSize/],
    ['no tolerance', { background, tolerance: Number.NaN }, /tolerance.*NaN/],
    ['a word as target', { background, target: 'all' as never }, /'predicted'/],
  ])('%s', async (_, options, message) => {
    await expect(deepShap(identity, w.ones([2, 3]), options)).rejects.toThrow(message);
  });
});

describe('every device', async () => {
  const devices = await openTestDevices();
  for (const { name, device: one } of devices) {
    describe.skipIf(!one)(name, () => {
      if (one) afterAll(() => one.destroy());
      test.each(['cnn', 'mini-resnet'])('%s within 1e-3', async kind => {
        const model = (kind === 'cnn' ? cnn({ widths: [8, 16] }) : miniResNet({ widths: [8, 16, 32] })).initialize({
          seed: 2,
          device: one,
        });
        const x = w.randomUniform([2, 28, 28, 1], { seed: 4, device: one });
        const background = w.randomUniform([4, 28, 28, 1], { seed: 5, device: one });
        const { additivityError } = await deepShap(model, x, { background });
        expect(additivityError).toBeLessThan(one!.kind === 'reference' ? 1e-9 : 1e-3);
        model.dispose();
      });
    });
  }
});
