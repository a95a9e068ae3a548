/**
 * Every operation's gradient against central differences on the reference device (float64), three ways: as it is, as part
 * of a recorded backward pass, and with fused operations replaced by finer ones (a backward pass with rules). Inputs stay
 * away from kinks and ties.
 */
import { describe, expect, test } from 'vitest';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import * as w from '../../src/index.ts';

const device = new ReferenceDevice();
w.setDevice(device);

/** Values with |x| in [0.2, 2]: away from the kinks at 0 and, almost surely, from ties. */
function values(shape: readonly number[], seed: number, sign: 'both' | 'positive' = 'both'): w.Tensor {
  const magnitude = w.randomUniform(shape, { seed, stream: 1, low: 0.2, high: 2 });
  if (sign === 'positive') return magnitude;
  const signs = w.sign(w.randomNormal(shape, { seed, stream: 2 }));
  return w.mul(magnitude, signs);
}

/** Values a tenth apart, in no order: no two come near a tie. */
function spaced(shape: readonly number[]): w.Tensor {
  const size = shape.reduce((product, extent) => product * extent, 1);
  return w.tensor(
    Float32Array.from({ length: size }, (_, i) => ((i * 37) % size) / 10 - 3),
    shape,
  );
}

const indices = (list: number[]): w.Tensor => w.tensor(Int32Array.from(list));
const x234 = () => values([2, 3, 4], 1);
const image = (channels = 2) => values([2, 5, 6, channels], 3);

type Case = [name: string, f: (...xs: w.Tensor[]) => w.Tensor, inputs: () => w.Tensor[]];

const UNARY: Case[] = (
  [
    'relu',
    'leakyRelu',
    'elu',
    'gelu',
    'silu',
    'tanh',
    'sigmoid',
    'softplus',
    'exp',
    'square',
    'abs',
    'neg',
    'sin',
    'cos',
    'erf',
    'reciprocal',
  ] as const
).map(op => [op, x => w.unary(op, x), () => [x234()]]);

const POSITIVE: Case[] = (['log', 'sqrt', 'rsqrt'] as const).map(op => [
  op,
  x => w.unary(op, x),
  () => [values([2, 3], 5, 'positive')],
]);

const FLAT: Case[] = (['sign', 'floor', 'ceil', 'round'] as const).map(op => [
  op,
  x => w.unary(op, x),
  () => [values([7], 5)],
]);

const broadcastPair = () => [values([2, 1, 4], 1), values([3, 1], 2)];

