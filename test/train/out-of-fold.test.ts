/** Every image is judged once, by a network that was trained on the other folds. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DeviceDataset } from '../../src/data/device-dataset.ts';
import type { Device } from '../../src/devices/device.ts';
import { openDevice } from '../../src/devices/open.ts';
import { doubtfulLabels, foldsOf, outOfFoldProbabilities, RECIPES, topKAccuracy } from '../../src/train/index.ts';
import { barred } from '../support/other-data.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice('wasm');
});
afterAll(() => device.destroy());

test('folds deal out every class evenly, otherwise with another seed', () => {
  const labels = Uint8Array.from({ length: 90 }, (_, i) => Number(i % 9 === 0));
  const fold = foldsOf(labels, 3, 0);
  for (const label of [0, 1]) {
    const counts = [0, 1, 2].map(own => fold.filter((of, i) => of === own && labels[i] === label).length);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
  }
  expect(foldsOf(labels, 3, 0)).toEqual(fold);
  expect(foldsOf(labels, 3, 1)).not.toEqual(fold);
});

test('a wrong label is doubted, and rows are probabilities', async () => {
  const set = barred(200, [12, 12, 1], 4, 1);
  const right = set.labels[17];
  set.labels[17] = (right + 1) % 4;
  const images = new DeviceDataset(set, device);
  const options = {
    model: { name: 'cnn', options: { widths: [4, 8], hidden: 16, imageShape: [12, 12, 1], classes: 4 } },
    recipe: { ...RECIPES.cnn, epochs: 6, batchSize: 20, smoothing: 0 },
    ...{ folds: 3, classes: 4, seed: 0 },
  } as const;
  const probabilities = await outOfFoldProbabilities(images, set.labels, {
    ...options,
    recipe: { ...options.recipe, augmentation: null },
  });
  for (let i = 0; i < 200; i++) {
    expect(probabilities.subarray(4 * i, 4 * i + 4).reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 5);
  }
  expect(topKAccuracy(probabilities, set.labels, 1)).toBeGreaterThan(0.9);
  expect(doubtfulLabels(probabilities, set.labels)[0]).toMatchObject({ index: 17, likely: right });
  await expect(outOfFoldProbabilities(images, set.labels, { ...options, folds: 1 })).rejects.toThrow(
    /out of fold: folds must be a whole number of at least 2 and at most 200, not 1/,
  );
  images.dispose();
});
