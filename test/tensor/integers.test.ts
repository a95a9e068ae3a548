/**
 * Integer tensors on every device: int32 wraps around as two's complement does, uint8 is storage that moves but does not
 * compute, comparisons give int32 0 or 1.
 */
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { DTypeError } from '../../src/devices/errors.ts';
import * as w from '../../src/index.ts';
import { check } from '../ops/property.ts';
import { openTestDevices } from '../support/devices.ts';

const LOWEST = -(2 ** 31);
const HIGHEST = 2 ** 31 - 1;
const int32 = fc.oneof(fc.integer(), fc.constantFrom(LOWEST, HIGHEST, -1, 0, 1, 65_536, 46_341));

for (const { name, device } of await openTestDevices()) {
  describe.skipIf(!device)(`integers on ${name}`, () => {
    afterAll(() => device?.destroy());
    const ints = (values: readonly number[]) => w.tensor(Int32Array.from(values), [values.length], { device });
    const bytes = (values: readonly number[], shape?: number[]) =>
      w.tensor(Uint8Array.from(values), shape ?? [values.length], { device });
    const read = async (x: w.Tensor) => Array.from(await x.data());

    test('int32 arithmetic wraps around', () =>
      check(fc.array(fc.tuple(int32, int32), { minLength: 1, maxLength: 20 }), async pairs => {
        const [a, b] = [ints(pairs.map(([p]) => p)), ints(pairs.map(([, q]) => q))];
        const expected: [w.Tensor, (p: number, q: number) => number][] = [
          [w.add(a, b), (p, q) => (p + q) | 0],
          [w.sub(a, b), (p, q) => (p - q) | 0],
          [w.mul(a, b), Math.imul],
          [w.maximum(a, b), Math.max],
          [w.minimum(a, b), Math.min],
          [w.neg(a), p => -p | 0],
          [w.abs(a), p => Math.abs(p) | 0],
          [w.square(a), p => Math.imul(p, p)],
          [w.sign(a), p => Math.sign(p)],
        ];
        for (const [actual, f] of expected) {
          expect(actual.dtype).toBe('int32');
          // + 0 turns -0 into 0, which toEqual tells apart.
          expect(await read(actual)).toEqual(pairs.map(([p, q]) => f(p, q) + 0));
          actual.dispose();
        }
        const total = w.sum(a);
        expect(await read(total)).toEqual([pairs.reduce((sum, [p]) => (sum + p) | 0, 0)]);
        w.dispose(a, b, total);
      }));

    test('comparisons and truth values are int32 0 or 1, of integers and of floats', () =>
      check(
        fc.array(fc.tuple(fc.integer({ min: -2, max: 2 }), fc.integer({ min: -2, max: 2 })), { minLength: 1 }),
        async pairs => {
          const columns = [pairs.map(([p]) => p), pairs.map(([, q]) => q)];
          const comparisons: [(a: w.Tensor, b: w.Tensor) => w.Tensor, (p: number, q: number) => boolean][] = [
            [w.equal, (p, q) => p === q],
            [w.notEqual, (p, q) => p !== q],
            [w.less, (p, q) => p < q],
            [w.lessEqual, (p, q) => p <= q],
            [w.greater, (p, q) => p > q],
            [w.greaterEqual, (p, q) => p >= q],
          ];
          const logic: typeof comparisons = [
            [w.logicalAnd, (p, q) => p !== 0 && q !== 0],
            [w.logicalOr, (p, q) => p !== 0 || q !== 0],
            [a => w.logicalNot(a), p => p === 0],
          ];
          for (const [a, b, functions] of [
            [ints(columns[0]), ints(columns[1]), [...comparisons, ...logic]],
            [w.tensor(columns[0], undefined, { device }), w.tensor(columns[1], undefined, { device }), comparisons],
          ] as const) {
            for (const [f, definition] of functions) {
              const result = f(a, b);
              expect(result.dtype).toBe('int32');
              expect(await read(result)).toEqual(pairs.map(([p, q]) => Number(definition(p, q))));
              result.dispose();
            }
            w.dispose(a, b);
          }
        },
        20,
      ));

    test('NaN equals nothing and is in no order; zeros of either sign are equal', async () => {
      const a = w.tensor([Number.NaN, Number.NaN, 0, Number.POSITIVE_INFINITY], undefined, { device });
      const b = w.tensor([Number.NaN, 1, -0, Number.POSITIVE_INFINITY], undefined, { device });
      expect(await read(w.equal(a, b))).toEqual([0, 0, 1, 1]);
      expect(await read(w.notEqual(a, b))).toEqual([1, 1, 0, 0]);
      for (const f of [w.less, w.greater]) expect(await read(f(a, b))).toEqual([0, 0, 0, 0]);
      for (const f of [w.lessEqual, w.greaterEqual]) expect(await read(f(a, b))).toEqual([0, 0, 1, 1]);
    });

    test('where chooses bits: it passes on NaN, infinities and large integers', async () => {
      const condition = ints([1, 0, -5, 0]);
      const a = w.tensor([Number.NaN, 1, Number.POSITIVE_INFINITY, 2], undefined, { device });
      const b = w.tensor([1, Number.NaN, 2, Number.NEGATIVE_INFINITY], undefined, { device });
      expect(await read(w.where(condition, a, b))).toEqual([Number.NaN, Number.NaN, Infinity, -Infinity]);
      expect(await read(w.where(condition, ints([HIGHEST, 1, LOWEST, 1]), 7))).toEqual([HIGHEST, 7, LOWEST, 7]);
    });

    test('uint8 stores, moves and casts', async () => {
      const x = bytes([0, 1, 2, 253, 254, 255], [2, 3]);
      const moved: [w.Tensor, number[]][] = [
        [w.reshape(x, [3, 2]), [0, 1, 2, 253, 254, 255]],
        [w.transpose(x), [0, 253, 1, 254, 2, 255]],
        [w.slice(x, [0, 1], [2, 2]), [1, 2, 254, 255]],
        [w.flip(x, [1]), [2, 1, 0, 255, 254, 253]],
        [w.concat([x, bytes([7, 8, 9], [1, 3])]), [0, 1, 2, 253, 254, 255, 7, 8, 9]],
        [w.gather(x, ints([1, 0, 5]), 0), [253, 254, 255, 0, 1, 2, 0, 0, 0]],
      ];
      for (const [y, values] of moved) {
        expect(y.dtype).toBe('uint8');
        expect(await read(y)).toEqual(values);
      }
      expect(await read(w.cast(x, 'float32'))).toEqual([0, 1, 2, 253, 254, 255]);
      expect(await read(w.cast(x, 'int32'))).toEqual([0, 1, 2, 253, 254, 255]);
    });

    test('uint8 of lengths that do not fill a word of memory', async () => {
      for (let length = 0; length <= 9; length++) {
        const values = Array.from({ length }, (_, i) => 250 + (i % 6));
        const x = bytes(values);
        expect(await read(x)).toEqual(values);
        expect(await read(w.cast(x, 'float32'))).toEqual(values);
        const floats = w.tensor(values, undefined, { device });
        expect(await read(w.cast(floats, 'uint8'))).toEqual(values);
      }
    });

    test('casts: floats are cut towards zero and saturate, integers keep their low bits', async () => {
      const floats = w.tensor([1.9, -1.9, 3e9, -3e9, 300, Number.NaN, -0.5], undefined, { device });
      expect(await read(w.cast(floats, 'int32'))).toEqual([1, -1, HIGHEST, LOWEST, 300, 0, 0]);
      expect(await read(w.cast(floats, 'uint8'))).toEqual([1, 0, 255, 0, 255, 0, 0]);
      const integers = ints([256 + 7, -1, LOWEST]);
      expect(await read(w.cast(integers, 'uint8'))).toEqual([7, 255, 0]);
      expect(await read(w.cast(integers, 'uint32'))).toEqual([263, 2 ** 32 - 1, 2 ** 31]);
      expect(w.cast(floats, 'float32')).toBe(floats);
    });

    test('dtypes that an operation does not take are refused by name', () => {
      const [f, i, b] = [w.zeros([2], { device }), ints([0, 0]), bytes([0, 0])];
      const refusals: [() => unknown, string][] = [
        [() => w.add(f, i), 'add: operands are float32 and int32; cast one of them.'],
        [() => w.add(b, b), 'add takes float32 or int32, not uint8.'],
        [() => w.div(i, i), 'div takes float32, not int32.'],
        [() => w.exp(i), 'exp takes float32, not int32.'],
        [() => w.logicalAnd(f, f), 'and takes int32, not float32.'],
        [() => w.where(f, f, f), 'where takes int32, not float32.'],
        [() => w.gather(f, f), 'indices must be int32, got float32.'],
        [() => w.concat([f, i]), 'concat: inputs are float32 and int32; cast one of them.'],
        [() => w.mean(i), 'mean: int32 is not supported; cast to float32.'],
        [() => w.pad(i, [1], [1], { value: 0.5 }), '0.5 is not a value of int32.'],
      ];
      for (const [refused, words] of refusals) {
        expect(refused).toThrow(DTypeError);
        expect(refused).toThrow(words);
      }
    });
  });
}
