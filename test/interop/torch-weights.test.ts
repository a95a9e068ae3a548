/**
 * PyTorch's networks here: the trained golden weights must give PyTorch's logits on the same images, and come out again as
 * they went in.
 */
import { describe, expect, test } from 'vitest';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import { setDevice, tensor, tidy } from '../../src/index.ts';
import {
  loadTorchWeights,
  parseSafetensors,
  type SafetensorsEntry,
  serializeSafetensors,
  torchWeights,
} from '../../src/interop/index.ts';
import { cnn, leNet5, type Module, miniResNet } from '../../src/nn/index.ts';
import { goldenTraining, readSample, stateAfter } from '../support/golden.ts';

setDevice(new ReferenceDevice());

const BUILD = {
  cnn: () => cnn({ widths: [8, 16], hidden: 16 }),
  'mini-resnet': () => miniResNet({ widths: [8, 16, 32] }),
};

describe.each(Object.keys(BUILD) as (keyof typeof BUILD)[])("PyTorch's %s", name => {
  const run = goldenTraining.networks[name];
  const build: () => Module = BUILD[name];

  test('its trained weights give its logits', async () => {
    const { judged } = goldenTraining;
    const model = build().initialize().eval();
    loadTorchWeights(model, stateAfter(run), name);
    // float64 here, weights rounded to float32 there.
    const pixels = Float32Array.from(readSample().images.subarray(-judged * 784), pixel => pixel / 255);
    const logits = await tidy(() => model.call(tensor(pixels, [judged, 28, 28, 1]))).data();
    expect(logits.length).toBe(run.logits.length);
    expect(Math.max(...logits.map((value, i) => Math.abs(value - run.logits[i])))).toBeLessThan(1e-4);
  });

  test('weights come out as they went in', async () => {
    const model = build().initialize();
    const theirs = stateAfter(run);
    loadTorchWeights(model, theirs, name);
    const written = new Map(await torchWeights(model));
    expect([...written.keys()].sort()).toEqual([...theirs.keys()].sort());
    for (const [key, { shape, data }] of theirs) {
      expect(written.get(key)!.shape, key).toEqual(shape);
      expect(written.get(key)!.data, key).toEqual(data);
    }
  });

  test('names may have a prefix, and counts that weft has no use for are passed over', async () => {
    const model = build().initialize();
    const theirs = new Map([...stateAfter(run)].map(([key, value]) => [`model.${key}`, value]));
    const counted = [...theirs.keys()].find(key => key.endsWith('running_var'))!;
    const count = { dtype: 'I64', shape: [], data: BigInt64Array.of(20n) } as unknown as SafetensorsEntry;
    const withCount = new Map<string, SafetensorsEntry>(theirs);
    withCount.set(counted.replace('running_var', 'num_batches_tracked'), count);
    loadTorchWeights(model, withCount, name, { prefix: 'model.' });
    const [key, { data }] = [...theirs][0];
    expect(new Map(await torchWeights(model, { prefix: 'model.' })).get(key)!.data).toEqual(data);
  });

  test('another network is refused by the first array that does not fit', () => {
    const wider = miniResNet({ widths: [8, 16, 64] }).initialize();
    expect(() => loadTorchWeights(wider, stateAfter(run), name)).toThrow(/is of another network/);
  });
});

describe('any sequential or residual network', () => {
  test.each<[string, () => Module]>([
    ['cnn with dropout', () => cnn({ widths: [2, 3], hidden: 4, dropout: 0.1 })],
    ['lenet5', () => leNet5()],
    ['pre-activation', () => miniResNet({ widths: [2, 3], blocks: [1, 2], block: 'pre-activation' })],
    ['imagenet stem', () => miniResNet({ widths: [2, 3], blocks: [1, 1], stem: 'imagenet' })],
  ])('%s: a file of the weights restores the model', async (_, build) => {
    const model = build().initialize({ seed: 1 });
    const bytes = serializeSafetensors(await torchWeights(model));
    const other = build().initialize({ seed: 2 });
    loadTorchWeights(other, parseSafetensors(bytes, 'file').tensors, 'file');
    const [ours, theirs] = [model.arena.values, other.arena.values];
    expect(await other.device.read(theirs)).toEqual(await model.device.read(ours));
  });

  test('places are counted as PyTorch counts them', async () => {
    const names = (await torchWeights(cnn({ widths: [2, 3], hidden: 4, dropout: 0.1 }).initialize())).map(
      ([name]) => name,
    );
    // conv bn relu conv bn relu pool (twice: 0 to 13), flatten 14, linear 15, relu 16, dropout 17, linear 18.
    expect(names).toContain('7.weight');
    expect(names).toContain('8.running_var');
    expect(names.slice(-4)).toEqual(['15.weight', '15.bias', '18.weight', '18.bias']);
  });

  test('mistakes are sentences, and leave the model alone', async () => {
    const model = leNet5().initialize({ seed: 1 });
    const before = await model.device.read(model.arena.values);
    const entries = new Map((await torchWeights(model)).map(([name, source]) => [name, { dtype: 'F32', ...source }]));
    const load = (change: (tensors: Map<string, unknown>) => void) => {
      const tensors = new Map<string, unknown>(entries);
      change(tensors);
      loadTorchWeights(model, tensors as Map<string, SafetensorsEntry>, 'lenet.safetensors');
    };
    expect(() => load(tensors => tensors.delete('9.bias'))).toThrow('it has no "9.bias" (dense2.bias)');
    expect(() => load(tensors => tensors.set('99.bias', entries.get('9.bias')))).toThrow('this one has no "99.bias"');
    expect(() =>
      load(tensors => tensors.set('9.weight', { dtype: 'F32', shape: [84], data: new Float32Array(84) })),
    ).toThrow('"9.weight" is F32 [84], not float [84, 120]');
    expect(await model.device.read(model.arena.values)).toEqual(before);
  });
});
