/**
 * Optimizers: what no gradient has reached is left alone (PyTorch's values: scripts/expected-optimizers.py), groups,
 * subsets and frozen parameters, eagerly and replayed; options that cannot mean anything.
 */
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import type { Device } from '../../src/devices/device.ts';
import { UsageError } from '../../src/devices/errors.ts';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import * as w from '../../src/index.ts';
import * as nn from '../../src/nn/index.ts';
import { openTestDevices } from '../support/devices.ts';
import { settle } from '../support/garbage.ts';

const reference = new ReferenceDevice();
w.setDevice(reference);

type Values = Readonly<Record<'a' | 'b' | 'c', readonly number[]>>;
const NAMES = ['a', 'b', 'c'] as const;

interface Expected {
  readonly start: Values;
  readonly gradients: Readonly<Record<'a' | 'b' | 'c', readonly (readonly number[])[]>>;
  readonly cases: readonly {
    readonly optimizer: 'SGD' | 'Adam' | 'AdamW';
    readonly shared: {
      readonly lr: number;
      readonly weight_decay?: number;
      readonly momentum?: number;
      readonly nesterov?: boolean;
      readonly betas?: readonly [number, number];
    };
    readonly own: { readonly lr: number; readonly weight_decay: number } | null;
    readonly pattern: string;
    readonly reached: readonly string[];
    readonly after: Readonly<Record<string, Values>>;
  }[];
}

const expected: Expected = JSON.parse(readFileSync(new URL('expected-optimizers.json', import.meta.url), 'utf8'));

/** Three vectors, whose gradients are whatever they are multiplied with. */
class Vectors extends nn.Module {
  a = new nn.Parameter([3], values => values.set(expected.start.a));
  b = new nn.Parameter([2], values => values.set(expected.start.b));
  c = new nn.Parameter([4], values => values.set(expected.start.c));
  forward(x: w.Tensor): w.Tensor {
    return x;
  }
  /** A backward pass that reaches these with the gradients of that step. */
  backward(names: string, step: number, device: Device): void {
    if (names === '') return;
    w.tidy(() => {
      const terms = NAMES.filter(name => names.includes(name)).map(name =>
        w.sum(w.mul(this[name].value, numbers(expected.gradients[name][step], device))),
      );
      w.backward(terms.reduce((sum, term) => w.add(sum, term)));
    });
  }
}

const OPTIMIZERS = { SGD: nn.SGD, Adam: nn.Adam, AdamW: nn.AdamW };

const numbers = (values: readonly number[], device: Device) =>
  w.tensor(Float64Array.from(values), [values.length], { device });
const array = async (tensor: w.Tensor): Promise<number[]> => Array.from(await tensor.data());

