/** The scripts of bench/data, with small limits: that they run to the end, and what they write. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import { differenceOf } from '../../bench/data/paired.ts';
import { parseImageIndices, SAMPLE_DIRECTORY } from '../../src/data/index.node.ts';
import { REPOSITORY } from '../support/shared.ts';

const scratch = mkdtempSync(join(tmpdir(), 'weft-bench-data-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const script = (name: string, ...args: string[]) =>
  promisify(execFile)(process.execPath, ['--import', 'tsx', join(REPOSITORY, 'bench/data', name), ...args], {
    cwd: REPOSITORY,
  });

test('pictures.ts: speed and memory with and without a cache', async () => {
  const out = join(scratch, 'pictures.json');
  const { stdout } = await script('pictures.ts', '--pictures', '120', '--rounds', '1', '--out', out);
  expect(stdout).toMatch(
    /^120 pictures, arrays of 0\.1 MB, medians of 1:\n {2}without a cache: [\d.]+ s, \d+ pictures\/s, /,
  );
  const result = JSON.parse(readFileSync(out, 'utf8'));
  expect(result).toMatchObject({ pictures: 120, arrayBytes: 120 * 785 });
  expect(result.first.picturesPerSecond).toBeGreaterThan(0);
  expect(result.second.rounds).toHaveLength(1);
});

test('doubtful-labels.ts: a list, three arms, paired seeds; what is done is not done again', async () => {
  const out = join(scratch, 'doubtful');
  const args = [
    '--data',
    SAMPLE_DIRECTORY,
    '--limit',
    '700',
    '--validation',
    '100',
    '--folds',
    '2',
    '--fold-epochs',
    '1',
  ];
  args.push('--epochs', '1', '--seeds', '0,1', '--device', 'wasm', '--out', out, '--runs', join(scratch, 'runs'));
  await script('doubtful-labels.ts', ...args);
  const list = parseImageIndices(readFileSync(join(out, 'doubtful-labels.txt'), 'utf8'), 'list', 700);
  const result = JSON.parse(readFileSync(join(out, 'doubtful-labels.json'), 'utf8'));
  expect(result.doubtful.images).toBe(list.length);
  expect(result.arms.map(({ arm }: { arm: string }) => arm)).toEqual([
    'all',
    'without doubtful',
    'without as many by chance',
  ]);
  expect(result.arms.map(({ trainImages }: { trainImages: number }) => trainImages)).toEqual([
    600,
    600 - list.length,
    600 - list.length,
  ]);
  for (const { accuracies } of result.arms) expect(accuracies).toHaveLength(2);
  const [all, without] = result.arms;
  expect(without.againstAll.differences[0]).toBeCloseTo(without.accuracies[0] - all.accuracies[0], 12);

  const metrics = join(scratch, 'runs', 'all-seed0', 'metrics.json');
  const before = statSync(metrics).mtimeMs;
  await script('doubtful-labels.ts', ...args, '--drop-list', join(out, 'doubtful-labels.txt'));
  expect(statSync(metrics).mtimeMs).toBe(before);
  const again = JSON.parse(readFileSync(join(out, 'doubtful-labels.json'), 'utf8'));
  expect(again.arms).toEqual(result.arms);
});

test('paired differences: mean, spread and interval', () => {
  // t.interval(0.95, 2, loc=2, scale=1/sqrt(3)) = 2 +- 4.302653 / sqrt(3)
  const { mean, sd, ci95 } = differenceOf([2, 4, 6], [1, 2, 3]);
  expect([mean, sd]).toEqual([2, 1]);
  expect(ci95![0]).toBeCloseTo(2 - 4.302653 / Math.sqrt(3), 5);
  expect(ci95![1]).toBeCloseTo(2 + 4.302653 / Math.sqrt(3), 5);
  expect(differenceOf([1], [0]).ci95).toBeNull();
});
