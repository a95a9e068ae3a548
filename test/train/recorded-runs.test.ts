/**
 * The logs of the models that come with the package, run again: the first 50 losses must come out as recorded. A small run
 * is recorded and replayed here too, so that the replay itself is tested where no model or data is at hand.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { largestDifference, readRecording, replay } from '../../bench/accuracy/replay.ts';
import { type FashionMnist, loadFashionMnist, readSample, SAMPLE_DIRECTORY } from '../../src/data/index.node.ts';
import { openWasmDevice } from '../../src/devices/wasm/device.ts';
import { PRETRAINED_DIRECTORY } from '../../src/train/pretrained.node.ts';
import { REPOSITORY } from '../support/shared.ts';

const STEPS = 50;

const logs = existsSync(PRETRAINED_DIRECTORY)
  ? readdirSync(PRETRAINED_DIRECTORY).filter(file => file.endsWith('.log.jsonl'))
  : [];

/** The full data where it is at hand: a test downloads nothing. */
async function fullData(): Promise<FashionMnist | undefined> {
  const data = await loadFashionMnist({ offline: true, onProgress: () => {} });
  return data.isSample ? undefined : data;
}
const data = logs.length > 0 ? await fullData() : undefined;

describe.skipIf(!data)(`logs of the package's models${data ? '' : ' (skipped: no model, or no full data)'}`, () => {
  test.each(logs)('%s', async file => {
    const recording = readRecording(join(PRETRAINED_DIRECTORY, file));
    const device = await openWasmDevice({ relaxedSimd: recording.start.adapter.includes('relaxed-fma') });
    try {
      const losses = await replay(recording, data!, device, STEPS);
      expect(losses).toHaveLength(STEPS);
      // Kernels may have changed since: other sums round otherwise, and training amplifies that slowly.
      expect(largestDifference(losses.slice(0, 5), recording.losses)).toBeLessThan(1e-3);
      expect(largestDifference(losses, recording.losses)).toBeLessThan(2e-2);
    } finally {
      await device.destroy();
    }
  });
});

describe('a run recorded here', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-recorded-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('replays to the same bits', async () => {
    const out = join(folder, 'run');
    const line = `train --widths 4,8 --hidden 16 --epochs 1 --batch-size 50 --validation 500 --no-test --mixup 0.2 --out ${out}`;
    await promisify(execFile)(
      process.execPath,
      ['--import', 'tsx', 'src/cli/main.ts', ...line.split(' '), '--device', 'wasm', '--data', SAMPLE_DIRECTORY],
      { cwd: REPOSITORY },
    );
    const recording = readRecording(join(out, 'log.jsonl'));
    const device = await openWasmDevice({ relaxedSimd: recording.start.adapter.includes('relaxed-fma') });
    const losses = await replay(recording, await readSample(), device, 20);
    await device.destroy();
    expect(losses).toEqual(recording.losses.slice(0, 20));
    expect(recording.losses).toHaveLength(50);
    expect(largestDifference([1, 2.2], [1, 2])).toBeCloseTo(0.1);
  });
});
