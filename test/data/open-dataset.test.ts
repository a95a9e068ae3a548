/**
 * Data sets on a disk, read back as the arrays that were written: IDX in every form of name, EMNIST's turned images,
 * CIFAR-10, .npz; and the sentence for each kind of bad folder.
 */
import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import type { Dataset } from '../../src/data/dataset.ts';
import type { DatasetOptions } from '../../src/data/dataset-options.ts';
import { readSample, SAMPLE_DIRECTORY } from '../../src/data/fashion-mnist.node.ts';
import { CLASS_NAMES, type ImageSet } from '../../src/data/fashion-mnist.ts';
import { serializeIdx } from '../../src/data/idx.ts';
import { openDataset } from '../../src/data/open-dataset.node.ts';
import { DataError, UsageError } from '../../src/devices/errors.ts';
import { serializeNpy } from '../../src/interop/npy.ts';
import { exchanged, randomSet } from '../support/image-sets.ts';
import { zip } from '../support/zip.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weft-dataset-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function write(files: Readonly<Record<string, Uint8Array | string>>, into = folder): Promise<void> {
  for (const [name, bytes] of Object.entries(files)) {
    await mkdir(dirname(join(into, name)), { recursive: true });
    await writeFile(join(into, name), bytes);
  }
}

function expectSame(found: ImageSet, expected: ImageSet): void {
  const { images, labels, ...sizes } = expected;
  expect(found).toMatchObject(sizes);
  expect(Buffer.compare(found.images, images)).toBe(0);
  expect(Buffer.compare(found.labels, labels)).toBe(0);
}

function expectSets(found: Dataset, train: ImageSet, testSet: ImageSet): void {
  expectSame(found.train, train);
  expectSame(found.test, testSet);
}

async function refusal(options?: DatasetOptions, path = folder): Promise<string> {
  const error = await openDataset(path, options).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DataError);
  return (error as DataError).message.replaceAll(folder, 'DIR');
}

const imagesOf = ({ images, count, height, width, channels }: ImageSet): Uint8Array =>
  serializeIdx(channels === 1 ? [count, height, width] : [count, height, width, channels], images);
const labelsOf = ({ labels, count }: ImageSet): Uint8Array => serializeIdx([count], labels);

/** The four files of a data set, with the names that its publisher might have given them. */
function idxFiles(train: ImageSet, testSet: ImageSet, { prefix = '', dot = '-', test = 't10k', gz = false } = {}) {
  const ending = gz ? '.gz' : '';
  const packed = (bytes: Uint8Array): Uint8Array => (gz ? gzipSync(bytes) : bytes);
  return {
    [`${prefix}train-images${dot}idx3-ubyte${ending}`]: packed(imagesOf(train)),
    [`${prefix}train-labels${dot}idx1-ubyte${ending}`]: packed(labelsOf(train)),
    [`${prefix}${test}-images${dot}idx3-ubyte${ending}`]: packed(imagesOf(testSet)),
    [`${prefix}${test}-labels${dot}idx1-ubyte${ending}`]: packed(labelsOf(testSet)),
  };
}

const digits = [randomSet(60, [28, 28, 1], 10), randomSet(20, [28, 28, 1], 10, 1)] as const;

