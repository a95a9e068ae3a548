/** Opens the WebGPU device for a test file, or says by name why the file's tests are skipped. */
import { describe } from 'vitest';
import type { Operand } from '../../src/devices/device.ts';
import type { Shape } from '../../src/devices/shape.ts';
import type { Storage } from '../../src/devices/storage.ts';
import type { WebGpuDevice } from '../../src/devices/webgpu/device.ts';
import { openWebGpuDevice } from '../../src/devices/webgpu/open.node.ts';
import type { OpenWebGpuOptions } from '../../src/devices/webgpu/options.ts';

let reason: string | undefined;
try {
  await (await openWebGpuDevice()).destroy();
} catch (error) {
  reason = (error as Error).message;
  console.warn(`Device not tested: webgpu: ${reason}`);
}

/** `describe` for tests that need an adapter; skipped, with the reason in the title, where there is none. */
export function describeWebGpu(title: string, tests: () => void): void {
  if (reason === undefined) describe(title, tests);
  else describe.skip(`${title} (webgpu not available: ${reason})`, tests);
}

/** Opens a device, runs `test` and destroys the device. */
export async function withWebGpu(test: (device: WebGpuDevice) => Promise<void>, options?: OpenWebGpuOptions) {
  const device = await openWebGpuDevice(options);
  try {
    await test(device);
  } finally {
    await device.destroy();
  }
}

/** A storage seen as a vector, or in the given shape. */
export const operand = (storage: Storage, shape: Shape = [storage.length]): Operand => ({ storage, shape });

/** A float32 storage holding `values`. */
export function upload(device: WebGpuDevice, values: readonly number[] | Float32Array): Storage {
  const storage = device.allocate(values.length, 'float32');
  device.write(storage, Float32Array.from(values));
  return storage;
}
