/** Atomic writes: whole contents, nothing left behind, the old file untouched by a failure, a killed process harmless. */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { DataError } from '../../src/devices/errors.ts';
import { writeFileAtomically, writeJsonAtomically } from '../../src/train/atomic-file.node.ts';

let scratch: string;
beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'weft-atomic-'));
});
afterEach(() => rm(scratch, { recursive: true, force: true }));

it('writes text, bytes and JSON, making folders and leaving nothing else', async () => {
  const path = join(scratch, 'a', 'b', 'file');
  await writeFileAtomically(path, 'first');
  await writeFileAtomically(path, Uint8Array.of(1, 2, 255));
  expect([...(await readFile(path))]).toEqual([1, 2, 255]);
  await writeJsonAtomically(path, { accuracy: 0.5 });
  expect(await readFile(path, 'utf8')).toBe('{\n  "accuracy": 0.5\n}\n');
  expect(await readdir(join(scratch, 'a', 'b'))).toEqual(['file']);
});

it('lets writes to one path at the same time each be whole', async () => {
  const path = join(scratch, 'file');
  const contents = Array.from({ length: 12 }, (_, index) => String(index).repeat(50_000 + index));
  await Promise.all(contents.map(content => writeFileAtomically(path, content)));
  expect(contents).toContain(await readFile(path, 'utf8'));
  expect(await readdir(scratch)).toEqual(['file']);
});

it('fails in one sentence and leaves what was there', async () => {
  const path = join(scratch, 'target');
  await mkdir(join(path, 'not empty'), { recursive: true });
  await expect(writeFileAtomically(path, 'x')).rejects.toThrow(DataError);
  await expect(writeFileAtomically(path, 'x')).rejects.toThrow(`${path} cannot be written (EISDIR).`);
  expect(await readdir(scratch)).toEqual(['target']);
  await writeFileAtomically(join(scratch, 'file'), 'x');
  await expect(writeFileAtomically(join(scratch, 'file', 'below'), 'x')).rejects.toThrow(DataError);
});

it('a process killed while it writes leaves the old or the new file, whole', async () => {
  const path = join(scratch, 'file');
  const module = fileURLToPath(new URL('../../src/train/atomic-file.node.ts', import.meta.url));
  const program = `
    import { writeFileAtomically } from ${JSON.stringify(module)};
    for (let round = 0; ; round++) {
      await writeFileAtomically(${JSON.stringify(path)}, String(round % 10).repeat(4_000_000));
      if (round === 0) console.log('written');
    }`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', program], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise(resolve => child.once('exit', resolve));
  try {
    const started = new Promise(resolve => child.stdout.once('data', resolve));
    await Promise.race([started, ended]);
    await new Promise(resolve => setTimeout(resolve, 37));
  } finally {
    child.kill('SIGKILL');
  }
  await ended;
  const contents = await readFile(path, 'utf8');
  expect(contents).toHaveLength(4_000_000);
  expect(new Set(contents).size).toBe(1);
}, 30_000);
