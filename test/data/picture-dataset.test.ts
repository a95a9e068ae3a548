/**
 * Folders of pictures as data sets: arrays equal to those that the pictures were made of, one warning for each kind of odd
 * thing, a sentence for each folder that cannot be read without guessing, and the cache.
 */
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PNG } from 'pngjs';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import type { Dataset } from '../../src/data/dataset.ts';
import type { DatasetOptions } from '../../src/data/dataset-options.ts';
import type { ImageSet } from '../../src/data/fashion-mnist.ts';
import { openDataset } from '../../src/data/open-dataset.node.ts';
import { readPictureLike } from '../../src/data/picture-decoding.node.ts';
import { readPicturePixels } from '../../src/data/picture-file.node.ts';
import { readSmallPng } from '../../src/data/small-png.node.ts';
import { DataError } from '../../src/devices/errors.ts';
import { randomSet } from '../support/image-sets.ts';

let scratch: string;
let folder: string;
beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'weft-pictures-'));
  folder = join(scratch, 'data');
  await mkdir(folder);
});
afterEach(() => rm(scratch, { recursive: true, force: true }));

const open = (options: DatasetOptions = {}): Promise<Dataset> =>
  openDataset(folder, { cacheDir: join(scratch, 'cache'), ...options });

async function refusal(options: DatasetOptions = {}): Promise<string> {
  const error = await open(options).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DataError);
  return (error as DataError).message.replaceAll(folder, 'DIR');
}

async function write(name: string, bytes: Uint8Array | string): Promise<void> {
  await mkdir(dirname(join(folder, name)), { recursive: true });
  await writeFile(join(folder, name), bytes);
}

/** One image of a set as a PNG, without a loss. */
function png({ images, height, width, channels }: ImageSet, index: number): Promise<Buffer> {
  const pixels = height * width * channels;
  const raw = { width, height, channels: channels as 1 | 3 };
  const picture = sharp(images.subarray(index * pixels, (index + 1) * pixels), { raw });
  return (channels === 1 ? picture.toColourspace('b-w') : picture).png().toBuffer();
}

/** Images as `PART/CLASS/NUMBER.png`; sorted by class, which is the order in which they are read. */
async function writeSet(set: ImageSet, part: string, classNames: readonly string[]): Promise<void> {
  for (let i = 0; i < set.count; i++) {
    await write(join(part, classNames[set.labels[i]], `${String(i).padStart(4, '0')}.png`), await png(set, i));
  }
}

const byClass = (set: ImageSet): ImageSet => ({ ...set, labels: Uint8Array.from(set.labels).sort() });

function expectSame(found: ImageSet, { images, labels, ...sizes }: ImageSet): void {
  expect(found).toMatchObject(sizes);
  expect(Buffer.compare(found.images, images)).toBe(0);
  expect(Buffer.compare(found.labels, labels)).toBe(0);
}

/** With the names of the files as lists, so that two can be compared. */
const plain = ({ files, ...rest }: Dataset) => ({
  ...rest,
  files: (['train', 'test'] as const).map(part =>
    Array.from({ length: files![part].length }, (_, i) => files![part].at(i)),
  ),
});

const CATS = ['cat', 'dog', 'zebra'];

describe('a folder with train and test', () => {
  it.each([
    ['28 x 28 grey', [28, 28, 1]],
    ['32 x 32 colour', [32, 32, 3]],
    ['64 x 64 grey', [64, 64, 1]],
    ['150 x 130 colour, beyond what is small', [150, 130, 3]],
  ] as const)('is read: %s', async (_, size) => {
    const train = byClass(randomSet(12, size, 3));
    const held = byClass(randomSet(6, size, 3, 1));
    await writeSet(train, 'train', CATS);
    await writeSet(held, 'test', CATS);
    const found = await open();
    expectSame(found.train, train);
    expectSame(found.test, held);
    expect(found).toMatchObject({ kind: 'other', classNames: CATS, warnings: [], isSample: false });
    expect(found.provenance).toMatchObject({ format: 'pictures', path: folder, preparation: [] });
  });

  it('takes val for test where there is no test, and says what is not used', async () => {
    const set = byClass(randomSet(6, [8, 8, 1], 3));
    for (const part of ['train', 'val']) await writeSet(set, part, CATS);
    expect(await open()).toMatchObject({ warnings: [], test: { count: 6 } });
    await writeSet(set, 'test', CATS);
    expect((await open()).warnings).toEqual(['Test images are those of test; not used: val.']);
  });
});

