/**
 * Capture and replay. While a capture records, every dispatch and copy is also kept in its list, complete with pipeline and
 * bind group; replay walks the list and does nothing else: no plans, no keys, no bind groups, no uniforms. What the
 * capture allocates comes from a pool of its own, so that nobody else ever gets that memory, and whatever else it touches
 * is held until the capture is disposed.
 */
import type { Capture } from '../device.ts';
import { DeviceError } from '../errors.ts';
import { type Allocation, release, retain, type Storage } from '../storage.ts';
import type { Recording } from '../versions.ts';
import type { BufferPool, PooledBuffer } from './buffers.ts';
import type { Recorder, Step } from './recorder.ts';

/** An allocation of the WebGPU device. */
export interface WebGpuAllocation extends Allocation {
  readonly buffer: PooledBuffer;
  readonly pool: BufferPool;
}

export interface CaptureOwner {
  /** Throws if the device cannot replay now. */
  checkAlive(): void;
  /** Called once when the capture gives its memory back. */
  release(): void;
}

export class RecordedCapture implements Capture {
  readonly pool: BufferPool;
  readonly recording: Recording;
  readonly steps: Step[] = [];
  readonly preparedBytes = 0;
  readonly #signature: string[] = [];
  readonly #recorder: Recorder;
  readonly #owner: CaptureOwner;
  readonly #held = new Map<Allocation, Storage>();

  constructor(pool: BufferPool, recording: Recording, recorder: Recorder, owner: CaptureOwner) {
    this.pool = pool;
    this.recording = recording;
    this.#recorder = recorder;
    this.#owner = owner;
  }

  /**
   * Notes what is about to be recorded, and holds storages that come from outside, so that nobody else gets their memory
   * while the capture uses it.
   * @param description the work apart from its storages; equal for equal work
   */
  note(description: string, ...lists: (readonly { readonly storage: Storage }[])[]): void {
    const places = lists.flat().map(({ storage }) => {
      const { pool, buffer } = storage.allocation as WebGpuAllocation;
      if (pool === this.pool) return '-';
      if (!this.#held.has(storage.allocation)) this.#held.set(storage.allocation, retain(storage));
      return `${buffer.id}+${storage.byteOffset}`;
    });
    this.#signature.push(`${description} on ${places.join()}`);
  }

  get signature(): string {
    return this.#signature.join('\n');
  }

  replay(): void {
    if (this.recording.isDisposed) throw new DeviceError('replay: this capture has been disposed.');
    this.#owner.checkAlive();
    this.#recorder.replay(this.steps);
    this.recording.replayed();
  }

  dispose(): void {
    if (this.recording.isDisposed) return;
    this.recording.dispose();
    this.steps.length = 0;
    for (const storage of this.#held.values()) release(storage);
    this.#held.clear();
    this.#owner.release();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Throws when what was to be recorded goes on after it returned. */
export function refusePromise(result: unknown): void {
  if (!(result instanceof Promise)) return;
  result.catch(() => {});
  throw new DeviceError('capture: the recorded function must not return a promise; nothing can be awaited inside.');
}
