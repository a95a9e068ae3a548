/** The networks: sizes against their papers, every option, and what a summary says against the model itself. */
import { describe, expect, test } from 'vitest';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import * as w from '../../src/index.ts';
import {
  buildModel,
  cnn,
  leNet5,
  MODEL_NAMES,
  type ModelSpec,
  type Module,
  mcnn15,
  miniResNet,
  resNet20,
} from '../../src/nn/index.ts';

w.setDevice(new ReferenceDevice());

describe('sizes', () => {
  test('MCNN15 has the parameters and multiply-adds of its paper: 2.60 M and 327 M', () => {
    const { parameters, macs } = mcnn15().summary();
    expect(Math.round(parameters / 1e4)).toBe(260);
    expect(Math.round(macs / 1e6)).toBe(327);
  });

  test('LeNet-5 has 61,706 parameters', () => {
    // (25 + 1) 6 + (25 6 + 1) 16 + (400 + 1) 120 + (120 + 1) 84 + (84 + 1) 10
    expect(leNet5().summary().parameters).toBe(156 + 2416 + 48120 + 10164 + 850);
  });

  test('ResNet-20 has 0.27 M parameters and 31 M multiply-adds', () => {
    const { parameters, macs } = resNet20().summary();
    // Option A of the paper, for one input channel, and the 1x1 convolutions with batch norm between the stages.
    const conv = (k: number, i: number, o: number) => k * k * i * o + 2 * o;
    const stage = (i: number, o: number) => conv(3, i, o) + 5 * conv(3, o, o);
    const optionA = conv(3, 1, 16) + stage(16, 16) + stage(16, 32) + stage(32, 64) + 650;
    expect(optionA).toBe(269_434);
    expect(parameters).toBe(optionA + conv(1, 16, 32) + conv(1, 32, 64));
    expect(Math.round(macs / 1e6)).toBe(31);
  });

  test('the networks of the benchmarks need 4.785 and 9.512 GFLOP for 128 images', () => {
    expect((128 * 2 * cnn().summary().macs) / 1e9).toBeCloseTo(4.785, 3);
    expect((128 * 2 * miniResNet().summary().macs) / 1e9).toBeCloseTo(9.512, 3);
  });

  test('the mini ResNet keeps below half a million parameters, and its plain twin lacks only the shortcuts', () => {
    const residual = miniResNet().summary();
    const plain = miniResNet({ residual: false }).summary();
    expect(residual.parameters).toBeLessThan(500_000);
    const shortcuts = residual.layers.filter(({ name }) => name.includes('shortcut'));
    expect(residual.parameters - plain.parameters).toBe(shortcuts.reduce((sum, layer) => sum + layer.parameters, 0));
  });
});

const SMALL: Record<string, () => Module> = {
  cnn: () => cnn({ widths: [3, 4], filterSize: [5, 3], depth: 1, hidden: 6, dropout: 0.2 }),
  'cnn, three blocks': () => cnn({ widths: [2, 3, 4], depth: 1, activation: 'silu', hidden: 5 }),
  'mini-resnet': () => miniResNet({ widths: [2, 3, 4], activation: 'leakyRelu' }),
  'mini-resnet, pre-activation': () => miniResNet({ widths: [2, 3], blocks: [1, 2], block: 'pre-activation' }),
  'mini-resnet, plain': () => miniResNet({ widths: [2, 3], blocks: [2, 1], residual: false, filterSize: 5 }),
  'mini-resnet, imagenet stem': () => miniResNet({ widths: [2, 3], blocks: [1, 1], stem: 'imagenet' }),
  'mini-resnet, strided stem': () => miniResNet({ widths: [2, 3], blocks: [1, 1], stem: 'strided' }),
  lenet5: () => leNet5(),
  'lenet5, modern': () => leNet5({ activation: 'relu', pooling: 'max' }),
};

