/**
 * MCNN15 (Nocentini, Kim, Bashir, Cavallo: Image classification using multiple convolutional neural networks on the
 * Fashion-MNIST dataset, Sensors 2022): fifteen 3x3 convolutions with batch norm in three groups, a max-pool after each
 * group, two dense layers. 2.60 M parameters (the convolutions have biases although batch norm follows, as the paper's
 * count has it) and 327 M multiply-adds an image, most of them in the middle group.
 */
import { knownOptions } from '../../devices/checks.ts';
import { Activation, type ActivationName } from '../layers/activation.ts';
import { BatchNorm2d } from '../layers/batchnorm.ts';
import { Conv2d } from '../layers/conv2d.ts';
import { Linear } from '../layers/linear.ts';
import { MaxPool2d } from '../layers/pool.ts';
import { Flatten, Normalize, Sequential } from '../layers/sequential.ts';
import type { Module } from '../module.ts';

const GROUPS: readonly (readonly number[])[] = [
  [32, 64, 64, 32, 64],
  [256, 192, 128, 64, 32],
  [256, 256, 256, 128, 32],
];

export interface Mcnn15Options {
  readonly activation?: ActivationName;
  readonly channels?: number;
  readonly classes?: number;
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
}

/** Images [N, 28, 28, C] in [0, 1] to logits [N, classes]. Call `initialize` on the result. */
export function mcnn15(options: Mcnn15Options = {}): Sequential {
  knownOptions('mcnn15', options, ['activation', 'channels', 'classes', 'mean', 'std']);
  const { activation = 'relu', channels = 1, classes = 10, mean = [0.286], std = [0.353] } = options;
  const layers: Record<string, Module> = { normalize: new Normalize(mean, std) };
  let inputs = channels;
  GROUPS.forEach((widths, g) => {
    widths.forEach((outputs, i) => {
      layers[`conv${g + 1}_${i + 1}`] = new Conv2d(inputs, outputs, 3);
      layers[`norm${g + 1}_${i + 1}`] = new BatchNorm2d(outputs);
      layers[`act${g + 1}_${i + 1}`] = new Activation(activation);
      inputs = outputs;
    });
    layers[`pool${g + 1}`] = new MaxPool2d(2);
  });
  layers.flatten = new Flatten();
  layers.dense = new Linear(3 * 3 * inputs, 32);
  layers.actDense = new Activation(activation);
  layers.logits = new Linear(32, classes);
  return new Sequential(layers);
}
