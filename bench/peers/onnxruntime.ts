/**
 * ONNX Runtime's CPU provider in Node, where someone has installed `onnxruntime-node` (it is no dependency of ours: 200 MB).
 * It runs forward passes only. Images are laid out NCHW for it before the clock starts.
 */
import { type Contender, Missing } from '../contender.ts';
import { timed } from '../harness.ts';
import { ARCHITECTURES, type LayerBuilder, type Weights } from '../networks/architectures.ts';
import { imageValues } from '../networks/prepared.ts';
import { type Operation, outputSize } from '../operations.ts';
import { valuesOf } from '../values.ts';
import { OnnxGraph } from './onnx-graph.ts';
import type { Peer, PeerOptions, PeerSession } from './peer.ts';

/** What is used of the package, which has no place in package.json. */
interface OrtModule {
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => OrtTensor;
  readonly InferenceSession: {
    create(model: Uint8Array, options: object): Promise<OrtSession>;
  };
  readonly env: { readonly versions?: { readonly node?: string; readonly common?: string } };
}
interface OrtTensor {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}
interface OrtSession {
  readonly outputNames: readonly string[];
  run(feeds: Record<string, OrtTensor>): Promise<Record<string, OrtTensor>>;
  release(): Promise<void>;
}

const PACKAGE = 'onnxruntime-node';

export const onnxRuntimePeer: Peer = {
  name: 'onnxruntime',
  async open(options) {
    let ort: OrtModule & { default?: OrtModule };
    try {
      ort = await import(PACKAGE);
    } catch (error) {
      throw new Missing(`${PACKAGE} is not installed (${(error as NodeJS.ErrnoException).code ?? 'import failed'})`);
    }
    return new Session(ort.default ?? ort, options);
  },
};

interface Plan {
  readonly model: Uint8Array;
  readonly feeds: Readonly<Record<string, { readonly values: Float32Array; readonly shape: readonly number[] }>>;
  /** [N, C, H, W] of an output that is to be compared as NHWC. */
  readonly outputImages?: readonly number[];
}

class Session implements PeerSession {
  readonly description: string;
  readonly #ort: OrtModule;
  readonly #options: PeerOptions;

  constructor(ort: OrtModule, options: PeerOptions) {
    this.#ort = ort;
    this.#options = options;
    const { node, common } = ort.env.versions ?? {};
    this.description = `ONNX Runtime ${node ?? common ?? ''}, CPU, ${options.threads} threads`;
  }

  async prepare(operation: Operation): Promise<Contender> {
    const { model, feeds, outputImages } = await this.#plan(operation);
    const session = await this.#ort.InferenceSession.create(model, {
      executionProviders: ['cpu'],
      intraOpNumThreads: this.#options.threads,
      interOpNumThreads: 1,
      graphOptimizationLevel: 'all',
    });
    const tensors = Object.fromEntries(
      Object.entries(feeds).map(([name, { values, shape }]) => [name, new this.#ort.Tensor('float32', values, shape)]),
    );
    const [name] = session.outputNames;
    return timed(
      {
        async once() {
          await session.run(tensors);
        },
      },
      {
        async output() {
          const { data } = (await session.run(tensors))[name];
          return outputImages ? toNhwc(data, outputImages) : data;
        },
        dispose: () => session.release(),
      },
    );
  }

  async close(): Promise<void> {}

  async #plan(operation: Operation): Promise<Plan> {
    const graph = new OnnxGraph();
    switch (operation.kind) {
      case 'matmul': {
        const { m, n, k, transposeA, transposeB } = operation;
        const a = feed(0, transposeA ? [k, m] : [m, k]);
        const b = feed(1, transposeB ? [n, k] : [k, n]);
        const attributes = { transA: { int: Number(transposeA) }, transB: { int: Number(transposeB) } };
        const y = graph.node('Gemm', [graph.input('a', a.shape), graph.input('b', b.shape)], attributes);
        return { model: graph.encode(y, [m, n]), feeds: { a, b } };
      }
      case 'conv2d': {
        const { batch, size, inputs, outputs, kernel, stride, padding } = operation;
        const out = outputSize(operation);
        const x = { values: toNchw(feed(0, [batch, size, size, inputs])), shape: [batch, inputs, size, size] };
        const filter = toOihw(feed(1, [kernel, kernel, inputs, outputs]));
        const w = graph.constant(filter, [outputs, inputs, kernel, kernel]);
        const y = graph.node('Conv', [graph.input('x', x.shape), w], convolutionAttributes(kernel, stride, padding));
        const outputImages = [batch, outputs, out, out];
        return { model: graph.encode(y, outputImages), feeds: { x }, outputImages };
      }
      case 'softmax': {
        const x = feed(0, [operation.rows, operation.classes]);
        const y = graph.node('Softmax', [graph.input('x', x.shape)], { axis: { int: -1 } });
        return { model: graph.encode(y, x.shape), feeds: { x } };
      }
      case 'infer': {
        const { network, batch } = operation;
        const layers = new OnnxLayers(graph, await this.#options.weights(network));
        const x = { values: imageValues(batch), shape: [batch, 1, 28, 28] }; // one channel: NHWC and NCHW are alike
        const start: Images = { name: graph.input('x', x.shape), shape: [batch, 28, 28, 1] };
        const y = ARCHITECTURES[network]<Images>(layers, start);
        return { model: graph.encode(y.name, [batch, 10]), feeds: { x } };
      }
      case 'train':
      case 'conv2dInputGradient':
      case 'conv2dWeightGradient':
        throw new Missing('runs forward passes only');
      default:
        throw new Missing(`not asked for ${operation.kind}`);
    }
  }
}

