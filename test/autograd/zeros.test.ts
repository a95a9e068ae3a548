/**
 * Gradients where a formula meets 0 times infinity: powers of 0, products with zeros, constants at infinity.
 * Values: PyTorch 1.13 in float64, `x ** b` with numbers b and `x.prod()`; where it gives NaN or 0 for want of a case of
 * its own (said below), the closed form.
 */
import { afterAll, describe, expect, test } from 'vitest';
import * as w from '../../src/index.ts';
import { openTestDevices } from '../support/devices.ts';

const devices = await openTestDevices();
afterAll(() => Promise.all(devices.map(({ device }) => device?.destroy())));

const { POSITIVE_INFINITY: inf, NaN: nan } = Number;
// + 0 turns -0 into 0, which toEqual tells apart.
const read = async (x: w.Tensor) => Array.from(await x.data(), value => value + 0);

/** Exponent, and x^b with its first three derivatives at 0, 4 and -2. */
const POWERS: [b: number, ...derivatives: [number, number, number][]][] = [
  [0, [1, 1, 1], [0, 0, 0], [0, 0, 0], [0, 0, 0]],
  [1, [0, 4, -2], [1, 1, 1], [0, 0, 0], [0, 0, 0]],
  [2, [0, 16, 4], [0, 8, -4], [2, 2, 2], [0, 0, 0]],
  [3, [0, 64, -8], [0, 48, 12], [0, 24, -12], [6, 6, 6]],
  [0.5, [0, 2, nan], [inf, 0.25, nan], [-inf, -0.03125, nan], [inf, 0.01171875, nan]],
  [-1, [inf, 0.25, -0.5], [-inf, -0.0625, -0.25], [inf, 0.03125, -0.25], [-inf, -0.0234375, -0.375]],
  [-0.5, [inf, 0.5, nan], [-inf, -0.0625, nan], [inf, 0.0234375, nan], [-inf, -0.0146484375, nan]],
];

