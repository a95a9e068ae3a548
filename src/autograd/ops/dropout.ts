/** Dropout. The mask is a function of a counted random state, so the gradient makes the same mask again. */
import { type DropoutParams, dropout as dropoutKernel } from '../../kernels/random/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { apply, kernelOp, type Op } from '../op.ts';

const dropoutOp: Op<DropoutParams> = kernelOp(dropoutKernel, {
  gradient: ({ inputs: [, state], params, upstream }) => [apply(dropoutOp, [upstream, state], params), undefined],
});

/**
 * Zeros each element with probability `rate` and divides the others by 1 - rate.
 * @param state uint32 [4]: seed, stream, counter; the same state gives the same mask
 */
export function dropout(x: Tensor, rate: number, state: Tensor): Tensor {
  return apply(dropoutOp, [x, state], { rate });
}
