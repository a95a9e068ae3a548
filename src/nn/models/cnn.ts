/**
 * A plain convolutional network: blocks of [convolution, batch norm, activation], a max-pool after each block, then two
 * dense layers. With the defaults it is the network that the benchmarks quote (468,000 parameters, 4.8 GFLOP forward for
 * 128 images).
 */
import { everyOf, fraction, knownOptions, positiveInteger, refuse } from '../../devices/checks.ts';
import { UsageError } from '../../devices/errors.ts';
import { formatShape, sizeOf } from '../../devices/shape.ts';
import type { ActivationName } from '../layers/activation.ts';
import { Activation } from '../layers/activation.ts';
import { BatchNorm2d } from '../layers/batchnorm.ts';
import { Conv2d } from '../layers/conv2d.ts';
import { Dropout } from '../layers/dropout.ts';
import { Linear } from '../layers/linear.ts';
import { MaxPool2d } from '../layers/pool.ts';
import { Flatten, Normalize, Sequential } from '../layers/sequential.ts';
import type { Module } from '../module.ts';

export interface CnnOptions {
  /** [height, width, channels] of the images. Default [28, 28, 1]. */
  readonly imageShape?: readonly [number, number, number];
  readonly classes?: number;
  /** Filter size of every convolution, or of each block's. Default 3. */
  readonly filterSize?: number | readonly number[];
  /** Channels of each block. Default [32, 64]. */
  readonly widths?: readonly number[];
  /** Convolutions per block. Default 2. */
  readonly depth?: number;
  /** Width of the dense layer. Default 128. */
  readonly hidden?: number;
  readonly activation?: ActivationName;
  /** Dropout before the last layer. Default 0. */
  readonly dropout?: number;
  /** Constants of the first layer: mean and standard deviation of the training pixels. Default Fashion-MNIST's. */
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
  /** Of dropout's masks. Default: the seed given to `initialize`. */
  readonly seed?: number;
}

const KNOWN: readonly (keyof CnnOptions)[] = [
  ...(['imageShape', 'classes', 'filterSize', 'widths', 'depth', 'hidden'] as const),
  ...(['activation', 'dropout', 'mean', 'std', 'seed'] as const),
];

/** Images [N, H, W, C] in [0, 1] to logits [N, classes]. Call `initialize` on the result. */
export function cnn(options: CnnOptions = {}): Sequential {
  knownOptions('cnn', options, KNOWN);
  const {
    imageShape = [28, 28, 1],
    classes = 10,
    filterSize = 3,
    widths = [32, 64],
    depth = 2,
    hidden = 128,
  } = options;
  const { activation = 'relu', dropout = 0, mean = [0.286], std = [0.353], seed } = options;
  everyOf('cnn', 'imageShape', imageShape, positiveInteger);
  if (imageShape.length !== 3) refuse('cnn', 'imageShape', imageShape, '[height, width, channels]');
  everyOf('cnn', 'widths', widths, positiveInteger);
  if (widths.length === 0) refuse('cnn', 'widths', widths, 'an array of at least one number of channels');
  positiveInteger('cnn', 'depth', depth);
  fraction('cnn', 'dropout', dropout);
  const isList = Array.isArray(filterSize);
  const sizes: readonly number[] = isList ? filterSize : widths.map(() => filterSize);
  if (isList) everyOf('cnn', 'filterSize', sizes, positiveInteger);
  else positiveInteger('cnn', 'filterSize', filterSize as number);
  const [height, width, channels] = imageShape;
  if (sizes.length !== widths.length) {
    throw new UsageError(`cnn: ${sizes.length} filter sizes do not fit ${widths.length} blocks.`);
  }
  const pooled = (extent: number) => Math.floor(extent / 2 ** widths.length);
  if (pooled(Math.min(height, width)) === 0) {
    throw new UsageError(
      `cnn: ${widths.length} blocks halve images of ${formatShape([height, width])} pixels to nothing.`,
    );
  }
  const layers: Record<string, Module> = { normalize: new Normalize(mean, std) };
  let inputs = channels;
  widths.forEach((outputs, block) => {
    for (let i = 1; i <= depth; i++) {
      // Batch norm brings its own shift, so the convolution needs no bias.
      layers[`conv${block + 1}_${i}`] = new Conv2d(inputs, outputs, sizes[block], { bias: false });
      layers[`norm${block + 1}_${i}`] = new BatchNorm2d(outputs);
      layers[`act${block + 1}_${i}`] = new Activation(activation);
      inputs = outputs;
    }
    layers[`pool${block + 1}`] = new MaxPool2d(2);
  });
  layers.flatten = new Flatten();
  layers.dense = new Linear(sizeOf([pooled(height), pooled(width), inputs]), hidden);
  layers.actDense = new Activation(activation);
  if (dropout > 0) layers.dropout = new Dropout(dropout, seed === undefined ? {} : { seed });
  layers.logits = new Linear(hidden, classes);
  return new Sequential(layers);
}
