/** Matrix multiplication as three loops: `C[i, j] = act(sum_k A[i, k] B[k, j] + bias[j])`. */
import type { TypedArray } from '../../devices/dtype.ts';
import type { Spec } from '../../devices/kernel.ts';
import { type MatmulParams, matmulSizes, matrixOffsets } from './matmul.ts';

export function matmulReference(
  inputs: readonly TypedArray[],
  [c]: readonly TypedArray[],
  specs: readonly Spec[],
  params: MatmulParams,
): void {
  const [a, b, bias] = inputs;
  const sizes = matmulSizes(specs, params);
  const { batch, m, n, k } = sizes;
  const [rowA, columnA] = params.transposeA ? [1, m] : [k, 1];
  const [rowB, columnB] = params.transposeB ? [1, k] : [n, 1];
  for (let matrix = 0; matrix < batch; matrix++) {
    const [offsetA, offsetB] = matrixOffsets(sizes, matrix);
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = bias ? bias[j] : 0;
        for (let p = 0; p < k; p++) {
          sum += a[offsetA + i * rowA + p * columnA] * b[offsetB + p * rowB + j * columnB];
        }
        c[(matrix * m + i) * n + j] = params.activation === 'relu' ? Math.max(sum, 0) : sum;
      }
    }
  }
}
