/** `weft explain` as a user runs it: a checkpoint of a small network, the sample images, every file it promises. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { imageSelection } from '../../src/cli/image-selection.ts';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import { gridSegments, METHOD_NAMES } from '../../src/explain/index.ts';
import { parseNpy } from '../../src/interop/npy.ts';
import { buildModel, type ModelSpec } from '../../src/nn/index.ts';
import { saveCheckpoint } from '../../src/train/checkpoint.node.ts';
import { REPOSITORY } from '../support/shared.ts';

test('commas and spaces in the names of pictures', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'weft, selections-'));
  try {
    const file = (name: string) => join(folder, name);
    for (const name of ['a.jpg,b.jpg', '3,x.png', ' c.jpg']) await writeFile(file(name), '');
    const kinds = (text: string) => imageSelection(text).map(part => (part.kind === 'file' ? part.path : part.kind));
    expect(kinds(`${file('a.jpg,b.jpg')},test:1,4,${file('3,x.png')}`)).toEqual([
      file('a.jpg,b.jpg'),
      'set',
      file('3,x.png'),
    ]);
    expect(kinds(file(' c.jpg'))).toEqual([file(' c.jpg')]);
    // Names that are not there: words without a meaning of their own belong to the name that they begin.
    expect(kinds('red shirt, size 4,5.jpg, mistakes:3, d.png')).toEqual([
      'red shirt, size 4,5.jpg',
      'mistakes',
      'd.png',
    ]);
    expect(kinds('x.bmp,y.heic')).toEqual(['x.bmp', 'y.heic']);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('selections of images', () => {
  expect(imageSelection('test:0-3')).toEqual([{ kind: 'set', split: 'test', indices: [0, 1, 2, 3] }]);
  expect(imageSelection('train:7,2-4,9')).toEqual([{ kind: 'set', split: 'train', indices: [7, 2, 3, 4, 9] }]);
  expect(imageSelection('a b/my.photo.JPG,test:1,4,mistakes:8,train:0,x.png')).toEqual([
    { kind: 'file', path: 'a b/my.photo.JPG' },
    { kind: 'set', split: 'test', indices: [1, 4] },
    { kind: 'mistakes', count: 8 },
    { kind: 'set', split: 'train', indices: [0] },
    { kind: 'file', path: 'x.png' },
  ]);
  for (const wrong of [
    '0-3',
    'test:',
    'test:3-',
    'valid:1',
    'test:1;2',
    'x.png,3',
    'mistakes:0',
    'mistakes',
    'photo.txt',
    '',
  ]) {
    expect(() => imageSelection(wrong)).toThrow(/test:0-15/);
  }
  expect(() => imageSelection('test:5-3')).toThrow(/backwards/);
});

describe('weft explain', () => {
  let folder: string;
  let checkpoint: string;
  const weft = (...args: string[]) =>
    promisify(execFile)(
      process.execPath,
      ['--import', 'tsx', join(REPOSITORY, 'src/cli/main.ts'), 'explain', ...args],
      {
        cwd: REPOSITORY,
      },
    );

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'weft-explain-'));
    checkpoint = join(folder, 'model.safetensors');
    const model: ModelSpec = { name: 'cnn', options: { widths: [2, 3], depth: 1, hidden: 8 } };
    const device = new ReferenceDevice();
    const built = buildModel(model).initialize({ device, seed: 3 });
    await saveCheckpoint(checkpoint, built, { model, device: device.kind, adapter: device.info.adapter, seed: 3 });
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('writes raw maps, sheets, captions and one JSON object', async () => {
    const out = join(folder, 'out');
    const data = join(REPOSITORY, 'assets/fashion-mnist-sample');
    const { stdout } = await weft(
      ...['--checkpoint', checkpoint, '--data', data, '--device', 'wasm', '--images', 'test:0-1,5'],
      ...['--methods', 'all', '--target', 'Sandal', '--background', '10', '--out', out, '--json'],
    );
    const result = JSON.parse(stdout);
    expect(result.methods.map(({ method }: { method: string }) => method)).toEqual(METHOD_NAMES);
    expect(result.images.map(({ index, target }: { index: number; target: number }) => [index, target])).toEqual([
      [0, 5],
      [1, 5],
      [5, 5],
    ]);
    for (const { file, shape, method } of result.methods) {
      const npy = parseNpy(await readFile(file), file);
      expect(npy.shape, method).toEqual(shape);
      expect(Array.from(npy.data).every(Number.isFinite), method).toBe(true);
    }
    const shap = result.methods.find(({ method }: { method: string }) => method === 'deep-shap');
    expect(shap.additivity.largest).toBeLessThan(1e-3);
    expect((await stat(join(out, 'figures/sheet-1.png'))).size).toBeGreaterThan(1000);
    expect(await readFile(result.page, 'utf8')).toContain('deep-shap');
  });

  test('takes as many points and samples as it is told to', async () => {
    const explained = async (steps: number) => {
      const out = join(folder, `steps-${steps}`);
      const { stdout } = await weft(
        ...['--checkpoint', checkpoint, '--data', join(REPOSITORY, 'assets/fashion-mnist-sample'), '--device', 'wasm'],
        ...['--images', 'test:0-3', '--methods', 'integrated-gradients,lime', '--background', '5', '--out', out],
        ...['--steps', `${steps}`, '--samples', '40', '--segments', 'grid', '--segment-count', '9', '--json'],
      );
      const result = JSON.parse(stdout);
      const lime = result.methods[1];
      return { result, pieces: parseNpy(await readFile(lime.file), lime.file).data.slice(0, 784) };
    };
    const [few, many] = [await explained(2), await explained(100)];
    const errors = [few, many].map(({ result }) => result.methods[0].additivity.median);
    expect(errors[1]).toBeLessThan(errors[0] / 4);
    // A value for each of nine cells, but 0 for all that are black anyway.
    const cells = gridSegments([28, 28], 9);
    for (let cell = 0; cell < 9; cell++) {
      expect(new Set(few.pieces.filter((_: number, pixel: number) => cells.labels[pixel] === cell)).size).toBe(1);
    }
    expect(new Set(few.pieces.filter((value: number) => value !== 0)).size).toBeGreaterThan(5);
    expect(few.result).toMatchObject({ steps: 2, samples: 40, segmentCount: 9 });
  });

  test('takes pictures from files, without a label, beside images of the data set', async () => {
    const out = join(folder, 'photos');
    const { stdout } = await weft(
      ...['--checkpoint', checkpoint, '--data', join(REPOSITORY, 'assets/fashion-mnist-sample'), '--device', 'wasm'],
      ...['--images', 'assets/garments/coat-camel.jpg,test:5', '--methods', 'grad-cam', '--out', out, '--json'],
    );
    const { images, methods, page } = JSON.parse(stdout);
    expect(images).toMatchObject([
      { source: 'coat-camel.jpg', index: null, label: null },
      { source: 'test 5', index: 5, label: expect.any(Number) },
    ]);
    expect(images[0].target).toBe(images[0].predicted);
    expect(methods[0].shape[0]).toBe(2);
    const html = await readFile(page, 'utf8');
    expect(html).toContain('not known');
    expect(html).toContain('How the pictures were prepared');
  });

  test('explains the surest mistakes for both classes, and says that it looked at the test set', async () => {
    const out = join(folder, 'mistakes', 'out');
    const { stdout } = await weft(
      ...['--checkpoint', checkpoint, '--data', join(REPOSITORY, 'assets/fashion-mnist-sample'), '--device', 'wasm'],
      ...[
        '--images',
        'mistakes:2',
        '--limit',
        '60',
        '--methods',
        'saliency',
        '--background',
        '5',
        '--out',
        out,
        '--json',
      ],
    );
    const { images } = JSON.parse(stdout) as { images: Record<string, number>[] };
    expect(images).toHaveLength(4);
    for (const [first, second] of [images.slice(0, 2), images.slice(2)]) {
      expect([first.target, second.target]).toEqual([first.predicted, first.label]);
      expect(first.predicted).not.toBe(first.label);
      expect(second.index).toBe(first.index);
    }
    const uses = (await readFile(join(folder, 'mistakes', 'test-set-uses.jsonl'), 'utf8')).trim().split('\n');
    expect(uses.map(line => JSON.parse(line))).toMatchObject([{ command: 'explain', images: 60 }]);
  });

  test.each([
    [['--methods', 'grad-cam,magic'], /no method "magic"/],
    [['--images', 'nowhere.jpg'], /no file nowhere\.jpg/],
    [['--images', 'assets/garments/coat-camel.jpg', '--target', 'true'], /coat-camel\.jpg shows is not known/],
    [['--images', 'test:99999'], /no image 99999/],
    [['--target', '12'], /no class 12/],
    [['--layer', 'act9'], /act9/],
  ])('%j gets a sentence', async (args, message) => {
    const data = join(REPOSITORY, 'assets/fashion-mnist-sample');
    const run = weft(
      '--checkpoint',
      checkpoint,
      '--data',
      data,
      '--device',
      'wasm',
      '--out',
      join(folder, 'x'),
      ...args,
    );
    await expect(run).rejects.toMatchObject({ stderr: expect.stringMatching(message) });
  });
});
