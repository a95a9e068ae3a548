/** What the wasm device promises about memory, calls, captures and its end. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ProfiledCall } from '../../src/devices/device.ts';
import { DeviceError } from '../../src/devices/errors.ts';
import type { Kernel } from '../../src/devices/kernel.ts';
import { release, viewOf } from '../../src/devices/storage.ts';
import { openWasmDevice, type WasmDevice } from '../../src/devices/wasm/device.ts';
import { nodeHost } from '../../src/devices/wasm/host.node.ts';
import { contentKey } from '../../src/devices/wasm/plans.ts';
import { fusesMultiplyAdd, hasRelaxedSimd } from '../../src/devices/wasm/relaxed-simd.ts';
import { accumulate, iota, like, numbers, operand, scale, viaScratch } from './wasm-kernels.ts';

let device: WasmDevice;
beforeAll(async () => {
  device = await openWasmDevice({ threads: 2 });
});
afterAll(() => device.destroy());

describe('storage', () => {
  it('gives back what was written, as a copy outside the shared memory', async () => {
    for (const values of [iota(5), Int32Array.of(-1, 2 ** 31 - 1), Uint8Array.of(0, 255, 7)]) {
      const { storage } = operand(device, values);
      const read = await device.read(storage);
      expect(read).toEqual(values);
      expect(read.buffer).toBeInstanceOf(ArrayBuffer);
    }
  });

  it('rounds float64 values to float32', async () => {
    expect(await numbers(device, operand(device, Float64Array.of(0.1)).storage)).toEqual([Math.fround(0.1)]);
  });

  it('copies, also through windows', async () => {
    const from = operand(device, iota(200_000)).storage;
    const to = operand(device, new Float32Array(300_000)).storage;
    device.copy(from, viewOf(to, 64, 200_000));
    const read = await device.read(to);
    expect(read.subarray(64, 200_064).every((value, i) => value === i + 1)).toBe(true);
    expect([read[63], read[200_064]]).toEqual([0, 0]);
  });

  it('names what does not fit', () => {
    const { storage } = operand(device, iota(4));
    expect(() => device.write(storage, iota(5))).toThrow('5 values do not fit a storage of 4');
    expect(() => device.write(storage, Int32Array.of(1, 2, 3, 4))).toThrow('int32 values do not fit a float32');
    expect(() => device.copy(storage, operand(device, iota(5)).storage)).toThrow('4 elements of float32 do not fit 5');
  });

  it('counts what is live, and refuses storage that was released', async () => {
    const before = device.memory();
    const { storage } = operand(device, iota(1000));
    expect(device.memory().liveAllocations).toBe(before.liveAllocations + 1);
    expect(device.memory().liveBytes).toBe(before.liveBytes + 4032); // 4000 bytes in cache lines of 64
    release(storage);
    expect(device.memory()).toEqual(before);
    await expect(device.read(storage)).rejects.toThrow('has been released');
  });

  it('runs out of memory with a sentence, and lives on', async () => {
    const small = await openWasmDevice({ threads: 1, maximumPages: 32 });
    const kept = operand(small, iota(1000));
    expect(() => small.allocate(1 << 20, 'float32')).toThrow(
      /^wasm: out of memory: 4 MiB were asked for while 1 allocations hold 4,032 bytes .* of at most 2 MiB/,
    );
    const doubled = like(small, kept);
    small.run(scale, [kept], [doubled], { factor: 2 });
    expect((await numbers(small, doubled.storage))[999]).toBe(2000);
    await small.destroy();
  });

  it('does not grow over 10,000 steps', () => {
    const before = device.memory();
    let [reserved, growth] = [0, 0];
    const x = operand(device, iota(300));
    for (let step = 0; step < 10_000; step++) {
      const a = like(device, x);
      device.run(scale, [x], [a], { factor: (step % 100) / 8, grain: 1000 });
      const b = like(device, x);
      device.run(viaScratch, [a], [b], null);
      for (const { storage } of [a, b]) release(storage);
      const { liveBytes, pooledBytes } = device.memory();
      if (step === 1) reserved = liveBytes + pooledBytes;
      else if (step > 1) growth = Math.max(growth, liveBytes + pooledBytes - reserved);
    }
    expect(growth).toBe(0);
    release(x.storage);
    expect(device.memory().liveBytes).toBe(before.liveBytes);
  }, 60_000);
});

describe('run', () => {
  it('checks shapes of outputs and storages, owners and overlap', async () => {
    const x = operand(device, iota(6));
    const y = like(device, x);
    const params = { factor: 1 };
    expect(() => device.run(scale, [{ ...x, shape: [7] }], [y], params)).toThrow(
      'shape [7] does not fit a storage of 6',
    );
    expect(() => device.run(scale, [x], [{ ...y, shape: [2, 3] }], params)).toThrow(
      'scale: output 0 must be float32 [6], not float32 [2, 3]',
    );
    expect(() => device.run(scale, [x], [], params)).toThrow('1 outputs are needed, 0 were given');
    expect(() => device.run(scale, [x], [x], params)).toThrow('output 0 shares memory with input 0');
    const other = await openWasmDevice({ threads: 1 });
    expect(() => device.run(scale, [operand(other, iota(6))], [y], params)).toThrow('a storage of another device');
    await other.destroy();
  });

  it('tells parameters apart by content, shapes by value', async () => {
    const x = operand(device, iota(4));
    const y = like(device, x);
    for (const factor of [2, -0, Number.POSITIVE_INFINITY, 2]) {
      device.run(scale, [x], [y], { factor });
      expect(await numbers(device, y.storage)).toEqual([1, 2, 3, 4].map(value => value * factor));
    }
    const [square, squareOut] = [x, y].map(({ storage }) => ({ storage, shape: [2, 2] }));
    device.run(scale, [square], [squareOut], { factor: 3 });
    expect(await numbers(device, y.storage)).toEqual([3, 6, 9, 12]);
    const values = [
      0,
      -0,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      null,
      undefined,
      '0',
      [],
      {},
    ];
    const keys = values.map(a => contentKey({ a }));
    expect(new Set(keys).size).toBe(keys.length);
    expect(contentKey({ a: 1, b: [2, '3'] })).toBe(contentKey({ b: [2, '3'], a: 1 }));
  });

  it('updates in place', async () => {
    const x = operand(device, iota(3));
    const y = operand(device, iota(3));
    device.run(accumulate, [x], [y], null);
    device.run(accumulate, [x], [y], null);
    expect(await numbers(device, y.storage)).toEqual([3, 6, 9]);
  });

  it('plans and runs nothing when every output is empty', async () => {
    const kernel: Kernel<null> = {
      ...accumulate,
      wasm: [
        {
          name: 'never',
          applies: () => true,
          plan: () => {
            throw new Error('planned');
          },
        },
      ],
    };
    const empty = operand(device, new Float32Array(0), [0, 5]);
    const nothing = like(device, empty);
    const before = device.memory();
    device.run(kernel, [empty], [nothing], null);
    expect(device.memory()).toEqual(before);
    const full = operand(device, iota(5), [1, 5]);
    expect(() => device.run(kernel, [full], [like(device, full)], null)).toThrow('planned');
  });

  it('runs the variant asked for, and says which there are', async () => {
    const twice: Kernel<{ factor: number }> = {
      ...scale,
      wasm: [
        { ...scale.wasm[0], name: 'general' },
        { ...scale.wasm[0], name: 'pairs', applies: ([x]) => x.shape[0] % 2 === 0 },
      ],
    };
    const odd = operand(device, iota(3));
    const out = like(device, odd);
    const run = (variant?: string) => device.run(twice, [odd], [out], { factor: 2 }, { variant });
    run();
    expect(await numbers(device, out.storage)).toEqual(Array.from(iota(3), x => 2 * x));
    expect(() => run('pairs')).toThrow(DeviceError);
    expect(() => run('pairs')).toThrow(
      'variant "pairs" does not apply to inputs [3] on this adapter; these do: general',
    );
    expect(() => run('no such')).toThrow('"no such"');
  });

  it('costs little: a cached call of a small kernel takes microseconds', () => {
    const x = operand(device, iota(16));
    const y = like(device, x);
    let best = Number.POSITIVE_INFINITY;
    for (let round = 0; round < 20; round++) {
      const started = performance.now();
      for (let i = 0; i < 1000; i++) device.run(scale, [x], [y], { factor: 0.5, grain: 16 });
      best = Math.min(best, performance.now() - started);
    }
    expect(best).toBeLessThan(20); // microseconds per call; about 1 on an idle machine
  });
});

describe('capture', () => {
  it('replays on the same storages, with memory of its own', async () => {
    const before = device.memory();
    const x = operand(device, iota(4));
    const total = operand(device, new Float32Array(4));
    let copy = total;
    const capture = device.capture(() => {
      const doubled = like(device, x);
      device.run(scale, [x], [doubled], { factor: 2 });
      const next = like(device, x);
      device.run(viaScratch, [doubled], [next], null); // 4x + 1
      release(doubled.storage);
      device.run(accumulate, [next], [total], null);
      release(next.storage);
      copy = like(device, total);
      device.copy(total.storage, copy.storage);
    });
    expect(await numbers(device, copy.storage)).toEqual([5, 9, 13, 17]);
    // Other work in between must not touch the capture's memory.
    for (let i = 0; i < 8; i++) operand(device, new Float32Array(4).fill(-1));
    device.write(x.storage, Float32Array.of(0, 0, 0, 10));
    capture.replay();
    capture.replay();
    expect(await numbers(device, copy.storage)).toEqual([7, 11, 15, 99]);
    const { liveAllocations } = device.memory();
    release(copy.storage);
    expect(device.memory().liveAllocations).toBe(liveAllocations - 1);
    capture.dispose();
    expect(() => capture.replay()).toThrow('dispose');
    expect(before.liveAllocations + 10).toBe(device.memory().liveAllocations);
  });

  it('keeps storages from outside alive, and invalidates its outputs when disposed', async () => {
    const x = operand(device, iota(4));
    let y = x;
    const capture = device.capture(() => {
      y = like(device, x);
      device.run(scale, [x], [y], { factor: 2 });
    });
    release(x.storage);
    const intruder = operand(device, new Float32Array(4).fill(99));
    capture.replay();
    expect(await numbers(device, y.storage)).toEqual([2, 4, 6, 8]);
    expect(await numbers(device, intruder.storage)).toEqual([99, 99, 99, 99]);
    const { liveAllocations } = device.memory();
    capture.dispose();
    expect(device.memory().liveAllocations).toBe(liveAllocations - 1);
    await expect(device.read(y.storage)).rejects.toThrow('a capture that was disposed');
    release(y.storage);
    expect(device.memory().liveAllocations).toBe(liveAllocations - 2);
  });

  it('does not grow over captures and replays', () => {
    const x = operand(device, iota(100_000));
    const sizes = Array.from({ length: 50 }, () => {
      const capture = device.capture(() => {
        for (let i = 0; i < 3; i++) {
          const y = like(device, x);
          device.run(scale, [x], [y], { factor: 2 });
          release(y.storage);
        }
      });
      capture.replay();
      capture.dispose();
      const { liveBytes, pooledBytes } = device.memory();
      return liveBytes + pooledBytes;
    });
    expect(new Set(sizes.slice(1)).size).toBe(1);
    release(x.storage);
  });

  it('refuses what a replay could not repeat, and recovers from a failed recording', async () => {
    const x = operand(device, iota(4));
    const pending: Promise<unknown>[] = [];
    const attempts = [
      () => device.write(x.storage, iota(4)),
      () => pending.push(device.read(x.storage)),
      () => pending.push(device.sync()),
      () => device.capture(() => {}),
    ];
    const errors: unknown[] = [];
    device.capture(() => {
      for (const attempt of attempts) {
        try {
          attempt();
        } catch (error) {
          errors.push(error);
        }
      }
    });
    const settled = await Promise.allSettled(pending);
    expect(errors.length + settled.filter(({ status }) => status === 'rejected').length).toBe(4);
    expect(() =>
      device.capture(() => {
        throw new Error('in the step');
      }),
    ).toThrow('in the step');
    expect(await numbers(device, x.storage)).toEqual([1, 2, 3, 4]);
  });
});

it('profiles time and work per kernel and variant', async () => {
  const x = operand(device, iota(1000));
  const y = like(device, x);
  const capture = device.capture(() => device.run(scale, [x], [y], { factor: 2 }));
  const entries = await device.profile(async () => {
    for (let i = 0; i < 3; i++) device.run(viaScratch, [x], [y], null);
    await device.sync();
    capture.replay();
    device.copy(x.storage, y.storage);
  });
  const byKernel = Object.fromEntries(entries.map(entry => [entry.kernel, entry]));
  expect(byKernel['via scratch']).toMatchObject({ variant: 'only', calls: 3, flops: 3000, bytes: 24_000 });
  expect(byKernel['scale']).toMatchObject({ calls: 1, flops: 1000 });
  expect(byKernel['copy']).toMatchObject({ calls: 1, bytes: 8000 });
  expect(entries.every(({ milliseconds }) => milliseconds > 0)).toBe(true);
  expect(await device.profile(() => {})).toEqual([]);
});

it('a profile tells how many of the numbers that were read are subnormal, of replayed calls too', async () => {
  const x = operand(device, Float32Array.of(1, 2 ** -126, 0, Number.NaN, -(2 ** -127), 2 ** -149, 1e-40, 1 / 0));
  const y = like(device, x);
  const plain = operand(device, iota(8));
  const run = (from: typeof x) => device.run(scale, [from], [y], { factor: 2 });
  const shares = async (work: () => void) => (await device.profile(work)).map(({ subnormals }) => subnormals);
  expect(await shares(() => run(x))).toEqual([3 / 8]);
  expect(await shares(() => run(plain))).toEqual([undefined]);
  const capture = device.capture(() => run(x));
  expect(await shares(() => capture.replay())).toEqual([3 / 8]);
  capture.dispose();
});

it('a profile tells of each call what it had to do, and how large its arrays are', async () => {
  const x = operand(device, iota(1000));
  const y = like(device, x);
  const calls: ProfiledCall[] = [];
  await device.profile(
    () => device.run(viaScratch, [x], [y], null),
    call => calls.push(call),
  );
  expect(calls.map(({ kernel, work }) => ({ kernel, work }))).toEqual([
    { kernel: 'via scratch', work: { flops: 1000, bytes: 8000, footprint: 8000 } },
  ]);
});

it('uses fused multiply-add as told, and says so', async () => {
  const opened = await Promise.all(
    [false, true].map(relaxedSimd => openWasmDevice({ threads: 1, relaxedSimd, wide: false })),
  );
  expect(opened.map(({ adapter }) => adapter.relaxedSimd)).toEqual([false, true]);
  expect(opened.map(({ info }) => /, ([a-z -]+)\)$/.exec(info.description)?.[1])).toEqual([
    'separate multiply and add',
    'fused multiply-add',
  ]);
  expect(opened[0].info.adapter).not.toBe(opened[1].info.adapter);
  try {
    process.env['WEFT_RELAXED_SIMD'] = '1';
    const byEnvironment = await openWasmDevice({ threads: 1 });
    expect(byEnvironment.adapter.relaxedSimd).toBe(true);
    opened.push(byEnvironment);
    process.env['WEFT_RELAXED_SIMD'] = 'yes';
    await expect(openWasmDevice({ threads: 1 })).rejects.toThrow('WEFT_RELAXED_SIMD must be 0 or 1, not "yes"');
  } finally {
    delete process.env['WEFT_RELAXED_SIMD'];
  }
  await Promise.all(opened.map(each => each.destroy()));
});

it('unless told, fuses where engine and processor do, however busy the machine is', async () => {
  const opened = await Promise.all(Array.from({ length: 6 }, () => openWasmDevice({ threads: 1 })));
  const expected = hasRelaxedSimd(nodeHost) && fusesMultiplyAdd(nodeHost);
  expect(opened.map(({ adapter }) => adapter.relaxedSimd)).toEqual(Array(6).fill(expected));
  expect(opened[0].info.description).toMatch(expected ? /, fused multiply-add/ : /, no fused multiply-add in this/);
  await Promise.all(opened.map(each => each.destroy()));
});

it('opens with the memory of a device that was closed, never with that of an open one', async () => {
  const first = await openWasmDevice({ threads: 1 });
  const second = await openWasmDevice({ threads: 1 });
  const x = operand(second, iota(5));
  operand(first, new Float32Array(40e6));
  const grown = first.memory();
  await first.destroy();
  const third = await openWasmDevice({ threads: 1 });
  expect(third.memory()).toEqual({
    liveAllocations: 0,
    liveBytes: 0,
    pooledBytes: grown.liveBytes + grown.pooledBytes,
  });
  const y = operand(third, new Float32Array(5).fill(9));
  expect(Array.from(await second.read(x.storage))).toEqual([1, 2, 3, 4, 5]);
  expect(Array.from(await third.read(y.storage))).toEqual([9, 9, 9, 9, 9]);
  expect(() => first.memory()).toThrow('destroyed'); // and so the collector could not have been faster
  const smaller = await openWasmDevice({ threads: 1, maximumPages: 64 });
  expect(smaller.memory().pooledBytes).toBeLessThan(64 * 65536);
  await Promise.all([second, third, smaller].map(each => each.destroy()));
});

it('throws after destroy, except for late releases', async () => {
  const gone = await openWasmDevice({ threads: 2 });
  const x = operand(gone, iota(4));
  const y = like(gone, x);
  const capture = gone.capture(() => gone.run(scale, [x], [y], { factor: 2 }));
  await gone.destroy();
  await gone.destroy();
  const message = 'this device was destroyed';
  expect(() => gone.allocate(1, 'float32')).toThrow(message);
  expect(() => gone.write(x.storage, iota(4))).toThrow(message);
  expect(() => gone.run(scale, [x], [y], { factor: 2 })).toThrow(message);
  expect(() => gone.copy(x.storage, y.storage)).toThrow(message);
  expect(() => gone.capture(() => {})).toThrow(message);
  expect(() => gone.memory()).toThrow(message);
  expect(() => capture.replay()).toThrow(message);
  await expect(gone.read(x.storage)).rejects.toThrow(message);
  await expect(gone.sync()).rejects.toThrow(message);
  await expect(gone.pace()).rejects.toThrow(message);
  await expect(gone.profile(() => {})).rejects.toThrow(message);
  capture.dispose();
  release(x.storage);
});
