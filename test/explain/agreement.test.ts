/** Agreement of two maps: closed forms, chance levels, flat maps, seeds. */
import { describe, expect, test } from 'vitest';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import {
  attributionAgreement,
  gradCam,
  gridSegments,
  lime,
  mapAgreement,
  segmentsFromMap,
} from '../../src/explain/index.ts';
import * as w from '../../src/index.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import { cnn } from '../../src/nn/index.ts';
import { settle } from '../support/garbage.ts';

const device = new ReferenceDevice();
w.setDevice(device);

const all = (length: number): Uint32Array => Uint32Array.from({ length }, (_, i) => i);

describe('one image', () => {
  const segments = segmentsFromMap([0, 0, 1, 1, 2, 2], [1, 6]);

  test("Spearman of segment means, ties included: attribution.md's check value 6", () => {
    const a = [-1.5, -0.5, 1, 1, 0, 2]; // means -1, 1, 1
    const b = [1, -1, 0, 0, 2, 2]; // means 0, 0, 2
    expect(mapAgreement(a, b, segments, all(6)).spearman).toBeCloseTo(0.5, 12);
    expect(
      mapAgreement(
        a,
        b.map(value => -3 * value),
        segments,
        all(6),
      ).spearman,
    ).toBeCloseTo(-0.5, 12);
  });

  test('intersection over union of the highest pixels', () => {
    // Half of six pixels: {3, 4, 5} and {0, 4, 5}.
    const a = [0, 1, 2, 3, 4, 5];
    const b = [9, 1, 2, 0, 4, 5];
    expect(mapAgreement(a, b, segments, all(6), { top: 0.5 }).iou).toBe(2 / 4);
    expect(mapAgreement(a, a, segments, all(6), { top: 0.5 })).toEqual({ spearman: 1, iou: 1 });
    // The lowest against the highest.
    const reversed = mapAgreement(
      a,
      a.map(value => -value),
      segments,
      all(6),
      { top: 0.5 },
    );
    expect(reversed).toEqual({ spearman: -1, iou: 0 });
  });

  test('only the garment counts', () => {
    const garment = Uint32Array.of(1, 2, 4, 5);
    const a = [100, 1, 2, 100, 4, 5];
    const b = [-9, 1, 2, -9, 4, 5];
    expect(mapAgreement(a, b, segments, garment, { top: 0.5 })).toEqual({ spearman: 1, iou: 1 });
    // A segment without garment is no part of the comparison.
    expect(mapAgreement(a, b, segments, Uint32Array.of(0, 4), { top: 0.5 }).spearman).toBe(-1);
  });

  test('a flat map agrees with nothing in particular, itself included', () => {
    const flat = new Float64Array(400).fill(0.1);
    const grid = gridSegments([20, 20], [4, 6]);
    const { spearman, iou } = mapAgreement(flat, flat, grid, all(400));
    expect(spearman).toBeNaN();
    // By chance the top 20 % of each share a ninth: .04 / .36.
    expect(iou).toBeGreaterThan(0.02);
    expect(iou).toBeLessThan(0.25);
  });

  test('no garment, no top, no comparison', () => {
    const a = new Float64Array(6);
    expect(() => mapAgreement(a, a, segments, new Uint32Array())).toThrow(/no pixel/);
    for (const top of [0, 1.5, Number.NaN])
      expect(() => mapAgreement(a, a, segments, all(6), { top })).toThrow(/top share/);
  });
});

