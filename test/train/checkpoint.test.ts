/** Checkpoints: everything comes back; files of other models, damaged files and unknown names are one sentence each. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { CheckpointError } from '../../src/devices/errors.ts';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import { backward, crossEntropy, randomUniform, setDevice, tensor, tidy } from '../../src/index.ts';
import type { ModelSpec } from '../../src/nn/index.ts';
import { loadCheckpoint, readCheckpointInfo, saveCheckpoint } from '../../src/train/checkpoint.node.ts';
import { buildTrainee, type CheckpointInfo, RECIPES, restoreCheckpoint, type Trainee } from '../../src/train/index.ts';
import { checkpointPath, pretrainedNames } from '../../src/train/pretrained.node.ts';
import { noteTestSetUse } from '../../src/train/test-set-ledger.node.ts';

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

/** The reference device holds float64, files float32: rounding first makes the comparison exact. */
function roundToFloat32({ model, optimizer, ema }: Trainee): void {
  const { values, state } = model.arena;
  for (const { allocation } of [values, state, ...optimizer.stateArrays, ema!.values, ema!.state]) {
    const buffer = allocation.buffer as Float64Array;
    buffer.set(Float32Array.from(buffer));
  }
}

describe('a checkpoint', () => {
  const path = join(folder, 'run', 'last.safetensors');

  test('brings back parameters, statistics, optimizer, averages, random counters and the plain part', async () => {
    const one = buildTrainee(SPEC, RECIPE, device, 4);
    steps(one, 3);
    roundToFloat32(one);
    await saveCheckpoint(path, one.model, INFO, one);
    const two = buildTrainee(SPEC, RECIPE, device, 99);
    expect(await loadCheckpoint(path, two.model, two)).toEqual(INFO);
    expect(await readCheckpointInfo(path)).toEqual(INFO);
    expect(await stateOf(two)).toEqual(await stateOf(one));
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

test('uses of the test set are lines of one ledger beside the runs', async () => {
  const use = { command: 'evaluate', model: 'cnn', checkpoint: 'a', sampleData: true, images: 5, accuracy: 0.4 };
  const first = await noteTestSetUse(join(folder, 'runs', 'a'), use);
  const second = await noteTestSetUse(join(folder, 'runs', 'b'), { ...use, accuracy: 0.5 });
  expect(second).toBe(first);
  const lines = readFileSync(first, 'utf8').trim().split('\n');
  expect(lines.map(line => JSON.parse(line).accuracy)).toEqual([0.4, 0.5]);
});
