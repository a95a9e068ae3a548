/** Products at square sizes, with transposes, and of the dense layers of the CNN, forward and for both gradients. */
import { matmul } from '../../src/kernels/matmul/index.ts';
import { type KernelCase, kernelCase } from '../kernel-case.ts';
import type { InputSpec } from '../values.ts';

interface Product {
  readonly id: string;
  readonly m: number;
  readonly k: number;
  readonly n: number;
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
}

function product({ id, m, k, n, transposeA = false, transposeB = false }: Product): KernelCase {
  const inputs: InputSpec[] = [
    { shape: transposeA ? [k, m] : [m, k], dtype: 'float32' },
    { shape: transposeB ? [n, k] : [k, n], dtype: 'float32' },
  ];
  return kernelCase({
    id: `matmul ${id}`,
    group: 'matmul',
    kernel: matmul,
    params: { transposeA, transposeB, activation: 'none' },
    inputs,
    operation: { kind: 'matmul', m, k, n, transposeA, transposeB },
  });
}

const square = (n: number): Product => ({ id: String(n), m: n, k: n, n });

export const matmulCases: readonly KernelCase[] = [
  square(128),
  square(256),
  square(512),
  square(1024),
  { ...square(512), id: '512 A transposed', transposeA: true },
  { ...square(512), id: '512 B transposed', transposeB: true },
  { id: 'dense 3136-128', m: 128, k: 3136, n: 128 },
  { id: 'dense 3136-128 input gradient', m: 128, k: 128, n: 3136, transposeB: true },
  { id: 'dense 3136-128 weight gradient', m: 3136, k: 128, n: 128, transposeA: true },
  { id: 'dense 128-10', m: 128, k: 128, n: 10 },
  { id: 'dense 128-10 input gradient', m: 128, k: 10, n: 128, transposeB: true },
  { id: 'dense 128-10 weight gradient', m: 128, k: 128, n: 10, transposeA: true },
].map(product);