for (const { name, device } of devices) {
  describe.skipIf(!device)(`on ${name}`, () => {
    const on = { device: device! };
    const vector = (...values: number[]) => w.tensor(values, [values.length], on);
    const expectValues = async (x: w.Tensor, expected: readonly number[]) => {
      const actual = await read(x);
      expected.forEach((value, i) => {
        if (Number.isFinite(value)) expect(actual[i], `${actual}`).toBeCloseTo(value, 4);
        else expect(actual[i], `${actual}`).toBe(value);
      });
    };

    test('x^b, three times', async () => {
      for (const [b, ...derivatives] of POWERS) {
        const x = vector(0, 4, -2);
        const nth = (n: number): w.Tensor =>
          n === 0 ? w.pow(x, b) : w.grad(() => w.sum(nth(n - 1)), [x], { createGraph: true })[0];
        for (const [n, expected] of derivatives.entries()) await expectValues(nth(n), expected);
      }
    });

    test('a^b by base and exponent, each element its own', async () => {
      const [a, b] = [vector(0, 0, 0, 2), vector(0, 1, 2, 3)].map(w.watch);
      const [da, db] = w.gradients(w.sum(w.pow(a, b)), [a, b], { createGraph: true });
      await expectValues(da, [0, 1, 0, 12]);
      // a^b log a tends to 0 for b > 0; PyTorch takes 0 for b = 0 as well.
      await expectValues(db, [0, 0, 0, 8 * Math.log(2)]);
      const [daa] = w.gradients(w.sum(da), [a], { retainGraph: true });
      // 0 for the constant a^0, where PyTorch's exponents in tensors give NaN.
      await expectValues(daa, [0, 0, 2, 12]);
      await expectValues(w.gradients(w.sum(da), [b], { retainGraph: true })[0], [0, 1, 0, 4 + 12 * Math.log(2)]);
      await expectValues(w.gradients(w.sum(db), [b])[0], [0, 0, 0, 8 * Math.log(2) ** 2]);
      const [c, d] = [vector(0, -2, -2), vector(-1, 2, 0)];
      const [dc, dd] = w.grad(() => w.sum(w.pow(c, d)), [c, d]);
      await expectValues(dc, [-inf, -4, 0]);
      await expectValues(dd, [-inf, nan, nan]);
    });

    test('a^b by base at b = 0, then by exponent: 1 / a', async () => {
      const [a, b] = [vector(2, -4, nan), vector(0, 0, 0)].map(w.watch);
      const [da] = w.gradients(w.sum(w.pow(a, b)), [a], { createGraph: true });
      await expectValues(da, [0, 0, 0]);
      // PyTorch masks the exponent away and gives 0.
      await expectValues(w.slice(w.gradients(w.sum(da), [b])[0], [0], [1]), [0.5]);
    });

    test('products: that of the others, whatever the number of zeros', async () => {
      const cases: [values: number[], gradient: number[]][] = [
        [
          [2, 0, 3, 4],
          [0, 24, 0, 0],
        ],
        [
          [0, 0, 3],
          [0, 0, 0],
        ],
        [
          [1, 2, 3],
          [6, 3, 2],
        ],
        [[0], [1]],
        [[5], [1]],
        [
          [1, 2, 3, 4, 5, 0, 1],
          [0, 0, 0, 0, 0, 120, 0],
        ],
      ];
      for (const [values, expected] of cases) {
        const x = vector(...values);
        const actual = await read(w.grad(() => w.prod(x), [x])[0]);
        expected.forEach((value, i) => {
          expect(Math.abs(actual[i] - value), `${actual}`).toBeLessThanOrEqual(1e-5 * Math.abs(value));
        });
      }
    });

    test('products along an axis, and over none', async () => {
      const values = [
        [1, 0, 2],
        [3, 4, 0],
        [0, 0, 5],
      ];
      const x = w.tensor(values, undefined, on);
      const weights = vector(1, 10, 100);
      const along = (axis: number) => w.grad(() => w.sum(w.mul(w.prod(x, axis), weights)), [x])[0];
      expect(await read(along(0))).toEqual([0, 0, 0, 0, 0, 1000, 3, 0, 0]);
      expect(await read(along(1))).toEqual([0, 2, 0, 0, 0, 120, 0, 0, 0]);
      const y = w.reshape(x, [3, 1, 3]);
      const both = w.grad(() => w.sum(w.prod(w.slice(y, [0, 0, 0], [2, 1, 2]), [0, 2], true)), [y])[0];
      expect(await read(both)).toEqual([0, 12, 0, 0, 0, 0, 0, 0, 0]);
      const empty = w.zeros([2, 0], on);
      expect(w.grad(() => w.sum(w.prod(empty, 1)), [empty])[0].shape).toEqual([2, 0]);
    });

    test('second derivatives of products: that of the others but two', async () => {
      // Of [0, 0, 3] PyTorch's is all zeros; the closed form is x_k off the diagonal.
      for (const values of [
        [2, 0, 3, 4],
        [0, 0, 3],
        [0, 0, 0, 5],
        [1, 2, 3],
      ]) {
        const x = w.watch(vector(...values));
        const [gradient] = w.gradients(w.prod(x), [x], { createGraph: true });
        for (let i = 0; i < values.length; i++) {
          const [row] = w.gradients(w.sum(w.slice(gradient, [i], [1])), [x], { retainGraph: true });
          const expected = values.map((_, j) =>
            j === i ? 0 : values.reduce((product, value, k) => (k === i || k === j ? product : product * value), 1),
          );
          expect(await read(row), `${values}, row ${i}`).toEqual(expected);
        }
      }
    });

    test('a constant derivative is constant at infinity too', async () => {
      const x = vector(inf, -inf, 1);
      for (const [f, slope] of [
        [w.neg, -1],
        [w.sign, 0],
      ] as const) {
        for (const createGraph of [false, true]) {
          expect(await read(w.grad(() => w.sum(f(x)), [x], { createGraph })[0])).toEqual([slope, slope, slope]);
        }
      }
    });
  });
}
