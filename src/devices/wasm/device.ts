/**
 * The CPU device: WebAssembly SIMD kernels over one shared memory and a pool of threads. Work runs at the call, so
 * nothing is ever in flight: `read`, `sync` and `pace` wait for nothing and exist for the sake of the interface. What
 * this file does is bookkeeping: check a call, find its plan, fill in addresses, run the passes.
 */
import { checkCall, checkReadable, checkWritable } from '../access.ts';
import type {
  CaptureOptions,
  Device,
  DeviceInfo,
  MemoryInfo,
  Operand,
  ProfiledCall,
  ProfileEntry,
  RunOptions,
} from '../device.ts';
import { bytesPerElement, type DType, dtypeOf, type TypedArray } from '../dtype.ts';
import { DeviceError, DTypeError, ShapeError } from '../errors.ts';
import { giveWayIfDue } from '../event-loop.ts';
import type { Kernel, WasmAdapterInfo } from '../kernel.ts';
import { ProfileSums } from '../profile-sums.ts';
import { formatShape, sameShape, sizeOf } from '../shape.ts';
import { type Allocation, release, type Storage } from '../storage.ts';
import { checkArithmetic, describeArithmetic, identityWith } from '../variants.ts';
import { noteWrite, noteWrites, Recording, WriteHistory } from '../versions.ts';
import { type CaptureOwner, NOTHING_PREPARED, WasmCapture } from './capture.ts';
import { copyKernel } from './copy.ts';
import type { Block } from './heap.ts';
import type { WasmHost } from './host.ts';
import { WasmMemory } from './memory.ts';
import { openHost } from './open-host.ts';
import type { WasmOptions } from './options.ts';
import { type Plan, type PlannedPass, Plans, SOURCE } from './plans.ts';
import type { Job, ThreadPool } from './pool.ts';
import { Programs } from './programs.ts';
import {
  chooseRelaxedSimd,
  chooseThreads,
  chooseWide,
  type OpenedThreads,
  openThreads,
  type RelaxedChoice,
  type WideChoice,
} from './settings.ts';
import { shareOfSubnormals } from './subnormals.ts';

interface WasmAllocation extends Allocation {
  readonly buffer: number;
  readonly block: Block;
  readonly capture: WasmCapture | undefined;
}

