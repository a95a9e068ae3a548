/** Mirror images are found byte for byte; Fashion-MNIST's sample has none. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { ImageSet } from '../../src/data/fashion-mnist.ts';
import { openDataset } from '../../src/data/open-dataset.node.ts';
import { mirroredDuplicates } from '../../src/explore/index.ts';
import { randomSet } from '../support/image-sets.ts';
import { REPOSITORY } from '../support/shared.ts';

/** Rows reversed, pixel by pixel, by hand. */
function mirror(set: ImageSet, from: number, to: number): void {
  const { width, height, channels, images } = set;
  const size = width * height * channels;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < channels; c++) {
        images[to * size + (y * width + x) * channels + c] =
          images[from * size + (y * width + width - 1 - x) * channels + c];
      }
    }
  }
}

test.each([1, 3])('pairs within and across the parts, %i channels', channels => {
  const [train, test] = [randomSet(20, [4, 5, channels], 2, 1), randomSet(6, [4, 5, channels], 2, 2)];
  mirror(train, 3, 9);
  const size = 20 * channels;
  test.images.set(train.images.subarray(9 * size, 10 * size), 2 * size);
  // Its own mirror image, twice: no pair.
  train.images.fill(7, 11 * size, 13 * size);
  const found = mirroredDuplicates({ train, test });
  expect(found.map(pair => pair.map(({ split, index }) => `${split} ${index}`))).toEqual([
    ['train 3', 'train 9'],
    ['train 3', 'test 2'],
  ]);
});

test('the sample of Fashion-MNIST has none', async () => {
  expect(mirroredDuplicates(await openDataset(join(REPOSITORY, 'assets/fashion-mnist-sample')))).toEqual([]);
});
