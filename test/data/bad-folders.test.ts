/**
 * Data that is not as it should be: each kind gets one sentence or one warning, and no image gets a wrong label. So that a
 * wrong label shows, every picture is of one grey that tells its class.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { serializeIdx } from '../../src/data/idx.ts';
import { type Dataset, openDataset } from '../../src/data/index.node.ts';
import { DataError } from '../../src/devices/errors.ts';
import { serializeNpy } from '../../src/interop/npy.ts';
import { zip } from '../support/zip.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weft-bad-folder-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const CLASSES = ['ant', 'bee', 'cow', 'dog'];
const greyOf = (name: string): number => 40 + 50 * CLASSES.indexOf(name);

function put(name: string, bytes: Uint8Array | string): void {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), bytes);
}

const picture = (name: string, channels: 1 | 3 = 1, [height, width] = [6, 6]): Promise<Buffer> => {
  const raw = { width, height, channels };
  const made = sharp(Buffer.alloc(height * width * channels, greyOf(name)), { raw });
  return (channels === 1 ? made.toColourspace('b-w') : made).png().toBuffer();
};

async function fill(part: string, names: readonly string[], count = 3): Promise<void> {
  for (const name of names) {
    const bytes = await picture(name);
    for (let i = 0; i < count; i++) put(join(part, name, `${String(i).padStart(5, '0')}.png`), bytes);
  }
}

const open = (): Promise<Dataset> => openDataset(folder, { cacheDir: null });

async function refusal(): Promise<string> {
  const error = await open().then(
    () => undefined,
    reason => reason,
  );
  expect(error).toBeInstanceOf(DataError);
  return error.message.replaceAll(folder, 'DIR');
}

/** Every image is of the grey of the class that its label names. */
function expectTrueLabels({ train, test: held, classNames }: Dataset): void {
  for (const { images, labels, count } of [train, held]) {
    const pixels = images.length / count;
    expect(Array.from(labels, label => greyOf(classNames[label]))).toEqual(
      Array.from(labels, (_, i) => images[i * pixels]),
    );
  }
}