/** Opens the CPU device; resolves when its threads stand ready. Throws DeviceError when it cannot have what was asked. */
export async function openWasmDevice(options: WasmOptions = {}): Promise<WasmDevice> {
  checkArithmetic('openWasmDevice', options);
  const host = await openHost();
  const shared = options.shared ?? host.canShare;
  if (shared && !host.canShare) {
    throw new DeviceError(
      'wasm: shared memory needs a cross-origin isolated page; open the device with shared: false.',
    );
  }
  const threads = shared ? chooseThreads(host, options.threads) : 1;
  const relaxed = chooseRelaxedSimd(host, options.relaxedSimd);
  const { maximumPages, memoryBase: base } = options;
  const memory = new WasmMemory({ shared, maximumPages, base });
  const isTold = options.threads !== undefined || Boolean(host.environment('WEFT_THREADS'));
  const opened = await openThreads(host, memory.memory, threads, isTold);
  const wide = options.precision === 'highest' ? { use: false, note: '' } : chooseWide(host, options.wide, relaxed.use);
  return new WasmDevice(host, memory, opened, { relaxed, wide }, options);
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
    { pool, note }: OpenedThreads,
    { relaxed, wide }: { readonly relaxed: RelaxedChoice; readonly wide: WideChoice },
    {
      precision = 'default',
      convolution = 'default',
      choices,
    }: Pick<WasmOptions, 'precision' | 'convolution' | 'choices'>,
  ) {
    this.#memory = memory;
    this.#pool = pool;
    this.adapter = { threads: pool.threads, relaxedSimd: relaxed.use, wide: wide.use, precision, convolution };
    const identity = `wasm ${host.engine}${relaxed.use ? ' relaxed-fma' : ''}`;
    const tuning = wide.use ? `${identity} wide` : identity;
    const chosen = precision === 'default' ? choices?.(tuning) : undefined;
    this.info = {
      description:
        `WebAssembly SIMD on ${note} ` +
        `(${host.engine}, ${relaxed.note}${wide.note}${describeArithmetic({ precision, convolution })})`,
      adapter: identityWith(identity, { precision, convolution, choices: chosen }),
      tuning,
      isSoftware: false,
    };
    this.#programs = new Programs(host, memory, wide.use, () => this.#live());
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
      history: new WriteHistory(bytes, capture?.recording),
      block,
      capture,
    };
    this.#liveAllocations++;
    this.#liveBytes += block.bytes;
    return { allocation, byteOffset: 0, length, dtype, version: undefined };
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
    checkWritable(this, 'write', storage);
    const dtype = dtypeOf(values);
    if (dtype !== storage.dtype) throw new DTypeError(`write: ${dtype} values do not fit a ${storage.dtype} storage.`);
    if (values.length !== storage.length) {
      throw new ShapeError(`write: ${values.length} values do not fit a storage of ${storage.length}.`);
    }
    this.#viewOf(dtype).set(values, addressOf(storage) / bytesPerElement(dtype));
    noteWrite(storage);
  }

  read(storage: Storage): Promise<TypedArray> {
    // At once, so that nobody records on who has not awaited it.
    this.#checkNotRecording('read');
    return this.#read(storage);
  }

  async #read(storage: Storage): Promise<TypedArray> {
    this.#check();
    checkReadable(this, 'read', storage);
    const first = addressOf(storage) / bytesPerElement(storage.dtype);
    // Copied before others have their turn: these are the values of now.
    const values = this.#viewOf(storage.dtype).slice(first, first + storage.length);
    await this.#letOthersIn();
    return values;
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
    checkCall(this, kernel.name, inputs, outputs);
    const plan = this.#plans.find(kernel, inputs, params, options?.variant);
    this.#checkOutputs(plan, inputs, outputs);
    if (plan.passes.length === 0) return;
    this.#runPlan(plan, inputs, outputs);
    noteWrites(outputs);
  }

  async sync(): Promise<void> {
    this.#check();
    this.#checkNotRecording('sync');
    await this.#letOthersIn();
  }

  async pace(): Promise<void> {
    this.#check();
    await this.#letOthersIn();
  }

  /** A turn of the event loop, where one is due. Not within a profile: what others do would be counted in it. */
  #letOthersIn(): Promise<void> | undefined {
    return this.#profile ? undefined : giveWayIfDue();
  }

  capture(record: () => void, { constant }: CaptureOptions = {}): WasmCapture {
    this.#check();
    if (this.#capture) throw new DeviceError('wasm: a capture cannot begin while another one is recorded.');
    const recording = Recording.begin(this);
    const owner: CaptureOwner = {
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
    };
    const capture = new WasmCapture(recording, owner, constant);
    this.#capture = capture;
    let finished = false;
    try {
      record();
      finished = true;
    } finally {
      this.#capture = undefined;
      recording.end();
      if (!finished) capture.dispose();
    }
    return capture;
  }

  get isCapturing(): boolean {
    return this.#capture !== undefined;
  }

  async profile(work: () => void | Promise<void>, onCall?: (call: ProfiledCall) => void): Promise<ProfileEntry[]> {
    this.#check();
    if (this.#profile) throw new DeviceError('wasm: a profile cannot begin while another one is taken.');
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

  [Symbol.asyncDispose] = (): Promise<void> => this.destroy();
  async destroy(): Promise<void> {
    if (this.#destroyed) return;
    this.#destroyed = true;
    await this.#pool.close();
    this.#memory.close();
  }

  #live(): { liveAllocations: number; liveBytes: number } {
    return { liveAllocations: this.#liveAllocations, liveBytes: this.#liveBytes };
  }

  #check(): void {
    if (this.#destroyed) throw new DeviceError('wasm: this device was destroyed; open another one.');
  }

  #checkNotRecording(what: string): void {
    if (this.#capture) throw new DeviceError(`${what} is not possible inside a capture; do it before or after.`);
  }

  #viewOf(dtype: DType): Float32Array | Int32Array | Uint32Array | Uint8Array {
    const { f32, i32, u32, u8 } = this.#memory.views;
    return dtype === 'float32' ? f32 : dtype === 'int32' ? i32 : dtype === 'uint32' ? u32 : u8;
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
    const prepared = capture ? capture.preparationOf(plan, inputs) : NOTHING_PREPARED;
    const blocks: Block[] = [];
    try {
      for (const bytes of plan.scratch) {
        const isKept = prepared.scratch.has(blocks.length);
        blocks.push(isKept ? capture!.allocatePrepared(bytes) : this.#allocateBlock(bytes));
      }
      for (const { sources, values, args } of plan.passes) {
        for (let i = 2; i < sources.length; i++) {
          const source = sources[i];
          if (source === SOURCE.number) continue;
          const index = values[i];
          if (source === SOURCE.scratch) args[i] = blocks[index].address;
          else args[i] = addressOf((source === SOURCE.input ? inputs : outputs)[index].storage);
        }
      }
      if (capture) {
        const repeated = plan.passes.filter(pass => !prepared.passes.has(pass));
        const jobs = repeated.map(pass => ({ ...pass, args: [...pass.args] }));
        const outside: string[] = [];
        for (const { storage } of [...inputs, ...outputs]) {
          const { allocation } = storage;
          const isInside = (allocation as WasmAllocation).capture === capture;
          if (!isInside) capture.hold(allocation);
          outside.push(isInside ? '-' : String(addressOf(storage)));
        }
        capture.record({ plan, jobs }, outside);
      }
      this.#execute(plan, plan.passes);
    } finally {
      for (let i = 0; i < blocks.length; i++) {
        if (!capture) this.#memory.free(blocks[i]);
        else if (!prepared.scratch.has(i)) capture.freeBlock(blocks[i]);
      }
    }
  }

  #allocateBlock(bytes: number): Block {
    return this.#capture ? this.#capture.allocateBlock(bytes) : this.#memory.allocate(bytes, this.#live());
  }

  #execute(plan: Plan, jobs: readonly PlannedPass[]): void {
    const profile = this.#profile;
    const started = profile ? performance.now() : 0;
    for (let i = 0; i < jobs.length; i++) {
      try {
        this.#pool.run(jobs[i]);
      } catch (error) {
        throw trapped(plan, jobs[i], error);
      }
    }
    if (!profile) return;
    const milliseconds = performance.now() - started;
    const subnormals = shareOfSubnormals(plan.inputs, jobs, this.#memory.views.u32);
    profile.sums.add({ ...plan, start: started - profile.began, milliseconds, subnormals });
  }
}

const addressOf = ({ allocation, byteOffset }: Storage): number => (allocation as WasmAllocation).buffer + byteOffset;

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
