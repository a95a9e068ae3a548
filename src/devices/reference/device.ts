/**
 * The reference device: every kernel's plain loops, every float32 tensor held in float64. Slow and exact; for reading,
 * for gradient checks, and as the judge of the other devices. Work runs at once, so there is nothing to wait for.
 */
import { checkCall, checkReadable, checkWritable } from '../access.ts';
import type {
  Capture,
  Device,
  DeviceInfo,
  MemoryInfo,
  Operand,
  ProfiledCall,
  ProfileEntry,
  RunOptions,
} from '../device.ts';
import { bytesPerElement, type DType, type TypedArray } from '../dtype.ts';
import { DeviceError, OutOfMemoryError } from '../errors.ts';
import { giveWayIfDue } from '../event-loop.ts';
import type { Kernel } from '../kernel.ts';
import { ProfileSums } from '../profile-sums.ts';
import type { Allocation, Storage } from '../storage.ts';
import { choiceKey } from '../variants.ts';
import { noteWrite, noteWrites, Recording, WriteHistory } from '../versions.ts';

function allocateArray(dtype: DType, length: number): TypedArray {
  switch (dtype) {
    case 'float32':
      return new Float64Array(length);
    case 'int32':
      return new Int32Array(length);
    case 'uint32':
      return new Uint32Array(length);
    case 'uint8':
      return new Uint8Array(length);
  }
}

function arrayOf(storage: Storage): TypedArray {
  const start = storage.byteOffset / bytesPerElement(storage.dtype);
  return (storage.allocation.buffer as TypedArray).subarray(start, start + storage.length);
}

export class ReferenceDevice implements Device {
  readonly kind = 'reference';
  readonly info: DeviceInfo = {
    description: 'reference: plain TypeScript loops in float64',
    adapter: 'reference',
    isSoftware: true,
  };
  readonly lost = new Promise<string>(() => {});
  #liveAllocations = 0;
  #liveBytes = 0;
  #destroyed = false;
  #steps: (() => void)[] | undefined;
  #recording: Recording | undefined;
  #captured: Allocation[] | undefined;
  #signature: string[] = [];
  #profile: { readonly sums: ProfileSums; readonly began: number } | undefined;

