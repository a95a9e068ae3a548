/** What is made of the ceilings; the loops behind them are tested where they live, in test/kernels/ceilings.test.ts. */
import { expect, it } from 'vitest';
import {
  type Ceilings,
  footprints,
  measureAdapterCeilings,
  peakRate,
  readCacheSizes,
  rooflineOf,
  threadCounts,
} from '../../bench/ceilings.ts';
import { ceilingsTable } from '../../bench/table.ts';
import { triadFootprints } from '../../src/kernels/ceilings/measure.ts';
import { describeWebGpu, withWebGpu } from '../devices/webgpu-open.ts';

const MIB = 2 ** 20;
const ceilings: Ceilings = {
  caches: { level2: MIB, level3: 32 * MIB, source: 'assumed' },
  arithmetic: [
    { threads: 1, separate: 50 },
    { threads: 2, separate: 100, fused: 200 },
  ],
  memory: [
    { threads: 1, walk: 'triad', footprint: 4 * MIB, rate: 1 },
    { threads: 2, walk: 'copy', footprint: 4 * MIB, rate: 2 },
    { threads: 2, walk: 'triad', footprint: 64 * MIB, rate: 40 },
    { threads: 2, walk: 'triad', footprint: 4 * MIB, rate: 80 },
  ],
};

it('the roof is that of all threads and the better form, by the triad alone, small arrays first', () => {
  expect(peakRate(ceilings)).toBe(200);
  expect(rooflineOf(ceilings)).toMatchObject({
    peak: 200,
    triad: [
      { footprint: 4 * MIB, rate: 80 },
      { footprint: 64 * MIB, rate: 40 },
    ],
  });
});

it('powers of two of threads are measured, and all of them', () => {
  expect([1, 2, 3, 8].map(threadCounts)).toEqual([[1], [1, 2], [1, 2, 3], [1, 2, 4, 8]]);
});

it('arrays are chosen that fit and that do not', () => {
  const caches = readCacheSizes();
  const { L2, L3, DRAM } = footprints(caches, 2);
  expect(L2).toBeLessThanOrEqual(2 * caches.level2);
  expect(L3).toBeGreaterThan(L2);
  expect(DRAM).toBeGreaterThan(2 * L3);
});

it('the table names the caches or the adapter', () => {
  expect(ceilingsTable(ceilings)).toMatch(/caches assumed: level 2 1024 KiB per core, level 3 32 MiB/);
  const { caches, ...rest } = ceilings;
  const table = ceilingsTable({ ...rest, adapter: 'Some GPU' });
  expect(table).toMatch(/Ceilings \(of Some GPU\)\n +invocations/);
});

describeWebGpu('of an adapter', () => {
  it('both forms of arithmetic, triad and copy at every size', () =>
    withWebGpu(async device => {
      const found = await measureAdapterCeilings(device, { warmUp: 0, sampling: 0 });
      expect(found.adapter).toBe(device.info.description);
      expect(found.caches).toBeUndefined();
      expect(found.arithmetic).toHaveLength(1);
      const sizes = triadFootprints(device);
      expect(rooflineOf(found).triad.map(({ footprint }) => footprint)).toEqual(sizes);
      expect(found.memory).toHaveLength(2 * sizes.length);
      for (const { rate } of found.memory) expect(rate).toBeGreaterThan(0.01);
      expect(peakRate(found)).toBeGreaterThan(0.1);
    }));
});
