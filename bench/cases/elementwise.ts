/** Maps over the largest activation of the CNN, reductions over it, and what gathers a batch. */
import { accumulate, affine, binary, unary, unaryGradient } from '../../src/kernels/elementwise/index.ts';
import { augmentImages, gatherImages } from '../../src/kernels/image/index.ts';
import { reduce } from '../../src/kernels/reduce/index.ts';
import { type KernelCase, kernelCase } from '../kernel-case.ts';
import type { InputSpec } from '../values.ts';

const SHAPE = [128, 28, 28, 32];
const LENGTH = 128 * 28 * 28 * 32;
const activation: InputSpec = { shape: SHAPE, dtype: 'float32' };
const bias: InputSpec = { shape: [32], dtype: 'float32' };

const DATASET = 60_000;
const gathered: InputSpec[] = [
  { shape: [DATASET, 28, 28, 1], dtype: 'uint8' },
  { shape: [128], dtype: 'int32', fill: { below: DATASET } },
];
/** The dataset lies in memory, but a batch touches 128 of its images: bytes are read, floats written. */
const BATCH_BYTES = 5 * 128 * 28 * 28;

export const elementwiseCases: readonly KernelCase[] = [
  kernelCase({
    id: 'add 3.2 M',
    group: 'elementwise',
    kernel: binary,
    params: { op: 'add' },
    inputs: [activation, activation],
    operation: { kind: 'add', length: LENGTH },
  }),
  kernelCase({
    id: 'add 3.2 M + row of 32',
    group: 'elementwise',
    kernel: binary,
    params: { op: 'add' },
    inputs: [activation, bias],
  }),
  kernelCase({
    id: 'relu 3.2 M',
    group: 'elementwise',
    kernel: unary,
    params: { op: 'relu' },
    inputs: [activation],
    operation: { kind: 'relu', length: LENGTH },
  }),
  kernelCase({
    id: 'relu 3.2 M backward',
    group: 'elementwise',
    kernel: unaryGradient,
    params: { op: 'relu' },
    inputs: [activation, activation, activation],
  }),
  kernelCase({
    id: 'scale and shift 3.2 M',
    group: 'elementwise',
    kernel: affine,
    params: { scale: 2, shift: 1 },
    inputs: [activation],
  }),
  kernelCase({
    id: 'accumulate 3.2 M',
    group: 'elementwise',
    kernel: accumulate,
    params: {},
    inputs: [activation],
  }),
  kernelCase({
    id: 'gelu 3.2 M',
    group: 'transcendental',
    kernel: unary,
    params: { op: 'gelu' },
    inputs: [activation],
  }),
  kernelCase({ id: 'exp 3.2 M', group: 'transcendental', kernel: unary, params: { op: 'exp' }, inputs: [activation] }),
  kernelCase({
    id: 'sum 3.2 M to one number',
    group: 'reduce',
    kernel: reduce,
    params: { op: 'sum', axes: [0, 1, 2, 3], keepDims: false },
    inputs: [activation],
  }),
  kernelCase({
    id: 'sum 3.2 M to a row of 32',
    group: 'reduce',
    kernel: reduce,
    params: { op: 'sum', axes: [0, 1, 2], keepDims: false },
    inputs: [activation],
  }),
  kernelCase({
    id: 'gather a batch of 128',
    group: 'image',
    kernel: gatherImages,
    params: {},
    inputs: gathered,
    bytes: BATCH_BYTES,
  }),
  kernelCase({
    id: 'gather and augment a batch of 128',
    group: 'image',
    kernel: augmentImages,
    params: { crop: 2, flip: 'random', erase: null },
    inputs: [...gathered, { shape: [4], dtype: 'uint32', fill: [1, 2, 3, 4] }],
    bytes: BATCH_BYTES,
  }),
];
