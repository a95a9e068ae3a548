/** Convolutions of the two networks at batch 128, forward and for both gradients. */
import type { Kernel } from '../../src/devices/kernel.ts';
import { conv2d, conv2dInputGradient, conv2dWeightGradient } from '../../src/kernels/conv2d/index.ts';
import { type KernelCase, kernelCase } from '../kernel-case.ts';
import { type ConvolutionOperation, outputSize } from '../operations.ts';
import type { InputSpec } from '../values.ts';

const BATCH = 128;

type Layer = Omit<ConvolutionOperation, 'kind'>;

const layer = (inputs: number, outputs: number, size: number, stride = 1, kernel = 3): Layer => ({
  batch: BATCH,
  size,
  inputs,
  outputs,
  kernel,
  stride,
  padding: (kernel - 1) >> 1,
});

const LAYERS: readonly Layer[] = [
  layer(1, 32, 28),
  layer(32, 32, 28),
  layer(32, 64, 28),
  layer(32, 64, 14),
  layer(64, 64, 14),
  layer(128, 128, 7),
  layer(32, 64, 28, 2),
  layer(64, 128, 14, 2),
  layer(32, 64, 28, 2, 1),
];

const KINDS = {
  conv2d: { title: 'forward', kernel: conv2d },
  conv2dInputGradient: { title: 'input gradient', kernel: conv2dInputGradient },
  conv2dWeightGradient: { title: 'weight gradient', kernel: conv2dWeightGradient },
} as const;

function convolution(kind: ConvolutionOperation['kind'], one: Layer): KernelCase {
  const { batch, size, inputs, outputs, kernel, stride, padding } = one;
  const operation = { kind, ...one };
  const out = outputSize(operation);
  const x: InputSpec = { shape: [batch, size, size, inputs], dtype: 'float32' };
  const w: InputSpec = { shape: [kernel, kernel, inputs, outputs], dtype: 'float32' };
  const dy: InputSpec = { shape: [batch, out, out, outputs], dtype: 'float32' };
  const geometry = {
    strides: [stride, stride],
    padding: [padding, padding, padding, padding],
    dilations: [1, 1],
    groups: 1,
  };
  const calls = {
    conv2d: { inputs: [x, w], params: { ...geometry, activation: 'none' } },
    conv2dInputGradient: { inputs: [dy, w], params: { ...geometry, inputSize: [size, size] } },
    conv2dWeightGradient: { inputs: [x, dy], params: { ...geometry, kernelSize: [kernel, kernel] } },
  };
  const { title } = KINDS[kind];
  const strided = stride === 1 ? '' : ` stride ${stride}`;
  return kernelCase({
    id: `conv ${kernel}x${kernel} ${inputs}-${outputs} @${size}${strided} ${title}`,
    group: `conv2d ${title}`,
    kernel: KINDS[kind].kernel as Kernel,
    operation,
    ...calls[kind],
  });
}

export const conv2dCases: readonly KernelCase[] = (Object.keys(KINDS) as ConvolutionOperation['kind'][]).flatMap(kind =>
  // Nobody needs the gradient of the images themselves, so the first layer has none.
  LAYERS.filter(({ inputs }) => kind !== 'conv2dInputGradient' || inputs > 1).map(one => convolution(kind, one)),
);
