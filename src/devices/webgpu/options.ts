/**
 * What can be asked of the WebGPU device when it is opened. In words of its own, no type of the WebGPU standard: these are
 * part of the package's declarations, and those types come with TypeScript from version 6 on, with `@webgpu/types` before.
 */
import type { Convolution, Precision } from '../kernel.ts';
import type { VariantChoices } from '../variants.ts';

export interface AdapterOptions {
  /** Part of an adapter's name, as Dawn lists them (Node only), to choose among several. */
  readonly adapter?: string;
  /** Ask for a software adapter even where there is a GPU. */
  readonly forceSoftware?: boolean;
  readonly powerPreference?: 'low-power' | 'high-performance';
}

export interface WebGpuDeviceOptions {
  /** Dispatches per submission; default 32. */
  readonly batchSize?: number;
  /** How sums are rounded; `default` unless told. */
  readonly precision?: Precision;
  /** Which way convolutions are computed; `default` unless told. */
  readonly convolution?: Convolution;
  /** What was measured to be best on an adapter in default precision, if anything was; see `weft bench --tune`. */
  readonly choices?: (adapter: string) => VariantChoices | undefined;
}

/** What `openWebGpuDevice` takes. */
export type OpenWebGpuOptions = AdapterOptions & WebGpuDeviceOptions;
