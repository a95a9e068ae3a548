/** Small networks with known explanations, or with everything in them that explanations are known to stumble over. */
import type { Players } from '../../src/explain/index.ts';
import * as w from '../../src/index.ts';
import { Activation, Conv2d, Flatten, Linear, Sequential } from '../../src/nn/index.ts';

/**
 * One convolution of ones (biases -50 and -75), relu, one dense row [1 x 5, -1 x 3] over the channel-major map, relu; and
 * the image 0..15. Captum's BasicModel_ConvNet_One_Conv.
 */
export function oneConvNet(device: w.Device): { model: Sequential; x: w.Tensor } {
  const model = new Sequential({
    conv: new Conv2d(1, 2, 3, { padding: 'valid' }),
    relu1: new Activation('relu'),
    flatten: new Flatten(),
    dense: new Linear(8, 1, { bias: false }),
    relu2: new Activation('relu'),
  }).initialize({ device });
  model.arena.write('conv.weight', new Float32Array(18).fill(1));
  model.arena.write('conv.bias', Float32Array.of(-50, -75));
  const channelMajor = [1, 1, 1, 1, 1, -1, -1, -1];
  const pixelMajor = Float32Array.from({ length: 8 }, (_, i) => channelMajor[(i % 2) * 4 + (i >> 1)]);
  model.arena.write('dense.weight', pixelMajor);
  const x = w.tensor(
    Float32Array.from({ length: 16 }, (_, i) => i),
    [1, 4, 4, 1],
    { device },
  );
  return { model, x };
}

/** Normal values, scaled so that products keep their size. */
export const random = (device: w.Device, shape: number[], seed: number, std = 1): w.Tensor =>
  w.randomNormal(shape, { seed, std, device });

/**
 * A function of images [N, 9, 9, 2] with reused and functional relus, residual additions, fused and separate forms,
 * overlapping max-pools, batch norm, products of two varying values and every kind of nonlinearity in `kinds`.
 */
export function tangledNet(device: w.Device, seed: number): (x: w.Tensor) => w.Tensor {
  const w1 = random(device, [3, 3, 2, 6], seed, 0.4);
  const b1 = random(device, [6], seed + 1, 0.3);
  const w2 = random(device, [3, 3, 6, 6], seed + 2, 0.25);
  const w3 = random(device, [1, 1, 6, 6], seed + 3, 0.5);
  const w4 = random(device, [6, 4], seed + 4, 0.6);
  const b4 = random(device, [4], seed + 5, 0.3);
  const gamma = random(device, [6], seed + 6);
  const beta = random(device, [6], seed + 7, 0.3);
  const runningMean = random(device, [6], seed + 8, 0.2);
  const runningVariance = w.randomUniform([6], { seed, low: 0.5, high: 2, device });
  const norm = { runningMean, runningVariance, training: false };
  const same = (x: w.Tensor) => w.relu(x);
  return x => {
    const a = w.conv2d(x, w1, { padding: 'same', bias: b1, activation: 'relu' });
    const b = w.batchNorm(w.conv2d(a, w2, { padding: 'same' }), gamma, beta, {
      ...norm,
      residual: a,
      activation: 'relu',
    });
    const c = w.maxPool2d(b, { kernel: 3, stride: 2, padding: 1 });
    const d = same(w.add(w.conv2d(c, w3), c));
    const e = same(w.sub(d, 0.4));
    const f = w.maxPool2d(w.add(w.tanh(w.affine(e, 0.2, 0)), w.gelu(w.affine(c, -1, 0.2))), { kernel: 2, stride: 1 });
    const g = w.mul(f, w.sigmoid(w.mean(f, [1, 2], true)));
    const h = w.batchNorm(g, gamma, beta, { ...norm, activation: 'relu' });
    const pooled = w.add(w.globalAveragePool(h), w.max(f, [1, 2]));
    const hidden = w.matmul(pooled, w4, { bias: b4, activation: 'relu' });
    const spread = w.div(hidden, w.affine(w.exp(w.mean(w.square(pooled), 1, true)), 0.1, 1));
    return w.concat([w.add(spread, w.matmul(pooled, w4)), w.maximum(hidden, w.matmul(w.softplus(pooled), w4))], 1);
  };
}

/** A cut of images of 9 x 9 into `count` players that are no rectangles. */
export const stripes = (count: number): Players => ({
  labels: Int32Array.from({ length: 81 }, (_, i) => (i + 2 * Math.floor(i / 9)) % count),
  count,
});
