/** The command line as a user meets it: what it prints where, and with which exit code it ends. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parseSafetensors } from '../../src/interop/index.ts';
import { REPOSITORY } from '../support/shared.ts';

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function weft(...args: string[]): Promise<Outcome> {
  const child = spawn(process.execPath, ['--import', 'tsx', join(REPOSITORY, 'src/cli/main.ts'), ...args], {
    cwd: REPOSITORY,
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', chunk => {
    stdout += chunk;
  });
  child.stderr.on('data', chunk => {
    stderr += chunk;
  });
  return new Promise(resolve => {
    child.on('close', code => resolve({ code, stdout, stderr }));
  });
}

const folder = mkdtempSync(join(tmpdir(), 'weft-cli-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const TINY = ['--widths', '2,4', '--hidden', '8', '--limit', '96', '--batch-size', '32', '--epochs', '2'];

/** Sentences, not traces. */
function expectSentence({ stderr }: Outcome): void {
  expect(stderr).not.toMatch(/^\s+at .*:\d+:\d+/m);
}

describe('weft train, then evaluate', () => {
  const out = join(folder, 'run');

  test('prints one JSON object on stdout and fills the run folder', async () => {
    const outcome = await weft(
      'train',
      '--model',
      'cnn',
      '--device',
      'wasm',
      '--seed',
      '0',
      '--json',
      '--out',
      out,
      ...TINY,
    );
    expect(outcome.code, outcome.stderr).toBe(0);
    const result = JSON.parse(outcome.stdout);
    expect(result).toMatchObject({ device: 'wasm', seed: 0, trainImages: 96, testImages: 96, epochs: 2 });
    expect(result.adapter).toMatch(/^WebAssembly SIMD on \d+ threads? /);
    expect(result.checkpoint).toBe(join(out, 'checkpoints', 'model.safetensors'));
    expect(96 * result.testAccuracy).toBe(Math.round(96 * result.testAccuracy));
    for (const key of ['testLoss', 'imagesPerSecond', 'seconds']) expect(result[key], key).toBeGreaterThan(0);
    for (const file of [
      'config.json',
      'log.jsonl',
      'metrics.json',
      'figures/learning-curve.svg',
      'figures/confusion-matrix.svg',
    ]) {
      expect(existsSync(join(out, file)), file).toBe(true);
    }
    expect(existsSync(result.checkpoint)).toBe(true);
    expect(outcome.stderr).toMatch(/epoch 2\/2/);
  });

  test('evaluating the checkpoint gives the accuracy that training reported', async () => {
    const checkpoint = join(out, 'checkpoints', 'model.safetensors');
    const outcome = await weft('evaluate', '--checkpoint', checkpoint, '--device', 'wasm', '--limit', '96', '--json');
    expect(outcome.code, outcome.stderr).toBe(0);
    const { accuracy, confusion, perClass } = JSON.parse(outcome.stdout);
    expect(accuracy).toBe(JSON.parse(readFileSync(join(out, 'metrics.json'), 'utf8')).testAccuracy);
    expect(confusion).toHaveLength(10);
    expect(perClass).toHaveLength(10);
  });

  test('--from begins where another run ended, with its model; --resume wants it again', async () => {
    const from = join(out, 'checkpoints', 'model.safetensors');
    const continued = join(folder, 'continued');
    const args = ['train', '--from', from, '--device', 'wasm', '--out', continued, '--json', '--limit', '96'];
    args.push('--no-augment', '--learning-rate', '1e-30', '--batch-size', '96', '--epochs', '2', '--ema', '0.5');
    const { code, stdout, stderr } = await weft(...args);
    expect(code, stderr).toBe(0);
    const { model, parameters, history } = JSON.parse(stdout);
    const before = JSON.parse(readFileSync(join(out, 'metrics.json'), 'utf8'));
    expect({ model, parameters }).toEqual({ model: 'cnn', parameters: before.parameters });
    // No step moves a weight, so all that training sees is what the other run left.
    expect(history[0].loss).toBeLessThan(before.history[1].loss + 0.05);
    expect(history[1].loss).toBeCloseTo(history[0].loss, 6);
    const weights = (file: string) => parseSafetensors(readFileSync(file), file).tensors.get('logits.weight')!.data;
    expect(weights(join(continued, 'checkpoints', 'model.safetensors'))).toEqual(weights(from));

    const resumed = await weft(...args, '--resume');
    expect(resumed.code, resumed.stderr).toBe(0);
    const elsewhere = await weft(
      ...args.filter(arg => arg !== '--from' && arg !== from),
      '--resume',
      '--widths',
      '2,4',
    );
    expect(elsewhere.code).toBe(1);
    expect(elsewhere.stderr).toMatch(/other options/);
  });

  test('--precision highest trains a run of its own, which --resume knows', async () => {
    const precise = join(folder, 'precise');
    const args = ['train', '--model', 'cnn', '--device', 'wasm', '--seed', '0', '--json', '--out', precise, ...TINY];
    const { code, stdout, stderr } = await weft(...args, '--precision', 'highest');
    expect(code, stderr).toBe(0);
    const result = JSON.parse(stdout);
    expect(result.adapter).toContain('highest precision');
    const before = JSON.parse(readFileSync(join(out, 'metrics.json'), 'utf8'));
    const losses = (history: { loss: number }[]) => history.map(({ loss }) => loss);
    // Losses of few steps may be the same in float32; the mean over the test images has more digits.
    expect([result.testLoss, ...losses(result.history)]).not.toEqual([before.testLoss, ...losses(before.history)]);
    expect(Math.abs(result.history[0].loss / before.history[0].loss - 1)).toBeLessThan(1e-3);
    const resumed = await weft(...args, '--resume');
    expect(resumed.code, resumed.stderr).toBe(0);
    expect(resumed.stderr).toMatch(/Device: .*highest precision/);

    const wrong = await weft(...args, '--precision', 'double');
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toMatch(/Allowed choices are default, highest/);
  });

  test('--convolution direct trains a run of its own, which --resume knows', async () => {
    const direct = join(folder, 'direct');
    const args = ['train', '--model', 'cnn', '--device', 'wasm', '--seed', '0', '--json', '--out', direct, ...TINY];
    const { code, stdout, stderr } = await weft(...args, '--convolution', 'direct');
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout).adapter).toContain('direct convolution');
    const resumed = await weft(...args, '--resume');
    expect(resumed.code, resumed.stderr).toBe(0);
    expect(resumed.stderr).toMatch(/Device: .*direct convolution/);

    const wrong = await weft(...args, '--convolution', 'winograd');
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toMatch(/Allowed choices are default, direct/);
  });

  test.each([
    [['--widths', '4,8'], /leave out --widths/],
    [['--model', 'lenet5'], /is a cnn, not a lenet5/],
  ])('--from with %j gets a sentence', async (args, message) => {
    const from = join(out, 'checkpoints', 'model.safetensors');
    const outcome = await weft('train', '--from', from, '--device', 'wasm', ...args);
    expect(outcome.stderr).toMatch(message);
    expect(outcome.code).toBe(2);
    expectSentence(outcome);
  });

  test('a damaged checkpoint is refused in one sentence', async () => {
    const bytes = readFileSync(join(out, 'checkpoints', 'model.safetensors'));
    bytes[bytes.length - 5] ^= 0x40;
    const damaged = join(folder, 'damaged.safetensors');
    writeFileSync(damaged, bytes);
    const outcome = await weft('evaluate', '--checkpoint', damaged, '--device', 'wasm', '--limit', '96');
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(/damaged\.safetensors/);
    expectSentence(outcome);
  });
});

