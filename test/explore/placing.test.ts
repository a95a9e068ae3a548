/** New points on a finished map, snapshots and animations, neighbours that are known already, and what cannot be. */
import { afterAll, describe, expect, test } from 'vitest';
import { ShapeError, UsageError } from '../../src/devices/errors.ts';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import { openWasmDevice } from '../../src/devices/wasm/device.ts';
import {
  animationOf,
  coordinatesOf,
  nearestNeighbours,
  neighbourVotes,
  type Points,
  transformTsne,
  tsne,
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

const settings = { perplexity: 10, exaggerationSteps: 80, steps: 120 };

describe('new points', async () => {
  const device = await openWasmDevice();
  afterAll(() => device.destroy());
  const { points, labels } = clustered(300, 1);
  const { embedding } = await tsne(points, { ...settings, device });

  test('come to lie among their own, whoever comes with them', async () => {
    const fresh = clustered(100, 2);
    const placed = await transformTsne(embedding, points, fresh.points, { device });
    const votes = neighbourVotes(await nearestNeighbours(placed, 5, { device, among: embedding }), labels, 5);
    expect(Array.from(votes)).toEqual(fresh.labels);
    const alone: Points = { values: fresh.points.values.slice(8 * 7, 8 * 8), count: 1, dimensions: 8 };
    const again = await transformTsne(embedding, points, alone, { device });
    expect(Array.from(again.values)).toEqual(Array.from(placed.values.slice(14, 16)));
  });

  test('equal to one of the map come to lie beside it', async () => {
    const placed = await transformTsne(embedding, points, points, { device, perplexity: 2 });
    const nearest = await nearestNeighbours(placed, 10, { device, among: embedding });
    let found = 0;
    for (let i = 0; i < 300; i++) if (nearest.indices.subarray(10 * i, 10 * i + 10).includes(i)) found++;
    expect(found).toBeGreaterThan(240);
  });

  test('of none; without a step at the median of their neighbours', async () => {
    const none: Points = { values: new Float64Array(0), count: 0, dimensions: 8 };
    expect((await transformTsne(embedding, points, none, { device })).count).toBe(0);
    const one: Points = { values: points.values.slice(0, 8), count: 1, dimensions: 8 };
    const { values } = await transformTsne(embedding, points, one, { device, steps: 0, neighbours: 3, perplexity: 2 });
    const { indices } = await nearestNeighbours(one, 3, { device, among: points });
    for (const axis of [0, 1]) {
      const along = Array.from(indices, j => embedding.values[2 * j + axis]).sort((a, b) => a - b);
      expect(values[axis]).toBe(along[1]);
    }
  });

  test('what cannot be', async () => {
    for (const [options, message] of [
      [{ perplexity: 0.5 }, 'a perplexity is a number of at least 1'],
      [{ perplexity: 4, neighbours: 3 }, 'a perplexity of 4 cannot be had of 3 neighbours'],
      [{ exaggeration: 0 }, 'an exaggeration is a number'],
      [{ steps: -1 }, 'steps are a whole number'],
      [{ learningRate: 0 }, 'a learning rate is a number above 0'],
    ] as const) {
      const run = transformTsne(embedding, points, points, { device, ...options });
      await expect(run).rejects.toThrow(message);
      await expect(run).rejects.toThrow(UsageError);
    }
    const three = clustered(3, 1).points;
    await expect(transformTsne(embedding, three, points, { device })).rejects.toThrow(ShapeError);
  });
});

describe('settings of a map', () => {
  const device = new ReferenceDevice();
  const { points } = clustered(60, 3);
  const short = { ...{ device, perplexity: 5, exaggerationSteps: 10, steps: 10 } };

  test('neighbours that are known give the same map', async () => {
    const precomputed = await nearestNeighbours(points, 30, { device });
    const usual = await tsne(points, short);
    expect((await tsne(points, { ...short, precomputed })).embedding).toEqual(usual.embedding);
    const others = await nearestNeighbours(clustered(50, 3).points, 30, { device });
    await expect(tsne(points, { ...short, precomputed: others })).rejects.toThrow('neighbours of 50 points');
    const few = await nearestNeighbours(points, 3, { device });
    await expect(tsne(points, { ...short, precomputed: few })).rejects.toThrow('only 3 were looked for');
    const foreign = { ...precomputed, indices: precomputed.indices.map(index => (index === 7 ? 60 : index)) };
    await expect(tsne(points, { ...short, precomputed: foreign })).rejects.toThrow('point 60 is a neighbour');
  });

  test('late exaggeration draws together, a small learning rate holds back', async () => {
    const spanOf = ({ embedding }: { embedding: Points }): number => Math.max(...embedding.values);
    const usual = spanOf(await tsne(points, { ...short, steps: 60 }));
    expect(spanOf(await tsne(points, { ...short, steps: 60, lateExaggeration: 6 }))).toBeLessThan(usual);
    expect(spanOf(await tsne(points, { ...short, steps: 60, learningRate: 1e-3 }))).toBeLessThan(0.01);
  });

  test('snapshots of some points, and an animation of them', async () => {
    const map = await tsne(points, { ...short, snapshots: { every: 8, points: [3, 1, 59] } });
    expect(map.snapshots.map(({ step }) => step)).toEqual([0, 8, 16, 20]);
    const { values } = map.embedding;
    const last = [3, 1, 59].flatMap(i => [values[2 * i], values[2 * i + 1]]);
    expect(Array.from(map.snapshots[3].values)).toEqual(last.map(Math.fround));
    const { points: shown, frames } = animationOf(map.snapshots, [3, 1, 59]);
    expect(shown).toEqual([3, 1, 59]);
    for (const [i, frame] of frames.entries()) {
      expect(frame.data).toMatch(/^[A-Za-z0-9+/]{12}$/);
      const restored = coordinatesOf(frame);
      map.snapshots[i].values.forEach((value, at) => {
        expect(Math.abs(restored[at] - value)).toBeLessThanOrEqual((0.51 * frame.side) / 4095);
      });
    }
    expect((await tsne(points, { ...short, snapshots: { every: 20 } })).snapshots[0].values.length).toBe(120);
    expect((await tsne(points, short)).snapshots).toEqual([]);
    expect(() => animationOf(map.snapshots, [1])).toThrow(ShapeError);
    // Three points in one place.
    const [frame] = animationOf([{ step: 0, values: new Float32Array(6).fill(2) }], [0, 1, 2]).frames;
    expect(Array.from(coordinatesOf(frame))).toEqual([2, 2, 2, 2, 2, 2]);
  });

  test('what cannot be', async () => {
    for (const [options, message] of [
      [{ lateExaggeration: 0.5 }, 'an exaggeration of 0.5'],
      [{ learningRate: Number.NaN }, 'a learning rate is a number above 0'],
      [{ repulsion: 'quick' as 'exact' }, "'exact' or 'interpolated', not 'quick'"],
      [{ snapshots: { every: 0 } }, 'every 1 or more steps'],
      [{ snapshots: { every: 5, points: [60] } }, 'no point 60 among 60'],
    ] as const) {
      await expect(tsne(points, { ...short, ...options })).rejects.toThrow(message);
    }
  });
});
