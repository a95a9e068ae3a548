/**
 * Training and evaluating on data that is not Fashion-MNIST, from the command line: MNIST's and EMNIST's files, colour, one
 * big class beside a small one, JPEGs of mixed sizes. The numbers are those of the library on the same arrays.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { recipeOf } from '../../src/cli/training-options.ts';
import { DeviceDataset } from '../../src/data/device-dataset.ts';
import { openDataset } from '../../src/data/open-dataset.node.ts';
import { openDevice } from '../../src/devices/open.ts';
import { modelForImages } from '../../src/nn/index.ts';
import { Run, sessionOn } from '../../src/study/index.node.ts';
import { loadModel, readCheckpointInfo } from '../../src/train/checkpoint.node.ts';
import { predictLogits, RECIPES, softmaxRows } from '../../src/train/index.ts';
import { parseCsv } from '../support/csv.ts';
import { putDataSets, putFile } from '../support/other-data.ts';
import { REPOSITORY } from '../support/shared.ts';

const scratch = mkdtempSync(join(tmpdir(), 'weft-other-data-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const TSX = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;

function weft(...args: string[]): Promise<Outcome> {
  const child = spawn(process.execPath, ['--import', TSX, join(REPOSITORY, 'src/cli/main.ts'), ...args], {
    cwd: scratch,
    env: { ...process.env, WEFT_CACHE: join(scratch, 'cache') },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', chunk => (stdout += chunk));
  child.stderr.on('data', chunk => (stderr += chunk));
  return new Promise(resolve => child.on('close', code => resolve({ code, stdout, stderr })));
}

const put = (name: string, bytes: Uint8Array): void => putFile(scratch, name, bytes);

beforeAll(() => putDataSets(scratch));

const COMMON = ['--device', 'wasm', '--seed', '0', '--json', '--batch-size', '16', '--epochs', '1'];
const TINY = ['--widths', '2,4', '--hidden', '8'];

async function train(folder: string, ...args: string[]): Promise<any> {
  const out = args.includes('--out') ? [] : ['--out', `runs/${folder}`];
  const { code, stdout, stderr } = await weft('train', '--data', folder, ...out, ...COMMON, ...args);
  expect(code, stderr).toBe(0);
  return { ...JSON.parse(stdout), stderr };
}

describe('weft train', () => {
  test('on digits learns, as the library does on the same arrays, and evaluate repeats it', async () => {
    const args = ['--epochs', '4', '--learning-rate', '0.02', ...TINY];
    const found = await weft('train', '--data', 'digits', '--out', 'runs/digits', ...COMMON.slice(0, -2), ...args);
    expect(found.code, found.stderr).toBe(0);
    expect(found.stderr).toContain('Images are not mirrored (--flip none)');
    const result = JSON.parse(found.stdout);
    expect(result).toMatchObject({ trainImages: 320, testImages: 100, sampleData: false });
    expect(result.testAccuracy).toBeGreaterThan(0.5);
    expect(result.evaluation.macro.f1).toBeGreaterThan(0.5);

    const data = await openDataset(join(scratch, 'digits'));
    const { mean, std } = data;
    const model = modelForImages(
      { name: 'cnn', options: { widths: [2, 4], hidden: 8, seed: 0 } },
      { imageShape: [28, 28, 1], classes: 10, mean, std },
    );
    const recipe = { ...RECIPES.cnn, epochs: 4, batchSize: 16, learningRate: 0.02 };
    const own = { ...recipe, augmentation: { ...recipe.augmentation!, flip: 'none' as const } };
    const device = await openDevice('wasm');
    try {
      const asked = { model, recipe: own, seed: 0, validation: 0, out: join(scratch, 'runs/library') };
      const library = await (await Run.open(asked, data, sessionOn(device))).finish();
      expect(library.testLoss).toBe(result.testLoss);
      expect(library.testAccuracy).toBe(result.testAccuracy);
    } finally {
      await device.destroy();
    }

    const checkpoint = 'runs/digits/checkpoints/model.safetensors';
    const info = await readCheckpointInfo(join(scratch, checkpoint));
    expect(info.data).toEqual({
      kind: 'other',
      classNames: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
      imageShape: [28, 28, 1],
      preparation: [],
    });
    expect(info.model.options).toMatchObject({ mean, std });
    const again = await weft(
      'evaluate',
      '--checkpoint',
      checkpoint,
      '--data',
      'digits',
      '--out',
      'evaluated',
      '--json',
      '--device',
      'wasm',
    );
    expect(again.code, again.stderr).toBe(0);
    expect(JSON.parse(again.stdout).accuracy).toBe(result.testAccuracy);
    const shown = await weft('evaluate', '--checkpoint', checkpoint, '--data', 'digits', '--device', 'wasm');
    expect(shown.stdout).toMatch(
      /^cnn: test accuracy [\d.]+ % .*, macro F1 [\d.]+ % \(precision [\d.]+ %, recall [\d.]+ %\), 100 images$/m,
    );
  });

  test('on letters of 47 classes in the form of EMNIST', async () => {
    const result = await train('letters', '--model', 'lenet5');
    expect(result.evaluation.perClass).toHaveLength(47);
    const { data, model } = await readCheckpointInfo(result.checkpoint.replace(/^runs/, join(scratch, 'runs')));
    expect(data!.preparation).toEqual(['Rows and columns of each image were exchanged.']);
    expect(model.options).toMatchObject({ classes: 47, imageSize: [28, 28] });
  });

  test('on 32 x 32 x 3', async () => {
    const result = await train('colour', '--model', 'mini-resnet', '--widths', '4,8', '--blocks', '1,1');
    expect(result).toMatchObject({ trainImages: 96, testImages: 40 });
    const { model } = await readCheckpointInfo(join(scratch, result.checkpoint));
    expect(model.options).toMatchObject({ channels: 3, classes: 4 });
    const checkpoint = 'runs/colour/checkpoints/model.safetensors';
    const again = await weft(
      'evaluate',
      '--checkpoint',
      checkpoint,
      '--data',
      'colour',
      '--out',
      'colours',
      '--json',
      '--device',
      'wasm',
    );
    expect(again.code, again.stderr).toBe(0);
    expect(JSON.parse(again.stdout).accuracy).toBe(result.testAccuracy);
  });

  test('on two uneven classes of 64 x 64, said to be uneven, with macro F1', async () => {
    const result = await train('uneven', '--model', 'cnn', ...TINY, '--flip', 'random');
    expect(result.stderr).toContain('Odd: Classes are uneven: 100 training images of 0, 10 of 1.');
    expect(result.stderr).not.toContain('not mirrored');
    const { recipe } = JSON.parse(readFileSync(join(scratch, 'runs/uneven/config.json'), 'utf8'));
    expect(recipe.augmentation.flip).toBe('random');

    // Gone on with, the folder must hold the same images.
    const again = [
      'train',
      '--data',
      'uneven',
      '--out',
      'runs/uneven',
      '--resume',
      ...COMMON,
      ...TINY,
      '--flip',
      'random',
    ];
    const same = await weft(...again);
    expect(same.code, same.stderr).toBe(0);
    const labels = join(scratch, 'uneven/t10k-labels-idx1-ubyte');
    const bytes = readFileSync(labels);
    bytes[8] ^= 1;
    writeFileSync(labels, bytes);
    const changed = await weft(...again);
    expect(changed.code).toBe(1);
    expect(changed.stderr).toMatch(/^weft: .*last\.safetensors belongs to a run with other options or data /m);
  });

  test('on uneven classes with weights or balanced sampling, and without some images', async () => {
    put('lists/doubtful.txt', Buffer.from('# doubtful\n3\n7 # twice the same\n'));
    const drop = ['--drop', 'lists/doubtful.txt'];
    const weighted = await train('uneven', '--out', 'runs/weighted', ...TINY, '--class-weights', 'balanced', ...drop);
    expect(weighted).toMatchObject({ trainImages: 108, droppedImages: 2 });
    expect(weighted.stderr).toContain('2 of 110 training images are left out (lists/doubtful.txt).');
    expect(weighted.stderr).toContain('Class weights: 0 0.551, 1 5.4.');
    const { recipe, dropped } = JSON.parse(readFileSync(join(scratch, 'runs/weighted/config.json'), 'utf8'));
    expect(recipe).toMatchObject({ classWeights: 'balanced' });
    expect(dropped).toMatchObject({ images: 2 });
    const left = JSON.parse(readFileSync(join(scratch, 'runs/weighted/left-out.json'), 'utf8'));
    expect(left).toMatchObject({ source: 'lists/doubtful.txt', indices: [3, 7] });

    put('lists/weights.json', Buffer.from('[1, 10]'));
    const listed = await train('uneven', '--out', 'runs/listed', ...TINY, '--class-weights', 'lists/weights.json');
    expect(listed.stderr).toContain('Class weights: 0 1, 1 10.');
    const sampled = await train('uneven', '--out', 'runs/sampled', ...TINY, '--sampling', 'balanced');
    const config = JSON.parse(readFileSync(join(scratch, 'runs/sampled/config.json'), 'utf8'));
    expect(config.recipe.sampling).toBe('balanced');
    expect(sampled.testLoss).not.toBe(listed.testLoss);

    // What is said to be so by default changes nothing.
    const said = recipeOf({ model: 'cnn', augment: true, classWeights: 'none', sampling: 'shuffled' });
    expect(JSON.stringify(said)).toBe(JSON.stringify(RECIPES.cnn));

    // A run goes on only with the same images left out.
    const again = ['train', '--data', 'uneven', '--out', 'runs/weighted', '--resume', ...COMMON, ...TINY];
    const resumed = await weft(...again, '--class-weights', 'balanced');
    expect(resumed.code).toBe(1);
    expect(resumed.stderr).toMatch(/last\.safetensors belongs to a run with other options or data /);
  });

  test('on JPEG pictures of mixed sizes, of which --limit takes some of every class', async () => {
    const args = ['--resize', '28x24', '--limit', '16', '--model', 'resnet20'];
    const result = await train('photos', ...args);
    expect(result).toMatchObject({ trainImages: 16, testImages: 8 });
    const { data } = await readCheckpointInfo(join(scratch, result.checkpoint));
    expect(data).toMatchObject({ classNames: ['left', 'right'], imageShape: [28, 24, 3] });
    expect(result.evaluation.perClass.map(({ support }: { support: number }) => support)).toEqual([4, 4]);
    const unsized = await weft('train', '--data', 'photos', '--out', 'runs/unsized', ...COMMON);
    expect(unsized.code).toBe(1);
    expect(unsized.stderr).toMatch(/^weft: photos has pictures of different sizes /m);
  });
});

describe('weft predict', () => {
  const checkpoint = 'runs/photos/checkpoints/model.safetensors';

  test('prepares pictures as those that were trained on, and names the classes of the data', async () => {
    put(
      'new/left/grey.png',
      await sharp(Buffer.alloc(400, 90), { raw: { width: 20, height: 20, channels: 1 } })
        .png()
        .toBuffer(),
    );
    put(
      'new/elsewhere/clear.png',
      await sharp({ create: { width: 9, height: 9, channels: 4, background: '#0000' } })
        .png()
        .toBuffer(),
    );
    put('new/left/broken.png', Buffer.from('no picture'));
    put('new/left/a, "b".jpg', readFileSync(join(scratch, 'photos/left/0.jpg')));
    const args = ['predict', 'photos', 'new', '--checkpoint', checkpoint, '--device', 'wasm', '--top', '2'];
    const { code, stdout, stderr } = await weft(...args, '--json', '--out', 'predicted', '--csv', 'tables/new.csv');
    expect(code, stderr).toBe(1);
    const result = JSON.parse(stdout);
    expect(JSON.parse(readFileSync(join(scratch, 'predicted/predictions.json'), 'utf8'))).toEqual(result);
    expect(result).toMatchObject({ classNames: ['left', 'right'], imageShape: [28, 24, 3] });
    expect(result.pictures).toHaveLength(43);
    expect(result.unreadable).toHaveLength(1);
    expect(result.accuracy).toMatchObject({ images: 42 });
    const labelOf = (name: string) => result.pictures.find((one: any) => one.name === name).label;
    expect([labelOf('left/grey.png'), labelOf('elsewhere/clear.png')]).toEqual(['left', null]);

    // A line for each picture that can be read, with the same answers.
    const [head, ...rows] = parseCsv(readFileSync(join(scratch, 'tables/new.csv'), 'utf8'));
    expect(head).toEqual(['file', 'class', 'probability', 'p(left)', 'p(right)']);
    expect(rows.map(([file]) => file)).toEqual(result.pictures.map(({ file }: any) => file));
    expect(rows.map(([file]) => file)).toContain('new/left/a, "b".jpg');
    for (const [i, [, name, probability, left, right]] of rows.entries()) {
      const { top } = result.pictures[i];
      expect([name, Number(probability)]).toEqual([top[0].name, top[0].probability]);
      expect([left, right].map(Number).sort()).toEqual(top.map((one: any) => one.probability).sort());
    }

    // The same bytes as the data set's and the same network, so the same answers, in another order.
    const data = await openDataset(join(scratch, 'photos'), { resize: [28, 24], cacheDir: null });
    const device = await openDevice('wasm');
    const expected: number[] = [];
    try {
      const { model } = await loadModel(join(scratch, checkpoint), device);
      for (const part of [data.train, data.test]) {
        const set = new DeviceDataset(part, device);
        const probabilities = softmaxRows(await predictLogits(model, set), 2);
        for (let i = 0; i < part.count; i++) expected.push(Math.max(probabilities[2 * i], probabilities[2 * i + 1]));
        set.dispose();
      }
      model.dispose();
    } finally {
      await device.destroy();
    }
    const found: number[] = result.pictures.slice(0, 40).map((one: any) => one.top[0].probability);
    const ascending = (values: number[]): number[] => values.sort((x, y) => x - y);
    ascending(expected);
    for (const [i, value] of ascending(found).entries()) expect(value).toBeCloseTo(expected[i], 6);
  });

  test.each<[string, string[], RegExp]>([
    ['no pictures', [], /^weft: predict: name the pictures; those of this package are garments/m],
    [
      'a table in place of a picture',
      ['photos', '--csv', 'photos/left/0.jpg'],
      /^weft: predict: --csv photos\/left\/0\.jpg is one of the pictures; name another file\.$/m,
    ],
    ['ways of preparing garments', ['photos', '--no-levels'], /^weft: predict: --no-levels prepares garments; /m],
    [
      'labels from a file',
      ['photos', '--labels', 'list.csv'],
      /^weft: predict: labels from a file are for Fashion-MNIST; /m,
    ],
  ])('%s: a sentence', async (_, args, message) => {
    const { code, stderr } = await weft('predict', ...args, '--checkpoint', checkpoint, '--device', 'wasm');
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });
});

describe('what does not fit is refused in one sentence', () => {
  const digits = 'runs/digits/checkpoints/model.safetensors';
  test.each<[string, string[], RegExp]>([
    [
      'a checkpoint on other data',
      ['evaluate', '--checkpoint', digits, '--data', 'letters'],
      /^weft: runs\/digits\/checkpoints\/model\.safetensors was trained on images of \[28, 28, 1\] in 10 classes \("0", .*\); it cannot be used on images of \[28, 28, 1\] in 47 classes \("0", .*\)\.$/m,
    ],
    [
      'a checkpoint on Fashion-MNIST',
      ['evaluate', '--checkpoint', digits, '--data', join(REPOSITORY, 'assets/fashion-mnist-sample')],
      /in 10 classes \(.*\); it cannot be used on Fashion-MNIST\.$/m,
    ],
    [
      'a checkpoint of Fashion-MNIST',
      ['evaluate', '--checkpoint', 'pretrained:cnn', '--data', 'digits'],
      /^weft: pretrained:cnn was trained on Fashion-MNIST; it cannot be used on images of \[28, 28, 1\] in 10 classes/m,
    ],
    [
      'to begin with a checkpoint of other data',
      ['train', '--from', 'pretrained:cnn', '--data', 'digits', '--out', 'runs/from'],
      /^weft: pretrained:cnn was trained on Fashion-MNIST; it cannot be used on /m,
    ],
    [
      'to explain images of other data than the checkpoint knows',
      ['explain', '--checkpoint', digits, '--data', 'letters', '--images', 'test:0', '--out', 'explained'],
      /was trained on images of \[28, 28, 1\] in 10 classes \(.*\); it cannot be used on images of \[28, 28, 1\] in 47 classes/m,
    ],
    [
      'to judge explanations on other data',
      ['judge', '--checkpoint', 'pretrained:cnn', '--data', 'digits', '--images', 'test:0', '--out', 'judged'],
      /^weft: pretrained:cnn was trained on Fashion-MNIST; it cannot be used on /m,
    ],
    [
      'to corrupt images of other data',
      ['robustness', '--checkpoint', digits, '--data', 'letters', '--out', 'corrupted'],
      /in 10 classes \(.*\); it cannot be used on images of \[28, 28, 1\] in 47 classes/m,
    ],
    [
      'to explain a class that the data has not',
      [
        'explain',
        '--checkpoint',
        digits,
        '--data',
        'digits',
        '--images',
        'test:0',
        '--target',
        'Coat',
        '--out',
        'coat',
      ],
      /^weft: explain: "Coat" is no class; use predicted, true, both, a class number, or one of 0, 1, /m,
    ],
    [
      'images too small for the strides',
      ['train', '--data', 'photos', '--resize', '3', '--model', 'mini-resnet', '--out', 'runs/small'],
      /^weft: mini-resnet: strides of 4 in all \(stem small, 3 stages\) leave nothing of images of \[3, 3\] pixels\.$/m,
    ],
    [
      'a shift larger than the images',
      ['train', '--data', 'colour', '--crop', '40', '--out', 'runs/shifted'],
      /^weft: fit: images of 32 x 32 pixels cannot be shifted by up to 40 \(augmentation\.crop\); at most 31 fit\.$/m,
    ],
    [
      'weights of other classes',
      ['train', '--data', 'uneven', '--class-weights', '1,2,3', '--out', 'runs/three'],
      /^weft: Run: recipe\.classWeights must be "balanced" or one number for each of the 2 classes \(0, 1\), not \[1, 2, 3\]\.$/m,
    ],
    [
      'two ways to the same balance',
      ['train', '--data', 'uneven', '--class-weights', 'balanced', '--sampling', 'balanced'],
      /^weft: --class-weights balanced and --sampling balanced both make classes count alike; /m,
    ],
    [
      'a weight of 0',
      ['train', '--data', 'uneven', '--class-weights', '0,1'],
      /argument '0,1' is invalid\. The weight of class 0 must be a number above 0, not "0"\.$/m,
    ],
    [
      'a list of images that is not there',
      ['train', '--data', 'uneven', '--drop', 'nowhere.txt'],
      /^weft: --drop nowhere\.txt cannot be read \(ENOENT\)\.$/m,
    ],
    [
      'images left out of a part of the data',
      ['train', '--data', 'uneven', '--drop', 'lists/doubtful.txt', '--limit', '50'],
      /^weft: --drop names images of the whole data set, of which --limit takes some; give one of them\.$/m,
    ],
    [
      'ways to read without a folder',
      ['train', '--transpose'],
      /^weft: --transpose says how a folder is read; name the folder with --data\.$/m,
    ],
  ])('%s', async (_, args, message) => {
    const { code, stderr } = await weft(...args, '--device', 'wasm');
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });
});
