/** Evaluation: views and ensembles against what they are made of, and the command from a process. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CLASS_NAMES, DeviceDataset, readSample, SAMPLE_DIRECTORY } from '../../src/data/index.node.ts';
import { UsageError } from '../../src/devices/errors.ts';
import { openWasmDevice } from '../../src/devices/wasm/device.ts';
import { liveTensorCount, tensor } from '../../src/index.ts';
import { cnn } from '../../src/nn/index.ts';
import {
  evaluateLogits,
  type PredictOptions,
  predictEnsemble,
  predictLogits,
  softmaxRows,
  testTimeViews,
  validationSplit,
} from '../../src/train/index.ts';
import { settle } from '../support/garbage.ts';
import { REPOSITORY } from '../support/shared.ts';

const device = await openWasmDevice();
const sample = await readSample();
const test100 = new DeviceDataset(
  {
    ...sample.test,
    count: 100,
    images: sample.test.images.subarray(0, 78400),
    labels: sample.test.labels.subarray(0, 100),
  },
  device,
);
const build = (seed: number) => cnn({ widths: [2, 4], depth: 1, hidden: 8 }).initialize({ device, seed });

describe('views', () => {
  const picture = [
    [1, 2, 3],
    [4, 5, 6],
    [7, 8, 9],
  ];
  const show = async (names: Parameters<typeof testTimeViews>[0]) => {
    const x = tensor(Float32Array.from(picture.flat()), [1, 3, 3, 1], { device });
    return Promise.all(testTimeViews(names).map(async view => [...(await view(x).data())].join('')));
  };

  test('are the image itself, its mirror image, and a pixel along the diagonal with the border reflected', async () => {
    expect(await show([])).toEqual(['123456789']);
    expect(await show(['flip'])).toEqual(['123456789', '321654987']);
    expect(await show(['shift'])).toEqual(['123456789', '565898565', '545212545']);
    expect(await show(['flip', 'shift'])).toHaveLength(6);
    expect(() => testTimeViews(['turn' as 'flip'])).toThrow(/no test-time augmentation "turn"/);
  });
});

describe('predictLogits', () => {
  test.each<[string, PredictOptions, RegExp]>([
    ['no size', { batchSize: 0 }, /batchSize must be a whole number of at least 1, not 0/],
    ['half an image', { batchSize: 2.5 }, /batchSize must be .* not 2.5/],
    [
      'an index beyond the data',
      { indices: [3, 100] },
      /indices\[1\] must be the place of one of 100 images, 0 to 99, not 100/,
    ],
    ['an index between images', { indices: Float32Array.of(0.5) }, /indices\[0\] must be .* not 0.5/],
    ['no image', { indices: [] }, /indices must be the places of some images/],
  ])('%s is refused by name', async (_, options, sentence) => {
    const model = build(1).train();
    await settle();
    const before = device.memory().liveBytes;
    await expect(predictLogits(model, test100, options)).rejects.toThrow(UsageError);
    await expect(predictLogits(model, test100, options)).rejects.toThrow(sentence);
    expect(device.memory().liveBytes).toBe(before);
    expect(model.isTraining).toBe(true);
    model.dispose();
  });

  test('batches of any size give the same logits', async () => {
    const model = build(1);
    const all = await predictLogits(model, test100);
    for (const batchSize of [7, 20, 100, 1000]) {
      const logits = await predictLogits(model, test100, { batchSize });
      logits.forEach((value, i) => {
        expect(value).toBeCloseTo(all[i], 5);
      });
    }
    model.dispose();
  });
});

describe('ensembles', () => {
  test('of one are its logits; of several, the mean of their probabilities', async () => {
    const [a, b] = [build(1), build(2)];
    await settle();
    const before = liveTensorCount();
    const logits = await predictLogits(a, test100);
    expect(await predictEnsemble([a], test100)).toEqual(logits);
    const mean = await predictEnsemble([a, b], test100);
    const [p, q] = [softmaxRows(logits, 10), softmaxRows(await predictLogits(b, test100), 10)];
    mean.forEach((value, i) => {
      expect(Math.exp(value)).toBeCloseTo((p[i] + q[i]) / 2, 12);
    });
    const subset = await predictEnsemble([a, b], test100, { indices: [7, 3], views: testTimeViews(['flip']) });
    expect(subset).toHaveLength(20);
    expect(liveTensorCount()).toBe(before);
  });

  test('with mirrored views cannot tell left from right', async () => {
    const model = build(1);
    const views = testTimeViews(['flip']);
    const [plain, mirrored] = [views, views.map(view => (x: Parameters<typeof view>[0]) => view(views[1](x)))];
    const there = await predictEnsemble([model], test100, { views: plain });
    const back = await predictEnsemble([model], test100, { views: mirrored });
    there.forEach((value, i) => {
      expect(back[i]).toBeCloseTo(value, 10);
    });
  });
});

test('the held-out images are stratified and the same whatever the seed of a run', () => {
  const { heldOut, train } = validationSplit(sample.train.labels, 500);
  expect(heldOut).toHaveLength(500);
  expect(new Set([...heldOut, ...train]).size).toBe(3000);
  const counts = new Array(10).fill(0);
  for (const index of heldOut) counts[sample.train.labels[index]]++;
  expect(counts).toEqual(new Array(10).fill(50));
  expect(validationSplit(sample.train.labels, 500).heldOut).toEqual(heldOut);
});

describe('weft evaluate', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-evaluate-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const run = promisify(execFile);
  const weft = async (line: string) => {
    const args = [
      '--import',
      'tsx',
      'src/cli/main.ts',
      ...line.split(' '),
      '--device',
      'wasm',
      '--data',
      SAMPLE_DIRECTORY,
    ];
    return run(process.execPath, args, { cwd: REPOSITORY, env: { ...process.env, WEFT_RELAXED_SIMD: '0' } });
  };
  const model = (name: string) => join(folder, name, 'checkpoints', 'model.safetensors');
  const train = (name: string, options: string) =>
    weft(`train --widths 4,8 --hidden 16 --epochs 2 --batch-size 50 ${options} --out ${join(folder, name)} --json`);

  beforeAll(async () => {
    await train('a', '--seed 1 --validation 500');
    await train('b', '--seed 2 --validation 500 --no-test');
    await train('whole', '--seed 3');
  });

  test('prints every metric, the same that the training run found, and writes the figures', async () => {
    const out = join(folder, 'evaluation');
    const { stdout } = await weft(`evaluate --checkpoint ${model('a')} --compare ${model('b')} --out ${out} --json`);
    const result = JSON.parse(stdout);
    const trained = JSON.parse(readFileSync(join(folder, 'a', 'metrics.json'), 'utf8'));
    for (const [key, value] of Object.entries(trained.evaluation)) expect(result[key], key).toEqual(value);
    expect(result.accuracy).toBe(trained.testAccuracy);
    expect(Object.keys(result)).toEqual(
      expect.arrayContaining(
        'model checkpoint images accuracy ci95 top2 macro perClass confusion nll brier ece temperature'.split(' '),
      ),
    );
    expect(result.perClass.map(({ name }: { name: string }) => name)).toEqual([...CLASS_NAMES]);
    expect(result.temperature).toBeGreaterThan(0);
    expect(result.calibrated.nll).toBeLessThan(result.nll + 0.01);
    const { onlyFirst, onlySecond, accuracy } = result.comparison;
    expect(onlyFirst - onlySecond).toBe(Math.round(1000 * (result.accuracy - accuracy)));
    for (const name of ['mistakes.png', 'reliability.svg', 'reliability-calibrated.svg', 'confusion-matrix.svg']) {
      expect(existsSync(join(out, 'figures', name)), name).toBe(true);
    }
    const mistakes = JSON.parse(readFileSync(join(out, 'mistakes.json'), 'utf8'));
    for (const { image, label, predicted } of mistakes) {
      expect(CLASS_NAMES[sample.test.labels[image]]).toBe(label);
      expect(predicted).not.toBe(label);
    }
    const uses = readFileSync(join(folder, 'test-set-uses.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map(line => JSON.parse(line));
    // Training a and whole, evaluating a and b; training b left the test images alone.
    expect(uses.map(({ command }) => command)).toEqual(['train', 'train', 'evaluate', 'evaluate']);
  });

  test('averages several checkpoints and views as the library does', async () => {
    const out = join(folder, 'ensemble');
    const { stdout } = await weft(
      `evaluate --checkpoint ${model('a')},${model('b')} --tta flip,shift --limit 100 --out ${out} --json`,
    );
    const { loadCheckpoint, readCheckpointInfo } = await import('../../src/train/checkpoint.node.ts');
    const { buildModel } = await import('../../src/nn/index.ts');
    const models = await Promise.all(
      ['a', 'b'].map(async name => {
        const one = buildModel((await readCheckpointInfo(model(name))).model).initialize({ device });
        await loadCheckpoint(model(name), one);
        return one;
      }),
    );
    const logits = await predictEnsemble(models, test100, { views: testTimeViews(['flip', 'shift']) });
    const expected = evaluateLogits(logits, sample.test.labels.subarray(0, 100), CLASS_NAMES);
    const { temperature, ...result } = JSON.parse(stdout);
    expect(result.confusion).toEqual(expected.confusion);
    expect(result.nll).toBeCloseTo(expected.nll, 5);
    // --limit leaves other training images than the checkpoints were trained on.
    expect(temperature).toBeNull();
  });

  test('a run without the test images reports on those held out', async () => {
    const trained = JSON.parse(readFileSync(join(folder, 'b', 'metrics.json'), 'utf8'));
    expect(trained).toMatchObject({ evaluatedOn: 'validation', testImages: 0, validationImages: 500 });
    expect(trained.testAccuracy).toBeUndefined();
    const { stdout } = await weft(`evaluate --checkpoint ${model('b')} --on validation --json`);
    expect(JSON.parse(stdout)).toMatchObject({ images: 500, accuracy: trained.validationAccuracy });
  });

  test('says in one sentence why there is no temperature, no such model, no such option', async () => {
    const failure = async (line: string) => {
      try {
        await weft(line);
      } catch (error) {
        const { code, stderr } = error as { code: number; stderr: string };
        expect(stderr).not.toContain('    at ');
        return { code, stderr };
      }
      throw new Error('The command did not fail.');
    };
    const insisted = await failure(`evaluate --checkpoint ${model('whole')} --temperature`);
    expect(insisted).toMatchObject({ code: 2, stderr: expect.stringContaining('was trained on all training images') });
    const unknown = await failure('evaluate --checkpoint pretrained:vgg');
    expect(unknown).toMatchObject({ code: 1, stderr: expect.stringContaining('vgg"') });
    const option = await failure('train --model lenet5 --widths 3,4');
    expect(option).toMatchObject({ code: 2, stderr: expect.stringContaining('lenet5 has no --widths') });
    const patience = await failure('train --patience 3');
    expect(patience).toMatchObject({ code: 2, stderr: expect.stringContaining('--validation 5000') });
  });
});
