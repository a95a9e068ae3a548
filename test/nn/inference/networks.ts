/** Networks whose batch norms have something to say, and what they give with and without being compiled. */
import type { Device } from '../../../src/devices/device.ts';
import { affine, noGrad, randomUniform, type Tensor, tidy } from '../../../src/index.ts';
import { PhiloxStream } from '../../../src/kernels/random/philox.ts';
import {
  ACTIVATION_NAMES,
  Activation,
  AvgPool2d,
  BasicBlock,
  BatchNorm2d,
  Conv2d,
  compileForInference,
  Dropout,
  Flatten,
  GlobalAvgPool,
  Linear,
  MaxPool2d,
  Module,
  Normalize,
  PreActivationBlock,
  Sequential,
} from '../../../src/nn/index.ts';

/** Biases, scales, shifts and statistics as after some training: a fresh batch norm is the identity and proves nothing. */
export function unsettle<M extends Module>(model: M, seed = 1): M {
  const random = new PhiloxStream(seed, 7);
  const { arena } = model;
  for (const [name, { shape }] of [...model.namedParameters(), ...model.namedBuffers()]) {
    const isFactor = /(gamma|runningVariance)$/.test(name);
    if (!isFactor && !/(beta|runningMean|bias)$/.test(name)) continue;
    arena.write(
      name,
      Float32Array.from({ length: shape[0] }, () => (isFactor ? 0.5 + random.uniform() : random.uniform() - 0.5)),
    );
  }
  return model;
}

export const imagesOf = (shape: readonly number[], device: Device, seed = 3): Tensor =>
  randomUniform(shape, { seed, device });

export const plainly = (model: Module, images: Tensor): Tensor => tidy(() => noGrad(() => model.call(images)));

export async function valuesOf(x: Tensor): Promise<Float64Array> {
  const values = Float64Array.from(await x.data());
  x.dispose();
  return values;
}

/** The largest difference of logits as a share of the largest logit. */
export function difference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [error, largest] = [a.length === b.length ? 0 : Number.NaN, 0];
  for (let i = 0; i < a.length; i++) {
    error = Math.max(error, Math.abs(a[i] - b[i]));
    largest = Math.max(largest, Math.abs(b[i]));
  }
  return error / largest;
}

/** Compiles, runs and disposes; the difference to the model itself. */
export async function compiledDifference(model: Module, images: Tensor, most = images.shape[0]): Promise<number> {
  const compiled = await compileForInference(model, [most, ...images.shape.slice(1)]);
  try {
    return difference(await valuesOf(compiled.run(images)), await valuesOf(plainly(model, images)));
  } finally {
    compiled.dispose();
  }
}

/** A module that nobody can see into. */
class Shift extends Module {
  forward(x: Tensor): Tensor {
    return affine(x, 0.9, 0.1);
  }
}

/** A network of convolutions, batch norms, activations, residual blocks, pools and dropouts, drawn by a seed. */
export function randomNetwork(seed: number): { model: Sequential; size: number; channels: number } {
  const random = new PhiloxStream(seed, 5);
  const below = (n: number): number => Math.floor(random.uniform() * n);
  const oneOf = <T>(...values: readonly T[]): T => values[below(values.length)];
  const activation = () => oneOf('relu' as const, 'relu' as const, ...ACTIVATION_NAMES);
  const channels = 1 + below(3);
  let [inputs, size] = [channels, 6 + below(8)];
  const whole = size;
  const layers: Module[] = oneOf(true, false)
    ? [new Normalize(new Array(channels).fill(0.3), new Array(channels).fill(0.4))]
    : [];
  const parts: readonly (() => unknown)[] = [
    () => {
      const outputs = oneOf(2, 3, 16, 20);
      const groups = inputs % 2 === 0 && outputs % 2 === 0 ? oneOf(1, 1, 2) : 1;
      const stride = size > 4 ? oneOf(1, 1, 2) : 1;
      layers.push(new Conv2d(inputs, outputs, oneOf(1, 3, 3), { bias: oneOf(true, false), groups, stride }));
      size = Math.ceil(size / stride);
      inputs = outputs;
      if (below(4) > 0) layers.push(new BatchNorm2d(outputs, { epsilon: oneOf(1e-5, 1e-2) }));
      if (below(4) > 0) layers.push(new Activation(activation()));
    },
    () => {
      const stride = size > 4 ? oneOf(1, 2) : 1;
      const outputs = oneOf(inputs, 4, 16);
      const residual = below(4) > 0;
      const options = { inputs, outputs, stride, filterSize: 3, activation: activation(), residual };
      layers.push(oneOf(true, false) ? new BasicBlock(options) : new PreActivationBlock(options));
      size = Math.ceil(size / stride);
      inputs = outputs;
    },
    () => layers.push(new Dropout(0.5)),
    () => below(3) === 0 && layers.push(new Shift()),
    () => layers.push(new BatchNorm2d(inputs), new Activation(activation())),
    () => {
      if (size < 4) return;
      layers.push(oneOf(new MaxPool2d(2), new AvgPool2d(2)));
      size >>= 1;
    },
    () => {
      layers.push(new Sequential([new Conv2d(inputs, 3, 3), new BatchNorm2d(3)]));
      inputs = 3;
    },
  ];
  for (let i = 3 + below(5); i > 0; i--) oneOf(parts[0], ...parts)();
  if (oneOf(true, false)) layers.push(new GlobalAvgPool());
  else {
    layers.push(new Flatten());
    inputs *= size * size;
  }
  layers.push(new Linear(inputs, 8, { bias: oneOf(true, false) }), new BatchNorm2d(8), new Activation('relu'));
  layers.push(new Dropout(0.3), new Linear(8, 4));
  return { model: new Sequential(layers), size: whole, channels };
}
