/** Builds in turns: how rounds become ratios, and what is refused before anything is measured. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compareAgainst, pairedTable, takeTurns } from '../../bench/against.ts';
import { kernelCases } from '../../bench/cases/index.ts';

const OPTIONS = { rounds: 1, cases: [], firstResult: false, device: 'wasm', threads: 1 } as const;

/** Answers one figure after the other and writes down whose turn it was. */
const sampler = (name: string, figures: number[], turns: string[]) => ({
  async sample() {
    turns.push(name);
    return figures.shift()!;
  },
});

test('the two take turns, first one ahead, then the other, and each pair gives a ratio', async () => {
  const turns: string[] = [];
  const sides = [sampler('a', [10, 30, 12], turns), sampler('b', [20, 40, 10], turns)];
  const matmul = await takeTurns('matmul', sides, 3);
  expect(turns.join('')).toBe('abbaab');
  expect(matmul).toEqual({ id: 'matmul', mine: 12, theirs: 20, ratios: [0.5, 0.75, 1.2] });
  const lines = pairedTable([matmul]).split('\n');
  expect(lines[1]).toMatch(/^matmul +12\.0 +20\.0 +0\.750 +0\.625 to 0\.975$/);
});

test('this tree against a stored run: a case that only one side has is left out', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'weft-test-')), 'run.json');
  const row = (id: string) => ({ id, outcomes: [{ contender: 'weft wasm', timing: { median: 5 } }] });
  const shared = kernelCases[0].id;
  const machine = { processor: 'a processor', node: '20' };
  writeFileSync(file, JSON.stringify({ date: '2026-01-01', machine, rows: [row(shared), row('only there')] }));
  const cases = [{ id: 'only there' }, { id: shared }, { id: kernelCases[1].id }];
  const [measured, ...rest] = await compareAgainst({ ...OPTIONS, cases, against: file, rounds: 2 }, () => {});
  expect(rest).toEqual([]);
  expect(measured).toMatchObject({ id: shared, theirs: 5 });
  expect(measured.ratios.length).toBe(2);
  expect(measured.ratios.every(ratio => ratio > 0 && Number.isFinite(ratio))).toBe(true);
}, 60_000);

test('the other side must be a revision, a stored run or a Node that runs', async () => {
  const compare = (against: string, rest = {}) => compareAgainst({ ...OPTIONS, against, ...rest }, () => {});
  const broken = join(mkdtempSync(join(tmpdir(), 'weft-test-')), 'broken.json');
  writeFileSync(broken, '{"rows": [');
  await expect(compare('no-such-branch')).rejects.toThrow('"no-such-branch" is no revision');
  await expect(compare('/nowhere/run.json')).rejects.toThrow('there is no file /nowhere/run.json');
  await expect(compare(broken)).rejects.toThrow('is not the result of a bench');
  await expect(compare(broken, { node: '/nowhere/node' })).rejects.toThrow('/nowhere/node cannot be run');
});
