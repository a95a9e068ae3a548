/** Modules: names, initialisation, tracing, fusion, optimizers on real networks, no growth. */
import { afterAll, describe, expect, test } from 'vitest';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import * as w from '../../src/index.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import { AdamW, cnn, crossEntropy, fans, type Module, miniResNet, orthogonal, SGD } from '../../src/nn/index.ts';
import { openTestDevices } from '../support/devices.ts';
import { settle } from '../support/garbage.ts';

const reference = new ReferenceDevice();
w.setDevice(reference);

const SMALL = { imageShape: [8, 8, 1] as const, widths: [4, 8], hidden: 16 };
const pixels = (count: number, device = w.getDevice()) => w.randomUniform([count, 8, 8, 1], { seed: 3, device });
const labels = (count: number, device = w.getDevice()) =>
  w.tensor(
    Int32Array.from({ length: count }, (_, i) => i % 10),
    [count],
    { device },
  );

describe('names and sizes', () => {
  test('parameters are called by their path', () => {
    const names = miniResNet({ blocks: [1, 2], widths: [4, 8] })
      .namedParameters()
      .map(([name]) => name);
    expect(names).toContain('stage2.block0.shortcut.conv.weight');
    expect(names).toContain('stage2.block1.norm2.gamma');
    expect(new Set(names).size).toBe(names.length);
  });

  test('the networks of the benchmarks have their known sizes', () => {
    // 32-32-64-64 filters of 3x3, 3136 x 128 and 128 x 10 dense layers; counted by hand.
    const expected = 9 * (32 + 32 * 32 + 32 * 64 + 64 * 64) + 2 * (32 + 32 + 64 + 64) + 3136 * 128 + 128 + 1280 + 10;
    expect(cnn().initialize().parameterCount).toBe(expected);
    expect(miniResNet().initialize().parameterCount).toBe(countMiniResNet());
  });
});

/** Counted from the layout: stem, three stages of one block, shortcuts, head. */
function countMiniResNet(): number {
  const conv = (k: number, i: number, o: number) => k * k * i * o + 2 * o;
  const block = (i: number, o: number) => conv(3, i, o) + conv(3, o, o) + (i === o ? 0 : conv(1, i, o));
  return conv(3, 1, 32) + block(32, 32) + block(32, 64) + block(64, 128) + 128 * 10 + 10;
}

test('a trace names what does not exist and returns what does', async () => {
  const model = miniResNet({ widths: [4, 8, 8] }).initialize();
  expect(() => model.trace(pixels(1), ['stage9'])).toThrow(/stage9.*stage2\.block0\.conv1/);
  const { output, activations } = model.eval().trace(pixels(2), ['stage2.block0.conv1', 'norm']);
  expect(output.shape).toEqual([2, 10]);
  expect(activations['stage2.block0.conv1'].shape).toEqual([2, 4, 4, 8]);
  // The value between batch norm and relu has negative elements: it was computed apart from the relu.
  expect(Math.min(...(await activations.norm.data()))).toBeLessThan(0);
});

test('fused and separate computation agree', async () => {
  const model = cnn(SMALL).initialize({ seed: 4 });
  const fused = await model.eval().call(pixels(3)).data();
  const { output } = model.trace(
    pixels(3),
    model
      .modules()
      .map(({ path }) => path)
      .filter(path => path !== ''),
  );
  const separate = await output.data();
  fused.forEach((value, i) => {
    expect(separate[i]).toBeCloseTo(value, 10);
  });
});

test('orthogonal initialisation has orthonormal columns', () => {
  const values = new Float32Array(12 * 5);
  orthogonal()(values, [12, 5], new PhiloxStream(1));
  for (let a = 0; a < 5; a++) {
    for (let b = 0; b < 5; b++) {
      let dot = 0;
      for (let i = 0; i < 12; i++) dot += values[i * 5 + a] * values[i * 5 + b];
      expect(dot).toBeCloseTo(a === b ? 1 : 0, 6);
    }
  }
  expect(fans([3, 3, 4, 8])).toEqual({ fanIn: 36, fanOut: 72 });
});

const devices = await openTestDevices();

for (const { name, device } of devices) {
  describe.skipIf(!device)(`on ${name}`, () => {
    afterAll(() => device?.destroy());

    test('the same seed gives the same weights, bit for bit', async () => {
      const here = cnn({ ...SMALL, seed: 1 }).initialize({ seed: 11, device });
      const there = cnn({ ...SMALL, seed: 1 }).initialize({ seed: 11, device: reference });
      const [a, b] = [await device!.read(here.arena.values), await reference.read(there.arena.values)];
      expect(Array.from(a)).toEqual(Array.from(b));
    });

    test.each([
      [
        'SGD',
        (model: Module) => new SGD(model, { learningRate: 0.05, momentum: 0.9, nesterov: true, maxGradientNorm: 5 }),
      ],
      ['AdamW', (model: Module) => new AdamW(model, { learningRate: 0.01, weightDecay: 0.01 })],
    ])('%s learns a batch by heart', async (_, make) => {
      const model = cnn({ ...SMALL, dropout: 0.1 }).initialize({ seed: 2, device });
      const optimizer = make(model);
      const [x, y] = [pixels(20, device), labels(20, device)];
      const first = await trainStep(model, optimizer, x, y);
      for (let i = 0; i < 40; i++) await trainStep(model, optimizer, x, y);
      expect(await trainStep(model, optimizer, x, y)).toBeLessThan(first / 3);
      optimizer.dispose();
      model.dispose();
      w.dispose(x, y);
    });

    test('1,000 steps leave tensors and allocations where they were', async () => {
      const model = cnn({ imageShape: [4, 4, 1], widths: [2], depth: 1, hidden: 4 }).initialize({ device });
      const optimizer = new SGD(model, { learningRate: 0.01, momentum: 0.9 });
      const x = w.randomUniform([2, 4, 4, 1], { seed: 1, device });
      const y = labels(2, device);
      await trainStep(model, optimizer, x, y);
      await settle();
      const tensors = w.liveTensorCount();
      await settle();
      const { liveAllocations } = device!.memory();
      for (let i = 0; i < 1000; i++) await trainStep(model, optimizer, x, y);
      // Fewer is possible: the collector may have found what earlier tests dropped.
      expect(w.liveTensorCount()).toBeLessThanOrEqual(tensors);
      expect(device!.memory().liveAllocations).toBeLessThanOrEqual(liveAllocations);
      optimizer.dispose();
      model.dispose();
      w.dispose(x, y);
    });
  });
}

async function trainStep(model: Module, optimizer: SGD | AdamW, x: w.Tensor, y: w.Tensor): Promise<number> {
  const loss = w.tidy(() => {
    const loss = crossEntropy(model.call(x), y);
    w.backward(loss);
    return loss;
  });
  optimizer.step();
  const value = await loss.item();
  loss.dispose();
  return value;
}
