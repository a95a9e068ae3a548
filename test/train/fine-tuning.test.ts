/**
 * Training part of a model: frozen and unfrozen layers while steps are replayed, groups under a schedule, a checkpoint
 * whose head is another one, and a training that is resumed when its parameters have not all taken the same steps.
 */
import { afterAll, describe, expect, test } from 'vitest';
import { DeviceDataset, readSample } from '../../src/data/index.node.ts';
import { CheckpointError, UsageError } from '../../src/devices/errors.ts';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import * as nn from '../../src/nn/index.ts';
import {
  type CheckpointInfo,
  encodeCheckpoint,
  type FitOptions,
  fit,
  RECIPES,
  restoreCheckpoint,
  restoreWeights,
  scheduleOf,
} from '../../src/train/index.ts';
import { openTestDevices } from '../support/devices.ts';
import { settle } from '../support/garbage.ts';

const COUNT = 48;
const BATCH = 8;
const { train } = await readSample();
const images = { ...train, count: COUNT, images: train.images.subarray(0, COUNT * 784) };
const sample = { ...images, labels: train.labels.subarray(0, COUNT) };
const OPTIONS: FitOptions = {
  epochs: 3,
  batchSize: BATCH,
  seed: 7,
  schedule: scheduleOf({ ...RECIPES.cnn, epochs: 3 }),
};
const INFO: CheckpointInfo = { model: { name: 'cnn', options: {} }, device: 'here', adapter: 'here', seed: 1 };
const SMALL = { widths: [4, 6], depth: 1, hidden: 16, dropout: 0.3 };

/** Modules of a CNN by name. */
const partsOf = (model: nn.Module) => Object.fromEntries(model.children());
const bodyOf = (model: nn.Module) => model.children().flatMap(([name, layer]) => (name === 'logits' ? [] : [layer]));

const opened = await openTestDevices();
afterAll(() => Promise.all(opened.map(({ device }) => device?.destroy())));

