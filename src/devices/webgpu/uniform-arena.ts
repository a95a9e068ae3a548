/**
 * Uniform blocks on the device, interned by content: equal blocks share one slot, so a training step that repeats writes
 * none. Slots are 256 bytes apart (WebGPU's alignment) in buffers of 64 KiB. A slot is written once, before any work that
 * reads it is recorded, and never again, so no hazard arises. Blocks follow from shapes and parameters, hence are few; should a
 * program make a great many, `isFull` asks the owner to drop all caches and start a fresh arena.
 */
import { Usage } from './buffers.ts';

const SLOT_BYTES = 256;
const ARENA_BYTES = 64 * 1024;
const MAX_SLOTS = 16384;

/** A uniform block's place on the device. */
export interface UniformSlot {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly size: number;
}

export class UniformArena {
  readonly #device: GPUDevice;
  readonly #slots = new Map<string, UniformSlot>();
  #buffer: GPUBuffer | undefined;
  #used = 0;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  get size(): number {
    return this.#slots.size;
  }

  get isFull(): boolean {
    return this.#slots.size >= MAX_SLOTS;
  }

  /** The slot that holds `block`, written now if it is new. */
  intern(block: Uint32Array): UniformSlot {
    const key = block.join();
    let slot = this.#slots.get(key);
    if (!slot) {
      slot = this.#place(block);
      this.#slots.set(key, slot);
    }
    return slot;
  }

  #place(block: Uint32Array): UniformSlot {
    const size = Math.max(16, Math.ceil(block.byteLength / 16) * 16);
    const taken = Math.ceil(size / SLOT_BYTES) * SLOT_BYTES;
    if (!this.#buffer || this.#used + taken > this.#buffer.size) {
      this.#buffer = this.#device.createBuffer({
        label: 'uniforms',
        size: Math.max(ARENA_BYTES, taken),
        usage: Usage.UNIFORM | Usage.COPY_DST,
      });
      this.#used = 0;
    }
    const slot = { buffer: this.#buffer, offset: this.#used, size };
    this.#device.queue.writeBuffer(slot.buffer, slot.offset, block as Uint32Array<ArrayBuffer>);
    this.#used += taken;
    return slot;
  }
}
