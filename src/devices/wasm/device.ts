/**
 * The CPU device: WebAssembly SIMD kernels over one shared memory and a pool of threads. Work runs at the call, so
 * nothing is ever in flight: `read`, `sync` and `pace` wait for nothing and exist for the sake of the interface. What
 * this file does is bookkeeping: check a call, find its plan, fill in addresses, run the passes.
 */
import type { Device, DeviceInfo, MemoryInfo, Operand, ProfiledCall, ProfileEntry, RunOptions } from '../device.ts';
import { bytesPerElement, type DType, dtypeOf, type TypedArray } from '../dtype.ts';
import { DeviceError, DTypeError, ShapeError } from '../errors.ts';
import type { Kernel, Precision, WasmAdapterInfo } from '../kernel.ts';
import { ProfileSums } from '../profile-sums.ts';
import { formatShape, sameShape, sizeOf } from '../shape.ts';
import { type Allocation, release, type Storage } from '../storage.ts';
import { identityWith, type VariantChoices } from '../variants.ts';
import { WasmCapture } from './capture.ts';
import { copyKernel } from './copy.ts';
import type { Block } from './heap.ts';
import type { WasmHost } from './host.ts';
import { WasmMemory } from './memory.ts';
import { openHost } from './open-host.ts';
import { type Plan, Plans, SOURCE } from './plans.ts';
import { type Job, ThreadPool } from './pool.ts';
import { Programs } from './programs.ts';
import { hasRelaxedSimd, relaxedSimdGain, WORTHWHILE } from './relaxed-simd.ts';
import { MAX_THREADS } from './worker.source.ts';

export interface WasmOptions {
  /** Threads, the calling one included: 1 to 16. Default: WEFT_THREADS, else one per processor. */
  readonly threads?: number;
  /** Fused multiply-add. Default: WEFT_RELAXED_SIMD (0 or 1), else where a probe finds it faster. */
  readonly relaxedSimd?: boolean;
  /** How sums are rounded; `default` unless told. */
  readonly precision?: Precision;
  /** Share memory with threads; `false` behaves like a page without cross-origin isolation: one thread. */
  readonly shared?: boolean;
  /** Most memory to use, in pages of 64 KiB. Default 65535 (4 GiB). */
  readonly maximumPages?: number;
  /** Address of the first allocation; tests set it beyond 2 GiB. */
  readonly memoryBase?: number;
  /** What was measured to be best on this engine in default precision, if anything was; see `weft bench --tune`. */
  readonly choices?: (adapter: string) => VariantChoices | undefined;
}

interface WasmAllocation extends Allocation {
  readonly buffer: number;
  readonly block: Block;
  readonly capture: WasmCapture | undefined;
}

/** Opens the CPU device; resolves when its threads stand ready. Throws DeviceError when it cannot have what was asked. */
export async function openWasmDevice(options: WasmOptions = {}): Promise<WasmDevice> {
  const host = await openHost();
  const shared = options.shared ?? host.canShare;
  if (shared && !host.canShare) {
    throw new DeviceError(
      'wasm: shared memory needs a cross-origin isolated page; open the device with shared: false.',
    );
  }
  const threads = shared ? chooseThreads(host, options) : 1;
  const relaxed = chooseRelaxedSimd(host, options);
  const { maximumPages, memoryBase: base } = options;
  const memory = new WasmMemory({ shared, maximumPages, base });
  const pool = await ThreadPool.open(host, memory.memory, threads);
  return new WasmDevice(host, memory, pool, relaxed, options);
}

function chooseThreads(host: WasmHost, { threads }: WasmOptions): number {
  if (threads !== undefined) return threads;
  const asked = host.environment('WEFT_THREADS');
  if (!asked) return Math.min(host.processors, MAX_THREADS);
  const count = Number(asked);
  if (!Number.isInteger(count) || count < 1 || count > MAX_THREADS) {
    throw new DeviceError(`wasm: WEFT_THREADS must be a whole number from 1 to ${MAX_THREADS}, not "${asked}".`);
  }
  return count;
}

interface RelaxedChoice {
  readonly use: boolean;
  readonly note: string;
}

