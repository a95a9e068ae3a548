/** `weft judge` as a user runs it: the table of a small network on the sample images, and what it refuses. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import { JUDGED_NAMES, MEASURE_NAMES } from '../../src/explain/index.ts';
import { buildModel, type ModelSpec } from '../../src/nn/index.ts';
import { JUDGE_LIGHT } from '../../src/study/settings.ts';
import { saveCheckpoint } from '../../src/train/checkpoint.node.ts';
import { REPOSITORY } from '../support/shared.ts';

test('the light setting names what there is', () => {
  for (const name of JUDGE_LIGHT.methods) expect(JUDGED_NAMES).toContain(name);
  for (const name of JUDGE_LIGHT.measures) expect(MEASURE_NAMES).toContain(name);
});

describe('weft judge', () => {
  let folder: string;
  let checkpoint: string;
  const data = join(REPOSITORY, 'assets/fashion-mnist-sample');
  const weft = (...args: string[]) =>
    promisify(execFile)(
      process.execPath,
      [
        ...['--import', 'tsx', join(REPOSITORY, 'src/cli/main.ts'), 'judge', '--checkpoint', checkpoint],
        ...['--data', data, '--device', 'wasm', ...args],
      ],
      { cwd: REPOSITORY },
    );

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'weft-judge-'));
    checkpoint = join(folder, 'model.safetensors');
    const model: ModelSpec = { name: 'cnn', options: { widths: [2, 3], depth: 1, hidden: 8 } };
    const device = new ReferenceDevice();
    const built = buildModel(model).initialize({ device, seed: 3 });
    await saveCheckpoint(checkpoint, built, { model, device: device.kind, adapter: device.info.adapter, seed: 3 });
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('writes table, charts and page', async () => {
    const out = join(folder, 'out');
    const args = [
      ...['--images', 'test:0-3,7', '--methods', 'saliency,deep-shap,edge-detector', '--background', '5'],
      ...['--training', '130', '--costly-images', '3', '--cue-steps', '2', '--json'],
    ];
    const result = JSON.parse((await weft(...args, '--out', out)).stdout);
    expect(result).toMatchObject({ images: 5, sampleData: true, missing: [], seed: 0 });
    expect(result.measures.map(({ name }: { name: string }) => name)).toEqual(MEASURE_NAMES);
    expect(JSON.parse(await readFile(join(out, 'judge.json'), 'utf8'))).toEqual(result);
    expect(result.figures).toHaveLength(4);
    for (const file of result.figures) {
      expect(await readFile(join(out, 'figures', file), 'utf8')).toMatch(/^<svg/);
    }
    const page = await readFile(join(out, 'report.html'), 'utf8');
    expect(page).toContain('SAMPLE DATA');
    expect(page).toContain('deep-shap');
  });

  test.each([
    [['--methods', 'saliency,magic'], /no method "magic"/],
    [['--measures', 'deletion,taste'], /no measure "taste"/],
    [['--background', '9999999'], /only \d+ training images/],
  ])('%j gets a sentence', async (args, message) => {
    await expect(weft('--out', join(folder, 'x'), ...args)).rejects.toMatchObject({
      stderr: expect.stringMatching(message),
    });
  });
});
