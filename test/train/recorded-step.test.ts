/**
 * Training steps that are recorded and replayed: the same bits as steps taken one by one, nothing made anew, and a stated
 * reason where a step cannot be recorded.
 */
import { afterAll, describe, expect, test } from 'vitest';
import { onGradient } from '../../src/autograd/index.ts';
import { DeviceDataset, readSample } from '../../src/data/index.node.ts';
import { WebGpuDevice } from '../../src/devices/webgpu/device.ts';
import { mul, type Tensor, tensor } from '../../src/index.ts';
import * as nn from '../../src/nn/index.ts';
import { buildModel, ExponentialMovingAverage, type Module, Sequential, SGD } from '../../src/nn/index.ts';
import { buildTrainee, type FitOptions, fit, predictLogits, RECIPES, scheduleOf } from '../../src/train/index.ts';
import { MAIN_DEVICES, openTestDevices } from '../support/devices.ts';
import { settle } from '../support/garbage.ts';

const COUNT = 120;
const BATCH = 12;
const { train } = await readSample();
const images = { ...train, count: COUNT, images: train.images.subarray(0, COUNT * 784) };
const sample = { ...images, labels: train.labels.subarray(0, COUNT) };
const SPEC = { name: 'cnn', options: { widths: [4, 6], depth: 1, hidden: 16, dropout: 0.3 } } as const;
const RECIPE = { ...RECIPES.cnn, epochs: 2, batchSize: BATCH, ema: 0.95, learningRate: 0.02 };
const OPTIONS: FitOptions = {
  epochs: 2,
  batchSize: BATCH,
  seed: 7,
  schedule: scheduleOf(RECIPE),
  smoothing: 0.1,
  augmentation: {
    crop: 2,
    flip: 'random',
    erase: { probability: 0.5, minArea: 0.02, maxArea: 0.4, minAspect: 0.3, maxAspect: 3.3, fill: 'random' },
  },
};

const opened = (await openTestDevices()).filter(({ name }) => !name.startsWith('reference'));
afterAll(() => Promise.all(opened.map(({ device }) => device?.destroy())));

