/**
 * The study of data that is not Fashion-MNIST, from the command line: every chapter is written, what is about garments steps
 * aside by name, and the commands behind the chapters give the library's numbers on the same arrays.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DeviceDataset } from '../../src/data/device-dataset.ts';
import { openDataset } from '../../src/data/open-dataset.node.ts';
import { openDevice } from '../../src/devices/open.ts';
import { integratedGradients } from '../../src/explain/index.ts';
import { parseNpy, serializeNpy } from '../../src/interop/npy.ts';
import { loadModel } from '../../src/train/checkpoint.node.ts';
import { evaluateLogits, predictLogits } from '../../src/train/index.ts';
import { barred, putDataSets, putFile } from '../support/other-data.ts';
import { REPOSITORY } from '../support/shared.ts';
import { zip } from '../support/zip.ts';

const scratch = mkdtempSync(join(tmpdir(), 'weft-any-study-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const TSX = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

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

const TINY = {
  from: 'smoke',
  checkpointEvery: 50,
  explore: { components: 8, mapImages: 60, exaggerationSteps: 10, steps: 20 },
  cnn: { options: { widths: [4, 8], hidden: 16 }, recipe: { epochs: 2, batchSize: 16 } },
  miniResnet: { options: { widths: [4, 8, 8] }, recipe: { epochs: 1, batchSize: 16 }, flip: 'random' },
  explain: { methods: ['grad-cam', 'integrated-gradients'], background: 4, mistakes: 1 },
  judge: { images: 2, methods: ['grad-cam', 'random-map'], measures: ['deletion'], background: 4, training: 16 },
  robustness: { limit: 20, severities: [3] },
  audit: { epochs: 3 },
  tune: { trials: 1, budget: [1], images: 32, heldOut: 16, widths: [4, 4] },
};

beforeAll(async () => {
  await putDataSets(scratch, 120);
  putFile(scratch, 'tiny.json', JSON.stringify(TINY));
  putFaulty();
});

/** Bars in four classes, with a repetition, a leak into the test, a mirror image, a blank image and a wrong label. */
function putFaulty(): void {
  const [train, held] = [barred(120, [12, 12, 1], 4, 1), barred(40, [12, 12, 1], 4, 2)];
  const image = (index: number) => train.images.subarray(144 * index, 144 * (index + 1));
  train.images.set(image(1), 144 * 5);
  held.images.set(image(2), 0);
  train.images.set(
    image(3).map((_, at) => image(3)[at - (at % 12) + 11 - (at % 12)]),
    144 * 7,
  );
  train.images.fill(0, 144 * 10, 144 * 11);
  train.labels[20] = 3;
  putFile(
    scratch,
    'faulty.npz',
    zip({
      'x_train.npy': serializeNpy([120, 12, 12], train.images),
      'y_train.npy': serializeNpy([120], train.labels),
      'x_test.npy': serializeNpy([40, 12, 12], held.images),
      'y_test.npy': serializeNpy([40], held.labels),
    }),
  );
}

const json = (...path: string[]) => JSON.parse(readFileSync(join(scratch, ...path), 'utf8'));

const RUN = ['run', '--settings', 'tiny.json', '--device', 'wasm', '--json'];

