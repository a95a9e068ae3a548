/** Making tensors on every device, and what is refused: each refusal names what did not fit. */
import { afterAll, describe, expect, test, vi } from 'vitest';
import { DTypeError, ShapeError, UsageError } from '../../src/devices/errors.ts';
import * as w from '../../src/index.ts';
import { openTestDevices } from '../support/devices.ts';

test('without a default device the first tensor says what to do', async () => {
  vi.resetModules();
  const fresh = await import('../../src/index.ts');
  expect(() => fresh.zeros([2])).toThrow("No device is set: call setDevice(await openDevice('auto')) first.");
});

for (const { name, device } of await openTestDevices()) {
  describe.skipIf(!device)(`making tensors on ${name}`, () => {
    afterAll(() => device?.destroy());
    const read = async (x: w.Tensor) => ({ shape: x.shape, dtype: x.dtype, values: [...(await x.data())] });

    test('from nested arrays, of any depth and with sizes of 0', async () => {
      expect(await w.tensor(7, undefined, { device }).array()).toBe(7);
      for (const values of [
        [1, 2, 3],
        [
          [1, 2, 3],
          [4, 5, 6],
        ],
        [
          [[1], [2]],
          [[3], [4]],
        ],
        [],
        [[], []],
      ] as w.NestedArray[]) {
        expect(await w.tensor(values, undefined, { device }).array()).toEqual(values);
      }
      expect(w.tensor([[], []], undefined, { device }).shape).toEqual([2, 0]);
    });

    test('from typed arrays, whose type gives the dtype', async () => {
      const sources = {
        float32: Float32Array.of(1.5, -2, 3, 4),
        int32: Int32Array.of(-(2 ** 31), 2 ** 31 - 1, 0, 1),
        uint32: Uint32Array.of(2 ** 32 - 1, 0, 1, 2),
        uint8: Uint8Array.of(255, 0, 1, 2),
      };
      for (const [dtype, values] of Object.entries(sources)) {
        expect(await read(w.tensor(values, [2, 2], { device }))).toEqual({ shape: [2, 2], dtype, values: [...values] });
      }
      expect(w.tensor(Float64Array.of(1, 2), [2], { device }).dtype).toBe('float32');
    });

    test('a float32 value is the nearest float32 (the reference keeps float64)', async () => {
      const values = await w.tensor([0.1, 1 / 3], undefined, { device }).data();
      expect([...values]).toEqual(device!.kind === 'reference' ? [0.1, 1 / 3] : [Math.fround(0.1), Math.fround(1 / 3)]);
      expect(values).toBeInstanceOf(device!.kind === 'reference' ? Float64Array : Float32Array);
    });

    test('as another dtype, if every value is one of it', async () => {
      const options = (dtype: 'int32' | 'uint8' | 'float32' | 'uint32') => ({ dtype, device });
      expect(await read(w.tensor([1, -2], undefined, options('int32')))).toMatchObject({
        dtype: 'int32',
        values: [1, -2],
      });
      expect(await read(w.tensor(Uint8Array.of(3, 200), [2], options('float32')))).toMatchObject({ values: [3, 200] });
      expect(await read(w.arange(3, 0, -1, options('int32')))).toMatchObject({ dtype: 'int32', values: [3, 2, 1] });
      const refused: [number[], 'int32' | 'uint8' | 'uint32', string][] = [
        [[0, 1.5], 'int32', '1.5 is not a value of int32'],
        [[2 ** 31], 'int32', '2147483648 is not a value of int32'],
        [[256], 'uint8', '256 is not a value of uint8'],
        [[-1], 'uint32', '-1 is not a value of uint32'],
        [[Number.NaN], 'int32', 'NaN is not a value of int32'],
      ];
      for (const [values, dtype, words] of refused) {
        expect(() => w.tensor(values, undefined, options(dtype))).toThrow(DTypeError);
        expect(() => w.tensor(values, undefined, options(dtype))).toThrow(words);
        if (!Number.isNaN(values[0])) expect(() => w.full([2], values.at(-1)!, options(dtype))).toThrow(words);
      }
    });

    test('full, zeros, scalar, eye and arange have the values that their names say', async () => {
      expect(await read(w.full([2, 2], -3, { device }))).toMatchObject({ shape: [2, 2], values: [-3, -3, -3, -3] });
      expect(await read(w.full([2], Number.NaN, { device }))).toMatchObject({ values: [Number.NaN, Number.NaN] });
      expect(await read(w.full([1], Number.NEGATIVE_INFINITY, { device }))).toMatchObject({ values: [-Infinity] });
      expect(await read(w.full([3], 200, { device, dtype: 'uint8' }))).toMatchObject({ values: [200, 200, 200] });
      expect(await read(w.zeros([0, 3], { device }))).toMatchObject({ shape: [0, 3], values: [] });
      expect(await w.scalar(5, { device }).item()).toBe(5);
      expect(await w.eye(2, { device }).array()).toEqual([
        [1, 0],
        [0, 1],
      ]);
      expect(await read(w.arange(0, 2, 0.5, { device }))).toMatchObject({ values: [0, 0.5, 1, 1.5] });
      expect(await read(w.arange(1, 1, 1, { device }))).toMatchObject({ shape: [0] });
      const like = w.tensor(Int32Array.of(1, 2), [2, 1], { device });
      expect(await read(w.onesLike(like))).toEqual({ shape: [2, 1], dtype: 'int32', values: [1, 1] });
      expect(await read(w.zerosLike(like))).toEqual({ shape: [2, 1], dtype: 'int32', values: [0, 0] });
    });

    test('ragged nesting, wrong counts and impossible sizes are refused, and nothing stays allocated', () => {
      const before = device!.memory().liveAllocations;
      const refusals: [() => unknown, new (...args: never[]) => Error, string][] = [
        [() => w.tensor([[1, 2], [3]], undefined, { device }), ShapeError, 'ragged: sizes differ from [2, 2]'],
        [() => w.tensor([[1, 2], 3], undefined, { device }), ShapeError, 'ragged'],
        [() => w.tensor([1, [2, 3]], undefined, { device }), ShapeError, 'ragged'],
        [
          () =>
            w.tensor(
              [
                [[1], [2]],
                [[3], []],
              ],
              undefined,
              { device },
            ),
          ShapeError,
          'ragged',
        ],
        [() => w.tensor([1, 2, 3], [2, 2], { device }), ShapeError, '3 values do not fill shape [2, 2]'],
        [() => w.tensor(new Float32Array(6), [2, 2], { device }), ShapeError, '6 values do not fill shape [2, 2]'],
        [() => w.tensor([], [-1], { device }), ShapeError, '[-1]'],
        [() => w.zeros([2, 1.5], { device }), ShapeError, '[2, 1.5]'],
        [() => w.arange(0, 1, 0, { device }), UsageError, 'from 0 to 1 in steps of 0'],
        [() => w.arange(0, Number.POSITIVE_INFINITY, 1, { device }), UsageError, 'no finite sequence'],
      ];
      for (const [f, kind, words] of refusals) {
        expect(f).toThrow(kind);
        expect(f).toThrow(words);
      }
      expect(device!.memory().liveAllocations).toBe(before);
    });

    test('a single value is read from a single element only', async () => {
      expect(await w.tensor([[4]], undefined, { device }).item()).toBe(4);
      await expect(w.zeros([2, 3], { device }).item()).rejects.toThrow('a tensor of shape [2, 3] has no single value');
    });
  });
}
