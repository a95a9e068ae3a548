/** UMAP: its graph against the formulas in plain float64, its curve against published numbers, its maps, and what cannot be. */
import { afterAll, describe, expect, test } from 'vitest';
import { ShapeError, UsageError } from '../../src/devices/errors.ts';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import { openWasmDevice } from '../../src/devices/wasm/device.ts';
import {
  fitCurve,
  fuzzyGraph,
  nearestNeighbours,
  neighbourAccuracy,
  neighbourVotes,
  type Points,
  smoothNeighbours,
  transformUmap,
  trustworthiness,
  umap,
} from '../../src/explore/index.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';

/** Points around five centres of eight dimensions, with the number of the centre. */
function clustered(count: number, seed: number): { points: Points; labels: number[] } {
  const random = new PhiloxStream(seed, count);
  const labels = Array.from({ length: count }, (_, i) => i % 5);
  const values = Float64Array.from(
    { length: 8 * count },
    (_, at) => 8 * Number(at % 8 === labels[Math.floor(at / 8)]) + random.normal(),
  );
  return { points: { values, count, dimensions: 8 }, labels };
}

describe('the curve', () => {
  test('has the numbers that umap-learn documents for a least distance of 0.1 and a spread of 1', () => {
    const { a, b } = fitCurve(0.1, 1);
    // umap.umap_.find_ab_params(1.0, 0.1) of umap-learn 0.5.3
    expect(a).toBeCloseTo(1.5769434602, 5);
    expect(b).toBeCloseTo(0.8950608779, 5);
  });

  test('is refused a least distance beyond its spread, and a spread of nothing', () => {
    expect(() => fitCurve(2, 1)).toThrow(UsageError);
    expect(() => fitCurve(-0.1, 1)).toThrow('from 0 to the spread');
    expect(() => fitCurve(0, 0)).toThrow('above 0');
    expect(() => fitCurve(0.1, Number.NaN)).toThrow(UsageError);
  });
});

describe('the graph', async () => {
  const device = await openWasmDevice({ threads: 1 });
  afterAll(() => device.destroy());

  test('gives neighbours memberships that sum to log2 of their number, the nearest 1', () => {
    const distances = Float64Array.of(0.5, 0.7, 1.1, 1.5, 2, 2.2, 3);
    const { memberships, rho, sigma } = smoothNeighbours(distances, 1);
    expect(rho).toBe(0.5);
    expect(memberships[0]).toBe(1);
    expect(memberships.reduce((sum, value) => sum + value)).toBeCloseTo(3, 4);
    // The same width by a search of another kind: on a grid of widths.
    let best = 0;
    let least = Number.POSITIVE_INFINITY;
    for (let width = 0.01; width < 10; width += 1e-4) {
      const off = Math.abs(distances.reduce((sum, d) => sum + Math.exp(-Math.max(0, d - 0.5) / width), 0) - 3);
      if (off < least) [best, least] = [width, off];
    }
    expect(sigma).toBeCloseTo(best, 3);
  });

  test('takes neighbours in the same place for members, and where all are, all', () => {
    expect(smoothNeighbours(Float64Array.of(0, 0, 1, 2), 1).rho).toBe(1);
    expect(Array.from(smoothNeighbours(Float64Array.of(0, 0, 0), 0).memberships)).toEqual([1, 1, 1]);
  });

  test('unites what both ends say: a + b - a b for every pair, looked at one by one', async () => {
    const { points } = clustered(60, 3);
    const found = await nearestNeighbours(points, 7, { device });
    const mean = found.distances.reduce((sum, d) => sum + d, 0) / found.distances.length;
    const square = Array.from({ length: 60 }, () => new Float64Array(60));
    for (let i = 0; i < 60; i++) {
      const { memberships } = smoothNeighbours(found.distances.subarray(7 * i, 7 * (i + 1)), mean);
      memberships.forEach((value, rank) => {
        square[i][found.indices[7 * i + rank]] = value;
      });
    }
    const graph = fuzzyGraph(found);
    const dense = Array.from({ length: 60 }, () => new Float64Array(60));
    for (let i = 0; i < 60; i++) {
      for (let at = graph.starts[i]; at < graph.starts[i + 1]; at++) dense[i][graph.columns[at]] = graph.values[at];
    }
    for (let i = 0; i < 60; i++) {
      for (let j = 0; j < 60; j++) {
        const [a, b] = [square[i][j], square[j][i]];
        expect(dense[i][j]).toBeCloseTo(a + b - a * b, 14);
      }
    }
  });
});

