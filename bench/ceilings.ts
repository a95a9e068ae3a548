/**
 * What this machine can do at most: multiply-adds per second, and bytes per second through memory for arrays that fit into
 * a cache and such as fit into none. For the wasm device on 1 .. n threads of the processor, for the webgpu device on the
 * adapter itself. A memory-bound kernel is judged by the triad over arrays of its own size.
 */
import { readFileSync } from 'node:fs';
import { openWasmDevice } from '../src/devices/wasm/device.ts';
import type { WebGpuDevice } from '../src/devices/webgpu/device.ts';
import type { WalkName } from '../src/kernels/ceilings/index.ts';
import {
  type MeasuringTime,
  measurePeak,
  measureWalk,
  PEAK_INVOCATIONS,
  triadFootprints,
} from '../src/kernels/ceilings/measure.ts';
import type { Roofline } from '../src/kernels/ceilings/roofline.ts';

export interface ArithmeticCeiling {
  /** Of the wasm device; on a GPU the invocations that the arithmetic was measured with. */
  readonly threads: number;
  /**
   * GFLOP/s of separate multiplies and adds, and of fused ones (absent where the engine lacks relaxed SIMD). A GPU's driver
   * may fuse separate ones.
   */
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
  /** Of the processor; absent where an adapter was measured, which does not tell its own. */
  readonly caches?: CacheSizes;
  /** The WebGPU adapter that was measured; absent where it was the processor. */
  readonly adapter?: string;
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

/** Of the processor, on 1 .. `threads` threads of the wasm device. */
export async function measureCeilings(threads: number, time: MeasuringTime): Promise<Ceilings> {
  const caches = readCacheSizes();
  const arithmetic: ArithmeticCeiling[] = [];
  const memory: MemoryCeiling[] = [];
  let notFused: string | undefined;
  for (const count of threadCounts(threads)) {
    const device = await openWasmDevice({ threads: count, relaxedSimd: false });
    try {
      const separate = await measurePeak(device, false, time);
      let fused: number | undefined;
      try {
        fused = await measureFusedPeak(count, time);
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
          const { rate } = await measureWalk(device, walk, footprint, time);
          memory.push({ threads: count, walk, footprint, rate });
        }
      }
    } finally {
      await device.destroy();
    }
  }
  return { caches, arithmetic, memory, ...(notFused === undefined ? {} : { notFused }) };
}

/** On a device of its own: opening it with relaxed SIMD throws where the engine has none. */
async function measureFusedPeak(threads: number, time: MeasuringTime): Promise<number> {
  const device = await openWasmDevice({ threads, relaxedSimd: true });
  try {
    return await measurePeak(device, true, time);
  } finally {
    await device.destroy();
  }
}

/** Of a WebGPU adapter, real or software, by loops in WGSL on the very device that the kernels are timed on. */
export async function measureAdapterCeilings(device: WebGpuDevice, time: MeasuringTime): Promise<Ceilings> {
  const threads = PEAK_INVOCATIONS;
  const separate = await measurePeak(device, false, time);
  const fused = await measurePeak(device, true, time);
  const memory: MemoryCeiling[] = [];
  for (const size of triadFootprints(device)) {
    for (const walk of ['triad', 'copy'] as const) {
      memory.push({ threads, walk, ...(await measureWalk(device, walk, size, time)) });
    }
  }
  return { adapter: device.info.description, arithmetic: [{ threads, separate, fused }], memory };
}

/** What a kernel on all threads is judged by. */
export function rooflineOf(ceilings: Ceilings): Roofline {
  const { threads } = ceilings.arithmetic[ceilings.arithmetic.length - 1];
  const triad = ceilings.memory
    .filter(point => point.threads === threads && point.walk === 'triad')
    .sort((a, b) => a.footprint - b.footprint);
  return { peak: peakRate(ceilings), triad };
}

/** GFLOP/s on all threads: the larger of both forms. */
export function peakRate({ arithmetic }: Ceilings): number {
  const { separate, fused = 0 } = arithmetic[arithmetic.length - 1];
  return Math.max(separate, fused);
}
