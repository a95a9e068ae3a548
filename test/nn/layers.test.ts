/** Layers: options that cannot mean anything are refused by name; batch norm of single values; dropout's masks. */
import { afterAll, describe, expect, test } from 'vitest';
import { ShapeError, UsageError } from '../../src/devices/errors.ts';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import * as w from '../../src/index.ts';
import * as nn from '../../src/nn/index.ts';
import { openTestDevices } from '../support/devices.ts';
import { settle } from '../support/garbage.ts';

const reference = new ReferenceDevice();
w.setDevice(reference);

/** What plain JavaScript could pass. */
const any = (value: unknown): any => value;

describe('options of layers', () => {
  const refused: [string, () => unknown, RegExp][] = [
    ['Linear without inputs', () => new nn.Linear(0, 2), /Linear: inputs .* at least 1, not 0/],
    ['Linear of half an output', () => new nn.Linear(2, 1.5), /Linear: outputs .*not 1\.5/],
    ['Linear of text', () => new nn.Linear(any('3'), 2), /Linear: inputs .*not "3"/],
    ['Linear, bias as a number', () => new nn.Linear(2, 2, { bias: any(1) }), /bias must be true or false, not 1/],
    [
      'Linear, unknown option',
      () => new nn.Linear(2, 2, any({ useBias: false })),
      /no option "useBias"; there are bias/,
    ],
    ['Linear, initializer', () => new nn.Linear(2, 2, { initializer: any('he') }), /initializer must be .*not "he"/],
    ['Conv2d without outputs', () => new nn.Conv2d(1, 0, 3), /Conv2d: outputs .*not 0/],
    ['Conv2d of negative inputs', () => new nn.Conv2d(-1, 2, 3), /Conv2d: inputs .*not -1/],
    ['Conv2d, kernel 0', () => new nn.Conv2d(1, 2, 0), /Conv2d: kernel .*not 0/],
    ['Conv2d, kernel of three', () => new nn.Conv2d(1, 2, any([3, 3, 3])), /kernel .*not \[3, 3, 3\]/],
    ['Conv2d, fractional kernel', () => new nn.Conv2d(1, 2, [3, 2.5]), /kernel\[1\] .*not 2\.5/],
    ['Conv2d, stride 0', () => new nn.Conv2d(1, 2, 3, { stride: 0 }), /stride .*not 0/],
    ['Conv2d, stride NaN', () => new nn.Conv2d(1, 2, 3, { stride: Number.NaN }), /stride .*not NaN/],
    ['Conv2d, dilation 0', () => new nn.Conv2d(1, 2, 3, { dilation: [1, 0] }), /dilation\[1\] .*not 0/],
    ['Conv2d, padding SAME', () => new nn.Conv2d(1, 2, 3, { padding: any('SAME') }), /padding .*'same'.*not "SAME"/],
    ['Conv2d, padding -1', () => new nn.Conv2d(1, 2, 3, { padding: -1 }), /padding .*at least 0, not -1/],
    ['Conv2d, padding of 3', () => new nn.Conv2d(1, 2, 3, { padding: any([1, 1, 1]) }), /padding .*not \[1, 1, 1\]/],
    ['Conv2d, padding [0, 0.5]', () => new nn.Conv2d(1, 2, 3, { padding: [0, 0.5] }), /padding\[1\] .*not 0\.5/],
    ['Conv2d, groups 0', () => new nn.Conv2d(2, 2, 3, { groups: 0 }), /groups .*not 0/],
    ['Conv2d, groups that do not divide', () => new nn.Conv2d(3, 2, 3, { groups: 2 }), /2 groups do not divide 3/],
    [
      'Conv2d, unknown option',
      () => new nn.Conv2d(1, 2, 3, any({ strides: 2 })),
      /no option "strides"; there are stride,/,
    ],
    ['Conv2d, options as a number', () => new nn.Conv2d(1, 2, 3, any(2)), /options must be an object, not 2/],
    ['BatchNorm2d without channels', () => new nn.BatchNorm2d(0), /BatchNorm2d: channels .*not 0/],
    ['BatchNorm2d, momentum 1.1', () => new nn.BatchNorm2d(2, { momentum: 1.1 }), /momentum .*at most 1, not 1\.1/],
    ['BatchNorm2d, momentum NaN', () => new nn.BatchNorm2d(2, { momentum: Number.NaN }), /momentum .*not NaN/],
    ['BatchNorm2d, epsilon 0', () => new nn.BatchNorm2d(2, { epsilon: 0 }), /epsilon .*above 0, not 0/],
    [
      'BatchNorm2d, eps',
      () => new nn.BatchNorm2d(2, any({ eps: 1e-3 })),
      /no option "eps"; there are momentum, epsilon/,
    ],
    ['MaxPool2d, kernel 0', () => new nn.MaxPool2d(0), /MaxPool2d: kernel .*not 0/],
    ['MaxPool2d, stride -2', () => new nn.MaxPool2d(2, { stride: -2 }), /MaxPool2d: stride .*not -2/],
    ['MaxPool2d, ceilMode', () => new nn.MaxPool2d(2, { ceilMode: any('yes') }), /ceilMode must be true or false/],
    ['AvgPool2d, padding', () => new nn.AvgPool2d(2, { padding: any('full') }), /AvgPool2d: padding .*not "full"/],
    ['AvgPool2d, countPadding', () => new nn.AvgPool2d(2, { countPadding: any(0) }), /countPadding .*not 0/],
    ['Dropout above 1', () => new nn.Dropout(1.01), /Dropout: rate .*at most 1, not 1\.01/],
    ['Dropout NaN', () => new nn.Dropout(Number.NaN), /Dropout: rate .*not NaN/],
    ['Dropout, seed -1', () => new nn.Dropout(0.5, { seed: -1 }), /seed .*at most 4294967295, not -1/],
    ['Dropout, seed 1.5', () => new nn.Dropout(0.5, { seed: 1.5 }), /seed .*not 1\.5/],
    ['Dropout, seed NaN', () => new nn.Dropout(0.5, { seed: Number.NaN }), /seed .*not NaN/],
    ['Dropout, seed 2^32', () => new nn.Dropout(0.5, { seed: 2 ** 32 }), /seed .*not 4294967296/],
    ['Normalize, std 0', () => new nn.Normalize([0.5], [0]), /Normalize: std\[0\] .*not 0/],
    // It would be 0 as a float32.
    ['Normalize, std 1e-50', () => new nn.Normalize([0.5], [1e-50]), /Normalize: std\[0\] .*not 1e-50/],
    ['Normalize, negative std', () => new nn.Normalize([0, 0], [1, -1]), /Normalize: std\[1\] .*not -1/],
    ['Normalize, mean NaN', () => new nn.Normalize([Number.NaN], [1]), /Normalize: mean\[0\] .*not NaN/],
    ['Normalize of two lengths', () => new nn.Normalize([0], [1, 1]), /one number per channel, not 1 and 2/],
    ['Normalize of nothing', () => new nn.Normalize([], []), /one number per channel, not 0 and 0/],
    ['Normalize of numbers', () => new nn.Normalize(any(0.5), any(1)), /mean must be an array, not 0\.5/],
    ['Activation', () => new nn.Activation(any('swish')), /no activation "swish"; choose one of relu/],
    ['Sequential of functions', () => new nn.Sequential(any([w.relu])), /layers\.0 must be a module, not a function/],
    ['Sequential of nothing', () => new nn.Sequential(any(undefined)), /layers must be .*not undefined/],
    [
      'Sequential of numbers',
      () => new nn.Sequential({ 10: new nn.Flatten(), 2: new nn.Flatten() }),
      /names 2, 10 do not/,
    ],
    ['Parameter of a fraction', () => new nn.Parameter([2.5], nn.constant(0)), /Parameter: shape \[2\.5\]/],
    ['cnn, dropout -0.1', () => nn.cnn({ dropout: -0.1 }), /cnn: dropout .*not -0\.1/],
    ['cnn, depth 0', () => nn.cnn({ depth: 0 }), /cnn: depth .*not 0/],
    ['cnn, widths', () => nn.cnn({ widths: [8, 0] }), /cnn: widths\[1\] .*not 0/],
    ['cnn, no widths', () => nn.cnn({ widths: [] }), /cnn: widths .*not \[\]/],
    ['cnn, classes', () => nn.cnn({ classes: 1.5 }), /outputs .*not 1\.5/],
    ['cnn, image', () => nn.cnn({ imageShape: any([28, 28]) }), /cnn: imageShape .*not \[28, 28\]/],
    ['cnn, a filter size that is no number', () => nn.cnn({ filterSize: any('3') }), /filterSize .*not "3"/],
    ['cnn, unknown option', () => nn.cnn(any({ width: [8] })), /cnn: there is no option "width"/],
    ['mini-resnet, blocks', () => nn.miniResNet({ blocks: [1, 0, 1] }), /mini-resnet: blocks\[1\] .*not 0/],
    ['mini-resnet, a block and a half', () => nn.miniResNet({ blocks: [1, 1.5, 1] }), /blocks\[1\] .*not 1\.5/],
    ['mini-resnet, filter 2', () => nn.miniResNet({ filterSize: 2 }), /odd size.*not 2/],
    ['mini-resnet, filter NaN', () => nn.miniResNet({ filterSize: Number.NaN }), /filterSize .*not NaN/],
    ['mini-resnet, block', () => nn.miniResNet({ block: any('bottleneck') }), /block .*basic.*not "bottleneck"/],
    ['mini-resnet, residual', () => nn.miniResNet({ residual: any('no') }), /residual .*not "no"/],
    ['mini-resnet, unknown option', () => nn.miniResNet(any({ width: 3 })), /mini-resnet: there is no option "width"/],
    ['lenet5, pooling', () => nn.leNet5({ pooling: any('mean') }), /lenet5: pooling .*not "mean"/],
    ['lenet5, classes', () => nn.leNet5({ classes: 0 }), /outputs .*not 0/],
    ['mcnn15, channels', () => nn.mcnn15({ channels: 0 }), /inputs .*not 0/],
  ];
  test.each(refused)('%s', (_, make, message) => {
    const before = reference.memory();
    expect(make).toThrow(message);
    try {
      make();
    } catch (error) {
      expect([UsageError, ShapeError].some(kind => error instanceof kind)).toBe(true);
    }
    expect(reference.memory()).toEqual(before);
  });

  test('what is allowed at the ends of the ranges', () => {
    new nn.Dropout(0);
    new nn.Dropout(1, { seed: 2 ** 32 - 1 });
    new nn.BatchNorm2d(1, { momentum: 0 });
    new nn.BatchNorm2d(1, { momentum: 1, epsilon: 1e-12 });
    new nn.Conv2d(4, 8, [1, 5], { stride: [2, 1], padding: [0, 0, 2, 2], dilation: [1, 2], groups: 4, bias: false });
    new nn.MaxPool2d([2, 1], { stride: 1, padding: 'same', ceilMode: true });
    new nn.Sequential([new nn.Flatten()]);
    new nn.Sequential({});
  });
});

