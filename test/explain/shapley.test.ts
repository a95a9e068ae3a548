/**
 * Shapley values three ways: by definition, by random orders, by KernelSHAP. Closed forms, the axioms on random games,
 * agreement with each other on a convolutional network, seeds, every device.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import { openWasmDevice } from '../../src/devices/wasm/device.ts';
import * as explain from '../../src/explain/index.ts';
import * as w from '../../src/index.ts';
import { cnn, compileForInference } from '../../src/nn/index.ts';
import { openTestDevices } from '../support/devices.ts';
import { settle } from '../support/garbage.ts';
import { expectClose, plain } from './compare.ts';
import { codeOf, gameOf } from './games.ts';
import { random, stripes, tangledNet } from './networks.ts';

const device = new ReferenceDevice();
w.setDevice(device);

describe('closed forms', () => {
  const weight = random(device, [6, 3], 1);
  const linear = (x: w.Tensor) => w.matmul(x, weight);
  const x = random(device, [2, 6], 2);
  const background = random(device, [5, 6], 3);
  const methods = [
    ['kernelShap', (f: explain.Predict, o = {}) => explain.kernelShap(f, x, { baseline: background, target: 1, ...o })],
    ['exactShapley', (f: explain.Predict) => explain.exactShapley(f, x, { baseline: background, target: 1 })],
    [
      'permutationShapley',
      (f: explain.Predict) => explain.permutationShapley(f, x, { baseline: background, target: 1 }),
    ],
  ] as const;

  test.each(methods)('%s of a linear function is (x - mean) w', async (_, method) => {
    const result = await method(linear);
    const [xs, bs, ws] = await Promise.all([x.data(), background.data(), weight.data()]);
    const mean = (i: number) => [0, 1, 2, 3, 4].reduce((sum, b) => sum + bs[b * 6 + i] / 5, 0);
    const expected = Array.from({ length: 12 }, (_, k) => (xs[k] - mean(k % 6)) * ws[(k % 6) * 3 + 1]);
    expectClose(result.values, expected, 1e-12);
    expect(result.additivityError).toBeLessThan(1e-14);
    expect(result.shape).toEqual([2, 6]);
  });

  test.each(methods)('%s of a constant is 0', async (_, method) => {
    const { values, additivityError, expected } = await method(batch => w.full([batch.shape[0], 2], 0.7));
    expect(plain(values)).toEqual(new Array(12).fill(0));
    expect(additivityError).toBe(0);
    expect(expected[0]).toBeCloseTo(0.7, 15);
  });

  test('the glove game: one left and two right gloves', async () => {
    const { f, x } = gameOf(device, 3, ([left, right, other]) => Number(left && (right || other)));
    for (const result of [await explain.exactShapley(f, x), await explain.kernelShap(f, x)]) {
      expectClose(result.values, [4 / 6, 1 / 6, 1 / 6], 1e-12);
    }
  });

  test('one player and two', async () => {
    const one = gameOf(device, 1, ([a]) => (a ? 5 : 2));
    const two = gameOf(device, 2, ([a, b]) => Number(a) + 10 * Number(a && b));
    for (const method of [explain.exactShapley, explain.kernelShap, explain.permutationShapley]) {
      expect(plain((await method(one.f, one.x)).values)).toEqual([3]);
      expect((await method(two.f, two.x)).additivityError).toBe(0);
    }
    expectClose((await explain.kernelShap(two.f, two.x)).values, [6, 5], 1e-12);
    expectClose((await explain.exactShapley(two.f, two.x)).values, [6, 5], 1e-12);
  });
});

/** A random worth of each coalition. */
const games = fc.integer({ min: 2, max: 7 }).chain(players =>
  fc.record({
    players: fc.constant(players),
    worths: fc.array(fc.double({ min: -10, max: 10, noNaN: true }), {
      minLength: 2 ** players,
      maxLength: 2 ** players,
    }),
  }),
);

