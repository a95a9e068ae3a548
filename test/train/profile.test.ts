/** A profile of training holds every kernel to the roofline that was measured on its own device, and leaves nothing behind. */
import { afterAll, describe, expect, test } from 'vitest';
import { DeviceDataset, readSample } from '../../src/data/index.node.ts';
import { rooflineTime } from '../../src/kernels/ceilings/roofline.ts';
import { profileTraining, RECIPES } from '../../src/train/index.ts';
import { openTestDevices } from '../support/devices.ts';
import { settle } from '../support/garbage.ts';

const SPEC = { name: 'cnn', options: { widths: [4], depth: 1, hidden: 8 } } as const;
const RECIPE = { ...RECIPES.cnn, batchSize: 4 };
const { train } = await readSample();
const EIGHT = { ...train, count: 8, images: train.images.subarray(0, 8 * 784), labels: train.labels.subarray(0, 8) };

const opened = await openTestDevices();
afterAll(() => Promise.all(opened.map(({ device }) => device?.destroy())));

describe.each(opened)('$name', ({ device }) => {
  test.skipIf(!device)(
    'profileTraining counts the kernels of a step, gives each the time its work allows, and leaves nothing behind',
    async () => {
      const data = new DeviceDataset(EIGHT, device!);
      await settle();
      const before = device!.memory().liveAllocations;
      const { entries, calls, roofline, steps } = await profileTraining(SPEC, RECIPE, data, 2);
      expect(device!.memory().liveAllocations).toBe(before);
      expect(steps).toBe(2);
      expect(entries.map(({ kernel }) => kernel)).toEqual(expect.arrayContaining(['conv2d', 'matmul', 'sgdStep']));
      if (device!.kind === 'reference') expect(roofline).toBeUndefined();
      else {
        expect(roofline!.peak).toBeGreaterThan(0);
        for (const { kernel, variant, roof } of entries) {
          const own = calls.filter(call => call.kernel === kernel && call.variant === variant);
          const allowed = own.reduce(
            (sum, { work }) => sum + (work ? rooflineTime(roofline!, work).milliseconds : 0),
            0,
          );
          expect(roof?.milliseconds, kernel).toBeCloseTo(allowed, 9);
          expect(roof!.arithmetic).toBeLessThanOrEqual(roof!.milliseconds);
        }
      }
      data.dispose();
    },
  );
});
