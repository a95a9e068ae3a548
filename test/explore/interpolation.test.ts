/**
 * Repulsion on a grid against the kernel that sees all pairs, on maps as they are early, in the middle and late; transforms
 * against sums in float64; the divergence over all pairs against its definition; equal bits on any number of threads.
 */
import { afterAll, describe, expect, test } from 'vitest';
import type { Device } from '../../src/devices/device.ts';
import { NonFiniteError } from '../../src/devices/errors.ts';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import { openWasmDevice } from '../../src/devices/wasm/device.ts';
import {
  conditionalGaussian,
  jointAffinities,
  klDivergence,
  nearestNeighbours,
  type Points,
  tsne,
} from '../../src/explore/index.ts';
import { gridOver, InterpolatedRepulsion, Operands, transform } from '../../src/explore/interpolated-repulsion.ts';
import { MapField } from '../../src/explore/map-field.ts';
import { keptColumns } from '../../src/kernels/fourier/index.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import { tsneRepulsion } from '../../src/kernels/tsne/index.ts';
import { openTestDevices } from '../support/devices.ts';

const reference = new ReferenceDevice();

/** A map of islands, `spread` wide, or of one. */
function mapOf(count: number, spread: number, islands: number): Float64Array {
  const random = new PhiloxStream(count, islands);
  const middle = Array.from({ length: 2 * islands }, () => spread * (random.uniform() - 0.5));
  const radius = islands > 1 ? 4 : spread;
  return Float64Array.from({ length: 2 * count }, (_, at) => {
    const island = Math.floor(at / 2) % islands;
    return (islands > 1 ? middle[2 * island + (at % 2)] : 0) + radius * random.normal();
  });
}

async function exactly(y: Float64Array, device: Device): Promise<{ repulsion: Float64Array; normalizer: number }> {
  const count = y.length / 2;
  const own = new Operands(device);
  const planes = Float64Array.from({ length: 2 * count }, (_, at) =>
    at < count ? y[2 * at] : y[2 * (at - count) + 1],
  );
  const [repulsion, normalizers] = [own.of([2, count]), own.of([count])];
  device.run(tsneRepulsion, [own.holding(planes, [2, count])], [repulsion, normalizers], {});
  const pushes = await device.read(repulsion.storage);
  let normalizer = 0;
  for (const part of await device.read(normalizers.storage)) normalizer += part;
  own.release();
  return {
    repulsion: Float64Array.from({ length: 2 * count }, (_, at) => pushes[(at % 2) * count + (at >> 1)]),
    normalizer,
  };
}

async function onGrid(y: Float64Array, device: Device): Promise<{ repulsion: Float64Array; normalizer: number }> {
  const own = new Operands(device);
  const interpolated = new InterpolatedRepulsion(y.length / 2, device);
  await interpolated.begin(y, own.holding(y, [y.length / 2, 2]));
  const { repulsion, normalizer } = await interpolated.finish();
  interpolated.dispose();
  own.release();
  return { repulsion: Float64Array.from(repulsion), normalizer };
}

/** Root mean square of the differences over that of what is expected. */
function relativeError(found: Float64Array, expected: Float64Array): number {
  let [difference, all] = [0, 0];
  expected.forEach((value, at) => {
    difference += (found[at] - value) ** 2;
    all += value * value;
  });
  return Math.sqrt(difference / all);
}