describe('the axioms, on random games', () => {
  const check = (property: fc.IAsyncPropertyWithHooks<any>) => fc.assert(property, { numRuns: 25 });

  test('KernelSHAP with every coalition is the Shapley value, and both add up', () =>
    check(
      fc.asyncProperty(games, async ({ players, worths }) => {
        const { f, x } = gameOf(device, players, coalition => worths[codeOf(coalition)]);
        const [exact, kernel] = [await explain.exactShapley(f, x), await explain.kernelShap(f, x)];
        expect(kernel.isExact).toEqual([true]);
        expectClose(kernel.values, exact.values, 1e-9);
        // The sizes of the worths, which may cancel to almost nothing in what the values add up to.
        const bound = 1e-13 * 2 ** players * Math.max(...worths.map(Math.abs), 1e-300);
        for (const { residual } of [exact, kernel]) expect(Math.abs(residual[0])).toBeLessThanOrEqual(bound);
        expect(exact.prediction[0] - exact.expected[0]).toBeCloseTo(worths[2 ** players - 1] - worths[0], 12);
      }),
    ));

  test('players who add the same get the same; who adds nothing gets nothing', () =>
    check(
      fc.asyncProperty(games, async ({ players, worths }) => {
        // The two last players count only by how many of them there are; one more makes no difference.
        const worth = (coalition: readonly boolean[]) => {
          const pair = Number(coalition[players - 2]) + Number(coalition[players - 1]);
          return worths[codeOf([...coalition.slice(0, players - 2), pair > 0, pair > 1])];
        };
        const { f, x } = gameOf(device, players + 1, worth);
        for (const { values } of [
          await explain.exactShapley(f, x),
          await explain.kernelShap(f, x),
          await explain.permutationShapley(f, x, { permutations: 5 }),
        ]) {
          expect(Math.abs(values[players])).toBeLessThan(1e-9);
        }
        for (const { values } of [await explain.exactShapley(f, x), await explain.kernelShap(f, x)]) {
          expect(Math.abs(values[players - 1] - values[players - 2])).toBeLessThan(1e-9);
        }
      }),
    ));

  test('the values of a sum of games are the sums of their values, in one run and for every class', () =>
    check(
      fc.asyncProperty(games, async ({ players, worths }) => {
        const a = (coalition: readonly boolean[]) => worths[codeOf(coalition)];
        const b = (coalition: readonly boolean[]) => Math.sin(codeOf(coalition));
        const { f, x } = gameOf(device, players, a, b, coalition => a(coalition) - 2 * b(coalition));
        const result = await explain.kernelShap(f, x, { samples: 6, target: 2 });
        const [ofA, ofB] = [explain.forTarget(result, 0), explain.forTarget(result, 1)];
        expectClose(
          result.values,
          ofA.values.map((value, i) => value - 2 * ofB.values[i]),
          1e-9,
        );
        expect(plain(ofB.target)).toEqual([1]);
        expect(ofA.prediction[0]).toBeCloseTo(worths[2 ** players - 1], 12);
        expect(plain((await explain.kernelShap(f, x, { samples: 6, target: 1 })).values)).toEqual(plain(ofB.values));
      }),
    ));
});

for (const { name, device: opened } of await openTestDevices()) {
  describe.skipIf(!opened)(`a convolutional network on ${name}`, () => {
    const on = opened!;

    test('all coalitions of up to ten players give the Shapley values', async () => {
      const f = tangledNet(on, 8);
      const x = random(on, [2, 9, 9, 2], 21, 0.7);
      const background = random(on, [2, 9, 9, 2], 22, 0.7);
      // The reference device is slow.
      for (const count of name === 'reference' ? [3, 5] : [3, 10]) {
        const options = { segments: stripes(count), baseline: background };
        const [kernel, exact] = [await explain.kernelShap(f, x, options), await explain.exactShapley(f, x, options)];
        kernel.images.forEach(({ values }, i) => {
          expectClose(values, exact.images[i].values, 1e-5);
        });
        expect(Math.max(...exact.images[0].values.map(Math.abs))).toBeGreaterThan(0.1);
        expect(kernel.additivityError).toBeLessThan(1e-12);
      }
      x.dispose();
      background.dispose();
    });

    test('no tensors are left, and the model keeps its mode', async () => {
      const model = cnn({ imageShape: [8, 8, 1], widths: [3, 4], hidden: 6 }).initialize({ seed: 1, device: on });
      const x = w.randomUniform([2, 8, 8, 1], { seed: 3, device: on });
      model.train();
      await settle();
      const before = w.liveTensorCount();
      const options = { segments: 'grid', segmentCount: 4, baseline: x } as const;
      await explain.kernelShap(model, x, options);
      await explain.exactShapley(model, x, options);
      await explain.permutationShapley(model, x, { ...options, permutations: 3 });
      await explain.occlusion(model, x, { window: 4, baseline: x });
      await explain.featureAblation(model, x, options);
      expect(w.liveTensorCount()).toBe(before);
      expect(model.modules().every(({ isTraining }) => isTraining)).toBe(true);
      model.dispose();
      x.dispose();
    });
  });
}

