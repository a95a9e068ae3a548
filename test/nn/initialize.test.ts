/**
 * Initialising again: the same memory with the same values that a new model would get, so that whoever works on it goes on
 * working on the model; where there must be other memory, everybody on the old one is told.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { openWasmDevice } from '../../src/devices/wasm/device.ts';
import { backward, type Device, ones, setDevice, sum, UsageError } from '../../src/index.ts';
import { BatchNorm2d, ExponentialMovingAverage, Linear, Sequential, SGD } from '../../src/nn/index.ts';
import { settle } from '../support/garbage.ts';

let device: Device;
beforeEach(async () => {
  device = await openWasmDevice({ threads: 1 });
  setDevice(device);
});

const build = () => new Sequential({ body: new Linear(2, 3), norm: new BatchNorm2d(3), head: new Linear(3, 1) });
const contents = async (model: Sequential): Promise<number[]> => [
  ...(await device.read(model.arena.values)),
  ...(await device.read(model.arena.state)),
];

describe('in place', () => {
  test('an optimizer that was there before goes on with the same model', async () => {
    const model = new Linear(2, 1).initialize({ seed: 1 });
    const optimizer = new SGD(model, { learningRate: 0.1 });
    model.initialize({ seed: 2 });
    const before = Array.from(await model.weight.value.data());
    for (let i = 0; i < 5; i++) {
      backward(sum(model.call(ones([1, 2]))));
      optimizer.step();
    }
    const after = await model.weight.value.data();
    before.forEach((value, i) => {
      expect(after[i]).toBeCloseTo(value - 0.5, 5);
    });
  });

  test('values, statistics and gradients are those of a new model', async () => {
    const model = build().initialize({ seed: 1 });
    const { values } = model.arena;
    for (let i = 0; i < 2; i++) backward(sum(model.call(ones([4, 2]))));
    await settle();
    const { liveBytes } = device.memory();
    model.initialize({ seed: 7 });
    expect(model.arena.values).toBe(values);
    expect(device.memory().liveBytes).toBe(liveBytes);
    expect(await contents(model)).toEqual(await contents(build().initialize({ seed: 7 })));
    expect([...(await device.read(model.arena.gradients))].every(value => value === 0)).toBe(true);
    expect(model.arena.parametersWithoutGradient()).toHaveLength(6);
  });

  test('a part of a model gets what the whole would give it, and stays a part', async () => {
    const [model, other] = [build().initialize({ seed: 1 }), build().initialize({ seed: 9 })];
    const head = model.children()[2][1];
    const optimizer = new SGD(model, { learningRate: 1 });
    head.initialize({ seed: 9 });
    const read = async (of: Sequential, name: string) => {
      const [, { value }] = of.namedParameters().find(([each]) => each === name)!;
      return [...(await value.data())];
    };
    expect(await read(model, 'head.weight')).toEqual(await read(other, 'head.weight'));
    expect(await read(model, 'body.weight')).not.toEqual(await read(other, 'body.weight'));
    expect(head.path).toBe('head');
    const before = await read(model, 'head.bias');
    backward(sum(model.call(ones([2, 2]))));
    optimizer.step();
    expect(await read(model, 'head.bias')).toEqual(before.map(value => value - 2));
  });
});

describe('elsewhere', () => {
  const stale = /SGD: the model's parameters were freed or laid out anew/;

  test('on another device: the optimizer and the average of before are told', async () => {
    const model = build().initialize({ seed: 1 });
    const optimizer = new SGD(model, { learningRate: 0.1 });
    const average = new ExponentialMovingAverage(model, 0.9);
    const there = await openWasmDevice({ threads: 1 });
    const arena = model.arena;
    model.initialize({ seed: 1, device: there });
    expect(() => optimizer.step()).toThrow(stale);
    expect(optimizer.stepCount).toBe(0);
    expect(() => average.update()).toThrow(/ExponentialMovingAverage: the model's parameters/);
    expect(() => average.swap()).toThrow(UsageError);
    expect(() => arena.write('body.bias', new Float32Array(3))).toThrow(UsageError);
    expect(() => model.children()[0][1].initialize({ device })).toThrow(/a part of a model on wasm/);
  });

  test('with the model freed', () => {
    const model = build().initialize();
    const optimizer = new SGD(model, { learningRate: 0.1 });
    model.dispose();
    expect(() => optimizer.step()).toThrow(stale);
    expect(() => model.arena).toThrow(/call initialize/);
  });

  test('as part of a larger model, once it was freed: the memory of before is given back', () => {
    const part = build().initialize({ seed: 1 });
    const optimizer = new SGD(part, { learningRate: 0.1 });
    const live = device.memory().liveAllocations;
    expect(() => new Sequential({ part, last: new Linear(1, 1) }).initialize()).toThrow(/another model.*dispose/);
    expect(() => optimizer.prepare()).not.toThrow();
    part.dispose();
    const whole = new Sequential({ part, last: new Linear(1, 1) }).initialize({ seed: 1 });
    expect(() => optimizer.step()).toThrow(stale);
    expect(() => part.arena).toThrow(/the model that it is a part of/);
    expect(whole.arena.parameters).toHaveLength(8);
    optimizer.dispose();
    expect(device.memory().liveAllocations).toBe(live - 1);
  });

  test('a layer of two models stays with the first until that is freed', () => {
    const shared = new Linear(2, 2);
    const first = new Sequential({ shared, last: new Linear(2, 1) }).initialize();
    const second = new Sequential({ shared, last: new Linear(2, 1) });
    expect(() => second.initialize()).toThrow(/"shared.weight" has its value in another model/);
    const optimizer = new SGD(first, { learningRate: 0.1 });
    first.dispose();
    second.initialize();
    expect(() => optimizer.step()).toThrow(stale);
    expect(() => first.arena).toThrow(UsageError);
    expect(() => second.call(ones([1, 2]))).not.toThrow();
  });

  test('an initializer that throws leaves the model as it was', async () => {
    const model = build().initialize({ seed: 1 });
    const before = await contents(model);
    let isBroken = false;
    const { weight } = model.children()[2][1] as Linear;
    const fill = weight.initializer;
    Object.assign(weight, {
      initializer: (...call: Parameters<typeof fill>) => {
        if (isBroken) throw new Error('broken');
        fill(...call);
      },
    });
    isBroken = true;
    expect(() => model.initialize({ seed: 2 })).toThrow('broken');
    expect(await contents(model)).toEqual(before);
    isBroken = false;
    model.initialize({ seed: 2 });
    expect(await contents(model)).not.toEqual(before);
  });
});
