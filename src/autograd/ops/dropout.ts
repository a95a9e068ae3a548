/** Dropout. The mask is a function of a counted random state, so the gradient makes the same mask again. */
import { type DropoutParams, dropout as dropoutKernel } from '../../kernels/random/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { apply, kernelOp, type Op } from '../op.ts';
import type { OpRows } from '../row.ts';

const dropoutOp: Op<DropoutParams> = kernelOp('dropout', dropoutKernel, {
  gradient: ({ inputs: [, state], params, upstream }) => [apply(dropoutOp, [upstream, state], params), undefined],
});

/**
 * Zeros each element with probability `rate` and divides the others by 1 - rate.
 * @param state uint32 [4]: seed, stream, counter; the same state gives the same mask
 */
export function dropout(x: Tensor, rate: number, state: Tensor): Tensor {
  return apply(dropoutOp, [x, state], { rate });
}

export const dropoutRows = {
  dropout: {
    about: 'Zeros where a counted random number says so, and the rest scaled up; the same state, the same zeros.',
    op: dropoutOp,
    functions: [dropout],
    kernels: [dropoutKernel],
    linearity: 'linear',
    reach: 'same',
    examples: [
      {
        inputs: [{ shape: [2, 3, 4] }, { shape: [4], values: [1, 2, 3, 0], dtype: 'uint32' }],
        run: (x: Tensor, state: Tensor) => dropout(x, 0.4, state),
      },
    ],
    onnx: 'Dropout',
  },
} satisfies OpRows;
