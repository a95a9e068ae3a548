/** Optimizer steps over the parameters of the CNN (425,000) and over ten million. */
import { adamStep, emaStep, sgdStep } from '../../src/kernels/optimizer/index.ts';
import { type KernelCase, kernelCase } from '../kernel-case.ts';
import type { InputSpec } from '../values.ts';

/** Learning rates are tiny, so that thousands of steps on one gradient stay finite. */
const RATE = 1e-9;

function overLength(length: number, size: string): KernelCase[] {
  const vector: InputSpec = { shape: [length], dtype: 'float32' };
  const hyper = (...fill: number[]): InputSpec => ({ shape: [fill.length], dtype: 'float32', fill });
  return [
    kernelCase({
      id: `SGD Nesterov ${size}`,
      group: 'optimizer',
      kernel: sgdStep,
      params: { momentum: 0.9, nesterov: true, weightDecay: 5e-4 },
      inputs: [vector, hyper(RATE)],
    }),
    kernelCase({
      id: `AdamW ${size}`,
      group: 'optimizer',
      kernel: adamStep,
      params: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 5e-4, decoupled: true },
      inputs: [vector, hyper(RATE, 0.5, 0.5)],
    }),
    kernelCase({
      id: `moving average ${size}`,
      group: 'optimizer',
      kernel: emaStep,
      params: {},
      inputs: [vector, hyper(0.001, 0.999)],
    }),
  ];
}

export const optimizerCases: readonly KernelCase[] = [
  ...overLength(425_000, '425 k'),
  ...overLength(10_000_000, '10 M'),
];
