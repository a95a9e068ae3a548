/** The tape's promises: hooks, inner values, rules, lifetimes, errors. */
import { beforeEach, describe, expect, test } from 'vitest';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import * as w from '../../src/index.ts';

let device: ReferenceDevice;
beforeEach(() => {
  device = new ReferenceDevice();
  w.setDevice(device);
});

// + 0 turns -0 into 0, which toEqual tells apart.
const read = async (x: w.Tensor) => Array.from(await x.data(), value => value + 0);

describe('gradients', () => {
  test('of a value used twice add up', async () => {
    const x = w.tensor([3]);
    const [g] = w.grad(() => w.sum(w.add(w.mul(x, x), w.mul(x, 5))), [x]);
    expect(await read(g)).toEqual([11]);
  });

  test('are zeros for what the value does not depend on', async () => {
    const [x, y] = [w.tensor([1, 2]), w.tensor([3, 4])];
    const grads = w.grad(() => w.sum(x), [x, y]);
    expect(await read(grads[1])).toEqual([0, 0]);
  });

  test('of inner values are those of the values themselves', async () => {
    const x = w.watch(w.tensor([1, -2]));
    const h = w.square(x);
    const y = w.sum(w.mul(h, 3));
    const [dh, dx] = w.gradients(y, [h, x]);
    expect(await read(dh)).toEqual([3, 3]);
    expect(await read(dx)).toEqual([6, -12]);
  });

  test('a third derivative', async () => {
    const x = w.tensor([2]);
    const f = (order: number): w.Tensor =>
      order === 0 ? w.sum(w.pow(x, 5)) : w.sum(w.grad(() => f(order - 1), [x], { createGraph: true })[0]);
    expect((await read(f(3)))[0]).toBeCloseTo(60 * 4, 9);
  });

  test('stop at detach and under noGrad', async () => {
    const x = w.tensor([2]);
    const [g] = w.grad(() => w.sum(w.mul(w.detach(x), x)), [x]);
    expect(await read(g)).toEqual([2]);
    const [h] = w.grad(
      () =>
        w.sum(
          w.add(
            w.noGrad(() => w.square(x)),
            x,
          ),
        ),
      [x],
    );
    expect(await read(h)).toEqual([1]);
  });
});

describe('hooks', () => {
  test('see the gradient and may replace it', async () => {
    const x = w.watch(w.tensor([1, 2]));
    const h = w.mul(x, 2);
    const seen: number[][] = [];
    const remove = w.onGradient(h, gradient => {
      void gradient.data().then(values => seen.push(Array.from(values)));
      return w.mul(gradient, 10);
    });
    const y = w.sum(w.square(h));
    expect(await read(w.gradients(y, [x], { retainGraph: true })[0])).toEqual([80, 160]);
    expect(seen).toEqual([[4, 8]]);
    remove();
    expect(await read(w.gradients(y, [x])[0])).toEqual([8, 16]);
  });
});

