/**
 * The one WebAssembly.Memory of a device: every tensor, scratch array and kernel works at addresses in it, and worker
 * threads share it where the engine allows. It grows in steps and never shrinks (WebAssembly cannot), so what is freed
 * is kept for reuse. Growing replaces `memory.buffer`, hence the typed-array views are made anew each time.
 *
 * Addresses pass 2 GiB: kernels that compare addresses do so unsigned.
 *
 * A memory outlives its device until garbage is collected, which the engine sees no reason to do: to it, four gigabytes
 * of shared memory are one small object (90 devices opened in turn held 3.7 GB). The memory of a device that was closed is
 * therefore the next one's, as it is, unless the collector was faster.
 */
import { DeviceError, OutOfMemoryError } from '../errors.ts';
import { type Block, Heap, roundToGranule } from './heap.ts';

export const PAGE = 65536;
/** 4 GiB less one page: the end of memory is still a 32-bit number. */
const LARGEST_MAXIMUM = 65535;
const SMALLEST_GROWTH = 16 * 1024 * 1024;

/** What is live, for the sentence an allocation that cannot be served ends with. */
export interface LiveMemory {
  readonly liveAllocations: number;
  readonly liveBytes: number;
}

/** Typed arrays over the whole memory; valid until it grows. */
export interface Views {
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  readonly u32: Uint32Array;
  readonly f32: Float32Array;
}

export interface MemoryOptions {
  /** Shared with worker threads; fails where SharedArrayBuffer is missing. */
  readonly shared: boolean;
  /** Pages of 64 KiB it may grow to; fewer if the engine refuses. Default 65535. */
  readonly maximumPages?: number;
  /** Where allocations start; tests set it beyond 2 GiB. */
  readonly base?: number;
}

export class WasmMemory {
  readonly memory: WebAssembly.Memory;
  readonly shared: boolean;
  readonly maximumBytes: number;
  views: Views;
  #bytes: number;
  /** Pages that were asked for; the engine may have given fewer. */
  readonly #wanted: number;
  readonly #base: number;
  readonly #heap = new Heap();

  constructor({ shared, maximumPages = LARGEST_MAXIMUM, base = 1024 }: MemoryOptions) {
    const initial = Math.ceil((base + PAGE) / PAGE);
    const wanted = Math.max(initial, Math.min(maximumPages, LARGEST_MAXIMUM));
    const { memory, maximum } = takeClosed(initial, wanted, shared) ?? openMemory(initial, wanted, shared);
    this.memory = memory;
    this.shared = shared;
    this.maximumBytes = maximum * PAGE;
    this.#wanted = wanted;
    this.#base = base;
    this.#bytes = memory.buffer.byteLength;
    this.views = viewsOf(memory);
    this.#heap.add(base, this.#bytes - base);
  }

  /** Bytes that can be allocated or are, without growing. */
  get reservedBytes(): number {
    return this.#bytes - this.#base;
  }

  /**
   * A block of at least `bytes` (64-byte aligned, uninitialised).
   * @throws OutOfMemoryError saying what was asked for and what is live
   */
  allocate(bytes: number, live: LiveMemory): Block {
    const block = this.#heap.allocate(bytes);
    if (block) return block;
    if (!this.#grow(bytes)) throw new OutOfMemoryError(this.#outOfMemory(bytes, live));
    return this.#heap.allocate(bytes)!;
  }

  free(block: Block): void {
    this.#heap.free(block);
  }

  /** Leaves the memory to the next device. Nobody may use it any more: not this device, nor its threads. */
  close(): void {
    const { memory, shared, maximumBytes } = this;
    closed.push({ memory: new WeakRef(memory), maximum: maximumBytes / PAGE, wanted: this.#wanted, shared });
  }

  #grow(bytes: number): boolean {
    const needed = Math.ceil((roundToGranule(bytes) - this.#heap.freeAtEnd) / PAGE);
    const room = (this.maximumBytes - this.#bytes) / PAGE;
    // In generous steps (an eighth more), then only what is needed, should the system refuse the step.
    const step = Math.min(room, Math.max(needed, Math.ceil(Math.max(SMALLEST_GROWTH, this.#bytes / 8) / PAGE)));
    for (const pages of step > needed ? [step, needed] : [needed]) {
      if (pages > room) return false;
      try {
        this.memory.grow(pages);
      } catch {
        continue;
      }
      this.#heap.add(this.#bytes, pages * PAGE);
      this.#bytes += pages * PAGE;
      this.views = viewsOf(this.memory);
      return true;
    }
    return false;
  }

  #outOfMemory(bytes: number, { liveAllocations, liveBytes }: LiveMemory): string {
    const pooled = this.#heap.freeBytes;
    return (
      `wasm: out of memory: ${formatBytes(bytes)} were asked for while ${liveAllocations} allocations hold ` +
      `${formatBytes(liveBytes)} and ${formatBytes(pooled)} are pooled (largest piece ` +
      `${formatBytes(this.#heap.largestFree)}) of at most ${formatBytes(this.maximumBytes)}; ` +
      'use a smaller batch or dispose tensors you no longer need.'
    );
  }
}

/** Memories of closed devices that the collector has not taken yet, the last closed at the end. */
interface ClosedMemory {
  readonly memory: WeakRef<WebAssembly.Memory>;
  readonly maximum: number;
  readonly wanted: number;
  readonly shared: boolean;
}

let closed: ClosedMemory[] = [];

/** A closed device's memory of the same kind, with what it holds and as large as it has become. */
function takeClosed(
  initial: number,
  wanted: number,
  shared: boolean,
): { memory: WebAssembly.Memory; maximum: number } | undefined {
  closed = closed.filter(({ memory }) => memory.deref() !== undefined);
  for (let i = closed.length - 1; i >= 0; i--) {
    const { memory: reference, maximum, ...kind } = closed[i];
    if (kind.shared !== shared || kind.wanted !== wanted) continue;
    const memory = reference.deref()!;
    if (memory.buffer.byteLength < initial * PAGE) continue;
    closed.splice(i, 1);
    return { memory, maximum };
  }
  return undefined;
}

/** Engines and process limits may refuse to reserve 4 GiB of address space, so ask for less until one agrees. */
function openMemory(
  initial: number,
  maximum: number,
  shared: boolean,
): { memory: WebAssembly.Memory; maximum: number } {
  for (let pages = maximum; ; pages = Math.max(initial, pages >> 1)) {
    try {
      return { memory: new WebAssembly.Memory({ initial, maximum: pages, shared }), maximum: pages };
    } catch (error) {
      if (pages === initial) {
        throw new DeviceError(`wasm: the engine refused ${formatBytes(pages * PAGE)} of memory: ${String(error)}.`);
      }
    }
  }
}

function viewsOf(memory: WebAssembly.Memory): Views {
  const { buffer } = memory;
  return {
    u8: new Uint8Array(buffer),
    i32: new Int32Array(buffer),
    u32: new Uint32Array(buffer),
    f32: new Float32Array(buffer),
  };
}

/** 1,234 bytes, 1.5 MiB, 2.25 GiB. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024 * 1024) return `${bytes.toLocaleString('en')} bytes`;
  const [unit, size] = bytes < 1024 ** 3 ? ['MiB', 1024 ** 2] : ['GiB', 1024 ** 3];
  return `${(bytes / (size as number)).toLocaleString('en', { maximumFractionDigits: 2 })} ${unit}`;
}
