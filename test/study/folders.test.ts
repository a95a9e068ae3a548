/**
 * What a folder of runs may lose: nothing. One process at a time, nobody else's files, no finished run unless asked, and
 * nothing touched by a call that is refused.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { type FashionMnist, type ImageSet, readSample } from '../../src/data/index.node.ts';
import { DataError, FolderLockedError, UsageError } from '../../src/devices/errors.ts';
import { openWasmDevice } from '../../src/devices/wasm/device.ts';
import { FolderLock, LOCK_FILE } from '../../src/study/folder-lock.node.ts';
import {
  Run,
  RunFolder,
  type RunOptions,
  runStudy,
  sessionOn,
  settingsNamed,
  withLimit,
} from '../../src/study/index.node.ts';
import { RECIPES } from '../../src/train/index.ts';
import { settle } from '../support/garbage.ts';

const root = mkdtempSync(join(tmpdir(), 'weft-folders-'));
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
const DATA: FashionMnist = { ...sample, train: first(sample.train, 48), test: first(sample.test, 20) };
const options = (name: string): RunOptions => ({
  model: { name: 'cnn', options: { widths: [2, 2], depth: 1, hidden: 4 } },
  recipe: { ...RECIPES.cnn, epochs: 2, batchSize: 16 },
  seed: 4,
  validation: 0,
  out: join(root, name),
});
const start = (name: string, extra: Partial<RunOptions> = {}, notes: string[] = []) =>
  Run.open(
    { ...options(name), ...extra },
    DATA,
    sessionOn(device, { command: 'weft train', progress: { show() {}, note: text => notes.push(text) } }),
  );
const finish = async (...args: Parameters<typeof start>) => (await start(...args)).finish();

/** Every file below a folder with what it holds. */
const contents = (folder: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(folder, { recursive: true })
      .map(String)
      .sort()
      .map(name => {
        const path = join(folder, name);
        return [name, statSync(path).isFile() ? readFileSync(path, 'latin1') : ''];
      }),
  );

const lockOf = (folder: string) => join(folder, LOCK_FILE);
const writeLock = (folder: string, owner: object) => {
  mkdirSync(folder, { recursive: true });
  writeFileSync(lockOf(folder), JSON.stringify(owner));
};

/** A process that is there until it is killed. */
function otherProcess() {
  const child = spawn(process.execPath, ['--eval', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  return { pid: child.pid!, end: async () => void (child.kill('SIGKILL') && (await once(child, 'exit'))) };
}

describe('the lock of a folder', () => {
  test('is held by one at a time, whatever the folder is called, and names its owner', async () => {
    const folder = join(root, 'locked');
    const lock = await FolderLock.take(folder, 'weft train --seed 1');
    symlinkSync(folder, join(root, 'by-another-name'));
    for (const name of [folder, `${folder}/`, join(root, 'by-another-name')]) {
      const refused = FolderLock.take(name, 'weft train');
      await expect(refused, name).rejects.toThrow(FolderLockedError);
      await expect(refused).rejects.toThrow(`process ${process.pid} is at work in it`);
      await expect(refused).rejects.toThrow('weft train --seed 1');
    }
    lock.release();
    lock.release();
    expect(readdirSync(folder)).toEqual([]);
    (await FolderLock.take(folder)).release();
  });

  test('of many that ask at once, one gets it, be there a stale lock or none', async () => {
    for (const stale of [false, true]) {
      const folder = join(root, `many-${stale}`);
      if (stale) writeLock(folder, { pid: 2 ** 30, host: hostname(), began: '', since: '', command: '' });
      const results = await Promise.allSettled(Array.from({ length: 8 }, () => FolderLock.take(folder)));
      const got = results.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []));
      expect(got).toHaveLength(1);
      for (const lock of got) lock.release();
      expect(readdirSync(folder)).toEqual([]);
    }
  });

  test('whose owner is at work holds; once that is gone it does not', async () => {
    const folder = join(root, 'owned');
    const other = otherProcess();
    writeLock(folder, { pid: other.pid, host: hostname(), began: '', since: '2026-01-01', command: 'weft run' });
    await expect(FolderLock.take(folder)).rejects.toThrow(`process ${other.pid} is at work`);
    await other.end();
    (await FolderLock.take(folder)).release();
  });

  test.skipIf(process.platform !== 'linux')('whose owner left its number to another process is stale', async () => {
    const folder = join(root, 'reused');
    writeLock(folder, { pid: process.pid, host: hostname(), began: 'long ago 1', since: '', command: '' });
    (await FolderLock.take(folder)).release();
  });

  test('of another host holds, and the sentence says which file to delete', async () => {
    const folder = join(root, 'elsewhere');
    writeLock(folder, { pid: 1, host: 'another.host', began: '', since: '2026-01-01', command: 'weft run' });
    await expect(FolderLock.take(folder)).rejects.toThrow(`on another.host`);
    await expect(FolderLock.take(folder)).rejects.toThrow(`delete ${lockOf(folder)}`);
  });

  test.each(['', '{"pid":', '{}', '[1]', 'null', '{"pid":-1,"host":"","began":"","since":"","command":""}'])(
    'that holds %j is of a process killed while it wrote',
    async text => {
      const folder = join(root, 'cut');
      mkdirSync(folder, { recursive: true });
      writeFileSync(lockOf(folder), text);
      (await FolderLock.take(folder)).release();
    },
  );

  test('in a folder that cannot be is one sentence', async () => {
    writeFileSync(join(root, 'file'), 'mine');
    for (const path of [join(root, 'file'), join(root, 'file', 'below'), '/dev/full', join(root, 'x'.repeat(300))]) {
      const refused = FolderLock.take(path);
      await expect(refused).rejects.toThrow(DataError);
      await expect(refused).rejects.toThrow(/cannot be written \((EEXIST|ENOTDIR|ENAMETOOLONG)\)\.$/);
    }
  });
});

