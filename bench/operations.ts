/**
 * What can be asked of everyone who takes part: operations by their meaning, not by anyone's kernel. Images are NHWC,
 * filters HWIO; a peer that lays them out differently does so on its own side, outside of what is timed.
 */

export interface MatmulOperation {
  readonly kind: 'matmul';
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

export interface ConvolutionOperation {
  readonly kind: 'conv2d' | 'conv2dInputGradient' | 'conv2dWeightGradient';
  readonly batch: number;
  /** Height and width of the images. */
  readonly size: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
}

export interface ElementwiseOperation {
  readonly kind: 'add' | 'relu';
  readonly length: number;
}

/** Max-pooling 2 x 2. */
export interface PoolOperation {
  readonly kind: 'maxPool2d';
  readonly batch: number;
  readonly size: number;
  readonly channels: number;
}

export interface SoftmaxOperation {
  readonly kind: 'softmax';
  readonly rows: number;
  readonly classes: number;
}

export type NetworkName = 'cnn' | 'mini-resnet';

/** Logits of a batch in evaluation mode, or a whole training step: cross-entropy, backward, SGD with Nesterov momentum. */
export interface NetworkOperation {
  readonly kind: 'infer' | 'train';
  readonly network: NetworkName;
  readonly batch: number;
}

export type Operation =
  | MatmulOperation
  | ConvolutionOperation
  | ElementwiseOperation
  | PoolOperation
  | SoftmaxOperation
  | NetworkOperation;

/** Extent of a convolution's output. */
export const outputSize = ({ size, kernel, stride, padding }: ConvolutionOperation): number =>
  Math.floor((size + 2 * padding - kernel) / stride) + 1;
