/**
 * A small residual network (He et al., 2016): a stem, stages of two-convolution blocks whose input is added to their
 * output, global average pooling, one dense layer. Each stage but the first halves the image; where the shape changes the
 * shortcut is a 1x1 convolution. `residual: false` builds the plain twin without the additions, to see what they do.
 */
import { add } from '../../autograd/ops/elementwise.ts';
import { everyOf, flag, knownOptions, oneOf, positiveInteger } from '../../devices/checks.ts';
import { UsageError } from '../../devices/errors.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { Activation, type ActivationName } from '../layers/activation.ts';
import { BatchNorm2d } from '../layers/batchnorm.ts';
import { Conv2d } from '../layers/conv2d.ts';
import { Linear } from '../layers/linear.ts';
import { GlobalAvgPool, MaxPool2d } from '../layers/pool.ts';
import { canFold, Normalize, Sequential } from '../layers/sequential.ts';
import { Module } from '../module.ts';
import { report } from '../tracing.ts';

export interface BlockOptions {
  readonly inputs: number;
  readonly outputs: number;
  readonly stride: number;
  readonly filterSize: number;
  readonly activation: ActivationName;
  readonly residual: boolean;
}

/** norm, activation and the addition of a shortcut: in one pass where nobody watches the values between. */
export function normalizeAddActivate(
  norm: BatchNorm2d,
  act: Activation,
  x: Tensor,
  shortcut: Tensor | undefined,
): Tensor {
  if (canFold(norm, act)) {
    const y = norm.forwardFused(x, 'relu', shortcut);
    report(act.path, y);
    return y;
  }
  const y = norm.call(x);
  return act.call(shortcut ? add(y, shortcut) : y);
}

/** conv, norm, activation, conv, norm, + shortcut, activation. */
export class BasicBlock extends Module {
  readonly conv1: Conv2d;
  readonly norm1: BatchNorm2d;
  readonly act1: Activation;
  readonly conv2: Conv2d;
  readonly norm2: BatchNorm2d;
  readonly act2: Activation;
  readonly shortcut: Sequential | undefined;
  readonly residual: boolean;

  constructor({ inputs, outputs, stride, filterSize, activation, residual }: BlockOptions) {
    super();
    const padding = (filterSize - 1) >> 1;
    this.conv1 = new Conv2d(inputs, outputs, filterSize, { stride, padding, bias: false });
    this.norm1 = new BatchNorm2d(outputs);
    this.act1 = new Activation(activation);
    this.conv2 = new Conv2d(outputs, outputs, filterSize, { padding, bias: false });
    this.norm2 = new BatchNorm2d(outputs);
    this.act2 = new Activation(activation);
    this.residual = residual;
    if (residual && (inputs !== outputs || stride !== 1)) {
      this.shortcut = new Sequential({
        conv: new Conv2d(inputs, outputs, 1, { stride, padding: 0, bias: false }),
        norm: new BatchNorm2d(outputs),
      });
    }
  }

  forward(x: Tensor): Tensor {
    const h = normalizeAddActivate(this.norm1, this.act1, this.conv1.call(x), undefined);
    const shortcut = this.residual ? (this.shortcut?.call(x) ?? x) : undefined;
    return normalizeAddActivate(this.norm2, this.act2, this.conv2.call(h), shortcut);
  }
}

/** The pre-activation form (He et al., 2016b): norm and activation before each convolution, nothing after the addition. */
export class PreActivationBlock extends Module {
  readonly norm1: BatchNorm2d;
  readonly act1: Activation;
  readonly conv1: Conv2d;
  readonly norm2: BatchNorm2d;
  readonly act2: Activation;
  readonly conv2: Conv2d;
  readonly shortcut: Conv2d | undefined;
  readonly residual: boolean;

  constructor({ inputs, outputs, stride, filterSize, activation, residual }: BlockOptions) {
    super();
    const padding = (filterSize - 1) >> 1;
    this.norm1 = new BatchNorm2d(inputs);
    this.act1 = new Activation(activation);
    this.conv1 = new Conv2d(inputs, outputs, filterSize, { stride, padding, bias: false });
    this.norm2 = new BatchNorm2d(outputs);
    this.act2 = new Activation(activation);
    this.conv2 = new Conv2d(outputs, outputs, filterSize, { padding, bias: false });
    this.residual = residual;
    if (residual && (inputs !== outputs || stride !== 1)) {
      this.shortcut = new Conv2d(inputs, outputs, 1, { stride, padding: 0, bias: false });
    }
  }

  forward(x: Tensor): Tensor {
    const ready = normalizeAddActivate(this.norm1, this.act1, x, undefined);
    const h = normalizeAddActivate(this.norm2, this.act2, this.conv1.call(ready), undefined);
    const y = this.conv2.call(h);
    if (!this.residual) return y;
    return add(y, this.shortcut ? this.shortcut.call(ready) : x);
  }
}

/** Blocks of one width, named block0, block1, ... */
export class Stage extends Module {
  readonly block: readonly Module[];
  constructor(blocks: readonly Module[]) {
    super();
    this.block = blocks;
  }
  forward(x: Tensor): Tensor {
    return this.block.reduce((h, block) => block.call(h), x);
  }
}

