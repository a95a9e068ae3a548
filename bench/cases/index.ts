import type { KernelCase } from '../kernel-case.ts';
import { batchNormCases } from './batchnorm.ts';
import { conv2dCases } from './conv2d.ts';
import { elementwiseCases } from './elementwise.ts';
import { matmulCases } from './matmul.ts';
import { optimizerCases } from './optimizer.ts';
import { poolCases } from './pool.ts';
import { softmaxCases } from './softmax.ts';

export const kernelCases: readonly KernelCase[] = [
  ...matmulCases,
  ...conv2dCases,
  ...batchNormCases,
  ...poolCases,
  ...softmaxCases,
  ...elementwiseCases,
  ...optimizerCases,
];