describe('IDX files', () => {
  it.each([
    ['MNIST as published', '', { gz: true }],
    ['plain files', '', {}],
    ['a dot in the names', '', { dot: '.' }],
    ['a torchvision root', 'MNIST/raw/', {}],
    ['a torchvision folder', 'raw/', { gz: true }],
  ])('are read: %s', async (_, below, form) => {
    await write(Object.fromEntries(Object.entries(idxFiles(...digits, form)).map(([name, b]) => [below + name, b])));
    const found = await openDataset(folder);
    expectSets(found, ...digits);
    expect(found).toMatchObject({ kind: 'other', isSample: false, warnings: [] });
    expect(found.classNames).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
    const sums = [labelsOf(digits[0]), imagesOf(digits[0]), labelsOf(digits[1]), imagesOf(digits[1])];
    expect(found.provenance.checksums.map(({ sha256 }) => sha256)).toEqual(
      sums.map(bytes => createHash('sha256').update(bytes).digest('hex')),
    );
  });

  it.each([
    ['64 x 64 grey, two classes 10:1', [64, 64, 1], 2],
    ['32 x 32 in colour', [32, 32, 3], 10],
    ['5 x 9', [5, 9, 1], 3],
  ] as const)('are read: %s', async (_, size, classes) => {
    const sets = [randomSet(55, size, classes), randomSet(22, size, classes, 1)] as const;
    if (classes === 2) for (const { labels } of sets) labels.forEach((_, i) => void (labels[i] = Number(i % 11 === 0)));
    await write(idxFiles(...sets));
    const found = await openDataset(folder);
    expectSets(found, ...sets);
    expect(found.mean).toHaveLength(size[2]);
    expect(found.warnings).toEqual(classes === 2 ? ['Classes are uneven: 50 training images of 0, 5 of 1.'] : []);
  });

  const letters = [randomSet(94, [28, 28, 1], 47), randomSet(47, [28, 28, 1], 47, 1)] as const;
  const turned = letters.map(set => ({ ...set, images: exchanged(set) })) as [ImageSet, ImageSet];

  it('of EMNIST are turned upright, by their names', async () => {
    await write({ ...idxFiles(...turned, { prefix: 'emnist-balanced-', test: 'test', gz: true }) });
    const found = await openDataset(folder);
    expectSets(found, ...letters);
    expect(found.classNames).toHaveLength(47);
    expect(found.provenance.preparation).toEqual(['Rows and columns of each image were exchanged.']);
  });

  it('of EMNIST with labels from 1 begin at 0, by name or by the options', async () => {
    const fromOne = turned.map(set => ({ ...set, labels: set.labels.map(label => label + 1) })) as [ImageSet, ImageSet];
    await write(idxFiles(...fromOne, { prefix: 'emnist-letters-', test: 'test' }), join(folder, 'named'));
    await write(idxFiles(...fromOne), join(folder, 'unnamed'));
    expectSets(await openDataset(join(folder, 'named')), ...letters);
    const found = await openDataset(join(folder, 'unnamed'), { transpose: true, labelBase: 1 });
    expectSets(found, ...letters);
    expect(found.classNames.slice(0, 2)).toEqual(['1', '2']);
    const asStored = await openDataset(join(folder, 'unnamed'));
    expectSets(asStored, ...fromOne);
    expect(asStored.warnings).toEqual(['The class 0 has no images.']);
  });

  it('that are several data sets need a name', async () => {
    await write(idxFiles(...turned, { prefix: 'emnist-balanced-', test: 'test' }));
    await write(idxFiles(...digits, { prefix: 'emnist-digits-', test: 'test' }));
    expect(await refusal()).toBe(
      'DIR holds several data sets (emnist-balanced, emnist-digits); say which by the option name (--data-name).',
    );
    expectSets(await openDataset(folder, { name: 'emnist-balanced' }), ...letters);
    expect(await refusal({ name: 'emnist' })).toBe(
      'DIR holds no data set of the name emnist; there are emnist-balanced, emnist-digits.',
    );
  });

  it('take the names of their classes from classes.txt', async () => {
    const names = Array.from({ length: 10 }, (_, i) => `digit ${i}`);
    await write({ ...idxFiles(...digits), 'classes.txt': `${names.join('\r\n')}\r\n` });
    expect((await openDataset(folder)).classNames).toEqual(names);
    await write({ 'classes.txt': names.slice(0, 7).join('\n') });
    expect(await refusal()).toBe('DIR: training image 7 has the label 7, but there are only 7 class names.');
    await write({ 'classes.txt': 'a\nb\na\n' });
    expect(await refusal()).toBe('DIR/classes.txt, line 3: "a" is the name of line 1 too.');
    await write({ 'classes.txt': 'a\n\nb\n' });
    expect(await refusal()).toBe('DIR/classes.txt, line 2: there is no class name.');
  });

  it('without test files are split by seed, each class in its share', async () => {
    const { 'train-images-idx3-ubyte': images, 'train-labels-idx1-ubyte': labels } = idxFiles(...digits);
    await write({ 'train-images-idx3-ubyte': images, 'train-labels-idx1-ubyte': labels });
    const found = await openDataset(folder, { testShare: 1 / 6, splitSeed: 3 });
    expect([found.train.count, found.test.count]).toEqual([50, 10]);
    expect(Array.from(found.test.labels).sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(found.warnings).toEqual([
      'There are no test files; 10 of the 60 training images, drawn with seed 3, are the test images.',
    ]);
    // Every image is in one of the parts, with its label.
    const rows = ({ images: all, labels: own, count }: ImageSet): string[] =>
      Array.from(
        { length: count },
        (_, i) => `${own[i]} ${Buffer.from(all.subarray(i * 784, (i + 1) * 784)).toString('hex')}`,
      );
    expect([...rows(found.train), ...rows(found.test)].sort()).toEqual(rows(digits[0]).sort());
    expect((await openDataset(folder, { testShare: 1 / 6, splitSeed: 4 })).test.images).not.toEqual(found.test.images);
  });

  const [train, testSet] = digits;
  it('that are bad get one sentence each', async () => {
    const good = idxFiles(train, testSet);
    const images = 'train-images-idx3-ubyte';
    await write(good);
    await write({ [images]: good[images].subarray(0, 100) });
    expect(await refusal()).toBe(
      'DIR/train-images-idx3-ubyte is truncated: expected 47056 bytes for shape [60, 28, 28], found 100 bytes.',
    );
    // Sizes that nothing could hold are found before anything is allocated.
    await write({ [images]: Uint8Array.from([0, 0, 8, 3, ...new Array(12).fill(255)]) });
    expect(await refusal()).toMatch(/^DIR\/train-images-idx3-ubyte is truncated: expected 7\.9\d*e\+28 bytes/);
    await rm(join(folder, images));
    await write({ [`${images}.gz`]: gzipSync(Uint8Array.from([0, 0, 8, 3, ...new Array(12).fill(255)])) });
    expect(await refusal()).toMatch(/gz is truncated: its \d+ bytes cannot hold the shape \[4294967295, /);
    await write({ [`${images}.gz`]: gzipSync(good[images]).subarray(0, 2000) });
    expect(await refusal()).toBe(
      'DIR/train-images-idx3-ubyte.gz is damaged: it does not decompress (unexpected end of file).',
    );
    await write({ [`${images}.gz`]: gzipSync(good[images].subarray(0, 30_000)) });
    expect(await refusal()).toMatch(/gz is truncated: its header tells of 47040 bytes of values, found 29984\.$/);
    await write({ [`${images}.gz`]: gzipSync(Buffer.concat([good[images], Buffer.of(1)])) });
    expect(await refusal()).toMatch(/gz has bytes after its end: its header tells of 47040 bytes of values\.$/);
    await rm(join(folder, `${images}.gz`));
    expect(await refusal()).toBe('DIR has no training images.');
    await write({ [images]: serializeIdx([60, 14, 56], train.images) });
    expect(await refusal()).toBe('DIR: training images are [14, 56, 1], test images [28, 28, 1]; they must be alike.');
    await write({ ...good, 'train-labels-idx1-ubyte': serializeIdx([59], train.labels.subarray(1)) });
    expect(await refusal()).toBe(
      'DIR/train-labels-idx1-ubyte has [59] labels for the [60, 28, 28] images of DIR/train-images-idx3-ubyte.',
    );
    await write(good);
    expect(await refusal({ labelBase: 1 })).toBe(
      'DIR/train-labels-idx1-ubyte: label 0 is 0, below 1, where labels should begin.',
    );
  });

  it('that lack classes are told of, one sentence for each kind', async () => {
    const few = { ...testSet, labels: testSet.labels.map(label => Math.min(label, 7)) };
    await write({ ...idxFiles({ ...train, labels: train.labels.map(label => label + Number(label > 2)) }, few) });
    expect((await openDataset(folder)).warnings).toEqual([
      '3 classes have training images but no test images: 8, 9, 10.',
      'The class 3 has test images but no training images, so it cannot be learned.',
    ]);
  });
});

describe('Fashion-MNIST', () => {
  it('is known by its checksums, and keeps its bits and names', async () => {
    const found = await openDataset(SAMPLE_DIRECTORY);
    const sample = await readSample();
    expectSets(found, sample.train, sample.test);
    expect(found).toMatchObject({ kind: 'fashion-mnist', isSample: true, classNames: CLASS_NAMES, warnings: [] });
    expect(found.mean[0]).toBeCloseTo(0.286, 2);
    expect(found.std[0]).toBeCloseTo(0.353, 2);
  });

  it('with one file of something else is refused', async () => {
    await cp(SAMPLE_DIRECTORY, folder, { recursive: true });
    await rm(join(folder, 't10k-labels-idx1-ubyte.gz'));
    await write({ 't10k-labels-idx1-ubyte': serializeIdx([1000], new Uint8Array(1000)) });
    expect(await refusal()).toMatch(
      /^DIR\/t10k-labels-idx1-ubyte is not the file it should be: others beside it are of Fashion-MNIST sample; /,
    );
  });
});

describe('CIFAR-10', () => {
  const sets = [randomSet(45, [32, 32, 3], 10), randomSet(20, [32, 32, 3], 10, 1)] as const;
  const records = ({ images, labels }: ImageSet, from: number, to: number): Buffer =>
    Buffer.concat(
      Array.from({ length: to - from }, (_, i) => {
        const pixels = images.subarray((from + i) * 3072, (from + i + 1) * 3072);
        const plane = (channel: number) => pixels.filter((_, at) => at % 3 === channel);
        return Buffer.concat([Buffer.of(labels[from + i]), plane(0), plane(1), plane(2)]);
      }),
    );
  const batches = Object.fromEntries(
    [1, 2, 3, 4, 5].map(n => [`data_batch_${n}.bin`, records(sets[0], 9 * (n - 1), 9 * n)]),
  );
  const files: Record<string, Buffer> = { ...batches, 'test_batch.bin': records(sets[1], 0, 20) };
  const names = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'];

  it.each(['', 'cifar-10-batches-bin'])('is read from "%s"', async below => {
    await write({ ...files, 'batches.meta.txt': `${names.join('\n')}\n\n` }, join(folder, below));
    const found = await openDataset(folder);
    expectSets(found, ...sets);
    expect(found).toMatchObject({ kind: 'other', classNames: names, warnings: [] });
    expect(found.provenance.checksums).toHaveLength(6);
  });

  it('that is bad gets one sentence', async () => {
    await write({ ...files, 'data_batch_3.bin': files['data_batch_3.bin'].subarray(1) });
    expect(await refusal()).toBe('DIR/data_batch_3.bin has 27656 bytes, not whole records of 3073 bytes.');
    const wrong = Buffer.from(files['data_batch_3.bin']);
    wrong[2 * 3073] = 10;
    await write({ 'data_batch_3.bin': wrong });
    expect(await refusal()).toBe("DIR/data_batch_3.bin: record 2 has the label 10; CIFAR-10's are 0 to 9.");
    await write(files);
    await rm(join(folder, 'data_batch_5.bin'));
    expect((await openDataset(folder)).warnings).toEqual(['There are 4 training files; CIFAR-10 has 5.']);
    await rm(join(folder, 'test_batch.bin'));
    expect(await refusal()).toBe('DIR has no test images (test_batch.bin).');
  });
});

describe('.npz', () => {
  const sets = [randomSet(30, [7, 9, 3], 4), randomSet(12, [7, 9, 3], 4, 1)] as const;
  const int64 = (shape: number[], values: Uint8Array): Uint8Array => {
    const bytes = Buffer.from(serializeNpy(shape, Float64Array.from(values)));
    bytes.write('<i8', bytes.indexOf('<f8'), 'latin1');
    values.forEach((value, i) => {
      bytes.writeBigInt64LE(BigInt(value), bytes.length - 8 * (values.length - i));
    });
    return bytes;
  };
  const arrays = {
    'x_train.npy': serializeNpy([30, 7, 9, 3], sets[0].images),
    'y_train.npy': serializeNpy([30], sets[0].labels),
    'x_test.npy': serializeNpy([12, 7, 9, 3], sets[1].images),
    'y_test.npy': int64([12, 1], sets[1].labels),
  };

  it.each([true, false])('is read, stored: %s, from its folder and by its own name', async stored => {
    await write({ 'data.npz': zip(arrays, { stored }) });
    expectSets(await openDataset(folder), ...sets);
    const found = await openDataset(join(folder, 'data.npz'));
    expectSets(found, ...sets);
    expect(found).toMatchObject({ kind: 'other', classNames: ['0', '1', '2', '3'], warnings: [] });
    expect(found.provenance).toMatchObject({ format: 'npz' });
  });

  const bad = (changed: Record<string, Uint8Array>): Promise<string> =>
    write({ 'data.npz': zip({ ...arrays, ...changed }) }).then(() => refusal());

  it('that is bad gets one sentence', async () => {
    expect(await bad({ 'x_train.npy': serializeNpy([30, 189], sets[0].images) })).toBe(
      'DIR/data.npz (x_train) has the shape [30, 189]; images are [N, H, W] or [N, H, W, C] with 1 to 4 channels.',
    );
    expect(await bad({ 'x_train.npy': serializeNpy([30, 3, 7, 9], sets[0].images) })).toMatch(
      /with 1 to 4 channels\.$/,
    );
    expect(await bad({ 'x_train.npy': serializeNpy([1, 2, 2], new Float32Array(4)) })).toBe(
      "DIR/data.npz (x_train) holds '<f4'; images must be bytes from 0 to 255 ('|u1', numpy.uint8).",
    );
    expect(await bad({ 'y_train.npy': serializeNpy([30], new Float32Array(30)) })).toBe(
      "DIR/data.npz (y_train) holds '<f4'; labels must be whole numbers.",
    );
    expect(await bad({ 'y_train.npy': serializeNpy([29], sets[0].labels.subarray(1)) })).toBe(
      'DIR/data.npz (x_train) has 30 images, but y_train has 29 labels.',
    );
    const negative = Int32Array.from(sets[0].labels);
    negative[4] = -1;
    expect(await bad({ 'y_train.npy': serializeNpy([30], negative) })).toBe(
      'DIR/data.npz: y_train[4] is -1; labels are from 0 to 255.',
    );
    expect(await bad({ 'x_train.npy': arrays['x_train.npy'].subarray(0, 300) })).toMatch(
      /^DIR\/data\.npz \(x_train\) is damaged: the shape \[30, 7, 9, 3\] takes 5670 bytes, found 172\.$/,
    );
    const { 'y_test.npy': _, ...lacking } = arrays;
    await write({ 'data.npz': zip(lacking) });
    expect(await refusal()).toBe('DIR/data.npz has no array y_test; it holds x_train, y_train, x_test.');
    await write({ 'other.npz': zip(arrays) });
    expect(await refusal()).toBe('DIR holds several .npz archives (data.npz, other.npz); name one of them.');
  });

  it('is checked by the sums of its archive, and for being one', async () => {
    const archive = zip(arrays, { stored: true });
    archive[400] ^= 1;
    await write({ 'data.npz': archive });
    expect(await refusal()).toBe(
      "DIR/data.npz (x_train) is damaged: its checksum (CRC-32) differs from the archive's.",
    );
    await write({ 'data.npz': archive.subarray(0, 1000) });
    expect(await refusal()).toMatch(/^DIR\/data\.npz is no \.npz archive that can be read \(/);
  });
});

test('a folder with no data set, none at all, and options that fit none', async () => {
  await write({ 'notes.txt': 'nothing' });
  expect(await refusal()).toMatch(/^DIR holds no data set that is read here: IDX files /);
  expect(await refusal({}, join(folder, 'missing'))).toBe('There is no folder or .npz file DIR/missing.');
  await write(idxFiles(...digits));
  await expect(openDataset(folder, { resize: [8, 8] })).rejects.toThrow(UsageError);
  await expect(openDataset(folder, { resize: [8, 0] })).rejects.toThrow(
    'openDataset: resize[1] must be a whole number of at least 1, not 0.',
  );
  await expect(openDataset(folder, { testShare: 1 })).rejects.toThrow(/testShare must be a share above 0 and below 1/);
  await expect(openDataset(folder, { transposed: true } as DatasetOptions)).rejects.toThrow(/no option "transposed"/);
});
