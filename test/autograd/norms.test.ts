/**
 * Norms, means and sums whose squares, sums or exponentials leave float32 although the answer does not, with their
 * gradients, on every device. Values are closed forms.
 */
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { ShapeError } from '../../src/devices/errors.ts';
import * as w from '../../src/index.ts';
import { openTestDevices } from '../support/devices.ts';

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const values = async (x: w.Tensor): Promise<number[]> => Array.from(await x.data());
const vector = (...x: number[]) => w.tensor(Float32Array.from(x), [x.length]);

function expectNear(got: readonly number[], wanted: readonly number[]): void {
  expect(got.length).toBe(wanted.length);
  got.forEach((value, i) => {
    if (Number.isFinite(wanted[i])) expect(Math.abs(value - wanted[i])).toBeLessThanOrEqual(1e-6 * Math.abs(wanted[i]));
    else expect(value).toBe(wanted[i]);
  });
}

for (const { name, device } of await openTestDevices()) {
  describe.skipIf(!device)(`norms and sums on ${name}`, () => {
    beforeEach(() => w.setDevice(device!));
    afterAll(() => device?.destroy());

    test.each([1, 1e-12, 1e12, 1e-19, 1e-25, 1e-30, 1e19, 1e25, 1e30, 6e37])('norm of 3 and 4 times %d', async unit => {
      const [a, b] = [3 * unit, 4 * unit].map(Math.fround);
      const x = vector(a, 0, b);
      expectNear([await w.norm(x).item()], [Math.hypot(a, b)]);
      for (const createGraph of [false, true]) {
        const [dx] = w.grad(() => w.norm(x), [x], { createGraph });
        expectNear(await values(dx), [0.6, 0, 0.8]);
      }
    });

    test('norms over an axis, of which some are huge, tiny, zero or not finite', async () => {
      const rows = [
        [3e25, 4e25],
        [3e-25, 4e-25],
        [3, 4],
        [0, 0],
        [inf, 1],
        [nan, 1],
      ];
      const x = w.tensor(Float32Array.from(rows.flat()), [6, 2]);
      const wanted = [5e25, 5e-25, 5, 0, inf, nan];
      expectNear(await values(w.norm(x, 1)), wanted);
      expect(w.norm(x, 1, true).shape).toEqual([6, 1]);
      const [dx] = w.grad(() => w.sum(w.slice(w.norm(x, 1), [0], [4])), [x]);
      expectNear((await values(dx)).slice(0, 8), [0.6, 0.8, 0.6, 0.8, 0.6, 0.8, 0, 0]);
    });

    test('second derivatives of the norm: (1 - u u^T) / |x|', async () => {
      const x = vector(3, 4);
      const first = () => w.sum(w.mul(w.grad(() => w.norm(x), [x], { createGraph: true })[0], vector(1, 0)));
      expectNear(await values(w.grad(first, [x])[0]), [0.64 / 5, -0.48 / 5]);
    });

    test('logSumExp of large and small numbers, of infinities, of NaN', async () => {
      const rows = [
        [1000, 1000],
        [-1000, -1000],
        [0, Math.log(3)],
        [3e38, -3e38],
        [-inf, 2],
        [-inf, -inf],
        [inf, 0],
        [nan, 0],
      ];
      const x = w.tensor(Float32Array.from(rows.flat()), [8, 2]);
      const wanted = [1000 + Math.LN2, -1000 + Math.LN2, Math.log(4), Math.fround(3e38), 2, -inf, inf, nan];
      expectNear(await values(w.logSumExp(x, 1)), wanted);
      expect(w.logSumExp(x, 1, true).shape).toEqual([8, 1]);
      const [dx] = w.grad(() => w.sum(w.slice(w.logSumExp(x, 1), [0], [5])), [x]);
      expectNear((await values(dx)).slice(0, 10), [0.5, 0.5, 0.5, 0.5, 0.25, 0.75, 1, 0, 0, 1]);
    });

    test('the unbiased variance of one value is refused by its own name', () => {
      const unbiased = { unbiased: true };
      expect(() => w.variance(vector(1), 0, unbiased)).toThrow(ShapeError);
      expect(() => w.variance(w.ones([3, 1]), 1, unbiased)).toThrow('unbiased needs at least 2 values for each result');
    });

    test('means and variances of huge values', async () => {
      expectNear([await w.mean(vector(3e38, 3e38, 3e38)).item()], [Math.fround(3e38)]);
      const x = w.tensor(Float32Array.from([3e38, 2e38, -3e38, 3e38, -3e38, 1e38]), [2, 3]);
      expectNear(await values(w.mean(x, 0)), [3e38, -0.5e38, -1e38].map(Math.fround));
      expectNear(await values(w.mean(x, 1)), [2e38 / 3, 1e38 / 3]);
      const spread = Math.fround(1.5e19);
      expectNear([await w.variance(vector(spread, -spread)).item()], [spread ** 2]);
      expectNear([await w.sum(vector(3e38, 3e38, -3e38)).item()], [Math.fround(3e38)]);
      expect(await w.sum(vector(3e38, 3e38)).item()).toBe(device!.kind === 'reference' ? 2 * Math.fround(3e38) : inf);
      expect(await w.mean(vector(inf, 3e38, 3e38)).item()).toBe(inf);
      expect(await w.mean(vector(inf, -inf, 3e38)).item()).toBeNaN();
    });
  });
}
