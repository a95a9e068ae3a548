/** Cutting pictures: the known cut, the invariants of every cut, and what is refused. */
import { describe, expect, test } from 'vitest';
import {
  checkSegments,
  gridSegments,
  type Segments,
  segmentImages,
  segmentMeans,
  segmentSizes,
  segmentsFromMap,
  slic,
  spreadOverSegments,
} from '../../../src/explain/segmentation/index.ts';
import { PhiloxStream } from '../../../src/kernels/random/philox.ts';

/** 20 x 21 pixels in four flat quadrants, [channels] values each. */
function quadrants(colors: readonly (readonly number[])[]): { values: number[]; shape: number[] } {
  const values = Array.from({ length: 20 * 21 }, (_, i) => colors[quadrantOf(i)]).flat();
  return { values, shape: [20, 21, colors[0].length] };
}
const quadrantOf = (pixel: number): number => (pixel >= 210 ? 2 : 0) + (pixel % 21 >= 10 ? 1 : 0);
const wanted = Array.from({ length: 20 * 21 }, (_, i) => quadrantOf(i));

function noise(length: number, seed: number): Float64Array {
  const random = new PhiloxStream(seed);
  return Float64Array.from({ length }, () => random.uniform());
}

/** Connected parts of every label, counted by repeated spreading of the smallest pixel number. */
function parts({ labels, shape: [height, width] }: Segments): number {
  const root = Int32Array.from(labels.keys());
  for (let changed = true; changed; ) {
    changed = false;
    for (let p = 0; p < labels.length; p++) {
      for (const q of [p % width < width - 1 ? p + 1 : p, p < (height - 1) * width ? p + width : p]) {
        const least = Math.min(root[p], root[q]);
        if (labels[p] !== labels[q] || (root[p] === least && root[q] === least)) continue;
        root[p] = root[q] = least;
        changed = true;
      }
    }
  }
  return new Set(root).size;
}

describe('SLIC', () => {
  test('finds four flat quadrants, grey or in colour, whatever their contrast', () => {
    for (const grey of [
      [0, 0.33, 0.67, 1],
      [1, 0.2, 0.6, 0],
      [0.4, 0.41, 0.42, 0.43],
      [0, 1, 1, 0],
    ]) {
      const cut = slic(quadrants(grey.map(value => [value])), { segments: 4 });
      expect(cut.count).toBe(4);
      expect([...cut.labels]).toEqual(wanted);
    }
    const colors = [
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
      [0, 0, 0],
    ];
    expect([...slic(quadrants(colors), { segments: 4 }).labels]).toEqual(wanted);
  });

  test('takes [H, W] as it takes [H, W, 1]', () => {
    const image = quadrants([[0], [0.3], [0.6], [1]]);
    expect(slic({ ...image, shape: [20, 21] }, { segments: 4 })).toEqual(slic(image, { segments: 4 }));
  });

  test('follows an edge that a grid would cut through', () => {
    // A bright disc of radius 8: no segment holds more than a few pixels of the other side.
    const inside = (p: number): boolean => Math.hypot(Math.floor(p / 28) - 13.5, (p % 28) - 13.5) < 8;
    const values = Array.from({ length: 784 }, (_, p) => (inside(p) ? 0.8 : 0));
    const strays = (cut: Segments): number => {
      const share = segmentMeans(
        cut,
        values.map(value => (value > 0 ? 1 : 0)),
      );
      return segmentSizes(cut).reduce((sum, size, k) => sum + size * Math.min(share[k], 1 - share[k]), 0);
    };
    expect(strays(gridSegments([28, 28], 50))).toBeGreaterThan(40);
    expect(strays(slic({ values, shape: [28, 28] }))).toBeLessThan(4);
  });

  test('every segment is one connected piece within the sizes, in reading order, and a repeat is the same', () => {
    for (const [height, width, channels, segments] of [
      [28, 28, 1, 50],
      [17, 40, 3, 30],
      [28, 28, 1, 7],
      [5, 3, 1, 15],
    ]) {
      const image = { values: noise(height * width * channels, segments), shape: [height, width, channels] };
      const cut = slic(image, { segments });
      checkSegments(cut, height, width); // throws where labels or counts do not fit
      expect(parts(cut)).toBe(cut.count);
      const expected = (height * width) / segments;
      const sizes = [...segmentSizes(cut)];
      // A grid of nearly square cells need not have exactly as many cells as were asked for.
      expect(Math.min(...sizes)).toBeGreaterThanOrEqual(Math.floor(0.45 * expected));
      expect(Math.max(...sizes)).toBeLessThan(4 * expected);
      const firsts = sizes.map((_, k) => cut.labels.indexOf(k));
      expect(firsts).toEqual([...firsts].sort((a, b) => a - b));
      expect(slic(image, { segments })).toEqual(cut);
    }
  });

  test('a large flat piece is cut: with colour alone deciding, a flat image has more than one segment', () => {
    const sizes = segmentSizes(slic({ values: new Float64Array(784), shape: [28, 28] }));
    expect(sizes.length).toBe(49);
    expect([...new Set(sizes)]).toEqual([16]);
  });

  test('more compact segments come with a larger compactness', () => {
    // Border length between segments of a noisy image.
    const border = ({ labels }: Segments): number =>
      labels.reduce(
        (sum, label, p) =>
          sum + Number(p % 28 < 27 && label !== labels[p + 1]) + Number(p < 28 * 27 && label !== labels[p + 28]),
        0,
      );
    const image = { values: noise(784, 3), shape: [28, 28] };
    expect(border(slic(image, { compactness: 3 }))).toBeLessThan(0.8 * border(slic(image)));
  });

  test('refuses what is no image or no number', () => {
    const image = { values: noise(16, 1), shape: [4, 4] };
    expect(() => slic({ values: noise(16, 1), shape: [4, 5] })).toThrow(/16 values of shape \[4, 5\]/);
    expect(() => slic({ values: [0, Number.NaN, 1, 1], shape: [2, 2] }, { segments: 1 })).toThrow(/Value 1 .* is NaN/);
    expect(() => slic(image, { segments: 17 })).toThrow(/cannot be cut into 17 segments/);
    expect(() => slic(image, { segments: 0 })).toThrow(/cannot be cut into 0/);
    expect(() => slic(image, { segments: 2, compactness: 0 })).toThrow(/compactness/);
    expect(() => slic(image, { segments: 2, iterations: 0.5 })).toThrow(/iterations/);
    expect(() => slic(image, { segments: 2, sizes: [2, 3] })).toThrow(/sizes/);
  });
});

