/** The wasm device's host in a page or web worker: Blob workers where the page is cross-origin isolated. */
import { DeviceError } from '../errors.ts';
import type { WasmHost } from './host.ts';
import { workerSource } from './worker.source.ts';

const source = `
onmessage = ({ data }) => {
  postMessage('ready');
  (${workerSource})(data.memory, data.control, data.thread);
};
`;

export const browserHost: WasmHost = {
  canShare: typeof SharedArrayBuffer !== 'undefined' && globalThis.crossOriginIsolated === true,
  canWait: typeof document === 'undefined',
  processors: globalThis.navigator?.hardwareConcurrency ?? 1,
  engine: /(?:Chrome|Firefox|Version)\/[\d.]+/.exec(globalThis.navigator?.userAgent ?? '')?.[0] ?? 'browser',
  canWiden: false,
  environment: () => undefined,

  startWorker({ memory, control, thread, onFailure }) {
    return new Promise((resolve, reject) => {
      const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
      const worker = new Worker(url, { name: `weft-wasm-${thread}` });
      worker.onerror = event => {
        // A page whose policy forbids the worker gets an event without a message.
        const reason = event.message ?? 'the page forbids workers from blob: (Content-Security-Policy, worker-src)';
        onFailure(reason);
        reject(new DeviceError(`wasm: worker thread ${thread} could not be started: ${reason}.`));
      };
      worker.onmessage = () => {
        URL.revokeObjectURL(url);
        resolve({
          async terminate() {
            worker.terminate();
          },
        });
      };
      worker.postMessage({ memory, control, thread });
    });
  },

  compile(bytes) {
    return new WebAssembly.Module(bytes);
  },

  enableRelaxedSimd() {},
};
