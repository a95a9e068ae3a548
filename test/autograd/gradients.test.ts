/**
 * Every operation's gradient against central differences on the reference device (float64), three ways: as it is, as part
 * of a recorded backward pass, and with fused operations replaced by finer ones (a backward pass with rules). The inputs are
 * the examples of the operations' rows, away from kinks and ties; an operation without a row does not compile. Second
 * derivatives: second-derivatives.test.ts.
 */
import { describe, expect, test } from 'vitest';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import * as w from '../../src/index.ts';
import { asFunctionOf, carriesGradient, EXAMPLES, inputsOf, operandsOf } from '../support/examples.ts';

const device = new ReferenceDevice();
w.setDevice(device);

/** That the others let nothing pass is seen in rows.test.ts. */
const DIFFERENTIABLE = EXAMPLES.filter(({ example }) => example.inputs.some(carriesGradient));

type Function = (...operands: w.Tensor[]) => w.Tensor;

/** A scalar that depends on every element of f's value with a weight of its own. */
function weighted(f: Function): Function {
  return (...operands) => {
    const y = w.cast(f(...operands), 'float32');
    return w.sum(w.mul(y, w.randomNormal(y.shape, { seed: 99 })));
  };
}

describe('gradients equal finite differences', () => {
  for (const { name, example } of DIFFERENTIABLE) {
    test(name, async () => {
      const inputs = inputsOf(example, device);
      const f = weighted(asFunctionOf(example, inputs));
      for (const options of [{}, { createGraph: true }, { rules: { rules: {} } }]) {
        const result = await w.gradcheck(f, operandsOf(example, inputs), { ...options, maxElements: 40 });
        expect(result.error, JSON.stringify({ options, ...result })).toBeLessThan(1e-6);
      }
    });
  }
});

test('Hessian-vector product of a small convolutional network', async () => {
  const values = (shape: number[], seed: number) => w.randomUniform(shape, { seed, low: -2, high: 2 });
  const x = values([3, 6, 6, 1], 1);
  const labels = w.tensor(Int32Array.of(0, 2, 1));
  const parameters = [values([3, 3, 1, 4], 2), values([4], 3), values([4], 4), values([36, 3], 5), values([3], 6)];
  const loss = (...[f, gamma, beta, matrix, bias]: w.Tensor[]) => {
    const runningMean = w.zeros([4]);
    const runningVariance = w.ones([4]);
    const h = w.batchNorm(w.conv2d(x, f, { padding: 'same' }), gamma, beta, {
      runningMean,
      runningVariance,
      training: true,
      activation: 'relu',
    });
    return w.crossEntropy(w.matmul(w.flatten(w.maxPool2d(h, { kernel: 2 })), matrix, { bias }), labels, {
      smoothing: 0.1,
    });
  };
  const direction = parameters.map((p, i) => w.randomNormal(p.shape, { seed: 70 + i }));
  const slope = (...at: w.Tensor[]) =>
    w
      .grad(() => loss(...at), at, { createGraph: true })
      .map((gradient, i) => w.sum(w.mul(gradient, direction[i])))
      .reduce((a, b) => w.add(a, b));
  const result = await w.gradcheck(slope, parameters, { maxElements: 30 });
  expect(result.error, JSON.stringify(result)).toBeLessThan(1e-6);
});