describe('the grid', () => {
  test('has nearly square cells, about as many as asked for', () => {
    const { labels, count } = gridSegments([4, 6], 6);
    expect(count).toBe(6);
    expect([...labels]).toEqual([0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 3, 3, 4, 4, 5, 5]);
    for (const asked of [1, 2, 3, 9, 30, 49, 50, 60, 784]) {
      expect(Math.abs(gridSegments([28, 28], asked).count - asked)).toBeLessThanOrEqual(0.05 * asked);
    }
    expect(gridSegments([1, 9], 3).count).toBe(3);
  });

  test('or exactly the rows and columns asked for', () => {
    const cut = gridSegments([5, 4], [2, 4]);
    expect([...segmentSizes(cut)]).toEqual([3, 3, 3, 3, 2, 2, 2, 2]);
    checkSegments(cut, 5, 4);
    expect(() => gridSegments([5, 4], [6, 1])).toThrow(/no grid of 6 x 1/);
    expect(() => gridSegments([5, 4], 21)).toThrow(/cannot be cut into 21/);
    expect(() => gridSegments([0, 4], 1)).toThrow(/no image of 0 x 4/);
  });
});

describe('segment maps', () => {
  test("the caller's own numbers become labels in reading order", () => {
    const cut = segmentsFromMap([7, 7, -2, 7, 100, -2], [2, 3]);
    expect(cut).toEqual({ labels: Int32Array.of(0, 0, 1, 0, 2, 1), shape: [2, 3], count: 3 });
    expect([...segmentSizes(cut)]).toEqual([3, 2, 1]);
    expect([...segmentMeans(cut, [1, 2, 3, 6, 5, 4])]).toEqual([3, 3.5, 5]);
    expect([...spreadOverSegments(cut, [4, 5, 6])]).toEqual([4, 4, 5, 4, 6, 5]);
    expect(() => segmentsFromMap([1, 2], [2, 3])).toThrow(/need 6 labels, not 2/);
    expect(() => segmentsFromMap([1, 0.5], [1, 2])).toThrow(/pixel 1 has 0.5/);
    expect(() => segmentMeans(cut, [1])).toThrow(/6 pixels got 1/);
  });

  test('a wrong map gets a sentence', () => {
    const cut = (labels: number[], count: number): Segments => ({
      labels: Int32Array.from(labels),
      shape: [1, 3],
      count,
    });
    checkSegments(cut([0, 1, 0], 2), 1, 3);
    expect(() => checkSegments(cut([0, 1, 0], 2), 3, 1)).toThrow(/1 x 3 pixels, the image of 3 x 1/);
    expect(() => checkSegments(cut([0, 1], 2), 1, 3)).toThrow(/need 3 labels, not 2/);
    expect(() => checkSegments(cut([0, 2, 1], 2), 1, 3)).toThrow(/label 2 at row 0, column 1/);
    expect(() => checkSegments(cut([0, -1, 1], 2), 1, 3)).toThrow(/label -1/);
    expect(() => checkSegments(cut([0, 2, 2], 3), 1, 3)).toThrow(/segment 1 of 3/);
    expect(() => checkSegments(cut([0, 0, 0], 0), 1, 3)).toThrow(/count is 0/);
  });

  test('images are cut one by one, all alike, or as given', () => {
    const images = { values: noise(3 * 64, 4), shape: [3, 8, 8, 1] };
    const own = segmentImages(images, 'slic', 6);
    expect(own[2]).toEqual(slic({ values: images.values.slice(128), shape: [8, 8, 1] }, { segments: 6 }));
    expect(own[0]).not.toEqual(own[1]);
    const grid = gridSegments([8, 8], 4);
    expect(segmentImages(images, 'grid', 4)).toEqual([grid, grid, grid]);
    expect(segmentImages(images, grid)).toEqual([grid, grid, grid]);
    expect(segmentImages(images, own)).toEqual(own);
    expect(() => segmentImages(images, [grid])).toThrow(/1 segment maps for 3 images/);
    expect(() => segmentImages(images, gridSegments([8, 9], 4))).toThrow(/8 x 9 pixels, the image of 8 x 8/);
    expect(() => segmentImages(images, 'quickshift' as 'slic')).toThrow(/not by 'quickshift'/);
    expect(() => segmentImages({ ...images, shape: [192] })).toThrow(/\[N, H, W, C\], not \[192\]/);
  });
});
