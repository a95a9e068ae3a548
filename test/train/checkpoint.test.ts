/** Checkpoints: everything comes back; files of other models, damaged files and unknown names are one sentence each. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { DeviceDataset } from '../../src/data/index.node.ts';
import { CheckpointError } from '../../src/devices/errors.ts';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import { openWasmDevice } from '../../src/devices/wasm/device.ts';
import { backward, crossEntropy, randomUniform, setDevice, tensor, tidy } from '../../src/index.ts';
import { parseSafetensors } from '../../src/interop/index.ts';
import type { ModelSpec } from '../../src/nn/index.ts';
import { loadCheckpoint, readCheckpointInfo, saveCheckpoint } from '../../src/train/checkpoint.node.ts';
import {
  buildTrainee,
  type CheckpointInfo,
  encodeCheckpoint,
  fit,
  type History,
  RECIPES,
  restoreCheckpoint,
  scheduleOf,
  type Trainee,
} from '../../src/train/index.ts';
import { checkpointPath, pretrainedNames } from '../../src/train/pretrained.node.ts';

const device = new ReferenceDevice();
setDevice(device);
const folder = mkdtempSync(join(tmpdir(), 'weft-checkpoint-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SPEC: ModelSpec = {
  name: 'cnn',
  options: { imageShape: [8, 8, 1], widths: [2], depth: 1, hidden: 4, dropout: 0.5 },
};
const RECIPE = { ...RECIPES.cnn, ema: 0.9, optimizer: 'adamw' as const, learningRate: 0.01 };
const INFO: CheckpointInfo = {
  model: SPEC,
  device: 'reference',
  adapter: 'here',
  seed: 4,
  options: { recipe: RECIPE },
  position: { epoch: 1, batch: 2, step: 30 },
  history: { losses: [1 / 3, 0.1 + 0.2], epochs: [], partial: { loss: Math.PI, hits: 3, seconds: 1 } },
};

function steps({ model, optimizer, ema }: Trainee, count: number, from = 0): void {
  model.train();
  for (let i = from; i < from + count; i++) {
    tidy(() =>
      backward(crossEntropy(model.call(randomUniform([4, 8, 8, 1], { seed: i })), tensor(Int32Array.of(0, 1, 2, 3)))),
    );
    optimizer.step();
    ema!.update();
  }
}

const stateOf = async ({ model, optimizer, ema }: Trainee) => ({
  values: await device.read(model.arena.values),
  state: await device.read(model.arena.state),
  moments: await Promise.all(optimizer.stateArrays.map(storage => device.read(storage))),
  averages: [await device.read(ema!.values), await device.read(ema!.state)],
  steps: optimizer.stepCount,
});

describe('a checkpoint', () => {
  const path = join(folder, 'run', 'last.safetensors');

  test('brings back parameters, statistics, optimizer, averages, random counters and the plain part', async () => {
    const one = buildTrainee(SPEC, RECIPE, device, 4);
    steps(one, 3);
    await saveCheckpoint(path, one.model, INFO, one);
    const two = buildTrainee(SPEC, RECIPE, device, 99);
    expect(await loadCheckpoint(path, two.model, two)).toEqual(INFO);
    expect(await readCheckpointInfo(path)).toEqual(INFO);
    expect(await stateOf(two)).toEqual(await stateOf(one));
    // The reference device's float64 values are kept as they are.
    const { values } = one.model.arena;
    expect(Array.from(await device.read(values)).some(value => value !== Math.fround(value))).toBe(true);
    // Going on from here is going on there: the dropout masks of the next steps are the same.
    steps(one, 2, 3);
    steps(two, 2, 3);
    expect(await stateOf(two)).toEqual(await stateOf(one));
  });

  test.each<[string, ModelSpec, RegExp]>([
    ['wider', { name: 'cnn', options: { ...SPEC.options, widths: [3] } } as ModelSpec, /another model: ".*" is \[/],
    ['of another kind', { name: 'lenet5', options: {} }, /another model: (it has no|this one has no) "/],
  ])('of a model that is %s is refused, and the model is left alone', async (_, spec, sentence) => {
    const other = buildTrainee(spec, RECIPE, device, 1);
    const before = await stateOf(other);
    const refused = loadCheckpoint(path, other.model, other);
    await expect(refused).rejects.toThrow(CheckpointError);
    await expect(refused).rejects.toThrow(sentence);
    expect(await stateOf(other)).toEqual(before);
  });

  test('damaged anywhere, header or values, is refused and changes nothing', async () => {
    const bytes = readFileSync(path);
    const one = buildTrainee(SPEC, RECIPE, device, 1);
    const before = await stateOf(one);
    const restore = (damaged: Uint8Array) => () => restoreCheckpoint(damaged, 'damaged', one.model, one);
    for (const length of [0, 7, 8, 100, Math.floor(bytes.length / 2), bytes.length - 1]) {
      expect(restore(bytes.subarray(0, length)), `${length} bytes`).toThrow(CheckpointError);
    }
    for (let at = 0; at < bytes.length; at += 5) {
      const damaged = Buffer.from(bytes);
      damaged[at] ^= 1 << (at % 8);
      expect(restore(damaged), `byte ${at}`).toThrow(CheckpointError);
    }
    expect(await stateOf(one)).toEqual(before);
    restoreCheckpoint(bytes, 'whole', one.model, one);
    expect(await stateOf(one)).not.toEqual(before);
  });

  test('that is not there, or is something else, is one sentence', async () => {
    await expect(readCheckpointInfo(join(folder, 'none.safetensors'))).rejects.toThrow(/There is no checkpoint .*none/);
    const text = join(folder, 'notes.safetensors');
    writeFileSync(text, 'not a checkpoint, but long enough to have a header');
    await expect(readCheckpointInfo(text)).rejects.toThrow(/notes\.safetensors is no sound safetensors file/);
  });
});

describe('a checkpoint of another device', async () => {
  const wasm = await openWasmDevice({ threads: 1 });
  afterAll(() => wasm.destroy());
  /** The dtypes of a checkpoint's arrays that are no random state. */
  const dtypes = (bytes: Uint8Array) =>
    new Set(
      [...parseSafetensors(bytes, 'c').tensors]
        .filter(([key]) => !key.startsWith('random.'))
        .map(([, { dtype }]) => dtype),
    );

  test('keeps what the device holds, and each device takes the values as exactly as it can', async () => {
    const exact = buildTrainee(SPEC, RECIPE, device, 4);
    steps(exact, 2);
    const wide = await encodeCheckpoint(exact.model, INFO, exact);
    expect(dtypes(wide)).toEqual(new Set(['F64']));
    const narrow = buildTrainee(SPEC, RECIPE, wasm, 9);
    restoreCheckpoint(wide, 'wide', narrow.model, narrow);
    expect(await wasm.read(narrow.model.arena.values)).toEqual(
      Float32Array.from(await device.read(exact.model.arena.values)),
    );
    expect(await wasm.read(narrow.optimizer.stateArrays[0])).toEqual(
      Float32Array.from(await device.read(exact.optimizer.stateArrays[0])),
    );
    const bytes = await encodeCheckpoint(narrow.model, INFO, narrow);
    expect(dtypes(bytes)).toEqual(new Set(['F32']));
    restoreCheckpoint(bytes, 'narrow', exact.model, exact);
    expect(Array.from(await device.read(exact.model.arena.values))).toEqual(
      Array.from(await wasm.read(narrow.model.arena.values)),
    );
    for (const trainee of [exact, narrow]) trainee.dispose();
  });
});