function chooseRelaxedSimd(host: WasmHost, { relaxedSimd }: WasmOptions): RelaxedChoice {
  const asked = host.environment('WEFT_RELAXED_SIMD');
  const wanted = relaxedSimd ?? (asked === '1' ? true : asked === '0' ? false : undefined);
  if (wanted === false) return { use: false, note: 'relaxed FMA not wanted' };
  if (!hasRelaxedSimd(host)) {
    if (wanted) throw new DeviceError(`wasm: this engine (${host.engine}) has no relaxed SIMD; leave relaxedSimd out.`);
    return { use: false, note: 'no relaxed FMA in this engine' };
  }
  if (wanted) return { use: true, note: 'relaxed FMA as asked' };
  const gain = relaxedSimdGain(host);
  const use = gain > WORTHWHILE;
  return { use, note: `relaxed FMA ${use ? 'used' : 'not used'}: ${gain.toFixed(2)}x in a probe` };
}

export class WasmDevice implements Device {
  readonly kind = 'wasm';
  readonly info: DeviceInfo;
  readonly adapter: WasmAdapterInfo;
  readonly lost: Promise<string> = new Promise(() => {});
  readonly #memory: WasmMemory;
  readonly #pool: ThreadPool;
  readonly #plans: Plans;
  readonly #programs: Programs;
  #liveAllocations = 0;
  #liveBytes = 0;
  #destroyed = false;
  #capture: WasmCapture | undefined;
  #profile: { readonly sums: ProfileSums; readonly began: number } | undefined;

  constructor(
    host: WasmHost,
    memory: WasmMemory,
    pool: ThreadPool,
    relaxed: RelaxedChoice,
    { precision = 'default', choices }: Pick<WasmOptions, 'precision' | 'choices'>,
  ) {
    this.#memory = memory;
    this.#pool = pool;
    this.adapter = { threads: pool.threads, relaxedSimd: relaxed.use, precision };
    const identity = `wasm ${host.engine}${relaxed.use ? ' relaxed-fma' : ''}`;
    const chosen = precision === 'default' ? choices?.(identity) : undefined;
    this.info = {
      description:
        `WebAssembly SIMD on ${pool.threads} ${pool.threads === 1 ? 'thread' : 'threads'} ` +
        `(${host.engine}, ${relaxed.note}${precision === 'highest' ? ', highest precision' : ''})`,
      adapter: identityWith(identity, { precision, choices: chosen }),
      isSoftware: false,
    };
    this.#programs = new Programs(host, memory, () => this.#live());
    this.#plans = new Plans(this.#programs, this.adapter, chosen);
  }

  allocate(length: number, dtype: DType): Storage {
    this.#check();
    const bytes = length * bytesPerElement(dtype);
    const capture = this.#capture;
    const block = this.#allocateBlock(bytes);
    const allocation: WasmAllocation = {
      device: this,
      buffer: block.address,
      bytes: block.bytes,
      references: 1,
      block,
      capture,
    };
    this.#liveAllocations++;
    this.#liveBytes += block.bytes;
    return { allocation, byteOffset: 0, length, dtype };
  }

  free(allocation: Allocation): void {
    if (this.#destroyed) return; // finalizers may come late
    const { block, capture, bytes } = allocation as WasmAllocation;
    this.#liveAllocations--;
    this.#liveBytes -= bytes;
    if (capture) capture.freeBlock(block);
    else this.#memory.free(block);
  }

  write(storage: Storage, values: TypedArray): void {
    this.#check();
    this.#checkNotRecording('write');
    const address = this.#addressOf(storage, 'write');
    const dtype = dtypeOf(values);
    if (dtype !== storage.dtype) throw new DTypeError(`write: ${dtype} values do not fit a ${storage.dtype} storage.`);
    if (values.length !== storage.length) {
      throw new ShapeError(`write: ${values.length} values do not fit a storage of ${storage.length}.`);
    }
    this.#viewOf(dtype).set(values, address / bytesPerElement(dtype));
  }

  read(storage: Storage): Promise<TypedArray> {
    // At once, so that nobody records on who has not awaited it.
    this.#checkNotRecording('read');
    return this.#read(storage);
  }

  async #read(storage: Storage): Promise<TypedArray> {
    this.#check();
    const first = this.#addressOf(storage, 'read') / bytesPerElement(storage.dtype);
    return this.#viewOf(storage.dtype).slice(first, first + storage.length);
  }

