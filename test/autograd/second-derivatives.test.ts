/**
 * Second derivatives with respect to values that the first pass did not ask for: what a penalty on input gradients needs
 * of the weights. For every operation and every subset of its inputs, and for whole models, against central differences
 * on the reference device.
 */
import { describe, expect, test } from 'vitest';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import * as w from '../../src/index.ts';
import { cnn, type Module, miniResNet } from '../../src/nn/index.ts';
import { asFunctionOf, carriesGradient, EXAMPLES, inputsOf, operandsOf } from '../support/examples.ts';

const device = new ReferenceDevice();
w.setDevice(device);

/** Every non-empty subset of 0 .. n - 1. */
function subsets(n: number): number[][] {
  const all = Array.from({ length: n }, (_, i) => i);
  return Array.from({ length: 2 ** n - 1 }, (_, bits) => all.filter(i => ((bits + 1) >> i) & 1));
}

/** Values with |x| in [0.2, 2]. */
function values(shape: readonly number[], seed: number): w.Tensor {
  const magnitudes = w.randomUniform(shape, { seed, stream: 1, low: 0.2, high: 2 });
  return w.mul(magnitudes, w.sign(w.randomNormal(shape, { seed, stream: 2 })));
}

type Function = (...operands: w.Tensor[]) => w.Tensor;

async function expectSecondDerivatives(f: Function, operands: readonly w.Tensor[]): Promise<void> {
  const directions = operands.map((x, i) => w.randomNormal(x.shape, { seed: 50 + i }));
  for (const subset of subsets(operands.length)) {
    const slope = (...at: w.Tensor[]) => {
      const asked = subset.map(i => at[i]);
      const grads = w.grad(() => w.sum(w.square(w.cast(f(...at), 'float32'))), asked, { createGraph: true });
      return grads.map((g, i) => w.sum(w.mul(g, directions[subset[i]]))).reduce((a, b) => w.add(a, b), w.scalar(0));
    };
    const result = await w.gradcheck(slope, operands, { maxElements: subset.length === operands.length ? 12 : 4 });
    expect(result.error, JSON.stringify({ subset, ...result })).toBeLessThan(1e-6);
  }
}

describe('first derivatives by some inputs, then by all of them', () => {
  for (const { name, example } of EXAMPLES) {
    if (!example.inputs.some(carriesGradient)) continue;
    test(name, async () => {
      const inputs = inputsOf(example, device);
      await expectSecondDerivatives(asFunctionOf(example, inputs), operandsOf(example, inputs));
    });
  }

  test('batchNormEval, by its statistics', async () => {
    const batchNorm: Function = (x, gamma, beta, runningMean, runningVariance) =>
      w.batchNorm(x, gamma, beta, { runningMean, runningVariance, training: false, activation: 'relu' });
    const operands = [values([2, 5, 6, 3], 13), values([3], 2), values([3], 6), values([3], 7), w.abs(values([3], 8))];
    await expectSecondDerivatives(batchNorm, operands);
  });
});

/** The squared norm of the gradient at `x0` of the model's outputs, as a function of the parameters. */
function penalty(model: Module, x0: w.Tensor): w.Tensor {
  const x = w.watch(w.clone(x0));
  const y = w.sum(w.square(model.call(x)));
  const [gradient] = w.gradients(y, [x], { createGraph: true });
  return w.sum(w.square(gradient));
}

describe('penalty on the input gradients of a model, by its parameters', () => {
  const models: Record<string, () => Module> = {
    cnn: () => cnn({ imageShape: [6, 6, 1], widths: [2, 3], depth: 1, hidden: 4, classes: 3, activation: 'relu' }),
    'mini-resnet': () => miniResNet({ blocks: [1, 1], widths: [2, 3], classes: 3, activation: 'relu' }),
  };
  for (const [name, build] of Object.entries(models)) {
    for (const training of [true, false]) {
      test(`${name}, ${training ? 'training' : 'evaluation'}`, async () => {
        const model = build().initialize({ seed: 3 }).train(training);
        const x0 = values([3, 6, 6, 1], 1);
        w.tidy(() => w.backward(penalty(model, x0)));
        const at = (parameter: string, values: Float64Array) => {
          model.arena.write(parameter, values);
          return w.tidy(() => penalty(model, x0)).item();
        };
        for (const [parameter, { value, gradient }] of model.namedParameters()) {
          const analytic = Array.from(await gradient.data());
          const here = Float64Array.from(await value.data());
          const direction = Float64Array.from(await w.randomNormal([here.length], { seed: 8 }).data());
          const moved = (step: number) => here.map((v, i) => v + step * direction[i]);
          // Small enough to cross no kink of a relu.
          const step = 1e-6;
          const numeric = ((await at(parameter, moved(step))) - (await at(parameter, moved(-step)))) / (2 * step);
          await at(parameter, here);
          const slope = analytic.reduce((total, g, i) => total + g * direction[i], 0);
          expect(Math.abs(slope - numeric), `${parameter}: ${slope}, numeric ${numeric}`).toBeLessThan(
            1e-5 * Math.max(1, Math.abs(numeric)),
          );
        }
        model.dispose();
      });
    }
  }
});

test('a rule may build on the gradient of a fused operation in a recorded pass', async () => {
  const [x, matrix, bias] = [values([3, 4], 1), values([4, 2], 2), values([2], 3)];
  const slope = (twice: boolean) => {
    const f = () => w.sum(w.square(w.matmul(x, matrix, { bias, activation: 'relu' })));
    const rules: w.RuleSet = {
      rules: {
        fusedMatmul: (context, { gradient }) =>
          gradient({ ...context, upstream: w.mul(context.upstream, 2) }).map(g => g),
      },
    };
    const options = twice ? { createGraph: true, rules } : { createGraph: true };
    return w.grad(() => w.sum(w.square(w.grad(f, [x], options)[0])), [x, matrix, bias]);
  };
  const [plain, ruled] = [slope(false), slope(true)];
  for (let i = 0; i < 3; i++) {
    const expected = Array.from(await plain[i].data(), value => 4 * value);
    const actual = Array.from(await ruled[i].data());
    actual.forEach((value, j) => {
      expect(value).toBeCloseTo(expected[j], 9);
    });
  }
});

test('backward refuses to record: what it collects is memory, not a place on the tape', () => {
  const model = cnn({ imageShape: [4, 4, 1], widths: [2], depth: 1, hidden: 4 }).initialize({ seed: 1 });
  const y = w.sum(model.call(values([2, 4, 4, 1], 1)));
  expect(() => w.backward(y, { createGraph: true } as w.BackwardOptions)).toThrow(
    /gradients\(y, parameters, { createGraph: true }\)/,
  );
  model.dispose();
});
