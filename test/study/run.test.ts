/**
 * A training run as a library makes one: its folder, stopping and going on, and what it refuses. The command line's way
 * through the same code is in test/train/resume.test.ts.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  type FashionMnist,
  type ImageSet,
  parseImageIndices,
  readSample,
  SAMPLE_DIRECTORY,
} from '../../src/data/index.node.ts';
import { CheckpointError, UsageError } from '../../src/devices/errors.ts';
import { openWasmDevice } from '../../src/devices/wasm/device.ts';
import { parseSafetensors } from '../../src/interop/index.ts';
import { studyDrawing } from '../../src/report/index.node.ts';
import { Interrupted, Run, RunFolder, type RunOptions, type Session, sessionOn } from '../../src/study/index.node.ts';
import { RECIPES, validationSplit } from '../../src/train/index.ts';
import { settle } from '../support/garbage.ts';
import { REPOSITORY } from '../support/shared.ts';

const root = mkdtempSync(join(tmpdir(), 'weft-library-run-'));
const device = await openWasmDevice({ threads: 1 });
afterAll(async () => {
  await device.destroy();
  rmSync(root, { recursive: true, force: true });
});

const sample = await readSample();
const first = (set: ImageSet, count: number): ImageSet => ({
  ...set,
  count,
  images: set.images.subarray(0, count * 784),
  labels: set.labels.subarray(0, count),
});
const DATA: FashionMnist = { ...sample, train: first(sample.train, 160), test: first(sample.test, 50) };
/** Nine steps of 16 images in each of two epochs. */
const options = (name: string): RunOptions => ({
  model: { name: 'cnn', options: { widths: [3, 4], depth: 1, hidden: 8, dropout: 0.2 } },
  recipe: { ...RECIPES.cnn, epochs: 2, batchSize: 16, ema: 0.9, mixup: 0.3 },
  seed: 4,
  validation: 16,
  out: join(root, name),
});

const start = (name: string, extra: Partial<RunOptions> = {}, session: Partial<Session> = {}) =>
  Run.open({ ...options(name), ...extra }, DATA, sessionOn(device, session));
const finish = async (...args: Parameters<typeof start>) => (await start(...args)).finish();

