/** Deletion, insertion, ROAD and imputation on functions whose answers are known in closed form. */
import { describe, expect, it } from 'vitest';
import { ReferenceDevice } from '../../../src/devices/reference/device.ts';
import { areaUnder } from '../../../src/explain/judging/deletion-insertion.ts';
import { pixelOrder } from '../../../src/explain/judging/images.ts';
import { Neighbourhood } from '../../../src/explain/judging/imputation.ts';
import { deletion, insertion, randomMaps, road } from '../../../src/explain/judging/index.ts';
import * as w from '../../../src/index.ts';
import { Flatten, Linear, Sequential } from '../../../src/nn/index.ts';
import { settle } from '../../support/garbage.ts';
import { expectClose } from '../compare.ts';

const device = new ReferenceDevice();
const uniform = (shape: number[], seed: number) => w.randomUniform(shape, { seed, device });

/** Scores [sum of w x, 0]: a black box that is not limited to probabilities. */
function linearBox(weights: ArrayLike<number>) {
  const column = w.tensor(Float64Array.from(weights), [weights.length, 1], { device });
  const zero = w.zeros([weights.length, 1], { device });
  return (x: w.Tensor) => w.concat([w.matmul(w.flatten(x), column), w.matmul(w.flatten(x), zero)], 1);
}

