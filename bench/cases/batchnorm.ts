/**
 * Batch norm with ReLU at the activations of the two networks. Training must go through x twice, because no value can be
 * normalised before the statistics of all are known, and its gradient through x and dy twice: that is the traffic they are
 * charged with.
 */

import { sizeOf } from '../../src/devices/shape.ts';
import { batchNormEval, batchNormTrain, batchNormTrainGradient } from '../../src/kernels/batchnorm/index.ts';
import { type KernelCase, kernelCase } from '../kernel-case.ts';
import type { InputSpec } from '../values.ts';

const EPSILON = 1e-5;
const SHAPES = [
  [128, 28, 28, 32],
  [128, 14, 14, 64],
  [128, 7, 7, 128],
] as const;

function atShape(shape: readonly number[]): KernelCase[] {
  const channels = shape[shape.length - 1];
  const image: InputSpec = { shape, dtype: 'float32' };
  const vector: InputSpec = { shape: [channels], dtype: 'float32', fill: 'positive' };
  const size = `${channels} @${shape[1]}`;
  const bytes = 4 * sizeOf(shape);
  return [
    kernelCase({
      id: `batch norm + relu ${size} forward`,
      group: 'batch norm',
      kernel: batchNormTrain,
      params: { epsilon: EPSILON, momentum: 0.1, activation: 'relu' },
      inputs: [image, vector, vector],
      bytes: 3 * bytes,
    }),
    kernelCase({
      id: `batch norm + relu + residual ${size} forward`,
      group: 'batch norm',
      kernel: batchNormTrain,
      params: { epsilon: EPSILON, momentum: 0.1, activation: 'relu' },
      inputs: [image, vector, vector, image],
      bytes: 4 * bytes,
    }),
    kernelCase({
      id: `batch norm + relu ${size} backward`,
      group: 'batch norm',
      kernel: batchNormTrainGradient,
      params: { activation: 'relu', residual: false },
      inputs: [image, image, image, vector, vector, vector],
      bytes: 5 * bytes,
    }),
    kernelCase({
      id: `batch norm + relu ${size} evaluation`,
      group: 'batch norm',
      kernel: batchNormEval,
      params: { epsilon: EPSILON, activation: 'relu' },
      inputs: [image, vector, vector, vector, vector],
    }),
  ];
}

export const batchNormCases: readonly KernelCase[] = SHAPES.flatMap(atShape);
