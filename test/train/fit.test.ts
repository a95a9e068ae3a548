/** The training loop, in process: what it records, when it stops, and what it says when numbers go wrong. */
import { afterEach, describe, expect, test } from 'vitest';
import { DeviceDataset, readSample } from '../../src/data/index.node.ts';
import { NonFiniteError, UsageError } from '../../src/devices/errors.ts';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import { openWasmDevice } from '../../src/devices/wasm/device.ts';
import { liveTensorCount } from '../../src/index.ts';
import {
  buildTrainee,
  type CheckpointEvent,
  type FitOptions,
  fit,
  fitOptions,
  RECIPES,
  scheduleOf,
  type Trainee,
} from '../../src/train/index.ts';
import { settle } from '../support/garbage.ts';

const device = await openWasmDevice();
const sample = (await readSample()).train;
const COUNT = 200;
const data = new DeviceDataset(
  { ...sample, count: COUNT, images: sample.images.subarray(0, COUNT * 784), labels: sample.labels.subarray(0, COUNT) },
  device,
);
const SPEC = { name: 'cnn', options: { widths: [4, 8], depth: 1, hidden: 32 } } as const;
const RECIPE = { ...RECIPES.cnn, epochs: 3, batchSize: 25, augmentation: null };
const OPTIONS: FitOptions = { epochs: 3, batchSize: 25, seed: 3, schedule: scheduleOf(RECIPE), smoothing: 0.1 };

const built: Trainee[] = [];
const build = (recipe = RECIPE): Trainee => {
  const trainee = buildTrainee(SPEC, recipe, device, 3);
  built.push(trainee);
  return trainee;
};
afterEach(() => {
  for (const trainee of built.splice(0)) trainee.dispose();
});

