/**
 * Devices of highest precision round a sum once: what they give is the float64 reference rounded to float32, in all but a
 * few elements per hundred (where the float64 or the pair of float32 lay within its own rounding of a tie), and never
 * further away than one unit of the largest. The same on a device of default precision would fail, which is tested as well.
 */
import { afterAll, describe, expect, test } from 'vitest';
import { openOptionsLike } from '../../src/devices/open.ts';
import { batchNormTrain } from '../../src/kernels/batchnorm/index.ts';
import { conv2d, conv2dInputGradient, conv2dWeightGradient } from '../../src/kernels/conv2d/index.ts';
import { matmul } from '../../src/kernels/matmul/index.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import { openTestDevices } from '../support/devices.ts';
import { type Call, call, compute, filled, floatsFrom, openersOf, referenceOf } from '../support/kernel-calls.ts';

const SEED = 20271;
const stream = new PhiloxStream(SEED);

const floats = floatsFrom(stream);

const geometry = { strides: [1, 1], padding: [1, 1, 1, 1], dilations: [1, 1], groups: 1 };
const plain = { transposeA: false, transposeB: false, activation: 'none' };

const SUMS: Record<string, Call> = {
  'matmul, 900 terms': call(matmul, plain, floats([33, 900]), floats([900, 20])),
  'matmul of transposes with bias and relu': call(
    matmul,
    { transposeA: true, transposeB: true, activation: 'relu' },
    floats([150, 31]),
    floats([26, 150]),
    floats([26]),
  ),
  'conv 3x3, where others take Winograd': call(
    conv2d,
    { ...geometry, activation: 'none' },
    floats([2, 14, 14, 16]),
    floats([3, 3, 16, 32]),
  ),
  'conv of one channel': call(
    conv2d,
    { ...geometry, activation: 'none' },
    floats([2, 15, 15, 1]),
    floats([3, 3, 1, 8]),
  ),
  'conv 1x1, stride 2, three groups, bias': call(
    conv2d,
    { strides: [2, 2], padding: [0, 0, 0, 0], dilations: [1, 1], groups: 3, activation: 'none' },
    floats([2, 9, 9, 12]),
    floats([1, 1, 4, 9]),
    floats([9]),
  ),
  'conv input gradient': call(
    conv2dInputGradient,
    { ...geometry, inputSize: [14, 14] },
    floats([2, 14, 14, 16]),
    floats([3, 3, 16, 16]),
  ),
  'conv weight gradient, 784 terms': call(
    conv2dWeightGradient,
    { ...geometry, kernelSize: [3, 3] },
    floats([4, 14, 14, 16]),
    floats([4, 14, 14, 16]),
  ),
  // On a GPU these sums are cut into parts.
  'conv weight gradient, 9,600 terms': call(
    conv2dWeightGradient,
    { ...geometry, kernelSize: [3, 3] },
    floats([24, 20, 20, 8]),
    floats([24, 20, 20, 8]),
  ),
  'matmul, 5,000 terms, bias and relu': call(
    matmul,
    { ...plain, activation: 'relu' },
    floats([61, 5000]),
    floats([5000, 20]),
    floats([20]),
  ),
};

/** Distances from the reference in units of half the spacing of float32 at the largest element. */
function differences(actual: Float32Array, expected: ArrayLike<number>): { unequal: number; worst: number } {
  let unequal = 0;
  let worst = 0;
  const largest = Array.from(expected).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  for (const [i, value] of actual.entries()) {
    if (value !== Math.fround(expected[i])) unequal++;
    worst = Math.max(worst, Math.abs(value - expected[i]) / (largest * 2 ** -24));
  }
  return { unequal: unequal / actual.length, worst };
}

for (const { name, device } of await openTestDevices(openersOf('highest'))) {
  describe.skipIf(!device)(`highest precision on ${name}, seed ${SEED}`, () => {
    afterAll(() => device?.destroy());

    test.each(Object.entries(SUMS))('%s is rounded once', async (_, one) => {
      const { unequal, worst } = differences((await compute(device!, one))[0], referenceOf(one)[0]);
      expect(unequal).toBeLessThan(0.01);
      expect(worst).toBeLessThan(1.01);
    });

    test.each([8, 7])('batch norm of %i channels: zeros of y are where they belong', async channels => {
      const vector = (value: number) => filled([channels], () => value);
      const params = { epsilon: 1e-5, momentum: 0.1, activation: 'none' };
      const one = call(batchNormTrain, params, floats([32, 21, 21, channels], 0.7), vector(1.5), vector(0.25));
      const actual = await compute(device!, one);
      const expected = referenceOf(one);
      let near = 0;
      let bias = 0;
      for (const [i, y] of actual[0].entries()) {
        const wanted = expected[0][i];
        expect(Math.abs(y - wanted)).toBeLessThan(1e-9 + 6.1e-8 * Math.abs(wanted));
        if (Math.abs(wanted) > 0.05) continue;
        near++;
        bias += y - wanted;
      }
      expect(near).toBeGreaterThan(500);
      expect(Math.abs(bias / near)).toBeLessThan(1e-9);
      for (const output of [1, 2, 3, 4]) {
        for (const [c, value] of actual[output].entries()) {
          expect(Math.abs(value - expected[output][c])).toBeLessThan(3e-7 * Math.abs(expected[output][c]) + 1e-9);
        }
      }
    });

    test('says so in its identity, which opens the like of it again', () => {
      expect(device!.info.adapter).toMatch(/highest precision$/);
      expect(device!.info.description).toContain('highest precision');
      expect(openOptionsLike(device!.info.adapter).precision).toBe('highest');
      expect(openOptionsLike(device!.info.adapter).wasm?.relaxedSimd).toBe(
        device!.kind === 'wasm' ? name.includes('fused') : undefined,
      );
    });
  });
}

for (const { name, device } of await openTestDevices(openersOf('default'))) {
  test.skipIf(!device)(`default precision on ${name} rounds on the way`, async () => {
    for (const one of Object.values(SUMS)) {
      const { unequal } = differences((await compute(device!, one))[0], referenceOf(one)[0]);
      expect(unequal).toBeGreaterThan(0.1);
    }
    expect(device!.info.adapter).not.toContain('precision');
    expect(openOptionsLike(device!.info.adapter).precision).toBe('default');
    await device!.destroy();
  });
}
