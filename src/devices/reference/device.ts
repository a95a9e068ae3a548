/**
 * The reference device: every kernel's plain loops, every float32 tensor held in float64. Slow and exact; for reading,
 * for gradient checks, and as the judge of the other devices. Work runs at once, so there is nothing to wait for.
 */
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
import { bytesPerElement, type DType, type NumberArray, type TypedArray } from '../dtype.ts';
import { DeviceError, OutOfMemoryError } from '../errors.ts';
import type { Kernel } from '../kernel.ts';
import { ProfileSums } from '../profile-sums.ts';
import type { Allocation, Storage } from '../storage.ts';

function allocateArray(dtype: DType, length: number): NumberArray {
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

function arrayOf(storage: Storage): NumberArray {
  const start = storage.byteOffset / bytesPerElement(storage.dtype);
  return (storage.allocation.buffer as NumberArray).subarray(start, start + storage.length);
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
  #recording: (() => void)[] | undefined;
  #captured: Allocation[] | undefined;
  #signature: string[] = [];
  #profile: { readonly sums: ProfileSums; readonly began: number } | undefined;

  allocate(length: number, dtype: DType): Storage {
    this.#checkAlive();
    const bytes = length * (dtype === 'float32' ? 8 : bytesPerElement(dtype));
    let buffer: NumberArray;
    try {
      buffer = allocateArray(dtype, length);
    } catch {
      throw new OutOfMemoryError(
        `reference: ${bytes} bytes could not be allocated; ${this.#liveBytes} bytes are live in ${this.#liveAllocations} allocations.`,
      );
    }
    this.#liveAllocations++;
    this.#liveBytes += bytes;
    return { allocation: { device: this, buffer, bytes, references: 1 }, byteOffset: 0, length, dtype };
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
    arrayOf(storage).set(values);
  }

  async read(storage: Storage): Promise<TypedArray> {
    this.#checkAlive();
    this.#checkNotRecording('read');
    return arrayOf(storage).slice();
  }

  copy(from: Storage, to: Storage): void {
    this.#checkAlive();
    this.#execute(() => arrayOf(to).set(arrayOf(from)));
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
    const specs = inputs.map(({ storage, shape }) => ({ shape, dtype: storage.dtype }));
    const reads = inputs.map(({ storage }) => arrayOf(storage));
    const writes = outputs.map(({ storage }) => arrayOf(storage));
    const work = () => kernel.reference(reads, writes, specs, params);
    if (this.#recording) this.#signature.push(`${kernel.name} ${JSON.stringify([specs, params])}`);
    if (!this.#profile) {
      this.#execute(work);
      return;
    }
    const start = performance.now();
    this.#execute(work);
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
  }

  async pace(_inFlight: number): Promise<void> {
    this.#checkAlive();
  }

  capture(record: () => void): Capture {
    this.#checkAlive();
    this.#checkNotRecording('capture');
    const steps: (() => void)[] = [];
    this.#signature = [];
    const captured: Allocation[] = [];
    this.#recording = steps;
    this.#captured = captured;
    try {
      record();
    } finally {
      this.#recording = undefined;
      this.#captured = undefined;
    }
    let disposed = false;
    return {
      signature: this.#signature.join('\n'),
      replay: () => {
        if (disposed) throw new DeviceError('replay: this capture has been disposed.');
        this.#checkAlive();
        for (const step of steps) step();
      },
      dispose: () => {
        if (disposed) return;
        disposed = true;
        for (const allocation of captured) this.free(allocation);
      },
    };
  }

  get isCapturing(): boolean {
    return this.#recording !== undefined;
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

  #execute(work: () => void): void {
    this.#recording?.push(work);
    work();
  }

  #checkAlive(): void {
    if (this.#destroyed) throw new DeviceError('reference: this device has been destroyed.');
  }

  #checkNotRecording(what: string): void {
    if (this.#recording) throw new DeviceError(`${what}: not possible inside a capture; do it before or after.`);
  }
}

export async function openReferenceDevice(): Promise<Device> {
  return new ReferenceDevice();
}