const eventsOf = (name: string): { event: string; losses?: number[] }[] =>
  readFileSync(join(root, name, 'log.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line));
const lossesOf = (name: string) => eventsOf(name).flatMap(({ losses = [] }) => losses);
const weightsOf = (name: string) => {
  const path = new RunFolder(join(root, name)).checkpoint('model');
  return [...parseSafetensors(readFileSync(path), path).tensors].map(([key, { data }]) => [
    key,
    [...(data as Float32Array)],
  ]);
};

describe('a run', () => {
  test('leaves its folder: what it is, what happened, what came out', async () => {
    await settle();
    const before = device.memory().liveBytes;
    const result = await finish('whole');
    expect(device.memory().liveBytes).toBe(before);
    const folder = join(root, 'whole');
    expect(JSON.parse(readFileSync(join(folder, 'metrics.json'), 'utf8'))).toEqual(JSON.parse(JSON.stringify(result)));
    expect(result).toMatchObject({
      evaluatedOn: 'test',
      trainImages: 144,
      validationImages: 16,
      testImages: 50,
      epochs: 2,
    });
    const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));
    expect(config).toMatchObject({ seed: 4, validation: 16, recipe: options('').recipe, model: options('').model });
    expect(eventsOf('whole').map(({ event }) => event)).toEqual([
      'start',
      'steps',
      'epoch',
      'steps',
      'epoch',
      'evaluated',
    ]);
    expect(lossesOf('whole')).toHaveLength(18);
    // Nobody drew: there are no figures.
    expect(readdirSync(join(folder, 'figures'))).toEqual([]);
    expect(readdirSync(join(folder, 'checkpoints')).sort()).toEqual([
      'best.safetensors',
      'last.safetensors',
      'model.safetensors',
    ]);
    expect(readFileSync(join(root, 'test-set-uses.jsonl'), 'utf8')).toContain(result.checkpoint);
  });

  test('stopped by its signal in mid-epoch and gone on with, it ends with the same bits', async () => {
    const stop = new AbortController();
    let shown = 0;
    const progress = { note() {}, show: () => void (++shown === 5 && stop.abort()) };
    const loop = { checkpointEvery: 2 };
    await expect(finish('cut', { loop }, { signal: stop.signal, progress })).rejects.toThrow(Interrupted);
    const folder = new RunFolder(join(root, 'cut'));
    expect(await folder.isResumable()).toBe(true);
    expect(existsSync(join(root, 'cut', 'metrics.json'))).toBe(false);
    expect(lossesOf('cut').length).toBeGreaterThan(0);
    expect(lossesOf('cut').length).toBeLessThan(9);
    const result = await finish('cut', { loop, resume: true });
    expect(result.evaluation).toEqual(JSON.parse(readFileSync(join(root, 'whole', 'metrics.json'), 'utf8')).evaluation);
    expect(lossesOf('cut')).toEqual(lossesOf('whole'));
    expect(weightsOf('cut')).toEqual(weightsOf('whole'));
    expect(eventsOf('cut').map(({ event }) => event)).toContain('resume');
  });

  test('draws where it is given a drawing', async () => {
    await finish('drawn', {}, { drawing: studyDrawing });
    expect(readdirSync(join(root, 'drawn', 'figures')).sort()).toEqual([
      'confusion-matrix.svg',
      'learning-curve.svg',
      'loss.svg',
    ]);
  });

  test('a log whose last line was cut off is mended before anything is added', async () => {
    const folder = new RunFolder(join(root, 'torn'));
    const identity = { model: options('').model, seed: 0, trained: {} as never };
    await folder.begin(identity, false);
    await folder.note({ event: 'steps', losses: [1, 2, 3] });
    const { appendFile } = await import('node:fs/promises');
    await appendFile(join(root, 'torn', 'log.jsonl'), '{"time":"2026-01-01","event":"st');
    expect(await folder.loggedSteps()).toBe(3);
    await folder.note({ event: 'resume' });
    expect(eventsOf('torn').map(({ event }) => event)).toEqual(['steps', 'resume']);
  });

  test('another run is not gone on with, nor one that never began', async () => {
    await finish('first');
    await expect(start('first', { resume: true, seed: 5 })).rejects.toThrow(
      /belongs to a run with other options or data/,
    );
    await expect(start('nothing', { resume: true })).rejects.toThrow(CheckpointError);
    expect(existsSync(join(root, 'nothing')), 'nothing is made for a run that cannot be').toBe(false);
  });

  test.each<[string, Partial<RunOptions>]>([
    ['nothing to be judged on', { validation: 0, test: false }],
    ['patience without images to look at', { validation: 0, recipe: { ...options('').recipe, patience: 2 } }],
  ])('%s is refused before anything is touched', async (_, extra) => {
    await settle();
    const before = device.memory().liveBytes;
    await expect(start('refused', extra)).rejects.toThrow(UsageError);
    expect(existsSync(join(root, 'refused'))).toBe(false);
    expect(device.memory().liveBytes).toBe(before);
  });
});

