/** A folder of photographs that is not there is found wanting before a study begins, not after its training. */
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { DataError } from '../../src/devices/errors.ts';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import { sessionOn, settingsNamed, withLimit } from '../../src/study/index.node.ts';
import { runStudy } from '../../src/study/study.node.ts';

const root = mkdtempSync(join(tmpdir(), 'weft-photos-first-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

test.each([
  ['nosuch', /There is no file or folder .*nosuch/],
  ['empty', /There are no pictures in .*empty/],
])('%s', async (name, message) => {
  mkdirSync(join(root, 'empty'), { recursive: true });
  const out = join(root, `study-${name}`);
  const options = {
    settings: withLimit(settingsNamed('smoke'), 50),
    seed: 0,
    photos: join(root, name),
    out,
    command: 'weft run',
  };
  const study = runStudy(options, sessionOn(new ReferenceDevice(), { signal: AbortSignal.abort() }));
  await expect(study).rejects.toThrow(DataError);
  await expect(study).rejects.toThrow(message);
  expect(existsSync(out)).toBe(false);
});
