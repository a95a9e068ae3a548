/**
 * The two networks of the benchmarks, each written once in terms of layers, for whoever has no model of ours: a peer says
 * what a convolution or a batch norm is, and gets the network. Names are those of the parameters of `cnn()` and
 * `miniResNet()`, so the weights of our models fit.
 */
import type { NetworkName } from '../operations.ts';

/** Parameters and buffers of a model by name. */
export type Weights = ReadonlyMap<string, { readonly shape: readonly number[]; readonly values: Float32Array }>;

export interface LayerBuilder<T> {
  /** (x - mean) / std with the constants of `name`. */
  normalize(x: T, name: string): T;
  /** Without bias; padding on all sides. */
  conv2d(x: T, name: string, stride: number, padding: number): T;
  /** In evaluation mode. */
  batchNorm(x: T, name: string): T;
  relu(x: T): T;
  add(a: T, b: T): T;
  /** Windows of 2 x 2. */
  maxPool(x: T): T;
  globalAveragePool(x: T): T;
  /** [N, H, W, C] to [N, H W C]. */
  flatten(x: T): T;
  dense(x: T, name: string): T;
}

/** Images [N, 28, 28, 1] to logits [N, 10]. */
export type Architecture = <T>(layers: LayerBuilder<T>, x: T) => T;

const cnn: Architecture = (layers, x) => {
  const block = (h: typeof x, name: string): typeof x =>
    layers.relu(layers.batchNorm(layers.conv2d(h, `conv${name}`, 1, 1), `norm${name}`));
  let h = layers.normalize(x, 'normalize');
  h = layers.maxPool(block(block(h, '1_1'), '1_2'));
  h = layers.maxPool(block(block(h, '2_1'), '2_2'));
  h = layers.relu(layers.dense(layers.flatten(h), 'dense'));
  return layers.dense(h, 'logits');
};

const miniResNet: Architecture = (layers, x) => {
  const basicBlock = (h: typeof x, path: string, stride: number, shortcut: boolean): typeof x => {
    const inner = layers.relu(layers.batchNorm(layers.conv2d(h, `${path}.conv1`, stride, 1), `${path}.norm1`));
    const outer = layers.batchNorm(layers.conv2d(inner, `${path}.conv2`, 1, 1), `${path}.norm2`);
    const beside = shortcut
      ? layers.batchNorm(layers.conv2d(h, `${path}.shortcut.conv`, stride, 0), `${path}.shortcut.norm`)
      : h;
    return layers.relu(layers.add(outer, beside));
  };
  let h = layers.relu(layers.batchNorm(layers.conv2d(layers.normalize(x, 'normalize'), 'conv', 1, 1), 'norm'));
  h = basicBlock(h, 'stage1.block0', 1, false);
  h = basicBlock(h, 'stage2.block0', 2, true);
  h = basicBlock(h, 'stage3.block0', 2, true);
  return layers.dense(layers.globalAveragePool(h), 'logits');
};

export const ARCHITECTURES: Readonly<Record<NetworkName, Architecture>> = { cnn, 'mini-resnet': miniResNet };

/** Counts the multiplications and additions of convolutions and dense layers; everything else is small beside them. */
class Counter implements LayerBuilder<readonly number[]> {
  flops = 0;
  /** What the first layer took: its input gradient is not needed. */
  first = 0;
  readonly #weights: Weights;
  constructor(weights: Weights) {
    this.#weights = weights;
  }
  #count(flops: number): void {
    if (this.flops === 0) this.first = flops;
    this.flops += flops;
  }
  conv2d([n, h, w]: readonly number[], name: string, stride: number, padding: number): readonly number[] {
    const [kh, kw, inputs, outputs] = this.#weights.get(`${name}.weight`)!.shape;
    const extent = (size: number, kernel: number) => Math.floor((size + 2 * padding - kernel) / stride) + 1;
    const out = [n, extent(h, kh), extent(w, kw), outputs];
    this.#count(2 * n * out[1] * out[2] * kh * kw * inputs * outputs);
    return out;
  }
  dense([n]: readonly number[], name: string): readonly number[] {
    const [inputs, outputs] = this.#weights.get(`${name}.weight`)!.shape;
    this.#count(2 * n * inputs * outputs);
    return [n, outputs];
  }
  flatten([n, ...rest]: readonly number[]): readonly number[] {
    return [n, rest.reduce((product, extent) => product * extent, 1)];
  }
  maxPool([n, h, w, c]: readonly number[]): readonly number[] {
    return [n, h >> 1, w >> 1, c];
  }
  globalAveragePool([n, , , c]: readonly number[]): readonly number[] {
    return [n, c];
  }
  normalize = (x: readonly number[]) => x;
  batchNorm = (x: readonly number[]) => x;
  relu = (x: readonly number[]) => x;
  add = (a: readonly number[]) => a;
}

/** Floating-point operations of the forward pass and of a whole training step on `batch` images of 28 x 28. */
export function networkFlops(network: NetworkName, weights: Weights, batch: number): { infer: number; train: number } {
  const counter = new Counter(weights);
  ARCHITECTURES[network]<readonly number[]>(counter, [batch, 28, 28, 1]);
  return { infer: counter.flops, train: 3 * counter.flops - counter.first };
}
