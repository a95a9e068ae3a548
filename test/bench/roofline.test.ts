/** The picture of a run holds every kernel of ours that has arithmetic, under the roof of the device it ran on. */
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseHTML } from 'linkedom';
import { expect, it } from 'vitest';
import type { Ceilings } from '../../bench/ceilings.ts';
import type { Results } from '../../bench/results.ts';
import { drawRoofline, memoryLevels, rooflinePath, writeRoofline } from '../../bench/roofline-picture.ts';
import { UsageError } from '../../src/devices/errors.ts';

const MIB = 2 ** 20;
const RECORDED = fileURLToPath(new URL('../../bench/results/wasm-amd-epyc-2026-11-22.json', import.meta.url));
const recorded = JSON.parse(await readFile(RECORDED, 'utf8')) as Results;

const textsOf = (svg: string): string[] =>
  [...parseHTML(`<body>${svg}</body>`).document.querySelectorAll('text')].map(text => text.textContent ?? '');

it('triads of one level of memory are one slope, with their median', () => {
  const triad = [
    { footprint: 0.75 * MIB, rate: 100 },
    { footprint: 3 * MIB, rate: 96 },
    { footprint: 12 * MIB, rate: 91 },
    { footprint: 48 * MIB, rate: 50 },
    { footprint: 192 * MIB, rate: 20 },
  ];
  expect(memoryLevels({ peak: 1, triad })).toEqual([
    { name: 'over arrays of 0.75 to 12 MiB', rate: 96 },
    { name: 'over arrays of 48 MiB', rate: 50 },
    { name: 'over arrays of 192 MiB', rate: 20 },
  ]);
});

it('a recorded run: a number, a name and a share for each kernel, the roof, the others pale', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'weft-roofline-'));
  try {
    const path = join(folder, 'run.json');
    await copyFile(RECORDED, path);
    expect(await writeRoofline(path, recorded)).toBe(true);
    const svg = await readFile(rooflinePath(path), 'utf8');
    const texts = textsOf(svg);
    const kernels = recorded.rows.filter(({ flops, bytes }) => flops > 0 && bytes > 0);
    expect(kernels.length).toBeGreaterThan(70);
    expect(texts.filter(text => /^\d+ % (fma|mem)$/.test(text))).toHaveLength(kernels.length);
    // Once at its point, once in the key.
    expect(texts.filter(text => text === String(kernels.length))).toHaveLength(2);
    for (const group of new Set(kernels.map(row => row.group))) expect(texts).toContain(group);
    for (const name of ['conv 3x3 32-64 @28', 'dense 128-10 weight gradient', 'relu + residual 64 @14 forward']) {
      expect(texts).toContain(name);
    }
    const { fused } = recorded.ceilings!.arithmetic.at(-1)!;
    expect(texts.some(text => text.endsWith('GFLOP/s, fused multiply-add') && Number.parseFloat(text) > 0)).toBe(true);
    expect(fused).toBeGreaterThan(0);
    expect(texts).toContain('others: pytorch, tfjs-cpu, tfjs-wasm');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

it('there is no picture without ceilings or kernels, and none of a GPU under the roof of the processor', () => {
  const { ceilings, ...rest } = recorded;
  expect(drawRoofline(rest)).toBeUndefined();
  expect(
    drawRoofline({ ...recorded, rows: recorded.rows.filter(({ group }) => group === 'networks') }),
  ).toBeUndefined();
  const device = { kind: 'webgpu', adapter: 'webgpu / some', description: 'Some GPU' };
  expect(() => drawRoofline({ ...recorded, device })).toThrow(UsageError);
  const own: Ceilings = { ...ceilings!, adapter: 'Some GPU' };
  expect(drawRoofline({ ...recorded, device, ceilings: own })).toContain('Roofline: Some GPU');
});
