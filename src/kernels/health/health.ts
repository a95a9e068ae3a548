/**
 * Looking for the first value that is NaN or infinite: the test that every training step makes of its parameters,
 * statistics and gradients. By the bits (all exponent bits set), because GPUs may fold `x != x` away.
 */
import { DTypeError } from '../../devices/errors.ts';
import type { KernelDefinition } from '../../devices/kernel.ts';
import { sizeOf } from '../../devices/shape.ts';

/** The exponent bits of a float32: all set in NaN and infinities, never in other values. */
export const EXPONENT_BITS = 0x7f800000;

/** Inputs [x float32]; output int32 [1]: the index of the first element that is not finite, or -1. */
export const firstNonFiniteDefinition: KernelDefinition<Record<string, never>> = {
  name: 'firstNonFinite',
  infer([x]) {
    if (x.dtype !== 'float32') throw new DTypeError(`firstNonFinite takes float32, not ${x.dtype}.`);
    return [{ shape: [1], dtype: 'int32' }];
  },
  cost: ([x]) => ({ flops: 0, bytes: 4 * sizeOf(x.shape) + 4 }),
};