describe('weft run on data of any kind', () => {
  test.each<[string, readonly string[], readonly number[], number]>([
    ['digits', [], [28, 28, 1], 10],
    ['letters', [], [28, 28, 1], 47],
    ['colour', [], [32, 32, 3], 4],
    ['uneven', [], [64, 64, 1], 2],
    ['photos', ['--resize', '28x24'], [28, 24, 3], 2],
  ])('%s: every chapter but that on photographs of garments', async (name, flags, shape, classes) => {
    const { code, stdout, stderr } = await weft(...RUN, '--data', name, ...flags, '--out', `study/${name}`);
    expect(code, stderr).toBe(0);
    const summary = JSON.parse(stdout);
    expect(summary).toMatchObject({ settings: 'tiny', failed: false, sampleData: false });
    for (const { stage, state } of summary.stages) expect(state, stage).toBe('done');
    const stages = summary.stages.map(({ stage }: { stage: string }) => stage);
    expect(stages).not.toContain('photos');
    expect(stages).toContain('judge');

    const { model } = json('study', name, 'train-cnn', 'config.json');
    expect(model.options).toMatchObject({ imageShape: shape, classes });
    const { recipe } = json('study', name, 'train-cnn', 'config.json');
    expect(recipe.augmentation.flip).toBe('none');
    expect(json('study', name, 'train-mini-resnet', 'config.json').recipe.augmentation.flip).toBe('random');
    const page = readFileSync(join(scratch, 'study', name, 'report.html'), 'utf8');
    expect(page).toContain(`<title>${name}: what convolutional networks learn</title>`);
    expect(page).toMatch(/This chapter is left out: its photographs and drawings show garments/);
    const words = page
      .replace(/<[^>]*>/g, ' ')
      .replace(/This chapter is left out: .*/, '')
      .replace('Fashion-MNIST-C', '');
    expect(words).not.toMatch(/garment|Fashion|[Ss]hirt|trouser|ten classes|This chapter is missing/);
  });

  test('what is evaluated and explained are the numbers of the library on the same arrays', async () => {
    const data = await openDataset(join(scratch, 'colour'));
    const device = await openDevice('wasm');
    try {
      const { model } = await loadModel(join(scratch, 'study/colour/train-cnn/checkpoints/model.safetensors'), device);
      const set = new DeviceDataset(data.test, device);
      const logits = await predictLogits(model, set);
      const { accuracy, nll } = evaluateLogits(logits, data.test.labels, data.classNames);
      expect(json('study/colour/evaluate/evaluation.json').networks[0]).toMatchObject({ accuracy, nll });

      const { images, methods } = json('study/colour/explain/explain.json');
      const { file, shape } = methods.find(({ method }: { method: string }) => method === 'integrated-gradients');
      expect(shape.slice(1)).toEqual([32, 32, 3]);
      const x = set.batch(images.map(({ index }: { index: number }) => index)).images;
      const target = images.map((one: { target: number }) => one.target);
      const own = await integratedGradients(model.eval(), x, { target });
      const kept = parseNpy(readFileSync(join(scratch, file)), file);
      expect(Array.from(kept.data)).toEqual(Array.from(own.values));
      set.dispose();
      model.dispose();
    } finally {
      await device.destroy();
    }
  });

  test('what is wrong in the data is found and shown, with names and numbers as text', async () => {
    const { code, stderr } = await weft(...RUN, '--data', 'faulty.npz', '--out', 'study/faulty');
    expect(code, stderr).toBe(0);
    const audit = json('study/faulty/audit/audit.json');
    expect(audit).toMatchObject({
      exact: { withinTrain: 1, withinTest: 0, testInTrain: 1 },
      mirrored: 1,
      blank: 1,
      trainImages: 120,
    });
    const names = (sheet: string) =>
      audit.sheets[sheet].map(({ images }: { images: { split: string; index: number }[] }) =>
        images.map(({ split, index }) => `${split} ${index}`),
      );
    expect(names('exact')).toEqual([
      ['train 1', 'train 5'],
      ['train 2', 'test 0'],
    ]);
    expect(names('mirrored')).toEqual([['train 3', 'train 7']]);
    expect(names('blank')).toEqual([['train 10']]);
    expect(names('neighbours').map(([first]: string[]) => first)).toContain('train 20');
    const page = readFileSync(join(scratch, 'study/faulty/report.html'), 'utf8');
    expect(page).toMatch(/<th scope="row">train 20<\/th><td><img [^>]*><br><small>train 20: 3<\/small><\/td>/);
    expect(page).toContain('<th scope="col">nearest</th>');
  });

  test('run again with a title, only the page is new', async () => {
    const args = [...RUN, '--data', 'digits', '--out', 'study/digits', '--title', 'Bars & <noise>'];
    const { code, stdout, stderr } = await weft(...args);
    expect(code, stderr).toBe(0);
    const done = JSON.parse(stdout).stages.filter(({ state }: { state: string }) => state === 'done');
    expect(done.map(({ stage }: { stage: string }) => stage)).toEqual(['report']);
    const page = join(scratch, 'study/digits/report.html');
    expect(readFileSync(page, 'utf8')).toContain('<h1>Bars &amp; &lt;noise&gt;</h1>');
    const again = await weft('report', '--out', 'study/digits');
    expect(again.code, again.stderr).toBe(0);
    expect(readFileSync(page, 'utf8')).toContain('<h1>Bars &amp; &lt;noise&gt;</h1>');
  });
});

