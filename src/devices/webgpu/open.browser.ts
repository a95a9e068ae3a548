/** Opens the WebGPU device in a browser. */

import { checkArithmetic } from '../variants.ts';
import { acquireAdapter } from './adapter.browser.ts';
import { requestDevice } from './adapter.ts';
import { WebGpuDevice } from './device.ts';
import type { OpenWebGpuOptions } from './options.ts';

/** The WebGPU device of this page. Throws DeviceError with one sentence when there is no adapter. */
export async function openWebGpuDevice(options: OpenWebGpuOptions = {}): Promise<WebGpuDevice> {
  checkArithmetic('openWebGpuDevice', options);
  const acquired = await acquireAdapter(options);
  return new WebGpuDevice(acquired, await requestDevice(acquired.adapter), options);
}