describe('initializers', () => {
  const refused: [string, () => unknown, RegExp][] = [
    ['constant(NaN)', () => nn.constant(Number.NaN), /constant: value .*not NaN/],
    ['normal of a negative deviation', () => nn.normal(-1), /normal: std .*not -1/],
    ['normal of an infinite mean', () => nn.normal(1, Infinity), /normal: mean .*not Infinity/],
    ['uniform upside down', () => nn.uniform(1, -1), /uniform: high .*at least low, 1, not -1/],
    ['heNormal(NaN)', () => nn.heNormal(Number.NaN), /heNormal: gain .*not NaN/],
    ['heUniform(-1)', () => nn.heUniform(-1), /heUniform: gain .*not -1/],
    ['xavierNormal(Infinity)', () => nn.xavierNormal(Infinity), /xavierNormal: gain .*not Infinity/],
    ['xavierUniform of text', () => nn.xavierUniform(any('1')), /xavierUniform: gain .*not "1"/],
    ['orthogonal(NaN)', () => nn.orthogonal(Number.NaN), /orthogonal: gain .*not NaN/],
  ];
  test.each(refused)('%s', (_, make, message) => {
    expect(make).toThrow(UsageError);
    expect(make).toThrow(message);
  });

  test.each<[string, nn.Initializer]>([
    ['fans', nn.heNormal()],
    ['orthogonal', nn.orthogonal()],
    ['dirac', nn.dirac()],
    [
      'of somebody else that throws',
      () => {
        throw new ShapeError('rank');
      },
    ],
  ])('that cannot fill a vector (%s) leaves an initialised model as it was', async (_, initializer) => {
    class Odd extends nn.Module {
      linear = new nn.Linear(2, 2);
      // Filled after the others.
      vector = new nn.Parameter([3], (values, shape, random) => {
        if (broken) initializer(values, shape, random);
      });
      forward(x: w.Tensor) {
        return this.linear.call(x);
      }
    }
    let broken = false;
    const model = new Odd().initialize({ seed: 3 });
    await settle();
    const [values, memory] = [await reference.read(model.arena.values), reference.memory()];
    broken = true;
    expect(() => model.initialize({ seed: 4 })).toThrow(ShapeError);
    expect(await reference.read(model.arena.values)).toEqual(values);
    expect(reference.memory()).toEqual(memory);
    expect(() => model.initialize({ seed: -1 })).toThrow(/initialize: seed .*not -1/);
    expect(await model.linear.weight.value.data()).toHaveLength(4);
    broken = false;
    model.initialize({ seed: 3 });
    expect(await reference.read(model.arena.values)).toEqual(values);
    expect(reference.memory()).toEqual(memory);
    model.dispose();
    expect(reference.memory().liveAllocations).toBe(memory.liveAllocations - 3);
  });

  test('orthogonal columns longer than a call has arguments', () => {
    const values = new Float32Array(200_000 * 2);
    let at = 0;
    const random = { normal: () => Math.sin(++at) } as unknown as Parameters<nn.Initializer>[2];
    nn.orthogonal()(values, [200_000, 2], random);
    const dot = (a: number, b: number) => {
      let sum = 0;
      for (let i = 0; i < values.length; i += 2) sum += values[i + a] * values[i + b];
      return sum;
    };
    expect(Math.max(Math.abs(dot(0, 0) - 1), Math.abs(dot(1, 1) - 1), Math.abs(dot(0, 1)))).toBeLessThan(1e-6);
  });
});

