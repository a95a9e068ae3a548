/** `weft predict` and `weft robustness` as a user runs them, with a checkpoint of a small network. */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import { buildModel, type ModelSpec } from '../../src/nn/index.ts';
import type { PhotosResult, RobustnessResult } from '../../src/study/index.ts';
import { saveCheckpoint } from '../../src/train/checkpoint.node.ts';
import { parseCsv } from '../support/csv.ts';
import { REPOSITORY } from '../support/shared.ts';

const GARMENTS = join(REPOSITORY, 'assets/garments');
let folder: string;
let checkpoint: string;

const weft = (...args: string[]) =>
  promisify(execFile)(process.execPath, ['--import', 'tsx', join(REPOSITORY, 'src/cli/main.ts'), ...args], {
    cwd: REPOSITORY,
  });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weft-predict-'));
  checkpoint = join(folder, 'model.safetensors');
  const model: ModelSpec = { name: 'cnn', options: { widths: [2, 3], depth: 1, hidden: 8 } };
  const device = new ReferenceDevice();
  const built = buildModel(model).initialize({ device, seed: 3 });
  await saveCheckpoint(checkpoint, built, { model, device: device.kind, adapter: device.info.adapter, seed: 3 });
});
afterAll(() => rm(folder, { recursive: true }));

describe('weft predict', () => {
  const predict = (...args: string[]) => weft('predict', '--checkpoint', checkpoint, '--device', 'wasm', ...args);

  test('without pictures takes those of the package, and writes a page', async () => {
    const out = join(folder, 'own');
    const { stdout } = await predict('--out', out, '--json', '--csv', join(out, 'photos.csv'));
    const result = JSON.parse(stdout) as PhotosResult;
    expect(result.ownPictures).toBe(true);
    expect(result.accuracy?.images).toBe(result.photos.length);
    expect(result.accuracy?.perLabel).toHaveLength(10);
    for (const { top } of result.photos) {
      expect(top).toHaveLength(3);
      expect(top[0].probability).toBeGreaterThanOrEqual(top[1].probability);
    }
    expect(JSON.parse(await readFile(join(out, 'photos.json'), 'utf8'))).toEqual(result);
    const [head, ...rows] = parseCsv(await readFile(join(out, 'photos.csv'), 'utf8'));
    expect(head.slice(0, 4)).toEqual(['file', 'class', 'probability', 'p(T-shirt/top)']);
    expect(rows.map(([file, name, probability]) => [file, name, Number(probability)])).toEqual(
      result.photos.map(({ file, top }) => [file, top[0].name, top[0].probability]),
    );
    for (const row of rows) expect(row.slice(3).reduce((sum, p) => sum + Number(p), 0)).toBeCloseTo(1, 6);
    expect(result.stages).toHaveLength(result.photos.length);
    for (const file of result.stages) expect((await stat(join(out, 'figures', file))).size).toBeGreaterThan(1000);
    expect(await readFile(join(out, 'report.html'), 'utf8')).toContain('coat-camel.jpg');
  });

  test('goes on after a file that is no picture, names it, and ends with 1', async () => {
    const some = join(folder, 'some', 'shoes');
    await mkdir(some, { recursive: true });
    await cp(join(GARMENTS, 'sneaker-blue.jpg'), join(some, 'b.jpg'));
    await writeFile(join(some, 'a.jpg'), 'nothing');
    const failed = await predict(join(folder, 'some'), '--json', '--top', '1').catch(error => error);
    expect(failed.code).toBe(1);
    const result = JSON.parse(failed.stdout) as PhotosResult;
    expect(result.photos).toMatchObject([{ name: join('shoes', 'b.jpg'), label: 'Sandal, Sneaker or Ankle boot' }]);
    expect(result.photos[0].top).toHaveLength(1);
    expect(result.unreadable).toMatchObject([{ name: join('shoes', 'a.jpg') }]);
    expect(failed.stderr).toMatch(/a\.jpg is no picture that can be read/);
  });

  test.each([
    [['nowhere.jpg'], 1, /no file or folder nowhere\.jpg/],
    [['test:0-3'], 2, /weft explain takes images/],
    [['assets/garments/bag-leather.jpg', '--labels', 'nowhere.json'], 1, /nowhere\.json cannot be read/],
  ])('%j gets a sentence', async (args, code, message) => {
    await expect(predict(...args)).rejects.toMatchObject({ code, stderr: expect.stringMatching(message) });
  });
});

describe('weft robustness', () => {
  const robustness = (...args: string[]) =>
    weft(
      ...['robustness', '--checkpoint', checkpoint, '--device', 'wasm'],
      ...['--data', join(REPOSITORY, 'assets/fashion-mnist-sample'), '--limit', '50', ...args],
    );

  test('writes table, strips and chart, and notes that it looked at the test set', async () => {
    const out = join(folder, 'robust', 'out');
    const { stdout } = await robustness(
      '--corruptions',
      'fog,rotate,inverse',
      '--severities',
      '5,1',
      '--out',
      out,
      '--json',
    );
    const result = JSON.parse(stdout) as RobustnessResult;
    expect(result).toMatchObject({ sampleData: true, images: 50, severities: [1, 5] });
    const [{ rows, clean }] = result.models;
    expect(rows.map(({ corruption }) => corruption)).toEqual(['fog', 'rotate', 'inverse']);
    expect(clean.images).toBe(50);
    expect(JSON.parse(await readFile(join(out, 'robustness.json'), 'utf8'))).toEqual(result);
    const { sheet, strips, tables } = result.figures!;
    for (const file of [sheet, ...strips.map(strip => strip.file), ...tables]) {
      expect((await stat(join(out, 'figures', file))).size, file).toBeGreaterThan(200);
    }
    const uses = (await readFile(join(folder, 'robust', 'test-set-uses.jsonl'), 'utf8')).trim().split('\n');
    expect(uses.map(line => JSON.parse(line))).toMatchObject([
      { command: 'robustness', images: 50, accuracy: clean.accuracy, sampleData: true },
    ]);
  });

  test.each([
    [['--corruptions', 'fog,magic'], /no corruption "magic"/],
    [['--severities', '0'], /clean images/],
  ])('%j gets a sentence', async (args, message) => {
    await expect(robustness(...args)).rejects.toMatchObject({ code: 2, stderr: expect.stringMatching(message) });
  });
});
