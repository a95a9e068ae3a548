/**
 * Nearest neighbours against all distances, measured one by one; ties; tiles; other sets; points for which float32 says
 * nothing of distances (far from the origin, tight clusters, outliers, extreme units); mistakes.
 */
import { afterAll, describe, expect, test } from 'vitest';
import { UsageError } from '../../src/devices/errors.ts';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import { Distances } from '../../src/explore/distances.ts';
import {
  fewerNeighbours,
  nearestNeighbours,
  neighbourAccuracy,
  type Points,
  selectPoints,
  squaredDistance,
} from '../../src/explore/index.ts';
import { InnerProducts } from '../../src/explore/inner-products.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import { openTestDevices } from '../support/devices.ts';
import { settle } from '../support/garbage.ts';

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

const normal = (
  count: number,
  dimensions: number,
  seed: number,
  map: (value: number, at: number) => number,
): Points => {
  const { values } = scattered(count, dimensions, seed);
  return { values: Float64Array.from(values, map), count, dimensions };
};

/** Points whose inner products in float32 say little or nothing of their distances. */
const HARD: Record<string, Points> = {
  'offset 1e4': normal(160, 8, 11, value => 1e4 + value),
  'offset 1e12 in one coordinate': normal(160, 8, 12, (value, at) => (at % 8 === 3 ? 1e12 + value : value)),
  'three clusters 500 apart, deviation 0.01': normal(150, 10, 13, (value, at) =>
    at % 10 === Math.floor(at / 10) % 3 ? 500 + 0.01 * value : 0.01 * value,
  ),
  'two clusters 1e9 apart, deviation 1': normal(120, 6, 14, (value, at) => (at < 360 ? 1e9 : 0) + value),
  'an outlier at 1e15': normal(160, 8, 15, (value, at) => (at === 77 ? 1e15 : value)),
  'coordinates of 1e-6 beside one of 1e6': normal(160, 8, 16, (value, at) => (at % 8 === 0 ? 1e6 : 1e-6) * value),
  'bytes 200 to 202': {
    values: Uint8Array.from(scattered(200, 30, 17).values, value => 201 + Math.sign(Math.round(value))),
    count: 200,
    dimensions: 30,
    scale: 1 / 255,
  },
  'float32 at 1e5': {
    values: Float32Array.from(scattered(160, 9, 18).values, value => 1e5 + value),
    count: 160,
    dimensions: 9,
  },
};

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

    test.each(Object.entries(HARD))('exact where float32 is blind: %s', async (_, points) => {
      const k = 5;
      const { indices, distances } = await nearestNeighbours(points, k, { device: device! });
      // A common scale changes no order, and without it distances of bytes are whole numbers.
      const plain = { ...points, scale: 1 };
      for (let i = 0; i < points.count; i++) {
        const wanted = bySorting(plain, i, plain, k);
        expect(Array.from(indices.subarray(k * i, k * i + k)), `point ${i}`).toEqual(wanted);
        const measured = wanted.map(j => Math.sqrt(squaredDistance(plain, i, plain, j)) * (points.scale ?? 1));
        expect(Array.from(distances.subarray(k * i, k * i + k))).toEqual(measured);
      }
    });

    test.each([
      ['2^-700', 2 ** -700],
      ['2^-130, where float32 has no numbers', 2 ** -130],
      ['2^140, beyond float32', 2 ** 140],
      ['2^700, whose square float64 does not hold', 2 ** 700],
    ])('the unit does not matter: %s', async (_, unit) => {
      for (const dimensions of [3, 12]) {
        const points = scattered(130, dimensions, 19);
        const scaled = { ...points, values: (points.values as Float64Array).map(value => value * unit) };
        const usual = await nearestNeighbours(points, 4, { device: device! });
        const found = await nearestNeighbours(scaled, 4, { device: device! });
        expect(found.indices).toEqual(usual.indices);
        expect(found.distances).toEqual(usual.distances.map(distance => distance * unit));
      }
    });

    test('many equal points: the first indices', async () => {
      const points = { values: new Float64Array(90 * 6).fill(3), count: 90, dimensions: 6 };
      points.values.set([1, 1, 1, 1, 1, 1], 5 * 6);
      const { indices, distances } = await nearestNeighbours(points, 3, { device: device! });
      for (const [i, wanted] of [
        [0, [1, 2, 3]],
        [2, [0, 1, 3]],
        [5, [0, 1, 2]],
        [89, [0, 1, 2]],
      ] as const) {
        expect(Array.from(indices.subarray(3 * i, 3 * i + 3)), `point ${i}`).toEqual(wanted);
        expect(distances[3 * i]).toBe(i === 5 ? Math.sqrt(24) : 0);
      }
    });

    test('clusters far from the origin are told apart by their neighbours', async () => {
      // Ten classes a thousandth apart, 100 from the origin.
      const count = 400;
      const points = normal(
        count,
        16,
        20,
        (value, at) => 100 + (at % 16) * ((Math.floor(at / 16) % 10) / 1e3) + 1e-5 * value,
      );
      const neighbours = await nearestNeighbours(points, 5, { device: device! });
      const labels = Array.from({ length: count }, (_, i) => i % 10);
      expect(neighbourAccuracy(neighbours, labels, 10)).toBe(1);
    });

    test('a timer gets its turn, and with it whoever aborts', async () => {
      const controller = new AbortController();
      setTimeout(() => controller.abort());
      const search = nearestNeighbours(scattered(3000, 6, 7), 2, { device: device!, signal: controller.signal });
      await expect(search).rejects.toThrow(/abort/i);
    });

    test('memory comes back', async () => {
      await settle();
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
    'the points have 5 coordinates',
  );
  await expect(nearestNeighbours(points, 2, { device, signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
});

describe('the bound on distances', () => {
  test('holds for every pair, and is tight enough to pass most of them over', async () => {
    const device = new ReferenceDevice();
    for (const points of [scattered(120, 20, 21), ...Object.values(HARD)]) {
      const distances = new Distances(points, points, 'test');
      const products = new InnerProducts(distances);
      const [tile] = products.tiles(distances.points, device);
      // In float32 throughout, in an order that is no device's: every second term first.
      const rows = Float32Array.from(await tile.rows.data());
      const { count, dimensions } = points;
      const product = (i: number, j: number): number => {
        let sum = 0;
        for (const first of [0, 1]) {
          for (let k = first; k < dimensions; k += 2)
            sum = Math.fround(sum + Math.fround(rows[i * dimensions + k] * rows[j * dimensions + k]));
        }
        return sum;
      };
      let passed = 0;
      for (let i = 0; i < count; i++) {
        for (let j = 0; j < count; j++) {
          const bound = tile.shrunk[i] + tile.shrunk[j] - 2 * product(i, j);
          const square = distances.squared(i, j);
          expect(bound <= products.limit(square), `pair ${i}, ${j}`).toBe(true);
          if (bound > products.limit(square / 2)) passed++;
        }
      }
      if (points === HARD['offset 1e4']) expect(passed).toBeGreaterThan(0.99 * count * (count - 1));
      tile.rows.dispose();
    }
  });
});

test('points that are none name the first coordinate that is wrong', async () => {
  const device = new ReferenceDevice();
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    for (const dimensions of [2, 7]) {
      const bad = scattered(20, dimensions, 6);
      bad.values[5 * dimensions + 1] = value;
      bad.values[9 * dimensions] = value;
      const good = scattered(20, dimensions, 7);
      const message = `coordinate 1 of point 5 is ${value}`;
      await expect(nearestNeighbours(bad, 2, { device })).rejects.toThrow(message);
      await expect(nearestNeighbours(good, 2, { device, among: bad })).rejects.toThrow(message);
      await expect(nearestNeighbours(bad, 2, { device })).rejects.toThrow(UsageError);
    }
  }
  const wide = { values: Float64Array.of(-1e308, 0, 1e308, 0), count: 2, dimensions: 2 };
  await expect(nearestNeighbours(wide, 1, { device })).rejects.toThrow('beyond float64');
  const points = scattered(6, 5, 8);
  await expect(nearestNeighbours({ ...points, scale: Number.NaN }, 2, { device })).rejects.toThrow('not NaN');
  for (const k of [0, -1, 1.5, Number.NaN]) {
    await expect(nearestNeighbours(points, k, { device })).rejects.toThrow(`${k} of each point`);
    const some = await nearestNeighbours(points, 3, { device });
    expect(() => fewerNeighbours(some, k)).toThrow(UsageError);
  }
  expect(() => selectPoints(points, [0, 6])).toThrow('no point 6 among 6');
});
