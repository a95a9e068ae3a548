/**
 * What takes part in a measurement. A contender runs one piece of work and says how long it took; how (in this process,
 * in another one) is its own affair, so that kernels of ours, TensorFlow.js on any backend, ONNX Runtime and PyTorch stand
 * in the same table, timed in turns.
 */

/** Work in this process. */
export interface Work {
  /** Does the work once, or enqueues it. */
  once(): void | Promise<void>;
  /** Resolves when everything enqueued is done. Absent where `once` ends when the work has. */
  finish?(): Promise<void>;
}

export interface Contender {
  /** Which variant ran, or under what conditions. */
  readonly note?: string;
  /** Runs until compilers and caches have settled. */
  warmUp(seconds: number): Promise<void>;
  /** Milliseconds per run, sampled for about `seconds`; at least two samples. */
  sample(seconds: number): Promise<readonly number[]>;
  /** What the work computes, to be compared with the others; absent where it stays in another process. */
  output?(): Promise<ArrayLike<number>>;
  dispose?(): void | Promise<void>;
}

/** A contender by name, prepared when its turn comes. `prepare` throws Missing when it cannot take part. */
export interface Entrant {
  readonly name: string;
  prepare(): Contender | Promise<Contender>;
}

/** Why someone does not take part: a package that is not installed, an operation that it lacks, a size beyond it. */
export class Missing extends Error {
  override name = 'Missing';
}

/** What is being measured, and what it costs. */
export interface Case {
  /** Unique, and what `--only` and the gates go by. */
  readonly id: string;
  readonly group: string;
  readonly flops: number;
  /** Bytes that must be moved at least. */
  readonly bytes: number;
  /** Bytes of all arrays together: what has to fit into a cache to stay there. */
  readonly footprint: number;
}