describe('estimates', () => {
  let wasm: w.Device;
  let f: explain.Predict;
  let x: w.Tensor;
  beforeAll(async () => {
    wasm = await openWasmDevice();
    f = tangledNet(wasm, 8);
    x = random(wasm, [2, 9, 9, 2], 21, 0.7);
  });
  afterAll(() => wasm.destroy());
  const segments = stripes(13);

  test('permutations come within their standard errors of the exact values', async () => {
    const exact = await explain.exactShapley(f, x, { segments: stripes(9), target: 2 });
    const sampled = await explain.permutationShapley(f, x, {
      segments: stripes(9),
      target: 2,
      permutations: 120,
      seed: 4,
    });
    let sum = 0;
    sampled.images.forEach(({ values, standardError }, i) => {
      for (let k = 0; k < values.length; k++) sum += ((values[k] - exact.images[i].values[k]) / standardError![k]) ** 2;
    });
    const rms = Math.sqrt(sum / (2 * exact.images[0].values.length));
    expect(rms).toBeGreaterThan(0.6);
    expect(rms).toBeLessThan(1.4);
    expect(sampled.additivityError).toBeLessThan(1e-12);
    expect(sampled.standardError.length).toBe(sampled.values.length);
    // A player of nine pixels with two channels each: eighteen parts.
    const [own] = sampled.playerValues;
    expect(sampled.values[0] * 18).toBeCloseTo(own[0], 12);
  });

  test('KernelSHAP is the same for the same seed, another for another, whatever the batches', async () => {
    const run = (seed: number, batchSize = 256) =>
      explain.kernelShap(f, x, { segments, seed, samples: 300, batchSize });
    const [a, b, c, d] = [await run(1), await run(1), await run(2), await run(1, 77)];
    expect(a.values).toEqual(b.values);
    expect(a.values).not.toEqual(c.values);
    expectClose(d.values, a.values, 1e-12);
    expect(a.isExact).toEqual([false, false]);
    const alone = await explain.kernelShap(f, w.slice(x, [0, 0, 0, 0], [1, 9, 9, 2]), {
      segments,
      seed: 1,
      samples: 300,
    });
    expect(plain(alone.playerValues[0])).toEqual(plain(a.playerValues[0]));
  });

  test('repeats have standard errors, which say how far off the mean is', async () => {
    // With seed 0 a relu that is nearly always shut never opens: values and standard errors of 0, and no z to speak of.
    const options = { segments: stripes(12), samples: 150, repeats: 8, seed: 1 };
    const mean = await explain.kernelShap(f, x, options);
    const exact = await explain.exactShapley(f, x, options);
    let sum = 0;
    mean.images.forEach(({ values, standardError }, i) => {
      for (let k = 0; k < values.length; k++) sum += ((values[k] - exact.images[i].values[k]) / standardError![k]) ** 2;
    });
    const rms = Math.sqrt(sum / (2 * mean.images[0].values.length));
    expect(rms).toBeGreaterThan(0.5);
    expect(rms).toBeLessThan(1.6);
    expect(mean.additivityError).toBeLessThan(1e-12);
    expect(mean.standardError!.length).toBe(mean.values.length);
    expect((await explain.kernelShap(f, x, { segments: stripes(4), repeats: 3 })).standardError).toBeUndefined();
  });

  test('ten seeds of KernelSHAP and a thousand permutations agree within their standard errors', async () => {
    const runs: explain.KernelShapAttribution[] = [];
    for (let seed = 0; seed < 10; seed++) {
      runs.push(await explain.kernelShap(f, x, { segments, seed, samples: 600, batchSize: 256 }));
    }
    const long = await explain.permutationShapley(f, x, { segments, permutations: 1000, batchSize: 256 });
    let sum = 0;
    long.images.forEach(({ values, standardError }, i) => {
      for (let k = 0; k < values.length; k++) {
        const mean = runs.reduce((total, run) => total + run.images[i].values[k] / 10, 0);
        const variance = runs.reduce((total, run) => total + (run.images[i].values[k] - mean) ** 2 / 9 / 10, 0);
        sum += (values[k] - mean) ** 2 / (variance + standardError![k] ** 2);
      }
    });
    expect(Math.sqrt(sum / (2 * long.images[0].values.length))).toBeLessThan(1.5);
  });
});

