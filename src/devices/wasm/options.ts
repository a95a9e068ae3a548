/** How the wasm device is opened. */
import type { Convolution, Precision } from '../kernel.ts';
import type { VariantChoices } from '../variants.ts';

export interface WasmOptions {
  /** Threads, the calling one included: 1 to 16. Default: WEFT_THREADS, else one per processor. */
  readonly threads?: number;
  /** Fused multiply-add. Default: WEFT_RELAXED_SIMD (0 or 1), else where engine and processor have one. */
  readonly relaxedSimd?: boolean;
  /**
   * Vectors of 256 bits, which changes no bits of results. Default: WEFT_WIDE (0, 1 or auto), else where engine and
   * processor have them and they are found to be faster. Devices of highest precision compute in 128 bits.
   */
  readonly wide?: boolean;
  /** How sums are rounded; `default` unless told. */
  readonly precision?: Precision;
  /** Which way convolutions are computed; `default` unless told. */
  readonly convolution?: Convolution;
  /** Share memory with threads; `false` behaves like a page without cross-origin isolation: one thread. */
  readonly shared?: boolean;
  /** Most memory to use, in pages of 64 KiB. Default 65535 (4 GiB). */
  readonly maximumPages?: number;
  /** Address of the first allocation; tests set it beyond 2 GiB. */
  readonly memoryBase?: number;
  /** What was measured to be best on this engine in default precision, if anything was; see `weft bench --tune`. */
  readonly choices?: (adapter: string) => VariantChoices | undefined;
}