describe('fit', () => {
  test('records every step and every epoch, and learns', async () => {
    const { model, optimizer } = build();
    await settle();
    const before = liveTensorCount();
    const { history, interrupted } = await fit(model, data, optimizer, {
      ...OPTIONS,
      epochs: 12,
      schedule: () => 0.2,
    });
    expect(interrupted).toBe(false);
    expect(history.losses).toHaveLength(96);
    expect(history.epochs.map(({ epoch }) => epoch)).toEqual(Array.from({ length: 12 }, (_, i) => i));
    const meanOf = (losses: readonly number[]) => losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
    expect(history.epochs[0].loss).toBeCloseTo(meanOf(history.losses.slice(0, 8)), 10);
    expect(history.epochs[11].loss).toBeLessThan(history.epochs[0].loss - 0.3);
    expect(history.epochs[11].accuracy).toBeGreaterThan(0.4);
    expect(liveTensorCount()).toBe(before);
  });

  test('training on mixtures learns too', async () => {
    const { model, optimizer } = build();
    const { history } = await fit(model, data, optimizer, {
      ...OPTIONS,
      epochs: 12,
      schedule: () => 0.2,
      mixup: 0.4,
      cutmix: 1,
    });
    expect(history.epochs[11].loss).toBeLessThan(history.epochs[0].loss - 0.1);
  });

  test('checkpoints within an epoch stand at the steps asked for and hold their losses', async () => {
    const { model, optimizer } = build();
    const seen: { event: CheckpointEvent; losses: number }[] = [];
    await fit(model, data, optimizer, {
      ...OPTIONS,
      checkpointEvery: 3,
      onCheckpoint: async event => {
        seen.push({ event, losses: event.history.losses.length });
      },
    });
    // Eight steps an epoch: after every third step, and after each epoch (step 24 is both).
    const steps = seen.map(({ event }) => event.position.step);
    expect(steps).toEqual([3, 6, 8, 9, 12, 15, 16, 18, 21, 24]);
    expect(seen.map(({ losses }) => losses)).toEqual(steps);
    expect(seen.map(({ event }) => event.position.batch)).toEqual([3, 6, 0, 1, 4, 7, 0, 2, 5, 0]);
  });

  test('label smoothing ends after the epochs it is given, replayed or not', async () => {
    const losses = async (options: Partial<FitOptions>) => {
      const { model, optimizer } = build();
      return (await fit(model, data, optimizer, { ...OPTIONS, ...options })).history.losses;
    };
    const [always, never] = [await losses({}), await losses({ smoothing: 0 })];
    const [ended, single] = [
      await losses({ smoothingEpochs: 1 }),
      await losses({ smoothingEpochs: 1, capture: false }),
    ];
    expect(ended.slice(0, 8)).toEqual(always.slice(0, 8));
    expect(ended[8]).not.toBe(always[8]);
    expect(single).toEqual(ended);
    expect(await losses({ smoothingEpochs: 0 })).toEqual(never);
    expect(await losses({ smoothingEpochs: 3 })).toEqual(always);
    // Taken up after the first epoch, which was trained with smoothing.
    const { model, optimizer } = build();
    const { history } = await fit(model, data, optimizer, {
      ...OPTIONS,
      epochs: 1,
      schedule: step => OPTIONS.schedule(step, 24),
    });
    const resume = { position: { epoch: 1, batch: 0, step: 8 }, history };
    const resumed = await fit(model, data, optimizer, { ...OPTIONS, smoothingEpochs: 1, resume });
    expect(resumed.history.losses).toEqual(ended);
  });

  test('stops early when validation has not improved for the given number of epochs', async () => {
    const { model, optimizer } = build();
    const bests: boolean[] = [];
    const { history } = await fit(model, data, optimizer, {
      ...OPTIONS,
      epochs: 20,
      // Nothing changes any more, so the first epoch stays the best.
      schedule: () => 0,
      validation: { data, indices: [0, 1, 2, 3, 4, 5] },
      patience: 2,
      onCheckpoint: async ({ isBest }) => {
        bests.push(isBest);
      },
    });
    expect(history.epochs.length).toBeLessThan(20);
    const accuracies = history.epochs.map(({ validationAccuracy }) => validationAccuracy!);
    expect(Math.max(...accuracies.slice(-2))).toBeLessThanOrEqual(Math.max(...accuracies.slice(0, -2)));
    expect(bests).toEqual(accuracies.map((accuracy, i) => accuracy >= Math.max(...accuracies.slice(0, i + 1))));
    // Resumed, a run that has stopped stays stopped.
    const position = { epoch: history.epochs.length, batch: 0, step: 8 * history.epochs.length };
    const again = await fit(model, data, optimizer, {
      ...OPTIONS,
      epochs: 20,
      validation: { data, indices: [0, 1, 2, 3, 4, 5] },
      patience: 2,
      resume: { position, history },
    });
    expect(again.history.epochs).toHaveLength(history.epochs.length);
  });

  test('validation uses the averaged parameters and leaves training where it was', async () => {
    const losses: number[][] = [];
    for (const validation of [undefined, { data, indices: [1, 2, 3] }]) {
      const { model, optimizer, ema } = build({ ...RECIPE, ema: 0.9 });
      const { history } = await fit(model, data, optimizer, { ...OPTIONS, ema, validation });
      losses.push(history.losses);
    }
    expect(losses[1]).toEqual(losses[0]);
  });

  test('warm-up begins near zero and joins the schedule', () => {
    const course = scheduleOf({ ...RECIPE, epochs: 10, warmUp: 2, schedule: 'constant' });
    expect(course(0, 100)).toBeCloseTo(1 / 20);
    expect(course(9, 100)).toBeCloseTo(0.5);
    expect(course(20, 100)).toBe(1);
  });

  describe('images that do not fill a last batch', () => {
    const options = { ...OPTIONS, epochs: 2, batchSize: 60 };
    const run = async (extra: Partial<FitOptions> = {}) => {
      const { model, optimizer } = build();
      return fit(model, data, optimizer, { ...options, ...extra });
    };

    test('make a smaller batch: every image is trained on, and counts once in loss and accuracy', async () => {
      const seen: number[] = [];
      const { history, imagesLeftOut } = await run({
        capture: false,
        // The last batch is the only one with a loss of its own size: at rate 0 all losses are those of the first model.
        schedule: () => 0,
        onProgress: ({ record, batch, batches }) => {
          if (!record) seen.push(batch);
          expect(batches).toBe(4);
        },
      });
      expect(imagesLeftOut).toBe(0);
      expect(history.losses).toHaveLength(8);
      expect(seen).toEqual([1, 2, 3, 4, 1, 2, 3, 4]);
      for (const epoch of [0, 1]) {
        const [a, b, c, d] = history.losses.slice(4 * epoch);
        expect(history.epochs[epoch].loss).toBeCloseTo((60 * (a + b + c) + 20 * d) / 200, 12);
        expect((history.epochs[epoch].accuracy * COUNT) % 1).toBeCloseTo(0, 9);
      }
    });

    test('are left out where that is asked for, and counted', async () => {
      const { history, imagesLeftOut } = await run({ dropLast: true });
      expect(imagesLeftOut).toBe(20);
      expect(history.losses).toHaveLength(6);
      expect((await run({ dropLast: true, batchSize: 50 })).imagesLeftOut).toBe(0);
      await expect(run({ dropLast: true, batchSize: 201 })).rejects.toThrow(/200 images do not fill one batch of 201/);
      expect((await run({ batchSize: 201 })).history.losses).toHaveLength(2);
    });

    test('recipes leave them out', () => {
      expect(fitOptions(RECIPES.cnn)).toMatchObject({ dropLast: true, batchSize: 128 });
      expect(fitOptions(RECIPES.cnn, 100)).toMatchObject({ dropLast: true, batchSize: 100 });
    });

    test('a run that is cut off goes on with the same steps, recorded or not', async () => {
      const whole = await run();
      for (const after of [1, 2, 3, 4]) {
        const { model, optimizer } = build();
        const stop = new AbortController();
        let cut: CheckpointEvent | undefined;
        await fit(model, data, optimizer, {
          ...options,
          checkpointEvery: after,
          signal: stop.signal,
          onCheckpoint: async event => {
            cut = event;
            stop.abort();
          },
        });
        // Stopped one step after the first checkpoint, with another one.
        expect(cut!.position).toEqual({ epoch: after < 3 ? 0 : 1, batch: (after + 1) % 4, step: after + 1 });
        const { position, history } = cut!;
        const resumed = await fit(model, data, optimizer, { ...options, resume: { position, history } });
        expect(resumed.history.losses).toEqual(whole.history.losses);
      }
    });
  });

  test.each<[string, Partial<FitOptions>, RegExp]>([
    ['epochs', { epochs: 1.5 }, /fit: epochs must be a whole number of at least 1, not 1.5/],
    ['no epochs', { epochs: 0 }, /epochs must be .* not 0/],
    ['batchSize', { batchSize: 2.5 }, /batchSize must be a whole number of at least 1, not 2.5/],
    ['negative batchSize', { batchSize: -3 }, /batchSize must be .* not -3/],
    ['batchSize that is none', { batchSize: Number.NaN }, /batchSize must be .* not NaN/],
    ['missing batchSize', { batchSize: undefined }, /batchSize must be .* not undefined/],
    ['seed', { seed: -1 }, /seed must be a whole number of at least 0 and at most 4294967295, not -1/],
    ['smoothing', { smoothing: 1.5 }, /smoothing must be a number of at least 0 and at most 1, not 1.5/],
    ['smoothing that is none', { smoothing: Number.NaN }, /smoothing must be .* not NaN/],
    ['smoothingEpochs', { smoothingEpochs: -1 }, /smoothingEpochs must be .* not -1/],
    ['checkpointEvery', { checkpointEvery: 0 }, /checkpointEvery must be .* not 0/],
    ['mixup', { mixup: -0.1 }, /mixup must be a finite number of at least 0, not -0.1/],
    ['patience without images to judge by', { patience: 2 }, /patience \(2\) needs images to judge by/],
    ['patience of no epochs', { patience: 0, validation: { data } }, /patience must be .* at least 1, not 0/],
    [
      'an index beyond the data',
      { trainIndices: [0, 1, 500] },
      /trainIndices\[2\] must be the place of one of 200 images, 0 to 199, not 500/,
    ],
    ['an index between images', { trainIndices: [0.5] }, /trainIndices\[0\] must be .* not 0.5/],
    ['no index', { trainIndices: [] }, /trainIndices must be the places of some images, not \[\]/],
    [
      'a validation index beyond the data',
      { validation: { data, indices: [-1] } },
      /validation\.indices\[0\] must be .* not -1/,
    ],
    ['an option that there is not', { epocs: 3 } as Partial<FitOptions>, /no option "epocs"; there are epochs, /],
    ['no schedule', { schedule: undefined }, /schedule must be a function, not undefined/],
    ['a schedule that gives no number', { schedule: () => Number.NaN }, /schedule gives NaN at step 0/],
    [
      'the position of a run with other batches',
      {
        resume: {
          position: { epoch: 0, batch: 3, step: 3 },
          history: { losses: [1, 2], epochs: [], partial: { loss: 3, hits: 0, seconds: 1 } },
        },
      },
      /cannot go on at epoch 0, batch 3 with the losses of 2 steps/,
    ],
  ])('%s: refused by name before anything is touched', async (_, wrong, sentence) => {
    const { model, optimizer } = build();
    await settle();
    const before = [device.memory().liveBytes, ...(await device.read(model.arena.values)).slice(0, 50)];
    const refused = fit(model, data, optimizer, { ...OPTIONS, ...wrong } as FitOptions);
    await expect(refused).rejects.toThrow(UsageError);
    await expect(refused).rejects.toThrow(sentence);
    expect([device.memory().liveBytes, ...(await device.read(model.arena.values)).slice(0, 50)]).toEqual(before);
    expect(optimizer.stepCount).toBe(0);
  });

  test('a label that the model has no class for is named with its image, wherever it is met', async () => {
    const labels = Uint8Array.from({ length: COUNT }, (_, image) => (image === 7 ? 10 : image % 10));
    const bad = new DeviceDataset(
      { ...sample, count: COUNT, images: sample.images.subarray(0, COUNT * 784), labels },
      device,
    );
    const { model, optimizer } = build();
    const run = (set: DeviceDataset, extra: Partial<FitOptions> = {}) =>
      fit(model, set, optimizer, { ...OPTIONS, epochs: 1, ...extra });
    await expect(run(bad)).rejects.toThrow(/label of training image 7 is 10; the model has 10 classes, 0 to 9/);
    await expect(run(data, { validation: { data: bad } })).rejects.toThrow(/label of validation image 7 is 10/);
    expect(optimizer.stepCount).toBe(0);
    // An image that takes no part may be of any class.
    const others = Array.from({ length: 50 }, (_, i) => i + 8);
    expect((await run(bad, { trainIndices: others })).history.losses).toHaveLength(2);
    bad.dispose();
  });

  test.each(['conv2_1.weight', 'norm1_1.runningVariance'])('an infinity in %s is named with its step', async name => {
    const { model, optimizer } = build();
    const owned = [...model.namedParameters(), ...model.namedBuffers()].find(([path]) => path === name)![1];
    const values = Float32Array.from(await owned.value.data());
    values[1] = Number.POSITIVE_INFINITY;
    model.arena.write(name, values);
    const run = fit(model, data, optimizer, OPTIONS);
    await expect(run).rejects.toThrow(NonFiniteError);
    await expect(run).rejects.toThrow(new RegExp(`Step 0.*${name}`));
  });

  test('gradients can be looked at between backward and update, each step', async () => {
    const { model, optimizer } = build();
    const steps: number[] = [];
    const norms: Promise<number>[] = [];
    await fit(model, data, optimizer, {
      ...OPTIONS,
      epochs: 1,
      onGradients: step => {
        steps.push(step);
        norms.push(device.read(model.arena.gradients).then(values => Math.hypot(...values)));
      },
    });
    expect(steps).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    for (const norm of await Promise.all(norms)) expect(norm).toBeGreaterThan(0);
  });
});

test('a run on the reference device follows the same batches: losses agree to float32 precision', async () => {
  const reference = new ReferenceDevice();
  const there = new DeviceDataset(
    {
      ...sample,
      count: COUNT,
      images: sample.images.subarray(0, COUNT * 784),
      labels: sample.labels.subarray(0, COUNT),
    },
    reference,
  );
  const other = buildTrainee(SPEC, RECIPE, reference, 3);
  const { model, optimizer } = build();
  const options = {
    ...OPTIONS,
    epochs: 1,
    augmentation: { crop: 2, flip: 'random', erase: null } as const,
    mixup: 0.3,
  };
  const [ours, theirs] = [
    await fit(model, data, optimizer, options),
    await fit(other.model, there, other.optimizer, options),
  ];
  ours.history.losses.forEach((loss, i) => {
    expect(Math.abs(loss - theirs.history.losses[i])).toBeLessThan(1e-4);
  });
  other.dispose();
  there.dispose();
});
