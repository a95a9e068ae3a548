/** Predictions and trainings that take turns on one device and one model, and the event loop that turns between them. */

import { afterAll, describe, expect, test } from 'vitest';
import { DeviceDataset, readSample } from '../../src/data/index.node.ts';
import type { Device } from '../../src/devices/device.ts';
import { Pieces } from '../../src/devices/pieces.ts';
import { openWasmDevice } from '../../src/devices/wasm/device.ts';
import { dispose, noGrad, tidy } from '../../src/index.ts';
import { BatchNorm2d, cnn, compileForInference, type Module } from '../../src/nn/index.ts';
import { buildTrainee, fit, predictLogits, RECIPES, scheduleOf } from '../../src/train/index.ts';
import { settle } from '../support/garbage.ts';

const device = await openWasmDevice({ threads: 2 });
const { train } = await readSample();
const COUNT = 600;
const data = new DeviceDataset(
  { ...train, count: COUNT, images: train.images.subarray(0, COUNT * 784), labels: train.labels.subarray(0, COUNT) },
  device,
);
afterAll(async () => {
  data.dispose();
  await device.destroy();
});

describe('mode', () => {
  test('is what it was after two predictions at once, part by part', async () => {
    const model = cnn({ widths: [2, 4], depth: 1, hidden: 8 })
      .initialize({ device, seed: 1 })
      .train();
    const frozen = model.modules().find(part => part instanceof BatchNorm2d)!;
    frozen.eval();
    await Promise.all([predictLogits(model, data), predictLogits(model, data)]);
    expect(model.isTraining).toBe(true);
    expect(frozen.isTraining).toBe(false);
    model.dispose();
  });

  test('two predictions during a training change neither its losses nor what it records', async () => {
    const recipe = { ...RECIPES.cnn, epochs: 1, batchSize: 25, augmentation: null };
    const spec = { name: 'cnn', options: { widths: [4, 8], depth: 1, hidden: 16, dropout: 0.2 } } as const;
    const trained = async (besides: (model: Module, isDone: () => boolean) => Promise<void>) => {
      const { model, optimizer, dispose } = buildTrainee(spec, recipe, device, 3);
      let isDone = false;
      const options = { epochs: 1, batchSize: 25, seed: 3, schedule: scheduleOf(recipe) };
      const training = fit(model, data, optimizer, options).finally(() => {
        isDone = true;
      });
      await besides(model, () => isDone);
      const { history, capture } = await training;
      const logits = await predictLogits(model, data);
      dispose();
      return { losses: history.losses, capture, logits };
    };
    const alone = await trained(async () => {});
    let predictions = 0;
    const interleaved = await trained(async (model, isDone) => {
      const again = async (batchSize: number): Promise<void> => {
        while (!isDone()) {
          await predictLogits(model, data, { batchSize });
          predictions++;
        }
      };
      await Promise.all([again(100), again(50)]);
    });
    expect(predictions).toBeGreaterThanOrEqual(2);
    expect(alone.capture?.captured).toBe(true);
    expect(interleaved).toEqual(alone);
  });
});

/** A small model whose batch norms have statistics. */
function trainedOnce(): Module {
  const model = cnn({ widths: [4, 8], depth: 1, hidden: 16 }).initialize({ device, seed: 1 });
  tidy(() => noGrad(() => model.train().call(data.batch([1, 2, 3, 4]).images)));
  return model;
}

