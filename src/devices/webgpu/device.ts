/**
 * The WebGPU device: the house's `Device` on a GPUDevice. Calls enqueue; the parts each keep one idea: `buffers.ts` (reuse),
 * `plans.ts` (a kernel call made ready), `bind-groups.ts` (a dispatch made ready), `recorder.ts` (batches and submits),
 * `failures.ts` (errors that arrive late), `captures.ts` (replay), `profiler.ts` (time). This file joins them and guards the
 * rules: the host never overtakes recorded work, and nothing is used after the device is gone.
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
import { allocateHost, bytesPerElement, type DType, dtypeOf, type TypedArray } from '../dtype.ts';
import { DeviceError, DeviceLostError, DTypeError, OutOfMemoryError, ShapeError } from '../errors.ts';
import type { Kernel, WebGpuAdapterInfo } from '../kernel.ts';
import { ProfileSums } from '../profile-sums.ts';
import type { Allocation, Storage } from '../storage.ts';
import { describeArithmetic, identityWith, type VariantChoices } from '../variants.ts';
import { noteWrite, noteWrites, Recording, WriteHistory } from '../versions.ts';
import { type AcquiredAdapter, adapterDescription, adapterIdentity, describeAdapter, type Wait } from './adapter.ts';
import { DispatchCache, type Range, rangeOf } from './bind-groups.ts';
import { BufferPool, type PooledBuffer, paddedBytes, STAGING_USAGE, STORAGE_USAGE } from './buffers.ts';
import { RecordedCapture, refusePromise, type WebGpuAllocation } from './captures.ts';
import { Failures } from './failures.ts';
import type { WebGpuDeviceOptions } from './options.ts';
import { PipelineCache, withoutTrail } from './pipelines.ts';
import { PlanCache } from './plans.ts';
import { createProfiler, takeProfile } from './profiler.ts';
import { Recorder } from './recorder.ts';
import { copyMapped, hostBytes } from './transfers.ts';
import { UniformArena } from './uniform-arena.ts';

const MAP_MODE_READ = 1;

/** Batches between looks for idle memory. */
const TRIM_EVERY = 256;

export class WebGpuDevice implements Device {
  readonly kind = 'webgpu';
  readonly info: DeviceInfo;
  /** What kernel variants may ask. */
  readonly adapter: WebGpuAdapterInfo;
  /** The underlying device, for tests and tools. */
  readonly gpu: GPUDevice;
  readonly lost: Promise<string>;
  readonly #wait: Wait;
  readonly #batchSize: number;
  readonly #choices: VariantChoices | undefined;
  readonly #failures = new Failures();
  readonly #recorder: Recorder;
  readonly #pipelines: PipelineCache;
  readonly #dispatches: DispatchCache;
  readonly #memory: BufferPool;
  readonly #staging: BufferPool;
  readonly #captures = new Set<RecordedCapture>();
  #uniforms!: UniformArena;
  #plans!: PlanCache;
  #capturing: RecordedCapture | undefined;
  #lostReason: string | undefined;
  #liveAllocations = 0;
  #nextBufferId = 0;
  #lastTrim = 0;
  #resolveLost!: (reason: string) => void;