for (const { name, device } of opened) {
  describe.skipIf(!device)(name, () => {
    const data = device && new DeviceDataset(sample, device);
    const isRecorded = device?.kind !== 'reference';

    async function run(
      options: Partial<FitOptions>,
      begin: (model: nn.Module) => void,
      onEpoch: (model: nn.Module, epoch: number) => void = () => {},
    ) {
      const model = nn.cnn(SMALL).initialize({ device: device!, seed: 3 });
      const { logits } = partsOf(model);
      const optimizer = new nn.AdamW(
        [
          { parameters: bodyOf(model), learningRate: 2e-3 },
          { parameters: logits, weightDecay: 0.2 },
        ],
        { learningRate: 1e-2, weightDecay: 0.05, maxGradientNorm: 1 },
      );
      const ema = new nn.ExponentialMovingAverage(model, 0.99, { warmUp: true });
      begin(model);
      const { history, capture } = await fit(model, data!, optimizer, {
        ...OPTIONS,
        ema,
        onProgress: ({ record }) => {
          if (record) onEpoch(model, record.epoch);
        },
        ...options,
      });
      const storages = [model.arena.values, model.arena.state, ...optimizer.stateArrays, ...ema.stateArrays];
      const arrays = await Promise.all(storages.map(storage => device!.read(storage)));
      const steps = Object.fromEntries(
        model.arena.parameters.map(({ name }, i) => [name, optimizer.parameterSteps[i]]),
      );
      const result = { losses: history.losses, arrays, steps, capture };
      for (const each of [ema, optimizer, model]) each.dispose();
      return result;
    }

    const freezeBody = (model: nn.Module) => {
      for (const part of bodyOf(model)) part.freeze();
    };

    test('a head on a frozen body, replayed or not: the same bits, and the body as it was', async () => {
      const start = nn.cnn(SMALL).initialize({ device: device!, seed: 3 });
      const before = await device!.read(start.arena.values);
      const plain = await run({ capture: false }, freezeBody);
      const replayed = isRecorded ? await run({}, freezeBody) : plain;
      if (isRecorded) expect(replayed.capture).toEqual({ captured: true });
      expect(replayed).toEqual({ ...plain, capture: replayed.capture });
      start.arena.parameterEntries.forEach(({ name, start: from, length }) => {
        const after = plain.arrays[0].subarray(from, from + length);
        const isHead = name.startsWith('logits.');
        if (isHead) expect(after, name).not.toEqual(before.subarray(from, from + length));
        else expect(after, name).toEqual(before.subarray(from, from + length));
        expect(plain.steps[name], name).toBe(isHead ? (3 * COUNT) / BATCH : 0);
      });
      start.dispose();
    });

    test('a body that is unfrozen between two steps of a recording takes part from then on', async () => {
      const unfreeze = (model: nn.Module, epoch: number) => {
        if (epoch === 0) model.unfreeze();
        if (epoch === 1) partsOf(model).conv1_1.freeze();
      };
      const plain = await run({ capture: false }, freezeBody, unfreeze);
      const replayed = isRecorded ? await run({}, freezeBody, unfreeze) : plain;
      expect(replayed).toEqual({ ...plain, capture: replayed.capture });
      const perEpoch = COUNT / BATCH;
      expect(plain.steps['logits.weight']).toBe(3 * perEpoch);
      expect(plain.steps['dense.weight']).toBe(2 * perEpoch);
      expect(plain.steps['conv1_1.weight']).toBe(perEpoch);
    });

    test('an optimizer over the head alone: the rest rests, and its gradients do not pile up', async () => {
      const train = async (capture: boolean) => {
        const model = nn.cnn(SMALL).initialize({ device: device!, seed: 3 });
        const { logits, dense } = partsOf(model) as Record<string, nn.Linear>;
        const optimizer = new nn.SGD(logits, { learningRate: 0.05, momentum: 0.9, maxGradientNorm: 1 });
        const before = await dense.weight.value.data();
        const result = await fit(model, data!, optimizer, { ...OPTIONS, capture });
        expect(await dense.weight.value.data()).toEqual(before);
        const gradient = await dense.weight.gradient.data();
        const values = await device!.read(model.arena.values);
        for (const each of [optimizer, model]) each.dispose();
        return { losses: result.history.losses, gradient, values, capture: result.capture };
      };
      const plain = await train(false);
      const replayed = isRecorded ? await train(true) : plain;
      if (isRecorded) expect(replayed.capture).toEqual({ captured: true });
      expect(replayed).toEqual({ ...plain, capture: replayed.capture });
    });
  });
}

