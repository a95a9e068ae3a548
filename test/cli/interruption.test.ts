/** What interrupts a command, from outside: signals, and pipes that nobody reads any more. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { REPOSITORY } from '../support/shared.ts';

const folder = mkdtempSync(join(tmpdir(), 'weft-interruption-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Ending {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** From the interruption to the word about it, and to the end, in seconds. */
  readonly noticed: number;
  readonly ended: number;
}

/** Starts a command, interrupts it as soon as stderr matches, and waits for its end. */
function interrupted(args: string[], when: RegExp, interrupt: (child: ChildProcess) => void): Promise<Ending> {
  const program = [process.execPath, '--import', 'tsx', join(REPOSITORY, 'src/cli/main.ts')];
  const child = spawn(program[0], [...program.slice(1), ...args], { cwd: REPOSITORY });
  let [stdout, stderr] = ['', ''];
  let began = Number.NaN;
  let noticed = Number.POSITIVE_INFINITY;
  const seconds = (): number => (performance.now() - began) / 1000;
  child.stdout.on('data', chunk => {
    stdout += chunk;
  });
  child.stderr.on('data', chunk => {
    stderr += chunk;
    if (noticed === Number.POSITIVE_INFINITY && stderr.includes('Stopping after this step')) noticed = seconds();
    if (Number.isNaN(began) && when.test(stderr)) {
      began = performance.now();
      interrupt(child);
    }
  });
  return new Promise(resolve => {
    child.on('close', code => resolve({ code, stdout, stderr, noticed, ended: seconds() }));
  });
}

/** On the reference, where one batch of 500 images takes minutes. */
const EVALUATE = ['evaluate', '--device', 'reference', '--checkpoint', 'pretrained:cnn', '--no-temperature'];
/** Seconds; half of one on a machine that has nothing else to do. */
const SOON = 5;

describe('a prediction that takes minutes', () => {
  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    '%s is noticed soon, and the command ends with 130',
    async signal => {
      const ending = await interrupted(EVALUATE, /of \d+ images/, child => child.kill(signal));
      expect(ending.code, ending.stderr).toBe(130);
      expect(ending.noticed).toBeLessThan(SOON);
      expect(ending.ended).toBeLessThan(2 * SOON);
      expect(ending.stderr).toMatch(/Stopped before it was done/);
      expect(ending.stderr).not.toMatch(/unexpected failure/);
      expect(ending.stdout).toBe('');
    },
    120_000,
  );

  test('nobody reads its progress any more: it ends with 130', async () => {
    const ending = await interrupted(EVALUATE, /of \d+ images/, child => child.stderr!.destroy());
    expect(ending.code).toBe(130);
    expect(ending.stdout).toBe('');
  }, 120_000);
});

describe('judging, which stops between two measures', () => {
  test('the second Ctrl-C quits at once', async () => {
    const judge = ['judge', '--device', 'reference', '--checkpoint', 'pretrained:cnn', '--out', join(folder, 'judged')];
    const ending = await interrupted([...judge, '--images', 'test:0-19'], /maps: /, child => {
      child.kill('SIGINT');
      child.stderr!.on('data', chunk => {
        if (String(chunk).includes('Stopping after this step')) child.kill('SIGINT');
      });
    });
    expect(ending.code, ending.stderr).toBe(130);
    expect(ending.ended - ending.noticed).toBeLessThan(SOON);
    expect(ending.stdout).toBe('');
  }, 120_000);
});
