/** Pictures from a disk: turned upright, colours and transparency kept, a sentence for what is none; and what they are known to show. */
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CLASS_NAMES } from '../../src/data/fashion-mnist.ts';
import { preparePhoto } from '../../src/data/photo.ts';
import { findPhotos, GARMENT_DIRECTORY } from '../../src/data/photo-folder.node.ts';
import { labelOfWord, labelText, parseLabels } from '../../src/data/photo-labels.ts';
import { readPicture } from '../../src/data/picture-file.node.ts';
import { DataError } from '../../src/devices/errors.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weft-pictures-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** 40 x 20, the left half red, the right half white. */
const halves = () =>
  sharp({ create: { width: 40, height: 20, channels: 3, background: '#fff' } }).composite([
    { input: { create: { width: 20, height: 20, channels: 3, background: '#f00' } }, left: 0, top: 0 },
  ]);

const pixel = ({ width, rgba }: Awaited<ReturnType<typeof readPicture>>, x: number, y: number): number[] =>
  Array.from(rgba.subarray(4 * (y * width + x), 4 * (y * width + x) + 4));

const isRed = ([red, green]: number[]): boolean => red > 200 && green < 60;

describe('readPicture', () => {
  // EXIF orientation n, and where the left half of the stored picture is then seen.
  test.each([
    [1, 40, 20, [5, 10]],
    [3, 40, 20, [35, 10]],
    [6, 20, 40, [10, 5]],
    [8, 20, 40, [10, 35]],
  ] as const)('turns a JPEG of EXIF orientation %d upright', async (orientation, width, height, [x, y]) => {
    const path = join(folder, `turned-${orientation}.jpg`);
    await halves().jpeg({ chromaSubsampling: '4:4:4' }).withMetadata({ orientation }).toFile(path);
    const picture = await readPicture(path);
    expect([picture.width, picture.height]).toEqual([width, height]);
    expect(isRed(pixel(picture, x, y))).toBe(true);
    expect(isRed(pixel(picture, width - 1 - x, height - 1 - y))).toBe(false);
  });

  test('keeps transparency, and makes grey and 16-bit pictures RGBA bytes', async () => {
    const path = join(folder, 'clear.png');
    const raw = { width: 2, height: 1, channels: 4 } as const;
    await sharp(Uint8Array.of(10, 20, 30, 255, 40, 50, 60, 0), { raw })
      .png()
      .toFile(path);
    const picture = await readPicture(path);
    expect(pixel(picture, 0, 0)).toEqual([10, 20, 30, 255]);
    expect(pixel(picture, 1, 0)[3]).toBe(0);
    const deep = join(folder, 'deep.png');
    await halves().toColourspace('rgb16').png().toFile(deep);
    expect(pixel(await readPicture(deep), 5, 5)).toEqual([255, 0, 0, 255]);
    const grey = join(folder, 'grey.jpg');
    await halves().toColourspace('b-w').jpeg().toFile(grey);
    const [red, green, blue, opacity] = pixel(await readPicture(grey), 30, 5);
    expect([red === green && green === blue, opacity]).toEqual([true, 255]);
  });

  test('says in one sentence what is no picture', async () => {
    const path = (name: string) => join(folder, name);
    const jpeg = await halves().resize(200, 100).jpeg().toBuffer();
    await writeFile(path('cut.jpg'), jpeg.subarray(0, jpeg.length / 3));
    await writeFile(path('text.png'), 'not a picture');
    await writeFile(path('empty.jpg'), '');
    for (const [name, message] of [
      ['missing.jpg', /There is no file .*missing\.jpg/],
      ['.', /is a folder, not a picture/],
      ['empty.jpg', /is empty, not a picture/],
      ['text.png', /text\.png is no picture that can be read \(JPEG, PNG/],
      ['cut.jpg', /cut\.jpg is no picture that can be read/],
    ] as const) {
      const error = await readPicture(path(name)).catch((reason: Error) => reason);
      expect(error, name).toBeInstanceOf(DataError);
      expect((error as Error).message, name).toMatch(message);
      expect((error as Error).message.split('\n'), name).toHaveLength(1);
    }
  });
});

describe('pictures of other kinds', () => {
  test('a .jfif is a JPEG, and found in a folder', async () => {
    const own = join(folder, 'jfif');
    await mkdir(own);
    await halves().jpeg().toFile(join(own, 'a.jpg'));
    await writeFile(join(own, 'a.JFIF'), await readFile(join(own, 'a.jpg')));
    expect((await findPhotos([own])).map(({ name }) => name)).toEqual(['a.JFIF', 'a.jpg']);
    expect((await readPicture(join(own, 'a.JFIF'))).width).toBe(40);
  });

  test.each([
    ['x.bmp', 'BM\x46\0\0\0\0\0\0\0', 'BMP'],
    ['x.heic', '\0\0\0\x18ftypheic\0\0\0\0', 'HEIC'],
    ['photo.jpg', '\0\0\0\x18ftypmif1\0\0\0\0', 'HEIC'],
    ['x.jxl', '\xff\x0a\0\0', 'JPEG XL'],
    ['x.psd', '8BPS\0\x01\0\0', 'Photoshop'],
    ['x.ico', '\0\0\x01\0\x01\0', 'ICO'],
  ])('%s is named as what it is, and not passed over in a folder', async (name, head, format) => {
    const own = await mkdtemp(join(folder, 'other-'));
    const bytes = Buffer.from(head.padEnd(64, '\0'), 'latin1');
    await writeFile(join(own, name), bytes);
    expect((await findPhotos([own])).map(photo => photo.name)).toEqual([name]);
    const message = new RegExp(`${name} is a ${format} picture, which is not read here; save it as JPEG or PNG\\.$`);
    await expect(readPicture(join(own, name))).rejects.toThrow(message);
    await expect(readPicture(join(own, name), bytes)).rejects.toThrow(message);
  });

  test.each([
    ['float', 'float values', 32, 3],
    ['char', 'signed bytes', 8, 2],
  ])('a TIFF of type %s, %s, gets a sentence', async (depth, _, bits, sampleFormat) => {
    // Two by one pixels: little-endian header, nine entries of 12 bytes, then the values.
    const entries = [
      [256, 3, 1, 2], // width
      [257, 3, 1, 1], // height
      [258, 3, 1, bits],
      [259, 3, 1, 1], // not compressed
      [262, 3, 1, 1], // black is 0
      [273, 4, 1, 8 + 2 + 9 * 12 + 4], // where the values lie
      [277, 3, 1, 1], // one channel
      [279, 4, 1, bits / 4], // bytes of values
      [339, 3, 1, sampleFormat],
    ];
    const bytes = Buffer.alloc(8 + 2 + 12 * entries.length + 4 + 8);
    bytes.write('II*\0\x08\0\0\0', 'latin1');
    bytes.writeUInt16LE(entries.length, 8);
    entries.forEach(([tag, type, count, value], i) => {
      const at = 10 + 12 * i;
      bytes.writeUInt16LE(tag, at);
      bytes.writeUInt16LE(type, at + 2);
      bytes.writeUInt32LE(count, at + 4);
      bytes.writeUInt32LE(value, at + 8);
    });
    bytes.writeFloatLE(0.25, bytes.length - 8);
    bytes.writeFloatLE(1, bytes.length - 4);
    await writeFile(join(folder, `${depth}.tiff`), bytes);
    const read = readPicture(join(folder, `${depth}.tiff`));
    await expect(read).rejects.toThrow(DataError);
    await expect(read).rejects.toThrow(
      `${depth}.tiff holds values of type ${depth}; save it with 8 or 16 unsigned bits for each channel.`,
    );
  });

  test('links are followed, a link to nothing is named, a link back is not followed for ever', async () => {
    const own = join(folder, 'links');
    await mkdir(join(own, 'coat'), { recursive: true });
    await mkdir(join(folder, 'elsewhere'));
    await halves()
      .png()
      .toFile(join(folder, 'elsewhere', 'far.png'));
    await symlink(join(folder, 'elsewhere'), join(own, 'sandal'));
    await symlink(join(folder, 'elsewhere', 'far.png'), join(own, 'coat', 'one, two.png'));
    await symlink(join(own, 'nothing.png'), join(own, 'coat', 'broken.png'));
    await symlink(own, join(own, 'coat', 'back'));
    const found = await findPhotos([own]);
    expect(found.map(({ name, label }) => [name, label])).toEqual([
      [join('coat', 'broken.png'), [4]],
      [join('coat', 'one, two.png'), [4]],
      [join('sandal', 'far.png'), [5]],
    ]);
    expect((await readPicture(found[1].path)).width).toBe(40);
    await expect(readPicture(found[0].path)).rejects.toThrow(/There is no file/);
  });
});

describe('labels', () => {
  test('files that spreadsheets save begin with a byte order mark', async () => {
    expect([...parseLabels('\ufeffa.jpg,Coat', 'labels.csv')]).toEqual([['a.jpg', [4]]]);
    expect([...parseLabels('\ufeff{"a.jpg": "Coat"}', 'labels.json')]).toEqual([['a.jpg', [4]]]);
    expect([...parseLabels('"a ""b"", c.jpg",Coat', 'labels.csv')]).toEqual([['a "b", c.jpg', [4]]]);
    const own = join(folder, 'marked');
    await mkdir(own);
    await halves().jpeg().toFile(join(own, 'ä, b.jpg'));
    const text = '\ufeffä, b.jpg,Coat\r\n';
    for (const bytes of [Buffer.from(text), Buffer.from(text, 'utf16le'), Buffer.from(text, 'utf16le').swap16()]) {
      await writeFile(join(own, 'labels.csv'), bytes);
      expect((await findPhotos([own]))[0].label).toEqual([4]);
    }
  });

  test('words that people use', () => {
    for (const [label, name] of CLASS_NAMES.entries()) expect(labelOfWord(name)).toEqual([label]);
    expect(labelOfWord('T-Shirt')).toEqual([0]);
    expect(labelOfWord('ankle_boots')).toEqual([9]);
    expect(labelOfWord('shoes')).toEqual([5, 7, 9]);
    expect(labelOfWord('hat')).toEqual([]);
    expect(labelOfWord('7')).toEqual([7]);
    expect(labelOfWord('holiday 2024')).toBeUndefined();
    expect(labelText([5, 7, 9])).toBe('Sandal, Sneaker or Ankle boot');
    expect(labelText([])).toMatch(/none/);
  });

  test('lists as JSON and CSV', () => {
    const json = parseLabels('{"a.jpg": "Coat", "shoes": ["Sandal", 9], "hats": []}', 'labels.json');
    expect([...json]).toEqual([
      ['a.jpg', [4]],
      ['shoes', [5, 9]],
      ['hats', []],
    ]);
    const csv = parseLabels('file,label\n"a, b.jpg",Coat\nc.png,sneaker|sandal\nd.png,\n', 'labels.csv');
    expect([...csv]).toEqual([
      ['a, b.jpg', [4]],
      ['c.png', [5, 7]],
      ['d.png', []],
    ]);
    for (const [text, name, message] of [
      ['{', 'x.json', /x\.json is no valid JSON/],
      ['[1]', 'x.json', /one object/],
      ['{"a": {}}', 'x.json', /label of a must be/],
      ['{"a": "Spoon"}', 'x.json', /"Spoon" \(for a\) is no class/],
      ['a.jpg', 'x.csv', /line 1: "a\.jpg" is not of the form/],
    ] as const) {
      expect(() => parseLabels(text, name)).toThrow(message);
    }
  });

  test('come from folders, or from a list beside the pictures, or not at all', async () => {
    const root = join(folder, 'set');
    for (const name of ['pants', 'misc']) await mkdir(join(root, name), { recursive: true });
    const png = await halves().png().toBuffer();
    for (const name of ['pants/b.png', 'pants/a.png', 'misc/c.png']) await writeFile(join(root, name), png);
    await writeFile(join(root, 'misc', 'notes.txt'), 'no picture');
    const found = async (labels?: string) =>
      (await findPhotos([root], { labels })).map(({ name, label }) => [name, label]);
    expect(await found()).toEqual([
      [join('misc', 'c.png'), undefined],
      [join('pants', 'a.png'), [1]],
      [join('pants', 'b.png'), [1]],
    ]);
    await writeFile(join(root, 'labels.csv'), 'pants/b.png,Dress\nmisc,Bag\n');
    expect(await found()).toEqual([
      [join('misc', 'c.png'), [8]],
      [join('pants', 'a.png'), undefined],
      [join('pants', 'b.png'), [3]],
    ]);
    expect((await found('folders'))[2][1]).toEqual([1]);
    expect((await found('none')).every(([, label]) => label === undefined)).toBe(true);
    const elsewhere = join(folder, 'other.json');
    await writeFile(elsewhere, '{"a.png": "Coat"}');
    expect((await found(elsewhere))[1][1]).toEqual([4]);
    await expect(findPhotos([join(root, 'nowhere')])).rejects.toThrow(/no file or folder/);
    await mkdir(join(folder, 'nothing'));
    await expect(findPhotos([join(folder, 'nothing')])).rejects.toThrow(/no pictures in/);
    await expect(found(join(folder, 'none.json'))).rejects.toThrow(/none\.json cannot be read \(ENOENT\)/);
  });
});

test('the garments of this package: all classes, small files, prepared without a warning', async () => {
  const photos = await findPhotos([GARMENT_DIRECTORY]);
  expect(photos.length).toBeGreaterThanOrEqual(12);
  expect(new Set(photos.flatMap(({ label }) => label))).toEqual(new Set(CLASS_NAMES.keys()));
  let bytes = 0;
  for (const name of await readdir(GARMENT_DIRECTORY)) bytes += (await stat(join(GARMENT_DIRECTORY, name))).size;
  expect(bytes).toBeLessThan(400_000);
  expect(await readFile(join(GARMENT_DIRECTORY, 'README.md'), 'utf8')).toMatch(/CC0/);
  for (const { path, name } of photos) {
    const { image, warnings } = preparePhoto(await readPicture(path));
    expect(warnings, name).toEqual([]);
    // Light on a dark ground: the corners are dark, the picture is not.
    for (const corner of [0, 27, 27 * 28, 783]) expect(image[corner], name).toBeLessThan(90);
    expect(image.reduce((sum, value) => sum + value, 0) / 784, name).toBeGreaterThan(20);
  }
});