describe('options that cannot mean anything', () => {
  const model = new nn.Sequential({ one: new nn.Linear(2, 2), two: new nn.Linear(2, 1) }).initialize({ seed: 1 });
  const other = new nn.Linear(2, 1).initialize({ seed: 2 });
  const fresh = new nn.Linear(2, 1);
  const [one, two] = model.children().map(([, layer]) => layer as nn.Linear);
  const any = (value: unknown): any => value;
  const sgd = (options: object) => () => new nn.SGD(model, any(options));
  const adam = (options: object) => () => new nn.Adam(model, any({ learningRate: 0.1, ...options }));
  const ofGroups =
    (groups: unknown, rate = 0.1) =>
    () =>
      new nn.AdamW(any(groups), { learningRate: rate });
  test.each<[string, () => unknown, RegExp]>([
    ['no rate', sgd({}), /SGD: learningRate .*at least 0, not undefined/],
    ['no options', () => new nn.SGD(model, any(undefined)), /SGD: options must be an object, not undefined/],
    ['rate Infinity', sgd({ learningRate: Infinity }), /learningRate must be a finite number .*not Infinity/],
    ['rate NaN', sgd({ learningRate: Number.NaN }), /learningRate .*not NaN/],
    ['rate -0.1', sgd({ learningRate: -0.1 }), /learningRate .*not -0\.1/],
    ['rate as text', sgd({ learningRate: '0.1' }), /learningRate .*not "0\.1"/],
    ['lr', sgd({ lr: 0.1 }), /there is no option "lr"; there are learningRate, .*momentum/],
    ['momentum -1', sgd({ learningRate: 0.1, momentum: -1 }), /momentum .*at least 0 and below 1, not -1/],
    ['momentum 1', sgd({ learningRate: 0.1, momentum: 1 }), /momentum .*below 1, not 1/],
    ['momentum 1.5', sgd({ learningRate: 0.1, momentum: 1.5 }), /momentum .*not 1\.5/],
    ['momentum NaN', sgd({ learningRate: 0.1, momentum: Number.NaN }), /momentum .*not NaN/],
    ['nesterov alone', sgd({ learningRate: 0.1, nesterov: true }), /nesterov needs a momentum above 0/],
    ['nesterov as a number', sgd({ learningRate: 0.1, momentum: 0.9, nesterov: 1 }), /nesterov .*not 1/],
    ['weight decay -1', sgd({ learningRate: 0.1, weightDecay: -1 }), /weightDecay .*not -1/],
    ['weight decay NaN', sgd({ learningRate: 0.1, weightDecay: Number.NaN }), /weightDecay .*not NaN/],
    ['decayAll', sgd({ learningRate: 0.1, decayAll: 'yes' }), /decayAll must be true or false, not "yes"/],
    ['norm 0', sgd({ learningRate: 0.1, maxGradientNorm: 0 }), /maxGradientNorm .*above 0, not 0/],
    ['norm -1', sgd({ learningRate: 0.1, maxGradientNorm: -1 }), /maxGradientNorm .*not -1/],
    ['norm NaN', sgd({ learningRate: 0.1, maxGradientNorm: Number.NaN }), /maxGradientNorm .*not NaN/],
    ['betas [1, 1]', adam({ betas: [1, 1] }), /Adam: betas\[0\] .*below 1, not 1/],
    ['betas [0.9, -3]', adam({ betas: [0.9, -3] }), /betas\[1\] .*not -3/],
    ['one beta', adam({ betas: [0.9] }), /betas must be an array of two numbers, not \[0\.9\]/],
    ['betas as a number', adam({ betas: 0.9 }), /betas must be .*not 0\.9/],
    ['epsilon -1', adam({ epsilon: -1 }), /epsilon .*at least 0, not -1/],
    ['epsilon NaN', adam({ epsilon: Number.NaN }), /epsilon .*not NaN/],
    ["SGD's momentum", adam({ momentum: 0.9 }), /Adam: there is no option "momentum"/],
    ['AdamW by its own name', () => new nn.AdamW(model, { learningRate: 0.1, epsilon: -1 }), /^AdamW: epsilon/],
    ['nothing', ofGroups([]), /AdamW: there is no parameter to optimize/],
    ['undefined', ofGroups(undefined), /parameters must be an initialised model.*not undefined/],
    ['a tensor', ofGroups(one.weight.value), /parameters must be .*not an object \(Tensor\)/],
    ['a layer without parameters', ofGroups(new nn.Flatten()), /there is no parameter to optimize/],
    ['a model without values', ofGroups(fresh), /has no value yet; call initialize/],
    ['two models', ofGroups([one, other]), /belong to several models/],
    ['a parameter twice', ofGroups([model, one.weight]), /"one\.weight" is given twice/],
    [
      'one parameter in two groups',
      ofGroups([{ parameters: model }, { parameters: two.bias }]),
      /"two\.bias" is given/,
    ],
    ['groups and layers', ofGroups([{ parameters: one }, two]), /groups and parameters; give all of them as groups/],
    [
      'a rate below 0',
      ofGroups([{ parameters: one }, { parameters: two, learningRate: -1 }]),
      /groups\[1\]\.learningRate/,
    ],
    ['lr of a group', ofGroups([{ parameters: one, lr: 1 }]), /there is no option "lr"; there are parameters,/],
    ['a group with momentum', ofGroups([{ parameters: one, momentum: 0.5 }]), /there is no option "momentum"/],
    [
      'a rate beside 0',
      ofGroups({ parameters: one, learningRate: 1 }, 0),
      /learningRate must be above 0 where a group/,
    ],
    ['a group of numbers', ofGroups([{ parameters: [3] }]), /parameters\[0\] must be .*not 3/],
  ])('%s', (_, make, message) => {
    const before = reference.memory();
    expect(make).toThrow(UsageError);
    expect(make).toThrow(message);
    expect(reference.memory()).toEqual(before);
  });

  test('a rate or a step count that is set later', () => {
    const optimizer = new nn.SGD(model, { learningRate: 0.1 });
    expect(() => {
      optimizer.learningRate = Number.NaN;
    }).toThrow(/SGD: learningRate .*not NaN/);
    expect(() => {
      optimizer.stepCount = 1.5;
    }).toThrow(/SGD: stepCount .*not 1\.5/);
    expect(() => {
      optimizer.parameterSteps = [1];
    }).toThrow(/1 step counts do not fit the model's 4 parameters/);
    expect([optimizer.learningRate, optimizer.stepCount]).toEqual([0.1, 0]);
    optimizer.dispose();
  });

  test('a freezing that is neither true nor false', () => {
    expect(() => {
      one.weight.trainable = any(0);
    }).toThrow(/trainable must be true or false, not 0/);
  });
});

for (const { name, device } of await openTestDevices()) {
  describe.skipIf(!device)(`on ${name}`, () => {
    afterAll(() => device?.destroy());
    const isExact = device?.kind === 'reference';

    test.each(expected.cases)('$optimizer as PyTorch: $pattern $shared $own', async one => {
      const { shared, own, reached, after } = one;
      const model = new Vectors().initialize({ device: device! });
      const { lr: learningRate, weight_decay: weightDecay = 0, ...options } = shared;
      const groups = own
        ? [
            { parameters: [model.a, model.c] },
            { parameters: model.b, learningRate: own.lr, weightDecay: own.weight_decay },
          ]
        : model;
      const optimizer = new OPTIMIZERS[one.optimizer](groups, {
        learningRate,
        weightDecay,
        decayAll: true,
        ...options,
      });
      for (let step = 0; step < reached.length; step++) {
        model.backward(reached[step], step, device!);
        optimizer.step();
        const wanted = after[step + 1];
        if (!wanted) continue;
        for (const key of NAMES) {
          const got = await array(model[key].value);
          // The reference device holds float64, but rates go to it as float32.
          got.forEach((value, i) => {
            expect(Math.abs(value - wanted[key][i]), `${key}[${i}] after step ${step + 1}`).toBeLessThan(
              isExact ? 1e-7 : 2e-6,
            );
          });
        }
      }
      const counts = NAMES.map(key => reached.filter(names => names.includes(key)).length);
      expect(Array.from(optimizer.parameterSteps)).toEqual(counts);
      expect(optimizer.stepCount).toBe(Math.max(...counts));
      optimizer.dispose();
      model.dispose();
    });

    /** A head on a backbone whose outputs the head takes as constants. */
    const cutModel = () => {
      const back = new nn.Linear(2, 2);
      const head = new nn.Linear(2, 1);
      class Cut extends nn.Module {
        back = back;
        head = head;
        forward(x: w.Tensor) {
          return this.head.call(w.noGrad(() => this.back.call(x)));
        }
      }
      return new Cut().initialize({ seed: 1, device: device! });
    };
    const train = (model: nn.Module, optimizers: readonly nn.Optimizer[], steps = 1) => {
      for (let i = 0; i < steps; i++) {
        w.tidy(() => w.backward(w.sum(model.call(w.ones([1, 2], { device: device! })))));
        for (const optimizer of optimizers) optimizer.step();
      }
    };

    test.each<[string, (model: nn.Module) => nn.Optimizer]>([
      ['SGD', model => new nn.SGD(model, { learningRate: 0.1, momentum: 0.9, weightDecay: 0.1, decayAll: true })],
      ['AdamW', model => new nn.AdamW(model, { learningRate: 0.1, weightDecay: 0.1, maxGradientNorm: 1 })],
    ])('%s leaves alone what no pass reaches, and everything when there was no pass', async (_, make) => {
      const model = cutModel();
      const optimizer = make(model);
      const before = await device!.read(model.arena.values);
      optimizer.step();
      expect(await device!.read(model.arena.values)).toEqual(before);
      expect(optimizer.stepCount).toBe(0);
      const [back, head] = [await array(model.back.weight.value), await array(model.head.weight.value)];
      train(model, [optimizer], 20);
      expect(await array(model.back.weight.value)).toEqual(back);
      expect(await array(model.head.weight.value)).not.toEqual(head);
      for (const storage of optimizer.stateArrays) {
        const state = await device!.read(storage);
        const { start, length } = model.arena.parameterEntries.find(entry => entry.name === 'back.weight')!;
        expect(Array.from(state.subarray(start, start + length))).toEqual([0, 0, 0, 0]);
      }
      optimizer.dispose();
      model.dispose();
    });

    const plain = () =>
      new nn.Sequential({
        one: new nn.Linear(2, 3),
        act: new nn.Activation('tanh'),
        two: new nn.Linear(3, 1),
      }).initialize({ seed: 3, device: device! });
    const layersOf = (model: nn.Module) => Object.fromEntries(model.children()) as { one: nn.Linear; two: nn.Linear };
    const valuesOf = async (model: nn.Module) => Array.from(await device!.read(model.arena.values));

    test('frozen parameters leave no trace on the tape; their momentum waits for them', async () => {
      const model = plain();
      const { one, two } = layersOf(model);
      const optimizer = new nn.SGD(model, { learningRate: 0.1, momentum: 0.9, weightDecay: 0.1 });
      train(model, [optimizer], 3);
      one.freeze();
      expect(one.weight.trainable).toBe(false);
      const [frozen, free] = [await array(one.weight.value), await array(two.weight.value)];
      const velocity = await device!.read(optimizer.stateArrays[0]);
      const y = model.call(w.ones([1, 2], { device: device! }));
      w.backward(w.sum(y));
      y.dispose();
      expect([one.weight, one.bias!, two.weight, two.bias!].map(({ hasGradient }) => hasGradient)).toEqual([
        ...[false, false, true, true],
      ]);
      optimizer.step();
      train(model, [optimizer], 4);
      expect(await array(one.weight.value)).toEqual(frozen);
      expect(await array(two.weight.value)).not.toEqual(free);
      const later = await device!.read(optimizer.stateArrays[0]);
      const { start, length } = model.arena.parameterEntries.find(entry => entry.name === 'one.weight')!;
      expect(later.subarray(start, start + length)).toEqual(velocity.subarray(start, start + length));
      one.unfreeze();
      train(model, [optimizer]);
      expect(await array(one.weight.value)).not.toEqual(frozen);
      model.freeze();
      expect(() => train(model, [optimizer])).toThrow(/backward/);
      optimizer.dispose();
      model.dispose();
    });

    test('frozen before initialize, and a graph from before the freezing', async () => {
      const model = new nn.Sequential({ one: new nn.Linear(2, 3), two: new nn.Linear(3, 1) });
      const { one, two } = layersOf(model);
      one.freeze();
      model.initialize({ seed: 3, device: device! });
      const optimizer = new nn.AdamW(model, { learningRate: 0.1, weightDecay: 0.1, maxGradientNorm: 0.5 });
      const before = await array(one.weight.value);
      train(model, [optimizer], 2);
      expect(await array(one.weight.value)).toEqual(before);
      one.unfreeze();
      w.tidy(() => {
        const loss = w.sum(model.call(w.ones([1, 2], { device: device! })));
        one.freeze();
        // The graph still leads to the frozen layer; the step passes over it all the same.
        w.backward(loss);
      });
      optimizer.step();
      expect(await array(one.weight.value)).toEqual(before);
      expect(await array(one.weight.gradient)).toEqual([0, 0, 0, 0, 0, 0]);
      expect(await array(two.weight.value)).toHaveLength(3);
      optimizer.dispose();
      model.dispose();
    });

    test('two optimizers on two halves do what one on the whole does', async () => {
      const [whole, halves] = [plain(), plain()];
      const options = { learningRate: 0.1, weightDecay: 0.1, epsilon: 1e-6 };
      const [both, first, second] = [
        new nn.AdamW(whole, options),
        new nn.AdamW(layersOf(halves).one, options),
        new nn.AdamW([layersOf(halves).two.weight, layersOf(halves).two.bias!], options),
      ];
      train(whole, [both], 5);
      train(halves, [first, second], 5);
      expect(await valuesOf(halves)).toEqual(await valuesOf(whole));
      // The first alone leaves the other half's values and gradients alone.
      const { two } = layersOf(halves);
      const rest = await array(two.weight.value);
      train(halves, [first]);
      expect(await array(two.weight.value)).toEqual(rest);
      expect([two.weight.hasGradient, layersOf(halves).one.weight.hasGradient]).toEqual([true, false]);
      halves.zeroGrad();
      expect(two.weight.hasGradient).toBe(false);
      for (const each of [both, first, second, whole, halves]) each.dispose();
    });

    test('groups have rates of their own, which a changed rate moves in proportion', async () => {
      const model = new Vectors().initialize({ device: device! });
      const optimizer = new nn.SGD(
        [
          { parameters: model.a },
          { parameters: [model.b], learningRate: 0.5 },
          { parameters: model.c, learningRate: 0 },
        ],
        { learningRate: 0.25 },
      );
      const step = async (rate: number) => {
        optimizer.learningRate = rate;
        const before = await Promise.all(NAMES.map(key => array(model[key].value)));
        model.backward('abc', 0, device!);
        optimizer.step();
        const after = await Promise.all(NAMES.map(key => array(model[key].value)));
        return NAMES.map((key, i) => (before[i][0] - after[i][0]) / expected.gradients[key][0][0]);
      };
      const close = (got: number[], want: number[]) =>
        want.forEach((value, i) => {
          expect(got[i]).toBeCloseTo(value, 5);
        });
      close(await step(0.25), [0.25, 0.5, 0]);
      close(await step(0.125), [0.125, 0.25, 0]);
      expect(optimizer.groups.map(({ learningRate }) => learningRate)).toEqual([undefined, 0.5, 0]);
      optimizer.dispose();
      model.dispose();
    });

    test('a norm is that of the gradients the optimizer has: of its own parameters, and of this step', async () => {
      const model = new Vectors().initialize({ device: device! });
      // b lies between; its large gradients belong to nobody here.
      const optimizer = new nn.SGD([model.a, model.c], { learningRate: 1, maxGradientNorm: 0.5 });
      const moved = async (names: string, step: number) => {
        const before = await Promise.all(NAMES.map(key => array(model[key].value)));
        model.backward(names, step, device!);
        optimizer.step();
        const after = await Promise.all(NAMES.map(key => array(model[key].value)));
        return NAMES.map((_, i) => after[i].map((value, j) => before[i][j] - value));
      };
      const norm = (...vectors: (readonly number[])[]) => Math.sqrt(vectors.flat().reduce((sum, x) => sum + x * x, 0));
      const [a, b, c] = await moved('abc', 0);
      expect(norm(a, c)).toBeCloseTo(0.5, 5);
      expect(norm(b)).toBe(0);
      const wanted = expected.gradients;
      expect(a[0] / wanted.a[0][0]).toBeCloseTo(0.5 / norm(wanted.a[0], wanted.c[0]), 5);
      // c keeps its old gradient in memory, which does not count.
      const [a1, , c1] = await moved('a', 1);
      expect(norm(a1)).toBeCloseTo(0.5, 5);
      expect(norm(c1)).toBe(0);
      optimizer.dispose();
      const whole = new nn.SGD(model, { learningRate: 1, maxGradientNorm: 0.5 });
      model.zeroGrad();
      model.backward('abc', 0, device!);
      whole.step();
      const before = await array(model.c.value);
      model.backward('c', 1, device!);
      whole.step();
      const c2 = (await array(model.c.value)).map((value, i) => before[i] - value);
      expect(norm(c2)).toBeCloseTo(0.5, 5);
      // Not finite: what it would touch becomes NaN, so that the mistake is seen; nothing else does.
      const rest = await array(model.a.value);
      w.tidy(() => w.backward(w.sum(w.mul(model.c.value, numbers([1, Infinity, 1, 1], device!)))));
      whole.step();
      expect(await array(model.c.value)).toEqual([Number.NaN, Number.NaN, Number.NaN, Number.NaN]);
      expect(await array(model.a.value)).toEqual(rest);
      whole.dispose();
      model.dispose();
    });

    test('a norm whose square is beyond float32 is clipped like any other', async () => {
      const model = new Vectors().initialize({ device: device! });
      const movedBy = async (maxGradientNorm: number, gradients: readonly number[]) => {
        const optimizer = new nn.SGD(model, { learningRate: 1, maxGradientNorm });
        device!.write(model.arena.values, new Float32Array(model.arena.values.length));
        w.tidy(() => w.backward(w.sum(w.mul(model.c.value, numbers(gradients, device!)))));
        optimizer.step();
        optimizer.dispose();
        return array(model.c.value);
      };
      for (const size of [1e17, 1e20, 1e30, 1e38]) {
        const moved = await movedBy(1, [3 * size, 0, -2 * size, size * Math.sqrt(3)]);
        [-0.75, 0, 0.5, -Math.sqrt(3) / 4].forEach((value, i) => {
          expect(moved[i], `norm 4 x ${size}`).toBeCloseTo(value, 6);
        });
      }
      // Below the largest norm nothing is changed.
      expect(await movedBy(1e22, [1e21, 0, 0, 0])).toEqual(
        [-1e21, 0, 0, 0].map(device!.kind === 'reference' ? Number : Math.fround),
      );
      // An ordinary norm: the root, the sum, the quotient and the product are rounded as they always were.
      const scale = Math.fround(0.5 / Math.fround(3 + Math.fround(1e-6)));
      const ordinary = await movedBy(0.5, [1, 2, 0, -2]);
      [1, 2, 0, -2].forEach((gradient, i) => {
        if (device!.kind === 'wasm') expect(ordinary[i]).toBe(0 - Math.fround(gradient * scale));
        else expect(ordinary[i]).toBeCloseTo(-gradient / 6, 6);
      });
      model.dispose();
    });

    test('a replayed step leaves alone what the recorded one did, and counts as it would', async () => {
      const run = async (replays: boolean) => {
        const model = plain();
        const { one } = layersOf(model);
        const optimizer = new nn.AdamW(model, { learningRate: 0.1, weightDecay: 0.1, maxGradientNorm: 0.2 });
        train(model, [optimizer], 2);
        one.weight.trainable = false;
        const x = w.ones([1, 2], { device: device! });
        const pass = () => w.tidy(() => w.backward(w.sum(model.call(x))));
        if (replays) {
          optimizer.prepare();
          const capture = device!.capture(() => {
            pass();
            optimizer.update();
          });
          for (let i = 1; i < 5; i++) {
            optimizer.prepare();
            capture.replay();
          }
          capture.dispose();
        } else {
          for (let i = 0; i < 5; i++) {
            pass();
            optimizer.step();
          }
        }
        // Two steps behind the others, the layer goes on from its own count.
        one.unfreeze();
        pass();
        optimizer.step();
        const states = await Promise.all(optimizer.stateArrays.map(storage => device!.read(storage)));
        const result = { values: await valuesOf(model), states, steps: Array.from(optimizer.parameterSteps) };
        for (const each of [x, optimizer, model]) each.dispose();
        return result;
      };
      const [replayed, eager] = [await run(true), await run(false)];
      expect(eager.steps).toEqual([3, 8, 8, 8]);
      expect(replayed).toEqual(eager);
    });

    test('one kernel where everything is reached, one per run of neighbours otherwise', async () => {
      const model = new nn.Sequential(Array.from({ length: 6 }, () => new nn.Linear(4, 4))).initialize({
        device: device!,
      });
      const layers = model.children().map(([, layer]) => layer as nn.Linear);
      const calls = async (weightDecay: number, steps = 1) => {
        const optimizer = new nn.SGD(model, { learningRate: 0.01, momentum: 0.9, weightDecay });
        const x = w.ones([1, 4], { device: device! });
        const entries = await device!.profile(() => {
          for (let i = 0; i < steps; i++) {
            w.tidy(() => w.backward(w.sum(model.call(x))));
            optimizer.step();
          }
        });
        for (const each of [x, optimizer]) each.dispose();
        return entries.filter(({ kernel }) => kernel === 'sgdStep').reduce((sum, { calls }) => sum + calls, 0);
      };
      expect(await calls(0)).toBe(1);
      expect(await calls(0.1, 3)).toBe(6);
      // The third layer rests: two runs of weights, two of biases.
      layers[2].freeze();
      expect(await calls(0.1)).toBe(4);
      layers[2].unfreeze();
      layers[0].freeze();
      expect(await calls(0.1)).toBe(2);
      model.dispose();
    });

    test('parameters without values', async () => {
      class Hollow extends nn.Module {
        before = new nn.Parameter([2], nn.constant(1));
        none = new nn.Parameter([0, 3], nn.heNormal());
        after = new nn.Parameter([2], nn.constant(1));
        last = new nn.Parameter([0], nn.constant(1), 'noDecay');
        forward(x: w.Tensor) {
          return w.add(w.mul(w.sum(this.before.value), w.sum(this.after.value)), w.add(x, w.sum(this.none.value)));
        }
      }
      const model = new Hollow().initialize({ device: device! });
      const make = [
        () => new nn.SGD(model, { learningRate: 0.5, weightDecay: 0.1, maxGradientNorm: 100 }),
        () => new nn.Adam([model.none, model.last], { learningRate: 0.5 }),
      ];
      for (const optimizer of make.map(one => one())) {
        w.tidy(() => w.backward(model.call(w.zeros([], { device: device! }))));
        optimizer.step();
        optimizer.dispose();
      }
      // Each 1 - 0.5 (2 + 0.1).
      for (const value of [...(await array(model.before.value)), ...(await array(model.after.value))]) {
        expect(value).toBeCloseTo(-0.05, 6);
      }
      model.dispose();
    });

    test('step counts that are put back part parameters that were counted together', async () => {
      const run = async (between: (optimizer: nn.Adam) => void) => {
        const model = new Vectors().initialize({ device: device! });
        const optimizer = new nn.Adam(model, { learningRate: 0.1 });
        for (let step = 0; step < 2; step++) {
          model.backward('abc', step, device!);
          optimizer.step();
        }
        between(optimizer);
        model.backward('abc', 2, device!);
        optimizer.step();
        const result = { values: await valuesOf(model), steps: Array.from(optimizer.parameterSteps) };
        for (const each of [optimizer, model]) each.dispose();
        return result;
      };
      const plainly = await run(() => {});
      const parted = await run(optimizer => {
        optimizer.parameterSteps = [2, 0, 2];
      });
      expect(parted.steps).toEqual([3, 1, 3]);
      const [a, b, c] = [0, 64, 128].map(at => [parted.values[at], plainly.values[at]]);
      // Only b, which counts from the beginning again, takes another step.
      expect([a[0], c[0]]).toEqual([a[1], c[1]]);
      expect(Math.abs(b[0] - b[1])).toBeGreaterThan(1e-3);
    });

    test('a step that is refused inside a capture is not counted', async () => {
      const model = plain();
      const optimizer = new nn.Adam(model, { learningRate: 0.1 });
      train(model, [optimizer], 2);
      const before = [await valuesOf(model), optimizer.stepCount];
      const x = w.ones([1, 2], { device: device! });
      w.tidy(() => w.backward(w.sum(model.call(x))));
      expect(() => device!.capture(() => optimizer.step())).toThrow(/write.*inside a capture/);
      expect([await valuesOf(model), optimizer.stepCount]).toEqual(before);
      for (const each of [x, optimizer, model]) each.dispose();
    });

    test('after dispose, or over a model that is gone, a step says so and changes nothing', async () => {
      const model = plain();
      await settle();
      const begun = device!.memory().liveAllocations;
      const [gone, stale] = [new nn.SGD(model, { learningRate: 0.1 }), new nn.Adam(model, { learningRate: 0.1 })];
      gone.dispose();
      gone.dispose();
      expect(() => gone.step()).toThrow(/SGD: this optimizer has been disposed/);
      model.dispose();
      model.initialize({ seed: 9, device: device! });
      const before = await valuesOf(model);
      expect(() => train(model, [stale])).toThrow(
        /Adam: the model's parameters were freed or laid out.*make a new one/,
      );
      expect(stale.stepCount).toBe(0);
      expect(await valuesOf(model)).toEqual(before);
      stale.dispose();
      expect(device!.memory().liveAllocations).toBe(begun);
      const last = new nn.SGD(model, { learningRate: 0.1 });
      model.dispose();
      model.dispose();
      expect(() => last.step()).toThrow(UsageError);
      last.dispose();
    });
  });
}
