/**
 * The thread pool: one parallel loop at a time, cut into equal contiguous parts by task count. The calling thread works
 * on part 0 and joins by spinning (a page's main thread may not sleep), the others take the next parts. Handing over a
 * job is a few stores and one increment of each taking worker's `go` counter; see worker.source.ts for the other side.
 */
import { DeviceError } from '../errors.ts';
import type { WasmHost, WorkerThread } from './host.ts';
import type { LoadedEntry } from './programs.ts';
import { control, MAX_ARGUMENTS, MAX_THREADS } from './worker.source.ts';

/** How long the caller spins for the others before it sleeps where it may: longer than any balanced join takes. */
const JOIN_SPINS = 200_000;

/** One parallel loop, ready to run. */
export interface Job {
  readonly entry: LoadedEntry;
  readonly tasks: number;
  /** Threads that take part, at least 1. */
  readonly parts: number;
  /** The entry's arguments as thread 0 sees them; the first two (its task range) are set by `run`. */
  readonly args: number[];
  /** Bytes to add to an argument per thread (scratch memory of each thread's own); aligned with `args`. */
  readonly strides: readonly number[] | undefined;
}

/** How many threads a loop is worth: at least `grain` tasks for each. */
export function partsFor(tasks: number, grain: number, threads: number): number {
  return Math.max(1, Math.min(threads, Math.floor(tasks / Math.max(1, grain))));
}

export class ThreadPool {
  readonly threads: number;
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;
  readonly #canWait: boolean;
  #workers: WorkerThread[] = [];
  #generation = 0;
  #failure: string | undefined;

  private constructor(threads: number, buffer: ArrayBufferLike, canWait: boolean) {
    this.threads = threads;
    this.#words = new Int32Array(buffer);
    this.#doubles = new Float64Array(buffer);
    this.#canWait = canWait;
  }

  /** Starts `threads - 1` workers; resolves when all stand ready. */
  static async open(host: WasmHost, memory: WebAssembly.Memory, threads: number): Promise<ThreadPool> {
    if (!Number.isInteger(threads) || threads < 1 || threads > MAX_THREADS) {
      throw new DeviceError(`wasm: the number of threads must be 1 to ${MAX_THREADS}, not ${threads}.`);
    }
    if (threads === 1) return new ThreadPool(1, new ArrayBuffer(control.bytes), host.canWait);
    const buffer = new SharedArrayBuffer(control.bytes);
    const pool = new ThreadPool(threads, buffer, host.canWait);
    const onFailure = (reason: string): void => {
      pool.#failure = reason;
    };
    pool.#workers = await Promise.all(
      Array.from({ length: threads - 1 }, (_, index) =>
        host.startWorker({ memory, control: buffer, thread: index + 1, onFailure }),
      ),
    );
    return pool;
  }

  /** Runs a loop to its end on all threads that take part. Throws what the first trapped thread met. */
  run(job: Job): void {
    const { args, tasks, parts } = job;
    args[0] = 0;
    if (parts === 1) {
      args[1] = tasks;
      job.entry.call.apply(undefined, args);
      return;
    }
    if (this.#failure !== undefined) throw new DeviceError(`wasm: a worker thread ended: ${this.#failure}.`);
    args[1] = Math.floor(tasks / parts);
    this.#start(job);
    let trap: unknown;
    try {
      job.entry.call.apply(undefined, args);
    } catch (error) {
      trap = error;
    }
    this.#join(parts); // also after a trap: the others still write to memory
    for (let thread = 1; thread < parts; thread++) trap ??= this.#takeTrap(thread);
    if (trap !== undefined) throw trap;
  }

  #start({ entry, tasks, parts, args, strides }: Job): void {
    const words = this.#words;
    words[control.moduleId] = entry.program.id;
    words[control.moduleAddress] = entry.program.address;
    words[control.moduleBytes] = entry.program.bytes;
    words[control.entry] = entry.index;
    words[control.tasks] = tasks;
    words[control.parts] = parts;
    words[control.argumentCount] = args.length - 2;
    for (let i = 2, at: number = control.arguments; i < args.length; i++, at += 2) {
      this.#doubles[at] = args[i];
      this.#doubles[at + 1] = strides === undefined ? 0 : strides[i];
    }
    this.#generation = (this.#generation + 1) & 0x3fffffff;
    for (let thread = 1; thread < parts; thread++) {
      const line = thread * control.line;
      Atomics.store(words, line + control.go, this.#generation);
      if (Atomics.load(words, line + control.parked) !== 0) Atomics.notify(words, line + control.go);
    }
  }

  #join(parts: number): void {
    const words = this.#words;
    const generation = this.#generation;
    for (let thread = 1; thread < parts; thread++) {
      const done = thread * control.line + control.done;
      for (let spins = 0; ; spins++) {
        const value = Atomics.load(words, done);
        if (value === generation) break;
        if (spins < JOIN_SPINS || !this.#canWait) continue;
        Atomics.store(words, control.callerParked, 1);
        Atomics.wait(words, done, value);
        Atomics.store(words, control.callerParked, 0);
      }
    }
  }

  #takeTrap(thread: number): Error | undefined {
    const words = this.#words;
    const trapped = thread * control.line + control.trapped;
    if (Atomics.load(words, trapped) === 0) return undefined;
    Atomics.store(words, trapped, 0);
    const at = control.text + thread * control.textLength;
    return new Error(String.fromCharCode(...words.subarray(at + 1, at + 1 + words[at])));
  }

  async close(): Promise<void> {
    for (let thread = 1; thread < this.threads; thread++) {
      const go = thread * control.line + control.go;
      Atomics.store(this.#words, go, control.stop);
      Atomics.notify(this.#words, go);
    }
    const workers = this.#workers;
    this.#workers = [];
    await Promise.all(workers.map(worker => worker.terminate()));
  }
}

export { MAX_ARGUMENTS };
