/**
 * The test set may be looked at once, at the end; whoever looks again and again ends up choosing what happens to suit it.
 * So every look is written down: one line of JSON per use in `test-set-uses.jsonl`, in the folder that holds the runs.
 */
import { constants } from 'node:fs';
import { access, appendFile, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { unwritable } from '../train/atomic-file.node.ts';
import type { Progress } from './session.ts';

export interface TestSetUse {
  /** What looked: `train`, `evaluate`, ... */
  readonly command: string;
  readonly model: string;
  readonly checkpoint: string;
  readonly seed?: number;
  readonly sampleData: boolean;
  readonly images: number;
  readonly accuracy: number;
}

const FILE = 'test-set-uses.jsonl';

/** Where uses by a run in `runFolder` are written: beside the run, or in it where its parent cannot be written. */
export async function testSetLedger(runFolder: string): Promise<string> {
  const parent = dirname(runFolder);
  try {
    await mkdir(parent, { recursive: true });
    await access(parent, constants.W_OK);
    return join(parent, FILE);
  } catch {
    return join(runFolder, FILE);
  }
}

/**
 * Appends a use.
 * @param progress is told where the ledger cannot be written: what was measured is worth more than its line there
 * @returns the ledger's path
 * @throws DataError when the ledger cannot be written and nobody can be told
 */
export async function noteTestSetUse(runFolder: string, use: TestSetUse, progress?: Progress): Promise<string> {
  const path = await testSetLedger(runFolder);
  try {
    await mkdir(dirname(path), { recursive: true });
    await appendFile(path, `${JSON.stringify({ time: new Date().toISOString(), ...use })}\n`);
  } catch (error) {
    const refusal = unwritable(path, error);
    if (!progress) throw refusal;
    progress.note(`${refusal.message} This use of the test images is not written down.`);
  }
  return path;
}
