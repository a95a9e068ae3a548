/**
 * The bytes a kernel must at least move: every input and output once. Divided by the time it took, this is the bandwidth
 * that memory-bound kernels are judged by.
 */
import { bytesPerElement } from '../devices/dtype.ts';
import type { Spec } from '../devices/kernel.ts';
import { sizeOf } from '../devices/shape.ts';

export function trafficOf(...groups: readonly (readonly Spec[])[]): number {
  let bytes = 0;
  for (const specs of groups) for (const { shape, dtype } of specs) bytes += sizeOf(shape) * bytesPerElement(dtype);
  return bytes;
}