describe('a folder of classes alone', () => {
  it('is split by seed, each class in its share', async () => {
    const set = byClass(randomSet(30, [6, 6, 1], 3));
    await writeSet(set, '', CATS);
    const found = await open();
    expect([found.train.count, found.test.count]).toEqual([24, 6]);
    expect(Array.from(found.test.labels)).toEqual([0, 0, 1, 1, 2, 2]);
    expect(found.warnings).toEqual([
      'There is no folder of test images; 6 of the 30 pictures, drawn with seed 0, are the test images.',
    ]);
    const rows = ({ images, labels, count }: ImageSet): string[] =>
      Array.from({ length: count }, (_, i) => `${labels[i]} ${images.subarray(i * 36, (i + 1) * 36).join(' ')}`);
    expect([...rows(found.train), ...rows(found.test)].sort()).toEqual(rows(set).sort());
    expect(rows((await open({ splitSeed: 1 })).test)).not.toEqual(rows(found.test));
    expect(rows((await open({ splitSeed: 0 })).test)).toEqual(rows(found.test));
  });

  it('has its classes in the order of numbers, of classes.txt, or of characters', async () => {
    const names = Array.from({ length: 12 }, (_, i) => String(i));
    await writeSet(byClass(randomSet(60, [4, 4, 1], 12)), '', names);
    expect((await open()).classNames).toEqual(names);
    await write('classes.txt', [...names].reverse().join('\n'));
    const turned = await open();
    expect(turned.classNames).toEqual([...names].reverse());
    await write('classes.txt', names.slice(0, 10).join('\n'));
    expect(await refusal()).toBe('DIR/classes.txt does not name the folders 10, 11.');
  });

  it('may have a class of the name train', async () => {
    await writeSet(byClass(randomSet(20, [4, 4, 1], 2)), '', ['bus', 'train']);
    expect((await open()).classNames).toEqual(['bus', 'train']);
  });
});

test('symbolic links are followed, and one to a folder above is not followed round', async () => {
  const set = byClass(randomSet(8, [5, 5, 1], 2));
  const elsewhere = join(scratch, 'elsewhere');
  await mkdir(elsewhere);
  for (let i = 0; i < 8; i++) await writeFile(join(elsewhere, `${i}.png`), await png(set, i));
  for (const part of ['train', 'test']) {
    await mkdir(join(folder, part, 'a', 'deeper'), { recursive: true });
    await symlink(elsewhere, join(folder, part, 'b'));
    for (let i = 0; i < 4; i++)
      await symlink(join(elsewhere, `${i}.png`), join(folder, part, 'a', 'deeper', `${i}.png`));
    await symlink(join(folder, part, 'a'), join(folder, part, 'a', 'deeper', 'round'));
  }
  const found = await open();
  expect(found.train.count).toBe(12);
  expectSame(found.train, {
    ...set,
    count: 12,
    images: Uint8Array.of(...set.images.subarray(0, 100), ...set.images),
    labels: Uint8Array.from([0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]),
  });
});

