/**
 * `weft run` as a user meets it: the whole study of a few images, cut off again and again, by Ctrl-C and by a kill that no
 * program can catch. It must end with the same numbers as a run that was left alone.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { REPOSITORY } from '../support/shared.ts';

const folder = mkdtempSync(join(tmpdir(), 'weft-run-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SAMPLE = join(REPOSITORY, 'assets/fashion-mnist-sample');

/** Some seconds each where nothing else is at work; machines that are shared want patience. */
const PATIENCE = 900_000;

interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(out: string, ...more: string[]): { child: ChildProcess; ended: Promise<Outcome> } {
  const args = ['run', '--settings', 'smoke', '--limit', '120', '--data', SAMPLE, '--device', 'wasm', '--json'];
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', join(REPOSITORY, 'src/cli/main.ts'), ...args, '--out', out, ...more],
    // One thread: the networks are tiny, and tests share the processor with each other.
    { cwd: REPOSITORY, env: { ...process.env, WEFT_THREADS: '1' } },
  );
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', chunk => {
    stdout += chunk;
  });
  child.stderr.on('data', chunk => {
    stderr += chunk;
  });
  const ended = new Promise<Outcome>(resolve => {
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return { child, ended };
}

const readJson = (...path: string[]) => JSON.parse(readFileSync(join(...path), 'utf8'));
const lines = (file: string) =>
  existsSync(file)
    ? readFileSync(file, 'utf8')
        .split('\n')
        .filter(line => line.startsWith('{') && line.endsWith('}'))
        .map(line => JSON.parse(line))
    : [];

/** Starts a run and sends the signal when `moment` has come. */
async function cutOff(out: string, signal: NodeJS.Signals, moment: () => boolean): Promise<Outcome> {
  const { child, ended } = start(out);
  const watch = setInterval(() => {
    if (!moment()) return;
    clearInterval(watch);
    child.kill(signal);
  }, 10);
  const outcome = await ended;
  clearInterval(watch);
  return outcome;
}

/** Work on a stage has begun, in this attempt. */
function begun(out: string, stage: string): () => boolean {
  const before = lines(join(out, 'log.jsonl')).length;
  return () =>
    lines(join(out, 'log.jsonl'))
      .slice(before)
      .some(({ event, stage: name }) => event === 'begin' && name === stage);
}

/** Everything that must not depend on how often a run was cut off: all but times and places. */
function numbers(out: string): unknown {
  const timeless = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(timeless);
    if (value === null || typeof value !== 'object') return value;
    const entries = Object.entries(value).filter(
      ([key]) => !/^(seconds|imagesPerSecond|checkpoint|file|out|report|reportBytes)$/.test(key),
    );
    return Object.fromEntries(entries.map(([key, inner]) => [key, timeless(inner)]));
  };
  const { stages, ...study } = readJson(out, 'metrics.json');
  return timeless({
    study,
    stages: stages.map(({ stage }: { stage: string }) => stage),
    explore: readJson(out, 'explore', 'explore.json'),
    cnn: readJson(out, 'train-cnn', 'metrics.json'),
    miniResnet: readJson(out, 'train-mini-resnet', 'metrics.json'),
    evaluation: readJson(out, 'evaluate', 'evaluation.json'),
    tune: readJson(out, 'tune', 'tune.json'),
    judge: readJson(out, 'judge', 'judge.json'),
    robustness: readJson(out, 'robustness', 'robustness.json'),
  });
}

