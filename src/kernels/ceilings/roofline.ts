/**
 * The roofline (S. Williams, A. Waterman, D. Patterson: Roofline, CACM 52, 2009): work takes at least as long as its
 * arithmetic at the peak rate, and at least as long as its bytes at the rate of memory, which is the higher the smaller
 * the arrays are, because small ones stay in a cache. Both rates are measured, never looked up.
 */
import type { ProfiledCall, Work } from '../../devices/device.ts';

export interface Roofline {
  /** GFLOP/s. */
  readonly peak: number;
  /** GB/s (10^9) of the triad by the bytes of all its arrays together, smallest first; at least one. */
  readonly triad: readonly { readonly footprint: number; readonly rate: number }[];
}

export type Bound = 'arithmetic' | 'memory';

/** GB/s of the triad over arrays of `footprint` bytes, interpolated over the logarithm of the size. */
export function triadRate({ triad }: Roofline, footprint: number): number {
  const above = triad.findIndex(point => point.footprint >= footprint);
  if (above === 0) return triad[0].rate;
  if (above < 0) return triad[triad.length - 1].rate;
  const [low, high] = [triad[above - 1], triad[above]];
  const share = Math.log(footprint / low.footprint) / Math.log(high.footprint / low.footprint);
  return low.rate + share * (high.rate - low.rate);
}

/** The shortest time in milliseconds that the ceilings allow for so much work, and what bounds it. */
export function rooflineTime(
  roofline: Roofline,
  { flops, bytes, footprint }: Work,
): { milliseconds: number; bound: Bound } {
  const arithmetic = (flops / roofline.peak) * 1e-6;
  const memory = (bytes / triadRate(roofline, footprint)) * 1e-6;
  return arithmetic > memory
    ? { milliseconds: arithmetic, bound: 'arithmetic' }
    : { milliseconds: memory, bound: 'memory' };
}

/** What the roofline allows several calls together. */
export interface RooflineSum {
  readonly milliseconds: number;
  /** Of those, in calls that are bound by arithmetic. */
  readonly arithmetic: number;
}

/** What the roofline allows the calls of a profile, by `kernel/variant`: each call is held to the roof of its own size. */
export function rooflineSums(
  calls: readonly Pick<ProfiledCall, 'kernel' | 'variant' | 'work'>[],
  roofline: Roofline,
): Map<string, RooflineSum> {
  const sums = new Map<string, { milliseconds: number; arithmetic: number }>();
  for (const { kernel, variant, work } of calls) {
    if (!work) continue;
    const key = `${kernel}/${variant}`;
    const sum = sums.get(key) ?? { milliseconds: 0, arithmetic: 0 };
    const { milliseconds, bound } = rooflineTime(roofline, work);
    sum.milliseconds += milliseconds;
    if (bound === 'arithmetic') sum.arithmetic += milliseconds;
    sums.set(key, sum);
  }
  return sums;
}
