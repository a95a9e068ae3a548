/** Nearest neighbours against all distances, measured one by one; ties; tiles; other sets; mistakes. */
import { afterAll, describe, expect, test } from 'vitest';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import {
  fewerNeighbours,
  nearestNeighbours,
  type Points,
  selectPoints,
  squaredDistance,
} from '../../src/explore/index.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import { openTestDevices } from '../support/devices.ts';

function scattered(count: number, dimensions: number, seed: number): Points {
  const random = new PhiloxStream(seed);
  return { values: Float64Array.from({ length: count * dimensions }, () => random.normal()), count, dimensions };
}

/** The k nearest to point i by sorting all distances. */
function bySorting(points: Points, i: number, among: Points, k: number): number[] {
  return Array.from({ length: among.count }, (_, j) => ({ j, square: squaredDistance(points, i, among, j) }))
    .filter(({ j }) => among !== points || j !== i)
    .sort((a, b) => a.square - b.square || a.j - b.j)
    .slice(0, k)
    .map(({ j }) => j);
}

for (const { name, device } of await openTestDevices()) {
  describe.skipIf(!device)(`nearest neighbours on ${name}`, () => {
    if (device) afterAll(() => device.destroy());
    const tiles = name === 'reference' ? 300 : 4200;

    test(`${tiles} points of 6 coordinates among themselves`, async () => {
      const points = scattered(tiles, 6, 1);
      const { indices, distances } = await nearestNeighbours(points, 5, { device: device! });
      for (let i = 0; i < tiles; i += Math.floor(tiles / 50)) {
        const wanted = bySorting(points, i, points, 5);
        expect(Array.from(indices.subarray(5 * i, 5 * i + 5)), `point ${i}`).toEqual(wanted);
        const measured = wanted.map(j => Math.sqrt(squaredDistance(points, i, points, j)));
        expect(Array.from(distances.subarray(5 * i, 5 * i + 5))).toEqual(measured);
      }
    });

    test('among other points, of which some are the same', async () => {
      const among = scattered(230, 8, 2);
      const points = selectPoints(among, [7, 3, 229]);
      const { indices, distances } = await nearestNeighbours(points, 4, { device: device!, among });
      expect([indices[0], indices[4], indices[8]]).toEqual([7, 3, 229]);
      expect([distances[0], distances[4], distances[8]]).toEqual([0, 0, 0]);
      for (const i of [0, 1, 2]) {
        expect(Array.from(indices.subarray(4 * i, 4 * i + 4))).toEqual(bySorting(points, i, among, 4));
      }
    });

    test('a tight cluster far out on a map keeps its order', async () => {
      const points = scattered(200, 2, 3);
      for (let i = 0; i < 400; i++) points.values[i] = 1e-5 * points.values[i] + 50;
      const { indices } = await nearestNeighbours(points, 3, { device: device! });
      for (let i = 0; i < 200; i += 7) {
        expect(Array.from(indices.subarray(3 * i, 3 * i + 3))).toEqual(bySorting(points, i, points, 3));
      }
    });

    test('equal distances go by index; all others are the most there are', async () => {
      const values = Float64Array.from([0, 1, 2, 3, 4].flatMap(x => [x, 0, 0, 0, 0]));
      const points = { values, count: 5, dimensions: 5 };
      const { indices } = await nearestNeighbours(points, 4, { device: device! });
      expect(Array.from(indices)).toEqual([1, 2, 3, 4, 0, 2, 3, 4, 1, 3, 0, 4, 2, 4, 1, 0, 3, 2, 1, 0]);
    });

    test('a timer gets its turn, and with it whoever aborts', async () => {
      const controller = new AbortController();
      setTimeout(() => controller.abort());
      const search = nearestNeighbours(scattered(3000, 6, 7), 2, { device: device!, signal: controller.signal });
      await expect(search).rejects.toThrow(/abort/i);
    });

    test('memory comes back', async () => {
      const before = device!.memory().liveAllocations;
      await nearestNeighbours(scattered(50, 9, 4), 3, { device: device! });
      expect(device!.memory().liveAllocations).toBe(before);
    });
  });
}

test('fewer of them, progress, and mistakes', async () => {
  const device = new ReferenceDevice();
  const points = scattered(20, 5, 5);
  const shares: number[] = [];
  const all = await nearestNeighbours(points, 6, { device, onProgress: share => shares.push(share) });
  expect(shares.at(-1)).toBe(1);
  const few = fewerNeighbours(all, 2);
  expect(Array.from(few.indices.subarray(0, 4))).toEqual([
    all.indices[0],
    all.indices[1],
    all.indices[6],
    all.indices[7],
  ]);
  expect(() => fewerNeighbours(few, 3)).toThrow('only 2 were looked for');
  await expect(nearestNeighbours(points, 20, { device })).rejects.toThrow('there are 19 others');
  await expect(nearestNeighbours(points, 2, { device, among: scattered(9, 4, 6) })).rejects.toThrow(
    '5 coordinates among',
  );
  await expect(nearestNeighbours(points, 2, { device, signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
});
