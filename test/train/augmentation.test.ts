/** Random maps, masks and mixtures: what they mean, and that they follow from (seed, epoch, batch) on every device. */
import { afterAll, describe, expect, test } from 'vitest';
import { DeviceDataset } from '../../src/data/index.ts';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import {
  type AugmentationOptions,
  affineMatrices,
  beta,
  cutMask,
  disposeBatch,
  erasing,
  trainingBatch,
} from '../../src/train/index.ts';
import { openTestDevices } from '../support/devices.ts';

const COUNT = 24;
const pixelsOf = new PhiloxStream(1);
const IMAGES = {
  images: Uint8Array.from({ length: COUNT * 100 }, () => pixelsOf.below(256)),
  labels: Uint8Array.from({ length: COUNT }, (_, i) => i % 10),
  count: COUNT,
  height: 10,
  width: 10,
  channels: 1,
};
const BATCH = [3, 17, 4, 8, 23, 0];
const PLACE = { seed: 7, epoch: 2, batch: 5 };

describe('affine maps', () => {
  test('without a range, every image stays where it is', () => {
    const none = affineMatrices(2, 28, 20, { degrees: 0, scale: 0, shear: 0 }, new PhiloxStream(1));
    expect([...none]).toEqual([1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0]);
  });

  test('the centre stays, and areas change by the square of the scale alone', () => {
    const range = { degrees: 15, scale: 0.2, shear: 10 };
    const matrices = affineMatrices(500, 28, 28, range, new PhiloxStream(2));
    const determinants: number[] = [];
    for (let i = 0; i < 500; i++) {
      const [a, b, c, d, e, f] = matrices.subarray(6 * i, 6 * i + 6);
      expect(a * 13.5 + b * 13.5 + c).toBeCloseTo(13.5, 4);
      expect(d * 13.5 + e * 13.5 + f).toBeCloseTo(13.5, 4);
      // A column of the image turns by the rotation: its direction in the source is (a, d).
      expect(Math.abs(Math.atan2(d, a))).toBeLessThan((15.001 * Math.PI) / 180);
      determinants.push(a * e - b * d);
    }
    expect(Math.min(...determinants)).toBeGreaterThan(1 / 1.2 ** 2 - 1e-5);
    expect(Math.max(...determinants)).toBeLessThan(1 / 0.8 ** 2 + 1e-5);
    expect(Math.max(...determinants) - Math.min(...determinants)).toBeGreaterThan(0.5);
  });
});

describe('shares', () => {
  test.each([0.2, 1, 4])('beta(%f) has its mean 1/2 and variance 1 / (4 (2 alpha + 1))', alpha => {
    const random = new PhiloxStream(3);
    const values = Array.from({ length: 20_000 }, () => beta(alpha, random));
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    const expected = 1 / (4 * (2 * alpha + 1));
    // Five standard errors of the mean; the variance within 5 %.
    expect(Math.abs(mean - 0.5)).toBeLessThan(5 * Math.sqrt(expected / values.length));
    expect(variance / expected).toBeCloseTo(1, 1);
  });

  test('a cut leaves about its share, less where it hangs over the border', () => {
    const random = new PhiloxStream(4);
    const kept = Array.from({ length: 2000 }, () => {
      const mask = cutMask(28, 28, 0.75, random);
      expect(mask.every(value => value === 0 || value === 1)).toBe(true);
      return mask.reduce((sum, value) => sum + value, 0) / 784;
    });
    // sqrt(0.25) 28 = 14 pixels a side.
    expect(Math.min(...kept)).toBe(1 - (14 * 14) / 784);
    expect(Math.max(...kept)).toBeLessThan(1);
    expect(cutMask(28, 28, 1, random).every(value => value === 1)).toBe(true);
  });
});

const devices = await openTestDevices();
const reference = new ReferenceDevice();
const referenceData = new DeviceDataset(IMAGES, reference);

const OPTIONS: Record<string, AugmentationOptions> = {
  nothing: {},
  'crop, flip, erase': { augmentation: { crop: 2, flip: 'alternating', erase: erasing(0.5) } },
  affine: { affine: { degrees: 10, scale: 0.1, shear: 5 } },
  mixup: { mixup: 0.4 },
  cutmix: { cutmix: 1 },
  everything: {
    augmentation: { crop: 2, flip: 'random', erase: erasing(0.5) },
    affine: { degrees: 10, scale: 0.1, shear: 5 },
    mixup: 0.4,
    cutmix: 1,
  },
};

