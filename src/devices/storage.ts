/**
 * Storage is a typed window into an allocation of a device. Allocations are reference counted: reshapes, views into an
 * arena and the tape's saved values all hold on to one allocation, and it goes back to the device's pool when the last
 * holder lets go. Nothing here knows tensors.
 */

import { checkReadable } from './access.ts';
import type { Storage } from './device.ts';
import { activeRecording, now, type Version } from './versions.ts';

export type { Allocation, Storage } from './device.ts';

/** Offsets of views must be multiples of this (WebGPU's minStorageBufferOffsetAlignment). */
export const VIEW_ALIGNMENT = 256;

/** One more holder of the storage's allocation. */
export function retain(storage: Storage): Storage {
  storage.allocation.references++;
  return storage;
}

/** One holder less; the last one gives the memory back to the device. */
export function release(storage: Storage): void {
  const { allocation } = storage;
  if (allocation.references <= 0) throw new Error('release: this storage has been released already.');
  if (--allocation.references === 0) allocation.device.free(allocation);
}

/**
 * One more holder of the same memory, who wants its present contents: reading it once they have been overwritten throws.
 * @param what the operation, for messages
 */
export function aliasOf(storage: Storage, what: string): Storage {
  const { device } = storage.allocation;
  checkReadable(device, what, storage);
  return versionOf(storage, { asOf: now(), recording: activeRecording(device) });
}

/** One more holder of the same memory, who wants its contents as of `version`. */
export function versionOf({ allocation, byteOffset, length, dtype }: Storage, version: Version): Storage {
  return retain({ allocation, byteOffset, length, dtype, version });
}

/**
 * A window into an existing storage, sharing (and retaining) its allocation.
 * @param elementOffset first element of the window; its byte offset must be a multiple of VIEW_ALIGNMENT
 */
export function viewOf(storage: Storage, elementOffset: number, length: number): Storage {
  const byteOffset = storage.byteOffset + elementOffset * (storage.dtype === 'uint8' ? 1 : 4);
  if (byteOffset % VIEW_ALIGNMENT !== 0 || elementOffset + length > storage.length) {
    throw new Error(`viewOf: elements ${elementOffset}..${elementOffset + length} are misaligned or out of range.`);
  }
  return retain({ allocation: storage.allocation, byteOffset, length, dtype: storage.dtype, version: storage.version });
}
