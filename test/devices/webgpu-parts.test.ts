/** The parts of the WebGPU device that need no adapter: grids, uniform words, size classes, keys, binding declarations. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DeviceError } from '../../src/devices/errors.ts';
import { BufferPool, type PooledBuffer, paddedBytes, sizeClass } from '../../src/devices/webgpu/buffers.ts';
import { linearGrid } from '../../src/devices/webgpu/dispatch.ts';
import { Failures } from '../../src/devices/webgpu/failures.ts';
import { bindingKinds } from '../../src/devices/webgpu/pipelines.ts';
import { parametersKey } from '../../src/devices/webgpu/plans.ts';
import { f32Bits, uniforms } from '../../src/devices/webgpu/uniforms.ts';

describe('linearGrid', () => {
  test('covers every thread within the limits, wasting less than one row', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 31 }), fc.constantFrom(1, 32, 64, 256), (threads, size) => {
        const [x, y, z] = linearGrid(threads, size);
        expect(z).toBe(1);
        expect(Math.max(x, y)).toBeLessThanOrEqual(65535);
        expect(x * y * size).toBeGreaterThanOrEqual(threads);
        expect(x * (y - 1) * size).toBeLessThan(threads);
      }),
    );
  });

  test('is empty for no threads and refuses what cannot fit', () => {
    expect(linearGrid(0, 64)).toEqual([0, 0, 1]);
    expect(() => linearGrid(10, 1, 3)).toThrow(RangeError);
  });
});

describe('uniforms', () => {
  test('keeps words in order, negative ones as two’s complement, padded to 16 bytes', () => {
    // 0.5 is 0x3f000000 in IEEE 754.
    expect([...uniforms([7, -1, f32Bits(0.5)])]).toEqual([7, 0xffffffff, 0x3f000000, 0]);
    expect(uniforms([1, 2, 3, 4, 5])).toHaveLength(8);
  });

  test('refuses what is no 32-bit integer', () => {
    expect(() => uniforms([0.5])).toThrow(/f32Bits/);
    expect(() => uniforms([2 ** 32])).toThrow(RangeError);
  });
});

describe('buffer sizes', () => {
  test('bound sizes are multiples of 16 and at least 16', () => {
    expect([0, 1, 16, 17].map(paddedBytes)).toEqual([16, 16, 16, 32]);
  });

  test('a size class holds the request and wastes at most an eighth', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 32 }), bytes => {
        const size = sizeClass(bytes);
        expect(size).toBeGreaterThanOrEqual(bytes);
        expect(size % 256).toBe(0);
        if (bytes > 2048) expect(size).toBeLessThanOrEqual(bytes * 1.125 + 1);
        expect(sizeClass(size)).toBe(size);
      }),
    );
  });
});

describe('BufferPool', () => {
  function fakePool() {
    const destroyed: number[] = [];
    let next = 0;
    const create = (size: number): PooledBuffer => {
      const id = next++;
      return { gpu: { destroy: () => destroyed.push(id) } as unknown as GPUBuffer, id, size, batch: 0 };
    };
    return { pool: new BufferPool(create, 2 ** 31), create, destroyed };
  }

  test('hands out the lowest free id, whatever the order of returns', () => {
    const { pool } = fakePool();
    const taken = [0, 1, 2, 3].map(() => pool.take(100));
    for (const i of [2, 0, 3, 1]) pool.give(taken[i]);
    expect([0, 1, 2, 3].map(() => pool.take(100).id)).toEqual([0, 1, 2, 3]);
  });

  test('counts live and free bytes', () => {
    const { pool } = fakePool();
    const buffer = pool.take(1000);
    expect(pool).toMatchObject({ liveCount: 1, liveBytes: 1024, freeBytes: 0 });
    pool.give(buffer);
    expect(pool).toMatchObject({ liveCount: 0, liveBytes: 0, freeBytes: 1024 });
  });

  test('trims what has long been idle and keeps the rest', () => {
    const { pool, destroyed } = fakePool();
    const [idle, recent] = [pool.take(100), pool.take(100)];
    recent.batch = 5000;
    pool.give(idle);
    pool.give(recent);
    pool.trim(5001);
    expect(destroyed).toEqual([idle.id]);
    expect(pool.take(100)).toBe(recent);
  });

  test('leaves its buffers to an heir, those still in use when they come back', () => {
    const { pool, create } = fakePool();
    const heir = new BufferPool(create, 2 ** 31);
    const [free, used] = [pool.take(100), pool.take(100)];
    pool.give(free);
    pool.bequeath(heir);
    expect(heir.freeBytes).toBe(256);
    pool.give(used);
    expect(heir).toMatchObject({ liveCount: 0, liveBytes: 0, freeBytes: 512 });
    expect(pool).toMatchObject({ liveCount: 0, liveBytes: 0, freeBytes: 0 });
  });
});

describe('parametersKey', () => {
  test('tells apart what JSON does not', () => {
    const values = [NaN, Infinity, -Infinity, null, undefined, 0, -0, '0', [0], { 0: 0 }, {}, [], [[0], 1], [[0, 1]]];
    expect(new Set(values.map(parametersKey)).size).toBe(values.length);
  });

  test('is equal for equal parameters', () => {
    expect(parametersKey({ stride: [1, 2], padding: 'same' })).toBe(parametersKey({ stride: [1, 2], padding: 'same' }));
  });
});

describe('bindingKinds', () => {
  test('reads declarations in any order and passes over comments', () => {
    const source = /* wgsl */ `
      // @group(0) @binding(7) var<storage, read> ignored: array<f32>;
      @binding(1) @group(0) var<storage,read_write> y: array<vec4f>;
      @group(0) @binding(0)
      var<storage> x: array<f32>;
      /* @group(0) @binding(8) var<uniform> ignored: u32; */
      @group(0) @binding(2) var<uniform> params: vec4u;
      var<workgroup> tile: array<f32, 64>;`;
    expect(bindingKinds(source, 'k')).toEqual(['read', 'read_write', 'uniform']);
  });

  test('names a missing binding', () => {
    expect(() => bindingKinds('@group(0) @binding(1) var<storage> x: array<f32>;', 'conv2d/tiled')).toThrow(
      /conv2d\/tiled.*@binding\(0\)/,
    );
  });
});

describe('Failures', () => {
  test('throws the earliest cause, once, however late it becomes known', async () => {
    const failures = new Failures();
    let resolveFirst!: (error: DeviceError) => void;
    failures.watch(new Promise(resolve => (resolveFirst = resolve)));
    failures.watch(Promise.resolve(new DeviceError('a consequence')));
    const settled = failures.settle();
    resolveFirst(new DeviceError('the cause'));
    await expect(settled).rejects.toThrow('the cause');
    await expect(failures.settle()).resolves.toBeUndefined();
  });
});
