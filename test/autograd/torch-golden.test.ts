/**
 * Operations and their gradients against values that PyTorch computed in float64 (test/golden, made by
 * scripts/golden_values.py), on every device. PyTorch's layouts are converted at the border.
 */
import { afterAll, describe, expect, test } from 'vitest';
import type { Device } from '../../src/devices/device.ts';
import * as w from '../../src/index.ts';
import { nchwToNhwc, oihwToHwio } from '../../src/interop/index.ts';
import { Adam, AdamW, Module, Parameter, SGD } from '../../src/nn/index.ts';
import { openTestDevices } from '../support/devices.ts';
import { type GoldenCase, goldenCases } from '../support/golden.ts';

interface Values {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** The arrays of a golden case: `image` and `filter` convert layouts, `values` does not. */
class Golden {
  readonly #tensors: GoldenCase['tensors'];
  readonly device: Device;
  constructor({ tensors }: GoldenCase, device: Device) {
    this.#tensors = tensors;
    this.device = device;
  }
  values(name: string): Values {
    const { shape, values } = this.#tensors[name];
    return { shape, data: Float32Array.from(values) };
  }
  image(name: string): Values {
    const values = this.values(name);
    return values.shape.length === 4 ? (nchwToNhwc(values) as Values) : values;
  }
  filter(name: string): Values {
    return oihwToHwio(this.values(name)) as Values;
  }
  tensor({ shape, data }: Values): w.Tensor {
    return w.tensor(data, shape, { device: this.device });
  }
  labels(name: string): w.Tensor {
    const { shape, values } = this.#tensors[name];
    return w.tensor(Int32Array.from(values), shape, { device: this.device });
  }
}

/** Largest deviation over the scale of the expected values; NaN and infinities must be where they are expected. */
async function expectClose(actual: w.Tensor, expected: Values, tolerance: number, what: string): Promise<void> {
  const got = await actual.data();
  expect(got.length, what).toBe(expected.data.length);
  const scale = Math.max(1e-3, ...expected.data.filter(Number.isFinite).map(Math.abs));
  for (let i = 0; i < got.length; i++) {
    const error = Math.abs(got[i] - expected.data[i]) / scale;
    if (!(error <= tolerance)) expect.fail(`${what}: element ${i} is ${got[i]}, PyTorch has ${expected.data[i]}`);
  }
}

const pairOf = (value: unknown): [number, number] =>
  Array.isArray(value) ? [value[0], value[1]] : [value as number, value as number];

type Check = (golden: Golden, one: GoldenCase) => Promise<void>;

const conv2d: Check = async (g, one) => {
  const [x, f, b] = [g.tensor(g.image('x')), g.tensor(g.filter('w')), g.tensor(g.values('b'))];
  const options = {
    stride: pairOf(one.stride),
    padding: pairOf(one.padding),
    dilation: pairOf(one.dilation),
    groups: one.groups as number,
    bias: b,
  };
  const { value, grads } = w.valueAndGrad(() => w.conv2d(x, f, options), [x, f, b], {
    upstream: g.tensor(g.image('gy')),
  });
  // Winograd, where a device chooses it, costs a digit.
  await expectClose(value, g.image('y'), 1e-5, 'y');
  await expectClose(grads[0], g.image('gx'), 1e-5, 'gx');
  await expectClose(grads[1], g.filter('gw'), 1e-5, 'gw');
  await expectClose(grads[2], g.values('gb'), 5e-6, 'gb');
};

const batchNorm: Check = async (g, one) => {
  const [x, gamma, beta] = [g.tensor(g.image('x')), g.tensor(g.values('gamma')), g.tensor(g.values('beta'))];
  const runningMean = g.tensor(g.values('running_mean'));
  const runningVariance = g.tensor(g.values('running_var'));
  const shared = { runningMean, runningVariance, momentum: one.momentum as number, epsilon: one.eps as number };
  // PyTorch's evaluation used the statistics from before the training step.
  for (const training of [false, true]) {
    const suffix = training ? '' : '_eval';
    const upstream = g.tensor(g.image(`gy${suffix}`));
    const { value, grads } = w.valueAndGrad(
      () => w.batchNorm(x, gamma, beta, { ...shared, training }),
      [x, gamma, beta],
      { upstream },
    );
    await expectClose(value, g.image(`y${suffix}`), 2e-5, `y${suffix}`);
    await expectClose(grads[0], g.image(`gx${suffix}`), 3e-5, `gx${suffix}`);
    await expectClose(grads[1], g.values(`ggamma${suffix}`), 3e-5, `ggamma${suffix}`);
    await expectClose(grads[2], g.values(`gbeta${suffix}`), 2e-5, `gbeta${suffix}`);
    if (training) {
      await expectClose(runningMean, g.values('running_mean_after'), 1e-6, 'running mean');
      await expectClose(runningVariance, g.values('running_var_after'), 1e-5, 'running variance');
    }
  }
};

const pool =
  (op: (x: w.Tensor, options: { kernel: number; stride: number; padding: number }) => w.Tensor): Check =>
  async (g, one) => {
    const x = g.tensor(g.image('x'));
    const options = { kernel: one.kernel as number, stride: one.stride as number, padding: one.padding as number };
    const { value, grads } = w.valueAndGrad(() => op(x, options), [x], { upstream: g.tensor(g.image('gy')) });
    await expectClose(value, g.image('y'), 1e-6, 'y');
    await expectClose(grads[0], g.image('gx'), 1e-6, 'gx');
  };

const matmul: Check = async g => {
  const [a, b] = [g.tensor(g.values('x')), g.tensor(g.values('w'))];
  const { value, grads } = w.valueAndGrad(() => w.matmul(a, b), [a, b], { upstream: g.tensor(g.values('gy')) });
  await expectClose(value, g.values('y'), 2e-6, 'y');
  await expectClose(grads[0], g.values('gx'), 2e-6, 'gx');
  await expectClose(grads[1], g.values('gw'), 2e-6, 'gw');
};

const crossEntropy: Check = async (g, one) => {
  const [x, target] = [g.tensor(g.values('x')), g.labels('target')];
  const { value, grads } = w.valueAndGrad(
    () => w.crossEntropy(x, target, { smoothing: one.label_smoothing as number }),
    [x],
  );
  await expectClose(value, g.values('loss'), 2e-6, 'loss');
  await expectClose(grads[0], g.values('gx'), 2e-6, 'gx');
  await expectClose(w.logSoftmax(x), g.values('log_softmax'), 2e-6, 'log softmax');
};

const ACTIVATIONS = {
  relu: w.relu,
  leaky_relu: w.leakyRelu,
  elu: w.elu,
  gelu: w.gelu,
  silu: w.silu,
  tanh: w.tanh,
  sigmoid: w.sigmoid,
  softplus: w.softplus,
};

const activation: Check = async (g, one) => {
  const x = g.tensor(g.values('x'));
  const f = ACTIVATIONS[one.op as keyof typeof ACTIVATIONS];
  const { value, grads } = w.valueAndGrad(() => f(x), [x], { upstream: g.tensor(g.values('gy')) });
  await expectClose(value, g.values('y'), 2e-6, 'y');
  await expectClose(grads[0], g.values('gx'), 4e-6, 'gx');
};

/** One parameter and nothing else. */
class Vector extends Module {
  readonly weight: Parameter;
  constructor(values: Float32Array) {
    super();
    this.weight = new Parameter([values.length], array => array.set(values));
  }
  forward(x: w.Tensor): w.Tensor {
    return w.mul(this.weight.value, x);
  }
}

interface TorchOptimizerOptions {
  lr: number;
  momentum?: number;
  nesterov?: boolean;
  weight_decay?: number;
  betas?: [number, number];
}

const optimizer: Check = async (g, one) => {
  const model = new Vector(g.values('p0').data).initialize({ device: g.device });
  const {
    lr: learningRate,
    weight_decay: weightDecay,
    betas,
    momentum,
    nesterov,
  } = one.options as TorchOptimizerOptions;
  const kind = one.kind as string;
  const made = kind.startsWith('sgd')
    ? new SGD(model, { learningRate, weightDecay, momentum, nesterov })
    : new (kind === 'adamw' ? AdamW : Adam)(model, { learningRate, weightDecay, betas });
  const {
    shape: [steps, size],
    data,
  } = g.values('grads');
  const trajectory = g.values('trajectory').data;
  for (let step = 0; step < steps; step++) {
    // The gradient of sum(parameter * x) is x.
    const x = g.tensor({ shape: [size], data: data.slice(step * size, (step + 1) * size) });
    w.backward(w.sum(model.call(x)));
    made.step();
    const expected = { shape: [size], data: trajectory.slice(step * size, (step + 1) * size) };
    await expectClose(model.weight.value, expected, 3e-6, `step ${step}`);
  }
  made.dispose();
};

const CHECKS: Record<string, Check> = {
  conv2d,
  batch_norm: batchNorm,
  max_pool2d: pool(w.maxPool2d),
  avg_pool2d: pool(w.avgPool2d),
  matmul,
  cross_entropy: crossEntropy,
  optimizer,
  ...Object.fromEntries(Object.keys(ACTIVATIONS).map(op => [op, activation])),
};

test('every golden operation has a check, and every check a golden operation', () => {
  expect(new Set(goldenCases.map(({ op }) => op))).toEqual(new Set(Object.keys(CHECKS)));
});

for (const { name: deviceName, device } of await openTestDevices()) {
  describe.skipIf(!device)(`PyTorch's values within rounding: ${deviceName}`, () => {
    afterAll(() => device?.destroy());
    for (const one of goldenCases) test(one.name, () => CHECKS[one.op](new Golden(one, device!), one));
  });
}