describe('what is odd', () => {
  const set = byClass(randomSet(9, [8, 8, 1], 3));
  beforeEach(async () => {
    for (const part of ['train', 'test']) await writeSet(set, part, CATS);
  });

  it('one broken picture is left out and named; the others keep their labels', async () => {
    await write('train/dog/0003.png', (await png(set, 3)).subarray(0, 60));
    await write('train/cat/0001.png', '');
    const found = await open();
    expect(found.train.count).toBe(7);
    expect(Array.from(found.train.labels)).toEqual([0, 0, 1, 1, 2, 2, 2]);
    expect(found.train.images.subarray(64, 128)).toEqual(set.images.subarray(128, 192));
    expect(found.warnings).toHaveLength(1);
    expect(found.warnings[0].replaceAll(folder, 'DIR')).toBe(
      '2 of 18 pictures cannot be read and are left out (train/cat/0001.png, train/dog/0003.png): ' +
        'DIR/train/cat/0001.png is empty, not a picture.',
    );
  });

  it('a format that is not read, and a link to nothing', async () => {
    await write('train/cat/old.bmp', 'BM0123456789');
    await symlink(join(scratch, 'nothing'), join(folder, 'test', 'dog', 'gone.jpg'));
    const [warning, ...more] = (await open()).warnings;
    expect(more).toEqual([]);
    expect(warning).toMatch(
      /^2 of 20 pictures cannot be read and are left out \(train\/cat\/old\.bmp, test\/dog\/gone\.jpg\)/,
    );
  });

  it('an empty class, and classes that the test images lack', async () => {
    await mkdir(join(folder, 'train', 'yak'));
    await rm(join(folder, 'test', 'dog'), { recursive: true });
    const found = await open();
    expect(found.classNames).toEqual(['cat', 'dog', 'yak', 'zebra']);
    expect(found.warnings).toEqual([
      'The class yak has no images.',
      'The class dog has training images but no test images.',
    ]);
  });

  it('pictures outside the classes, and files that are none', async () => {
    await write('train/stray.png', await png(set, 0));
    await write('test/cat/notes.txt', 'x');
    await write('test/cat/.hidden', 'x');
    const found = await open();
    expect(found.warnings).toEqual([
      'Pictures outside the folders of the classes are left out: train/stray.png.',
      'Files that are no pictures are left out: test/cat/notes.txt.',
    ]);
    expectSame(found.train, set);
  });

  it.each([
    ['after a grey one', 'train/zebra/colour.png', 9],
    ['before all grey ones', 'train/cat/0.png', 0],
  ])('colour %s makes all three channels', async (_, name, place) => {
    const colour = randomSet(1, [8, 8, 3], 1, 5);
    await write(name, await png(colour, 0));
    const { train, test: held, warnings } = await open();
    expect([train.count, train.channels, held.channels]).toEqual([10, 3, 3]);
    expect(train.images.subarray(place * 192, (place + 1) * 192)).toEqual(colour.images);
    const grey = Uint8Array.from({ length: 192 }, (_, i) => set.images[4 * 64 + Math.floor(i / 3)]);
    const fifth = place === 0 ? 5 : 4;
    expect(train.images.subarray(fifth * 192, (fifth + 1) * 192)).toEqual(grey);
    expect(warnings).toEqual([
      `Grey and colour are mixed: 18 pictures are grey, 1 in colour (${name}); grey ones are read as three equal channels.`,
    ]);
  });

  it('transparent pixels', async () => {
    const rgba = new PNG({ width: 8, height: 8 });
    rgba.data.fill(255);
    rgba.data.set([100, 100, 100, 51], 0);
    await write('train/cat/0000.png', PNG.sync.write(rgba, { colorType: 4 }));
    const { train, warnings } = await open();
    expect(Array.from(train.images.subarray(0, 2))).toEqual([Math.round((100 * 51 + 255 * 204) / 255), 255]);
    expect(warnings).toEqual(['Transparent pixels are laid on white in train/cat/0000.png.']);
  });
});

