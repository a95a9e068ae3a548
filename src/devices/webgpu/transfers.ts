/** Host values on their way to the device: rounded, unshared and padded as `queue.writeBuffer` needs them. */
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
