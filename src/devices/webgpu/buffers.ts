/**
 * The buffer pool. Creating a GPUBuffer costs tens of microseconds and a first touch of its memory, and a training step
 * asks for the same sizes again and again, so freed buffers are kept by size class and handed out again. That is safe at
 * once, without waiting for the GPU: work runs in the order it was recorded, so whoever gets the buffer next writes it
 * after the last reader is done. Only the host can overtake recorded work (`queue.writeBuffer`), which the recorder
 * guards against.
 *
 * Among free buffers of a class the one with the lowest id is taken. A step that starts from the same set of free
 * buffers then always makes the same choices, and every bind group of the steady state is found in the cache (taking
 * the last one freed permutes buffers from step to step and keeps making new bind groups).
 */

/** Buffer usages as the specification numbers them; Node has no global `GPUBufferUsage`. */
export const Usage = {
  MAP_READ: 0x1,
  COPY_SRC: 0x4,
  COPY_DST: 0x8,
  UNIFORM: 0x40,
  STORAGE: 0x80,
  QUERY_RESOLVE: 0x200,
};

/** Buffers that kernels work on, and those that results are read through. */
export const STORAGE_USAGE = Usage.STORAGE | Usage.COPY_SRC | Usage.COPY_DST;
export const STAGING_USAGE = Usage.MAP_READ | Usage.COPY_DST;

/** A buffer of the pool; `id` stands for it in cache keys and is never given to another. */
export interface PooledBuffer {
  readonly gpu: GPUBuffer;
  readonly id: number;
  readonly size: number;
  /** Number of the last batch that recorded work on it. */
  batch: number;
}

/** Bytes bound for a storage: vec4 views stay possible, and WebGPU allows no empty binding. */
export function paddedBytes(bytes: number): number {
  return Math.max(16, Math.ceil(bytes / 16) * 16);
}

/** Size classes: eight per octave, so at most an eighth is wasted. */
export function sizeClass(bytes: number): number {
  if (bytes <= 256) return 256;
  const step = 2 ** Math.max(8, Math.floor(Math.log2(bytes)) - 3);
  return Math.ceil(bytes / step) * step;
}

/** Buffers that nobody took for this many batches are given back to the driver. */
const IDLE_BATCHES = 1024;

export class BufferPool {
  readonly #create: (size: number) => PooledBuffer;
  readonly #free = new Map<number, PooledBuffer[]>();
  readonly #maxSize: number;
  #heir: BufferPool | undefined;
  liveCount = 0;
  liveBytes = 0;
  freeBytes = 0;

  /** @param create makes a new buffer of exactly `size` bytes; @param maxSize the adapter's largest buffer */
  constructor(create: (size: number) => PooledBuffer, maxSize: number) {
    this.#create = create;
    this.#maxSize = maxSize;
  }

  /** A buffer of at least `bytes` bytes, contents undefined. `bytes` must not exceed the adapter's largest buffer. */
  take(bytes: number): PooledBuffer {
    const size = Math.min(sizeClass(bytes), Math.floor(this.#maxSize / 16) * 16);
    const buffer = this.takeFree(size) ?? this.#create(size);
    this.liveCount++;
    this.liveBytes += size;
    return buffer;
  }

  /** A free buffer of exactly `size` bytes, for good: another pool's from now on. Undefined when there is none. */
  takeFree(size: number): PooledBuffer | undefined {
    const buffer = this.#free.get(size)?.pop();
    if (buffer) this.freeBytes -= size;
    return buffer;
  }

  /** Takes a buffer back for reuse. */
  give(buffer: PooledBuffer): void {
    this.liveCount--;
    this.liveBytes -= buffer.size;
    if (this.#heir) {
      this.#heir.liveCount++;
      this.#heir.liveBytes += buffer.size;
      this.#heir.give(buffer);
      return;
    }
    this.#keep(buffer);
  }

  #keep(buffer: PooledBuffer): void {
    let free = this.#free.get(buffer.size);
    if (!free) this.#free.set(buffer.size, (free = []));
    // Sorted by falling id, so that `pop` takes the lowest.
    let at = free.length;
    while (at > 0 && free[at - 1].id < buffer.id) at--;
    free.splice(at, 0, buffer);
    this.freeBytes += buffer.size;
  }

  /** Gives free buffers to `heir`, now and, when they are freed, those still in use. */
  bequeath(heir: BufferPool): void {
    this.#heir = heir;
    for (const free of this.#free.values()) for (const buffer of free) heir.#keep(buffer);
    this.#free.clear();
    this.freeBytes = 0;
  }

  /** Destroys free buffers that no batch has used since `batch - IDLE_BATCHES`; all of them with `batch = Infinity`. */
  trim(batch: number): void {
    for (const [size, free] of this.#free) {
      const kept = free.filter(buffer => {
        if (buffer.batch >= batch - IDLE_BATCHES) return true;
        buffer.gpu.destroy();
        this.freeBytes -= size;
        return false;
      });
      if (kept.length === 0) this.#free.delete(size);
      else if (kept.length < free.length) this.#free.set(size, kept);
    }
  }
}