test('a parameter that two modules share lies in the arena once, under the name that comes first', () => {
  class Tied extends nn.Module {
    one = new nn.Linear(2, 2, { bias: false });
    two = this.one;
    forward(x: w.Tensor) {
      return this.two.call(this.one.call(x));
    }
  }
  const model = new Tied().initialize({ seed: 0 });
  expect(model.namedParameters().map(([name]) => name)).toEqual(['one.weight']);
  expect(model.modules()).toHaveLength(2);
  expect(model.parameterCount).toBe(4);
  w.tidy(() => w.backward(w.sum(model.call(w.ones([1, 2])))));
  expect(model.one.weight.hasGradient).toBe(true);
  model.dispose();
});

test('a part of an initialised model is not given other values behind its back', async () => {
  const part = new nn.Linear(2, 2).initialize({ seed: 1 });
  const whole = new nn.Sequential({ part, head: new nn.Linear(2, 1) });
  const before = await part.weight.value.data();
  expect(() => whole.initialize({ seed: 2 })).toThrow(/"part\.weight" has its value in another model.*dispose/);
  expect(await part.weight.value.data()).toEqual(before);
  part.dispose();
  whole.initialize({ seed: 2 });
  whole.dispose();
});

for (const { name, device } of await openTestDevices()) {
  describe.skipIf(!device)(`on ${name}`, () => {
    afterAll(() => device?.destroy());
    const upload = (values: number[], shape: number[]) =>
      w.tensor(Float32Array.from(values), shape, { device: device! });

    test.each([
      ['[1, 1, 1, 2]', [1, 1, 1, 2]],
      ['[1, 2]', [1, 2]],
    ])('batch norm in training refuses one value per channel: %s', async (_, shape) => {
      const norm = new nn.BatchNorm2d(2).initialize({ device: device! });
      const [x, two] = [upload([5, -5], shape), upload([5, -5, 6, -6], [2, ...shape.slice(1)])];
      await settle();
      const before = device!.memory();
      for (const call of [
        () => norm.call(x),
        () => norm.forwardFused(x, 'relu'),
        () => norm.forwardFused(x, 'none', x),
      ]) {
        expect(call).toThrow(ShapeError);
        expect(call).toThrow(/more than 1 value per channel, and x \[1, .*2\] has 1/);
      }
      expect(device!.memory()).toEqual(before);
      expect(Array.from(await norm.runningMean.value.data())).toEqual([0, 0]);
      expect(Array.from(await norm.runningVariance.value.data())).toEqual([1, 1]);
      // Two values have a variance: 1/2 here (unbiased), a tenth of which goes into the running one.
      norm.call(two).dispose();
      const [first, second] = await norm.runningVariance.value.data();
      expect(first).toBeCloseTo(0.95, 6);
      expect(second).toBeCloseTo(0.95, 6);
      norm.eval();
      const y = norm.call(x);
      expect(await y.data()).toHaveLength(2);
      w.dispose(x, two, y);
      norm.dispose();
    });

    const maskOf = async (dropout: nn.Dropout, length = 64) => {
      const [x] = [w.ones([length], { device: device! })];
      const y = dropout.call(x);
      const mask = Array.from(await y.data(), value => (value === 0 ? 0 : 1)).join('');
      w.dispose(x, y);
      return mask;
    };
    const build = (seed: number, own?: number) => {
      const drop = () => new nn.Dropout(0.5, own === undefined ? {} : { seed: own });
      const layers = { a: drop(), linear: new nn.Linear(2, 2), b: drop() };
      return { ...layers, model: new nn.Sequential(layers).initialize({ seed, device: device! }) };
    };

    test('masks follow from the seed of the model and the place of the layer, on every device alike', async () => {
      const [one, again, other] = [build(1), build(1), build(2)];
      const masks = [await maskOf(one.a), await maskOf(one.b), await maskOf(other.a), await maskOf(other.b)];
      expect(new Set(masks).size).toBe(4);
      expect([await maskOf(again.a), await maskOf(again.b)]).toEqual(masks.slice(0, 2));
      // The next call has another mask.
      expect(await maskOf(one.a)).not.toBe(masks[0]);
      const there = new nn.Sequential({ a: new nn.Dropout(0.5) }).initialize({ seed: 1, device: reference });
      const y = there.call(w.ones([64], { device: reference }));
      expect(Array.from(await y.data(), value => (value === 0 ? 0 : 1)).join('')).toBe(masks[0]);
      for (const { model } of [one, again, other]) model.dispose();
      there.dispose();
    });

    test('an own seed goes before the model, and initialising again begins anew', async () => {
      const [one, other] = [build(1, 7), build(2, 7)];
      const first = await maskOf(one.a);
      expect(await maskOf(other.a)).toBe(first);
      expect(one.a.seed).toBe(7);
      expect(await maskOf(one.a)).not.toBe(first);
      one.model.initialize({ seed: 5, device: device! });
      expect(await maskOf(one.a)).toBe(first);
      const free = build(1);
      const before = await maskOf(free.a);
      free.model.initialize({ seed: 9, device: device! });
      expect(free.a.seed).toBe(9);
      expect(await maskOf(free.a)).not.toBe(before);
      free.model.initialize({ seed: 1, device: device! });
      expect(await maskOf(free.a)).toBe(before);
      for (const { model } of [one, other, free]) model.dispose();
    });

    test('two outside a model, or in one that is not initialised, have masks of their own', async () => {
      const list = [new nn.Dropout(0.5), new nn.Dropout(0.5), new nn.Dropout(0.5, { seed: 3 })];
      const inside = { a: new nn.Dropout(0.5), b: new nn.Dropout(0.5) };
      new nn.Sequential(inside);
      const masks = [];
      for (const dropout of [...list, inside.a, inside.b]) masks.push(await maskOf(dropout));
      expect(new Set(masks).size).toBe(5);
      for (const dropout of [...list, inside.a, inside.b]) dropout.dispose();
    });

    test('a counted state that is put back gives the same masks again', async () => {
      const { a, model } = build(4);
      await maskOf(a);
      const words = await a.state(device!).data();
      const next = [await maskOf(a), await maskOf(a)];
      device!.write(a.state(device!).storage, words);
      expect([await maskOf(a), await maskOf(a)]).toEqual(next);
      model.dispose();
    });

    test('a refused call draws no mask; rate 1 gives zeros and no gradient, rate 0 the input itself', async () => {
      const { a, model } = build(4);
      const before = await a.state(device!).data();
      const labels = w.tensor(Int32Array.of(1, 2), [2], { device: device! });
      await settle();
      const memory = device!.memory();
      expect(() => a.call(labels)).toThrow(/float32/);
      expect(device!.memory()).toEqual(memory);
      expect(await a.state(device!).data()).toEqual(before);
      const x = upload([1, -2, 3], [3]);
      const all = new nn.Dropout(1);
      const { value, grads } = w.valueAndGrad(() => w.sum(all.call(x)), [x]);
      expect(await value.item()).toBe(0);
      expect(Array.from(await grads[0].data(), Math.abs)).toEqual([0, 0, 0]);
      expect(new nn.Dropout(0).call(x)).toBe(x);
      w.dispose(labels, x, value, ...grads);
      all.dispose();
      model.dispose();
    });
  });
}