describe('rules', () => {
  const guided: w.RuleSet = {
    rules: {
      relu: ({ inputs: [x], upstream }) => [
        w.mul(w.mul(upstream, w.cast(w.greater(x, 0), 'float32')), w.cast(w.greater(upstream, 0), 'float32')),
      ],
    },
  };

  test('replace the gradient of an op wherever it occurs', async () => {
    const x = w.tensor([1, 2, -3]);
    const f = () => w.sum(w.mul(w.relu(x), w.tensor([1, -1, 1])));
    expect(await read(w.grad(f, [x])[0])).toEqual([1, -1, 0]);
    expect(await read(w.grad(f, [x], { rules: guided })[0])).toEqual([1, 0, 0]);
  });

  test('reach into fused operations', async () => {
    const x = w.tensor([[1, 2]]);
    const m = w.tensor([
      [1, 0],
      [0, 1],
    ]);
    const f = () => w.sum(w.mul(w.matmul(x, m, { activation: 'relu' }), w.tensor([1, -1])));
    expect(await read(w.grad(f, [x])[0])).toEqual([1, -1]);
    expect(await read(w.grad(f, [x], { rules: guided })[0])).toEqual([1, 0]);
  });

  test('may build on the gradient they replace, step back, or speak for all others', async () => {
    const x = w.tensor([[1, -2]]);
    const m = w.tensor([
      [1, 0],
      [0, 1],
    ]);
    const f = () => w.sum(w.square(w.matmul(x, m, { activation: 'relu' })));
    const seen: string[] = [];
    const rules: w.RuleSet = {
      rules: {
        square: (context, { gradient }) => gradient(context).map(g => g && w.mul(g, 10)),
        matmul: () => undefined,
      },
      otherwise: (_, { name, isFused }) => {
        seen.push(isFused ? `${name}, fused` : name);
        return undefined;
      },
    };
    expect(await read(w.grad(f, [x], { rules })[0])).toEqual([20, 0]);
    expect(seen).toEqual(['sum', 'fusedMatmul, fused', 'relu']);
  });

  test('can insist on covering everything', () => {
    const x = w.tensor([1]);
    const strict: w.RuleSet = { ...guided, otherwise: 'throw' };
    expect(() => w.grad(() => w.sum(w.exp(x)), [x], { rules: strict })).toThrow(/do not cover (sum|exp)/);
  });
});

describe('lifetimes', () => {
  test('a backward pass frees what it used, and says so when asked again', () => {
    const x = w.watch(w.tensor([1, 2]));
    const y = w.sum(w.square(x));
    w.gradients(y, [x]);
    expect(() => w.gradients(y, [x])).toThrow(/retainGraph/);
  });

  test('tidy does not break the tape', async () => {
    const x = w.watch(w.tensor([1, 2]));
    const y = w.tidy(() => w.sum(w.square(w.mul(x, 3))));
    expect(await read(w.gradients(y, [x])[0])).toEqual([18, 36]);
  });

  test('a graph that is never differentiated goes with its tensors', () => {
    const x = w.watch(w.tensor([1, 2]));
    const before = device.memory().liveAllocations;
    const y = w.tidy(() => w.sum(w.exp(w.mul(x, 3))));
    expect(device.memory().liveAllocations).toBeGreaterThan(before);
    y.dispose();
    expect(device.memory().liveAllocations).toBe(before);
  });

  test('a chain longer than the call stack is freed', () => {
    const x = w.watch(w.tensor([1]));
    const before = device.memory().liveAllocations;
    const y = w.tidy(() => {
      let y: w.Tensor = x;
      for (let i = 0; i < 20_000; i++) y = w.affine(y, 1, 0);
      return y;
    });
    y.dispose();
    expect(device.memory().liveAllocations).toBe(before);
  });

  test('grad leaves nothing behind', () => {
    const x = w.tensor([1, 2]);
    const tensors = w.liveTensorCount();
    const { liveAllocations } = device.memory();
    for (let i = 0; i < 10; i++) w.dispose(...w.grad(() => w.sum(w.square(x)), [x]));
    expect(w.liveTensorCount()).toBe(tensors);
    expect(device.memory().liveAllocations).toBe(liveAllocations);
    expect(x.node).toBeUndefined();
  });
});

describe('mistakes', () => {
  test('a gradient of something that is not a scalar', () => {
    const x = w.tensor([1, 2]);
    expect(() => w.grad(() => w.square(x), [x])).toThrow(w.ShapeError);
  });
  test('an asynchronous function', () => {
    const x = w.tensor([1]);
    expect(() => w.grad((async () => w.sum(x)) as never, [x])).toThrow(/promise/);
    expect(() => w.tidy(async () => w.sum(x))).toThrow(/promise/);
    expect(() => w.noGrad(async () => w.sum(x))).toThrow(/promise/);
  });
  test('tensors of two devices', async () => {
    const other = new ReferenceDevice();
    const a = w.tensor([1]);
    const b = w.tensor([1], [1], { device: other });
    expect(() => w.add(a, b)).toThrow(/device/);
  });
  test('a disposed tensor', () => {
    const x = w.tensor([1, 2]);
    x.dispose();
    expect(() => w.sum(x)).toThrow(/disposed/);
  });
});