describe('a long prediction', () => {
  test('lets others have their turn, and stops when its signal is raised', async () => {
    const model = cnn({ widths: [32, 64], depth: 2, hidden: 64 }).initialize({ device, seed: 1 });
    await settle();
    const before = device.memory().liveBytes;
    const controller = new AbortController();
    let done = 0;
    let ticks = 0;
    const timer = setInterval(() => {
      if (++ticks === 2) controller.abort();
    }, 1);
    // Long enough for the fastest engine to be still at work.
    const indices = Array.from({ length: 20 * COUNT }, (_, i) => i % COUNT);
    const prediction = predictLogits(model, data, {
      indices,
      signal: controller.signal,
      onProgress: images => {
        done = images;
      },
    });
    await expect(prediction).rejects.toThrow(/aborted/);
    clearInterval(timer);
    expect(done).toBeGreaterThan(0);
    expect(done).toBeLessThan(indices.length);
    expect(device.memory().liveBytes).toBe(before);
    model.dispose();
  });

  test('finds the bits of the compiled model, in a training’s validation as anywhere', async () => {
    const model = trainedOnce();
    const indices = Array.from({ length: 200 }, (_, i) => i);
    const logits = await predictLogits(model, data, { indices, batchSize: 50 });
    const compiled = await compileForInference(model, [50, 28, 28, 1]);
    const images = data.batch(indices.slice(150)).images;
    const output = compiled.run(images);
    expect(logits.slice(1500)).toEqual(await output.data());
    const plain = tidy(() => noGrad(() => model.eval().call(images)));
    // Folded weights round otherwise: this is what tells that they were used.
    expect(logits.slice(1500)).not.toEqual(await plain.data());
    dispose(images, output, plain);
    compiled.dispose();
    model.dispose();
  });

  test('of a model that is written to meanwhile goes on with what it then is', async () => {
    const model = trainedOnce();
    await settle();
    const before = device.memory().liveBytes;
    let done = 0;
    const logits = await predictLogits(model, data, {
      batchSize: 50,
      onProgress(images) {
        if (done === 0) model.arena.write('norm1_1.runningMean', new Float32Array(4).fill(0.25));
        done = images;
      },
    });
    expect(done).toBe(COUNT);
    expect(device.memory().liveBytes).toBe(before);
    const { images } = data.batch(Array.from({ length: 50 }, (_, i) => COUNT - 50 + i));
    const plain = tidy(() => noGrad(() => model.eval().call(images)));
    expect(logits.slice(-500)).toEqual(await plain.data());
    dispose(images, plain);
    model.dispose();
  });

  test('gives the same bits however it is cut', async () => {
    const model = cnn({ widths: [8, 16], depth: 1, hidden: 32 }).initialize({ device, seed: 1 });
    // The last batch has one image, which is added up in another order than many are.
    const indices = Array.from({ length: 401 }, (_, i) => i);
    const whole = await predictLogits(model, data, { indices: indices.slice(0, 400), capture: false });
    const last = await predictLogits(model, data, { indices: [400], capture: false });
    const cut = await predictLogits(model, data, { indices, batchSize: 200 });
    expect(cut).toEqual(Float32Array.of(...whole, ...last));
    for (const batchSize of [16, 25, 80]) {
      expect(await predictLogits(model, data, { indices: indices.slice(0, 400), batchSize })).toEqual(whole);
    }
    model.dispose();
  });
});

describe('pieces', () => {
  /** The pieces of a batch on a device where each image takes so long. */
  const piecesOf = (kind: Device['kind'], batch: number, millisecondsPerImage: number, batches: number): number[] => {
    const pieces = new Pieces({ kind } as Device, batch);
    const sizes: number[] = [];
    for (let done = 0; done < batches * batch; ) {
      const count = pieces.next(batch - (done % batch));
      sizes.push(count);
      pieces.took(count, count * millisecondsPerImage);
      done += count;
    }
    return sizes;
  };

  test('end within 0.4 s, and grow to the whole batch where that is quick', () => {
    expect(Math.max(...piecesOf('wasm', 500, 2, 8))).toBeLessThanOrEqual(200);
    expect(Math.max(...piecesOf('reference', 500, 250, 1))).toBe(1);
    expect(piecesOf('wasm', 500, 0.2, 4).at(-1)).toBe(500);
    expect(piecesOf('webgpu', 500, 9, 2)).toEqual([500, 500]);
  });

  test.each([17, 31, 33, 100, 499, 500])('of a batch of %i never have fewer than 16 images on wasm', batch => {
    for (const milliseconds of [0.1, 1, 3, 12, 40]) {
      const sizes = piecesOf('wasm', batch, milliseconds, 6);
      expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(6 * batch);
      expect(Math.min(...sizes)).toBeGreaterThanOrEqual(16);
    }
  });
});
