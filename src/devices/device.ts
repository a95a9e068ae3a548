/// <reference lib="esnext.disposable" preserve="true" />
/**
 * What every device offers. Calls enqueue and return at once; only `read` and `sync` wait. A device never sees a tensor
 * or a gradient: it allocates storage, moves bytes and runs kernels.
 */
import type { DType, TypedArray } from './dtype.ts';
import type { Kernel } from './kernel.ts';
import type { Shape } from './shape.ts';
import type { Version, WriteHistory } from './versions.ts';

export type DeviceKind = 'reference' | 'wasm' | 'webgpu';

/** A block of device memory. `buffer` is the device's own handle: a typed array, an address, a GPUBuffer. */
export interface Allocation {
  readonly device: Device;
  readonly buffer: unknown;
  readonly bytes: number;
  references: number;
  readonly history: WriteHistory;
}

/** `length` elements of `dtype`, starting `byteOffset` bytes into an allocation. */
export interface Storage {
  readonly allocation: Allocation;
  readonly byteOffset: number;
  readonly length: number;
  readonly dtype: DType;
  /** The contents that it stands for; absent where that is whatever the memory holds. */
  version?: Version;
}

/** A storage with the shape in which a kernel shall see it. */
export interface Operand {
  readonly storage: Storage;
  readonly shape: Shape;
}

export interface DeviceInfo {
  /** One line a person understands: adapter name and driver, or threads and instruction set. */
  readonly description: string;
  /** Stable identity of adapter + driver (or engine), for caches and checkpoints. */
  readonly adapter: string;
  /** What measured choices of variants are kept under, where speed depends on more than what decides bits. Default: `adapter`. */
  readonly tuning?: string;
  /** Runs on the CPU though it speaks a GPU's language. */
  readonly isSoftware: boolean;
}

export interface MemoryInfo {
  /** Allocations that someone holds, and their bytes. */
  readonly liveAllocations: number;
  readonly liveBytes: number;
  /** Bytes kept for reuse. */
  readonly pooledBytes: number;
}

export interface RunOptions {
  /** Run this variant instead of the first that applies (tests, the tuner). Throws if it does not apply. */
  readonly variant?: string;
}

/** A recorded sequence of kernel runs; see Device.capture. */
export interface Capture {
  /** Runs the recorded work again on the same storages. */
  replay(): void;
  /**
   * What was recorded, as text: kernels, shapes, parameters, and which memory from outside. Two recordings of a function
   * that does the same every time are equal.
   */
  readonly signature: string;
  /** Bytes of what was made once of constant memory, for all replays. */
  readonly preparedBytes: number;
  /** Gives the capture's memory back; its outputs are invalid afterwards. */
  dispose(): void;
  /** `using`: the same as `dispose`. */
  [Symbol.dispose](): void;
}

export interface CaptureOptions {
  /**
   * Memory that nobody writes to as long as the capture is replayed, on the caller's word. What a device makes of it alone,
   * such as transformed filters, it may make once and keep.
   */
  readonly constant?: readonly Storage[];
}

/** Time and work of one kernel variant, summed over its calls. */
export interface ProfileEntry {
  readonly kernel: string;
  readonly variant: string;
  readonly calls: number;
  readonly milliseconds: number;
  readonly flops: number;
  readonly bytes: number;
  /**
   * The largest share, 0 to 1, of subnormal numbers (below 1.2e-38) in what a call read, from a sample of its float32 inputs;
   * absent where none was seen. Some processors compute with them up to a hundred times slower; the wasm device looks for them.
   */
  readonly subnormals?: number;
}

/** What a kernel call has to do, for judging how long it took. */
export interface Work {
  readonly flops: number;
  /** Bytes that must at least be moved. */
  readonly bytes: number;
  /** Bytes of all inputs and outputs together: what has to fit into a cache to stay there. */
  readonly footprint: number;
}

/** One call as a profile saw it; on a GPU one for each of its passes. */
export interface ProfiledCall {
  readonly kernel: string;
  readonly variant: string;
  /** Shapes of the inputs (of the outputs where there are none), for people. */
  readonly shapes: string;
  /** Milliseconds since the profile began; on a GPU since its first pass. */
  readonly start: number;
  readonly milliseconds: number;
  /** Of the whole call; absent for its second and later passes. */
  readonly work?: Work;
}

export interface Device {
  readonly kind: DeviceKind;
  readonly info: DeviceInfo;

  /** Uninitialised storage with one reference. Throws OutOfMemoryError saying what was asked and what is live. */
  allocate(length: number, dtype: DType): Storage;
  /** Called by `release` when the last reference is gone. */
  free(allocation: Allocation): void;

  /** Copies host values into storage; seen by work enqueued later, not by work enqueued before. */
  write(storage: Storage, values: TypedArray): void;
  /**
   * Waits for the work enqueued so far and copies storage to the host (float32: a Float32Array, on the reference device
   * a Float64Array). Throws what went wrong in that work.
   */
  read(storage: Storage): Promise<TypedArray>;
  /** Copies `from` into `to` (same dtype and length) on the device. */
  copy(from: Storage, to: Storage): void;

  /**
   * Enqueues a kernel. `outputs` match `kernel.infer`; outputs named in `kernel.updates` are read and changed in place,
   * all others are fully written. No output may share memory with an input. Nothing runs when every output is empty.
   */
  run<P>(
    kernel: Kernel<P>,
    inputs: readonly Operand[],
    outputs: readonly Operand[],
    params: P,
    options?: RunOptions,
  ): void;

  /** Resolves when all enqueued work is done; throws what went wrong in it. */
  sync(): Promise<void>;
  /** Back-pressure: resolves when at most `inFlight` submissions are still unfinished. Await it once per step. */
  pace(inFlight: number): Promise<void>;

  /**
   * Runs `record` (normally, once) and keeps the sequence of kernel runs and copies for replay. Everything allocated
   * meanwhile belongs to the capture until it is disposed. `read`, `write` and `sync` throw inside.
   */
  capture(record: () => void, options?: CaptureOptions): Capture;
  /** Inside the function given to `capture`. Whatever only the host would see must refuse then: a replay leaves it out. */
  readonly isCapturing: boolean;

  /**
   * Runs `work`, timing every kernel; slower than a normal run.
   * @param onCall told of every single call, in order
   * @returns sums by kernel and variant, the slowest first
   */
  profile(work: () => void | Promise<void>, onCall?: (call: ProfiledCall) => void): Promise<ProfileEntry[]>;

  memory(): MemoryInfo;
  /** Resolves with the reason when the device is lost; never on devices that cannot be. */
  readonly lost: Promise<string>;
  /** Frees everything; the device cannot be used afterwards. */
  destroy(): Promise<void>;
  /** `await using`: the same as `destroy`. */
  [Symbol.asyncDispose](): Promise<void>;
}
