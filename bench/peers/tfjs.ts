/**
 * TensorFlow.js on any of its backends. Its kernels are called through its public operations where there is one; an
 * operation for which a backend has no kernel is reported as missing. Several backends share one engine, so the backend is
 * chosen again before each batch of work.
 */
import { createRequire } from 'node:module';
import { dirname, join, sep } from 'node:path';
import type * as TfjsCore from '@tensorflow/tfjs-core';
import { acquireAdapter } from '../../src/devices/webgpu/adapter.node.ts';
import type { AcquiredAdapter } from '../../src/devices/webgpu/adapter.ts';
import { type Contender, Missing } from '../contender.ts';
import { timed } from '../harness.ts';
import { ARCHITECTURES, type LayerBuilder } from '../networks/architectures.ts';
import { LEARNING_RATE } from '../networks/own.ts';
import { imageValues, labelValues } from '../networks/prepared.ts';
import { type ConvolutionOperation, type NetworkName, type Operation, outputSize } from '../operations.ts';
import { valuesOf } from '../values.ts';
import type { Peer, PeerOptions, PeerSession } from './peer.ts';
import { loadTfjsWebGpu } from './tfjs-bundle.ts';

type Tf = typeof TfjsCore;
type Tensor = TfjsCore.Tensor;
type Tensor4D = TfjsCore.Tensor4D;

export interface TfjsBackend {
  readonly name: string;
  /** Name of the backend in TensorFlow.js. */
  readonly backend: string;
  /** TensorFlow.js itself, where it is not the installed package as it stands. */
  load?(): Promise<Tf>;
  /** Imports the package that registers it, and prepares it; returns its version. */
  register(tf: Tf): Promise<string>;
  /** Larger work (floating-point operations, elements of all inputs) is not given to it. */
  readonly mostFlops: number;
  readonly mostElements: number;
  /** What is worth knowing beside the figures. */
  readonly remark: string;
  /** Waits until the work behind a tensor is done; absent where operations return when it is. */
  finish?(tf: Tf): Promise<void>;
}

const wasm: TfjsBackend = {
  name: 'tfjs-wasm',
  backend: 'wasm',
  mostFlops: Infinity,
  mostElements: Infinity,
  remark: 'SIMD, one thread (always in Node)',
  async register() {
    const { setWasmPaths, version_wasm } = await import('@tensorflow/tfjs-backend-wasm');
    const main = createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm');
    setWasmPaths(join(dirname(main), sep));
    return version_wasm;
  },
};

const cpu: TfjsBackend = {
  name: 'tfjs-cpu',
  backend: 'cpu',
  // It makes about 1.5 GFLOP/s.
  mostFlops: 1e8,
  mostElements: 1e6,
  remark: 'plain JavaScript',
  async register() {
    return (await import('@tensorflow/tfjs-backend-cpu')).version_cpu;
  },
};

/** What its backend offers besides, of which the types say nothing. */
interface WebGpuBackend {
  readonly queue: GPUQueue;
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  submitQueue(): void;
}

/** On the adapter that our own device takes, with a device of its own. */
let acquired: Promise<AcquiredAdapter> | undefined;

const webgpu: TfjsBackend = {
  name: 'tfjs-webgpu',
  backend: 'webgpu',
  mostFlops: Infinity,
  mostElements: Infinity,
  remark: 'the same adapter through the same Dawn',
  load: () => loadTfjsWebGpu(async () => (await (acquired = acquireAdapter())).adapter),
  register: async tf => tf.version_core,
  async finish(tf) {
    const backend = tf.backend() as unknown as WebGpuBackend;
    // As it does before it reads a tensor.
    backend.ensureCommandEncoderReady();
    backend.endComputePassEncoder();
    backend.submitQueue();
    // With our own device's patience: a plain await would take a core from a software adapter.
    const { wait } = await acquired!;
    await wait(backend.queue.onSubmittedWorkDone());
  },
};

export const tfjsPeers: readonly Peer[] = [tfjsPeer(wasm), tfjsPeer(cpu)];
export const tfjsWebGpuPeer: Peer = tfjsPeer(webgpu);