test('a run on the reference device that is cut off goes on bit for bit', async () => {
  const images = {
    images: Uint8Array.from({ length: 64 * 30 }, (_, i) => (i * 37) % 256),
    count: 30,
    height: 8,
    width: 8,
  };
  const labels = Uint8Array.from({ length: 30 }, (_, i) => i % 10);
  const data = new DeviceDataset({ ...images, labels, channels: 1 }, device);
  const options = { epochs: 3, batchSize: 10, seed: 0, schedule: scheduleOf(RECIPE) };
  const whole = buildTrainee(SPEC, RECIPE, device, 4);
  const { history: expected } = await fit(whole.model, data, whole.optimizer, { ...options, ema: whole.ema });
  const cut = buildTrainee(SPEC, RECIPE, device, 4);
  const stop = new AbortController();
  let bytes: Uint8Array | undefined;
  await fit(cut.model, data, cut.optimizer, {
    ...options,
    ema: cut.ema,
    signal: stop.signal,
    checkpointEvery: 4,
    onCheckpoint: async ({ position, history }) => {
      bytes = await encodeCheckpoint(cut.model, { ...INFO, position, history }, cut);
      if (position.step === 4) stop.abort();
    },
  });
  const resumed = buildTrainee(SPEC, RECIPE, device, 99);
  const info = restoreCheckpoint(bytes!, 'cut', resumed.model, resumed);
  const resume = { position: info.position!, history: info.history as History };
  const { history } = await fit(resumed.model, data, resumed.optimizer, { ...options, ema: resumed.ema, resume });
  expect(history.losses).toEqual(expected.losses);
  expect(await stateOf(resumed)).toEqual(await stateOf(whole));
});

describe('models that come with the package', () => {
  test('are found by name in the folder that holds them', () => {
    const models = join(folder, 'models');
    mkdirSync(models);
    expect(() => checkpointPath('pretrained:cnn', models)).toThrow(/no trained models.*weft train --model cnn/);
    for (const name of ['mini-resnet', 'cnn']) writeFileSync(join(models, `${name}.safetensors`), '');
    writeFileSync(join(models, 'README.md'), '');
    expect(pretrainedNames(models)).toEqual(['cnn', 'mini-resnet']);
    expect(checkpointPath('pretrained:cnn', models)).toBe(join(models, 'cnn.safetensors'));
    expect(checkpointPath('runs/a.safetensors', models)).toBe('runs/a.safetensors');
    expect(() => checkpointPath('pretrained:vgg', models)).toThrow(
      'no trained model "vgg" in this package; choose one of pretrained:cnn, pretrained:mini-resnet',
    );
    expect(() => checkpointPath('pretrained:../models/cnn', models)).toThrow(CheckpointError);
  });
});
