/** WebGPU in a browser: `navigator.gpu`. The browser's GPU process waits for us, so waiting is just awaiting. */
import { DeviceError } from '../errors.ts';
import type { AcquiredAdapter } from './adapter.ts';
import type { AdapterOptions } from './options.ts';

/** The adapter to use. Throws DeviceError with one sentence when there is none. */
export async function acquireAdapter(options: AdapterOptions = {}): Promise<AcquiredAdapter> {
  const gpu = (globalThis.navigator as Navigator | undefined)?.gpu;
  if (!gpu) {
    throw new DeviceError(
      'webgpu: this browser offers no WebGPU here (it needs HTTPS or localhost); use wasm instead.',
    );
  }
  const adapter = await gpu.requestAdapter({
    powerPreference: options.powerPreference ?? 'high-performance',
    forceFallbackAdapter: options.forceSoftware ?? false,
  });
  if (!adapter) throw new DeviceError('webgpu: this browser found no adapter; use wasm instead.');
  return { adapter, wait: promise => promise };
}
