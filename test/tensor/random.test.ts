/**
 * Random tensors: counted, so the same (seed, stream) gives the same bits on every device, and distributed as they say.
 * The kernels' oracle is the host's Philox; its own oracle is the paper's table (test/kernels/philox.test.ts).
 */
import { afterAll, describe, expect, test } from 'vitest';
import type { Device } from '../../src/devices/device.ts';
import type { Kernel } from '../../src/devices/kernel.ts';
import { release } from '../../src/devices/storage.ts';
import * as w from '../../src/index.ts';
import { advanceState, bernoulli, randomBits, randomUniform } from '../../src/kernels/random/index.ts';
import { philox4x32 } from '../../src/kernels/random/philox.ts';
import { openTestDevices } from '../support/devices.ts';

const SHAPE = [3, 7, 11];
const SIZE = 231;

/** Word by word what the kernels promise for a state of [seed, stream, counter low, counter high]. */
function expectedBits([seed, stream, low, high]: readonly number[], count: number): number[] {
  return Array.from({ length: count }, (_, i) => philox4x32([i >> 2, 0, low, high], [seed, stream])[i % 4]);
}

async function runOn(device: Device, kernel: Kernel, state: readonly number[], params: object): Promise<number[]> {
  const input = w.tensor(Uint32Array.from(state), [4], { device });
  const [{ shape, dtype }] = kernel.infer([input], params);
  const output = { storage: device.allocate(SIZE, dtype), shape };
  device.run(kernel, [input], [output], params);
  const values = Array.from(await device.read(output.storage));
  release(output.storage);
  input.dispose();
  return values;
}

const STATES = [
  [0, 0, 0, 0],
  [42, 7, 3, 1],
  [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
];

for (const { name, device } of await openTestDevices()) {
  describe.skipIf(!device)(`random numbers on ${name}`, () => {
    afterAll(() => device?.destroy());

    test.each(STATES)('bits of seed %i, stream %i, counter (%i, %i) are those of the host', async (...state) => {
      expect(await runOn(device!, randomBits, state, { shape: SHAPE })).toEqual(expectedBits(state, SIZE));
    });

    test('uniforms are the upper 24 bits, Bernoulli draws a comparison', async () => {
      for (const state of STATES) {
        const bits = expectedBits(state, SIZE);
        expect(await runOn(device!, randomUniform, state, { shape: SHAPE })).toEqual(
          bits.map(word => (word >>> 8) * 2 ** -24),
        );
        expect(await runOn(device!, bernoulli, state, { shape: SHAPE, probability: 0.3 })).toEqual(
          bits.map(word => Number(word < Math.floor(0.3 * 2 ** 32))),
        );
      }
    });

    test('the counter of 64 bits carries', async () => {
      const state = w.tensor(Uint32Array.of(1, 2, 0xffffffff, 5), [4], { device });
      device!.run(advanceState, [], [state], { by: 3 });
      expect([...(await state.data())]).toEqual([1, 2, 2, 6]);
      state.dispose();
    });

    test('dropout keeps what the Bernoulli draw says, scales it, and its gradient has the same mask', async () => {
      const state = w.tensor(Uint32Array.of(9, 8, 7, 6), [4], { device });
      const x = w.randomUniform([SIZE], { seed: 1, low: 1, high: 2, device });
      const rate = 0.4;
      const { value, grads } = w.valueAndGrad(() => w.dropout(x, rate, state), [x], { upstream: w.onesLike(x) });
      // An element is dropped with probability `rate`: kept where the word lies below (1 - rate) 2^32.
      const kept = expectedBits([9, 8, 7, 6], SIZE).map(word => word < Math.floor((1 - rate) * 2 ** 32));
      const [input, output, gradient] = [await x.data(), await value.data(), await grads[0].data()];
      for (let i = 0; i < SIZE; i++) {
        expect(output[i]).toBeCloseTo(kept[i] ? input[i] / (1 - rate) : 0, 5);
        expect(gradient[i]).toBeCloseTo(kept[i] ? 1 / (1 - rate) : 0, 5);
      }
      expect(await w.sum(w.dropout(x, 0, state)).item()).toBeCloseTo(await w.sum(x).item(), 3);
      expect(await w.sum(w.dropout(x, 1, state)).item()).toBe(0);
    });

    test('randomNormal and randomUniform have the moments they promise', async () => {
      const n = 20_000;
      const normal = await w.randomNormal([n], { seed: 3, mean: 2, std: 0.5, device }).data();
      const uniform = await w.randomUniform([n], { seed: 3, low: -1, high: 3, device }).data();
      const moments = (values: ArrayLike<number>) => {
        const mean = Array.from(values).reduce((sum, v) => sum + v, 0) / n;
        return { mean, std: Math.sqrt(Array.from(values).reduce((sum, v) => sum + (v - mean) ** 2, 0) / n) };
      };
      // Four standard errors of a mean (std / sqrt(n)) and of a standard deviation (std / sqrt(2 n)).
      expect(Math.abs(moments(normal).mean - 2)).toBeLessThan((4 * 0.5) / Math.sqrt(n));
      expect(Math.abs(moments(normal).std - 0.5)).toBeLessThan((4 * 0.5) / Math.sqrt(2 * n));
      expect(Math.abs(moments(uniform).mean - 1)).toBeLessThan((4 * 4) / Math.sqrt(12 * n));
      expect(Math.abs(moments(uniform).std - 4 / Math.sqrt(12))).toBeLessThan((4 * 1.2) / Math.sqrt(2 * n));
      expect(Math.min(...uniform)).toBeGreaterThanOrEqual(-1);
      expect(Math.max(...uniform)).toBeLessThan(3);
    });

    test('seeds and streams differ, repetitions do not', async () => {
      const draw = async (seed: number, stream?: number) =>
        Array.from(await w.randomNormal([32], { seed, stream, device }).data());
      expect(await draw(1)).toEqual(await draw(1, 0));
      expect(await draw(1)).not.toEqual(await draw(2));
      expect(await draw(1, 1)).not.toEqual(await draw(1, 2));
      // The bits are the host's on every device, so this value holds everywhere: Box-Muller of the first two words.
      const [a, b] = philox4x32([0, 0, 0, 0], [1, 0]);
      const first = Math.sqrt(-2 * Math.log((a + 0.5) * 2 ** -32)) * Math.cos(2 * Math.PI * b * 2 ** -32);
      expect((await draw(1))[0]).toBe(Math.fround(first));
    });

    test('a state or probability that makes no sense is refused', () => {
      const x = w.zeros([4], { device });
      const state = w.tensor(new Uint32Array(4), [4], { device });
      expect(() => w.dropout(x, 1.5, state)).toThrow('rate must lie in [0, 1], not 1.5');
      expect(() => w.dropout(x, 0.5, x)).toThrow('the random state must be uint32, got float32');
      expect(() => w.dropout(x, 0.5, w.tensor(new Uint32Array(2), [2], { device }))).toThrow('must have shape [4]');
      expect(() => w.randomNormal([2], { seed: -1, device })).toThrow('A random seed must be a whole number');
    });
  });
}
