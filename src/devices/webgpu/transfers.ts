/** Host values on their way to the device (rounded, unshared and padded as `queue.writeBuffer` needs them) and back. */
import type { TypedArray } from '../dtype.ts';

/** The bytes of host values as the device stores them, padded to a multiple of four. */
export function hostBytes(values: TypedArray): Uint8Array<ArrayBuffer> {
  const stored = values instanceof Float64Array ? new Float32Array(values) : values;
  const { buffer, byteOffset, byteLength } = stored;
  if (buffer instanceof ArrayBuffer && byteLength % 4 === 0) return new Uint8Array(buffer, byteOffset, byteLength);
  // Dawn crashes the process when it is handed shared memory (tried with npm `webgpu` 0.6.2).
  const padded = new Uint8Array(Math.ceil(byteLength / 4) * 4);
  padded.set(new Uint8Array(buffer, byteOffset, byteLength));
  return padded;
}

/** Copies what is mapped of a staging buffer to `values`. */
export function copyMapped(staging: GPUBuffer, size: number, values: TypedArray): void {
  new Uint8Array(values.buffer).set(new Uint8Array(staging.getMappedRange(0, size), 0, values.byteLength));
}