describe.each(Object.entries(SMALL))('%s', (_, build) => {
  test('the summary names the shapes that a trace finds, and counts every parameter once', () => {
    const model = build();
    const before = model.summary();
    model.initialize({ seed: 1 });
    expect(model.summary()).toEqual(before);
    expect(model.isTraining).toBe(true);
    expect(before.layers.reduce((sum, layer) => sum + layer.parameters, 0)).toBe(before.parameters);
    expect(before.parameters).toBe(model.parameterCount);
    const names = before.layers.map(({ name }) => name);
    const { output, activations } = model.eval().trace(w.randomUniform([2, 28, 28, 1], { seed: 1 }), names);
    expect(output.shape).toEqual([2, 10]);
    for (const { name, outputShape } of before.layers) expect(activations[name].shape).toEqual([2, ...outputShape]);
    expect(before.layers.reduce((sum, layer) => sum + layer.flops, 0)).toBe(before.flops);
    expect(String(before)).toContain(`${before.parameters}`);
  });

  test('every parameter gets a gradient', async () => {
    const model = build().initialize({ seed: 1 });
    const loss = w.crossEntropy(
      model.call(w.randomUniform([4, 28, 28, 1], { seed: 2 })),
      w.tensor(Int32Array.of(0, 3, 5, 9)),
    );
    w.backward(loss);
    expect(model.arena.parametersWithoutGradient()).toEqual([]);
    for (const [name, parameter] of model.namedParameters()) {
      const gradient = await parameter.gradient.data();
      expect(gradient.every(Number.isFinite), name).toBe(true);
      expect(Math.max(...gradient.map(Math.abs)), name).toBeGreaterThan(0);
    }
  });
});

describe('receptive fields', () => {
  test.each([
    ['conv1', 5],
    ['pool1', 6],
    ['conv2', 14],
    ['pool2', 16],
  ])('LeNet-5 %s: the gradient of one value reaches %i x %i pixels', async (name, size) => {
    const model = leNet5().initialize({ seed: 3 });
    const { layers } = model.summary();
    expect(layers.find(layer => layer.name === name)!.receptiveField).toEqual([size, size]);
    const x = w.randomUniform([1, 28, 28, 1], { seed: 4 });
    const seen = (x: w.Tensor) => {
      const activation = model.trace(x, [name]).activations[name];
      const middle = Math.floor(activation.shape[1] / 2);
      return w.sum(w.slice(activation, [0, middle, middle, 0], [1, 1, 1, 1]));
    };
    const [gradient] = w.valueAndGrad(() => seen(x), [x]).grads;
    const values = await gradient.data();
    const rows = new Set<number>();
    const columns = new Set<number>();
    values.forEach((value, i) => {
      if (value === 0) return;
      rows.add(Math.floor(i / 28));
      columns.add(i % 28);
    });
    expect([rows.size, columns.size]).toEqual([size, size]);
  });

  test('global pooling and dense layers see the whole image', () => {
    for (const model of [miniResNet(), cnn()]) {
      const [height, width] = model.summary().layers.at(-1)!.receptiveField;
      expect(Math.min(height, width)).toBeGreaterThanOrEqual(28);
    }
  });
});

describe('models by name', () => {
  test.each(MODEL_NAMES)('%s is built from plain data', name => {
    const spec = JSON.parse(JSON.stringify({ name, options: {} })) as ModelSpec;
    expect(buildModel(spec).summary().layers.at(-1)!.outputShape).toEqual([10]);
  });

  test('mistakes are sentences', () => {
    expect(() => buildModel({ name: 'vgg', options: {} } as unknown as ModelSpec)).toThrow(/no model "vgg".*resnet20/);
    expect(() => cnn({ widths: [2, 2, 2, 2, 2] })).toThrow(/5 blocks halve images of \[28, 28\] pixels to nothing/);
    expect(() => cnn({ widths: [2, 2], filterSize: [3] })).toThrow(/1 filter sizes do not fit 2 blocks/);
    expect(() => miniResNet({ filterSize: 4 })).toThrow(/odd/);
    expect(() => miniResNet({ blocks: [1] })).toThrow(/1 numbers of blocks do not fit 3 widths/);
    expect(() => leNet5().summary([32, 32, 1])).toThrow(/matmul.*576/);
  });
});
