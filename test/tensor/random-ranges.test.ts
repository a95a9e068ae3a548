/** Random ranges at their ends: results lie in [low, high) as float32, and what has no such result is refused. */
import { beforeAll, describe, expect, test } from 'vitest';
import { DTypeError, UsageError } from '../../src/devices/errors.ts';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import { randomNormal, randomUniform, setDevice } from '../../src/index.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import { uniformIn, uniformRange } from '../../src/kernels/random/range.ts';
import { uniform } from '../../src/nn/index.ts';

const MAX = 3.4028234663852886e38;
/** The greatest number that `PhiloxStream.uniform` gives. */
const LAST = 1 - 2 ** -24;

describe('uniform ranges', () => {
  beforeAll(() => setDevice(new ReferenceDevice()));

  test.each([
    [0, 1],
    [1, 2],
    [-2, -1],
    [16777215, 16777216],
    [0.7, 0.8],
    [-0.1, 0.3],
    [-MAX, MAX],
    [0, MAX],
    [1e-45, 3e-45],
    [-1e-45, 1e-45],
    [0, 2 ** -149],
    [1, 1 + 2 ** -23],
    [1e30, 1.0000002e30],
  ])('[%d, %d) holds its first and its last number', (low, high) => {
    const range = uniformRange('test', low, high);
    for (const u of [0, 2 ** -24, 0.5, LAST]) {
      const value = uniformIn(range, u);
      expect(value).toBe(Math.fround(value));
      expect(value).toBeGreaterThanOrEqual(low);
      expect(value).toBeLessThan(high);
    }
  });

  test('one bound is the other', async () => {
    for (const bound of [0, 5, -MAX, 0.1]) {
      const values = await randomUniform([3], { seed: 1, low: bound, high: bound }).data();
      expect(Array.from(values)).toEqual([bound, bound, bound].map(Math.fround));
    }
  });

  test('ranges without a float32, or that are none, are refused', () => {
    const draw = (low: number, high: number) => () => randomUniform([2], { seed: 0, low, high });
    for (const bound of [Number.NaN, Infinity, -Infinity, 1e39, '1' as unknown as number]) {
      expect(draw(bound, 1)).toThrow(UsageError);
      expect(draw(0, bound)).toThrow('high must be a finite number of float32');
    }
    expect(draw(2, 1)).toThrow('high must be at least low, 2, not 1');
    expect(draw(0.1, 0.1000000001)).toThrow('no float32 lies between');
    const values = new Float32Array(2);
    expect(() => uniform(2, 1)(values, [2], new PhiloxStream(0))).toThrow(UsageError);
    expect(values).toEqual(new Float32Array(2));
  });

  test('ordinary ranges give what they gave: low + (high - low) u, rounded once', async () => {
    const stream = new PhiloxStream(7, 3);
    const wanted = Float32Array.from({ length: 50 }, () => -0.3 + 0.8 * stream.uniform());
    const options = { seed: 7, stream: 3, low: -0.3, high: 0.5 };
    expect(Float32Array.from(await randomUniform([50], options).data())).toEqual(wanted);
  });
});

describe('normal numbers', () => {
  test('mean and std that cannot be, or that leave float32, are refused', async () => {
    const draw = (mean: number, std: number) => () => randomNormal([2], { seed: 0, mean, std });
    for (const std of [-1, Number.NaN, Infinity])
      expect(draw(0, std)).toThrow('std must be a finite number of at least 0');
    for (const mean of [Number.NaN, -Infinity]) expect(draw(mean, 1)).toThrow('mean must be a finite number');
    expect(draw(0, 1e38)).toThrow('would leave float32');
    expect(draw(3e38, 1e37)).toThrow(UsageError);
    expect(Array.from(await draw(3, 0)().data())).toEqual([3, 3]);
    expect((await draw(0, 5e37)().data()).every(Number.isFinite)).toBe(true);
  });

  test('another dtype than float32 is refused, not overlooked', () => {
    expect(() => randomNormal([2], { seed: 0, dtype: 'int32' })).toThrow(DTypeError);
    expect(() => randomUniform([2], { seed: 0, dtype: 'uint8' })).toThrow('float32, not uint8');
  });
});
