/** Opens the WebGPU device in a browser. */

import { acquireAdapter } from './adapter.browser.ts';
import { type AdapterOptions, requestDevice } from './adapter.ts';
import { WebGpuDevice, type WebGpuDeviceOptions } from './device.ts';

export type OpenWebGpuOptions = AdapterOptions & WebGpuDeviceOptions;

/** The WebGPU device of this page. Throws DeviceError with one sentence when there is no adapter. */
export async function openWebGpuDevice(options: OpenWebGpuOptions = {}): Promise<WebGpuDevice> {
  const acquired = await acquireAdapter(options);
  return new WebGpuDevice(acquired, await requestDevice(acquired.adapter), options);
}
