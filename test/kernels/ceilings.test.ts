/**
 * The loops that measure a device compute what they say they do, on every device configuration that runs them; a loop that
 * somebody has shortened is found out; and what the roofline makes of a call is worked out by hand.
 */
import { describe, expect, it } from 'vitest';
import type { Device } from '../../src/devices/device.ts';
import type { Kernel, Spec } from '../../src/devices/kernel.ts';
import { openReferenceDevice } from '../../src/devices/reference/device.ts';
import { sizeOf } from '../../src/devices/shape.ts';
import { release } from '../../src/devices/storage.ts';
import { openWasmDevice } from '../../src/devices/wasm/device.ts';
import {
  CHAINS,
  LINKS,
  memoryWalk,
  multiplyAddChains,
  PAGE_FLOATS,
  PEAK_INPUTS,
  peakMultiplyAdd,
  type WalkName,
} from '../../src/kernels/ceilings/index.ts';
import { measurePeak, measureRoofline, measureWalk, triadFootprints } from '../../src/kernels/ceilings/measure.ts';
import { type Roofline, rooflineSums, rooflineTime, triadRate } from '../../src/kernels/ceilings/roofline.ts';
import { describeWebGpu, withWebGpu } from '../devices/webgpu-open.ts';

const BRIEF = { warmUp: 0, sampling: 0 };
const MIB = 2 ** 20;

/** What the kernel makes of numbers between 0 and 1, over outputs full of something else, beside what it should make. */
async function outputs<P>(device: Device, kernel: Kernel<P>, inputs: readonly Spec[], params: P, variant?: string) {
  const hold = ({ shape, dtype }: Spec, values: Float32Array) => {
    const storage = device.allocate(sizeOf(shape), dtype);
    device.write(storage, values);
    return { storage, shape };
  };
  const values = inputs.map(({ shape }, k) =>
    Float32Array.from({ length: sizeOf(shape) }, (_, i) => ((i * 37 + k * 11) % 101) / 101),
  );
  const specs = kernel.infer(inputs, params);
  const operands = inputs.map((spec, i) => hold(spec, values[i]));
  const results = specs.map(spec => hold(spec, new Float32Array(sizeOf(spec.shape)).fill(77)));
  device.run(kernel, operands, results, params, { variant });
  const actual = await device.read(results[0].storage);
  const expected = new Float64Array(sizeOf(specs[0].shape));
  kernel.reference(
    values.map(array => Float64Array.from(array)),
    [expected],
    inputs,
    params,
  );
  for (const { storage } of [...operands, ...results]) release(storage);
  return { actual, expected };
}

/** Largest difference as a share of the largest value. */
function difference({ actual, expected }: { actual: ArrayLike<number>; expected: Float64Array }): number {
  expect(actual.length).toBe(expected.length);
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return expected.reduce((worst, value, i) => Math.max(worst, Math.abs(actual[i] - value)), 0) / largest;
}

const walkInputs = (walk: WalkName, pages: number): Spec[] =>
  [pages, walk === 'triad' ? pages : 1].map(count => ({ shape: [count * PAGE_FLOATS], dtype: 'float32' }));

