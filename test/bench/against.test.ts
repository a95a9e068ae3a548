/** Builds in turns: how rounds become ratios, and what is refused before anything is measured. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compareAgainst, pairCases, pairedTable } from '../../bench/against.ts';

const medians = (values: Record<string, number>) => new Map(Object.entries(values));

test('each round gives a ratio for every case that both sides have', () => {
  const cases = pairCases([
    [medians({ matmul: 10, relu: 3, mine: 1 }), medians({ matmul: 20, relu: 3 })],
    [medians({ matmul: 30, relu: 1, mine: 1 }), medians({ matmul: 40, relu: 2 })],
    [medians({ matmul: 12, relu: 2, mine: 1 }), medians({ matmul: 10, relu: 2, theirs: 1 })],
  ]);
  expect(cases).toEqual([
    { id: 'matmul', mine: 12, theirs: 20, ratios: [0.5, 0.75, 1.2] },
    { id: 'relu', mine: 2, theirs: 2, ratios: [1, 0.5, 1] },
  ]);
  const lines = pairedTable(cases).split('\n');
  expect(lines[1]).toMatch(/^matmul +12\.0 +20\.0 +0\.750 +0\.500 to 1\.200$/);
});

test('the other side must be a revision, a stored run or a Node that runs', async () => {
  const options = { rounds: 1, args: [], hasCases: false, only: /nothing/ };
  const compare = (against: string, rest = {}) => compareAgainst({ ...options, against, ...rest }, () => {});
  const broken = join(mkdtempSync(join(tmpdir(), 'weft-test-')), 'broken.json');
  writeFileSync(broken, '{"rows": [');
  await expect(compare('no-such-branch')).rejects.toThrow('"no-such-branch" is no revision');
  await expect(compare('/nowhere/run.json')).rejects.toThrow('there is no file /nowhere/run.json');
  await expect(compare(broken)).rejects.toThrow('is not the result of a bench');
  await expect(compare(broken, { node: '/nowhere/node' })).rejects.toThrow('/nowhere/node cannot be run');
});
