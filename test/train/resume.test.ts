/**
 * Runs that end before their time, as users see them: a process that trains is killed in the middle of an epoch, or
 * interrupted, and the same command with --resume must end where an uninterrupted run ends, bit for bit.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SAMPLE_DIRECTORY } from '../../src/data/index.node.ts';
import { parseSafetensors } from '../../src/interop/index.ts';
import type { RunResult } from '../../src/study/results.ts';
import { type CheckpointInfo, checkpointInfo } from '../../src/train/index.ts';
import { REPOSITORY } from '../support/shared.ts';

const folder = mkdtempSync(join(tmpdir(), 'weft-resume-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

// Dropout, averaging and mixing all carry state or random numbers across the cut.
const OPTIONS =
  '--model cnn --widths 4,8 --hidden 16 --dropout 0.3 --ema 0.95 --mixup 0.4 --cutmix 1 --affine 10,0.1,5 --erase 0.3 ' +
  '--flip alternating --device wasm --limit 1200 --validation 200 --batch-size 20 --epochs 2 --seed 5 --json';
const STEPS_PER_EPOCH = 50;

interface Run {
  readonly child: ChildProcess;
  readonly out: string;
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string }>;
}

function start(name: string, extra: string, environment: Record<string, string> = {}): Run {
  const out = join(folder, name);
  const args = ['--import', 'tsx', 'src/cli/main.ts', 'train', ...`${OPTIONS} ${extra}`.trim().split(' ')];
  const child = spawn(process.execPath, [...args, '--data', SAMPLE_DIRECTORY, '--out', out], {
    cwd: REPOSITORY,
    // The choice between fused and separate multiply-adds is timed where nobody makes it; runs that shall agree make it.
    env: { ...process.env, WEFT_RELAXED_SIMD: '0', WEFT_THREADS: '2', ...environment },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout!.on('data', text => (stdout += text));
  child.stderr!.on('data', text => (stderr += text));
  const ended = new Promise<Awaited<Run['ended']>>(resolve => {
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return { child, out, ended };
}

const lastOf = (out: string): string => join(out, 'checkpoints', 'last.safetensors');

function infoOf(path: string): CheckpointInfo {
  return checkpointInfo(readFileSync(path), path);
}

/** Resolves when a checkpoint from the middle of the first epoch is there. */
async function midEpoch({ out, child }: Run): Promise<void> {
  while (child.exitCode === null) {
    if (existsSync(lastOf(out)) && infoOf(lastOf(out)).position!.step >= 14) return;
    await new Promise(resolve => setTimeout(resolve, 5));
  }
  throw new Error('The run ended before it could be stopped.');
}

/** The losses of all steps as the log has them. */
function lossesOf(out: string): number[] {
  const events = readFileSync(join(out, 'log.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as { event: string; losses?: number[]; first?: number });
  const losses: number[] = [];
  for (const { event, first, losses: some = [] } of events) {
    if (event !== 'steps') continue;
    expect(first).toBe(losses.length);
    losses.push(...some);
  }
  return losses;
}

function expectSameRun(out: string, whole: string): void {
  const losses = lossesOf(out);
  expect(losses).toHaveLength(2 * STEPS_PER_EPOCH);
  expect(losses).toEqual(lossesOf(whole));
  for (const name of ['model', 'best', 'last']) {
    const [ours, theirs] = [out, whole].map(
      root => parseSafetensors(readFileSync(join(root, 'checkpoints', `${name}.safetensors`)), name).tensors,
    );
    expect([...ours.keys()]).toEqual([...theirs.keys()]);
    for (const [key, { data }] of ours) expect(data, `${name}: ${key}`).toEqual(theirs.get(key)!.data);
  }
  const metrics = (root: string) => JSON.parse(readFileSync(join(root, 'metrics.json'), 'utf8'));
  expect(metrics(out).evaluation).toEqual(metrics(whole).evaluation);
}

describe('a training run that is cut off', () => {
  let whole: Run;
  beforeAll(async () => {
    whole = start('whole', '');
    const { code, stderr } = await whole.ended;
    expect(code, stderr).toBe(0);
  });

  test('SIGKILL in mid-epoch: the resumed run ends with the same bits', async () => {
    const killed = start('killed', '--checkpoint-every 7');
    await midEpoch(killed);
    killed.child.kill('SIGKILL');
    expect((await killed.ended).signal).toBe('SIGKILL');
    const { position } = infoOf(lastOf(killed.out));
    expect(position!.batch).toBeGreaterThan(0);
    expect(position!.epoch).toBe(0);
    expect(existsSync(join(killed.out, 'metrics.json'))).toBe(false);

    const resumed = await start('killed', '--checkpoint-every 7 --resume').ended;
    expect(resumed.code, resumed.stderr).toBe(0);
    expect(resumed.stderr).toContain(`Resuming at epoch 1, batch ${position!.batch}.`);
    expectSameRun(killed.out, whole.out);
  });

  test('SIGINT: a checkpoint is written, the exit code is 130, and the resumed run ends with the same bits', async () => {
    const stopped = start('stopped', '--checkpoint-every 14');
    await midEpoch(stopped);
    stopped.child.kill('SIGINT');
    const { code, stderr, stdout } = await stopped.ended;
    expect(code, stderr).toBe(130);
    expect(stderr).toContain('--resume');
    expect(stdout).toBe('');
    const { position } = infoOf(lastOf(stopped.out));
    expect(lossesOf(stopped.out)).toHaveLength(position!.step);

    const resumed = await start('stopped', '--resume').ended;
    expect(resumed.code, resumed.stderr).toBe(0);
    expectSameRun(stopped.out, whole.out);
    const { seconds, history } = JSON.parse(resumed.stdout) as RunResult;
    const ofEpochs = history.reduce((sum, epoch) => sum + epoch.seconds, 0);
    expect(seconds, 'the time before the cut counts').toBeGreaterThanOrEqual(Math.floor(ofEpochs * 10) / 10);
  });

  test('the same seed gives the same run again, on any number of threads', async () => {
    const again = start('again', '', { WEFT_THREADS: '1' });
    expect((await again.ended).code).toBe(0);
    expectSameRun(again.out, whole.out);
  });

  test('a run with other options is not resumed', async () => {
    const { code, stderr } = await start('whole', '--resume --learning-rate 0.2').ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(/belongs to a run with other options or data/);
  });

  test('a run that is complete reports again when it is resumed', async () => {
    const before = readFileSync(join(whole.out, 'metrics.json'), 'utf8');
    const { code, stdout } = await start('whole', '--resume').ended;
    expect(code).toBe(0);
    expect(JSON.parse(stdout).evaluation).toEqual(JSON.parse(before).evaluation);
  });

  test('every look at the test images is in the ledger beside the runs', () => {
    const uses = readFileSync(join(folder, 'test-set-uses.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map(line => JSON.parse(line));
    expect(uses.map(({ checkpoint }) => checkpoint)).toContain(join(whole.out, 'checkpoints', 'model.safetensors'));
    expect(uses.every(({ command, sampleData }) => command === 'train' && sampleData)).toBe(true);
  });
});