/** A device whose loops go round half as often as they are told. */
function lazy(device: Device): Device {
  return new Proxy(device, {
    get(target, key) {
      const value = Reflect.get(target, key, target);
      if (key === 'run') {
        const run: Device['run'] = (kernel, inputs, results, params: any, options) =>
          target.run(kernel, inputs, results, { ...params, rounds: Math.floor(params.rounds / 2) }, options);
        return run;
      }
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

describe.each([1, 2])('wasm on %i threads', threads => {
  it.for([false, true])('peak multiply-adds, fused: %s', async (fused, { skip }) => {
    const device = await openWasmDevice({ threads, relaxedSimd: fused }).catch((error: Error) => {
      if (fused && error.message.includes('no relaxed SIMD')) return skip(error.message);
      throw error;
    });
    const found = await outputs(device, peakMultiplyAdd, PEAK_INPUTS, { fused, rounds: 3, tasks: 5 });
    expect(found.actual.length).toBe(5 * 4 * 8);
    expect(difference(found)).toBeLessThan(1e-5);
    await device.destroy();
  });

  it.each<WalkName>(['triad', 'copy', 'read'])('%s', async walk => {
    const device = await openWasmDevice({ threads, relaxedSimd: false });
    const found = await outputs(device, memoryWalk, walkInputs(walk, 5), { walk, rounds: 2 });
    expect(found.actual.length).toBe(walk === 'read' ? 20 : 5 * PAGE_FLOATS);
    expect(difference(found)).toBeLessThan(walk === 'copy' ? 1e-12 : 1e-6);
    await device.destroy();
  });

  it('is measured, with its memory given back, and a shortened loop is found out', async () => {
    const device = await openWasmDevice({ threads, relaxedSimd: false });
    const roofline = (await measureRoofline(device, BRIEF))!;
    expect(roofline.peak).toBeGreaterThan(0.1);
    expect(roofline.triad.map(({ footprint }) => footprint)).toEqual(triadFootprints(device));
    for (const { rate } of roofline.triad) expect(rate).toBeGreaterThan(0.01);
    expect((await measureWalk(device, 'read', MIB, BRIEF)).footprint).toBe(MIB);
    expect(device.memory().liveAllocations).toBe(0);
    await expect(measurePeak(lazy(device), false, BRIEF)).rejects.toThrow(/peakMultiplyAdd: .* wrong by/);
    expect(device.memory().liveAllocations).toBe(0);
    await device.destroy();
  });
});

describeWebGpu('webgpu', () => {
  it.each([false, true])('chains of multiply-adds, fused: %s', fused =>
    withWebGpu(async device => {
      const inputs: Spec[] = [
        { shape: [CHAINS], dtype: 'float32' },
        { shape: [2], dtype: 'float32' },
      ];
      // More invocations than a row of workgroups is wide would be 4 million; some that end within a workgroup will do.
      const found = await outputs(device, multiplyAddChains, inputs, { fused, rounds: 3, invocations: 1000 });
      expect(difference(found)).toBeLessThan(1e-5);
    }),
  );

  it.each<[WalkName, number, number]>([
    ['triad', 1, 3],
    ['triad', 7, 5],
    ['copy', 7, 5],
  ])('%s over %i pages, %i rounds', (walk, pages, rounds) =>
    withWebGpu(async device => {
      for (const { name } of memoryWalk.wgsl) {
        const found = await outputs(device, memoryWalk, walkInputs(walk, pages), { walk, rounds }, name);
        expect(difference(found), name).toBeLessThan(1e-6);
      }
    }),
  );

  it('goes to every page in every round but never to the same one as in the round before', () =>
    withWebGpu(async device => {
      const { adapter } = device;
      for (const pages of [2, 3, 64, 1000]) {
        const [{ uniforms }] = memoryWalk.wgsl[0].plan(
          walkInputs('triad', pages),
          { walk: 'triad', rounds: 9 },
          adapter,
        ).passes;
        const [vectors, shift, rounds] = uniforms!;
        expect([vectors, rounds]).toEqual([pages * (PAGE_FLOATS / 4), 9]);
        expect(shift).toBeGreaterThan(0);
        expect(shift).toBeLessThan(vectors);
        expect(shift % (PAGE_FLOATS / 4)).toBe(0);
      }
    }));

  it('is measured, with its memory given back, and a shortened loop is found out', () =>
    withWebGpu(async device => {
      const peak = await measurePeak(device, true, BRIEF);
      expect(peak).toBeGreaterThan(0.1);
      const walk = await measureWalk(device, 'triad', 3 * MIB, BRIEF);
      expect(walk.footprint).toBe(3 * MIB);
      expect(walk.rate).toBeGreaterThan(0.01);
      await expect(measurePeak(lazy(device), true, BRIEF)).rejects.toThrow(/multiplyAddChains: .* wrong by/);
      expect(device.memory().liveAllocations).toBe(0);
    }));
});

it('the reference device has no ceiling', async () => {
  const device = await openReferenceDevice();
  expect(await measureRoofline(device)).toBeUndefined();
  await device.destroy();
});

it('chains: the closed form that a measurement is checked by is the loop', () => {
  const [x, y] = [0.75, 0.5];
  const start = Float64Array.from({ length: CHAINS }, (_, i) => i);
  const out = new Float64Array(65);
  multiplyAddChains.reference([start, Float64Array.of(x, y)], [out], [], { fused: true, rounds: 1, invocations: 65 });
  const power = x ** LINKS;
  const sum = (CHAINS * (CHAINS - 1)) / 2;
  const of = (lane: number) => (power * sum * (lane + 1)) / 64 + (CHAINS * y * (1 - power)) / (1 - x);
  expect(out[0]).toBeCloseTo(of(0), 10);
  expect(out[63]).toBeCloseTo(of(63), 10);
  expect(out[64]).toBe(out[0]);
});

describe('the roofline', () => {
  const roofline: Roofline = {
    peak: 200,
    triad: [
      { footprint: 4 * MIB, rate: 80 },
      { footprint: 64 * MIB, rate: 40 },
    ],
  };

  it('takes the bandwidth at the size of the arrays, between measured sizes by their logarithm', () => {
    expect([1, 4, 16, 64, 500].map(size => triadRate(roofline, size * MIB))).toEqual([80, 80, 60, 40, 40]);
  });

  it('says what bounds a kernel', () => {
    const footprint = 4 * MIB;
    expect(rooflineTime(roofline, { flops: 200e6, bytes: 0, footprint })).toEqual({
      milliseconds: 1,
      bound: 'arithmetic',
    });
    expect(rooflineTime(roofline, { flops: 200e6, bytes: 160e6, footprint })).toEqual({
      milliseconds: 2,
      bound: 'memory',
    });
  });

  it('holds every call of a profile to the roof of its own size', () => {
    const call = (kernel: string, flops: number, bytes: number, footprint: number) => ({
      kernel,
      variant: 'v',
      work: { flops, bytes, footprint },
    });
    const sums = rooflineSums(
      [
        call('a', 200e6, 0, 4 * MIB), // 1 ms of arithmetic
        call('a', 0, 80e6, 4 * MIB), // 1 ms of memory from cache
        call('a', 0, 80e6, 64 * MIB), // 2 ms from far away
        { kernel: 'a', variant: 'v' }, // the second pass of one of these
        call('b', 400e6, 0, 0),
      ],
      roofline,
    );
    expect(sums).toEqual(
      new Map([
        ['a/v', { milliseconds: 4, arithmetic: 1 }],
        ['b/v', { milliseconds: 2, arithmetic: 2 }],
      ]),
    );
  });
});