describe('a map', async () => {
  const device = await openWasmDevice({ threads: 1 });
  afterAll(() => device.destroy());
  const { points, labels } = clustered(300, 1);
  const drawn = await umap(points, { device, epochs: 150 });

  test('keeps clusters apart and neighbours together', async () => {
    const onMap = await nearestNeighbours(drawn.embedding, 5, { device });
    expect(neighbourAccuracy(onMap, labels, 5)).toBe(1);
    expect(trustworthiness(points, drawn.embedding, 10)).toBeGreaterThan(0.9);
  });

  test('is the same to the bit on any number of threads, and another for another seed', async () => {
    // More points than one thread takes at once.
    const many = clustered(2000, 4).points;
    const alone = await umap(many, { device, epochs: 20 });
    const three = await openWasmDevice({ threads: 3 });
    const together = await umap(many, { device: three, epochs: 20 });
    three.destroy();
    expect(together.embedding.values).toEqual(alone.embedding.values);
    expect((await umap(points, { device, epochs: 150 })).embedding.values).toEqual(drawn.embedding.values);
    expect((await umap(points, { device, epochs: 150, seed: 1 })).embedding.values).not.toEqual(drawn.embedding.values);
  });

  test('is drawn from any start, by neighbours that are known, and on the reference device', async () => {
    const known = await nearestNeighbours(points, 20, { device });
    const again = await umap(points, { device, epochs: 150, precomputed: known });
    expect(again.embedding.values).toEqual(drawn.embedding.values);
    const anywhere = await umap(points, { device, epochs: 150, start: 'random' });
    expect(trustworthiness(points, anywhere.embedding, 10)).toBeGreaterThan(0.85);
    const slow = await umap(points, { device: new ReferenceDevice(), epochs: 60 });
    expect(neighbourAccuracy(await nearestNeighbours(slow.embedding, 5, { device }), labels, 5)).toBeGreaterThan(0.98);
  });

  test('is seen on the way: some points, every so many epochs, and at the end', async () => {
    const snapshots = { every: 60, points: [3, 200] };
    const { snapshots: taken, embedding } = await umap(points, { device, epochs: 150, snapshots });
    expect(taken.map(({ step }) => step)).toEqual([0, 60, 120, 150]);
    expect(embedding.values).toEqual(drawn.embedding.values);
    const { values } = embedding;
    expect(Array.from(taken[3].values)).toEqual([values[6], values[7], values[400], values[401]]);
  });

  test('takes in new points, each the same whoever comes with it in its place', async () => {
    const fresh = clustered(100, 2);
    const placed = await transformUmap(drawn.embedding, points, fresh.points, { device });
    const votes = neighbourVotes(await nearestNeighbours(placed, 5, { device, among: drawn.embedding }), labels, 5);
    expect(Array.from(votes)).toEqual(fresh.labels);
    const first = { ...fresh.points, values: fresh.points.values.slice(0, 8 * 10), count: 10 };
    const fewer = await transformUmap(drawn.embedding, points, first, { device });
    const reach = Math.max(...drawn.embedding.values.map(Math.abs));
    for (let at = 0; at < 20; at++) expect(Math.abs(fewer.values[at] - placed.values[at])).toBeLessThan(reach / 10);
  });

  test('refuses what cannot be', async () => {
    const refused = (options: object): Promise<unknown> => umap(points, { device, ...options });
    await expect(refused({ neighbours: 1 })).rejects.toThrow('2 to 300');
    await expect(refused({ neighbours: 301 })).rejects.toThrow(UsageError);
    await expect(refused({ epochs: 1.5 })).rejects.toThrow('epochs');
    await expect(refused({ negativeSamples: -1 })).rejects.toThrow('negativeSamples');
    await expect(refused({ learningRate: 0 })).rejects.toThrow('learning rate');
    await expect(refused({ repulsionStrength: Number.NaN })).rejects.toThrow('repulsion');
    await expect(refused({ minDistance: 2 })).rejects.toThrow('least distance');
    await expect(refused({ start: 'middle' })).rejects.toThrow('middle');
    await expect(refused({ snapshots: { every: 0 } })).rejects.toThrow('snapshots');
    await expect(refused({ snapshots: { every: 1, points: [300] } })).rejects.toThrow('no point 300');
    await expect(refused({ signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
    const few = await nearestNeighbours(points, 5, { device });
    await expect(refused({ precomputed: few })).rejects.toThrow('only 5 were looked for');
    await expect(refused({ precomputed: { ...few, count: 299 } })).rejects.toThrow(ShapeError);
    await expect(umap({ values: new Float64Array(4), count: 2, dimensions: 2 }, { device })).rejects.toThrow(
      'three points',
    );
    const same = { values: new Float64Array(20), count: 10, dimensions: 2 };
    await expect(umap(same, { device })).rejects.toThrow('all points are the same');
    const place = (options: object, map = drawn.embedding) =>
      transformUmap(map, points, points, { device, ...options });
    await expect(place({ neighbours: 0 })).rejects.toThrow('neighbours');
    await expect(place({ epochs: -1 })).rejects.toThrow('epochs');
    await expect(place({ learningRate: -1 })).rejects.toThrow('learning rate');
    await expect(place({}, { values: new Float64Array(4), count: 2, dimensions: 2 })).rejects.toThrow(ShapeError);
  });
});