describe('mistakes', () => {
  test.each([
    ['an unknown option names the nearest', ['train', '--epoch', '1'], 2, /--epochs/],
    ['an unknown command', ['trian'], 2, /train/],
    ['an unknown device', ['train', '--device', 'gpu'], 2, /gpu/],
    ['an unknown model', ['train', '--model', 'vgg'], 2, /cnn/],
    ['an option given twice', ['train', '--epochs', '1', '--epochs', '2'], 2, /'--epochs <n>' is given twice/],
    ['a switch and its contrary', ['train', '--no-capture', '--no-capture'], 2, /given twice/],
    ['a number that is none', ['train', '--epochs', 'many'], 2, /whole number/],
    ['a checkpoint that is not there', ['evaluate', '--checkpoint', join(folder, 'nowhere.safetensors')], 1, /nowhere/],
    ['a data folder that is not there', ['train', '--data', join(folder, 'nowhere')], 1, /nowhere/],
  ])('%s', async (_, args, code, message) => {
    const outcome = await weft(...args);
    expect(outcome.code, outcome.stderr).toBe(code);
    expect(outcome.stderr).toMatch(message);
    expect(outcome.stdout).toBe('');
    expectSentence(outcome);
  });
});

test('weft data describes both sets', async () => {
  const outcome = await weft('data', '--json', '--limit', '500');
  expect(outcome.code, outcome.stderr).toBe(0);
  const { train, test: testSet, classes } = JSON.parse(outcome.stdout);
  expect([train.images, testSet.images, classes.length]).toEqual([500, 500, 10]);
});

test('weft doctor says what works', async () => {
  const outcome = await weft('doctor', '--json');
  expect(outcome.code, outcome.stderr).toBe(0);
  const findings: { what: string; usable: boolean; text: string }[] = JSON.parse(outcome.stdout);
  for (const what of ['wasm', 'reference']) expect(findings.find(one => one.what === what)?.usable, what).toBe(true);
  // Usable or not, there is a word on it.
  expect(findings.find(one => one.what === 'webgpu')?.text).not.toBe('');
});
