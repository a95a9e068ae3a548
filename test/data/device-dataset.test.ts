/** A data set on a device takes what it says it is, and gives only images that it has. */
import { afterAll, describe, expect, test } from 'vitest';
import { DeviceDataset, type ImageSet } from '../../src/data/index.node.ts';
import { DTypeError, ShapeError, UsageError } from '../../src/devices/errors.ts';
import { tidy } from '../../src/index.ts';
import { openTestDevices } from '../support/devices.ts';
import { settle } from '../support/garbage.ts';

const SET: ImageSet = {
  images: Uint8Array.from({ length: 5 * 4 }, (_, i) => i),
  labels: Uint8Array.of(0, 1, 2, 3, 255),
  ...{ count: 5, height: 2, width: 2, channels: 1 },
};

const bad = (change: object) => ({ ...SET, ...change }) as ImageSet;

for (const { name, device } of await openTestDevices()) {
  describe.skipIf(!device)(`on ${name}`, () => {
    afterAll(() => device?.destroy());

    test.each<[string, ImageSet, new (message: string) => Error, RegExp]>([
      ['a label too few', bad({ labels: new Uint8Array(4) }), ShapeError, /5 images need 5 labels, not 4/],
      [
        'labels that are no bytes',
        bad({ labels: new Int32Array(5) }),
        DTypeError,
        /labels must be bytes \(Uint8Array\)/,
      ],
      [
        'images as numbers',
        bad({ images: Array(20).fill(0) }),
        DTypeError,
        /images must be bytes \(Uint8Array\), not \[0/,
      ],
      ['no labels', bad({ labels: undefined }), DTypeError, /labels must be bytes \(Uint8Array\), not undefined/],
      [
        'a pixel too few',
        bad({ images: new Uint8Array(19) }),
        ShapeError,
        /5 images of \[2, 2, 1\] are 20 bytes, not 19/,
      ],
      ['no images', bad({ count: 0 }), UsageError, /count must be a whole number of at least 1, not 0/],
      [
        'a fraction of a pixel',
        bad({ width: 1.5 }),
        UsageError,
        /width must be a whole number of at least 1, not 1\.5/,
      ],
      ['a size that asks for terabytes', bad({ height: 2 ** 40 }), ShapeError, /are \d+ bytes, not 20/],
    ])('%s is refused before anything is allocated', (_, set, type, message) => {
      const before = device!.memory();
      expect(() => new DeviceDataset(set, device!)).toThrow(type);
      expect(() => new DeviceDataset(set, device!)).toThrow(message);
      expect(device!.memory()).toEqual(before);
    });

    test('only places in the data are given, by every way to a batch', async () => {
      const data = new DeviceDataset(SET, device!);
      await settle();
      const before = device!.memory();
      const augmentation = { crop: 0, flip: 'none', erase: null };
      const place = { seed: 0, epoch: 0, step: 0 };
      for (const [index, shown] of [
        [-1, '-1'],
        [5, '5'],
        [1.5, '1.5'],
        [Number.NaN, 'NaN'],
        [undefined, 'undefined'],
      ] as [number, string][]) {
        const message = `DeviceDataset: indices[1] must be the place of one of 5 images, 0 to 4, not ${shown}.`;
        expect(() => data.batch([0, index])).toThrow(new UsageError(message));
        expect(() => data.augmentedBatch([0, index], augmentation as never, place)).toThrow(new UsageError(message));
      }
      expect(device!.memory()).toEqual(before);
      const { images, labels } = tidy(() => data.batch(Uint32Array.of(4, 0)));
      expect([...(await labels.data())]).toEqual([255, 0]);
      expect((await images.data())[0]).toBeCloseTo(16 / 255, 6);
      for (const one of [images, labels, data]) one.dispose();
    });
  });
}
