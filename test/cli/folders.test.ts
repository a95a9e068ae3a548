/** Where commands write, as a user meets it: folders that cannot be, that are somebody's, or that are in use. */
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { FolderLock } from '../../src/study/folder-lock.node.ts';
import { REPOSITORY } from '../support/shared.ts';

const folder = mkdtempSync(join(tmpdir(), 'weft-cli-folders-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const PATIENCE = 300_000;
const TINY = '--limit 96 --batch-size 32 --widths 2,2 --hidden 4 --depth 1 --epochs 1 --device wasm'.split(' ');
const CHECKPOINT = '--checkpoint pretrained:cnn --device wasm --limit 8 --json'.split(' ');

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command in `cwd`, its standard output into a file where one is named. */
function weft(args: string[], { cwd = folder, into }: { cwd?: string; into?: string } = {}): Promise<Outcome> {
  const child = spawn(
    process.execPath,
    ['--import', import.meta.resolve('tsx'), join(REPOSITORY, 'src/cli/main.ts'), ...args],
    {
      cwd,
      stdio: ['ignore', into === undefined ? 'pipe' : openSync(into, 'w'), 'pipe'],
      env: { ...process.env, WEFT_THREADS: '1', WEFT_DATA: join(REPOSITORY, 'assets/fashion-mnist-sample') },
    },
  );
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', chunk => (stdout += chunk));
  child.stderr!.on('data', chunk => (stderr += chunk));
  return new Promise(resolve => {
    child.on('close', code => resolve({ code, stdout, stderr }));
  });
}

/** The last line is the command's own sentence; there is no trace. */
function expectSentence({ stdout, stderr }: Outcome, sentence: RegExp): void {
  expect(stderr.trim().split('\n').at(-1)).toMatch(sentence);
  expect(stderr).not.toMatch(/^\s+at .*:\d+:\d+/m);
  expect(stdout).toBe('');
}

describe('weft train', () => {
  const out = join(folder, 'run');
  const seedOf = () => JSON.parse(readFileSync(join(out, 'metrics.json'), 'utf8')).seed;

  test(
    'with --resume begins where there is no checkpoint yet; then the run is kept until --force replaces it',
    async () => {
      const begun = await weft(['train', ...TINY, '--out', out, '--resume', '--json']);
      expect(begun.code, begun.stderr).toBe(0);
      expect(begun.stderr).toContain(`There is no checkpoint in ${out} yet; the run begins.`);
      const kept = await weft(['train', ...TINY, '--out', out, '--seed', '1']);
      expect(kept.code).toBe(2);
      expectSentence(kept, /^weft: .* holds a finished run \(cnn, seed 0\); choose another --out, or .*--force\.$/);
      expect(seedOf()).toBe(0);
      const both = await weft(['train', ...TINY, '--out', out, '--force', '--resume']);
      expect(both.code).toBe(2);
      const forced = await weft(['train', ...TINY, '--out', out, '--seed', '1', '--force', '--json']);
      expect(forced.code, forced.stderr).toBe(0);
      expect(seedOf()).toBe(1);
    },
    PATIENCE,
  );

  test(
    'and weft run are refused in one sentence where somebody is at work',
    async () => {
      const taken = join(folder, 'taken');
      const lock = await FolderLock.take(taken, 'weft train --seed 3');
      for (const args of [
        ['train', ...TINY],
        ['run', '--settings', 'smoke', '--limit', '60', '--device', 'wasm'],
      ]) {
        const refused = await weft([...args, '--out', taken]);
        expect(refused.code).toBe(1);
        expectSentence(refused, new RegExp(`^weft: .*process ${process.pid} is at work.*weft train --seed 3`));
      }
      lock.release();
      expect(readdirSync(taken)).toEqual([]);
    },
    PATIENCE,
  );

  test.each([
    [['--out', ''], 2, /must name a folder/],
    [['--clip', '0'], 2, /above 0/],
    [['--out', join(folder, 'x'.repeat(300))], 1, /ENAMETOOLONG/],
  ])(
    'with %j writes nothing',
    async (args, code, sentence) => {
      const cwd = mkdtempSync(join(folder, 'empty-'));
      const refused = await weft(['train', ...TINY, ...args], { cwd });
      expect(refused.code).toBe(code);
      expectSentence(refused, sentence);
      expect(readdirSync(cwd)).toEqual([]);
    },
    PATIENCE,
  );
});

describe('a ledger that cannot be written', () => {
  test(
    'costs nobody the result',
    async () => {
      const cwd = join(folder, 'ledger');
      mkdirSync(cwd);
      writeFileSync(join(cwd, 'runs'), 'a file, where commands make a folder');
      const evaluated = await weft(['evaluate', ...CHECKPOINT, '--no-temperature'], { cwd });
      const corrupted = ['robustness', ...CHECKPOINT, '--corruptions', 'gaussian-noise', '--severities', '1'];
      const robust = await weft(corrupted, { cwd });
      for (const { code, stderr } of [evaluated, robust]) {
        expect(code, stderr).toBe(0);
        expect(stderr).toMatch(/test-set-uses\.jsonl cannot be written \(\w+\)\. This use .* is not written down\./);
      }
      expect(JSON.parse(evaluated.stdout).images).toBe(8);
      expect(JSON.parse(robust.stdout).models[0].clean.images).toBe(8);
      expect(robust.stderr).toContain('The result is printed only');
      // A folder that was asked for is another matter, and is known for it before anything is computed.
      const asked = await weft([...corrupted, '--out', join(cwd, 'runs', 'mine')], { cwd });
      expect(asked.code).toBe(1);
      expectSentence(asked, /^weft: .*mine cannot be written/);
    },
    PATIENCE,
  );
});

test.skipIf(!existsSync('/dev/full'))(
  'a full disk behind standard output, and one that is no folder, are a sentence and exit code 1',
  async () => {
    const data = await weft(['data', '--limit', '8', '--json'], { into: '/dev/full' });
    expect(data.code).toBe(1);
    expectSentence(data, /^weft: standard output cannot be written \(ENOSPC\)\.$/);
    const file = join(folder, 'file');
    writeFileSync(file, 'mine');
    const photos = await weft([
      'predict',
      '--checkpoint',
      'pretrained:cnn',
      '--device',
      'wasm',
      '--out',
      join(file, 'x'),
    ]);
    expect(photos.code).toBe(1);
    expectSentence(photos, /^weft: .* cannot be written \(ENOTDIR\)\.$/);
    expect(photos.stderr.match(/cannot be/g)).toHaveLength(1);
  },
  PATIENCE,
);