describe('JPEG pictures of mixed sizes', () => {
  const sizes = [
    [40, 30],
    [30, 40],
    [64, 64],
    [20, 50],
  ] as const;
  beforeEach(async () => {
    for (const [i, size] of sizes.entries()) {
      const [height, width] = size;
      const { images } = randomSet(1, [height, width, 3], 1, i);
      const jpeg = await sharp(images, { raw: { width, height, channels: 3 } })
        .jpeg()
        .toBuffer();
      for (const part of ['train', 'test']) await write(`${part}/${CATS[i % 2]}/${i}.jpg`, jpeg);
    }
  });

  it('need a size', async () => {
    expect(await refusal()).toMatch(
      /^DIR has pictures of different sizes \(\S+\.jpg is \d+ x \d+, \S+\.jpg is \d+ x \d+; height x width\); say by the option resize \(--resize\) what to stretch them to\.$/,
    );
  });

  it('are stretched to it', async () => {
    const { train, warnings, provenance } = await open({ resize: [24, 20] });
    expect(train).toMatchObject({ count: 4, height: 24, width: 20, channels: 3 });
    const paths = ['cat/0.jpg', 'cat/2.jpg', 'dog/1.jpg', 'dog/3.jpg'];
    for (const [i, path] of paths.entries()) {
      const expected = await sharp(join(folder, 'train', path))
        .resize(20, 24, { fit: 'fill' })
        .raw()
        .toBuffer();
      expect(Buffer.compare(train.images.subarray(i * 1440, (i + 1) * 1440), expected)).toBe(0);
    }
    expect(warnings).toEqual([]);
    expect(provenance.preparation).toEqual(['Every picture was stretched to 24 x 20 pixels (height x width).']);
  });

  it('none of which can be read are refused', async () => {
    for (const [i] of sizes.entries()) {
      for (const part of ['train', 'test']) await write(`${part}/${CATS[i % 2]}/${i}.jpg`, 'no picture');
    }
    expect(await refusal()).toMatch(
      /^None of the 8 pictures of DIR can be read: DIR\/train\/cat\/0\.jpg is no picture/,
    );
  });
});

describe('the cache', () => {
  const set = byClass(randomSet(9, [8, 8, 1], 3));
  const entries = (): Promise<string[]> => readdir(join(scratch, 'cache'));
  beforeEach(async () => {
    for (const part of ['train', 'test']) await writeSet(set, part, CATS);
    await write('train/cat/!none.jpg', '');
  });

  it('gives the same arrays, warnings and checksums the second time, without decoding', async () => {
    let decoded = 0;
    const onProgress = (): void => void decoded++;
    const first = await open({ onProgress });
    expect(decoded).toBe(1);
    expect(first.warnings).toHaveLength(1);
    expect(plain(await open({ onProgress }))).toEqual(plain(first));
    // Names go with the images: the picture that cannot be read, the first of all, has none.
    const [named] = plain(first).files;
    expect(named).toHaveLength(9);
    expect(named[0]).toBe('train/cat/0000.png');
    expect(named.map(name => CATS.indexOf(name.split('/')[1]))).toEqual([...first.train.labels]);
    expect(decoded).toBe(1);
    expect(plain(await open({ onProgress, cacheDir: null }))).toEqual(plain(first));
    expect(decoded).toBe(2);
  });

  it('is not used when a file changed, came, or went, and keeps one entry', async () => {
    await open();
    const [before] = await entries();
    // Another picture of the same size and name, at another time.
    const other = randomSet(1, [8, 8, 1], 1, 9);
    await write('train/dog/0004.png', await png(other, 0));
    await utimes(join(folder, 'train/dog/0004.png'), 1, 1);
    expect((await open()).train.images.subarray(4 * 64, 5 * 64)).toEqual(other.images);
    await rm(join(folder, 'train/dog/0003.png'));
    expect((await open()).train.count).toBe(8);
    const after = await entries();
    expect(after).toHaveLength(1);
    expect(after).not.toEqual([before]);
    await open({ resize: [4, 4] });
    expect(await entries()).toHaveLength(2);
  });

  it('that is damaged is made anew', async () => {
    const first = await open();
    const [name] = await entries();
    const path = join(scratch, 'cache', name);
    const bytes = await readFile(path);
    bytes[bytes.length - 1] ^= 1;
    for (const damaged of [bytes, bytes.subarray(0, 500), bytes.subarray(0, 3)]) {
      await writeFile(path, damaged);
      expect(plain(await open())).toEqual(plain(first));
    }
  });

  it('that cannot be written is told of', async () => {
    await writeFile(join(scratch, 'file'), '');
    const { warnings } = await open({ cacheDir: join(scratch, 'file', 'cache') });
    expect(warnings.at(-1)).toMatch(
      /^Decoded pictures cannot be kept in .* \(ENOTDIR\); the next start takes as long\.$/,
    );
  });
});

