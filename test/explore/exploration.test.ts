/** Options of an exploration are checked before anything is counted. */
import { expect, test } from 'vitest';
import type { ImageSet } from '../../src/data/fashion-mnist.ts';
import { UsageError } from '../../src/devices/errors.ts';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import { exploreImages } from '../../src/explore/index.ts';

test('options that cannot be', async () => {
  const set: ImageSet = {
    images: Uint8Array.from({ length: 60 * 16 }, (_, i) => (i * i * 7) % 256),
    labels: Uint8Array.from({ length: 60 }, (_, i) => i % 10),
    ...{ count: 60, height: 4, width: 4, channels: 1 },
  };
  const said: string[] = [];
  for (const options of [
    { components: 0 },
    { components: 2.5 },
    // As many neighbours vote as a point must have.
    { mapImages: 10 },
    { neighbourImages: Number.NaN },
    { steps: -1 },
    { exaggerationSteps: 0.5 },
    { nearThreshold: -0.1 },
    { nearThreshold: Number.POSITIVE_INFINITY },
  ]) {
    const run = exploreImages(
      { train: set, test: set, isSample: false },
      { device: new ReferenceDevice(), onProgress: what => said.push(what), ...options },
    );
    const [[name, value]] = Object.entries(options);
    await expect(run, name).rejects.toThrow(new RegExp(`${name} is a (whole )?number of at least .*, not ${value}\\.`));
    await expect(run).rejects.toThrow(UsageError);
  }
  expect(said).toEqual([]);
});
