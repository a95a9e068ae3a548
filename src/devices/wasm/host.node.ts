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

export const nodeHost: WasmHost = {
  canShare: true,
  canWait: true,
  processors: availableParallelism(),
  engine: `v8-${process.versions.v8}`,
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

  // Otherwise the first calls of each kernel run in V8's baseline tier at an eighth of the speed (measured). The flags
  // hold for this compilation only, so that other WebAssembly in the process is compiled as ever; a worker that compiles
  // the same bytes later is given the machine code made here.
  compile(bytes) {
    setFlagsFromString('--no-liftoff');
    setFlagsFromString('--no-wasm-lazy-compilation');
    try {
      return new WebAssembly.Module(bytes);
    } finally {
      setFlagsFromString('--liftoff');
      setFlagsFromString('--wasm-lazy-compilation');
    }
  },

  enableRelaxedSimd() {
    setFlagsFromString('--experimental-wasm-relaxed-simd');
  },
};
