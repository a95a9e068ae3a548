/**
 * STREAM's triad as a contender. A kernel that is bound by memory is judged by it, and the rate of memory swings with the
 * neighbours of a virtual machine (by a factor of two within an hour), so the two are timed in turns, call by call.
 */
import type { Device } from '../src/devices/device.ts';
import { memoryWalk, PAGE_FLOATS, WALK_ARRAYS } from '../src/kernels/ceilings/index.ts';
import type { Case, Entrant } from './contender.ts';
import { kernelCase, ownEntrant } from './kernel-case.ts';

export const TRIAD = 'triad';

/** Below this a call is mostly the handing over to the threads. */
const LEAST_FOOTPRINT = 2 ** 20;

/** Whether memory, not arithmetic, limits a case on any processor: an operation per byte at most. */
export function isJudgedByTriad({ flops, bytes, footprint }: Case): boolean {
  return flops <= bytes && footprint >= LEAST_FOOTPRINT;
}

/**
 * How long triads take to move as many bytes as the case does, each a call of its own over three arrays that together are
 * as large as the arrays of the case.
 */
export function triadEntrant({ bytes, footprint }: Case, device: Device): Entrant {
  const pages = Math.round(footprint / WALK_ARRAYS.triad / (4 * PAGE_FLOATS));
  const array = { shape: [pages * PAGE_FLOATS], dtype: 'float32' } as const;
  const triad = kernelCase({
    id: TRIAD,
    group: TRIAD,
    kernel: memoryWalk,
    params: { walk: 'triad', rounds: 1 },
    inputs: [array, array],
  });
  const scale = bytes / triad.bytes;
  return {
    name: TRIAD,
    async prepare() {
      const contender = await ownEntrant(triad, device).prepare();
      return {
        ...contender,
        note: `as many bytes, over arrays of ${(triad.footprint / 1e6).toFixed(1)} MB in all`,
        sample: async seconds => (await contender.sample(seconds)).map(milliseconds => milliseconds * scale),
      };
    },
  };
}
