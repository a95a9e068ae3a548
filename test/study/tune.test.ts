/** The search as a study runs it: trials are trained by the whole recipe and written down as they are done. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { SAMPLE_DIRECTORY } from '../../src/data/index.node.ts';
import { openWasmDevice } from '../../src/devices/wasm/device.ts';
import { sessionOn, type TuneOptions, tuneStudy } from '../../src/study/index.node.ts';
import { RECIPES, type Recipe } from '../../src/train/index.ts';

const root = mkdtempSync(join(tmpdir(), 'weft-tune-'));
const device = await openWasmDevice({ threads: 1 });
afterAll(async () => {
  await device.destroy();
  rmSync(root, { recursive: true, force: true });
});

const search = (name: string, recipe: Partial<Recipe> = {}, extra: Partial<TuneOptions> = {}) =>
  tuneStudy(
    {
      model: 'cnn',
      recipe: { ...RECIPES.cnn, ...recipe },
      trials: 1,
      budget: [1],
      eta: 2,
      images: 128,
      heldOut: 40,
      widths: [3, 4],
      seed: 2,
      data: SAMPLE_DIRECTORY,
      limit: 300,
      out: join(root, name),
      ...extra,
    },
    sessionOn(device),
  );
const lossOf = async (...args: Parameters<typeof search>) => (await search(...args)).trials[0].attempts[0].loss;

describe('tuneStudy', () => {
  test.each<[string, Partial<Recipe>]>([
    ['affine maps', { affine: { degrees: 10, scale: 0.1, shear: 5 } }],
    ['mixup', { mixup: 0.4 }],
    ['cutmix', { cutmix: 1 }],
    ['an average of the parameters', { ema: 0.5 }],
    ['an end of label smoothing', { smoothingEpochs: 0 }],
  ])('a recipe with %s trains another network', async (what, recipe) => {
    const plain = await lossOf('plain');
    expect(plain).toBeGreaterThan(0);
    expect(await lossOf(what.replaceAll(' ', '-'), recipe)).not.toBe(plain);
  });

  test('what is written down is not trained again; another search has no place in the folder', async () => {
    const file = join(root, 'plain', 'trials', '0-0.json');
    const outcome = JSON.parse(readFileSync(file, 'utf8'));
    writeFileSync(file, JSON.stringify({ ...outcome, loss: 42 }));
    expect(await lossOf('plain')).toBe(42);
    await expect(search('plain', { weightDecay: 0.1 })).rejects.toThrow(/holds a search with other options/);
  });
});
