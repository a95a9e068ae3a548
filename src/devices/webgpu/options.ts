/** What can be asked of the WebGPU device when it is opened. */
import type { AdapterOptions } from './adapter.ts';

export interface WebGpuDeviceOptions {
  /** Dispatches per submission; default 32. */
  readonly batchSize?: number;
}

/** What `openWebGpuDevice` takes. */
export type OpenWebGpuOptions = AdapterOptions & WebGpuDeviceOptions;