for (const { name, device } of devices) {
  describe.skipIf(!device)(`on ${name}`, () => {
    afterAll(() => device?.destroy());

    test.each(Object.entries(OPTIONS))('%s: the same batch as on the reference device', async (_, options) => {
      const data = new DeviceDataset(IMAGES, device!);
      const [ours, theirs] = [data, referenceData].map(set => trainingBatch(set, BATCH, options, PLACE));
      expect([...(await ours.labels.data())]).toEqual([...(await theirs.labels.data())]);
      const [actual, expected] = [await ours.images.data(), await theirs.images.data()];
      actual.forEach((value, i) => {
        expect(Math.abs(value - expected[i])).toBeLessThan(2e-5);
      });
      if (ours.mixed) {
        expect([...(await ours.mixed.labels.data())]).toEqual([...(await theirs.mixed!.labels.data())]);
        expect(await ours.mixed.share.item()).toBe(Math.fround(await theirs.mixed!.share.item()));
      }
      const again = trainingBatch(data, BATCH, options, PLACE);
      expect(await again.images.data()).toEqual(actual);
      if (Object.keys(options).length > 0) {
        const next = trainingBatch(data, BATCH, options, { ...PLACE, epoch: 3 });
        expect(await next.images.data()).not.toEqual(actual);
        disposeBatch(next);
      }
      for (const batch of [ours, theirs, again]) disposeBatch(batch);
      data.dispose();
    });
  });
}

test.each([2, 3, 5])(
  'images of %i channels: what moves pixels moves all their channels alike, bounds are kept',
  async channels => {
    // Every channel shows the grey image.
    const images = Uint8Array.from(
      { length: COUNT * 100 * channels },
      (_, i) => IMAGES.images[Math.floor(i / channels)],
    );
    const data = new DeviceDataset({ ...IMAGES, images, channels }, reference);
    const { images: shown, ...rest } = trainingBatch(data, BATCH, OPTIONS.everything, PLACE);
    expect(shown.shape).toEqual([6, 10, 10, channels]);
    expect((await shown.data()).every(value => value >= 0 && value <= 1 + 1e-6)).toBe(true);
    disposeBatch({ images: shown, ...rest });
    // Erased pixels are noise of their own in every channel; without that all channels stay equal to the grey images'.
    const moving = { ...OPTIONS.everything, augmentation: { crop: 2, flip: 'random', erase: null } } as const;
    const [many, one] = [data, referenceData].map(set => trainingBatch(set, BATCH, moving, PLACE));
    const [values, expected] = [await many.images.data(), await one.images.data()];
    values.forEach((value, i) => {
      expect(value).toBeCloseTo(expected[Math.floor(i / channels)], 12);
    });
    for (const batch of [many, one]) disposeBatch(batch);
    data.dispose();
  },
);

test('a mixup is the stated blend of an image and its partner from the other end of the batch', async () => {
  const plain = trainingBatch(referenceData, BATCH, {}, PLACE);
  const mixed = trainingBatch(referenceData, BATCH, { mixup: 1 }, PLACE);
  const share = await mixed.mixed!.share.item();
  expect(share).toBeGreaterThanOrEqual(0.5);
  const [before, after] = [await plain.images.data(), await mixed.images.data()];
  const labels = await plain.labels.data();
  const [first, second] = [await mixed.labels.data(), await mixed.mixed!.labels.data()];
  for (let i = 0; i < BATCH.length; i++) {
    const partner = BATCH.length - 1 - i;
    // The class with the greater share comes first, whichever image it is from.
    const own = first[i] === labels[i] ? share : 1 - share;
    expect([first[i], second[i]].sort()).toEqual([labels[i], labels[partner]].sort());
    for (let p = 0; p < 100; p++) {
      const expected = own * before[i * 100 + p] + (1 - own) * before[partner * 100 + p];
      expect(after[i * 100 + p]).toBeCloseTo(expected, 6);
    }
  }
});