/**
 * What comes before the first stage. `small`: one convolution at full size, for small images. `strided`: the same with
 * stride 2, a quarter of the work. `imagenet`: 7x7 with stride 2 and a 3x3 max-pool with stride 2, as for large images.
 */
export type Stem = 'small' | 'strided' | 'imagenet';

export const STEM_NAMES: readonly Stem[] = ['small', 'strided', 'imagenet'];

export interface MiniResNetOptions {
  /** Residual blocks per stage. Default [1, 1, 1]. */
  readonly blocks?: readonly number[];
  /** Channels per stage; the stem has those of the first. Default [32, 64, 128]. */
  readonly widths?: readonly number[];
  readonly activation?: ActivationName;
  /** Filter size of the convolutions (odd). Default 3. */
  readonly filterSize?: number;
  readonly block?: 'basic' | 'pre-activation';
  /** Default `small`. */
  readonly stem?: Stem;
  /** false: the plain network without shortcuts. */
  readonly residual?: boolean;
  readonly channels?: number;
  readonly classes?: number;
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
}

const KNOWN: readonly (keyof MiniResNetOptions)[] = [
  ...(['blocks', 'widths', 'activation', 'filterSize', 'block', 'stem', 'residual'] as const),
  ...(['channels', 'classes', 'mean', 'std'] as const),
];

/** Images [N, H, W, C] in [0, 1] to logits [N, classes]; stages are called stage1, stage2, ... */
export class MiniResNet extends Module {
  readonly normalize: Normalize;
  readonly conv: Conv2d;
  readonly norm: BatchNorm2d;
  readonly act: Activation;
  readonly stemPool: MaxPool2d | undefined;
  readonly #stages: readonly Stage[];
  readonly #head: readonly (readonly [string, Module])[];

  constructor(options: MiniResNetOptions = {}) {
    super();
    const {
      blocks = [1, 1, 1],
      widths = [32, 64, 128],
      activation = 'relu',
      filterSize = 3,
      block = 'basic',
    } = options;
    const { stem = 'small', residual = true, channels = 1, classes = 10, mean = [0.286], std = [0.353] } = options;
    knownOptions('mini-resnet', options, KNOWN);
    everyOf('mini-resnet', 'widths', widths, positiveInteger);
    everyOf('mini-resnet', 'blocks', blocks, positiveInteger);
    positiveInteger('mini-resnet', 'filterSize', filterSize);
    oneOf('mini-resnet', 'block', block, ['basic', 'pre-activation']);
    flag('mini-resnet', 'residual', residual);
    if (filterSize % 2 === 0) {
      throw new UsageError(`mini-resnet: filters must be of odd size to keep the shortcut's shape, not ${filterSize}.`);
    }
    if (blocks.length !== widths.length || widths.length === 0) {
      throw new UsageError(`mini-resnet: ${blocks.length} numbers of blocks do not fit ${widths.length} widths.`);
    }
    if (!STEM_NAMES.includes(stem)) {
      throw new UsageError(`There is no stem "${stem}"; choose one of ${STEM_NAMES.join(', ')}.`);
    }
    const Block = block === 'basic' ? BasicBlock : PreActivationBlock;
    this.normalize = new Normalize(mean, std);
    const stemSize = stem === 'imagenet' ? 7 : filterSize;
    const stemStride = stem === 'small' ? 1 : 2;
    const stemPadding = (stemSize - 1) >> 1;
    this.conv = new Conv2d(channels, widths[0], stemSize, { stride: stemStride, padding: stemPadding, bias: false });
    this.norm = new BatchNorm2d(widths[0]);
    this.act = new Activation(activation);
    this.stemPool = stem === 'imagenet' ? new MaxPool2d(3, { stride: 2, padding: 1 }) : undefined;
    let inputs = widths[0];
    this.#stages = widths.map((outputs, stage) => {
      const inStage = Array.from({ length: blocks[stage] }, (_, i) => {
        const stride = i === 0 && stage > 0 ? 2 : 1;
        const one = new Block({ inputs, outputs, stride, filterSize, activation, residual });
        inputs = outputs;
        return one;
      });
      return new Stage(inStage);
    });
    // Pre-activation blocks end on a sum, so the last one is normalised here.
    const last: [string, Module][] =
      block === 'pre-activation'
        ? [
            ['headNorm', new BatchNorm2d(inputs)],
            ['headAct', new Activation(activation)],
          ]
        : [];
    this.#head = [...last, ['pool', new GlobalAvgPool()], ['logits', new Linear(inputs, classes)]];
  }

  override children(): [string, Module][] {
    const stages = this.#stages.map((stage, i): [string, Module] => [`stage${i + 1}`, stage]);
    return [...super.children(), ...stages, ...this.#head.map(([name, layer]): [string, Module] => [name, layer])];
  }

  forward(x: Tensor): Tensor {
    const stem = normalizeAddActivate(this.norm, this.act, this.conv.call(this.normalize.call(x)), undefined);
    const features = this.#stages.reduce((h, stage) => stage.call(h), this.stemPool?.call(stem) ?? stem);
    return this.#head.reduce((h, [, layer]) => layer.call(h), features);
  }
}

/** See MiniResNet. Call `initialize` on the result. */
export function miniResNet(options: MiniResNetOptions = {}): MiniResNet {
  return new MiniResNet(options);
}
