/** The stage `explore`, on the sample: its files, its chapter, the same result again, and a stop. */
import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SAMPLE_DIRECTORY } from '../../src/data/index.node.ts';
import { openWasmDevice, type WasmDevice } from '../../src/devices/wasm/device.ts';
import { coordinatesOf, type ExploreResult } from '../../src/explore/index.ts';
import { parseNpy } from '../../src/interop/npy.ts';
import { htmlReport, studyDrawing } from '../../src/report/index.node.ts';
import type { FigureSource } from '../../src/report/study/chapter.ts';
import { exploreSection } from '../../src/report/study/explore.ts';
import { FIGURES } from '../../src/report/study/explore-figures.ts';
import { exploreStudy, sessionOn } from '../../src/study/index.node.ts';
import { EXPLORE_SMOKE } from '../../src/study/settings.ts';

describe('weft explore', () => {
  let folder: string;
  let device: WasmDevice;
  let result: ExploreResult;
  const options = () => ({
    ...EXPLORE_SMOKE,
    seed: 3,
    data: SAMPLE_DIRECTORY,
    limit: 400,
    mapImages: 120,
    out: folder,
  });
  const session = (signal = new AbortController().signal) => sessionOn(device, { signal, drawing: studyDrawing });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'weft-explore-'));
    device = await openWasmDevice({ threads: 2 });
    result = await exploreStudy(options(), session());
  }, 120_000);
  afterAll(async () => {
    await device.destroy();
    await rm(folder, { recursive: true });
  });

  test('writes the result as it is returned', async () => {
    const written = JSON.parse(await readFile(join(folder, 'explore.json'), 'utf8'));
    expect(written).toEqual(JSON.parse(JSON.stringify(result)));
    expect(result).toMatchObject({ seed: 3, sampleData: true, pca: { images: 400 }, map: { images: 120, steps: 250 } });
    expect(result.cleaning.train.perClass.reduce((sum, images) => sum + images)).toBe(400);
    expect(result.pca.explainedVarianceRatio).toHaveLength(EXPLORE_SMOKE.components);
  });

  test('finds what Fashion-MNIST is like even in 400 images', () => {
    const { pca, map, overlap } = result;
    // Of the 60,000 images the first two explain 29.0 % and 17.8 %.
    expect(pca.explainedVarianceRatio[0]).toBeCloseTo(0.29, 1);
    expect(pca.explainedVarianceRatio[1]).toBeCloseTo(0.178, 1);
    expect(map.trustworthiness.value).toBeGreaterThan(0.95);
    expect(map.trustworthiness.value).toBeGreaterThan(map.principalTrustworthiness);
    expect(overlap.accuracy).toBeGreaterThan(0.6);
    expect(overlap.votes.flat().reduce((sum, images) => sum + images)).toBe(400);
    // Shirts (6) are in the most confused pairs.
    expect(overlap.pairs.slice(0, 5).filter(({ classes }) => classes.includes(6)).length).toBeGreaterThan(0);
    expect(map.indices.map(index => index < 400)).not.toContain(false);
  });

  test('draws every figure and tells the chapter from files alone', async () => {
    const files = await readdir(join(folder, 'figures'));
    const wanted: string[] = Object.values(FIGURES).filter(
      file =>
        (file !== FIGURES.labelCandidates || result.labelCandidates.count > 0) &&
        (file !== FIGURES.nearDuplicates || result.nearDuplicates.pairs.length > 0),
    );
    expect(files.sort()).toEqual(wanted.sort());
    const contents = new Map<string, Buffer>();
    for (const file of files) contents.set(file, await readFile(join(folder, 'figures', file)));
    const shown: string[] = [];
    const read: FigureSource = file => {
      shown.push(file);
      const bytes = contents.get(file)!;
      return file.endsWith('.svg') ? { svg: bytes.toString() } : { png: bytes };
    };
    const html = htmlReport({ title: 'x', sections: [exploreSection(JSON.parse(JSON.stringify(result)), read)] });
    expect(shown.sort()).toEqual(wanted.sort());
    expect(html).toContain('The data before training');
    expect(html).not.toMatch(/undefined|NaN|\[object/);
  });

  test('maps what a network learned beside the pixels, and compares', async () => {
    const out = await mkdtemp(join(tmpdir(), 'weft-explore-features-'));
    try {
      const compared = await exploreStudy({ ...options(), out, checkpoint: 'pretrained:cnn' }, session());
      // The same exploration, and more.
      expect({ ...compared, comparison: 0, seconds: 0 }).toEqual({ ...result, comparison: 0, seconds: 0 });
      const { spaces, maps } = compared.comparison!;
      expect(spaces.map(({ name }) => name)).toEqual(['pixels', 'features']);
      expect(maps).toHaveLength(6);
      // Most classes are apart among the features of a network that is right 94 times in 100.
      expect(spaces[1].accuracy).toBeGreaterThan(spaces[0].accuracy + 0.1);
      expect(maps[0].trustworthiness).toBeCloseTo(result.map.principalTrustworthiness, 12);
      expect(maps[1].kl).toBeCloseTo(result.map.kl!, 12);
      const { shape } = parseNpy(await readFile(join(out, 'map-features-umap.npy')), 'map');
      expect(shape).toEqual([120, 2]);
      const read: FigureSource = file => {
        const bytes = readFileSync(join(out, 'figures', file));
        return file.endsWith('.svg') ? { svg: bytes.toString() } : { png: bytes };
      };
      const html = htmlReport({ title: 'x', sections: [exploreSection(JSON.parse(JSON.stringify(compared)), read)] });
      expect(html).toContain('Confusions: rank correlation');
      expect(html).toContain('UMAP of the features of the same 120 images');
      expect((await readdir(join(out, 'figures'))).filter(file => file.startsWith('features'))).toEqual([
        'features-t-sne-map.svg',
        'features-umap-map.svg',
      ]);
      expect(html).not.toMatch(/undefined|NaN|\[object/);
    } finally {
      await rm(out, { recursive: true });
    }
  }, 120_000);

  test('keeps the coordinates of the map and of the test images on it', async () => {
    for (const [name, images, labels] of [
      ['map-train', result.map.indices, result.map.labels],
      ['map-test', undefined, undefined],
    ] as const) {
      const [header, ...lines] = (await readFile(join(folder, `${name}.csv`), 'utf8')).trimEnd().split('\n');
      expect(header).toBe('image,label,x,y');
      const rows = lines.map(line => line.split(',').map(Number));
      const { shape, data } = parseNpy(await readFile(join(folder, `${name}.npy`)), name);
      expect(shape).toEqual([rows.length, 2]);
      expect(rows.flatMap(([, , x, y]) => [x, y])).toEqual(Array.from(data));
      expect(rows.map(([image]) => image)).toEqual(images ?? rows.map((_, i) => i));
      if (labels) expect(rows.map(([, label]) => label)).toEqual(labels);
      else expect(rows).toHaveLength(result.map.placed.images);
    }
    expect(result.map.placed.accuracy).toBeGreaterThan(0.4);
    const { points, frames } = result.map.animation;
    expect(points).toEqual(result.map.indices.map((_, i) => i));
    expect(frames.map(({ step }) => step)).toEqual(Array.from({ length: 11 }, (_, i) => 25 * i));
    // The last frame is the map.
    const drawn = coordinatesOf(frames[10]);
    result.map.points.flat().forEach((value, at) => {
      expect(Math.abs(drawn[at] - value)).toBeLessThan(frames[10].side / 4000 + 1e-4);
    });
  });

  test('maps as many images as are compared, and all of them', async () => {
    for (const [mapImages, neighbourImages, images] of [
      [120, 120, 120],
      ['all', undefined, 400],
    ] as const) {
      const { map } = await exploreStudy({ ...options(), steps: 5, mapImages, neighbourImages }, session());
      expect(map.images).toBe(images);
      expect(map.points).toHaveLength(images);
    }
  });

  test('stops in one sentence', async () => {
    await expect(exploreStudy(options(), session(AbortSignal.abort()))).rejects.toThrow('Stopped');
  });
});
