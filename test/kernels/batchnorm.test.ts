/**
 * What the conformance cases cannot state: an infinite or overflowing batch has no single right answer in float32, but it
 * must show up in the running statistics of its channel (a network whose activations became zeros looks healthy), and must
 * leave the other channels alone.
 */
import { afterAll, describe, expect, test } from 'vitest';
import { release } from '../../src/devices/storage.ts';
import { batchNormTrain } from '../../src/kernels/batchnorm/index.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import { openTestDevices } from '../support/devices.ts';

const COUNT = 300;
const BAD_CHANNEL = 2;

for (const { name, device } of await openTestDevices()) {
  describe.skipIf(!device)(`batch norm on ${name}`, () => {
    if (device) afterAll(() => device.destroy());
    for (const channels of [4, 5]) {
      for (const bad of [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN]) {
        test(`${bad} in one of ${channels} channels`, async () => {
          const stream = new PhiloxStream(channels);
          const values = Float32Array.from({ length: COUNT * channels }, () => stream.uniform());
          values[137 * channels + BAD_CHANNEL] = bad;
          const vector = (value: number) => new Float32Array(channels).fill(value);
          const upload = (shape: number[], data: Float32Array) => {
            const storage = device!.allocate(data.length, 'float32');
            device!.write(storage, data);
            return { storage, shape };
          };
          const inputs = [
            upload([COUNT, channels], values),
            upload([channels], vector(1)),
            upload([channels], vector(0)),
          ];
          const outputs = [
            upload([COUNT, channels], new Float32Array(values.length)),
            ...[0, 0, 0.5, 1].map(value => upload([channels], vector(value))),
          ];
          device!.run(batchNormTrain, inputs, outputs, { epsilon: 1e-5, momentum: 0.1, activation: 'relu' });
          const [y, , , runningMean, runningVariance] = await Promise.all(outputs.map(o => device!.read(o.storage)));
          for (let c = 0; c < channels; c++) {
            const finite = [runningMean[c], runningVariance[c]].map(Number.isFinite);
            if (c === BAD_CHANNEL) expect(finite).not.toEqual([true, true]);
            else {
              expect(finite).toEqual([true, true]);
              for (let i = c; i < y.length; i += channels) expect(Number.isFinite(y[i])).toBe(true);
            }
          }
          expect(Number.isFinite(y[137 * channels + BAD_CHANNEL])).toBe(false);
          for (const { storage } of [...inputs, ...outputs]) release(storage);
        });
      }
    }
  });
}