describe('the commands behind the chapters take --data', () => {
  const checkpoint = 'study/uneven/train-cnn/checkpoints/model.safetensors';

  test('explain names a class of the data, and takes a picture file', async () => {
    const picture = 'photos/left/0.jpg';
    const args = ['--data', 'photos', '--resize', '28x24', '--device', 'wasm', '--json', '--out', 'explained'];
    const own = 'study/photos/train-cnn/checkpoints/model.safetensors';
    const given = ['--checkpoint', own, '--images', `test:0,${picture}`, '--methods', 'grad-cam', '--target', 'RIGHT'];
    const { code, stdout, stderr } = await weft('explain', ...given, ...args);
    expect(code, stderr).toBe(0);
    const { classNames, images } = JSON.parse(stdout);
    expect(classNames).toEqual(['left', 'right']);
    expect(images.map(({ target }: { target: number }) => target)).toEqual([1, 1]);
    expect(images[1]).toMatchObject({ source: '0.jpg', label: null });
  });

  test('robustness, tune and explore', async () => {
    const shared = ['--data', 'uneven', '--device', 'wasm', '--json', '--out'];
    const corrupted = await weft(
      ...['robustness', '--checkpoint', checkpoint, '--corruptions', 'rotate', '--severities', '3', '--limit', '20'],
      ...shared,
      'corrupted',
    );
    expect(corrupted.code, corrupted.stderr).toBe(0);
    expect(JSON.parse(corrupted.stdout)).toMatchObject({ dataKind: 'other', images: 20 });
    const budget = ['--trials', '1', '--budget', '1', '--images', '32', '--held-out', '16', '--widths', '2,4'];
    const tuned = await weft('tune', '--model', 'cnn', ...budget, ...shared, 'tuned');
    expect(tuned.code, tuned.stderr).toBe(0);
    expect(JSON.parse(tuned.stdout).best).toBe(0);
    const map = ['--components', '4', '--exaggeration-steps', '5', '--steps', '5'];
    const explored = await weft('explore', ...map, ...shared, 'explored');
    expect(explored.code, explored.stderr).toBe(0);
    expect(JSON.parse(explored.stdout).classNames).toEqual(['0', '1']);
    expect(existsSync(join(scratch, 'explored/report.html'))).toBe(true);
  });
});

describe('what cannot be is said in one sentence', () => {
  test.each<[string, string, RegExp]>([
    ['no JSON', '{"from": quick}', /^weft: wrong\.json is no JSON: /m],
    ['a list', '[]', /^weft: wrong\.json: what the file holds must be an object, not /m],
    ['a name', '{"epochs": 3}', /^weft: wrong\.json: there is no option "epochs"; there are from, limit, /m],
    ['a base', '{"from": "large"}', /^weft: wrong\.json: from must be one of smoke, quick, full, not "large"\.$/m],
    ['a number', '{"validation": -1}', /^weft: wrong\.json: validation must be a whole number .*, not -1\.$/m],
    ['a name within', '{"tune": {"trails": 3}}', /^weft: wrong\.json, tune: there is no option "trails"; there are /m],
    ['a method', '{"explain": {"methods": ["magic"]}}', /^weft: wrong\.json: explain\.methods\[0\] must be one of /m],
    ['a rising list', '{"tune": {"budget": [3, 2]}}', /tune\.budget must be a list of growing numbers, not /],
    ['a recipe', '{"cnn": {"recipe": {"schedule": "stairs"}}}', /^weft: .*stairs/m],
    [
      'an option of a network',
      '{"cnn": {"options": {"width": 3}}}',
      /wrong\.json, cnn\.options: cnn: there is no option/,
    ],
    ['a flip', '{"cnn": {"flip": "maybe"}}', /cnn\.flip must be one of none, random, alternating, not "maybe"\.$/m],
  ])('settings with %s that cannot be', async (_, text, message) => {
    putFile(scratch, 'wrong.json', text);
    const { code, stderr } = await weft('run', '--settings', 'wrong.json', '--out', 'wrong');
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
    expect(existsSync(join(scratch, 'wrong'))).toBe(false);
  });

  test.each<[string, readonly string[], RegExp, number]>([
    ['settings that there are not', ['--settings', 'huge'], /^weft: There are no settings and no file "huge"; /m, 2],
    ['data that there is not', ['--data', 'nowhere'], /^weft: There is no folder or \.npz file nowhere\.$/m, 1],
    [
      'photographs beside it',
      ['--data', 'digits', '--photos', 'photos'],
      /^weft: --photos prepares photographs as /m,
      2,
    ],
    ['sizes that differ', ['--data', 'photos'], /^weft: photos has pictures of different sizes /m, 1],
    ['the profiler', ['--profile', 'quick'], /unknown option '--profile'/, 2],
  ])('%s', async (_, args, message, exit) => {
    const { code, stderr } = await weft('run', '--device', 'wasm', '--out', 'none', ...args);
    expect(stderr).toMatch(message);
    expect(code).toBe(exit);
    expect(existsSync(join(scratch, 'none'))).toBe(false);
  });
});
