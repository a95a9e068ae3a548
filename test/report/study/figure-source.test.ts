/** Figures come from the stage's own folder: a study from elsewhere cannot have other files shown on its page. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import { DataError } from '../../../src/devices/errors.ts';
import { encodePng, imagePicture, rewriteReport } from '../../../src/report/index.node.ts';
import { figuresOf } from '../../../src/report/study/figure-source.node.ts';

const root = mkdtempSync(join(tmpdir(), 'weft-figures-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const PNG = encodePng(imagePicture([0, 0.5, 0.5, 1], 2, 2));
const SECRET = 'TOP-SECRET-KEY';
const stage = join(root, 'study', 'data');
const figures = join(stage, 'figures');
mkdirSync(figures, { recursive: true });
for (const name of ['secret.txt', 'secret.png', 'secret.svg']) writeFileSync(join(root, name), SECRET);
writeFileSync(join(root, 'private.png'), PNG);
writeFileSync(join(figures, 'own.png'), PNG);
writeFileSync(join(figures, 'text.png'), SECRET);
writeFileSync(join(figures, 'notes.txt'), SECRET);
writeFileSync(join(figures, 'own.svg'), '<svg></svg>');
symlinkSync('own.png', join(figures, 'alias.png'));
symlinkSync(join(root, 'private.png'), join(figures, 'link.png'));
mkdirSync(join(figures, 'folder.png'));

test('its own figures are read, through links within the study and to the study too', () => {
  const read = figuresOf(stage);
  expect(read('own.png')).toEqual({ png: new Uint8Array(PNG) });
  expect(read('alias.png')).toEqual({ png: new Uint8Array(PNG) });
  expect(read('own.svg')).toEqual({ svg: '<svg></svg>' });
  symlinkSync(join(root, 'study'), join(root, 'elsewhere'));
  expect(figuresOf(join(root, 'elsewhere', 'data'))('own.png')).toEqual({ png: new Uint8Array(PNG) });
});

test.each([
  ['../../../secret.txt', /no name of a figure/],
  ['../../../private.png', /no name of a figure/],
  ['..\\..\\..\\private.png', /no name of a figure/],
  [join(root, 'private.png'), /no name of a figure/],
  ['notes.txt', /no name of a figure/],
  ['', /no name of a figure/],
  [undefined as never, /no name of a figure/],
  [['own.png'] as never, /no name of a figure/],
  ['text.png', /is no PNG picture/],
  ['link.png', /lies outside its study/],
  ['folder.png', /is no file/],
  ['absent.png', /There is no figure/],
  ['\u001b[2J.png', /There is no figure .*\\u\{1b\}\[2J\.png/],
])('%j is refused', (file, message) => {
  const read = () => figuresOf(stage)(file);
  expect(read).toThrow(DataError);
  expect(read).toThrow(message);
});

test('a figures folder that is a link to elsewhere is refused', () => {
  const other = join(root, 'other');
  mkdirSync(other);
  symlinkSync(root, join(other, 'figures'));
  expect(() => figuresOf(other)('private.png')).toThrow(/lies outside its study/);
});

test.skipIf(process.platform === 'win32')('a named pipe is refused, not waited for', async () => {
  await promisify(execFile)('mkfifo', [join(figures, 'pipe.png')]);
  expect(() => figuresOf(stage)('pipe.png')).toThrow(/is no file/);
});

/** A study of one stage, as somebody could send it. */
function foreignStudy(name: string, figure: string, products: Record<string, string> = {}): string {
  const out = join(root, name);
  mkdirSync(join(out, 'data', 'figures'), { recursive: true });
  const keep = (path: string, value: object) => writeFileSync(join(out, path), JSON.stringify(value));
  const part = { images: 1, size: [28, 28], perClass: [1], pixels: { mean: 0, std: 1 } };
  keep('config.json', {
    ...{ command: 'weft run', version: '0.1.0', settings: { name: 'smoke' }, seed: 0 },
    ...{ device: 'wasm', adapter: 'x', description: 'x' },
  });
  keep('data/stage.json', {
    ...{ format: 'weft-stage-1', stage: 'data', state: 'done', inputs: 'x', seconds: 1, attempts: 1 },
    ...{ products, output: 'x' },
  });
  keep('data/data.json', {
    ...{ source: { kind: 'directory', path: 'x' }, isSample: false, checksum: 'x', classes: ['a'] },
    ...{ train: part, test: part, figure },
  });
  return out;
}

test('the page of a foreign study holds no file from outside it', async () => {
  const out = foreignStudy('evil', '../../../secret.txt');
  await expect(rewriteReport(out)).rejects.toThrow(DataError);
  const page = readFileSync(join(out, 'report.html'), 'utf8');
  expect(page).not.toContain(SECRET);
  expect(page).not.toContain(Buffer.from(SECRET).toString('base64'));
  expect(page).toContain('no name of a figure');
});

test('products of a stamp that lie outside the study are not looked at', async () => {
  const out = foreignStudy('walker', 'a.png', { '../..': 'x' });
  const { missing } = await rewriteReport(out);
  expect(Object.values(missing).join(' ')).toMatch(/there is nothing of it/);
});
