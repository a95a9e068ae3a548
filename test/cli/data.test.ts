/** `weft data describe`: what it says of a folder, what is odd in it, and how it fails. */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, expect, test } from 'vitest';
import { serializeIdx } from '../../src/data/idx.ts';
import { REPOSITORY } from '../support/shared.ts';

const scratch = mkdtempSync(join(tmpdir(), 'weft-describe-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function describeData(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const program = ['--import', 'tsx', join(REPOSITORY, 'src/cli/main.ts'), 'data', 'describe', ...args];
  const child = spawn(process.execPath, program, { env: { ...process.env, WEFT_CACHE: join(scratch, 'cache') } });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', chunk => (stdout += chunk));
  child.stderr.on('data', chunk => (stderr += chunk));
  return new Promise(resolve => child.on('close', code => resolve({ code, stdout, stderr })));
}

test('IDX files, in text and as JSON', async () => {
  const folder = join(scratch, 'idx');
  mkdirSync(folder);
  for (const [part, count] of [
    ['train', 12],
    ['t10k', 4],
  ] as const) {
    const labels = Uint8Array.from({ length: count }, (_, i) => (i % 2) + 1);
    writeFileSync(
      join(folder, `${part}-images-idx3-ubyte`),
      serializeIdx([count, 2, 3], new Uint8Array(count * 6).fill(51)),
    );
    writeFileSync(join(folder, `${part}-labels-idx1-ubyte`), serializeIdx([count], labels));
  }
  const { code, stdout, stderr } = await describeData(folder, '--label-base', '1');
  expect(code, stderr).toBe(0);
  expect(stdout.replaceAll(folder, 'DIR').split('\n')).toEqual([
    'DIR: IDX files',
    '12 training and 4 test images of 2 x 3 (height x width), grey, 2 classes',
    'Training pixels in [0, 1]: mean 0.2000, sd 0.0000',
    'Labels begin at 1 in the files, at 0 here.',
    '  class  training      test',
    '  1             6         2',
    '  2             6         2',
    'Numbers of the images, as weft train --drop takes them, with class and file of each: add --list FILE.',
    'Odd: All training pixels of a channel have the same value.',
    '',
  ]);
  const listed = await describeData(folder, '--label-base', '1', '--list', join(scratch, 'lists', 'idx.csv'));
  expect(listed.code, listed.stderr).toBe(0);
  expect(
    readFileSync(join(scratch, 'lists', 'idx.csv'), 'utf8')
      .split('\r\n')
      .slice(0, 3),
  ).toEqual(['part,number,label,class', 'train,0,0,1', 'train,1,1,2']);
  const json = JSON.parse((await describeData(folder, '--json', '--label-base', '1')).stdout);
  expect(json).toMatchObject({
    ...{ kind: 'other', classes: ['1', '2'], train: { images: 12, shape: [2, 3, 1], perClass: [6, 6] } },
    warnings: ['All training pixels of a channel have the same value.'],
  });
  expect(json.provenance.checksums).toHaveLength(4);
});

test('pictures of mixed sizes, with and without a size', async () => {
  const folder = join(scratch, 'pictures');
  for (const [i, name] of ['a, "b"', 'c'].entries()) {
    mkdirSync(join(folder, name), { recursive: true });
    for (let k = 0; k < 5; k++) {
      const picture = sharp({ create: { width: 8 + i, height: 8, channels: 3, background: '#f80' } });
      await picture.toFile(join(folder, name, `${k}.png`));
    }
  }
  const refused = await describeData(folder);
  expect(refused.code).toBe(1);
  expect(refused.stderr.replaceAll(folder, 'DIR')).toMatch(
    /^weft: DIR has pictures of different sizes \(.*resize.*\n$/,
  );
  const { code, stdout, stderr } = await describeData(folder, '--resize', '6');
  expect(code, stderr).toBe(0);
  expect(stdout).toContain('8 training and 2 test images of 6 x 6 (height x width), colour, 2 classes\n');
  const list = join(scratch, 'pictures.csv');
  expect((await describeData(folder, '--resize', '6', '--list', list)).code).toBe(0);
  const lines = readFileSync(list, 'utf8').split('\r\n');
  expect(lines).toHaveLength(12);
  expect(lines[0]).toBe('part,number,label,class,file');
  expect(lines.slice(1, 5).every((line, i) => line.startsWith(`train,${i},0,"a, ""b""","a, ""b""/`))).toBe(true);
  expect(lines[9]).toMatch(/^test,0,0,"a, ""b""","a, ""b""\/\d\.png"$/);
  const folded = await describeData(folder, '--resize', '6', '--list', scratch);
  expect(folded).toMatchObject({ code: 1, stderr: `weft: ${scratch} is a folder; name a file.\n` });
  expect(stdout).toContain('Odd: There is no folder of test images; 2 of the 10 pictures, drawn with seed 0, ');
});

test('wrong usage is told in a sentence, with exit code 2', async () => {
  expect(await describeData(scratch, '--resize', '0x4')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('height x width in pixels, e.g. 64x48 or 64'),
  });
  expect(await describeData(scratch, '--resize', '4', '--resize', '5')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('is given twice'),
  });
  expect((await describeData(join(scratch, 'nothing'))).stderr).toMatch(/^weft: There is no folder or \.npz file /);
});
