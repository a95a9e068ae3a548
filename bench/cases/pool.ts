/** The pooling layers of the two networks, forward and backward. */
import {
  globalAveragePool,
  globalAveragePoolGradient,
  maxPool2d,
  maxPool2dGradient,
} from '../../src/kernels/pool/index.ts';
import { type KernelCase, kernelCase } from '../kernel-case.ts';
import type { InputSpec } from '../values.ts';

const BATCH = 128;
const images = (size: number, channels: number): InputSpec => ({
  shape: [BATCH, size, size, channels],
  dtype: 'float32',
});
const HALVING = { kernel: [2, 2], strides: [2, 2], padding: [0, 0, 0, 0] } as const;

const halving = (size: number, channels: number): KernelCase[] => [
  kernelCase({
    id: `max-pool ${channels} @${size} forward`,
    group: 'pool',
    kernel: maxPool2d,
    params: HALVING,
    inputs: [images(size, channels)],
    operation: { kind: 'maxPool2d', batch: BATCH, size, channels },
  }),
  kernelCase({
    id: `max-pool ${channels} @${size} backward`,
    group: 'pool',
    kernel: maxPool2dGradient,
    params: HALVING,
    inputs: [images(size, channels), images(size / 2, channels)],
  }),
];

export const poolCases: readonly KernelCase[] = [
  ...halving(28, 32),
  ...halving(14, 64),
  kernelCase({
    id: 'global average pool 128 @7 forward',
    group: 'pool',
    kernel: globalAveragePool,
    params: {},
    inputs: [images(7, 128)],
  }),
  kernelCase({
    id: 'global average pool 128 @7 backward',
    group: 'pool',
    kernel: globalAveragePoolGradient,
    params: { inputSize: [7, 7] },
    inputs: [{ shape: [BATCH, 128], dtype: 'float32' }],
  }),
];
