/** What can be asked of the WebGPU device when it is opened. */
import type { Precision } from '../kernel.ts';
import type { VariantChoices } from '../variants.ts';
import type { AdapterOptions } from './adapter.ts';

export interface WebGpuDeviceOptions {
  /** Dispatches per submission; default 32. */
  readonly batchSize?: number;
  /** How sums are rounded; `default` unless told. */
  readonly precision?: Precision;
  /** What was measured to be best on an adapter in default precision, if anything was; see `weft bench --tune`. */
  readonly choices?: (adapter: string) => VariantChoices | undefined;
}

/** What `openWebGpuDevice` takes. */
export type OpenWebGpuOptions = AdapterOptions & WebGpuDeviceOptions;