const CASES: Case[] = [
  ...UNARY,
  ...POSITIVE,
  ...FLAT,
  ['leakyRelu 0.3', x => w.leakyRelu(x, 0.3), () => [x234()]],
  ['elu 0.5', x => w.elu(x, 0.5), () => [x234()]],
  ['affine', x => w.affine(x, -2.5, 0.25), () => [x234()]],
  ['numbers', x => w.sub(3, w.mul(w.add(x, 1), 2)), () => [x234()]],
  ['add', w.add, broadcastPair],
  ['sub', w.sub, broadcastPair],
  ['mul', w.mul, broadcastPair],
  ['mul by itself', x => w.mul(x, x), () => [x234()]],
  ['div', w.div, broadcastPair],
  ['pow', w.pow, () => [values([2, 3], 7, 'positive'), values([3], 8)]],
  ['maximum', w.maximum, broadcastPair],
  ['minimum', w.minimum, broadcastPair],
  ['where', (a, b) => w.where(w.greater(a, 0.5), a, b), () => [values([2, 3], 1), values([3], 2)]],
  ['clamp', x => w.clamp(x, -1.1, 0.9), () => [x234()]],
  ['cast', x => w.cast(w.cast(x, 'float32'), 'float32'), () => [x234()]],
  ['reshape', x => w.reshape(x, [4, -1]), () => [x234()]],
  ['transpose', x => w.transpose(x, [2, 0, 1]), () => [x234()]],
  ['slice', x => w.slice(x, [0, 1, 3], [2, 2, 2], [1, 1, -2]), () => [x234()]],
  ['flip', x => w.flip(x, [1, -1]), () => [x234()]],
  ['concat', (a, b) => w.concat([a, b, a], 1), () => [values([2, 1, 4], 1), values([2, 2, 4], 2)]],
  ['stack', (a, b) => w.stack([a, b], 1), () => [values([2, 3], 1), values([2, 3], 2)]],
  ['pad', x => w.pad(x, [1, 0, 2], [0, 1, 1], { value: 3 }), () => [x234()]],
  ['gather', x => w.gather(x, indices([2, 0, 2, 1]), 1), () => [x234()]],
  ['scatterAdd', x => w.scatterAdd(x, indices([1, 4, 1]), 5, 1), () => [x234()]],
  ['broadcastTo', x => w.broadcastTo(x, [2, 3, 4]), () => [values([3, 1], 1)]],
  ['sum', x => w.sum(x, [0, 2]), () => [x234()]],
  ['mean', x => w.mean(x, 1, true), () => [x234()]],
  ['max', x => w.max(x, [1, 2]), () => [x234()]],
  ['min', x => w.min(x, -1, true), () => [x234()]],
  ['prod', x => w.prod(x, 1), () => [x234()]],
  ['sumOfSquares', x => w.sumOfSquares(x, 0), () => [x234()]],
  ['variance', x => w.variance(x, [0, 1], { unbiased: true }), () => [x234()]],
  ['matmul', (a, b) => w.matmul(a, b), () => [values([3, 4], 1), values([4, 2], 2)]],
  ['matmul A^T', (a, b) => w.matmul(a, b, { transposeA: true }), () => [values([4, 3], 1), values([4, 2], 2)]],
  ['matmul B^T', (a, b) => w.matmul(a, b, { transposeB: true }), () => [values([3, 4], 1), values([2, 4], 2)]],
  [
    'matmul A^T B^T',
    (a, b) => w.matmul(a, b, { transposeA: true, transposeB: true }),
    () => [values([4, 3], 1), values([2, 4], 2)],
  ],
  ['matmul, batches broadcast', (a, b) => w.matmul(a, b), () => [values([2, 1, 3, 4], 1), values([3, 4, 2], 2)]],
  [
    'matmul, bias, relu',
    (a, b, c) => w.matmul(a, b, { bias: c, activation: 'relu' }),
    () => [values([3, 4], 1), values([4, 2], 2), values([2], 3)],
  ],
  ['conv2d', (x, f) => w.conv2d(x, f, { padding: 'same' }), () => [image(), values([3, 3, 2, 3], 4)]],
  [
    'conv2d, everything',
    (x, f, b) =>
      w.conv2d(x, f, {
        stride: [2, 1],
        padding: [0, 1, 2, 1],
        dilation: [1, 2],
        groups: 2,
        bias: b,
        activation: 'relu',
      }),
    () => [image(4), values([3, 2, 2, 4], 4), values([4], 5)],
  ],
  [
    'conv2dTranspose',
    (y, f) => w.conv2dTranspose(y, f, [5, 6], { stride: 2, padding: 1 }),
    () => [values([1, 3, 3, 2], 3), values([3, 3, 2, 2], 4)],
  ],
  ['maxPool2d', x => w.maxPool2d(x, { kernel: 3, stride: 2, padding: 1 }), () => [spaced([2, 5, 6, 2])]],
  [
    'avgPool2d',
    x => w.avgPool2d(x, { kernel: [2, 3], stride: 2, padding: [1, 0], countPadding: false }),
    () => [image()],
  ],
  ['globalAveragePool', x => w.globalAveragePool(x), () => [image()]],
  ['softmax', w.softmax, () => [x234()]],
  ['logSoftmax', w.logSoftmax, () => [x234()]],
  [
    'crossEntropy',
    x => w.crossEntropy(x, indices([2, 0, 3]), { smoothing: 0.1, reduction: 'none' }),
    () => [values([3, 4], 1)],
  ],
  [
    'crossEntropy, probabilities',
    (x, t) => w.crossEntropy(x, w.softmax(t), { smoothing: 0.2 }),
    () => [values([3, 4], 1), values([3, 4], 2)],
  ],
  ['dropout', x => w.dropout(x, 0.4, w.tensor(Uint32Array.of(1, 2, 3, 0))), () => [x234()]],
  ['batchNorm, training', (x, g, b) => batchNorm(true)(x, g, b), batchNormInputs],
  [
    'batchNorm, training, residual, relu',
    (x, g, b, r) => batchNorm(true, 'relu')(x, g, b, r),
    () => [...batchNormInputs(), image(3)],
  ],
  ['batchNorm, evaluation', (x, g, b) => batchNorm(false)(x, g, b), batchNormInputs],
  [
    'batchNorm, evaluation, residual, relu',
    (x, g, b, r) => batchNorm(false, 'relu')(x, g, b, r),
    () => [...batchNormInputs(), image(3)],
  ],
];

function batchNormInputs(): w.Tensor[] {
  return [values([2, 5, 6, 3], 13), values([3], 2), values([3], 6)];
}

function batchNorm(training: boolean, activation: 'none' | 'relu' = 'none') {
  return (x: w.Tensor, gamma: w.Tensor, beta: w.Tensor, residual?: w.Tensor) => {
    const runningMean = w.tensor([0.1, -0.2, 0.3]);
    const runningVariance = w.tensor([0.5, 1.5, 2]);
    return w.batchNorm(x, gamma, beta, { runningMean, runningVariance, training, residual, activation });
  };
}

/** A scalar that depends on every element of f's value with a weight of its own. */
function weighted(f: Case[1]): Case[1] {
  return (...xs) => {
    const y = f(...xs);
    return w.sum(w.mul(y, w.randomNormal(y.shape, { seed: 99 })));
  };
}

describe('gradients equal finite differences', () => {
  for (const [name, f, inputs] of CASES) {
    test(name, async () => {
      const xs = inputs();
      for (const options of [{}, { createGraph: true }, { rules: { rules: {} } }]) {
        const result = await w.gradcheck(weighted(f), xs, { ...options, maxElements: 40 });
        expect(result.error, JSON.stringify({ options, ...result })).toBeLessThan(1e-6);
      }
    });
  }
});

describe('gradients of gradients equal finite differences', () => {
  for (const [name, f, inputs] of CASES) {
    test(name, async () => {
      const xs = inputs();
      const directions = xs.map((x, i) => w.randomNormal(x.shape, { seed: 50 + i }));
      // The directional derivative of f, as a function of its inputs.
      const g = (...at: w.Tensor[]) => {
        const grads = w.grad(() => w.sum(w.square(f(...at))), at, { createGraph: true });
        return grads.map((gradient, i) => w.sum(w.mul(gradient, directions[i]))).reduce((a, b) => w.add(a, b));
      };
      const result = await w.gradcheck(g, xs, { maxElements: 12 });
      expect(result.error, JSON.stringify(result)).toBeLessThan(1e-6);
    });
  }
});

test('Hessian-vector product of a small convolutional network', async () => {
  const x = values([3, 6, 6, 1], 1);
  const labels = indices([0, 2, 1]);
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
