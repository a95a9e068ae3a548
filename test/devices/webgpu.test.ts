/** The WebGPU device keeps its promises: order of host and device, memory, errors. Numbers are closed forms. */
import { expect, test } from 'vitest';
import type { DType } from '../../src/devices/dtype.ts';
import { DeviceError, DTypeError, OutOfMemoryError, ShapeError } from '../../src/devices/errors.ts';
import { release, viewOf } from '../../src/devices/storage.ts';
import { accumulate, affine, broken, byteSum, shortUniforms, spin, throughScratch } from './webgpu-kernels.ts';
import { describeWebGpu, operand, upload, withWebGpu } from './webgpu-open.ts';

const range = (length: number) => Float32Array.from({ length }, (_, i) => i % 1000);

describeWebGpu('transfers', () => {
  test('values come back as they went, for every dtype and odd lengths', () =>
    withWebGpu(async device => {
      for (const length of [0, 1, 3, 4, 5, 1027]) {
        for (const values of [
          range(length).map(x => x / 7),
          Int32Array.from({ length }, (_, i) => -i),
          Uint32Array.from({ length }, (_, i) => 2 ** 32 - 1 - i),
          Uint8Array.from({ length }, (_, i) => 255 - (i % 256)),
        ]) {
          const dtype = values.constructor.name.replace('Array', '').toLowerCase() as DType;
          const storage = device.allocate(length, dtype);
          device.write(storage, values);
          expect(await device.read(storage)).toEqual(values);
        }
      }
    }));

  test('Float64Array is rounded into float32; other dtypes and lengths are refused', () =>
    withWebGpu(async device => {
      const storage = device.allocate(2, 'float32');
      device.write(storage, new Float64Array([0.1, 1e-50]));
      expect(await device.read(storage)).toEqual(new Float32Array([0.1, 0]));
      expect(() => device.write(storage, new Int32Array(2))).toThrow(DTypeError);
      expect(() => device.write(storage, new Float32Array(3))).toThrow(ShapeError);
    }));

  test('host values in shared memory, and in the middle of an array, are written', () =>
    withWebGpu(async device => {
      const shared = new Float32Array(new SharedArrayBuffer(64));
      shared.set([1, 2, 3, 4], 2);
      const storage = device.allocate(3, 'float32');
      device.write(storage, shared.subarray(3, 6));
      expect(await device.read(storage)).toEqual(new Float32Array([2, 3, 4]));
    }));

  test('many reads at once', () =>
    withWebGpu(async device => {
      const storages = Array.from({ length: 20 }, (_, i) => upload(device, [i, i + 0.5]));
      const values = await Promise.all(storages.map(storage => device.read(storage)));
      expect(values.map(each => [...each])).toEqual(storages.map((_, i) => [i, i + 0.5]));
    }));

  test('copies between buffers, within one buffer, and of bytes', () =>
    withWebGpu(async device => {
      const a = upload(device, range(256));
      const b = device.allocate(256, 'float32');
      device.copy(a, b);
      expect(await device.read(b)).toEqual(range(256));
      const [first, third] = [viewOf(b, 0, 64), viewOf(b, 128, 64)];
      device.copy(first, third);
      expect((await device.read(b)).slice(126, 130)).toEqual(new Float32Array([126, 127, 0, 1]));
      const bytes = device.allocate(5, 'uint8');
      const more = device.allocate(5, 'uint8');
      device.write(bytes, new Uint8Array([1, 2, 3, 4, 5]));
      device.copy(bytes, more);
      expect(await device.read(more)).toEqual(new Uint8Array([1, 2, 3, 4, 5]));
    }));
});