function feed(index: number, shape: number[]): { values: Float32Array; shape: number[] } {
  return { values: valuesOf({ shape, dtype: 'float32' }, index) as Float32Array, shape };
}

function convolutionAttributes(kernel: number, stride: number, padding: number) {
  return {
    kernel_shape: { ints: [kernel, kernel] },
    strides: { ints: [stride, stride] },
    pads: { ints: [padding, padding, padding, padding] },
  };
}

/** Moves axes: element [i0, i1, ...] of the result is element [..] of `values` with axis `order[j]` at i_j. */
function permute(values: Float32Array, shape: readonly number[], order: readonly number[]): Float32Array {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, extent) => product * extent, 1));
  const out = new Float32Array(values.length);
  const extents = order.map(axis => shape[axis]);
  const steps = order.map(axis => strides[axis]);
  const position = extents.map(() => 0);
  for (let to = 0, from = 0; to < out.length; to++) {
    out[to] = values[from];
    for (let axis = extents.length - 1; axis >= 0; axis--) {
      from += steps[axis];
      if (++position[axis] < extents[axis]) break;
      from -= steps[axis] * extents[axis];
      position[axis] = 0;
    }
  }
  return out;
}

const toNchw = ({ values, shape }: { values: Float32Array; shape: number[] }) => permute(values, shape, [0, 3, 1, 2]);
const toNhwc = (values: Float32Array, shape: readonly number[]) => permute(values, shape, [0, 2, 3, 1]);
const toOihw = ({ values, shape }: { values: Float32Array; shape: readonly number[] }) =>
  permute(values, shape, [3, 2, 0, 1]);

/** A value of the graph and its shape as NHWC (the graph itself holds NCHW). */
interface Images {
  readonly name: string;
  readonly shape: readonly number[];
}

class OnnxLayers implements LayerBuilder<Images> {
  readonly #graph: OnnxGraph;
  readonly #weights: Weights;
  /** Extents of the images that the last `flatten` merged: [H, W, C]. */
  #flattened: readonly number[] | undefined;

  constructor(graph: OnnxGraph, weights: Weights) {
    this.#graph = graph;
    this.#weights = weights;
  }
  #of(name: string): { readonly shape: readonly number[]; readonly values: Float32Array } {
    const found = this.#weights.get(name);
    if (!found) throw new Error(`onnxruntime: the model has no "${name}"`);
    return found;
  }
  #vector(name: string): string {
    const { values } = this.#of(name);
    return this.#graph.constant(values, [values.length]);
  }
  normalize({ name, shape }: Images, layer: string): Images {
    const perChannel = (part: string): string => {
      const { values } = this.#of(`${layer}.${part}`);
      return this.#graph.constant(values, [1, values.length, 1, 1]);
    };
    const centered = this.#graph.node('Sub', [name, perChannel('mean')]);
    return { name: this.#graph.node('Div', [centered, perChannel('std')]), shape };
  }
  conv2d({ name, shape: [n, h, w] }: Images, layer: string, stride: number, padding: number): Images {
    const filter = this.#of(`${layer}.weight`);
    const [kernel, , inputs, outputs] = filter.shape;
    const constant = this.#graph.constant(toOihw(filter), [outputs, inputs, kernel, kernel]);
    const extent = (size: number) => Math.floor((size + 2 * padding - kernel) / stride) + 1;
    const y = this.#graph.node('Conv', [name, constant], convolutionAttributes(kernel, stride, padding));
    return { name: y, shape: [n, extent(h), extent(w), outputs] };
  }
  batchNorm({ name, shape }: Images, layer: string): Images {
    const parts = ['gamma', 'beta', 'runningMean', 'runningVariance'].map(part => this.#vector(`${layer}.${part}`));
    return { name: this.#graph.node('BatchNormalization', [name, ...parts], { epsilon: { float: 1e-5 } }), shape };
  }
  relu({ name, shape }: Images): Images {
    return { name: this.#graph.node('Relu', [name]), shape };
  }
  add(a: Images, b: Images): Images {
    return { name: this.#graph.node('Add', [a.name, b.name]), shape: a.shape };
  }
  maxPool({ name, shape: [n, h, w, c] }: Images): Images {
    const attributes = { kernel_shape: { ints: [2, 2] }, strides: { ints: [2, 2] } };
    return { name: this.#graph.node('MaxPool', [name], attributes), shape: [n, h >> 1, w >> 1, c] };
  }
  globalAveragePool({ name, shape: [n, , , c] }: Images): Images {
    const pooled = this.#graph.node('GlobalAveragePool', [name]);
    return { name: this.#graph.node('Flatten', [pooled], { axis: { int: 1 } }), shape: [n, c] };
  }
  flatten({ name, shape: [n, ...rest] }: Images): Images {
    this.#flattened = rest;
    const size = rest.reduce((product, extent) => product * extent, 1);
    return { name: this.#graph.node('Flatten', [name], { axis: { int: 1 } }), shape: [n, size] };
  }
  dense({ name, shape: [n] }: Images, layer: string): Images {
    const { values, shape } = this.#of(`${layer}.weight`);
    const [inputs, outputs] = shape;
    // Rows follow the flattened image, which is channel-first here.
    const images = this.#flattened;
    this.#flattened = undefined;
    const rows = images ? permute(values, [...images, outputs], [2, 0, 1, 3]) : values;
    const weight = this.#graph.constant(rows, [inputs, outputs]);
    return { name: this.#graph.node('Gemm', [name, weight, this.#vector(`${layer}.bias`)]), shape: [n, outputs] };
  }
}
