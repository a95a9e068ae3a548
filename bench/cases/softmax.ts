/** The loss of a training step, and a softmax wide enough to show its arithmetic. */
import { crossEntropy, crossEntropyGradient, softmax } from '../../src/kernels/softmax/index.ts';
import { type KernelCase, kernelCase } from '../kernel-case.ts';
import type { InputSpec } from '../values.ts';

const [BATCH, CLASSES] = [128, 10];
const logits: InputSpec = { shape: [BATCH, CLASSES], dtype: 'float32' };
const labels: InputSpec = { shape: [BATCH], dtype: 'int32', fill: { below: CLASSES } };

export const softmaxCases: readonly KernelCase[] = [
  kernelCase({
    id: 'cross-entropy 128 x 10 forward',
    group: 'softmax',
    kernel: crossEntropy,
    params: { smoothing: 0.1 },
    inputs: [logits, labels],
  }),
  kernelCase({
    id: 'cross-entropy 128 x 10 backward',
    group: 'softmax',
    kernel: crossEntropyGradient,
    params: { smoothing: 0.1 },
    inputs: [logits, labels, { shape: [BATCH], dtype: 'float32' }],
  }),
  kernelCase({
    id: 'softmax 2048 x 1000',
    group: 'softmax',
    kernel: softmax,
    params: {},
    inputs: [{ shape: [2048, 1000], dtype: 'float32' }],
    operation: { kind: 'softmax', rows: 2048, classes: 1000 },
  }),
];