const devices = (await openTestDevices()).filter(({ name }) => name !== 'reference');
for (const { name, device } of devices) {
  describe.skipIf(!device)(`interpolated repulsion on ${name}`, () => {
    if (device) afterAll(() => device.destroy());
    const count = name === 'wasm' ? 10_000 : 2000;

    test.each([
      // Charges on a software GPU are whole numbers, which shows where forces are nearly linear.
      ['early', 1e-4, 1, 1e-3],
      ['in the middle', 3, 1, 1e-3],
      ['late', 160, 40, 0.01],
    ] as const)(`within 1 %% of all pairs: ${count} points %s`, async (_, spread, islands, most) => {
      const y = mapOf(count, spread, islands);
      const [found, expected] = [await onGrid(y, device!), await exactly(y, device!)];
      expect(relativeError(found.repulsion, expected.repulsion)).toBeLessThan(most);
      expect(Math.abs(found.normalizer / expected.normalizer - 1)).toBeLessThan(2e-3);
    });

    test('memory comes back', async () => {
      const before = device!.memory().liveAllocations;
      await onGrid(mapOf(100, 1, 1), device!);
      expect(device!.memory().liveAllocations).toBe(before);
    });

    test('a transform is the sum that it stands for, to 1e-6', async () => {
      const size = 432;
      const random = new PhiloxStream(size);
      const samples = Float64Array.from({ length: size * size }, () => random.normal());
      const found = await transform(samples, size, device!);
      const kept = keptColumns(size);
      let [difference, all] = [0, 0];
      // Some frequencies by the definition, in float64: 432^2 terms each.
      for (let sample = 0; sample < 24; sample++) {
        const [k, l] = [(sample * 131) % size, (sample * 53) % kept];
        let [re, im] = [0, 0];
        for (let m = 0; m < size; m++) {
          for (let n = 0; n < size; n++) {
            const angle = (-2 * Math.PI * ((k * m + l * n) % size)) / size;
            re += samples[m * size + n] * Math.cos(angle);
            im += samples[m * size + n] * Math.sin(angle);
          }
        }
        difference += (found[k * kept + l] - re) ** 2 + (found[(size + k) * kept + l] - im) ** 2;
        all += re * re + im * im;
      }
      expect(Math.sqrt(difference / all)).toBeLessThan(1e-6);
    });

    test('a field says anywhere what the points of a map do', async () => {
      const y = mapOf(700, 40, 12);
      const field = await MapField.of(y, device!);
      const met = new Float64Array(3);
      for (const [x0, y0] of [
        [0, 0],
        [7.3, -11.2],
        [y[10] + 0.3, y[11] - 0.2],
      ]) {
        field.at(x0, y0, met);
        const sums = [0, 0, 0];
        for (let j = 0; j < y.length; j += 2) {
          const [dx, dy] = [x0 - y[j], y0 - y[j + 1]];
          const q = 1 / (1 + dx * dx + dy * dy);
          sums[0] += q * q * dx;
          sums[1] += q * q * dy;
          sums[2] += q;
        }
        for (const part of [0, 1, 2]) expect(Math.abs(met[part] - sums[part])).toBeLessThan(0.01 * sums[2]);
      }
    });
  });
}

test('the reference computes the same by plain text', async () => {
  const y = mapOf(60, 20, 4);
  const [found, expected] = [await onGrid(y, reference), await exactly(y, reference)];
  expect(relativeError(found.repulsion, expected.repulsion)).toBeLessThan(0.01);
  expect(found.normalizer / expected.normalizer).toBeCloseTo(1, 2);
}, 60_000);

test('a grid covers its map with at least 50 boxes of three nodes, at most a third of a unit apart', () => {
  for (const span of [1e-4, 0.3, 1, 17, 60, 63, 130, 260, 330, 900]) {
    const { nodes, spacing, origin } = gridOver([0, 0, span, span / 2]);
    expect(span / spacing / 3).toBeGreaterThan(50);
    expect(span / spacing).toBeLessThan(nodes - 5);
    expect((0 - origin[0]) / spacing).toBeGreaterThan(1);
    expect((span - origin[0]) / spacing).toBeLessThan(nodes - 3);
    if (span < 330) expect(spacing).toBeLessThanOrEqual(1 / 3 + 1e-12);
  }
  expect(() => gridOver([0, 0, Number.NaN, 1])).toThrow(NonFiniteError);
  expect(() => gridOver([0, 0, Number.POSITIVE_INFINITY, 1])).toThrow(NonFiniteError);
  // All points in one place have a grid too.
  expect(gridOver([3, 3, 3, 3]).spacing).toBeGreaterThan(0);
});

/** Points around a few centres. */
function scattered(count: number, dimensions: number): Points {
  const random = new PhiloxStream(count, dimensions);
  const values = Float64Array.from(
    { length: count * dimensions },
    (_, at) => (Math.floor(at / dimensions) % 5) * (at % 3) + random.normal(),
  );
  return { values, count, dimensions };
}

