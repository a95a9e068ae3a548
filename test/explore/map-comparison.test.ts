/** Maps side by side: the measures of a space that is easy and one that is not, and confusions that are and are not foretold. */
import { afterAll, describe, expect, test } from 'vitest';
import { openWasmDevice } from '../../src/devices/wasm/device.ts';
import { compareMaps, type Points } from '../../src/explore/index.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';

const CLASSES = 5;

/** Points in classes along a line: neighbours in it overlap the more, the farther along. */
function chain(count: number, noise: number): { points: Points; labels: number[] } {
  const random = new PhiloxStream(5, count);
  const labels = Array.from({ length: count }, (_, i) => i % CLASSES);
  const centres = [0, 8, 14, 18, 20];
  const values = Float64Array.from(
    { length: 4 * count },
    (_, at) => (at % 4 === 0 ? centres[labels[at >> 2]] : 0) + noise * random.normal(),
  );
  return { points: { values, count, dimensions: 4 }, labels };
}

/** Classes are confused the more, the nearer they are on the line. */
const foretold = Array.from({ length: CLASSES }, (_, a) =>
  Array.from({ length: CLASSES }, (_, b) => (a === b ? 100 : Math.max(0, a + b - 3 * Math.abs(a - b) + 3))),
);

describe('a comparison', async () => {
  const device = await openWasmDevice({ threads: 1 });
  afterAll(() => device.destroy());
  const easy = chain(200, 1.5);
  const hard = chain(200, 12);
  const shared = { device, labels: easy.labels, classes: CLASSES, perplexity: 15 };

  test('has a row for every map, and says which space is the easier', async () => {
    const { comparison, maps } = await compareMaps(
      [
        { name: 'easy', points: easy.points },
        { name: 'hard', points: hard.points },
      ],
      { ...shared, confusion: foretold },
    );
    expect(comparison.maps.map(({ space, method }) => `${space} ${method}`)).toEqual(
      ['easy', 'hard'].flatMap(space => ['PCA', 't-SNE', 'UMAP'].map(method => `${space} ${method}`)),
    );
    expect(maps).toHaveLength(6);
    const [first, second] = comparison.spaces;
    expect(first.accuracy).toBeGreaterThan(second.accuracy + 0.2);
    for (const row of comparison.maps) {
      for (const share of [row.trustworthiness, row.continuity, row.recall10, row.recall50, row.accuracy]) {
        expect(share).toBeGreaterThan(0);
        expect(share).toBeLessThanOrEqual(1);
      }
      expect(row.kl).toBeGreaterThan(0);
      expect(row.confusions!.low).toBeLessThanOrEqual(row.confusions!.estimate);
      expect(row.confusions!.high).toBeGreaterThanOrEqual(row.confusions!.estimate);
    }
    // t-SNE makes the divergence small; the two others do not look at it.
    const [pca, tsne, umap] = comparison.maps;
    expect(tsne.kl).toBeLessThan(Math.min(pca.kl!, umap.kl!));
    expect(first.confusions!.estimate).toBeGreaterThan(0.6);
    expect(pca.centroids).toBeCloseTo(1, 1);
  });

  test('takes a map that is there already, and says nothing of confusions without a network', async () => {
    const [{ values }] = [easy.points];
    const tsne: Points = { values: values.slice(0, 400), count: 200, dimensions: 2 };
    const { comparison, maps } = await compareMaps([{ name: 'easy', points: easy.points, tsne }], shared);
    expect(maps[1]).toBe(tsne);
    expect(comparison.maps.map(({ confusions }) => confusions)).toEqual([null, null, null]);
  });

  test('stops when it is told to', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(compareMaps([{ name: 'easy', points: easy.points }], { ...shared, signal })).rejects.toThrow('enough');
  });
});