describe('a run', () => {
  test('has its folder to itself until it is closed', async () => {
    const run = await start('one');
    const before = contents(join(root, 'one'));
    await expect(start('one', { seed: 5 })).rejects.toThrow(FolderLockedError);
    await expect(start('one', { force: true })).rejects.toThrow(FolderLockedError);
    expect(contents(join(root, 'one'))).toEqual(before);
    await run.finish();
    expect(existsSync(lockOf(join(root, 'one')))).toBe(false);
    (await start('one', { resume: true })).dispose();
    expect(existsSync(lockOf(join(root, 'one')))).toBe(false);
  });

  test('that is finished is kept unless it is to be replaced, and then nothing of it is left', async () => {
    await finish('kept', { validation: 16 });
    const before = contents(join(root, 'kept'));
    await expect(start('kept')).rejects.toThrow(/finished run \(cnn, seed 4\).*--force/);
    await expect(start('kept')).rejects.toThrow(UsageError);
    expect(contents(join(root, 'kept'))).toEqual(before);
    writeFileSync(join(root, 'kept', 'notes.txt'), 'mine');
    await finish('kept', { seed: 9, force: true });
    expect(readdirSync(join(root, 'kept', 'checkpoints')).sort()).toEqual(['last.safetensors', 'model.safetensors']);
    expect(readFileSync(join(root, 'kept', 'notes.txt'), 'utf8')).toBe('mine');
    expect(readFileSync(join(root, 'kept', 'log.jsonl'), 'utf8').match(/"event":"start"/g)).toHaveLength(1);
  });

  test('that was cut off is not begun anew by mistake; one that never came to a checkpoint is', async () => {
    (await start('early')).dispose();
    (await start('early')).dispose();
    await finish('early');
    rmSync(join(root, 'early', 'metrics.json'));
    await expect(start('early')).rejects.toThrow(/was cut off.*--resume.*--force/);
  });

  test.each<[string, (folder: string) => void]>([
    ['a text', folder => writeFileSync(join(folder, 'thesis.txt'), 'mine')],
    [
      "somebody's config.json and log",
      folder => {
        writeFileSync(join(folder, 'config.json'), '{"mine":true}');
        writeFileSync(join(folder, 'log.jsonl'), 'my log');
      },
    ],
    [
      "somebody's checkpoints",
      folder => {
        mkdirSync(join(folder, 'checkpoints'));
        writeFileSync(join(folder, 'checkpoints', 'last.safetensors'), 'mine');
      },
    ],
    [
      "a study's config.json",
      folder => writeFileSync(join(folder, 'config.json'), '{"settings":{},"description":"x"}'),
    ],
  ])('refuses a folder with %s and touches nothing', async (what, fill) => {
    const name = what.replace(/\W/g, '-');
    mkdirSync(join(root, name));
    fill(join(root, name));
    const before = contents(join(root, name));
    for (const force of [false, true]) {
      await expect(start(name, { force })).rejects.toThrow(/is not the folder of a run.*choose another --out/);
    }
    expect(contents(join(root, name))).toEqual(before);
  });

  test('takes a folder that is empty, or that a killed process had only made', async () => {
    mkdirSync(join(root, 'made', 'checkpoints'), { recursive: true });
    mkdirSync(join(root, 'made', 'figures'));
    writeFileSync(join(root, 'made', '.config.json.1073741824-0.part'), '{');
    (await start('made')).dispose();
    expect(readdirSync(join(root, 'made')).sort()).toEqual(['checkpoints', 'config.json', 'figures', 'log.jsonl']);
  });

  test.each<[string, Partial<RunOptions>]>([
    ['clipping to 0', { recipe: { ...options('').recipe, maxGradientNorm: 0 } }],
    ['no epochs', { recipe: { ...options('').recipe, epochs: 0 } }],
    ['batches of nothing', { recipe: { ...options('').recipe, batchSize: 0 } }],
    ['smoothing beyond 1', { recipe: { ...options('').recipe, smoothing: 2 } }],
    ['a schedule that there is not', { recipe: { ...options('').recipe, schedule: 'zigzag' } }],
    ['an average that cannot be', { recipe: { ...options('').recipe, ema: 2 } }],
    ['checkpoints every no steps', { loop: { checkpointEvery: 0 } }],
    ['more images held out than there are', { validation: 48 }],
    ['a checkpoint to begin with that is not there', { from: join(root, 'nowhere.safetensors') }],
  ])('with %s is refused before its folder is touched, also where it would replace another', async (_, extra) => {
    if (!existsSync(join(root, 'before'))) await finish('before');
    const before = contents(join(root, 'before'));
    await settle();
    const memory = device.memory().liveBytes;
    await expect(start('before', { force: true, ...extra })).rejects.toThrow();
    await expect(start('never', extra)).rejects.toThrow();
    expect(contents(join(root, 'before'))).toEqual(before);
    expect(existsSync(join(root, 'never'))).toBe(false);
    expect(device.memory().liveBytes).toBe(memory);
  });
});