for (const { name, device } of opened) {
  describe.skipIf(!device)(name, () => {
    const data = device && new DeviceDataset(sample, device);

    /** Everything that training leaves behind. */
    async function run(options: Partial<FitOptions>, recipe = RECIPE) {
      const trainee = buildTrainee(SPEC, recipe, device!, 3);
      const { model, optimizer, ema } = trainee;
      const result = await fit(model, data!, optimizer, { ...OPTIONS, ema, ...options });
      const { values, state } = model.arena;
      const storages = [values, state, ...optimizer.stateArrays, ...(ema ? [ema.values, ema.state] : [])];
      const arrays = await Promise.all(storages.map(storage => device!.read(storage)));
      const steps = optimizer.stepCount;
      trainee.dispose();
      return { losses: result.history.losses, arrays, capture: result.capture, steps };
    }

    test('dropout, augmentation, momentum, averages, smoothing, a schedule: the same bits', async () => {
      const [replayed, plain] = [await run({}), await run({ capture: false })];
      expect(replayed.capture).toEqual({ captured: true });
      expect(plain.capture).toEqual({ captured: false, reason: 'it is switched off' });
      expect(replayed.losses).toHaveLength((2 * COUNT) / BATCH);
      expect(new Set(replayed.losses).size).toBe(replayed.losses.length);
      expect(replayed).toEqual({ ...plain, capture: replayed.capture });
    });

    test('mixtures and affine maps, which the host decides, and AdamW with clipping: the same bits', async () => {
      const options = { affine: { degrees: 10, scale: 0.1, shear: 5 }, mixup: 0.4, cutmix: 1 };
      const recipe = { ...RECIPE, optimizer: 'adamw', learningRate: 1e-3, maxGradientNorm: 0.5 } as const;
      const [replayed, plain] = [await run(options, recipe), await run({ ...options, capture: false }, recipe)];
      expect(replayed.capture).toEqual({ captured: true });
      expect(replayed).toEqual({ ...plain, capture: replayed.capture });
    });

    test('memory: nothing is left behind, and validation in between does no harm', async () => {
      const validation = { data: data!, indices: [0, 1, 2, 3, 4] };
      await run({ validation });
      await settle();
      const before = device!.memory();
      const [replayed, plain] = [await run({ validation }), await run({ validation, capture: false })];
      expect(replayed).toEqual({ ...plain, capture: replayed.capture });
      await settle();
      const { liveAllocations, liveBytes } = device!.memory();
      expect({ liveAllocations, liveBytes }).toEqual({
        liveAllocations: before.liveAllocations,
        liveBytes: before.liveBytes,
      });
    });

    /** Trains a small model with `forward` in its middle, recorded if it can be. */
    async function runCustom(forward: (x: Tensor, call: number) => Tensor, options: Partial<FitOptions> = {}) {
      class Custom extends nn.Module {
        calls = 0;
        forward(x: Tensor): Tensor {
          return forward(x, this.calls++);
        }
      }
      const middle = new Custom();
      const model = new Sequential({
        conv: new nn.Conv2d(1, 4, 3, { bias: false }),
        norm: new nn.BatchNorm2d(4),
        drop: new nn.Dropout(0.2),
        middle,
        pool: new nn.MaxPool2d(4),
        flatten: new nn.Flatten(),
        logits: new nn.Linear(7 * 7 * 4, 10),
      }).initialize({ device: device!, seed: 1 });
      const optimizer = new SGD(model, { learningRate: 0.01, momentum: 0.9 });
      const ema = new ExponentialMovingAverage(model, 0.9);
      const result = await fit(model, data!, optimizer, { ...OPTIONS, epochs: 1, ema, ...options });
      const arrays = await Promise.all(
        [model.arena.values, model.arena.state, ...optimizer.stateArrays, ema.values].map(s => device!.read(s)),
      );
      for (const each of [ema, optimizer, model as Module]) each.dispose();
      return { losses: result.history.losses, arrays, capture: result.capture, calls: middle.calls };
    }

    test.each<[string, RegExp, (x: Tensor, call: number) => Tensor]>([
      ['sends values to the device', /write/, x => mul(x, tensor([2], [1], { device: device! }))],
      [
        'reads values',
        /read/,
        x => {
          void x.data();
          return x;
        },
      ],
      [
        'looks at a gradient',
        /gradient hook/,
        x => {
          onGradient(x, () => undefined);
          return x;
        },
      ],
      ['does something else every time', /two steps in a row/, (x, call) => mul(x, 1 + 0.01 * (call % 5))],
    ])('a model that %s is trained step by step, and says why', async (_, reason, forward) => {
      const [tried, plain] = [await runCustom(forward), await runCustom(forward, { capture: false })];
      expect(tried.capture).toMatchObject({ captured: false, reason: expect.stringMatching(reason) });
      expect(tried.losses).toEqual(plain.losses);
      // What the attempt had changed (statistics, dropout's counter) was put back.
      expect(tried.arrays).toEqual(plain.arrays);
    });

    test('a recorded model is not called again', async () => {
      const { calls, capture } = await runCustom(x => x);
      expect(capture).toEqual({ captured: true });
      // Once on shapes, to know its classes, and twice to be recorded.
      expect(calls).toBe(3);
    });

    test('an error of the model itself is thrown, not taken for a reason', async () => {
      await expect(runCustom(x => mul(x, tensor([1, 2, 3], [3], { device: device! })))).rejects.toThrow(/\[3\]/);
    });

    test('gradients that are looked at keep the steps unrecorded', async () => {
      const seen: number[] = [];
      const { capture } = await run({ epochs: 1, onGradients: step => seen.push(step) });
      expect(capture).toMatchObject({ captured: false, reason: expect.stringMatching(/gradients/) });
      expect(seen).toHaveLength(COUNT / BATCH);
    });

    test('the outcome is told once', async () => {
      const outcomes: unknown[] = [];
      await run({ onCapture: outcome => outcomes.push(outcome) });
      expect(outcomes).toEqual([{ captured: true }]);
    });

    test('predictions from a replayed pass have the same bits, the last and smaller batch included', async () => {
      // A device of its own: what the failing models above have left is the collector's, and it comes when it likes.
      const fresh = await MAIN_DEVICES[name]();
      const images = new DeviceDataset(sample, fresh);
      const model = buildModel(SPEC).initialize({ device: fresh, seed: 5 });
      await settle();
      const before = fresh.memory().liveAllocations;
      let calls = 0;
      const call = model.call.bind(model);
      model.call = x => {
        calls++;
        return call(x);
      };
      const indices = Uint32Array.from({ length: 53 }, (_, i) => (7 * i) % COUNT);
      const done: number[] = [];
      const onProgress = (count: number) => done.push(count);
      const replayed = await predictLogits(model, images, { indices, batchSize: 10, onProgress });
      expect(calls).toBe(3);
      expect(done).toEqual([10, 20, 30, 40, 50, 53]);
      const plain = await predictLogits(model, images, { indices, batchSize: 10, capture: false });
      expect(calls).toBe(9);
      expect(replayed).toEqual(plain);
      expect(new Set(replayed).size).toBeGreaterThan(500);
      expect(model.isTraining).toBe(true);
      expect(fresh.memory().liveAllocations).toBe(before);
      model.dispose();
      await fresh.destroy();
    });

    test.runIf(device instanceof WebGpuDevice)(
      'a replay makes no buffer, bind group, pipeline or uniform',
      async () => {
        const { gpu } = device as WebGpuDevice;
        const made: string[] = [];
        const names = ['createBuffer', 'createBindGroup', 'createComputePipeline', 'createShaderModule'] as const;
        const originals = names.map(name => gpu[name]);
        let steps = 0;
        let written = 0;
        const write = gpu.queue.writeBuffer;
        try {
          await run({
            epochs: 3,
            onProgress: ({ record }) => {
              if (record) return;
              // The steps in flight when the recording stood have been read.
              if (++steps !== 10) return;
              names.forEach((name, i) => {
                Object.defineProperty(gpu, name, {
                  configurable: true,
                  value: (...args: never[]) => {
                    made.push(name);
                    return (originals[i] as (...args: never[]) => unknown).apply(gpu, args);
                  },
                });
              });
              Object.defineProperty(gpu.queue, 'writeBuffer', {
                configurable: true,
                value: (...args: Parameters<typeof write>) => {
                  written++;
                  return write.apply(gpu.queue, args);
                },
              });
            },
          });
        } finally {
          for (const name of names) delete (gpu as Partial<GPUDevice>)[name];
          delete (gpu.queue as Partial<GPUQueue>).writeBuffer;
        }
        expect(steps).toBe(30);
        expect(made).toEqual([]);
        // Indices, augmentation state and learning rate, and nothing else.
        expect(written % 3).toBe(0);
        expect(written / 3).toBeGreaterThanOrEqual(15);
        expect(written / 3).toBeLessThanOrEqual(20);
      },
    );
  });
}
