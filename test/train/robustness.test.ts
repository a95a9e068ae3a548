/** Accuracy under corruption and on photographs, counted on a small network and by hand. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { corruptImages } from '../../src/data/corruption.ts';
import { DeviceDataset } from '../../src/data/device-dataset.ts';
import { readSample } from '../../src/data/fashion-mnist.node.ts';
import type { Device } from '../../src/devices/device.ts';
import { openWasmDevice } from '../../src/devices/wasm/device.ts';
import { buildModel, type Module } from '../../src/nn/index.ts';
import { predictedClasses, predictLogits } from '../../src/train/index.ts';
import { isRight, photoAccuracy, photoSet, rankedClasses } from '../../src/train/photos.ts';
import { corruptionTables, recognition } from '../../src/train/robustness.ts';

const { test: sample } = await readSample();
const COUNT = 60;
const set = {
  ...sample,
  count: COUNT,
  images: sample.images.subarray(0, COUNT * 784),
  labels: sample.labels.subarray(0, COUNT),
};

describe('corruptionTables', () => {
  let device: Device;
  let models: Module[];
  beforeAll(async () => {
    device = await openWasmDevice({ threads: 1 });
    const spec = { name: 'cnn', options: { widths: [4, 6], depth: 1, hidden: 12 } } as const;
    models = [1, 2].map(seed => buildModel(spec).initialize({ device, seed }));
  });
  afterAll(async () => {
    for (const model of models) model.dispose();
    await device.destroy();
  });

  test('every cell is the accuracy on those images, for each model', async () => {
    const passes: string[] = [];
    const tables = await corruptionTables(models, set, {
      device,
      corruptions: ['fog', 'inverse'],
      severities: [2, 5],
      seed: 3,
      onProgress: (pass, done, total) => passes.push(`${done}/${total} ${pass}`),
    });
    expect(passes).toEqual([
      '0/4 clean images',
      '1/4 fog, severity 2',
      '2/4 fog, severity 5',
      '3/4 inverse, severity 2',
    ]);
    for (const [m, model] of models.entries()) {
      const { clean, rows, meanAccuracy, meanRelative } = tables[m];
      const measured = async (name: string, severity: number) => {
        const corrupted = corruptImages(set, name, severity, { seed: 3 });
        const images = new DeviceDataset(corrupted, device);
        const predicted = predictedClasses(await predictLogits(model, images), 10);
        images.dispose();
        return Array.from(predicted).filter((label, i) => label === set.labels[i]).length;
      };
      expect(clean.right).toBe(await measured('fog', 0));
      expect(clean.images).toBe(COUNT);
      const [fog, inverse] = rows;
      for (const point of fog.points) {
        expect(point.right).toBe(await measured('fog', point.severity));
        expect(point.accuracy).toBe(point.right / COUNT);
        expect(point.relative).toBeCloseTo(point.accuracy / clean.accuracy, 12);
        expect(point.ci95[0]).toBeLessThanOrEqual(point.accuracy);
        expect(point.ci95[1]).toBeGreaterThanOrEqual(point.accuracy);
      }
      expect([fog.graded, inverse.graded]).toEqual([true, false]);
      expect(inverse.points[0].right).toBe(await measured('inverse', 1));
      expect(inverse.points[1].right).toBe(inverse.points[0].right);
      const cells = rows.flatMap(row => row.points.map(point => point.accuracy));
      expect(meanAccuracy).toBeCloseTo(cells.reduce((a, b) => a + b, 0) / 4, 12);
      expect(meanRelative).toBeCloseTo(meanAccuracy / clean.accuracy, 12);
    }
  });

  test('stops when it is told to, and refuses what means nothing', async () => {
    const options = { device, corruptions: ['fog'], severities: [1] };
    await expect(corruptionTables(models, set, { ...options, signal: AbortSignal.abort() })).rejects.toThrow();
    await expect(corruptionTables(models, set, { ...options, severities: [0] })).rejects.toThrow(/clean images/);
    await expect(corruptionTables(models, set, { ...options, corruptions: [] })).rejects.toThrow(/at least one/);
    await expect(corruptionTables(models, set, { ...options, corruptions: ['x'] })).rejects.toThrow(
      /no corruption "x"/,
    );
  });
});

test('recognition counts hits', () => {
  const { right, accuracy, ci95 } = recognition([1, 2, 3, 3], [1, 2, 3, 4]);
  expect([right, accuracy]).toEqual([3, 0.75]);
  // Wilson's interval of 3 of 4 (R: prop.test(3, 4, correct = FALSE)).
  expect(ci95[0]).toBeCloseTo(0.3006418, 6);
  expect(ci95[1]).toBeCloseTo(0.9544127, 6);
});

describe('photographs', () => {
  test('the likeliest classes, and what counts as right', () => {
    expect(rankedClasses([0.1, 0.5, 0.1, 0.3], 3).map(({ class: label, name }) => [label, name])).toEqual([
      [1, 'Trouser'],
      [3, 'Dress'],
      [0, 'T-shirt/top'],
    ]);
    expect(isRight(7, [5, 7, 9])).toBe(true);
    expect(isRight(8, [5, 7, 9])).toBe(false);
    expect(isRight(8, [])).toBeNull();
    expect(isRight(8, undefined)).toBeNull();
  });

  test('accuracy over those that have a right answer', () => {
    const accuracy = photoAccuracy([
      { right: true, label: [4] },
      { right: true, label: [4] },
      { right: false, label: [4] },
      { right: false, label: [5, 7] },
      { right: null, label: [] },
      { right: null },
    ])!;
    expect(accuracy).toMatchObject({ images: 4, right: 2, accuracy: 0.5 });
    expect(accuracy.macro).toBeCloseTo(1 / 3, 12);
    expect(accuracy.perLabel).toEqual([
      { label: 'Coat', images: 3, right: 2 },
      { label: 'Sandal or Sneaker', images: 1, right: 0 },
    ]);
    expect(photoAccuracy([{ right: null }])).toBeNull();
  });

  test('as a data set', () => {
    const photos = photoSet([new Uint8Array(784).fill(7), new Uint8Array(784).fill(9)]);
    expect([photos.count, photos.images[783], photos.images[784]]).toEqual([2, 7, 9]);
    expect(() => photoSet([])).toThrow(/no photographs/);
  });
});