describeWebGpu('order of host and device', () => {
  test('write, op, write, op, read: each op sees the values written before it', () =>
    withWebGpu(async device => {
      const x = upload(device, [1, 2, 3]);
      const [y, z] = [device.allocate(3, 'float32'), device.allocate(3, 'float32')];
      device.run(affine, [operand(x)], [operand(y)], { scale: 10, shift: 0 });
      device.write(x, new Float32Array([4, 5, 6]));
      device.run(affine, [operand(x)], [operand(z)], { scale: 10, shift: 0 });
      const [first, second] = [device.read(y), device.read(z)];
      device.write(x, new Float32Array([7, 8, 9]));
      expect([...(await first)]).toEqual([10, 20, 30]);
      expect([...(await second)]).toEqual([40, 50, 60]);
    }));

  test('a write into a recycled buffer does not reach recorded work that still reads it', () =>
    withWebGpu(async device => {
      const x = upload(device, [1, 2, 3]);
      const y = device.allocate(3, 'float32');
      device.run(affine, [operand(x)], [operand(y)], { scale: 1, shift: 0 });
      release(x);
      const recycled = upload(device, [7, 8, 9]);
      expect(recycled.allocation.buffer).toBe(x.allocation.buffer);
      expect([...(await device.read(y))]).toEqual([1, 2, 3]);
    }));

  test('a released output is overwritten only after its readers', () =>
    withWebGpu(async device => {
      const x = upload(device, [1, 2]);
      const sum = upload(device, [0, 0]);
      for (let i = 0; i < 100; i++) {
        const y = device.allocate(2, 'float32');
        device.run(affine, [operand(x)], [operand(y)], { scale: 0, shift: i % 2 });
        device.run(accumulate, [operand(y)], [operand(sum)], null);
        release(y);
      }
      expect([...(await device.read(sum))]).toEqual([50, 50]);
      expect(device.statistics().bindGroups).toBe(3);
    }));

  test('pace leaves at most the asked number of submissions unfinished', () =>
    withWebGpu(
      async device => {
        const x = upload(device, range(1 << 14));
        const y = device.allocate(1 << 14, 'float32');
        for (let i = 0; i < 30; i++) device.run(spin, [operand(x)], [operand(y)], { rounds: 500 });
        await device.pace(2);
        expect(device.statistics().inFlight).toBeLessThanOrEqual(2);
        await device.sync();
        expect(device.statistics().inFlight).toBe(0);
      },
      { batchSize: 2 },
    ));
});

describeWebGpu('kernel runs', () => {
  test('uniforms, updates in place, scratch, bytes, more than 65,535 workgroups', () =>
    withWebGpu(async device => {
      const length = 65_600 * 64;
      const x = upload(device, range(length));
      const y = device.allocate(length, 'float32');
      device.run(affine, [operand(x)], [operand(y)], { scale: 2, shift: 1 });
      device.run(accumulate, [operand(x)], [operand(y)], null);
      const values = await device.read(y);
      expect(values.findIndex((value, i) => value !== 3 * (i % 1000) + 1)).toBe(-1);
      const small = upload(device, [1, 2, 3, 4, 5]);
      const squares = device.allocate(5, 'float32');
      device.run(throughScratch, [operand(small)], [operand(squares)], null);
      expect([...(await device.read(squares))]).toEqual([4, 9, 16, 25, 36]);
      const image = device.allocate(7, 'uint8');
      const total = device.allocate(1, 'uint32');
      device.write(image, new Uint8Array([250, 251, 252, 253, 254, 255, 1]));
      device.run(byteSum, [operand(image)], [operand(total, [])], null);
      expect([...(await device.read(total))]).toEqual([1516]);
    }));

  test('views bind their own window', () =>
    withWebGpu(async device => {
      const arena = upload(device, range(192));
      const window = viewOf(arena, 128, 3);
      const y = device.allocate(3, 'float32');
      device.run(affine, [operand(window)], [operand(y)], { scale: 1, shift: 0 });
      expect([...(await device.read(y))]).toEqual([128, 129, 130]);
      expect([...(await device.read(window))]).toEqual([128, 129, 130]);
      const target = device.allocate(192, 'float32');
      device.write(target, new Float32Array(192));
      device.run(affine, [operand(window)], [operand(viewOf(target, 64, 3))], { scale: -1, shift: 0 });
      expect((await device.read(target)).slice(62, 69)).toEqual(new Float32Array([0, 0, -128, -129, -130, 0, 0]));
    }));

  test('nothing runs for empty outputs', () =>
    withWebGpu(async device => {
      const [x, y] = [device.allocate(0, 'float32'), device.allocate(0, 'float32')];
      device.run(affine, [operand(x, [0, 3])], [operand(y, [0, 3])], { scale: 1, shift: 0 });
      await device.sync();
      expect(device.statistics().submissions).toBe(0);
      expect(await device.read(y)).toEqual(new Float32Array(0));
    }));

  test('equal calls share pipelines, uniforms and bind groups; batches are submitted by themselves', () =>
    withWebGpu(
      async device => {
        const x = upload(device, [1, 2]);
        const y = device.allocate(2, 'float32');
        for (let i = 0; i < 64; i++) device.run(affine, [operand(x)], [operand(y)], { scale: i % 2, shift: 0 });
        expect(device.statistics()).toMatchObject({ pipelines: 1, bindGroups: 2, submissions: 4 });
      },
      { batchSize: 16 },
    ));
});