describe('weft run', () => {
  const whole = join(folder, 'whole');
  const broken = join(folder, 'broken');

  test(
    'leaves a study with every stage done, and one page',
    async () => {
      const { code, stdout, stderr } = await start(whole).ended;
      expect(code, stderr).toBe(0);
      const result = JSON.parse(stdout);
      expect(result).toMatchObject({ settings: 'smoke', seed: 0, device: 'wasm', sampleData: true, failed: false });
      for (const { stage, state } of result.stages) expect(state, stage).toBe('done');
      expect(Object.keys(result.accuracy)).toEqual(['cnn', 'mini-resnet']);
      expect(readFileSync(result.report, 'utf8')).toContain('SAMPLE DATA');
      expect(readJson(whole, 'metrics.json')).toEqual(result);
      // What the test images were used for is written down.
      const uses = lines(join(whole, 'test-set-uses.jsonl')).map(({ command }) => command);
      expect(uses.filter(command => command === 'run')).toHaveLength(2);
    },
    PATIENCE,
  );

  test(
    'cut off in one stage after the other, it goes on and ends with the same numbers',
    async () => {
      const last = join(broken, 'train-cnn', 'checkpoints', 'last.safetensors');
      const cuts: [NodeJS.Signals, () => () => boolean][] = [
        ['SIGKILL', () => begun(broken, 'data')],
        ['SIGINT', () => begun(broken, 'explore')],
        // In the middle of training, when there is something to go on from.
        ['SIGKILL', () => () => existsSync(last)],
        ['SIGINT', () => begun(broken, 'train-mini-resnet')],
        ['SIGKILL', () => () => existsSync(join(broken, 'tune', 'trials', '0-0.json'))],
        ['SIGINT', () => begun(broken, 'judge')],
      ];
      for (const [signal, moment] of cuts) {
        const outcome = await cutOff(broken, signal, moment());
        if (signal === 'SIGKILL') expect(outcome.signal).toBe('SIGKILL');
        else {
          expect(outcome.code, outcome.stderr).toBe(130);
          expect(outcome.stderr).toMatch(/Stopped in the stage .* Go on with the same command\./);
        }
        expect(outcome.stdout).toBe('');
      }
      const { code, stderr } = await start(broken).ended;
      expect(code, stderr).toBe(0);
      expect(numbers(broken)).toEqual(numbers(whole));
      // Training went on from its checkpoint, trials that were done were not done again.
      expect(lines(join(broken, 'train-cnn', 'log.jsonl')).some(({ event }) => event === 'resume')).toBe(true);
      const begins = lines(join(broken, 'log.jsonl')).filter(({ event }) => event === 'begin');
      expect(begins.filter(({ stage }) => stage === 'tune').map(({ attempt }) => attempt)).toEqual([1, 2]);
    },
    PATIENCE,
  );

  test(
    'run again it changes nothing; one stage forced repeats that one',
    async () => {
      const again = JSON.parse((await start(whole, '--force', 'tune').ended).stdout);
      const states = Object.fromEntries(
        again.stages.map(({ stage, state }: { stage: string; state: string }) => [stage, state]),
      );
      expect(states).toMatchObject({ 'train-cnn': 'unchanged', explore: 'unchanged', tune: 'done', report: 'done' });
      expect(numbers(broken)).toEqual(numbers(whole));
    },
    PATIENCE,
  );

  test(
    'a stage that cannot be done gets a sentence, and the report names it',
    async () => {
      // Somebody's own files stand where the stage would write.
      rmSync(join(whole, 'tune', 'stage.json'));
      writeFileSync(join(whole, 'tune', 'mine.txt'), 'keep');
      const { code, stdout, stderr } = await start(whole).ended;
      expect(code).toBe(1);
      expect(stderr).toMatch(/tune: FAILED: .*choose another --out/);
      expect(JSON.parse(stdout)).toMatchObject({ failed: true });
      expect(readFileSync(join(whole, 'report.html'), 'utf8')).toMatch(
        /This chapter is missing\. The stage tune failed/,
      );
      expect(existsSync(join(whole, 'tune', 'mine.txt'))).toBe(true);
    },
    PATIENCE,
  );
});

test(
  'a stage to repeat that there is not',
  async () => {
    const unknown = await start(join(folder, 'x'), '--force', 'cook').ended;
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toMatch(/no stage "cook".*train-cnn/);
  },
  PATIENCE,
);