  constructor({ adapter, wait, beforeCompiling }: AcquiredAdapter, gpu: GPUDevice, options: WebGpuDeviceOptions = {}) {
    this.gpu = gpu;
    const { precision = 'default', convolution = 'default' } = options;
    this.adapter = describeAdapter(adapter, gpu, { precision, convolution });
    const identity = adapterIdentity(adapter);
    this.#choices = precision === 'default' ? options.choices?.(identity) : undefined;
    this.info = {
      description: adapterDescription(adapter) + describeArithmetic({ precision, convolution }),
      adapter: identityWith(identity, { precision, convolution, choices: this.#choices }),
      isSoftware: this.adapter.isSoftware,
    };
    this.#wait = wait;
    this.#batchSize = options.batchSize ?? 32;
    this.#recorder = new Recorder(gpu, this.#failures, wait, this.#batchSize);
    this.#pipelines = new PipelineCache(gpu, outcome => this.#failures.watch(outcome), beforeCompiling);
    this.#dispatches = new DispatchCache(gpu);
    this.#memory = new BufferPool(size => this.#createBuffer(size, STORAGE_USAGE), gpu.limits.maxBufferSize);
    this.#staging = new BufferPool(size => this.#createBuffer(size, STAGING_USAGE), gpu.limits.maxBufferSize);
    this.#forgetPlans();
    this.lost = new Promise(resolve => {
      this.#resolveLost = resolve;
    });
    void gpu.lost.then(({ reason, message }) => this.#lose(message ? withoutTrail(message) : reason));
    gpu.onuncapturederror = ({ error }) => {
      this.#failures.watch(Promise.resolve(new DeviceError(`webgpu: ${withoutTrail(error.message)}`)));
    };
  }

  // ------------------------------------------------------------------------------------------------------- memory

  allocate(length: number, dtype: DType): Storage {
    this.#checkAlive();
    const bytes = length * bytesPerElement(dtype);
    const pool = this.#capturing?.pool ?? this.#memory;
    const buffer = this.#take(pool, bytes);
    this.#liveAllocations++;
    const history = new WriteHistory(bytes, this.#capturing?.recording);
    const allocation = { device: this, buffer, bytes: buffer.size, references: 1, history, pool };
    return { allocation, byteOffset: 0, length, dtype, version: undefined };
  }

  free(allocation: Allocation): void {
    const { buffer, pool } = allocation as WebGpuAllocation;
    this.#liveAllocations--;
    pool.give(buffer);
  }

  memory(): MemoryInfo {
    let liveBytes = this.#memory.liveBytes;
    // What a capture holds, it holds until it is disposed.
    for (const { pool } of this.#captures) liveBytes += pool.liveBytes + pool.freeBytes;
    return { liveAllocations: this.#liveAllocations, liveBytes, pooledBytes: this.#memory.freeBytes };
  }

  #take(pool: BufferPool, bytes: number): PooledBuffer {
    const limit = this.gpu.limits.maxBufferSize;
    if (!(paddedBytes(bytes) <= limit)) {
      throw new OutOfMemoryError(
        `webgpu: ${bytes} bytes were asked for, but one buffer of this adapter holds at most ${limit}; ${this.#liveText()}.`,
      );
    }
    return pool.take(paddedBytes(bytes));
  }

  #createBuffer(size: number, usage: number): PooledBuffer {
    this.gpu.pushErrorScope('out-of-memory');
    const buffer: PooledBuffer = {
      gpu: this.gpu.createBuffer({ size, usage }),
      id: this.#nextBufferId++,
      size,
      batch: 0,
    };
    const live = this.#liveText();
    this.#failures.watch(
      this.gpu.popErrorScope().then(
        error => {
          if (!error) return undefined;
          // Give back what is only kept, so that whoever goes on has more.
          this.#recorder.flush();
          this.#memory.trim(Number.POSITIVE_INFINITY);
          return new OutOfMemoryError(`webgpu: no memory for ${size} bytes more; ${live}.`);
        },
        () => undefined, // The device is lost, which is reported by itself.
      ),
    );
    return buffer;
  }

  #liveText(): string {
    const { liveBytes, liveAllocations, pooledBytes } = this.memory();
    return `${liveBytes} bytes are live in ${liveAllocations} allocations and ${pooledBytes} kept for reuse`;
  }

  // ----------------------------------------------------------------------------------------------------- transfers

  write(storage: Storage, values: TypedArray): void {
    this.#checkAlive();
    this.#checkNotCapturing('write');
    checkWritable(this, 'write', storage);
    if (values.length !== storage.length) {
      throw new ShapeError(`write: ${values.length} values do not fit a storage of ${storage.length}.`);
    }
    const dtype = dtypeOf(values);
    if (dtype !== storage.dtype) throw new DTypeError(`write: ${dtype} values do not fit a ${storage.dtype} storage.`);
    if (values.length === 0) return;
    const { gpu, batch } = storage.allocation.buffer as PooledBuffer;
    // The queue writes before anything not yet submitted, so what is recorded on this buffer must go first.
    if (batch === this.#recorder.batch) this.#recorder.flush();
    const bytes = hostBytes(values);
    this.gpu.queue.writeBuffer(gpu, storage.byteOffset, bytes, 0, bytes.byteLength);
    noteWrite(storage);
  }

  read(storage: Storage): Promise<TypedArray> {
    this.#checkAlive();
    this.#checkNotCapturing('read');
    checkReadable(this, 'read', storage);
    const bytes = storage.length * bytesPerElement(storage.dtype);
    const size = Math.max(4, Math.ceil(bytes / 4) * 4);
    const staging = this.#take(this.#staging, size);
    const from = storage.allocation.buffer as PooledBuffer;
    this.#recorder.copy({ from, fromOffset: storage.byteOffset, to: staging, toOffset: 0, size });
    return this.#collect(staging, size, storage);
  }

  async #collect(staging: PooledBuffer, size: number, { length, dtype }: Storage): Promise<TypedArray> {
    const values = allocateHost(dtype, length);
    try {
      // Submitted a moment later, so that several reads and what is recorded beside them go in one submission.
      await undefined;
      if (staging.batch === this.#recorder.batch) this.#recorder.flush();
      await this.#settled(this.#wait(staging.gpu.mapAsync(MAP_MODE_READ, 0, size)));
      copyMapped(staging.gpu, size, values);
    } finally {
      if (this.#lostReason === undefined) {
        staging.gpu.unmap();
        this.#staging.give(staging);
      }
    }
    return values;
  }

  copy(from: Storage, to: Storage): void {
    this.#checkAlive();
    checkReadable(this, 'copy', from);
    checkWritable(this, 'copy', to);
    if (from.dtype !== to.dtype || from.length !== to.length) {
      throw new ShapeError(
        `copy: ${from.length} elements of ${from.dtype} do not fit ${to.length} elements of ${to.dtype}.`,
      );
    }
    if (from.length === 0) return;
    const size = Math.ceil((from.length * bytesPerElement(from.dtype)) / 4) * 4;
    const [source, target] = [from, to].map(({ allocation }) => allocation.buffer as PooledBuffer);
    this.#capturing?.note(`copy ${size}`, [{ storage: from }, { storage: to }]);
    noteWrite(to);
    if (source !== target) {
      this.#recorder.copy({ from: source, fromOffset: from.byteOffset, to: target, toOffset: to.byteOffset, size });
      return;
    }
    // WebGPU does not copy within one buffer.
    const pool = this.#capturing?.pool ?? this.#memory;
    const between = this.#take(pool, size);
    this.#recorder.copy({ from: source, fromOffset: from.byteOffset, to: between, toOffset: 0, size });
    this.#recorder.copy({ from: between, fromOffset: 0, to: target, toOffset: to.byteOffset, size });
    pool.give(between);
  }

  run<P>(
    kernel: Kernel<P>,
    inputs: readonly Operand[],
    outputs: readonly Operand[],
    params: P,
    options?: RunOptions,
  ): void {
    this.#checkAlive();
    checkCall(this, kernel.name, inputs, outputs);
    if (this.#uniforms.isFull) this.#forgetPlans();
    const plan = this.#plans.get(kernel, inputs, outputs, params, options?.variant);
    if (plan.passes.length === 0) return;
    this.#trimSometimes();
    this.#capturing?.note(`${kernel.name} ${plan.passes[0].id}`, inputs, outputs);
    const pool = this.#capturing?.pool ?? this.#memory;
    const scratch = plan.scratch.map(bytes => this.#take(pool, bytes));
    try {
      for (const pass of plan.passes) {
        if (pass.pipeline.failure) throw pass.pipeline.failure;
        const ranges = pass.bindings.map(({ kind, index }): Range => {
          if (kind === 'scratch') return { buffer: scratch[index], offset: 0, size: paddedBytes(plan.scratch[index]) };
          return rangeOf((kind === 'input' ? inputs : outputs)[index].storage);
        });
        const dispatch = this.#dispatches.get(pass, ranges);
        for (const { buffer } of ranges) buffer.batch = this.#recorder.batch;
        this.#recorder.dispatch(dispatch);
      }
    } finally {
      for (const buffer of scratch) pool.give(buffer);
    }
    noteWrites(outputs);
  }

  async sync(): Promise<void> {
    this.#checkAlive();
    this.#checkNotCapturing('sync');
    await this.#settled(this.#recorder.drain(0));
  }

  async pace(inFlight: number): Promise<void> {
    this.#checkAlive();
    this.#checkNotCapturing('pace');
    await this.#settled(this.#recorder.drain(inFlight));
  }

  /** Waits, then throws what went wrong in the meantime. */
  async #settled(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      // Waits fail first and the reason follows.
      const late = new Promise<void>(resolve => setTimeout(resolve, 100));
      await Promise.race([this.gpu.lost, late]);
      this.#checkAlive();
      throw new DeviceError(`webgpu: ${withoutTrail((error as Error).message)}`);
    }
    this.#checkAlive();
    await this.#failures.settle();
  }

  capture(record: () => void): Capture {
    this.#checkAlive();
    this.#checkNotCapturing('capture');
    // What lies ready is used first: a step that has run before needs no memory beside what it left.
    const create = (size: number) => this.#memory.takeFree(size) ?? this.#createBuffer(size, STORAGE_USAGE);
    const pool = new BufferPool(create, this.gpu.limits.maxBufferSize);
    const capture = new RecordedCapture(pool, Recording.begin(this), this.#recorder, {
      checkAlive: () => {
        this.#checkAlive();
        this.#checkNotCapturing('replay');
      },
      release: () => {
        this.#captures.delete(capture);
        pool.bequeath(this.#memory);
      },
    });
    this.#captures.add(capture);
    this.#capturing = capture;
    this.#recorder.steps = capture.steps;
    try {
      refusePromise(record());
    } catch (error) {
      this.#stopCapturing(capture);
      capture.dispose();
      throw error;
    }
    this.#stopCapturing(capture);
    return capture;
  }

  get isCapturing(): boolean {
    return this.#capturing !== undefined;
  }

  #stopCapturing({ recording }: RecordedCapture): void {
    recording.end();
    this.#capturing = undefined;
    this.#recorder.steps = undefined;
  }

  async profile(work: () => void | Promise<void>, onCall?: (call: ProfiledCall) => void): Promise<ProfileEntry[]> {
    this.#checkAlive();
    if (this.#recorder.timer) throw new DeviceError('profile: a profile is being taken already.');
    const profiler = createProfiler(this.gpu, this.#batchSize, this.#wait, new ProfileSums(onCall));
    return takeProfile(profiler, this.#recorder, async () => {
      await work();
      await this.sync();
    });
  }

  [Symbol.asyncDispose] = (): Promise<void> => this.destroy();
  async destroy(): Promise<void> {
    if (this.#lostReason !== undefined) return;
    // Work under way is let finish: drivers have crashed when it was torn down beneath them.
    await this.#recorder.drain(0);
    this.#lose('it was destroyed');
    this.gpu.destroy();
  }

  /** Counts for tests and tools: what was made so far, and submissions the GPU has not finished. */
  statistics() {
    return {
      buffers: this.#nextBufferId,
      uniforms: this.#uniforms.size,
      pipelines: this.#pipelines.size,
      bindGroups: this.#dispatches.created,
      submissions: this.#recorder.batch - 1,
      inFlight: this.#recorder.inFlight,
    };
  }

  #lose(reason: string): void {
    if (this.#lostReason !== undefined) return;
    this.#lostReason = reason;
    this.#resolveLost(reason);
  }

  #forgetPlans(): void {
    this.#uniforms = new UniformArena(this.gpu);
    this.#plans = new PlanCache(this.adapter, this.#pipelines, this.#uniforms, this.#choices);
    this.#dispatches.clear();
  }

  /** Gives memory that has long been idle back to the driver. */
  #trimSometimes(): void {
    const { batch } = this.#recorder;
    if (batch - this.#lastTrim < TRIM_EVERY) return;
    this.#lastTrim = batch;
    this.#recorder.flush();
    this.#memory.trim(batch);
    this.#staging.trim(batch);
  }

  #checkAlive(): void {
    if (this.#lostReason !== undefined) {
      throw new DeviceLostError(`webgpu: the device is gone (${this.#lostReason}); what lived on it is lost.`);
    }
  }

  #checkNotCapturing(what: string): void {
    if (this.#capturing) throw new DeviceError(`${what} is not possible inside a capture; do it before or after.`);
  }
}
