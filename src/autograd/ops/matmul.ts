/** Matrix multiplication; its gradients are matrix multiplications with other transposes, never copies. */

import { sameShape } from '../../devices/shape.ts';
import { retain, type Storage } from '../../devices/storage.ts';
import { type FusedActivation, type MatmulParams, matmul as matmulKernel } from '../../kernels/matmul/index.ts';
import { Tensor } from '../../tensor/tensor.ts';
import { apply, kernelOp, type Op, runKernel } from '../op.ts';
import { EVERYWHERE, type OpRows, type Sample } from '../row.ts';
import { biasGradient, sumTo } from './broadcast.ts';
import { add, relu, reluGradientFromOutput } from './elementwise.ts';

const matmulOp: Op<MatmulParams> = kernelOp('matmul', matmulKernel, {
  gradient({ inputs: [a, b], params: { transposeA, transposeB }, upstream, needs, into, recorded }) {
    // C = op(A) op(B): the gradient of op(A) is dC op(B)^T, of op(B) op(A)^T dC; transposed again where op transposes.
    const gradientOf = (operand: Tensor, x: Tensor, y: Tensor, tx: boolean, ty: boolean, target?: Storage): Tensor =>
      recorded
        ? sumTo(matmul(x, y, { transposeA: tx, transposeB: ty }), operand.shape)
        : product(operand, x, y, tx, ty, target);
    return [
      needs[0]
        ? transposeA
          ? gradientOf(a, b, upstream, transposeB, true, into[0])
          : gradientOf(a, upstream, b, false, !transposeB, into[0])
        : undefined,
      needs[1]
        ? transposeB
          ? gradientOf(b, upstream, a, true, transposeA, into[1])
          : gradientOf(b, a, upstream, !transposeA, false, into[1])
        : undefined,
    ];
  },
});

/** A product off the tape, written to `target` if that can be; summed where `operand` was broadcast. */
function product(
  operand: Tensor,
  x: Tensor,
  y: Tensor,
  transposeA: boolean,
  transposeB: boolean,
  target?: Storage,
): Tensor {
  const params: MatmulParams = { transposeA, transposeB, activation: 'none' };
  const [{ shape }] = matmulKernel.infer([x, y], params);
  const direct = target && sameShape(shape, operand.shape) ? target : undefined;
  const [output] = runKernel(matmulKernel, [x, y], params, [direct]);
  return sumTo(new Tensor(direct ? retain(direct) : output.storage, shape), operand.shape);
}

/** With bias and activation in the kernel's last step. */
const fusedMatmulOp: Op<MatmulParams> = kernelOp('fusedMatmul', matmulKernel, {
  gradient({ inputs: [a, b, bias], outputs: [y], params, upstream, needs, into, recorded }) {
    const dy = params.activation === 'relu' ? reluGradientFromOutput(y, upstream) : upstream;
    const [da, db] = matmulOp.gradient({
      inputs: [a, b],
      outputs: [y],
      params,
      upstream: dy,
      needs,
      into,
      recorded,
    });
    return [da, db, bias && needs[2] ? biasGradient(dy, bias, recorded ? undefined : into[2]) : undefined];
  },
  decompose([a, b, bias], { transposeA, transposeB, activation }) {
    const product = matmul(a, b, { transposeA, transposeB });
    const shifted = bias ? add(product, bias) : product;
    return activation === 'relu' ? relu(shifted) : shifted;
  },
});

export interface MatmulOptions {
  /** Read the last two axes of A (of B) swapped; nothing is copied. */
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
  /** Shape [n], added to every row. */
  readonly bias?: Tensor;
  readonly activation?: FusedActivation;
}

/**
 * Product of the last two axes, [..., m, k] x [..., k, n] -> [..., m, n]; leading axes broadcast.
 * @throws ShapeError when the inner sizes differ
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  const { transposeA = false, transposeB = false, bias, activation = 'none' } = options;
  const params: MatmulParams = { transposeA, transposeB, activation };
  if (!bias && activation === 'none') return apply(matmulOp, [a, b], params);
  return apply(fusedMatmulOp, bias ? [a, b, bias] : [a, b], params);
}

/** x W + b for x [..., inputs] and W [inputs, outputs]. */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor, activation: FusedActivation = 'none'): Tensor {
  return matmul(x, weight, { bias, activation });
}

const a34: Sample = { shape: [3, 4] };
const a43: Sample = { shape: [4, 3] };
const b42: Sample = { shape: [4, 2] };
const b24: Sample = { shape: [2, 4] };

export const matmulRows = {
  matmul: {
    about: 'Product of the last two axes, [..., m, k] x [..., k, n]; leading axes broadcast.',
    op: matmulOp,
    functions: [matmul, linear],
    kernels: [matmulKernel],
    linearity: 'bilinear',
    reach: EVERYWHERE,
    isContraction: true,
    examples: [
      { inputs: [a34, b42], run: (a: Tensor, b: Tensor) => matmul(a, b) },
      { title: 'A^T', inputs: [a43, b42], run: (a: Tensor, b: Tensor) => matmul(a, b, { transposeA: true }) },
      { title: 'B^T', inputs: [a34, b24], run: (a: Tensor, b: Tensor) => matmul(a, b, { transposeB: true }) },
      {
        title: 'A^T B^T',
        inputs: [a43, b24],
        run: (a: Tensor, b: Tensor) => matmul(a, b, { transposeA: true, transposeB: true }),
      },
      {
        title: 'batches broadcast',
        inputs: [{ shape: [2, 1, 3, 4] }, { shape: [3, 4, 2] }],
        run: (a: Tensor, b: Tensor) => matmul(a, b),
      },
    ],
    onnx: 'MatMul',
  },
  fusedMatmul: {
    about: 'A matrix product with bias and activation in its last step.',
    op: fusedMatmulOp,
    functions: [matmul, linear],
    kernels: [matmulKernel],
    linearity: 'bilinear',
    reach: EVERYWHERE,
    isContraction: true,
    examples: [
      { inputs: [a34, b42, { shape: [2] }], run: (a: Tensor, b: Tensor, bias: Tensor) => matmul(a, b, { bias }) },
      {
        title: 'relu',
        inputs: [a34, b42, { shape: [2] }],
        run: (a: Tensor, b: Tensor, bias: Tensor) => matmul(a, b, { bias, activation: 'relu' }),
      },
    ],
    onnx: 'Gemm',
  },
} satisfies OpRows;