describe('a sample of images', () => {
  const random = new PhiloxStream(3);
  const drawn = (length: number): Float64Array => Float64Array.from({ length }, () => random.uniform() - 0.5);
  // Images with a black border of two pixels.
  const N = 12;
  const inside = (i: number): boolean => {
    const [y, x] = [Math.floor((i % 256) / 16), i % 16];
    return y > 1 && y < 14 && x > 1 && x < 14;
  };
  const x = w.tensor(
    Float32Array.from({ length: N * 256 }, (_, i) => (inside(i) ? 0.2 + 0.8 * random.uniform() : 0)),
    [N, 16, 16, 1],
  );
  const maps = (values: Float64Array) => ({ values, shape: [N, 16, 16] });

  test('maps that share half of what they say lie above chance; unrelated ones do not', async () => {
    const [shared, own1, own2] = [drawn(N * 256), drawn(N * 256), drawn(N * 256)];
    const a = maps(shared.map((value, i) => value + own1[i]));
    const b = maps(shared.map((value, i) => value + own2[i]));
    const options = { segments: gridSegments([16, 16], 36), seed: 1 };
    const related = await attributionAgreement(x, a, b, options);
    // A correlation of values of .5; the means of four pixels have the same.
    expect(related.spearman!.mean).toBeGreaterThan(0.35);
    expect(related.spearman!.mean).toBeLessThan(0.65);
    expect(related.spearman!.difference.low).toBeGreaterThan(0.2);
    expect(related.iou!.difference.low).toBeGreaterThan(0.03);
    expect(related.spearman!.aboveRandom).toBeGreaterThan(0.95);
    expect(related.images).toHaveLength(N);
    expect(related.iou!.images).toBe(N);

    const unrelated = await attributionAgreement(x, maps(own1), maps(own2), options);
    for (const measure of [unrelated.spearman!, unrelated.iou!]) {
      expect(measure.difference.low).toBeLessThan(0);
      expect(measure.difference.high).toBeGreaterThan(0);
      expect(Math.abs(measure.aboveRandom - 0.5)).toBeLessThan(0.25);
    }
    expect(Math.abs(unrelated.spearman!.random)).toBeLessThan(0.05);
    // 20 % of either: .04 / .36 = .11.
    expect(Math.abs(unrelated.iou!.random - 0.11)).toBeLessThan(0.03);
  });

  test('smaller maps are enlarged, and scale and sign of units do not matter', async () => {
    const small = { values: drawn(N * 16), shape: [N, 4, 4] };
    const options = { segments: 'grid' as const, segmentCount: 16, randomMaps: 5 };
    const itself = await attributionAgreement(
      x,
      small,
      { ...small, values: small.values.map(v => 1e-3 * v + 7) },
      options,
    );
    expect(itself.spearman!.mean).toBeCloseTo(1, 12);
    expect(itself.iou!.mean).toBe(1);
    expect(itself.iou!.aboveRandom).toBe(1);
  });

  test('one seed repeats it; flat maps and black images are left out, not made up', async () => {
    const [a, b] = [maps(drawn(N * 256)), maps(drawn(N * 256))];
    const run = (seed: number) => attributionAgreement(x, a, b, { seed, randomMaps: 10 });
    expect(await run(4)).toEqual(await run(4));
    expect(await run(4)).not.toEqual(await run(5));

    a.values.fill(0, 0, 256);
    const part = await attributionAgreement(x, a, b, { randomMaps: 10 });
    expect(part.images[0]!.spearman).toBeNaN();
    expect(part.spearman!.images).toBe(N - 1);
    expect(part.iou!.images).toBe(N);

    const black = await attributionAgreement(w.zeros([N, 16, 16, 1]), a, b, { randomMaps: 10 });
    expect(black).toEqual({ images: Array(N).fill(undefined), spearman: undefined, iou: undefined });
  });

  test('Grad-CAM and LIME of one model, over the segments of LIME; nothing is left behind', async () => {
    const model = cnn({ imageShape: [16, 16, 1], widths: [4, 6], hidden: 8 }).initialize({ device, seed: 1 });
    const some = w.slice(x, [0, 0, 0, 0], [2, 16, 16, 1]);
    await settle();
    const before = device.memory().liveAllocations;
    const a = await gradCam(model, some);
    const b = await lime(model, some, { target: a.target, samples: 40, segmentCount: 16 });
    const agreement = await attributionAgreement(some, a, b, { segments: b.segments, randomMaps: 10 });
    expect(device.memory().liveAllocations).toBe(before);
    const [first, second] = agreement.images.map(image => image!.iou);
    expect(agreement.iou!.mean).toBeCloseTo((first + second) / 2, 12);
    expect(agreement.iou!.images).toBe(2);
  });

  test('what does not fit gets a sentence', async () => {
    const a = maps(drawn(N * 256));
    const few = { values: a.values.subarray(256), shape: [N - 1, 16, 16] };
    await expect(attributionAgreement(x, a, few)).rejects.toThrow(/11 maps for 12 images/);
    await expect(attributionAgreement(x, a, a, { randomMaps: 0 })).rejects.toThrow(/randomMaps/);
    await expect(attributionAgreement(x, a, a, { top: 2 })).rejects.toThrow(/top share/);
    await expect(attributionAgreement(x, a, a, { segments: gridSegments([8, 8], 4) })).rejects.toThrow(/8 x 8/);
    const bad = maps(a.values.slice().fill(Number.NaN, 5, 6));
    await expect(attributionAgreement(x, a, bad)).rejects.toThrow(/NaN/);
  });
});
