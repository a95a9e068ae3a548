/** The cleaning report on images made by hand, and what is known of the real ones. */
import { describe, expect, test } from 'vitest';
import type { ImageSet } from '../../src/data/fashion-mnist.ts';
import { cleaningReport, type Neighbours, nearDuplicates } from '../../src/explore/index.ts';
import { readSystemFashionMnist } from '../support/fashion-mnist.ts';

/** Images of 2 x 2 pixels. */
function imagesOf(...rows: [label: number, ...pixels: number[]][]): ImageSet {
  return {
    images: Uint8Array.from(rows.flatMap(([, ...pixels]) => pixels)),
    labels: Uint8Array.from(rows, ([label]) => label),
    count: rows.length,
    height: 2,
    width: 2,
    channels: 1,
  };
}

const train = imagesOf([0, 0, 0, 0, 0], [1, 0, 255, 0, 255], [0, 1, 2, 3, 4], [1, 0, 255, 0, 255], [0, 9, 9, 9, 9]);
const test3 = imagesOf([1, 1, 2, 3, 4], [0, 4, 3, 2, 1], [0, 4, 3, 2, 1], [0, 0, 255, 0, 255]);

describe('cleaningReport', () => {
  const report = cleaningReport({ train, test: test3 }, 3);

  test('counts, pixels, constant images', () => {
    expect(report.train).toMatchObject({ images: 5, size: [2, 2, 1], perClass: [3, 2, 0] });
    expect(report.test.perClass).toEqual([3, 1, 0]);
    const pixels = Array.from(train.images, byte => byte / 255);
    const mean = pixels.reduce((sum, value) => sum + value, 0) / 20;
    expect(report.train.pixels.mean).toBeCloseTo(mean, 12);
    expect(report.train.pixels.sd).toBeCloseTo(Math.sqrt(pixels.reduce((sum, v) => sum + (v - mean) ** 2, 0) / 20), 12);
    expect(report.train.pixels.zero).toBe(8 / 20);
    expect(report.train.brightness).toEqual([expect.closeTo(46 / 12 / 255, 12), 0.5, 0]);
    expect(report.train.constant).toEqual([
      { split: 'train', index: 0, label: 0, value: 0 },
      { split: 'train', index: 4, label: 0, value: 9 },
    ]);
    expect(report.test.constant).toEqual([]);
  });

  test('mean images are of each class; a class without images has zeros', () => {
    expect(report.meanImages[1]).toEqual([0, 1, 0, 1]);
    expect(report.meanImages[2]).toEqual([0, 0, 0, 0]);
    expect(report.meanImages[0][3]).toBeCloseTo(13 / 3 / 255, 4);
  });

  test('equal images within and between the sets, and their labels', () => {
    const { groups, ...counts } = report.duplicates;
    expect(counts).toEqual({ withinTrain: 1, withinTest: 1, testInTrain: 2, conflicting: 2 });
    const ref = (split: string, index: number, label: number) => ({ split, index, label });
    expect(groups).toEqual([
      [ref('train', 1, 1), ref('train', 3, 1), ref('test', 3, 0)],
      [ref('train', 2, 0), ref('test', 0, 1)],
      [ref('test', 1, 0), ref('test', 2, 0)],
    ]);
  });

  test('labels that are no class, and sets that do not fit', () => {
    expect(() => cleaningReport({ train, test: test3 }, 1)).toThrow('train image 1 has label 1 of 1 classes');
    expect(() => cleaningReport({ train: { ...train, count: 4 }, test: test3 }, 3)).toThrow(
      'the set says 4 images and holds 5 labels and 20 bytes',
    );
  });

  test('a number of classes that is none', () => {
    const { train } = { train: imagesOf([0, 0, 0, 0, 0]) };
    for (const classes of [0, -1, 1.5, Number.NaN])
      expect(() => cleaningReport({ train, test: train }, classes)).toThrow(`at least 1, not ${classes}`);
  });

  test('equal hashes are not taken for equal images', () => {
    // Two strings of equal FNV-1a hash, "costarring" and "liquor" (a collision known of old), in the bytes of images.
    const bytes = (text: string): number[] => Array.from(text, letter => letter.charCodeAt(0));
    const set = (text: string): ImageSet => ({
      images: Uint8Array.from(bytes(text)),
      labels: Uint8Array.of(0),
      count: 1,
      height: 1,
      width: text.length,
      channels: 1,
    });
    expect(cleaningReport({ train: set('costarring'), test: set('liquor') }, 1).duplicates.groups).toEqual([]);
  });
});