describe('a checkpoint of part of a training', () => {
  const device = new ReferenceDevice();
  const trained = async () => {
    const model = nn.cnn(SMALL).initialize({ device, seed: 5 });
    const optimizer = new nn.AdamW(model, { learningRate: 1e-3 });
    const data = new DeviceDataset(sample, device);
    await fit(model, data, optimizer, { ...OPTIONS, epochs: 1 });
    partsOf(model).conv1_1.freeze();
    await fit(model, data, optimizer, { ...OPTIONS, epochs: 1 });
    return { model, optimizer, bytes: await encodeCheckpoint(model, INFO, { optimizer }) };
  };
  const one = trained();

  test('brings back how many steps each parameter has taken', async () => {
    const { optimizer, bytes } = await one;
    const perEpoch = COUNT / BATCH;
    expect(new Set(optimizer.parameterSteps)).toEqual(new Set([perEpoch, 2 * perEpoch]));
    const model = nn.cnn(SMALL).initialize({ device, seed: 6 });
    // Other groups: the state lies by parameter.
    const other = new nn.AdamW([{ parameters: bodyOf(model), weightDecay: 0 }, { parameters: partsOf(model).logits }], {
      learningRate: 1e-3,
    });
    restoreCheckpoint(bytes, 'file', model, { optimizer: other });
    expect(other.parameterSteps).toEqual(optimizer.parameterSteps);
    for (const [i, storage] of other.stateArrays.entries()) {
      expect(await device.read(storage)).toEqual(await device.read(optimizer.stateArrays[i]));
    }
    other.dispose();
    model.dispose();
  });

  const valuesOf = async (owned: Iterable<[string, nn.Parameter | nn.Buffer]>) =>
    new Map(await Promise.all([...owned].map(async ([key, { value }]) => [key, await value.data()] as const)));

  test('goes under another head', async () => {
    const { model: source, bytes } = await one;
    const model = nn.cnn({ ...SMALL, classes: 3 }).initialize({ device, seed: 8 });
    const before = await valuesOf(model.namedParameters());
    await settle();
    const memory = device.memory();
    const refused = () => restoreWeights(bytes, 'file', model);
    expect(refused).toThrow(CheckpointError);
    expect(refused).toThrow(
      /file: "logits\.(weight|bias)" is \[(16, )?10\] in the checkpoint and \[(16, )?3\] in the model/,
    );
    // A shape that does not fit is an error however loosely names are matched.
    expect(() => restoreWeights(bytes, 'file', model, { strict: false })).toThrow(/is \[(16, )?10\] in the checkpoint/);
    expect(await valuesOf(model.namedParameters())).toEqual(before);
    const report = restoreWeights(bytes, 'file', model, { skip: ['logits'] });
    expect(report.skipped).toEqual(['logits.weight', 'logits.bias']);
    expect([report.missing, report.unexpected]).toEqual([[], []]);
    expect(report.info).toEqual(INFO);
    const [after, wanted] = [await valuesOf(model.namedParameters()), await valuesOf(source.namedParameters())];
    for (const [key, values] of after) {
      const from = key.startsWith('logits.') ? before.get(key)! : wanted.get(key)!;
      expect(values, key).toEqual(from);
    }
    expect(report.loaded).toHaveLength(model.namedParameters().length + model.namedBuffers().length - 2);
    expect(device.memory()).toEqual(memory);
    model.dispose();
  });

  test('goes into a part of a larger model, by the names within the part', async () => {
    const { model: source, bytes } = await one;
    const body = nn.cnn({ ...SMALL });
    const model = new nn.Sequential({ body, extra: new nn.Linear(10, 2) }).initialize({ device, seed: 8 });
    const extra = await valuesOf(partsOf(model).extra.namedParameters());
    const { missing, unexpected } = restoreWeights(bytes, 'file', body);
    expect([missing, unexpected]).toEqual([[], []]);
    const wanted = await valuesOf(source.namedBuffers());
    for (const [key, values] of await valuesOf(body.namedBuffers())) {
      expect(values, key).toEqual(wanted.get(key)!);
    }
    expect(await valuesOf(partsOf(model).extra.namedParameters())).toEqual(extra);
    model.dispose();
  });

  test('names that only one side has are an error, or are reported', async () => {
    const { bytes } = await one;
    const layers = { ...partsOf(nn.cnn(SMALL)), extra: new nn.Linear(10, 2) } as Record<string, nn.Module>;
    delete layers.logits;
    const model = new nn.Sequential(layers).initialize({ device, seed: 8 });
    const refused = () => restoreWeights(bytes, 'file', model);
    expect(refused).toThrow(CheckpointError);
    expect(refused).toThrow(
      'file does not fit the model: the checkpoint has no "extra.weight", "extra.bias"; the model has no "logits.bias", "logits.weight". Name',
    );
    const report = restoreWeights(bytes, 'file', model, { strict: false });
    expect(report.missing).toEqual(['extra.weight', 'extra.bias']);
    expect(report.unexpected).toEqual(['logits.bias', 'logits.weight']);
    model.dispose();
  });

  test.each<[string, object, RegExp]>([
    ['a path that nobody has', { skip: ['logit'] }, /neither the model nor file has "logit"/],
    ['skip as text', { skip: 'logits' }, /skip must be an array, not "logits"/],
    ['a path that is no text', { skip: [3] }, /skip\[0\] must be the name of .*not 3/],
    ['strict as a number', { strict: 0 }, /strict must be true or false, not 0/],
    ['a misspelt option', { skipped: [] }, /no option "skipped"; there are skip, strict/],
  ])('%s is refused', async (_, options, message) => {
    const { model, bytes } = await one;
    expect(() => restoreWeights(bytes, 'file', model, options)).toThrow(UsageError);
    expect(() => restoreWeights(bytes, 'file', model, options)).toThrow(message);
  });
});
