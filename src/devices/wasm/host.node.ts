/** The wasm device's host in Node: worker_threads and V8's flags. */
import { availableParallelism } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { DeviceError } from '../errors.ts';
import type { WasmHost } from './host.ts';
import { workerSource } from './worker.source.ts';

const source = `
const { parentPort, workerData } = require('node:worker_threads');
parentPort.postMessage('ready');
(${workerSource})(workerData.memory, workerData.control, workerData.thread);
`;

/**
 * V8's switches that are off while a kernel is compiled, so that it is optimised machine code from its first call on.
 * They are off for this compilation only: other WebAssembly in the process is compiled as ever, and a worker that
 * compiles the same bytes later is given the machine code made here.
 *
 * Left alone, V8 starts in its baseline tier, an eighth as fast, and optimises beside the computing threads. On idle cores
 * that costs little (a first training step of the CNN takes 1.00 to 1.09 times as long, on Node 20, 24 and 26), but where
 * the cores are taken it is starved and the step takes 1.1 to 2.5 times as long; hints for the compiler in the module need
 * a switch, too, of an experiment, and have two formats. From V8 14 on, code that was never baseline code must not have
 * calls between WebAssembly functions inlined; V8 12 does not know that switch and would print a line about it.
 */
const V8 = Number.parseInt(process.versions.v8, 10);
const EAGER = ['liftoff', 'wasm-lazy-compilation'];
if (V8 >= 14) EAGER.push('wasm-inlining');
/** Packs pairs of vectors into AVX2 registers. On during a kernel's compilation only, like the others off. */
const REVECTORIZE = 'experimental-wasm-revectorize';

export const nodeHost: WasmHost = {
  canShare: true,
  canWait: true,
  processors: availableParallelism(),
  engine: `v8-${process.versions.v8}`,
  canWiden: V8 >= 13 && process.arch === 'x64',
  environment: name => process.env[name],

  startWorker({ memory, control, thread, onFailure }) {
    return new Promise((resolve, reject) => {
      // No execArgv: a loader the caller runs under (tsx, vitest) would only slow the start.
      const worker = new Worker(source, {
        eval: true,
        execArgv: [],
        name: `weft-wasm-${thread}`,
        workerData: { memory, control, thread },
      });
      let terminating = false;
      const fail = (reason: string): void => {
        if (terminating) return;
        onFailure(reason);
        reject(new DeviceError(`wasm: worker thread ${thread} could not be started: ${reason}.`));
      };
      worker.once('error', error => fail(error.message));
      worker.once('exit', code => fail(`it ended with code ${code}`));
      worker.once('message', () => {
        worker.unref(); // a process with nothing else to do ends by itself
        resolve({
          async terminate() {
            terminating = true;
            await worker.terminate();
          },
        });
      });
    });
  },

  compile(bytes, { wide = false } = {}) {
    for (const flag of EAGER) setFlagsFromString(`--no-${flag}`);
    if (wide) setFlagsFromString(`--${REVECTORIZE}`);
    try {
      return new WebAssembly.Module(bytes);
    } finally {
      if (wide) setFlagsFromString(`--no-${REVECTORIZE}`);
      for (const flag of EAGER) setFlagsFromString(`--${flag}`);
    }
  },

  enableRelaxedSimd() {
    setFlagsFromString('--experimental-wasm-relaxed-simd');
  },
};