export function tfjsPeer(backend: TfjsBackend): Peer {
  return {
    name: backend.name,
    async open(options) {
      let tf: Tf;
      let version: string;
      try {
        tf = await (backend.load?.() ?? import('@tensorflow/tfjs-core'));
        version = await backend.register(tf);
      } catch (error) {
        throw new Missing(`not installed (${(error as Error).message.split('\n')[0]})`);
      }
      tf.env().set('PROD', true);
      if (!(await tf.setBackend(backend.backend))) throw new Missing(`its backend "${backend.backend}" did not start`);
      return new TfjsSession(tf, backend, version, options);
    },
  };
}

class TfjsSession implements PeerSession {
  readonly description: string;
  readonly #tf: Tf;
  readonly #backend: TfjsBackend;
  readonly #options: PeerOptions;

  constructor(tf: Tf, backend: TfjsBackend, version: string, options: PeerOptions) {
    this.#tf = tf;
    this.#backend = backend;
    this.#options = options;
    this.description = `TensorFlow.js ${version}, ${backend.backend} backend: ${backend.remark}`;
  }

  async prepare(operation: Operation): Promise<Contender> {
    const { flops, inputs, run, isOutput = true, dispose } = await this.#plan(operation);
    const { mostFlops, mostElements, backend } = this.#backend;
    const elements = inputs.reduce((total, { values }) => total + values.length, 0);
    if (flops > mostFlops || elements > mostElements) {
      throw new Missing(`too slow beyond ${mostFlops / 1e9} GFLOP or ${mostElements / 1e6} million values`);
    }
    const tf = this.#tf;
    await tf.setBackend(backend);
    const tensors = inputs.map(({ values, shape }) => tf.keep(tf.tensor(values, [...shape])));
    const compute = (): Tensor => {
      if (tf.getBackend() !== backend) tf.setBackend(backend); // takes effect at once for one that has been started
      return tf.tidy(() => run(tensors));
    };
    const { finish } = this.#backend;
    let last: Tensor | undefined;
    return timed(
      {
        once() {
          last?.dispose();
          last = compute();
        },
        async finish() {
          if (last) await finish?.(tf);
        },
      },
      {
        ...(isOutput
          ? {
              async output() {
                const result = compute();
                const values = await result.data();
                result.dispose();
                return values as Float32Array;
              },
            }
          : {}),
        dispose() {
          last?.dispose();
          tf.dispose(tensors);
          dispose?.();
        },
      },
    );
  }

  async close(): Promise<void> {
    this.#tf.removeBackend(this.#backend.backend);
  }

