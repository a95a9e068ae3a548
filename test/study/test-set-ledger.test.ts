/** The ledger of looks at the test images. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { noteTestSetUse } from '../../src/study/test-set-ledger.node.ts';

const folder = mkdtempSync(join(tmpdir(), 'weft-ledger-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('uses of the test set are lines of one ledger beside the runs', async () => {
  const use = { command: 'evaluate', model: 'cnn', checkpoint: 'a', sampleData: true, images: 5, accuracy: 0.4 };
  const first = await noteTestSetUse(join(folder, 'runs', 'a'), use);
  const second = await noteTestSetUse(join(folder, 'runs', 'b'), { ...use, accuracy: 0.5 });
  expect(second).toBe(first);
  const lines = readFileSync(first, 'utf8').trim().split('\n');
  expect(lines.map(line => JSON.parse(line).accuracy)).toEqual([0.4, 0.5]);
});