describe('pictures', () => {
  test('flat images are no trouble: black on black, and black on black with SLIC', async () => {
    const model = cnn({ imageShape: [8, 8, 1], widths: [3, 4], hidden: 6 }).initialize({ seed: 1 });
    const black = w.zeros([1, 8, 8, 1]);
    for (const segments of ['slic', 'grid', 'pixels'] as const) {
      const { values, additivityError } = await explain.kernelShap(model, black, {
        segments,
        segmentCount: 9,
        samples: 40,
      });
      expect(plain(values)).toEqual(new Array(64).fill(0));
      expect(additivityError).toBe(0);
    }
    const grey = w.full([1, 8, 8, 1], 0.5);
    for (const baseline of ['own-mean', 0] as const) {
      const { values } = await explain.kernelShap(model, grey, { segmentCount: 9, samples: 40, baseline });
      expect(plain(values).every(Number.isFinite)).toBe(true);
    }
    model.dispose();
  });

  test('any score can be explained, of any class', async () => {
    const logits = tangledNet(device, 8);
    const x = random(device, [1, 9, 9, 2], 21, 0.7);
    const f = (batch: w.Tensor) => w.softmax(logits(batch));
    const result = await explain.kernelShap(f, x, { segments: stripes(5), target: 4 });
    const classes = result.images[0].present.length;
    // Probabilities of all classes sum to 1 in every coalition, so the values of all classes cancel.
    for (let i = 0; i < 5; i++) {
      let sum = 0;
      for (let c = 0; c < classes; c++) sum += result.images[0].values[c * 5 + i];
      expect(Math.abs(sum)).toBeLessThan(1e-12);
    }
    expect(plain(result.target)).toEqual([4]);
    expect(result.predicted[0]).toBe((await explain.saliency(logits, x)).predicted[0]);
  });
});

describe('players that equal the baseline', () => {
  const players = 20;
  const [a, b] = [0, 1].map(k =>
    w.tensor(
      Float64Array.from({ length: players }, (_, i) => Math.sin((3 + 2 * k) * i + k)),
      [1, players],
    ),
  );
  const f = (x: w.Tensor) => w.add(w.sum(w.mul(x, a), 1, true), w.mul(w.tanh(w.sum(w.mul(x, b), 1, true)), 3));
  /** Every other player is 0, the baseline. */
  const x = w.tensor(
    Float64Array.from({ length: players }, (_, i) => i % 2),
    [1, players],
  );
  const idle = (values: ArrayLike<number>): number[] => Array.from(values).filter((_, i) => i % 2 === 0);

  test('do not play: 0 exactly, and the others are as if they were alone', async () => {
    const kernel = await explain.kernelShap(f, x);
    const exact = await explain.exactShapley(f, x);
    const sampled = await explain.permutationShapley(f, x, { permutations: 7 });
    for (const { values, additivityError } of [kernel, exact, sampled]) {
      expect(idle(values)).toEqual(new Array(10).fill(0));
      expect(additivityError).toBeLessThan(1e-12);
    }
    // Ten players play, so that all of their coalitions are asked.
    expect(kernel.isExact).toEqual([true]);
    expect(kernel.images[0].coalitions).toBe(2 ** 10);
    expect(exact.images[0].coalitions).toBe(2 ** 10);
    expectClose(kernel.values, exact.values, 1e-12);
    expect(idle(sampled.standardError)).toEqual(new Array(10).fill(0));
    const few = await explain.kernelShap(f, x, { samples: 60, repeats: 3 });
    expect(idle(few.values)).toEqual(new Array(10).fill(0));
    expect(idle(few.standardError!)).toEqual(new Array(10).fill(0));
    expect(few.isExact).toEqual([false]);
  });

  test('whatever the baseline is: a number, an image, a background, an own mean', async () => {
    const ones = await explain.kernelShap(f, x, { baseline: 1 });
    expect(idle(ones.values).every(value => value !== 0)).toBe(true);
    expect(Array.from(ones.values).filter((_, i) => i % 2 === 1)).toEqual(new Array(10).fill(0));
    // Of a background of two images a player must equal both.
    const two = w.tensor(
      Float64Array.from({ length: 2 * players }, (_, i) => (i % players < 4 ? i % 2 : i < players ? 0 : 0.5)),
      [2, players],
    );
    const background = await explain.kernelShap(f, x, { baseline: two, samples: 200 });
    expect(Array.from(background.values, value => value === 0).indexOf(false)).toBe(4);
    expect(Array.from(background.values.slice(4)).every(value => value !== 0)).toBe(true);
    // 0.1 + ... + 0.1 over 7 is not 0.1 in float64, but the mean of equal values is that value.
    const flat = w.full([1, 7], 0.1);
    const labels = { labels: new Int32Array(7), count: 1 };
    const still = await explain.kernelShap(y => w.sum(y, 1, true), flat, { segments: labels, baseline: 'own-mean' });
    expect(plain(still.values)).toEqual(new Array(7).fill(0));
    expect(still.images[0].coalitions).toBe(1);
  });

  test('nothing is asked where nobody plays; one and two players', async () => {
    let evaluated = 0;
    const counted = (y: w.Tensor) => {
      evaluated += y.shape[0];
      return f(y);
    };
    const nothing = w.zeros([1, players]);
    for (const method of [explain.exactShapley, explain.kernelShap, explain.permutationShapley]) {
      evaluated = 0;
      const { values, additivityError, prediction, expected } = await method(counted, nothing);
      expect(plain(values)).toEqual(new Array(players).fill(0));
      expect([evaluated, additivityError, prediction[0] - expected[0]]).toEqual([1, 0, 0]);
      for (const some of [[7], [7, 8]]) {
        const values = new Float64Array(players);
        for (const i of some) values[i] = 0.5;
        const result = await method(f, w.tensor(values, [1, players]));
        expect(result.values.filter(value => value !== 0).length).toBe(some.length);
        expect(result.additivityError).toBeLessThan(1e-14);
      }
    }
  });

  test('feature ablation loses nothing without them', async () => {
    const { values } = await explain.featureAblation(f, x, {});
    expect(idle(values)).toEqual(new Array(10).fill(0));
    expect(Array.from(values).filter(value => value !== 0).length).toBe(10);
    const none = await explain.featureAblation(f, w.zeros([1, players]), {});
    expect(plain(none.values)).toEqual(new Array(players).fill(0));
  });
});

