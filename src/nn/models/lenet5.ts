/**
 * LeNet-5 (LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition, 1998), the network
 * that all others here descend from: two convolutions of 5x5 with pooling, three dense layers, tanh throughout. 28x28
 * images are padded to the paper's 32x32 by the first convolution. Two liberties that every modern version takes: the
 * second convolution sees all maps (not a hand-picked table), and the output layer is linear. 61,706 parameters.
 */
import { everyOf, knownOptions, oneOf, positiveInteger, refuse } from '../../devices/checks.ts';
import { UsageError } from '../../devices/errors.ts';
import { formatShape } from '../../devices/shape.ts';
import { Activation, type ActivationName } from '../layers/activation.ts';
import { Conv2d } from '../layers/conv2d.ts';
import { Linear } from '../layers/linear.ts';
import { AvgPool2d, MaxPool2d } from '../layers/pool.ts';
import { Flatten, Normalize, Sequential } from '../layers/sequential.ts';

export interface LeNet5Options {
  /** [height, width] of the images, each at least 12. Default [28, 28]. */
  readonly imageSize?: readonly [number, number];
  /** Default `tanh`, as in the paper. */
  readonly activation?: ActivationName;
  /** Default `average`, as in the paper. */
  readonly pooling?: 'average' | 'max';
  readonly channels?: number;
  readonly classes?: number;
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
}

/** Images [N, H, W, C] in [0, 1] to logits [N, classes]. Call `initialize` on the result. */
export function leNet5(options: LeNet5Options = {}): Sequential {
  knownOptions('lenet5', options, ['imageSize', 'activation', 'pooling', 'channels', 'classes', 'mean', 'std']);
  const { activation = 'tanh', pooling = 'average', channels = 1, classes = 10 } = options;
  const { imageSize = [28, 28], mean = [0.286], std = [0.353] } = options;
  everyOf('lenet5', 'imageSize', imageSize, positiveInteger);
  if (imageSize.length !== 2) refuse('lenet5', 'imageSize', imageSize, '[height, width]');
  oneOf('lenet5', 'pooling', pooling, ['average', 'max']);
  // Halved, 5 x 5 filters without a border, halved again.
  const [height, width] = imageSize.map(extent => ((extent >> 1) - 4) >> 1);
  if (Math.min(height, width) < 1) {
    throw new UsageError(
      `lenet5: two poolings with a 5 x 5 filter between them leave nothing of images of ${formatShape(imageSize)} pixels.`,
    );
  }
  const pool = () => (pooling === 'average' ? new AvgPool2d(2) : new MaxPool2d(2));
  return new Sequential({
    normalize: new Normalize(mean, std),
    conv1: new Conv2d(channels, 6, 5, { padding: 2 }),
    act1: new Activation(activation),
    pool1: pool(),
    conv2: new Conv2d(6, 16, 5, { padding: 0 }),
    act2: new Activation(activation),
    pool2: pool(),
    flatten: new Flatten(),
    dense1: new Linear(16 * height * width, 120),
    act3: new Activation(activation),
    dense2: new Linear(120, 84),
    act4: new Activation(activation),
    logits: new Linear(84, classes),
  });
}