describe('training images that are left out', () => {
  const { heldOut } = validationSplit(DATA.train.labels, 16);
  const trained = [...DATA.train.labels.keys()].filter(index => !heldOut.includes(index));
  const dropped = [trained[100], trained[3], heldOut[0]];
  const drop = { indices: dropped, source: 'doubtful.txt' };

  test('count nowhere, and are written down', async () => {
    const notes: string[] = [];
    const progress = { show() {}, note: (text: string) => void notes.push(text), end() {} };
    const result = await finish('dropped', { drop }, { progress });
    expect(result).toMatchObject({ trainImages: 142, validationImages: 16, droppedImages: 3 });
    const listed = {
      source: 'doubtful.txt',
      images: 3,
      alsoHeldOut: 1,
      indices: [...dropped].sort((a, b) => a - b),
    };
    const left = JSON.parse(readFileSync(join(root, 'dropped', 'left-out.json'), 'utf8'));
    expect(left).toEqual(listed);
    expect(eventsOf('dropped')[1]).toMatchObject({ event: 'left out', ...listed });
    expect(notes).toContain(
      '3 of 160 training images are left out (doubtful.txt); 1 of them are held out, which stay as they are so that runs can be compared.',
    );
    expect(parseImageIndices(JSON.stringify(left), 'left-out.json', 160)).toEqual(Uint32Array.from(listed.indices));

    // Whatever they show.
    const images = DATA.train.images.slice();
    for (const index of dropped.slice(0, 2)) images.subarray(index * 784, (index + 1) * 784).fill(255);
    const others = { ...DATA, train: { ...DATA.train, images } };
    const run = await Run.open({ ...options('dropped-others'), drop }, others, sessionOn(device));
    await run.finish();
    expect(lossesOf('dropped-others')).toEqual(lossesOf('dropped'));
    expect(weightsOf('dropped-others')).toEqual(weightsOf('dropped'));
    expect(lossesOf('dropped')).not.toEqual(lossesOf('whole'));
  });

  test('a run is gone on with only when it leaves out the same ones', async () => {
    await expect(start('dropped', { drop: { indices: dropped.slice(1) }, resume: true })).rejects.toThrow(
      'belongs to a run with other options or data',
    );
    await expect(start('dropped', { resume: true })).rejects.toThrow(CheckpointError);
    // The order of the list and its name do not matter.
    const again = await start('dropped', { drop: { indices: [...dropped].reverse() }, resume: true });
    again.dispose();
    // A new run that leaves out none leaves no list.
    (await start('dropped', { force: true })).dispose();
    expect(existsSync(join(root, 'dropped', 'left-out.json'))).toBe(false);
  });

  test.each([
    [[160], 'Run: drop.indices[0] must be the place of one of 160 training images, 0 to 159, not 160.'],
    [[1, 2, 1], 'Run: drop.indices names image 1 twice.'],
    [trained, 'Of 144 images to train on, none is left: all of them are to be left out.'],
  ])('that cannot be are refused before the folder is made: case %#', async (indices, message) => {
    await expect(start('impossible-drop', { drop: { indices } })).rejects.toThrow(message);
    expect(existsSync(join(root, 'impossible-drop'))).toBe(false);
  });
});

test('weights of classes are written down, and refused before the folder is made where they do not fit', async () => {
  const notes: string[] = [];
  const progress = { show() {}, note: (text: string) => void notes.push(text), end() {} };
  const recipe = { ...options('').recipe, classWeights: 'balanced' as const };
  await finish('weighted', { recipe }, { progress });
  expect(notes.filter(text => text.startsWith('Class weights: T-shirt/top '))).toHaveLength(1);
  const event = eventsOf('weighted')[1] as unknown as { event: string; weights: number[] };
  expect(event.event).toBe('class weights');
  expect(event.weights).toHaveLength(10);
  const wrong = { ...recipe, classWeights: [1, 2] };
  await expect(start('wrongly-weighted', { recipe: wrong })).rejects.toThrow(
    'Run: recipe.classWeights must be "balanced" or one number for each of the 10 classes (T-shirt/top, ',
  );
  expect(existsSync(join(root, 'wrongly-weighted'))).toBe(false);
});

test('the example goes on where it was stopped', async () => {
  const out = join(root, 'example');
  const example = () => {
    const child = spawn(process.execPath, ['--import', 'tsx', 'examples/resumable-run.ts', out], {
      cwd: REPOSITORY,
      env: { ...process.env, WEFT_DATA: SAMPLE_DIRECTORY, WEFT_THREADS: '1' },
    });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (text += chunk));
    const ended = new Promise<{ code: number | null; text: string }>(resolve => {
      child.on('close', code => resolve({ code, text }));
    });
    return { child, ended };
  };
  const stopped = example();
  const last = new RunFolder(out).checkpoint('last');
  const watch = setInterval(() => {
    if (!existsSync(last)) return;
    clearInterval(watch);
    stopped.child.kill('SIGINT');
  }, 20);
  const { code, text } = await stopped.ended;
  clearInterval(watch);
  expect(code, text).toBe(130);
  const resumed = await example().ended;
  expect(resumed.code, resumed.text).toBe(0);
  expect(resumed.text).toMatch(/Resuming at epoch 1, batch \d+\./);
  expect(resumed.text).toMatch(/Test accuracy 0\.\d+/);
});
