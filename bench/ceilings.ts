/**
 * What this machine can do at most: multiply-adds per second on 1 .. n threads, and bytes per second through memory for
 * arrays that fit into the second-level cache, the third, and none. A memory-bound kernel is judged by the triad over
 * arrays of its own size.
 */
import { readFileSync } from 'node:fs';
import type { Device, Operand } from '../src/devices/device.ts';
import type { Kernel, Spec } from '../src/devices/kernel.ts';
import { sizeOf } from '../src/devices/shape.ts';
import { release } from '../src/devices/storage.ts';
import { openWasmDevice } from '../src/devices/wasm/device.ts';
import {
  memoryWalk,
  PAGE_FLOATS,
  PEAK_INPUTS,
  peakMultiplyAdd,
  WALK_ARRAYS,
  type WalkName,
} from './ceilings.kernels.ts';
import { type Budget, race, timed } from './harness.ts';

export interface ArithmeticCeiling {
  readonly threads: number;
  /** GFLOP/s of separate multiplies and adds, and of fused ones (absent where the engine lacks relaxed SIMD). */
  readonly separate: number;
  readonly fused?: number;
}

export interface MemoryCeiling {
  readonly threads: number;
  readonly walk: WalkName;
  /** Bytes of all arrays together. */
  readonly footprint: number;
  /** GB/s (10^9). */
  readonly rate: number;
}

export interface Ceilings {
  readonly caches: CacheSizes;
  readonly arithmetic: readonly ArithmeticCeiling[];
  readonly memory: readonly MemoryCeiling[];
  /** Why the fused form was not measured. */
  readonly notFused?: string;
}

export interface CacheSizes {
  /** Bytes: of one core's second level, and of the third as the processor reports it. */
  readonly level2: number;
  readonly level3: number;
  readonly source: 'reported' | 'assumed';
}

const MIB = 2 ** 20;
const ASSUMED: CacheSizes = { level2: MIB / 2, level3: 16 * MIB, source: 'assumed' };

/** What Linux says of the first processor's caches; elsewhere usual sizes. */
export function readCacheSizes(): CacheSizes {
  try {
    const sizes = [2, 3].map(index => {
      const text = readFileSync(`/sys/devices/system/cpu/cpu0/cache/index${index}/size`, 'utf8').trim();
      const bytes = Number.parseInt(text, 10) * (text.endsWith('M') ? MIB : 1024);
      if (!(bytes > 0)) throw new Error(`unreadable size ${text}`);
      return bytes;
    });
    return { level2: sizes[0], level3: sizes[1], source: 'reported' };
  } catch {
    return ASSUMED;
  }
}

/** 1, 2, 4, ... and `most`. */
export function threadCounts(most: number): number[] {
  const counts: number[] = [];
  for (let threads = 1; threads < most; threads *= 2) counts.push(threads);
  return [...counts, most];
}

/** Footprints to measure: half of level 2 (all threads' together), a quarter of level 3, between, and far beyond. */
export function footprints({ level2, level3 }: CacheSizes, threads: number): { L2: number; L3: number; DRAM: number } {
  const L2 = (level2 / 2) * threads;
  return { L2, L3: Math.max(4 * L2, level3 / 4), DRAM: Math.min(768 * MIB, Math.max(192 * MIB, 4 * level3)) };
}

export async function measureCeilings(threads: number, budget: Budget): Promise<Ceilings> {
  const caches = readCacheSizes();
  const arithmetic: ArithmeticCeiling[] = [];
  const memory: MemoryCeiling[] = [];
  let notFused: string | undefined;
  for (const count of threadCounts(threads)) {
    const device = await openWasmDevice({ threads: count, relaxedSimd: false });
    try {
      const separate = await measurePeak(device, count, false, budget);
      let fused: number | undefined;
      try {
        fused = await measureFusedPeak(count, budget);
      } catch (error) {
        notFused = (error as Error).message;
      }
      arithmetic.push({ threads: count, separate, ...(fused === undefined ? {} : { fused }) });
      const { L2, L3, DRAM } = footprints(caches, count);
      const sizes = new Set([L2, L3, DRAM]);
      // The kernels under test run on all threads, and most of their arrays are of sizes between.
      if (count === threads) for (const size of [2 * L3, caches.level3, 2 * caches.level3]) sizes.add(size);
      for (const footprint of [...sizes].sort((a, b) => a - b)) {
        const main = footprint === L2 || footprint === L3 || footprint === DRAM;
        for (const walk of main ? (['triad', 'copy', 'read'] as const) : (['triad'] as const)) {
          memory.push(await measureWalk(device, count, walk, footprint, budget));
        }
      }
    } finally {
      await device.destroy();
    }
  }
  return { caches, arithmetic, memory, ...(notFused === undefined ? {} : { notFused }) };
}

