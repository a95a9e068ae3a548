/**
 * Memory that changes in place: whoever kept an alias of it, or saved it for a gradient, is told instead of given other
 * numbers. Expected values are closed forms.
 */
import { afterAll, describe, expect, test } from 'vitest';
import * as w from '../../src/index.ts';
import * as nn from '../../src/nn/index.ts';
import { openTestDevices } from '../support/devices.ts';

const devices = await openTestDevices();
afterAll(() => Promise.all(devices.map(({ device }) => device?.destroy())));

const read = async (x: w.Tensor) => Array.from(await x.data(), value => value + 0);

/** y = x W without bias, W = [1, 2]. */
function linear(device: w.Device): nn.Linear {
  const model = new nn.Linear(2, 1, { bias: false }).initialize({ device });
  model.arena.write('weight', Float32Array.of(1, 2));
  return model;
}

/** One step that takes 1 from every weight. */
function step(model: nn.Linear): void {
  const optimizer = new nn.SGD(model, { learningRate: 1 });
  w.backward(w.sum(model.call(w.ones([1, 2], { device: model.device }))));
  optimizer.step();
  optimizer.dispose();
}

const OVERWRITTEN = /overwritten in place.*clone\(x\)/;
const SAVED = /saved for its gradient has been overwritten in place.*clone\(x\)/;

