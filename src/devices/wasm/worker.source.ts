/**
 * What a worker thread runs. It is a string because it must be the same under Node (`eval`), in a page (a Blob) and
 * whatever compiles or bundles this project, and so it imports nothing. A worker gets its memory and control block once;
 * from then on it never turns its event loop again: it spins for a moment on its own `go` counter, then parks in
 * Atomics.wait, which no message could reach. Jobs and the bytes of new modules come through shared memory.
 *
 * Control block, in 32-bit words: one cache line per thread (line 0 is the caller's), then one job, then the arguments
 * as pairs (value, bytes per thread) of doubles, which hold i32 and f32 exactly, then a line of text per thread.
 */
export const MAX_ARGUMENTS = 24;
export const MAX_THREADS = 16;
const LINE = 16;
const JOB = LINE * MAX_THREADS;
const ARGUMENTS = JOB + LINE;
const TEXT = ARGUMENTS + 4 * MAX_ARGUMENTS;
const TEXT_LENGTH = 128;

export const control = {
  bytes: 4 * (TEXT + TEXT_LENGTH * MAX_THREADS),
  /** Words per thread line, and the words of a line. */
  line: LINE,
  go: 0,
  done: 1,
  trapped: 2,
  parked: 3,
  /** Line 0: the caller sleeps until a worker is done. */
  callerParked: 4,
  /** Words of the job. */
  job: JOB,
  moduleId: JOB,
  moduleAddress: JOB + 1,
  moduleBytes: JOB + 2,
  entry: JOB + 3,
  tasks: JOB + 4,
  parts: JOB + 5,
  argumentCount: JOB + 6,
  /** Index of the first argument in doubles. */
  arguments: ARGUMENTS / 2,
  text: TEXT,
  textLength: TEXT_LENGTH,
  /** Value of `go` that ends the worker. */
  stop: -1,
} as const;

/**
 * How long a worker spins for its next job before it parks. Waking a parked one costs 10 us or more; but where other work
 * leaves the threads one processor, every microsecond spun here is one the caller waits (measured: a small job takes
 * 65 us with 50 us of spinning, 25 us with 10).
 */
export const SPIN_MILLISECONDS = 0.015;

/** A function expression `(memory, buffer, thread) => void`; returns when the device is destroyed. */
export const workerSource = /* js */ `(memory, buffer, thread) => {
  const words = new Int32Array(buffer);
  const doubles = new Float64Array(buffer);
  const line = thread * ${control.line};
  const go = line + ${control.go};
  const instances = [];
  let seen = 0;

  const nextJob = () => {
    const until = performance.now() + ${SPIN_MILLISECONDS};
    do {
      for (let i = 0; i < 100; i++) if (Atomics.load(words, go) !== seen) return Atomics.load(words, go);
    } while (performance.now() < until);
    Atomics.store(words, line + ${control.parked}, 1);
    while (Atomics.load(words, go) === seen) Atomics.wait(words, go, seen);
    Atomics.store(words, line + ${control.parked}, 0);
    return Atomics.load(words, go);
  };

  const load = id => {
    const address = words[${control.moduleAddress}] >>> 0;
    // A copy: an engine does not compile from shared memory.
    const bytes = new Uint8Array(memory.buffer).slice(address, address + words[${control.moduleBytes}]);
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
    return (instances[id] = Object.values(instance.exports));
  };

  const work = () => {
    const id = words[${control.moduleId}];
    const entries = instances[id] || load(id);
    const tasks = words[${control.tasks}];
    const parts = words[${control.parts}];
    const args = [Math.floor((tasks * thread) / parts), Math.floor((tasks * (thread + 1)) / parts)];
    const count = words[${control.argumentCount}];
    for (let i = 0; i < count; i++) {
      const at = ${control.arguments} + 2 * i;
      const stride = doubles[at + 1];
      args.push(stride === 0 ? doubles[at] : doubles[at] + thread * stride); // -0 + 0 would be 0
    }
    entries[words[${control.entry}]].apply(undefined, args);
  };

  for (;;) {
    seen = nextJob();
    if (seen === ${control.stop}) return;
    try {
      work();
    } catch (error) {
      const text = String(error && error.message || error);
      const at = ${control.text} + thread * ${control.textLength};
      const length = Math.min(text.length, ${control.textLength - 1});
      words[at] = length;
      for (let i = 0; i < length; i++) words[at + 1 + i] = text.charCodeAt(i);
      Atomics.store(words, line + ${control.trapped}, 1);
    }
    Atomics.store(words, line + ${control.done}, seen);
    if (Atomics.load(words, ${control.callerParked}) !== 0) Atomics.notify(words, line + ${control.done});
  }
}`;