  async #plan(operation: Operation): Promise<Plan> {
    const tf = this.#tf;
    const plan = (flops: number, run: Plan['run'], ...shapes: number[][]): Plan => ({
      flops,
      run,
      inputs: shapes.map((shape, i) => ({ shape, values: valuesOf({ shape, dtype: 'float32' }, i) as Float32Array })),
    });
    switch (operation.kind) {
      case 'matmul': {
        const { m, n, k, transposeA, transposeB } = operation;
        return plan(
          2 * m * n * k,
          ([a, b]) => tf.matMul(a, b, transposeA, transposeB),
          transposeA ? [k, m] : [m, k],
          transposeB ? [n, k] : [k, n],
        );
      }
      case 'conv2d':
      case 'conv2dInputGradient':
      case 'conv2dWeightGradient':
        return this.#convolution(operation);
      case 'add':
        return plan(operation.length, ([a, b]) => tf.add(a, b), [operation.length], [operation.length]);
      case 'relu':
        return plan(operation.length, ([x]) => tf.relu(x), [operation.length]);
      case 'softmax':
        return plan(0, ([x]) => tf.softmax(x), [operation.rows, operation.classes]);
      case 'maxPool2d': {
        const { batch, size, channels } = operation;
        return plan(0, ([x]) => tf.maxPool(x as Tensor4D, 2, 2, 'valid'), [batch, size, size, channels]);
      }
      case 'infer':
        return this.#inference(operation.network, operation.batch);
      case 'train': {
        const missing = this.#lacks('Conv2DBackpropFilter');
        if (missing) throw new Missing(`cannot train a convolution: ${missing}`);
        if (!tf.getGradient('Conv2D')) {
          throw new Missing('cannot train a convolution: its gradients are not registered here');
        }
        return this.#training(operation.network, operation.batch);
      }
    }
  }

  /** Says so when the backend has no kernel of that name. */
  #lacks(kernel: string): string | undefined {
    const { backend } = this.#backend;
    return this.#tf.getKernel(kernel, backend) ? undefined : `the ${backend} backend has no kernel ${kernel}`;
  }

  #convolution(operation: ConvolutionOperation): Plan {
    const tf = this.#tf;
    const { kind, batch, size, inputs, outputs, kernel, stride, padding } = operation;
    const out = outputSize(operation);
    const x = [batch, size, size, inputs] as [number, number, number, number];
    const w = [kernel, kernel, inputs, outputs] as [number, number, number, number];
    const dy = [batch, out, out, outputs];
    const flops = 2 * batch * out * out * outputs * kernel * kernel * inputs;
    const needed = {
      conv2d: 'Conv2D',
      conv2dInputGradient: 'Conv2DBackpropInput',
      conv2dWeightGradient: 'Conv2DBackpropFilter',
    }[kind];
    const missing = this.#lacks(needed);
    if (missing) throw new Missing(missing);
    const shapes = { conv2d: [x, w], conv2dInputGradient: [dy, w], conv2dWeightGradient: [x, dy] }[kind];
    const run: Plan['run'] = ([a, b]) => {
      if (kind === 'conv2d') {
        return tf.conv2d(a as Tensor4D, b as Tensor4D, stride, padding, 'NHWC', 1, 'floor');
      }
      const attributes = { strides: stride, pad: padding, dataFormat: 'NHWC', dimRoundingMode: 'floor' };
      return kind === 'conv2dInputGradient'
        ? tf.engine().runKernel(needed, { dy: a, filter: b }, { ...attributes, inputShape: x })
        : (tf.engine().runKernel(needed, { x: a, dy: b }, { ...attributes, filterShape: w }) as Tensor);
    };
    return {
      flops,
      run: run as Plan['run'],
      inputs: shapes.map((shape, i) => ({ shape, values: valuesOf({ shape, dtype: 'float32' }, i) as Float32Array })),
    };
  }

  /** A step as ours: batch statistics, cross-entropy, backward, Nesterov momentum, running statistics. */
  async #training(network: NetworkName, batch: number): Promise<Plan> {
    const weights = await this.#options.weights(network);
    const tf = this.#tf;
    await tf.setBackend(this.#backend.backend);
    const isLearned = (name: string): boolean => !/(mean|std|runningMean|runningVariance)$/.test(name);
    const variables = new Map(
      [...weights].map(([name, { values, shape }]) => {
        const initial = tf.tensor(values, [...shape]);
        const variable = tf.variable(initial, isLearned(name));
        initial.dispose();
        return [name, variable] as const;
      }),
    );
    const learned = [...variables].filter(([name]) => isLearned(name)).map(([, variable]) => variable);
    const optimizer = tf.train.momentum(LEARNING_RATE, 0.9, true);
    const targets = tf.cast(tf.oneHot(tf.tensor1d(labelValues(batch), 'int32'), 10), 'float32');
    return {
      flops: 1.2e8 * batch,
      inputs: [{ shape: [batch, 28, 28, 1], values: imageValues(batch) }],
      isOutput: false,
      run: ([x]) =>
        optimizer.minimize(
          () => {
            const logits = ARCHITECTURES[network]<Tensor>(new TfjsTrainingLayers(tf, variables), x);
            return tf.losses.softmaxCrossEntropy(targets, logits) as TfjsCore.Scalar;
          },
          true,
          learned,
        )!,
      dispose() {
        tf.dispose([...variables.values(), targets]);
        optimizer.dispose();
      },
    };
  }

  async #inference(network: 'cnn' | 'mini-resnet', batch: number): Promise<Plan> {
    const weights = await this.#options.weights(network);
    const names = [...weights.keys()];
    const tf = this.#tf;
    return {
      flops: 4e7 * batch,
      inputs: [
        { shape: [batch, 28, 28, 1], values: imageValues(batch) },
        ...names.map(name => ({ shape: weights.get(name)!.shape, values: weights.get(name)!.values })),
      ],
      run([x, ...tensors]) {
        const layers = new TfjsLayers(tf, new Map(names.map((name, i) => [name, tensors[i]])));
        return ARCHITECTURES[network]<Tensor>(layers, x);
      },
    };
  }
}

