/**
 * Devices of highest precision round a sum once: what they give is the float64 reference rounded to float32, in all but a
 * few elements per hundred (where the float64 or the pair of float32 lay within its own rounding of a tie), and never
 * further away than one unit of the largest. The same on a device of default precision would fail, which is tested as well.
 */
import { afterAll, describe, expect, test } from 'vitest';
import type { Device } from '../../src/devices/device.ts';
import type { Kernel, Precision } from '../../src/devices/kernel.ts';
import { openOptionsLike } from '../../src/devices/open.ts';
import { sizeOf } from '../../src/devices/shape.ts';
import { release } from '../../src/devices/storage.ts';
import { openWasmDevice } from '../../src/devices/wasm/device.ts';
import { openWebGpuDevice } from '../../src/devices/webgpu/open.node.ts';
import { batchNormTrain } from '../../src/kernels/batchnorm/index.ts';
import { conv2d, conv2dInputGradient, conv2dWeightGradient } from '../../src/kernels/conv2d/index.ts';
import { matmul } from '../../src/kernels/matmul/index.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import { expect64 } from '../conformance/suite.ts';
import { openTestDevices } from '../support/devices.ts';

const SEED = 20271;
const stream = new PhiloxStream(SEED);

/** A kernel call whose inputs are values between -1 and 1 (plus `offset`). */
interface Call {
  readonly kernel: Kernel;
  readonly params: unknown;
  readonly inputs: readonly {
    readonly spec: { shape: readonly number[]; dtype: 'float32' };
    values: Float32Array<ArrayBuffer>;
  }[];
}
const floats = (shape: readonly number[], offset = 0): Call['inputs'][number] => ({
  spec: { shape, dtype: 'float32' },
  values: Float32Array.from({ length: sizeOf(shape) }, () => offset + 2 * stream.uniform() - 1),
});
const call = (kernel: Kernel, params: unknown, ...inputs: Call['inputs']): Call => ({ kernel, params, inputs });

const geometry = { strides: [1, 1], padding: [1, 1, 1, 1], dilations: [1, 1], groups: 1 };
const plain = { transposeA: false, transposeB: false, activation: 'none' };

/** Sums of at most 1,024 terms are one sum on every device. */
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
};

/** Sums so long that a GPU cuts them into parts, each rounded: within two units of the largest element. */
const LONG = call(
  conv2dWeightGradient,
  { ...geometry, kernelSize: [3, 3] },
  floats([24, 20, 20, 8]),
  floats([24, 20, 20, 8]),
);

const opener = (precision: Precision) => ({
  'wasm, 2 threads': () => openWasmDevice({ threads: 2, relaxedSimd: false, precision }),
  'wasm, fused multiply-add': () => openWasmDevice({ threads: 1, relaxedSimd: true, precision }),
  webgpu: () => openWebGpuDevice({ precision }),
});

async function compute(device: Device, { kernel, params, inputs }: Call): Promise<Float32Array[]> {
  const place = (shape: readonly number[], values = new Float32Array(sizeOf(shape))) => {
    const storage = device.allocate(values.length, 'float32');
    device.write(storage, values);
    return { storage, shape };
  };
  const operands = inputs.map(({ spec, values }) => place(spec.shape, values));
  const outputs = kernel.infer(
    inputs.map(({ spec }) => spec),
    params,
  );
  const results = outputs.map(({ shape }) => place(shape));
  device.run(kernel, operands, results, params);
  const values = await Promise.all(results.map(({ storage }) => device.read(storage)));
  for (const { storage } of [...operands, ...results]) release(storage);
  return values as Float32Array[];
}

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

const references = new Map<Call, readonly ArrayLike<number>[]>();
function referenceOf(one: Call): readonly ArrayLike<number>[] {
  const known = references.get(one) ?? expect64({ title: '', tolerance: { kind: 'exact' }, ...one }).outputs;
  references.set(one, known);
  return known;
}

for (const { name, device } of await openTestDevices(opener('highest'))) {
  describe.skipIf(!device)(`highest precision on ${name}, seed ${SEED}`, () => {
    afterAll(() => device?.destroy());

    test.each(Object.entries(SUMS))('%s is rounded once', async (_, one) => {
      const { unequal, worst } = differences((await compute(device!, one))[0], referenceOf(one)[0]);
      expect(unequal).toBeLessThan(0.01);
      expect(worst).toBeLessThan(1.01);
    });

    test('a weight gradient of 9,600 terms', async () => {
      expect(differences((await compute(device!, LONG))[0], referenceOf(LONG)[0]).worst).toBeLessThan(2);
    });

    test.each([8, 7])('batch norm of %i channels: zeros of y are where they belong', async channels => {
      const vector = (offset: number) => ({
        spec: { shape: [channels], dtype: 'float32' as const },
        values: new Float32Array(channels).fill(offset),
      });
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

for (const { name, device } of await openTestDevices(opener('default'))) {
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