test('decoding stops with the reason of the signal, and leaves nothing in the cache', async () => {
  const set = byClass(randomSet(200, [4, 4, 1], 2));
  await writeSet(set, 'train', CATS);
  const stop = new AbortController();
  const reason = new Error('enough');
  const onProgress = (done: number): void => {
    if (done > 0) stop.abort(reason);
  };
  await expect(open({ onProgress, signal: stop.signal })).rejects.toBe(reason);
  expect(await readdir(scratch)).toEqual(['data']);
  expect((await open()).train.count).toBe(160);
});

test('one picture is brought to the form of a data set', async () => {
  const colour = randomSet(1, [6, 5, 3], 1);
  await write('colour.png', await png(colour, 0));
  await write('grey.png', await png(randomSet(1, [6, 5, 1], 1), 0));
  const path = join(folder, 'colour.png');
  expect(Buffer.compare(await readPictureLike(path, [6, 5, 3]), colour.images)).toBe(0);
  const [r, g, b] = colour.images;
  expect((await readPictureLike(path, [6, 5, 1]))[0]).toBe(Math.round(0.299 * r + 0.587 * g + 0.114 * b));
  const grey = await readPictureLike(join(folder, 'grey.png'), [6, 5, 3]);
  expect([grey.length, grey[1], grey[2]]).toEqual([90, grey[0], grey[0]]);
  expect(await readPictureLike(path, [3, 4, 3])).toHaveLength(36);
  await expect(readPictureLike(path, [6, 5, 2])).rejects.toThrow(/cannot be made a picture of 2 channels/);
  await expect(readPictureLike(join(folder, 'none.png'), [6, 5, 3])).rejects.toThrow(DataError);
});

describe('small PNG pictures', () => {
  const image = randomSet(1, [9, 7, 3], 1).images;
  const raw = { raw: { width: 7, height: 9, channels: 3 } } as const;
  it.each([
    ['grey', () => sharp(image, raw).toColourspace('b-w').png()],
    ['colour', () => sharp(image, raw).png()],
    ['colour and alpha', () => sharp(image, raw).ensureAlpha(0.4).png()],
    ['a palette', () => sharp(image, raw).png({ palette: true, colours: 16 })],
    ['two colours', () => sharp(image, raw).png({ palette: true, colours: 2 })],
    ['interlaced', () => sharp(image, raw).png({ progressive: true })],
  ])('give the bytes that sharp gives: %s', async (_, make) => {
    const bytes = await make().toBuffer();
    const { data, ...sizes } = readSmallPng(bytes)!;
    const expected = await readPicturePixels('picture', bytes);
    expect(sizes).toEqual({ width: 7, height: 9, channels: expected.channels });
    expect(Buffer.compare(data, expected.data)).toBe(0);
  });

  it('are left to sharp where they are more than that', async () => {
    const deep = await sharp(image, raw).toColourspace('rgb16').png().toBuffer();
    const profiled = await sharp(image, raw).withIccProfile('p3').png().toBuffer();
    const whole = await sharp(image, raw).png().toBuffer();
    for (const bytes of [deep, profiled, whole.subarray(0, -20), whole.subarray(0, 20), Buffer.from('GIF89a')]) {
      expect(readSmallPng(bytes)).toBeUndefined();
    }
  });
});
