/**
 * What a kernel family offers to the conformance suite: a list of cases, each a kernel call with its inputs. The suite
 * (`suite.ts`) runs every variant of the kernel that applies to the case on every device and compares each output, element
 * by element, with the float64 reference.
 */
import type { TypedArray } from '../../src/devices/dtype.ts';
import type { Kernel, Spec } from '../../src/devices/kernel.ts';

/**
 * How far a device may be from the float64 reference, per element of an output:
 * - `exact`: equal bits (integers, copies, comparisons, random bits; float32 after rounding the reference to float32);
 * - `contraction`: `|err| <= c eps sqrt(K) magnitude`, where `magnitude` is the same contraction of absolute values,
 *   computed by running the reference on |inputs| (c about 8 for direct sums, more for Winograd);
 * - `absolute + relative`: `|err| <= absolute + relative |expected|` (transcendental functions, normalisations).
 */
export type Tolerance =
  | { readonly kind: 'exact' }
  | { readonly kind: 'contraction'; readonly c: number; readonly terms: number }
  | { readonly kind: 'close'; readonly absolute: number; readonly relative: number };

export interface ConformanceCase<P = any> {
  readonly title: string;
  readonly kernel: Kernel<P>;
  readonly params: P;
  readonly inputs: readonly { readonly spec: Spec; readonly values: TypedArray }[];
  /** Previous contents of the outputs a kernel updates in place, by output index. */
  readonly updates?: Readonly<Record<number, TypedArray>>;
  /** One per output, or one for all; may depend on the variant's name (Winograd). */
  readonly tolerance: Tolerance | readonly Tolerance[] | ((variant: string) => Tolerance | readonly Tolerance[]);
}
