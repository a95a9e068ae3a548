/**
 * What the wasm device needs from where it runs and cannot ask of JavaScript itself: worker threads, how many are worth
 * it, and the engine's switches. Node and browsers each have their twin of this.
 */

/** A started worker thread. */
export interface WorkerThread {
  terminate(): Promise<void>;
}

export interface WorkerStart {
  readonly memory: WebAssembly.Memory;
  readonly control: SharedArrayBuffer;
  readonly thread: number;
  /** Called if the worker ends or fails when nobody asked it to. */
  readonly onFailure: (reason: string) => void;
}

export interface WasmHost {
  /** Shared memory and threads can be had here. */
  readonly canShare: boolean;
  /** The calling thread may sleep in Atomics.wait (not so on a page's main thread). */
  readonly canWait: boolean;
  /** Processors this process may use. */
  readonly processors: number;
  /** Name and version of the engine, as an identity. */
  readonly engine: string;
  /** An environment variable, where there is an environment. */
  environment(name: string): string | undefined;
  /** Resolves when the worker is about to wait for its first job. */
  startWorker(start: WorkerStart): Promise<WorkerThread>;
  /** The engine can be asked to pack pairs of vectors into registers of 256 bits (see `wide.ts`). */
  readonly canWiden: boolean;
  /** Compiles at the engine's best tier at once, where that can be asked for; `wide`: pairs of vectors packed. */
  compile(bytes: Uint8Array<ArrayBuffer>, options?: { readonly wide?: boolean }): WebAssembly.Module;
  /** Switches relaxed SIMD on where it hides behind a flag. */
  enableRelaxedSimd(): void;
}
