/**
 * Subnormal numbers (below 2^-126) in what a kernel read. Some processors multiply and add them in microcode: a matrix product
 * of such numbers took 116 times as long on an Intel Xeon (on an AMD Zen 3 no longer than others). WebAssembly has no way to
 * take them for 0, so a profile tells of them.
 */
import type { Spec } from '../kernel.ts';
import { type PlannedPass, SOURCE } from './plans.ts';

/** Numbers that are looked at in each input. */
const SAMPLE = 4096;

/**
 * The share of subnormal numbers in the input that has most of them, of those that the passes read.
 * @param passes with the addresses that they ran on
 */
export function shareOfSubnormals(inputs: readonly Spec[], passes: readonly PlannedPass[], words: Uint32Array): number {
  let most = 0;
  for (const { sources, values, args } of passes) {
    sources.forEach((source, k) => {
      const spec = source === SOURCE.input ? inputs[values[k]] : undefined;
      if (spec?.dtype !== 'float32') return;
      const length = spec.shape.reduce((product, extent) => product * extent, 1);
      const first = (args[k] >>> 0) / 4;
      const step = Math.max(1, Math.floor(length / SAMPLE));
      let seen = 0;
      let found = 0;
      for (let at = 0; at < length; at += step) {
        const magnitude = words[first + at] & 0x7fffffff;
        seen++;
        if (magnitude !== 0 && magnitude < 0x00800000) found++;
      }
      if (seen > 0) most = Math.max(most, found / seen);
    });
  }
  return most;
}