describe('nearDuplicates', () => {
  const neighbours = (indices: number[], distances: number[]): Neighbours => ({
    indices: Int32Array.from(indices),
    distances: Float64Array.from(distances),
    count: indices.length,
    k: 1,
  });
  const sets = {
    train: imagesOf([0, 0, 0, 0, 0], [1, 0, 0, 0, 4], [0, 200, 0, 0, 0], [0, 0, 0, 0, 0]),
    test: imagesOf([1, 200, 2, 0, 0], [0, 90, 90, 90, 90]),
  };

  test('the pixels decide, each pair counts once, equal images are left out', () => {
    // Distances as a projection might shorten them: image 2 seems near to image 0, and is not.
    const found = nearDuplicates(
      sets,
      [
        { split: 'train', neighbours: neighbours([1, 0, 0, 0], [0.01, 0.01, 0.01, 0]) },
        { split: 'test', neighbours: neighbours([2, 0], [0.007, 0.5]) },
      ],
      0.01,
    );
    expect(found).toMatchObject({ threshold: 0.01, withinTrain: 1, withinTest: 0, testInTrain: 1, conflicting: 2 });
    expect(found.pairs.map(({ images: [a, b] }) => [a.split, a.index, b.split, b.index])).toEqual([
      ['train', 2, 'test', 0],
      ['train', 0, 'train', 1],
    ]);
    expect(found.pairs[0].difference).toBeCloseTo(Math.sqrt((2 / 255) ** 2 / 4), 12);
  });

  test('pairs within the test images are told from pairs of test and training images', () => {
    const alike = { ...sets, test: imagesOf([1, 50, 60, 70, 80], [0, 90, 90, 90, 90], [0, 51, 60, 70, 80]) };
    const found = nearDuplicates(
      alike,
      [{ split: 'test', amongSplit: 'test', neighbours: neighbours([2, 0, 0], [0.003, 0.3, 0.003]) }],
      0.01,
    );
    expect(found).toMatchObject({ withinTrain: 0, withinTest: 1, testInTrain: 0, conflicting: 1 });
    expect(found.pairs.map(({ images: [a, b] }) => [a.split, a.index, b.split, b.index])).toEqual([
      ['test', 0, 'test', 2],
    ]);
  });

  test('a pair at the threshold counts although float32 makes its projection a little longer', () => {
    const longest = 0.01 * Math.sqrt(4);
    const near = [{ split: 'train' as const, neighbours: neighbours([1], [longest + 5e-4]) }];
    expect(nearDuplicates(sets, near, 0.01).withinTrain).toBe(1);
    for (const threshold of [-1, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => nearDuplicates(sets, [], threshold)).toThrow(`at least 0, not ${threshold}`);
  });

  test('places in a part of a set are places in the set again', () => {
    const { pairs } = nearDuplicates(
      sets,
      [{ split: 'train', neighbours: neighbours([1, 0], [0.01, 0.01]), indices: [3, 1], among: [3, 1] }],
      0.01,
    );
    expect(pairs.map(({ images: [a, b] }) => [a.index, b.index])).toEqual([[1, 3]]);
  });
});

const real = readSystemFashionMnist();
test.skipIf(!real)(
  `the real training images ${real ? '' : '(skipped: dataset-fashion-mnist is not installed)'}`,
  () => {
    const set: ImageSet = { ...real!, count: 60_000, height: 28, width: 28, channels: 1 };
    const nothing: ImageSet = { ...set, images: new Uint8Array(0), labels: new Uint8Array(0), count: 0 };
    const { train: described, duplicates, test: empty } = cleaningReport({ train: set, test: nothing }, 10);
    expect(described.perClass).toEqual(new Array(10).fill(6000));
    expect(described.pixels.mean).toBeCloseTo(0.286, 4);
    expect(described.pixels.sd).toBeCloseTo(0.353, 4);
    expect(described.constant).toEqual([]);
    // len({image.tobytes() for image in images}) in numpy is 60000 too.
    expect(duplicates.groups).toEqual([]);
    expect(empty.pixels).toEqual({ mean: 0, sd: 0, zero: 0 });
  },
);