describe('a run that goes on', () => {
  test('with a damaged line in its log says so, and the log holds every step once again', async () => {
    await finish('damaged');
    const log = join(root, 'damaged', 'log.jsonl');
    const lines = readFileSync(log, 'utf8').split('\n');
    const losses = (text: string): number[] =>
      text
        .split('\n')
        .filter(line => line !== '')
        .flatMap(line => JSON.parse(line).losses ?? []);
    const whole = losses(lines.join('\n'));
    expect(whole).toHaveLength(6);
    const firstSteps = lines.findIndex(line => line.includes('"steps"'));
    for (const damage of ['\0\0\0\0', 'null', '{"event":"steps","losses":3}', '']) {
      const before = readFileSync(log, 'utf8').split('\n');
      before[firstSteps] = damage;
      writeFileSync(log, before.join('\n'));
      appendFileSync(log, '{"time":"2026-01-01","ev');
      const notes: string[] = [];
      await finish('damaged', { resume: true }, notes);
      expect(losses(readFileSync(log, 'utf8')), damage).toEqual(whole);
      if (damage !== '') expect(notes.join('\n')).toContain('held 1 damaged line; it is left out');
    }
  });

  test('without its log', async () => {
    await finish('logless');
    rmSync(join(root, 'logless', 'log.jsonl'));
    await finish('logless', { resume: true });
    expect(await new RunFolder(join(root, 'logless')).loggedSteps()).toBe(6);
  });

  test('sweeps what killed processes had half written, and nothing else', async () => {
    await finish('swept');
    const [gone, old, other] = ['1073741824-3', `${process.pid}-7`, `${process.ppid}-1`].map(who =>
      join(root, 'swept', 'checkpoints', `.last.safetensors.${who}.part`),
    );
    for (const file of [gone, old, other, join(root, 'swept', 'mine.part')]) writeFileSync(file, 'half');
    utimesSync(old, new Date(0), new Date(0));
    (await start('swept', { resume: true })).dispose();
    expect([gone, old, other, join(root, 'swept', 'mine.part')].map(existsSync)).toEqual([false, false, true, true]);
  });
});

describe('a study', () => {
  const study = (name: string, force?: readonly string[]) =>
    runStudy(
      { settings: withLimit(settingsNamed('smoke'), 60), seed: 0, out: join(root, name), command: 'weft run', force },
      sessionOn(device, { signal: AbortSignal.abort() }),
    );

  test.each<[string, Record<string, string>]>([
    ['a text', { 'thesis.txt': 'mine' }],
    ["somebody's config.json", { 'config.json': '{"mine":true}' }],
    ["a run's config.json", { 'config.json': '{"model":{"name":"cnn"},"seed":0,"recipe":{}}' }],
  ])('refuses a folder with %s and touches nothing', async (what, files) => {
    const folder = join(root, `study-${what.replace(/\W/g, '-')}`);
    mkdirSync(folder);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    await expect(study(folder.slice(root.length))).rejects.toThrow(
      /is not the folder of a study.*choose another --out/,
    );
    expect(contents(folder)).toEqual(files);
  });

  test('in a folder that another is at work in, or with a stage to repeat that there is not, touches nothing', async () => {
    const lock = await FolderLock.take(join(root, 'studied'), 'weft run');
    await expect(study('studied')).rejects.toThrow(FolderLockedError);
    expect(readdirSync(join(root, 'studied'))).toEqual([LOCK_FILE]);
    lock.release();
    await expect(study('studied', ['cook'])).rejects.toThrow(/no stage "cook"/);
    expect(readdirSync(join(root, 'studied'))).toEqual([]);
    // Stopped at once: what it is has been written, and the folder is free again.
    await expect(study('studied')).rejects.toThrow(/Stopped/);
    expect(readdirSync(join(root, 'studied')).sort()).toEqual(['config.json', 'log.jsonl']);
    await expect(study('studied')).rejects.toThrow(/Stopped/);
  });
});