describe('mistakes', () => {
  const f = (x: w.Tensor) => w.sum(x, 1, true);
  const x = w.ones([1, 17]);
  test.each([
    ['17 players by definition', () => explain.exactShapley(f, x), /limit is 16/],
    ['a class there is not', () => explain.kernelShap(f, x, { target: 1 }), /no class 1/],
    ['one coalition', () => explain.kernelShap(f, x, { samples: 1 }), /at least 2, not 1/],
    ['no repeats', () => explain.kernelShap(f, x, { repeats: 0 }), /repeats/],
    ['one permutation', () => explain.permutationShapley(f, x, { permutations: 1 }), /permutations/],
    ['a seed that is none', () => explain.kernelShap(f, x, { seed: -1 }), /seed/],
    ['a batch of none', () => explain.kernelShap(f, x, { batchSize: 0 }), /batchSize/],
    ['superpixels of rows', () => explain.kernelShap(f, x, { segments: 'slic' }), /\[N, H, W, C\]/],
    ['integers', () => explain.kernelShap(f, w.tensor(Int32Array.of(1, 2), [1, 2])), /float32/],
  ])('%s: a sentence', async (_, run, message) => {
    await expect(run()).rejects.toThrow(message);
  });
});

test('a model is asked as it is compiled, in evaluation mode, and leaves nothing behind', async () => {
  const model = cnn({ imageShape: [8, 8, 1], widths: [3, 4], hidden: 6, dropout: 0.5 }).initialize({ seed: 1 });
  const x = w.randomUniform([1, 8, 8, 1], { seed: 3 });
  w.tidy(() => model.train().call(w.randomUniform([4, 8, 8, 1], { seed: 4 })));
  await settle();
  const [bytes, tensors] = [device.memory().liveBytes, w.liveTensorCount()];
  const { images } = await explain.kernelShap(model, x, {
    segments: explain.gridSegments([8, 8], 4),
    samples: 8,
    batchSize: 3,
  });
  expect([device.memory().liveBytes, w.liveTensorCount()]).toEqual([bytes, tensors]);
  expect(model.modules().every(({ isTraining }) => isTraining)).toBe(true);
  const compiled = await compileForInference(model, x.shape);
  const logits = await compiled.run(x).data();
  expect(compiled.facts.folded).toHaveLength(4);
  expect(plain(images[0].present)).toEqual(plain(logits));
  compiled.dispose();
  model.dispose();
});