describe('order of pixels', () => {
  it('is by value; ties fall by seed and image, the same way twice', () => {
    expect(Array.from(pixelOrder([0.5, 3, -1, 2], 7, 0))).toEqual([1, 3, 0, 2]);
    const flat = new Float64Array(50);
    const order = pixelOrder(flat, 1, 0);
    expect(Array.from(order).sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect(Array.from(pixelOrder(flat, 1, 0))).toEqual(Array.from(order));
    expect(Array.from(pixelOrder(flat, 2, 0))).not.toEqual(Array.from(order));
    expect(Array.from(pixelOrder(flat, 1, 1))).not.toEqual(Array.from(order));
    expect(Array.from(order)).not.toEqual(Array.from(flat.keys()));
  });
});

describe('deletion and insertion', () => {
  // 2 x 5 pixels of one, weights 10 .. 1: deleting the k largest leaves the sum of 1 .. 10 - k.
  const weights = Float64Array.from({ length: 10 }, (_, i) => 10 - i);
  const ones = w.ones([1, 2, 5, 1], { device });
  const maps = { values: weights, shape: [1, 2, 5] };

  it('have the closed form of a linear model: both ends, trapezoids over the true fraction', async () => {
    const one = await deletion(linearBox(weights), ones, maps, { target: 0, pixelsPerStep: 1 });
    const remaining = Array.from({ length: 11 }, (_, k) => ((10 - k) * (11 - k)) / 2);
    expectClose(one.curves, remaining, 1e-12);
    // The integral of the broken line through s(k) at k / 10.
    expectClose(one.auc, [(remaining.reduce((a, b) => a + b) - 55 / 2) / 10], 1e-12);
    const other = await insertion(linearBox(weights), ones, maps, { target: 0, pixelsPerStep: 1 });
    expectClose(
      other.curves,
      remaining.map(value => 55 - value),
      1e-12,
    );
    expectClose(other.auc, [55 - one.auc[0]], 1e-12);
  });

  it('end at 1 also when the pixels do not divide by the step', async () => {
    const { fractions, curves } = await deletion(linearBox(weights), ones, maps, { target: 0, pixelsPerStep: 4 });
    expect(Array.from(fractions)).toEqual([0, 0.4, 0.8, 1]);
    expectClose(curves, [55, 21, 3, 0], 1e-12);
    expect(areaUnder([55, 21, 3, 0], [0, 0.4, 0.8, 1])).toBeCloseTo(38 * 0.4 + 12 * 0.4 + 1.5 * 0.2, 12);
  });

  it('no map beats the perfect order of a linear model', async () => {
    const x = uniform([3, 4, 4, 1], 3);
    const factors = w.randomNormal([16], { seed: 4, device });
    const box = linearBox((await factors.data()) as Float64Array);
    const contributions = (await w.mul(x, w.reshape(factors, [1, 4, 4, 1])).data()) as Float64Array;
    const perfect = { values: contributions, shape: [3, 4, 4] };
    const options = { target: 0, pixelsPerStep: 1 };
    const best = await deletion(box, x, perfect, options);
    const bestInsertion = await insertion(box, x, perfect, options);
    for (let seed = 0; seed < 5; seed++) {
      const other = { values: (await uniform([3, 4, 4], 100 + seed).data()) as Float64Array, shape: [3, 4, 4] };
      const worse = await deletion(box, x, other, options);
      const worseInsertion = await insertion(box, x, other, options);
      for (let image = 0; image < 3; image++) {
        expect(best.auc[image]).toBeLessThan(worse.auc[image]);
        expect(bestInsertion.auc[image]).toBeGreaterThan(worseInsertion.auc[image]);
      }
    }
  });

  it('take probabilities of a model, sums over channels, and maps of another size', async () => {
    const model = new Sequential({ flatten: new Flatten(), dense: new Linear(32, 3) }).initialize({ device, seed: 1 });
    const x = uniform([2, 4, 4, 2], 5);
    const { curves } = await deletion(
      model,
      x,
      { values: new Float64Array(8), shape: [2, 2, 2] },
      { pixelsPerStep: 8 },
    );
    expect(curves.length).toBe(2 * 3);
    const probabilities = (await w.softmax(model.call(x)).data()) as Float64Array;
    expect(curves[0]).toBeCloseTo(Math.max(...probabilities.subarray(0, 3)), 12);
    const black = (await w.softmax(model.call(w.zerosLike(x))).data()) as Float64Array;
    expect(Array.from(black, value => value.toFixed(9))).toContain(curves[2].toFixed(9));
    const each = { values: (await uniform([2, 4, 4, 2], 6).data()) as Float64Array, shape: [2, 4, 4, 2] };
    const summed = Float64Array.from({ length: 32 }, (_, i) => each.values[2 * i] + each.values[2 * i + 1]);
    expect((await deletion(model, x, each)).auc).toEqual(
      (await deletion(model, x, { values: summed, shape: [2, 4, 4] })).auc,
    );
    model.dispose();
  });

  it('depend on the seed only through ties, and leave no tensors', async () => {
    const x = uniform([2, 4, 4, 1], 5);
    const box = linearBox(Float64Array.from({ length: 16 }, (_, i) => i));
    const flat = { values: new Float64Array(32), shape: [2, 4, 4] };
    await settle();
    const before = w.liveTensorCount();
    const [a, b, c] = [
      await deletion(box, x, flat, { seed: 1, pixelsPerStep: 3 }),
      await deletion(box, x, flat, { seed: 1, pixelsPerStep: 3, batchSize: 2 }),
      await deletion(box, x, flat, { seed: 2, pixelsPerStep: 3 }),
    ];
    expect(w.liveTensorCount()).toBe(before);
    expect(a.auc).toEqual(b.auc);
    expect(a.auc).not.toEqual(c.auc);
  });

  it('refuse what cannot be judged', async () => {
    const box = linearBox(weights);
    await expect(deletion(box, ones, maps, { pixelsPerStep: 0 })).rejects.toThrow(/Pixels per step/);
    await expect(deletion(box, ones, { values: weights, shape: [2, 5, 1] })).rejects.toThrow(/2 maps for 1 images/);
    const holed = { values: weights.with(3, Number.NaN), shape: [1, 2, 5] };
    await expect(deletion(box, ones, holed)).rejects.toThrow(/Value 3 of the maps is NaN/);
    await expect(deletion(box, ones, maps, { target: 2 })).rejects.toThrow(/no class 2/);
    await expect(deletion(box, w.ones([1, 10], { device }), maps)).rejects.toThrow(/\[N, H, W, C\]/);
  });
});

describe('imputation', () => {
  it('is exact on a plane, whatever is missing inside', () => {
    // Weights that are symmetric about a pixel reproduce linear functions: 2 y - 3 x + 1 solves the system.
    const [height, width] = [9, 8];
    const plane = Float64Array.from({ length: 72 }, (_, i) => 2 * Math.floor(i / width) - 3 * (i % width) + 1);
    const inside = Uint32Array.from(
      [...plane.keys()].filter(i => {
        const [y, x] = [Math.floor(i / width), i % width];
        return y > 0 && x > 0 && y < height - 1 && x < width - 1;
      }),
    );
    const image = plane.slice();
    for (const pixel of inside) image[pixel] = 99;
    new Neighbourhood(height, width).impute(image, 0, 1, inside);
    expectClose(image, plane, 1e-8);
  });

  it('solves the equations of the border too, and every channel by itself', async () => {
    const values = (await uniform([6, 6, 2], 9).data()) as Float64Array;
    const missing = Uint32Array.from([0, 1, 6, 7, 13, 35, 30, 22]);
    const image = new Float64Array(10 + 72);
    image.set(values, 10);
    new Neighbourhood(6, 6).impute(image, 10, 2, missing);
    for (const pixel of missing) {
      const [y, x] = [Math.floor(pixel / 6), pixel % 6];
      for (const c of [0, 1]) {
        let [total, weights] = [0, 0];
        for (let down = -1; down <= 1; down++) {
          for (let right = -1; right <= 1; right++) {
            if ((down === 0 && right === 0) || y + down < 0 || y + down > 5 || x + right < 0 || x + right > 5) continue;
            const weight = down === 0 || right === 0 ? 1 / 6 : 1 / 12;
            total += weight * image[10 + ((y + down) * 6 + x + right) * 2 + c];
            weights += weight;
          }
        }
        expect(image[10 + pixel * 2 + c]).toBeCloseTo(total / weights, 8);
      }
    }
    expect(Array.from(image.subarray(10)).filter((value, k) => value !== values[k])).toHaveLength(2 * missing.length);
    expect(() => new Neighbourhood(2, 2).impute(image, 0, 1, Uint32Array.of(0, 1, 2, 3))).toThrow(/single pixel/);
  });
});

describe('ROAD', () => {
  it('prefers a perfect map to a random one, and the reverse of a map has the opposite sign', async () => {
    // Only a bright square counts: a map of it is perfect.
    const inSquare = (i: number) =>
      Math.floor(i / 12) % 12 >= 4 && Math.floor(i / 12) % 12 < 8 && i % 12 >= 4 && i % 12 < 8 ? 1 : 0;
    const x = w.tensor(
      Float64Array.from({ length: 288 }, (_, i) => inSquare(i) * 0.9),
      [2, 12, 12, 1],
      { device },
    );
    const weights = Float64Array.from({ length: 144 }, (_, i) => inSquare(i) / 16);
    const box = linearBox(weights);
    const perfect = { values: Float64Array.from({ length: 288 }, (_, i) => weights[i % 144]), shape: [2, 12, 12] };
    const host = { values: new Float64Array(288), count: 2, height: 12, width: 12, channels: 1, device };
    const random = { values: randomMaps(host, 1), shape: [2, 12, 12] };
    await settle();
    const before = w.liveTensorCount();
    const good = await road(box, x, perfect, { target: 0 });
    const none = await road(box, x, random, { target: 0 });
    const reversed = await road(box, x, { ...perfect, values: perfect.values.map(value => -value) }, { target: 0 });
    expect(w.liveTensorCount()).toBe(before);
    for (const image of [0, 1]) {
      expect(good.combined[image]).toBeGreaterThan(0.3);
      expect(Math.abs(none.combined[image])).toBeLessThan(0.15);
      expect(reversed.combined[image]).toBeLessThan(-0.3);
    }
    // The last pixels to go, least relevant first, are the square's 16: 80 % may go before it is touched.
    expectClose(good.leastRelevantFirst.subarray(0, 8), new Array(8).fill(0.9), 1e-9);
    expect((await road(box, x, perfect, { target: 0, batchSize: 5 })).combined).toEqual(good.combined);
  });

  it('goes by ranks: a map with ties removes as many pixels as any other', async () => {
    // The score is the number of pixels that are still exactly one; imputed ones carry noise.
    const counting = (x: w.Tensor) => {
      const left = w.cast(w.reshape(w.sum(w.equal(x, 1), [1, 2, 3]), [-1, 1]), 'float32');
      return w.concat([left, w.zerosLike(left)], 1);
    };
    const x = w.ones([1, 10, 10, 1], { device });
    const flat = { values: new Float64Array(100), shape: [1, 10, 10] };
    const { mostRelevantFirst, leastRelevantFirst } = await road(counting, x, flat, { target: 0, noise: 0.5 });
    expect(Array.from(mostRelevantFirst)).toEqual([90, 80, 70, 60, 50, 40, 30, 20, 10]);
    expect(Array.from(leastRelevantFirst)).toEqual([90, 80, 70, 60, 50, 40, 30, 20, 10]);
    await expect(road(counting, x, flat, { percentiles: [100] })).rejects.toThrow(/less than 100/);
  });
});
