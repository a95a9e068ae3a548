/**
 * Element types. float32 is what networks compute in; int32 carries labels and indices; uint32 random bits; uint8 is
 * storage for images. Every element of float32, int32 and uint32 takes four bytes on every device but `reference`, which
 * holds float32 tensors in float64 so that it can judge the others.
 */
import { DTypeError } from './errors.ts';

export type DType = 'float32' | 'int32' | 'uint32' | 'uint8';

/**
 * Values of a tensor on the host: the array that is named like the dtype. The reference device holds float32 in a
 * Float64Array: its kernels read and write that, and reading a float32 tensor of it gives one.
 */
export type TypedArray = Float32Array | Float64Array | Int32Array | Uint32Array | Uint8Array;

/** Bytes per element on the compute devices. */
export function bytesPerElement(dtype: DType): number {
  return dtype === 'uint8' ? 1 : 4;
}

/** An array of `length` zeros that holds `dtype` on the host. */
export function allocateHost(dtype: DType, length: number): Float32Array | Int32Array | Uint32Array | Uint8Array {
  switch (dtype) {
    case 'float32':
      return new Float32Array(length);
    case 'int32':
      return new Int32Array(length);
    case 'uint32':
      return new Uint32Array(length);
    case 'uint8':
      return new Uint8Array(length);
  }
}

/** The dtype a host array stands for (Float64Array is taken as float32: the reference device's precision). */
export function dtypeOf(values: TypedArray): DType {
  if (values instanceof Float32Array || values instanceof Float64Array) return 'float32';
  if (values instanceof Int32Array) return 'int32';
  if (values instanceof Uint32Array) return 'uint32';
  if (values instanceof Uint8Array) return 'uint8';
  throw new DTypeError('values must be a Float32Array, Float64Array, Int32Array, Uint32Array or Uint8Array.');
}