describeWebGpu('errors', () => {
  test('a source that does not compile names kernel, variant and line, now and at later runs', () =>
    withWebGpu(async device => {
      const x = upload(device, [1, 2]);
      const y = device.allocate(2, 'float32');
      const run = () => device.run(broken, [operand(x)], [operand(y)], null);
      run();
      const error = await device.read(y).catch(caught => caught);
      expect(error).toBeInstanceOf(DeviceError);
      expect(error.message).toMatch(/broken\/typo \(float32 \[2\]\) pass 0: the WGSL source does not compile: .*:4:/s);
      expect(run).toThrow(/broken\/typo.*does not compile/s);
      // The failure was thrown; what is sound works again.
      device.run(affine, [operand(x)], [operand(y)], { scale: 1, shift: 1 });
      expect([...(await device.read(y))]).toEqual([2, 3]);
    }));

  test('a dispatch that WebGPU refuses names the kernels and shapes of its batch', () =>
    withWebGpu(async device => {
      const x = upload(device, [1, 2]);
      const y = device.allocate(2, 'float32');
      for (const wait of [() => device.sync(), () => device.pace(0), () => device.read(y)]) {
        device.run(affine, [operand(x)], [operand(y)], { scale: 1, shift: 0 });
        device.run(shortUniforms, [operand(x)], [operand(y)], null);
        await expect(wait()).rejects.toThrow(
          /affine\/plain \(float32 \[2\]\); shortUniforms\/invalid \(float32 \[2\]\)/,
        );
      }
    }));

  test('wrong outputs, wrong shapes, shared memory and unknown variants are refused at the call', () =>
    withWebGpu(async device => {
      const x = upload(device, range(128));
      const y = device.allocate(2, 'float32');
      const params = { scale: 1, shift: 0 };
      expect(() => device.run(affine, [operand(x)], [operand(y)], params)).toThrow(/affine.*\[2\].*\[128\]/);
      expect(() => device.run(affine, [operand(x, [3])], [operand(y)], params)).toThrow(ShapeError);
      const [front, back] = [viewOf(x, 0, 64), viewOf(x, 64, 64)];
      expect(() => device.run(affine, [operand(front)], [operand(back)], params)).toThrow(/input 0 .*share one buffer/);
      expect(() => device.run(affine, [operand(y)], [operand(y)], params, { variant: 'fast' })).toThrow(/fast.*plain/);
      release(y);
      expect(() => device.read(y)).toThrow(/released/);
    }));

  test('storages of another device are refused', () =>
    withWebGpu(device =>
      withWebGpu(async other => {
        const [x, y] = [upload(other, [1]), device.allocate(1, 'float32')];
        expect(() => device.run(affine, [operand(x)], [operand(y)], { scale: 1, shift: 0 })).toThrow(/another device/);
      }),
    ));

  test('asking for more than a buffer can hold says what was asked and what is live', () =>
    withWebGpu(async device => {
      upload(device, range(1000));
      const length = Math.ceil(device.gpu.limits.maxBufferSize / 4) + 1;
      expect(() => device.allocate(length, 'float32')).toThrow(OutOfMemoryError);
      expect(() => device.allocate(length, 'float32')).toThrow(
        new RegExp(`${length * 4} bytes were asked for.*4096 bytes are live in 1 allocations`),
      );
    }));

  test('binding more than the adapter binds names kernel and sizes', () =>
    withWebGpu(async device => {
      const length = device.adapter.maxStorageBufferBindingSize / 4 + 64;
      const allocation = upload(device, [0]).allocation;
      // Only described, never allocated: the check must come before anything is bound.
      const huge = { allocation, byteOffset: 0, length, dtype: 'float32' } as const;
      expect(() => device.run(affine, [operand(huge)], [operand(huge)], { scale: 1, shift: 0 })).toThrow(
        /affine\/plain.*binds at most/,
      );
    }));
});