for (const { name, device } of devices) {
  describe.skipIf(!device)(`on ${name}`, () => {
    const on = { device: device! };
    const vector = (...values: number[]) => w.tensor(values, [values.length], on);

    describe('a graph whose saved values were overwritten', () => {
      test('by an optimizer step', async () => {
        const model = linear(device!);
        const x = w.watch(w.tensor([[10, 20]], undefined, on));
        const y = w.sum(model.call(x));
        step(model);
        expect(await read(y)).toEqual([50]);
        expect(() => w.gradients(y, [x])).toThrow(SAVED);
        expect(() => w.gradients(w.sum(model.call(x)), [x], { createGraph: true })).not.toThrow();
        expect(await read(w.gradients(w.sum(model.call(x)), [x])[0])).toEqual([0, 1]);
      });

      test('names the operation and its module', () => {
        const model = new nn.Sequential({ head: new nn.Linear(2, 1) }).initialize(on);
        const x = w.watch(w.ones([1, 2], on));
        const y = w.sum(model.call(x));
        model.arena.write('head.weight', Float32Array.of(1, 2));
        expect(() => w.gradients(y, [x])).toThrow(/fusedMatmul \(head\)/);
      });

      test('a recorded pass, and a second pass over a retained graph', () => {
        const model = linear(device!);
        const x = w.watch(w.ones([1, 2], on));
        const [once, again] = [w.sum(model.call(x)), w.sum(model.call(x))];
        w.gradients(again, [x], { retainGraph: true });
        step(model);
        expect(() => w.gradients(once, [x], { createGraph: true })).toThrow(SAVED);
        expect(() => w.gradients(again, [x])).toThrow(SAVED);
      });

      test('a first derivative that was recorded before', async () => {
        const model = linear(device!);
        const x = w.watch(w.tensor([[1, 1]], undefined, on));
        const [slope] = w.gradients(w.sum(w.square(model.call(x))), [x], { createGraph: true });
        step(model);
        expect(await read(slope)).toEqual([6, 12]);
        expect(() => w.gradients(w.sum(w.square(slope)), [x])).toThrow(SAVED);
      });

      test('does not matter where the gradient does not need them', async () => {
        const shift = vector(1, 2);
        const x = w.watch(vector(5, 6));
        const bias = vector(1);
        const matrix = w.tensor([[3], [4]], undefined, on);
        const y = w.sum(w.add(x, shift));
        const z = w.sum(w.matmul(w.reshape(x, [1, 2]), matrix, { bias, activation: 'relu' }));
        device!.write(shift.storage, Float32Array.of(7, 7));
        device!.write(bias.storage, Float32Array.of(7));
        expect(await read(w.gradients(y, [x])[0])).toEqual([1, 1]);
        expect(await read(w.gradients(z, [x])[0])).toEqual([3, 4]);
      });

      test('by a write, by a copy, by the exchange with an average, by initialising again', () => {
        const changes: Record<string, (model: nn.Linear) => void> = {
          write: model => model.arena.write('weight', Float32Array.of(3, 3)),
          copy: model => device!.copy(w.ones([2], on).storage, model.weight.value.storage),
          swap: model => new nn.ExponentialMovingAverage(model, 0.9).swap(),
          initialize: model => model.initialize({ seed: 5, device: device! }),
        };
        for (const [what, change] of Object.entries(changes)) {
          const model = linear(device!);
          const x = w.watch(w.ones([1, 2], on));
          const y = w.sum(model.call(x));
          change(model);
          expect(() => w.gradients(y, [x]), what).toThrow(SAVED);
        }
      });

      test('by a replay', async () => {
        const model = linear(device!);
        const optimizer = new nn.SGD(model, { learningRate: 1 });
        const batch = w.ones([1, 2], on);
        optimizer.prepare();
        const capture = device!.capture(() => {
          w.tidy(() => w.backward(w.sum(model.call(batch))));
          optimizer.update();
        });
        const x = w.watch(w.ones([1, 2], on));
        const y = w.sum(model.call(x));
        const kept = w.detach(model.weight.value);
        expect(await read(kept)).toEqual([0, 1]);
        optimizer.prepare();
        capture.replay();
        expect(() => w.gradients(y, [x])).toThrow(SAVED);
        expect(() => w.add(kept, 1)).toThrow(OVERWRITTEN);
        expect(await read(model.weight.value)).toEqual([-1, 0]);
        capture.dispose();
      });

      test('by batch norm in training, after an evaluation with the same statistics', async () => {
        const [runningMean, runningVariance] = [vector(0), vector(1)];
        const statistics = { runningMean, runningVariance, epsilon: 0 };
        const x = w.watch(w.tensor([[3], [5]], undefined, on));
        const y = w.sum(w.batchNorm(x, vector(1), vector(0), { ...statistics, training: false }));
        w.batchNorm(w.tensor([[0], [20]], undefined, on), vector(1), vector(0), { ...statistics, training: true });
        expect(() => w.gradients(y, [x])).toThrow(SAVED);
        // The statistics themselves read as they are: a tenth of the way to 10, and to 200.
        expect((await read(runningMean))[0]).toBeCloseTo(1, 5);
        expect((await read(runningVariance))[0]).toBeCloseTo(20.9, 4);
      });
    });

    describe('an alias of memory that was overwritten', () => {
      test('reads as an error; its copy and the parameter do not', async () => {
        const model = linear(device!);
        const { value } = model.weight;
        const aliases = {
          detach: w.detach(value),
          reshape: w.reshape(value, [-1]),
          twice: w.detach(w.reshape(value, [1, 2])),
          flatten: w.flatten(value, 0),
        };
        const copy = w.detach(w.clone(value));
        for (const alias of Object.values(aliases)) expect(await read(alias)).toEqual([1, 2]);
        step(model);
        for (const [how, alias] of Object.entries(aliases)) {
          await expect((async () => alias.data())(), how).rejects.toThrow(OVERWRITTEN);
          expect(() => w.mul(alias, 2), how).toThrow(OVERWRITTEN);
          expect(() => w.reshape(alias, [2, 1]), how).toThrow(OVERWRITTEN);
          expect(() => w.clone(alias), how).toThrow(OVERWRITTEN);
        }
        expect(await read(copy)).toEqual([1, 2]);
        expect(await read(value)).toEqual([0, 1]);
        expect(await read(w.reshape(value, [-1]))).toEqual([0, 1]);
      });

      test('a gradient that was kept, after the next backward pass', async () => {
        const model = linear(device!);
        const x = w.tensor([[10, 20]], undefined, on);
        w.backward(w.sum(model.call(x)));
        const kept = w.detach(model.weight.gradient);
        expect(await read(kept)).toEqual([10, 20]);
        w.backward(w.sum(model.call(x)));
        await expect((async () => kept.data())()).rejects.toThrow(OVERWRITTEN);
        expect(await read(model.weight.gradient)).toEqual([20, 40]);
      });

      test('may be written through: who does so knows what it holds', async () => {
        const x = vector(1, 2);
        const [y, z] = [w.detach(x), w.detach(x)];
        device!.write(y.storage, Float32Array.of(3, 4));
        expect(await read(y)).toEqual([3, 4]);
        expect(await read(x)).toEqual([3, 4]);
        expect(() => w.add(z, 1)).toThrow(OVERWRITTEN);
      });

      test('a clone is differentiable', async () => {
        const x = vector(1, 2);
        const f = () => w.sum(w.mul(w.clone(x), w.square(x)));
        expect(await read(w.grad(f, [x])[0])).toEqual([3, 12]);
        const twice = () => w.sum(w.grad(f, [x], { createGraph: true })[0]);
        expect(await read(w.grad(twice, [x])[0])).toEqual([6, 12]);
      });
    });

    describe('only the bytes that were written count', () => {
      test('a write to one parameter leaves the others alone', async () => {
        const model = new nn.Sequential({ first: new nn.Linear(1, 1), second: new nn.Linear(1, 1) }).initialize(on);
        for (const name of ['first', 'second']) model.arena.write(`${name}.weight`, Float32Array.of(3));
        const x = w.watch(w.ones([1, 1], on));
        const second = model.children()[1][1];
        const y = w.sum(second.call(x));
        const kept = w.reshape(model.namedParameters()[2][1].value, [-1]);
        model.arena.write('first.weight', Float32Array.of(4));
        model.arena.write('first.bias', Float32Array.of(4));
        expect(await read(w.gradients(y, [x])[0])).toEqual([3]);
        expect(await read(kept)).toEqual([3]);
      });

      test('frozen beside training batch norm, constants beside both', async () => {
        const layers = {
          normalize: new nn.Normalize([1], [2]),
          frozen: new nn.BatchNorm2d(1, { epsilon: 1e-9 }),
          training: new nn.BatchNorm2d(1, { epsilon: 1e-9 }),
        };
        const model = new nn.Sequential(layers).initialize(on);
        layers.frozen.eval();
        model.arena.write('frozen.runningVariance', Float32Array.of(0.25));
        const x = w.watch(w.tensor([[1], [3], [8]], undefined, on));
        // (x - 1) / 2 = 0, 1, 3.5, over 1/2: 0, 2, 7; training norm: mean 3, variance 26/3.
        const y = model.call(x);
        const weights = w.tensor([[1], [0], [0]], undefined, on);
        const [gradient] = w.gradients(w.sum(w.mul(y, weights)), [x]);
        // d y0 / d x_j = scale / s (delta_0j - 1/3 - (h0 - m)(h_j - m) / (3 s^2)), with scale 1 (= 1/2 over 1/2).
        const s = Math.sqrt(26 / 3);
        const expected = [0, 2, 7].map((h, j) => ((j === 0 ? 1 : 0) - 1 / 3 - (-3 * (h - 3)) / 26) / s);
        (await read(gradient)).forEach((value, j) => {
          expect(value).toBeCloseTo(expected[j], 5);
        });
      });

      test('another row of the same kind: two models, one trains on', () => {
        const [a, b] = [linear(device!), linear(device!)];
        const x = w.watch(w.ones([1, 2], on));
        const y = w.sum(a.call(x));
        step(b);
        expect(() => w.gradients(y, [x])).not.toThrow();
      });

      test('an optimizer step on some of the parameters', async () => {
        const model = new nn.Sequential({ body: new nn.Linear(2, 1), head: new nn.Linear(1, 1) }).initialize(on);
        model.arena.write('body.weight', Float32Array.of(1, 2));
        const [body, head] = model.children().map(([, child]) => child) as nn.Linear[];
        const x = w.watch(w.ones([1, 2], on));
        const throughBody = w.sum(body.call(x));
        const throughHead = w.sum(head.call(body.call(x)));
        // What an optimizer over the head alone runs: its kernel on that part of the arena.
        const { storage } = head.weight.value;
        device!.copy(w.ones([1], on).storage, storage);
        expect(await read(w.gradients(throughBody, [x])[0])).toEqual([1, 2]);
        expect(() => w.gradients(throughHead, [x])).toThrow(/\(head\) saved/);
      });
    });

    describe('captures', () => {
      test('what is made inside is made again by every replay', async () => {
        const x = vector(1, 2);
        let y!: w.Tensor;
        let flat!: w.Tensor;
        let outside!: w.Tensor;
        const capture = device!.capture(() => {
          y = w.mul(x, 2);
          flat = w.reshape(y, [2, 1]);
          outside = w.reshape(x, [2, 1]);
        });
        const before = w.detach(y);
        expect(await read(flat)).toEqual([2, 4]);
        device!.write(x.storage, Float32Array.of(5, 6));
        expect(() => w.add(outside, 0)).toThrow(OVERWRITTEN);
        expect(await read(before)).toEqual([2, 4]);
        capture.replay();
        expect(await read(y)).toEqual([10, 12]);
        expect(await read(flat)).toEqual([10, 12]);
        expect(await read(outside)).toEqual([5, 6]);
        expect(() => w.add(before, 0)).toThrow(OVERWRITTEN);
        capture.replay();
        expect(await read(flat)).toEqual([10, 12]);
        w.dispose(y, flat, outside, before);
        capture.dispose();
      });

      test('a graph that was recorded inside is that of the last replay', async () => {
        const x = w.watch(vector(1, 2));
        let y!: w.Tensor;
        const capture = device!.capture(() => {
          y = w.tidy(() => w.sum(w.square(w.mul(x, 3))));
        });
        const slope = async () => read(w.gradients(y, [x], { retainGraph: true })[0]);
        expect(await slope()).toEqual([18, 36]);
        device!.write(x.storage, Float32Array.of(2, 3));
        capture.replay();
        expect(await slope()).toEqual([36, 54]);
        y.dispose();
        capture.dispose();
      });

      test('outputs of a disposed one are refused, its memory serves others', async () => {
        const x = w.ones([64], on);
        let y!: w.Tensor;
        const capture = device!.capture(() => {
          y = w.mul(x, 2);
        });
        const [flat, copy] = [w.reshape(y, [8, 8]), w.clone(y)];
        capture.dispose();
        const others = Array.from({ length: 8 }, (_, i) => w.full([64], 100 + i, on));
        for (const output of [y, flat]) {
          await expect((async () => output.data())()).rejects.toThrow(/capture that was disposed.*clone\(x\)/);
          expect(() => w.add(output, 0)).toThrow(/capture that was disposed/);
        }
        expect(() => device!.write(y.storage, new Float32Array(64))).toThrow(/capture that was disposed/);
        expect(() => device!.copy(x.storage, y.storage)).toThrow(/capture that was disposed/);
        expect((await read(copy))[0]).toBe(2);
        w.dispose(y, flat);
        for (const [i, other] of others.entries()) expect((await read(other))[63]).toBe(100 + i);
      });

      test('one that failed leaves no memory behind, and what it made is refused', () => {
        const x = w.ones([4], on);
        const before = device!.memory().liveAllocations;
        let y!: w.Tensor;
        expect(() =>
          device!.capture(() => {
            y = w.tidy(() => w.mul(w.add(x, 1), 2));
            throw new Error('no');
          }),
        ).toThrow('no');
        expect(() => w.add(y, 1)).toThrow(/capture that was disposed/);
        y.dispose();
        expect(device!.memory().liveAllocations).toBe(before);
        expect(() => device!.capture(() => w.dispose(w.add(x, 1))).dispose()).not.toThrow();
      });
    });
  });
}