  allocate(length: number, dtype: DType): Storage {
    this.#checkAlive();
    const bytes = length * (dtype === 'float32' ? 8 : bytesPerElement(dtype));
    let buffer: TypedArray;
    try {
      buffer = allocateArray(dtype, length);
    } catch {
      throw new OutOfMemoryError(
        `reference: ${bytes} bytes could not be allocated; ${this.#liveBytes} bytes are live in ${this.#liveAllocations} allocations.`,
      );
    }
    this.#liveAllocations++;
    this.#liveBytes += bytes;
    const history = new WriteHistory(length * bytesPerElement(dtype), this.#recording);
    const allocation = { device: this, buffer, bytes, references: 1, history };
    return { allocation, byteOffset: 0, length, dtype, version: undefined };
  }

  free(allocation: Allocation): void {
    if (this.#captured) {
      // A capture reads and writes this memory again at every replay.
      this.#captured.push(allocation);
      return;
    }
    this.#liveAllocations--;
    this.#liveBytes -= allocation.bytes;
  }

  write(storage: Storage, values: TypedArray): void {
    this.#checkAlive();
    this.#checkNotRecording('write');
    checkWritable(this, 'write', storage);
    arrayOf(storage).set(values);
    noteWrite(storage);
  }

  async read(storage: Storage): Promise<TypedArray> {
    this.#checkAlive();
    this.#checkNotRecording('read');
    checkReadable(this, 'read', storage);
    // Copied before others have their turn: these are the values of now.
    const values = arrayOf(storage).slice();
    await this.#letOthersIn();
    return values;
  }

  copy(from: Storage, to: Storage): void {
    this.#checkAlive();
    checkReadable(this, 'copy', from);
    checkWritable(this, 'copy', to);
    this.#execute(() => arrayOf(to).set(arrayOf(from)));
    noteWrite(to);
  }

  run<P>(
    kernel: Kernel<P>,
    inputs: readonly Operand[],
    outputs: readonly Operand[],
    params: P,
    options?: RunOptions,
  ): void {
    this.#checkAlive();
    if (options?.variant !== undefined && options.variant !== 'reference') {
      throw new DeviceError(`${kernel.name}: the reference device has no variant "${options.variant}".`);
    }
    if (outputs.every(({ storage }) => storage.length === 0)) return;
    checkCall(this, kernel.name, inputs, outputs);
    const specs = inputs.map(({ storage, shape }) => ({ shape, dtype: storage.dtype }));
    const reads = inputs.map(({ storage }) => arrayOf(storage));
    const writes = outputs.map(({ storage }) => arrayOf(storage));
    const work = () => kernel.reference(reads, writes, specs, params);
    if (this.#steps) this.#signature.push(choiceKey(kernel.name, specs, params));
    const start = this.#profile ? performance.now() : 0;
    this.#execute(work);
    noteWrites(outputs);
    if (!this.#profile) return;
    const milliseconds = performance.now() - start;
    const { sums, began } = this.#profile;
    sums.add({
      kernel: kernel.name,
      variant: 'reference',
      inputs: specs,
      outputs: outputs.map(({ storage, shape }) => ({ shape, dtype: storage.dtype })),
      start: start - began,
      milliseconds,
      cost: kernel.cost(specs, params),
    });
  }

  async sync(): Promise<void> {
    this.#checkAlive();
    this.#checkNotRecording('sync');
    await this.#letOthersIn();
  }

  async pace(_inFlight: number): Promise<void> {
    this.#checkAlive();
    await this.#letOthersIn();
  }

  /** A turn of the event loop, where one is due. Not within a profile: what others do would be counted in it. */
  #letOthersIn(): Promise<void> | undefined {
    return this.#profile ? undefined : giveWayIfDue();
  }

  capture(record: () => void): Capture {
    this.#checkAlive();
    this.#checkNotRecording('capture');
    const steps: (() => void)[] = [];
    this.#signature = [];
    const captured: Allocation[] = [];
    const recording = Recording.begin(this);
    this.#steps = steps;
    this.#recording = recording;
    this.#captured = captured;
    const dispose = () => {
      if (recording.isDisposed) return;
      recording.dispose();
      for (const allocation of captured) this.free(allocation);
    };
    let finished = false;
    try {
      record();
      finished = true;
    } finally {
      recording.end();
      this.#steps = undefined;
      this.#recording = undefined;
      this.#captured = undefined;
      if (!finished) dispose();
    }
    const replay = () => {
      if (recording.isDisposed) throw new DeviceError('replay: this capture has been disposed.');
      this.#checkAlive();
      for (const step of steps) step();
      recording.replayed();
    };
    return { signature: this.#signature.join('\n'), preparedBytes: 0, replay, dispose, [Symbol.dispose]: dispose };
  }

  get isCapturing(): boolean {
    return this.#steps !== undefined;
  }

  async profile(work: () => void | Promise<void>, onCall?: (call: ProfiledCall) => void): Promise<ProfileEntry[]> {
    this.#checkAlive();
    const sums = new ProfileSums(onCall);
    this.#profile = { sums, began: performance.now() };
    try {
      await work();
    } finally {
      this.#profile = undefined;
    }
    return sums.list();
  }

  memory(): MemoryInfo {
    return { liveAllocations: this.#liveAllocations, liveBytes: this.#liveBytes, pooledBytes: 0 };
  }

  async destroy(): Promise<void> {
    this.#destroyed = true;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.destroy();
  }

  #execute(work: () => void): void {
    this.#steps?.push(work);
    work();
  }

  #checkAlive(): void {
    if (this.#destroyed) throw new DeviceError('reference: this device has been destroyed.');
  }

  #checkNotRecording(what: string): void {
    if (this.#steps) throw new DeviceError(`${what} is not possible inside a capture; do it before or after.`);
  }
}

export async function openReferenceDevice(): Promise<Device> {
  return new ReferenceDevice();
}