interface Plan {
  readonly flops: number;
  readonly inputs: readonly { readonly shape: readonly number[]; readonly values: Float32Array }[];
  run(tensors: Tensor[]): Tensor;
  /** False where the result depends on how often it was computed. */
  readonly isOutput?: boolean;
  dispose?(): void;
}

const EPSILON = 1e-5;
/** Share of a batch in the running statistics. */
const MOMENTUM = 0.1;

class TfjsLayers implements LayerBuilder<Tensor> {
  protected readonly tf: Tf;
  readonly #weights: ReadonlyMap<string, Tensor>;
  constructor(tf: Tf, weights: ReadonlyMap<string, Tensor>) {
    this.tf = tf;
    this.#weights = weights;
  }
  protected of(name: string): Tensor {
    const found = this.#weights.get(name);
    if (!found) throw new Error(`tfjs: the model has no "${name}"`);
    return found;
  }
  normalize(x: Tensor, name: string): Tensor {
    return this.tf.div(this.tf.sub(x, this.of(`${name}.mean`)), this.of(`${name}.std`));
  }
  conv2d(x: Tensor, name: string, stride: number, padding: number): Tensor {
    const filter = this.of(`${name}.weight`) as Tensor4D;
    return this.tf.conv2d(x as Tensor4D, filter, stride, padding, 'NHWC', 1, 'floor');
  }
  batchNorm(x: Tensor, name: string): Tensor {
    const [mean, variance, beta, gamma] = ['runningMean', 'runningVariance', 'beta', 'gamma'].map(
      part => this.of(`${name}.${part}`) as TfjsCore.Tensor1D,
    );
    return this.tf.batchNorm(x, mean, variance, beta, gamma, EPSILON);
  }
  relu(x: Tensor): Tensor {
    return this.tf.relu(x);
  }
  add(a: Tensor, b: Tensor): Tensor {
    return this.tf.add(a, b);
  }
  maxPool(x: Tensor): Tensor {
    return this.tf.maxPool(x as Tensor4D, 2, 2, 'valid');
  }
  globalAveragePool(x: Tensor): Tensor {
    return this.tf.mean(x, [1, 2]);
  }
  flatten(x: Tensor): Tensor {
    return this.tf.reshape(x, [x.shape[0], -1]);
  }
  dense(x: Tensor, name: string): Tensor {
    return this.tf.add(this.tf.matMul(x, this.of(`${name}.weight`)), this.of(`${name}.bias`));
  }
}

/** The same network in training mode. */
class TfjsTrainingLayers extends TfjsLayers {
  override batchNorm(x: Tensor, name: string): Tensor {
    const { tf } = this;
    const { mean, variance } = tf.moments(x, [0, 1, 2]);
    for (const [part, now] of [
      ['runningMean', mean],
      ['runningVariance', variance],
    ] as const) {
      const running = this.of(`${name}.${part}`) as TfjsCore.Variable;
      running.assign(tf.add(tf.mul(running, 1 - MOMENTUM), tf.mul(now, MOMENTUM)));
    }
    const [beta, gamma] = ['beta', 'gamma'].map(part => this.of(`${name}.${part}`) as TfjsCore.Tensor1D);
    return tf.batchNorm(x, mean as TfjsCore.Tensor1D, variance as TfjsCore.Tensor1D, beta, gamma, EPSILON);
  }
}
