/** The loops that measure the machine compute what they say they do, on every device configuration that runs them. */
import { describe, expect, it } from 'vitest';
import { memoryWalk, PAGE_FLOATS, PEAK_INPUTS, peakMultiplyAdd, type WalkName } from '../../bench/ceilings.kernels.ts';
import {
  type Ceilings,
  footprints,
  peakRate,
  readCacheSizes,
  rooflineTime,
  threadCounts,
  triadRate,
} from '../../bench/ceilings.ts';
import { valuesOf } from '../../bench/values.ts';
import type { TypedArray } from '../../src/devices/dtype.ts';
import type { Kernel, Spec } from '../../src/devices/kernel.ts';
import { sizeOf } from '../../src/devices/shape.ts';
import { openWasmDevice, type WasmDevice } from '../../src/devices/wasm/device.ts';

async function outputs<P>(device: WasmDevice, kernel: Kernel<P>, inputs: readonly Spec[], params: P) {
  const hold = (spec: Spec, values: TypedArray) => {
    const storage = device.allocate(sizeOf(spec.shape), spec.dtype);
    device.write(storage, values);
    return { storage, shape: spec.shape };
  };
  const values = inputs.map(valuesOf);
  const specs = kernel.infer(inputs, params);
  const operands = inputs.map((spec, i) => hold(spec, values[i]));
  const results = specs.map(spec => hold(spec, new Float32Array(sizeOf(spec.shape)).fill(77)));
  device.run(kernel, operands, results, params);
  const actual = await device.read(results[0].storage);
  const expected = new Float64Array(sizeOf(specs[0].shape));
  kernel.reference(
    values.map(array => Float64Array.from(array)),
    [expected],
    inputs,
    params,
  );
  return { actual, expected };
}

describe.each([1, 2])('on %i threads', threads => {
  it.for([false, true])('peak multiply-adds, fused: %s', async (fused, { skip }) => {
    const device = await openWasmDevice({ threads, relaxedSimd: fused }).catch((error: Error) => {
      if (fused && error.message.includes('no relaxed SIMD')) return skip(error.message);
      throw error;
    });
    const params = { fused, rounds: 3, tasks: 5 };
    const { actual, expected } = await outputs(device, peakMultiplyAdd, PEAK_INPUTS, params);
    expect(actual.length).toBe(5 * 4 * 8);
    actual.forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i], 4);
    });
    await device.destroy();
  });

  it.each<WalkName>(['triad', 'copy', 'read'])('%s', async walk => {
    const device = await openWasmDevice({ threads, relaxedSimd: false });
    const inputs: Spec[] = [5 * PAGE_FLOATS, walk === 'triad' ? 5 * PAGE_FLOATS : PAGE_FLOATS].map(length => ({
      shape: [length],
      dtype: 'float32',
    }));
    const { actual, expected } = await outputs(device, memoryWalk, inputs, { walk, rounds: 2 });
    expect(actual.length).toBe(walk === 'read' ? 20 : 5 * PAGE_FLOATS);
    actual.forEach((value, i) => {
      expect(Math.abs(value - expected[i])).toBeLessThan(walk === 'copy' ? 1e-12 : 1e-4);
    });
    await device.destroy();
  });
});

describe('what is made of them', () => {
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

  it('takes all threads and the better form', () => expect(peakRate(ceilings)).toBe(200));

  it('interpolates the triad of all threads over the logarithm of the size', () => {
    expect([1, 4, 16, 64, 500].map(size => triadRate(ceilings, size * MIB))).toEqual([80, 80, 60, 40, 40]);
  });

  it('finds the roof that binds', () => {
    const footprint = 4 * MIB;
    expect(rooflineTime(ceilings, { flops: 200e6, bytes: 0, footprint })).toEqual({
      milliseconds: 1,
      bound: 'arithmetic',
    });
    expect(rooflineTime(ceilings, { flops: 200e6, bytes: 160e6, footprint })).toEqual({
      milliseconds: 2,
      bound: 'memory',
    });
  });

  it('measures powers of two of threads and all of them', () => {
    expect([1, 2, 3, 8].map(threadCounts)).toEqual([[1], [1, 2], [1, 2, 3], [1, 2, 4, 8]]);
  });

  it('chooses arrays that fit and arrays that do not', () => {
    const caches = readCacheSizes();
    const { L2, L3, DRAM } = footprints(caches, 2);
    expect(L2).toBeLessThanOrEqual(2 * caches.level2);
    expect(L3).toBeGreaterThan(L2);
    expect(DRAM).toBeGreaterThan(2 * L3);
  });
});