test('the same map on one thread, on two and on three', async () => {
  const points = scattered(600, 8);
  const maps: Float64Array[] = [];
  for (const threads of [1, 2, 3]) {
    const device = await openWasmDevice({ threads, relaxedSimd: true });
    const { embedding } = await tsne(points, {
      ...{ device, perplexity: 10, exaggerationSteps: 60, steps: 60, repulsion: 'interpolated' },
    });
    maps.push(embedding.values as Float64Array);
    await device.destroy();
  }
  expect(maps[1]).toEqual(maps[0]);
  expect(maps[2]).toEqual(maps[0]);
});

describe('the divergence over all pairs', () => {
  /** By every pair, from affinities of all neighbours. */
  async function byDefinition(points: Points, map: Points, perplexity: number): Promise<number> {
    const n = points.count;
    const neighbours = await nearestNeighbours(points, n - 1, { device: reference });
    const { starts, columns, values } = jointAffinities(neighbours, perplexity);
    const q = (i: number, j: number): number =>
      1 / (1 + (map.values[2 * i] - map.values[2 * j]) ** 2 + (map.values[2 * i + 1] - map.values[2 * j + 1]) ** 2);
    let [normalizer, expected] = [0, 0];
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) if (i !== j) normalizer += q(i, j);
    for (let i = 0; i < n; i++) {
      for (let entry = starts[i]; entry < starts[i + 1]; entry++) {
        const p = values[entry];
        if (p > 0) expected += p * Math.log((p * normalizer) / q(i, columns[entry]));
      }
    }
    return expected;
  }

  test('is its definition, for few points and for many', async () => {
    const wasm = await openWasmDevice();
    for (const [n, device] of [
      [150, reference],
      [150, wasm],
      [1100, wasm],
    ] as const) {
      const [points, map] = [scattered(n, 6), scattered(n, 2)];
      const expected = await byDefinition(points, map, 12);
      expect(await klDivergence(points, map, { device, perplexity: 12 }), `${n} points`).toBeCloseTo(expected, 4);
    }
    await wasm.destroy();
  });

  test('of groups a millionth as wide as they are apart: right for few points, NaN for many, never a guess', async () => {
    const wasm = await openWasmDevice();
    for (const n of [60, 1100]) {
      const [points, map] = [scattered(n, 6), scattered(n, 2)];
      const values = Float64Array.from(points.values, (value, at) => 1e-6 * value + (Math.floor(at / 6) % 2));
      const grouped = { ...points, values };
      const actual = await klDivergence(grouped, map, { device: wasm, perplexity: 12 });
      if (n > 1024) expect(actual).toBeNaN();
      else expect(actual).toBeCloseTo(await byDefinition(grouped, map, 12), 6);
    }
    await wasm.destroy();
  });

  test('equal distances; what cannot be', async () => {
    const corners: Points = { values: Float64Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1), count: 3, dimensions: 3 };
    const map: Points = { values: Float64Array.of(0, 0, 1, 0, 0, 1), count: 3, dimensions: 2 };
    const [near, far] = [1 / 2, 1 / 3];
    const expected = Math.log((4 * near + 2 * far) / 6) - (4 * Math.log(near) + 2 * Math.log(far)) / 6;
    expect(await klDivergence(corners, map, { device: reference, perplexity: 2 })).toBeCloseTo(expected, 6);
    await expect(klDivergence(corners, map, { device: reference, perplexity: 3 })).rejects.toThrow('a perplexity of 3');
    await expect(klDivergence(corners, corners, { device: reference, perplexity: 2 })).rejects.toThrow('no map of 3');
  });
});

test('a Gaussian scales with its distances', () => {
  const distances = Float64Array.of(1, 2, 3, 4);
  const { beta, shares } = conditionalGaussian(distances, 2);
  const { beta: scaled } = conditionalGaussian(
    distances.map(d => 8 * d),
    2,
  );
  expect(scaled).toBeCloseTo(beta / 64, 12);
  expect(shares[1] / shares[0]).toBeCloseTo(Math.exp(-beta * 3), 12);
});
