/** Opens the WebGPU device in Node (Dawn). */

import { acquireAdapter } from './adapter.node.ts';
import { type AdapterOptions, requestDevice } from './adapter.ts';
import { WebGpuDevice, type WebGpuDeviceOptions } from './device.ts';

export type OpenWebGpuOptions = AdapterOptions & WebGpuDeviceOptions;

/** The WebGPU device of this machine. Throws DeviceError with one sentence when there is no adapter. */
export async function openWebGpuDevice(options: OpenWebGpuOptions = {}): Promise<WebGpuDevice> {
  const acquired = await acquireAdapter(options);
  return new WebGpuDevice(acquired, await requestDevice(acquired.adapter), options);
}
