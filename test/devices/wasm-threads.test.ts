/** The thread pool: the same results however work is cut, errors that surface, processes that end. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DeviceError } from '../../src/devices/errors.ts';
import type { Kernel } from '../../src/devices/kernel.ts';
import { wasmProgram } from '../../src/devices/wasm/assembler/module.ts';
import { openWasmDevice, type WasmDevice } from '../../src/devices/wasm/device.ts';
import { partsFor } from '../../src/devices/wasm/pool.ts';
import { iota, like, numbers, operand, ranges, scale, trap, viaScratch } from './wasm-kernels.ts';

const devices: WasmDevice[] = [];
const open = async (options: Parameters<typeof openWasmDevice>[0]): Promise<WasmDevice> => {
  const device = await openWasmDevice(options);
  devices.push(device);
  return device;
};
let one: WasmDevice;
let two: WasmDevice;
let three: WasmDevice;
beforeAll(async () => {
  one = await open({ threads: 1 });
  two = await open({ threads: 2 });
  three = await open({ threads: 3 });
});
afterAll(() => Promise.all(devices.map(device => device.destroy())));

const cutOf = async (device: WasmDevice, tasks: number, grain: number): Promise<string[]> => {
  const x = operand(device, new Int32Array(2 * tasks));
  const y = like(device, x);
  device.run(ranges, [x], [y], { grain });
  const bounds = await numbers(device, y.storage);
  const parts = Array.from({ length: tasks }, (_, i) => `${bounds[2 * i]}-${bounds[2 * i + 1]}`);
  return [...new Set(parts)];
};

describe('partition', () => {
  it('cuts into contiguous nearly equal parts, each at least the grain', async () => {
    expect(await cutOf(two, 11, 1)).toEqual(['0-5', '5-11']);
    expect(await cutOf(three, 11, 1)).toEqual(['0-3', '3-7', '7-11']);
    expect(await cutOf(three, 2, 1)).toEqual(['0-1', '1-2']);
    expect(await cutOf(one, 11, 1)).toEqual(['0-11']);
  });

  it('keeps a pass of fewer than two grains on the calling thread', async () => {
    expect(await cutOf(three, 19, 10)).toEqual(['0-19']);
    expect(await cutOf(three, 20, 10)).toEqual(['0-10', '10-20']);
    expect(await cutOf(three, 30, 10)).toEqual(['0-10', '10-20', '20-30']);
    expect(partsFor(0, 0, 4)).toBe(1);
  });
});

describe('results', () => {
  it('are equal with 1, 2 and 3 threads', async () => {
    const inputs = fc.record({
      values: fc.float32Array({ minLength: 1, maxLength: 400 }),
      factor: fc.float({ noNaN: true }),
    });
    await fc.assert(
      fc.asyncProperty(inputs, async ({ values, factor }) => {
        const results = [];
        for (const device of [one, two, three]) {
          const x = operand(device, values);
          const [y, z] = [like(device, x), like(device, x)];
          device.run(scale, [x], [y], { factor, grain: 3 });
          device.run(viaScratch, [y], [z], null);
          results.push([await device.read(y.storage), await device.read(z.storage)].map(bits));
        }
        expect(results[1]).toEqual(results[0]);
        expect(results[2]).toEqual(results[0]);
        expect(results[0][0]).toEqual(bits(values.map(value => value * Math.fround(factor))));
      }),
      { numRuns: 100 },
    );
  });

  it('come from every thread at once, many times over', async () => {
    const x = operand(three, iota(99));
    const y = like(three, x);
    for (let i = 0; i < 2000; i++) {
      three.run(scale, [x], [y], { factor: i });
      // Now and then let the workers park.
      if (i % 500 === 0) await new Promise(resolve => setTimeout(resolve, 5));
    }
    expect(await numbers(three, y.storage)).toEqual([...iota(99)].map(value => value * 1999));
  });

  it('are the same without shared memory', async () => {
    const device = await open({ shared: false, threads: 4 });
    expect(device.adapter.threads).toBe(1);
    const x = operand(device, iota(10));
    const y = like(device, x);
    device.run(viaScratch, [x], [y], null);
    expect(await numbers(device, y.storage)).toEqual([...iota(10)].map(value => 2 * value + 1));
    device.copy(x.storage, y.storage);
    expect(await device.read(y.storage)).toEqual(iota(10));
  });

  it('are right beyond 2 GiB, where addresses turn negative as signed numbers', async () => {
    const device = await open({ threads: 2, memoryBase: 2 ** 31 + 4096 });
    const x = operand(device, iota(50_000));
    const y = like(device, x);
    device.run(viaScratch, [x], [y], null);
    expect((await device.read(y.storage))[49_999]).toBe(100_001);
    device.copy(x.storage, y.storage);
    expect((await device.read(y.storage))[49_999]).toBe(50_000);
  });
});

const bits = (values: ArrayLike<number>): number[] => [...new Uint32Array(Float32Array.from(values).buffer)];

describe('errors', () => {
  it('in a worker or on the calling thread name the kernel, and the pool lives on', async () => {
    const x = operand(three, iota(9));
    const y = like(three, x);
    for (const bad of [0, 4, 8]) {
      const run = () => three.run(trap, [x], [y], { bad });
      expect(run).toThrow(DeviceError);
      expect(run).toThrow(/kernel "trap" \(variant "only", inputs \[9\]\) failed in "test trap": divide by zero/);
    }
    three.run(scale, [x], [y], { factor: 2 });
    expect(await numbers(three, y.storage)).toEqual([...iota(9)].map(value => 2 * value));
  });

  it('name a program that does not compile, an entry that does not exist, arguments that do not fit', () => {
    const x = operand(two, iota(4));
    const attempt = (program: ReturnType<typeof wasmProgram>, entry: string, args: number[]) => () => {
      const kernel: Kernel<null> = {
        ...(scale as Kernel),
        wasm: [{ name: 'v', applies: () => true, plan: () => ({ passes: [{ program, entry, tasks: 1, args }] }) }],
      };
      two.run(kernel, [x], [like(two, x)], null);
    };
    const broken = { key: 'test broken', wide: false, bytes: () => Uint8Array.of(0, 1, 2) };
    const empty = wasmProgram('test one entry', m => m.function('only', {}, () => {}));
    expect(attempt(broken, 'run', [])).toThrow(/program "test broken" did not compile/);
    expect(attempt(empty, 'run', [])).toThrow('program "test one entry" has no entry "run"; it has only.');
    expect(attempt(empty, 'only', [1])).toThrow(/passes a task range and 1 arguments .* which takes 0 in all/);
  });

  it('refuse numbers of threads that make no sense', async () => {
    for (const threads of [0, 17, 1.5]) await expect(openWasmDevice({ threads })).rejects.toThrow(/must be 1 to 16/);
    process.env['WEFT_THREADS'] = 'many';
    try {
      await expect(openWasmDevice()).rejects.toThrow('WEFT_THREADS must be a whole number from 1 to 16, not "many"');
      process.env['WEFT_THREADS'] = '2';
      expect((await open({})).adapter.threads).toBe(2);
    } finally {
      delete process.env['WEFT_THREADS'];
    }
  });
});

describe('a process', () => {
  const root = fileURLToPath(new URL('../../', import.meta.url));
  const script = `
    import { openDevice } from './src/devices/open.ts';
    const device = await openDevice('wasm', { wasm: { threads: 3 } });
    const x = device.allocate(4, 'float32');
    device.write(x, Float32Array.of(1, 2, 3, 4));
    console.log((await device.read(x)).join());
  `;

  it('ends by itself while its workers are parked', () => {
    const started = performance.now();
    const args = ['--import', 'tsx', '--input-type=module', '--eval', script];
    const printed = execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8', timeout: 30_000 });
    expect(printed.trim()).toBe('1,2,3,4');
    expect(performance.now() - started).toBeLessThan(30_000);
  }, 40_000);

  it('may open device after device: memory is used again, not left to the collector', () => {
    const program = fileURLToPath(new URL('wasm-reopen.ts', import.meta.url));
    const printed = execFileSync(process.execPath, ['--import', 'tsx', program, '40'], { cwd: root, encoding: 'utf8' });
    const { memories, resident } = JSON.parse(printed) as { memories: number; resident: number };
    expect(memories).toBeLessThanOrEqual(2);
    // 90 devices, each with a memory of its own, held 3.7 GB.
    expect(resident).toBeLessThan(400);
  }, 120_000);
});
