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
import { readSystemFashionMnist } from '../support/fashion-mnist.ts';
import { readTorchGolden, torchGoldenAbsent, torchGoldenDirectory } from '../support/shared.ts';

setDevice(new ReferenceDevice());

const GOLDEN: Record<string, () => Module> = {
  'train-cnn': () => cnn({ widths: [8, 16], hidden: 32 }),
  'train-miniresnet': () => miniResNet({ widths: [8, 16, 32] }),
};

const images = readSystemFashionMnist();
const noImages = images ? '' : '(skipped: Fashion-MNIST is not installed)';

describe.skipIf(torchGoldenDirectory === undefined)(`golden networks ${torchGoldenAbsent}`, () => {
  describe.each(Object.entries(GOLDEN))('%s', (file, build) => {
    test.skipIf(!images)(`trained weights give PyTorch's logits ${noImages}`, async () => {
      const { tensors } = readTorchGolden(`${file}.safetensors`);
      const model = build().initialize().eval();
      loadTorchWeights(model, tensors, file, { prefix: 'after.' });
      // The last 64 training images; float64 here, weights rounded to float32 there.
      const pixels = Float32Array.from(images!.images.subarray(-64 * 784), pixel => pixel / 255);
      const logits = await tidy(() => model.call(tensor(pixels, [64, 28, 28, 1]))).data();
      const expected = tensors.get('eval_logits')!.data as Float32Array;
      expect(Math.max(...logits.map((value, i) => Math.abs(value - expected[i])))).toBeLessThan(1e-4);
    });

    test('weights come out as they went in', async () => {
      const { tensors } = readTorchGolden(`${file}.safetensors`);
      const model = build().initialize();
      loadTorchWeights(model, tensors, file, { prefix: 'init.' });
      const written = new Map(await torchWeights(model, { prefix: 'init.' }));
      const theirs = [...tensors].filter(([name]) => name.startsWith('init.') && !name.endsWith('tracked'));
      expect([...written.keys()].sort()).toEqual(theirs.map(([name]) => name).sort());
      for (const [name, { shape, data }] of theirs) {
        expect(written.get(name)!.shape, name).toEqual(shape);
        expect(written.get(name)!.data, name).toEqual(data);
      }
    });

    test('another network is refused by the first array that does not fit', () => {
      const { tensors } = readTorchGolden(`${file}.safetensors`);
      const wider = miniResNet({ widths: [8, 16, 64] }).initialize();
      expect(() => loadTorchWeights(wider, tensors, file, { prefix: 'init.' })).toThrow(/is of another network/);
    });
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