  copy(from: Storage, to: Storage): void {
    this.#check();
    if (from.dtype !== to.dtype || from.length !== to.length) {
      throw new ShapeError(
        `copy: ${from.length} elements of ${from.dtype} do not fit ${to.length} elements of ${to.dtype}.`,
      );
    }
    const shape = [from.length];
    this.run(copyKernel, [{ storage: from, shape }], [{ storage: to, shape }], null);
  }

  run<P>(
    kernel: Kernel<P>,
    inputs: readonly Operand[],
    outputs: readonly Operand[],
    params: P,
    options?: RunOptions,
  ): void {
    this.#check();
    for (let i = 0; i < inputs.length; i++) checkOperand(kernel, inputs[i]);
    const plan = this.#plans.find(kernel, inputs, params, options?.variant);
    this.#checkOutputs(plan, inputs, outputs);
    if (plan.passes.length > 0) this.#runPlan(plan, inputs, outputs);
  }

  async sync(): Promise<void> {
    this.#check();
    this.#checkNotRecording('sync');
  }

  async pace(): Promise<void> {
    this.#check();
  }

  capture(record: () => void): WasmCapture {
    this.#check();
    if (this.#capture) throw new DeviceError('wasm: capture inside a capture.');
    const capture = new WasmCapture({
      allocateBlock: bytes => this.#memory.allocate(bytes, this.#live()),
      freeBlock: block => {
        if (!this.#destroyed) this.#memory.free(block);
      },
      execute: ({ plan, jobs }) => this.#execute(plan, jobs),
      checkReplay: () => {
        this.#check();
        this.#checkNotRecording('replay');
      },
      releaseAllocation: allocation => release({ allocation, byteOffset: 0, length: 0, dtype: 'uint8' }),
    });
    this.#capture = capture;
    let finished = false;
    try {
      record();
      finished = true;
    } finally {
      this.#capture = undefined;
      if (!finished) capture.dispose();
    }
    return capture;
  }

  get isCapturing(): boolean {
    return this.#capture !== undefined;
  }

  async profile(work: () => void | Promise<void>, onCall?: (call: ProfiledCall) => void): Promise<ProfileEntry[]> {
    this.#check();
    if (this.#profile) throw new DeviceError('wasm: profile inside a profile.');
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
    this.#check();
    return { ...this.#live(), pooledBytes: this.#memory.reservedBytes - this.#liveBytes };
  }

  async destroy(): Promise<void> {
    if (this.#destroyed) return;
    this.#destroyed = true;
    await this.#pool.close();
  }

  #live(): { liveAllocations: number; liveBytes: number } {
    return { liveAllocations: this.#liveAllocations, liveBytes: this.#liveBytes };
  }

  #check(): void {
    if (this.#destroyed) throw new DeviceError('wasm: this device was destroyed; open another one.');
  }

  #checkNotRecording(what: string): void {
    if (this.#capture)
      throw new DeviceError(`wasm: ${what} inside a capture, which would not be repeated by a replay.`);
  }

  #viewOf(dtype: DType): Float32Array | Int32Array | Uint32Array | Uint8Array {
    const { f32, i32, u32, u8 } = this.#memory.views;
    return dtype === 'float32' ? f32 : dtype === 'int32' ? i32 : dtype === 'uint32' ? u32 : u8;
  }

  #addressOf(storage: Storage, what: string): number {
    const allocation = storage.allocation as WasmAllocation;
    if (allocation.device !== this) {
      throw new DeviceError(`${what}: a storage of another device (${allocation.device.kind}) was given to wasm.`);
    }
    if (allocation.references <= 0) throw new DeviceError(`${what}: this storage has been released.`);
    if (allocation.capture?.disposed) {
      throw new DeviceError(`${what}: this storage belongs to a capture that was disposed.`);
    }
    return allocation.buffer + storage.byteOffset;
  }

  #checkOutputs(plan: Plan, inputs: readonly Operand[], outputs: readonly Operand[]): void {
    const { kernel } = plan;
    if (outputs.length !== plan.outputs.length) {
      throw new ShapeError(`${kernel}: ${plan.outputs.length} outputs are needed, ${outputs.length} were given.`);
    }
    for (let i = 0; i < outputs.length; i++) {
      const { storage, shape } = outputs[i];
      const spec = plan.outputs[i];
      if (spec.dtype !== storage.dtype || !sameShape(spec.shape, shape) || storage.length !== sizeOf(shape)) {
        throw new ShapeError(
          `${kernel}: output ${i} must be ${spec.dtype} ${formatShape(spec.shape)}, not ${storage.dtype} ` +
            `${formatShape(shape)} in a storage of ${storage.length}.`,
        );
      }
      for (let j = 0; j < inputs.length; j++) {
        if (overlap(storage, inputs[j].storage)) {
          throw new DeviceError(`${kernel}: output ${i} shares memory with input ${j}.`);
        }
      }
    }
  }

  #runPlan(plan: Plan, inputs: readonly Operand[], outputs: readonly Operand[]): void {
    const capture = this.#capture;
    const blocks: Block[] = [];
    try {
      for (const bytes of plan.scratch) blocks.push(this.#allocateBlock(bytes));
      for (const { sources, values, args } of plan.passes) {
        for (let i = 2; i < sources.length; i++) {
          const source = sources[i];
          if (source === SOURCE.number) continue;
          const index = values[i];
          if (source === SOURCE.scratch) args[i] = blocks[index].address;
          else args[i] = this.#addressOf((source === SOURCE.input ? inputs : outputs)[index].storage, plan.kernel);
        }
      }
      if (capture) {
        const jobs = plan.passes.map(pass => ({ ...pass, args: [...pass.args] }));
        const outside: string[] = [];
        for (const { storage } of [...inputs, ...outputs]) {
          const { allocation, byteOffset } = storage;
          const isInside = (allocation as WasmAllocation).capture === capture;
          if (!isInside) capture.hold(allocation);
          outside.push(isInside ? '-' : String((allocation as WasmAllocation).buffer + byteOffset));
        }
        capture.record({ plan, jobs }, outside);
      }
      this.#execute(plan, plan.passes);
    } finally {
      for (const block of blocks) {
        if (capture) capture.freeBlock(block);
        else this.#memory.free(block);
      }
    }
  }

  #allocateBlock(bytes: number): Block {
    return this.#capture ? this.#capture.allocateBlock(bytes) : this.#memory.allocate(bytes, this.#live());
  }

  #execute(plan: Plan, jobs: readonly Job[]): void {
    const profile = this.#profile;
    const started = profile ? performance.now() : 0;
    for (let i = 0; i < jobs.length; i++) {
      try {
        this.#pool.run(jobs[i]);
      } catch (error) {
        throw trapped(plan, jobs[i], error);
      }
    }
    profile?.sums.add({ ...plan, start: started - profile.began, milliseconds: performance.now() - started });
  }
}

function checkOperand(kernel: Kernel, { storage, shape }: Operand): void {
  if (sizeOf(shape) !== storage.length) {
    throw new ShapeError(`${kernel.name}: shape ${formatShape(shape)} does not fit a storage of ${storage.length}.`);
  }
}

function overlap(a: Storage, b: Storage): boolean {
  if (a.allocation !== b.allocation) return false;
  const endA = a.byteOffset + a.length * bytesPerElement(a.dtype);
  const endB = b.byteOffset + b.length * bytesPerElement(b.dtype);
  return a.byteOffset < endB && b.byteOffset < endA;
}

function trapped({ kernel, variant, inputs }: Plan, { entry }: Job, error: unknown): DeviceError {
  const shapes = inputs.map(({ shape }) => formatShape(shape)).join(', ');
  const reason = error instanceof Error ? error.message : String(error);
  return new DeviceError(
    `wasm: kernel "${kernel}" (variant "${variant}", inputs ${shapes}) failed in "${entry.program.key}": ${reason}.`,
    { cause: error },
  );
}