/** On a device of its own: opening it with relaxed SIMD throws where the engine has none. */
async function measureFusedPeak(threads: number, budget: Budget): Promise<number> {
  const device = await openWasmDevice({ threads, relaxedSimd: true });
  try {
    return await measurePeak(device, threads, true, budget);
  } finally {
    await device.destroy();
  }
}

async function measurePeak(device: Device, threads: number, fused: boolean, budget: Budget): Promise<number> {
  // About a millisecond each: waking a thread takes 15 us.
  const params = { fused, rounds: 8192, tasks: threads };
  const flops = peakMultiplyAdd.cost(PEAK_INPUTS, params).flops;
  return (flops / (await medianTime(device, peakMultiplyAdd, PEAK_INPUTS, params, budget))) * 1e-6;
}

async function measureWalk(
  device: Device,
  threads: number,
  walk: WalkName,
  footprint: number,
  budget: Budget,
): Promise<MemoryCeiling> {
  const pages = Math.max(threads, Math.floor(footprint / (WALK_ARRAYS[walk] * 4 * PAGE_FLOATS)));
  const inputs: Spec[] = [0, 1].map(index => ({
    // The second array is read by triad alone.
    shape: [index === 0 || walk === 'triad' ? pages * PAGE_FLOATS : PAGE_FLOATS],
    dtype: 'float32',
  }));
  const params = { walk, rounds: Math.max(1, Math.round((128 * MIB) / footprint)) };
  const { bytes } = memoryWalk.cost(inputs, params);
  const milliseconds = await medianTime(device, memoryWalk, inputs, params, budget);
  return { threads, walk, footprint, rate: (bytes / milliseconds) * 1e-6 };
}

/** Milliseconds of one call: the median, as of the kernels that are compared with it. */
async function medianTime<P>(
  device: Device,
  kernel: Kernel<P>,
  inputs: readonly Spec[],
  params: P,
  budget: Budget,
): Promise<number> {
  const hold = (specs: readonly Spec[], value: number): Operand[] =>
    specs.map(({ shape, dtype }) => {
      const storage = device.allocate(sizeOf(shape), dtype);
      device.write(storage, new Float32Array(storage.length).fill(value));
      return { storage, shape };
    });
  const operands = hold(inputs, 0.5);
  const results = hold(kernel.infer(inputs, params), 0);
  const contender = timed({
    once: () => device.run(kernel, operands, results, params),
    finish: () => device.sync(),
  });
  try {
    const [outcome] = await race([{ name: kernel.name, prepare: () => contender }], budget);
    if (!('timing' in outcome)) throw new Error('failed' in outcome ? outcome.failed : outcome.missing);
    return outcome.timing.median;
  } finally {
    for (const { storage } of [...operands, ...results]) release(storage);
  }
}

/** GFLOP/s on all threads: the larger of both forms. */
export function peakRate({ arithmetic }: Ceilings): number {
  const { separate, fused = 0 } = arithmetic[arithmetic.length - 1];
  return Math.max(separate, fused);
}

/** GB/s of the triad on all threads over arrays of `footprint` bytes, interpolated over the logarithm of the size. */
export function triadRate({ memory, arithmetic }: Ceilings, footprint: number): number {
  const { threads } = arithmetic[arithmetic.length - 1];
  const points = memory
    .filter(point => point.threads === threads && point.walk === 'triad')
    .sort((a, b) => a.footprint - b.footprint);
  const above = points.findIndex(point => point.footprint >= footprint);
  if (above === 0) return points[0].rate;
  if (above < 0) return points[points.length - 1].rate;
  const [low, high] = [points[above - 1], points[above]];
  const share = Math.log(footprint / low.footprint) / Math.log(high.footprint / low.footprint);
  return low.rate + share * (high.rate - low.rate);
}

/** The shortest time in milliseconds that the ceilings allow for so much work: the roofline (Williams et al. 2009). */
export function rooflineTime(
  ceilings: Ceilings,
  { flops, bytes, footprint }: { flops: number; bytes: number; footprint: number },
): { milliseconds: number; bound: 'arithmetic' | 'memory' } {
  const arithmetic = (flops / peakRate(ceilings)) * 1e-6;
  const memory = (bytes / triadRate(ceilings, footprint)) * 1e-6;
  return arithmetic > memory
    ? { milliseconds: arithmetic, bound: 'arithmetic' }
    : { milliseconds: memory, bound: 'memory' };
}