describe('a folder of pictures', () => {
  test('with an empty class: one warning, and the class keeps its place among the names', async () => {
    for (const part of ['train', 'test']) await fill(part, ['ant', 'cow', 'dog']);
    for (const part of ['train', 'test']) mkdirSync(join(folder, part, 'bee'));
    const found = await open();
    expect(found.classNames).toEqual(CLASSES);
    expect(found.warnings).toEqual(['The class bee has no images.']);
    expectTrueLabels(found);
  });

  test('with mixed sizes: one sentence that names two of them and the option', async () => {
    for (const part of ['train', 'test']) await fill(part, CLASSES);
    put('train/cow/odd.png', await picture('cow', 1, [5, 6]));
    // Which of the many it is compared with depends on which was decoded first.
    expect(await refusal()).toMatch(
      /^DIR has pictures of different sizes \((train\/\w+\/0000\d\.png is 6 x 6|train\/cow\/odd\.png is 5 x 6), (train\/\w+\/0000\d\.png is 6 x 6|train\/cow\/odd\.png is 5 x 6); height x width\); say by the option resize \(--resize\) what to stretch them to\.$/,
    );
    const found = await openDataset(folder, { cacheDir: null, resize: [6, 6] });
    expect(found.warnings).toEqual([]);
    expectTrueLabels(found);
  });

  test.each([
    ['first', '!first.png'],
    ['last', 'zlast.png'],
  ])('with grey and colour mixed, colour %s: one warning, all in colour', async (_, name) => {
    for (const part of ['train', 'test']) await fill(part, CLASSES);
    put(`train/ant/${name}`, await picture('ant', 3));
    const found = await open();
    expect(found.train.channels).toBe(3);
    expect(found.warnings).toEqual([
      `Grey and colour are mixed: 24 pictures are grey, 1 in colour (train/ant/${name}); grey ones are read as three equal channels.`,
    ]);
    expectTrueLabels(found);
  });

  test('with one broken picture among thousands: one warning that names it, and all labels stay right', async () => {
    await fill('train', CLASSES, 750);
    await fill('test', CLASSES, 20);
    put('train/bee/00400.png', (await picture('bee')).subarray(0, 50));
    const found = await open();
    expect(found.train.count).toBe(2999);
    expect(found.warnings).toHaveLength(1);
    expect(found.warnings[0].replaceAll(folder, 'DIR')).toMatch(
      /^1 of 3080 pictures cannot be read and is left out \(train\/bee\/00400\.png\): DIR\/train\/bee\/00400\.png is no picture /,
    );
    expectTrueLabels(found);
    const named = Array.from({ length: 2999 }, (_, i) => found.files!.train.at(i).split('/')[1]);
    expect(named).toEqual(Array.from(found.train.labels, label => CLASSES[label]));
  });

  test('with a class that classes.txt does not name: one sentence', async () => {
    for (const part of ['train', 'test']) await fill(part, CLASSES);
    put('classes.txt', 'ant\nbee\ncow\n');
    expect(await refusal()).toBe('DIR/classes.txt does not name the folder dog.');
  });

  test('with two classes in train that test lacks: one warning', async () => {
    await fill('train', CLASSES);
    await fill('test', ['ant', 'dog']);
    const found = await open();
    expect(found.warnings).toEqual(['2 classes have training images but no test images: bee, cow.']);
    expectTrueLabels(found);
  });

  test('with several kinds at once: one warning for each', async () => {
    await fill('train', ['ant', 'bee', 'dog']);
    await fill('test', ['ant', 'dog']);
    mkdirSync(join(folder, 'train', 'cow'));
    put('train/ant/colour.png', await picture('ant', 3));
    put('train/dog/00001.png', 'no picture');
    put('train/dog/00002.png', '');
    const { warnings, ...found } = await open();
    expect(warnings.map(text => text.replace(/[(:].*/s, '').trim())).toEqual([
      '2 of 16 pictures cannot be read and are left out',
      'Grey and colour are mixed',
      'The class cow has no images.',
      'The class bee has training images but no test images.',
    ]);
    expectTrueLabels({ warnings, ...found });
  });
});

describe('arrays', () => {
  const images = (labels: readonly number[]): Uint8Array =>
    Uint8Array.from({ length: labels.length * 4 }, (_, i) => greyOf(CLASSES[labels[i >> 2]] ?? 'dog'));
  const idx = (part: string, labels: readonly number[]): void => {
    put(`${part}-images-idx3-ubyte`, serializeIdx([labels.length, 2, 2], images(labels)));
    put(`${part}-labels-idx1-ubyte`, serializeIdx([labels.length], Uint8Array.from(labels)));
  };

  test('with labels beyond the class names: one sentence that names the image', async () => {
    idx('train', [0, 1, 2, 3]);
    idx('t10k', [0, 1, 4]);
    put('classes.txt', CLASSES.join('\n'));
    expect(await refusal()).toBe('DIR: test image 2 has the label 4, but there are only 4 class names.');
  });

  test('.npz with a label that is none: one sentence', async () => {
    const part = (name: string, labels: readonly number[]) => ({
      [`x_${name}.npy`]: serializeNpy([labels.length, 2, 2], images(labels)),
      [`y_${name}.npy`]: serializeNpy([labels.length], Int32Array.from(labels)),
    });
    put('data.npz', zip({ ...part('train', [0, 1, 300]), ...part('test', [0, 1]) }));
    expect(await refusal()).toMatch(/^DIR\/data\.npz.*300.*\.$/);
  });

  test('with two classes that only train has: one warning', async () => {
    idx('train', [0, 1, 2, 3, 3, 2]);
    idx('t10k', [3, 0]);
    put('classes.txt', CLASSES.join('\n'));
    const found = await open();
    expect(found.warnings).toEqual(['2 classes have training images but no test images: bee, cow.']);
    expectTrueLabels(found);
  });
});
