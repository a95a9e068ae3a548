/**
 * Data sets in NumPy's .npz (a ZIP archive of .npy files): `x_train` and `x_test` hold bytes `[N, H, W]` or `[N, H, W, C]`,
 * `y_train` and `y_test` whole numbers `[N]` or `[N, 1]`. yauzl reads the archive; it is loaded when one is read. Every
 * array streams from the file into its place and is checked against the archive's own sums.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Entry, ZipFile } from 'yauzl';
import { DataError } from '../devices/errors.ts';
import { plainText } from '../devices/plain-text.ts';
import { formatShape, sizeOf } from '../devices/shape.ts';
import { type NpyHeader, parseNpyHeader } from '../interop/npy.ts';
import { type Checksum, type DatasetParts, MOST_CLASSES, parseClassNames, someOf, splitOffTest } from './dataset.ts';
import { type DatasetOptions, TEST_SHARE } from './dataset-options.ts';
import { type Declared, readDeclared } from './declared-bytes.node.ts';
import type { ImageSet, Split } from './fashion-mnist.ts';

/** Bytes of an element, and how one is read. */
type Element = readonly [bytes: number, read: (view: DataView, at: number) => number];

/** Whole numbers, by NumPy's names without the mark of their byte order. */
const INTEGERS: Readonly<Record<string, (littleEndian: boolean) => Element>> = {
  u1: () => [1, (view, at) => view.getUint8(at)],
  i1: () => [1, (view, at) => view.getInt8(at)],
  u2: little => [2, (view, at) => view.getUint16(at, little)],
  i2: little => [2, (view, at) => view.getInt16(at, little)],
  u4: little => [4, (view, at) => view.getUint32(at, little)],
  i4: little => [4, (view, at) => view.getInt32(at, little)],
  u8: little => [8, (view, at) => Number(view.getBigUint64(at, little))],
  i8: little => [8, (view, at) => Number(view.getBigInt64(at, little))],
};

/** The one archive that `path` is or holds; undefined where there is none. */
export async function findNpz(path: string): Promise<string | undefined> {
  if ((await stat(path)).isFile()) return path.endsWith('.npz') ? path : undefined;
  const found = (await readdir(path)).filter(name => name.endsWith('.npz')).sort();
  if (found.length > 1)
    throw new DataError(`${path} holds several .npz archives (${someOf(found)}); name one of them.`);
  return found.length === 1 ? join(path, found[0]) : undefined;
}

/**
 * Reads an .npz data set.
 * @throws DataError for an archive that is damaged, lacks an array, or has arrays of other kinds
 */
export async function readNpz(path: string, options: DatasetOptions): Promise<DatasetParts> {
  const { openPromise } = await import('yauzl');
  let zip: ZipFile;
  try {
    zip = await openPromise(path, { lazyEntries: true, autoClose: false });
  } catch (error) {
    throw new DataError(`${path} is no .npz archive that can be read (${plainText((error as Error).message)}).`);
  }
  try {
    const { size } = await stat(path);
    return await readArchive({ zip, path, size, entries: await entriesOf(zip, path) }, options);
  } finally {
    zip.close();
  }
}

interface Archive {
  readonly zip: ZipFile;
  readonly path: string;
  /** Bytes of the file. */
  readonly size: number;
  /** By name without `.npy`. */
  readonly entries: ReadonlyMap<string, Entry>;
}

async function entriesOf(zip: ZipFile, path: string): Promise<Map<string, Entry>> {
  const entries = new Map<string, Entry>();
  try {
    for await (const entry of zip.eachEntry()) entries.set(entry.fileName.replace(/\.npy$/, ''), entry);
  } catch (error) {
    throw new DataError(`${path} is damaged: ${plainText((error as Error).message)}.`);
  }
  return entries;
}

async function readArchive(archive: Archive, options: DatasetOptions): Promise<DatasetParts> {
  const { path, entries } = archive;
  const { testShare = TEST_SHARE, splitSeed = 0 } = options;
  const checksums: Checksum[] = [];
  const warnings: string[] = [];
  let train = await readSplit(archive, 'train', checksums);
  let test: ImageSet;
  if (entries.has('x_test') || entries.has('y_test')) test = await readSplit(archive, 'test', checksums);
  else {
    ({ train, test } = splitOffTest(train, testShare, splitSeed));
    warnings.push(
      `There is no x_test; ${test.count} of the ${train.count + test.count} training images, drawn with seed ` +
        `${splitSeed}, are the test images.`,
    );
  }
  const list = join(dirname(path), 'classes.txt');
  const text = await readFile(list, 'utf8').catch(() => undefined);
  let last = 0;
  for (const { labels } of [train, test]) for (const label of labels) last = Math.max(last, label);
  const classNames =
    text === undefined ? Array.from({ length: last + 1 }, (_, label) => String(label)) : parseClassNames(text, list);
  return { train, test, classNames, provenance: { format: 'npz', path, checksums, preparation: [] }, warnings };
}

async function readSplit(archive: Archive, split: Split, checksums: Checksum[]): Promise<ImageSet> {
  const labels = await readLabels(archive, `y_${split}`, checksums);
  const { header, data } = await readArray(archive, `x_${split}`, checksums, ({ descr, shape }, name) => {
    if (descr !== '|u1') {
      throw new DataError(`${name} holds '${descr}'; images must be bytes from 0 to 255 ('|u1', numpy.uint8).`);
    }
    const [, height = 0, width = 0, channels = 1] = shape;
    const isImages = (shape.length === 3 || shape.length === 4) && height > 0 && width > 0;
    if (!isImages || channels < 1 || channels > 4) {
      throw new DataError(
        `${name} has the shape ${formatShape(shape)}; images are [N, H, W] or [N, H, W, C] with 1 to 4 channels.`,
      );
    }
    if (shape[0] !== labels.length) {
      throw new DataError(`${name} has ${shape[0]} images, but y_${split} has ${labels.length} labels.`);
    }
    return 1;
  });
  const [count, height, width, channels = 1] = header.shape;
  return { images: data, labels, count, height, width, channels };
}

async function readLabels(archive: Archive, array: string, checksums: Checksum[]): Promise<Uint8Array> {
  let element: Element | undefined;
  const { header, data } = await readArray(archive, array, checksums, ({ descr, shape }, name) => {
    element = INTEGERS[descr.slice(1)]?.(descr[0] !== '>');
    if (!element) throw new DataError(`${name} holds '${descr}'; labels must be whole numbers.`);
    if (shape.length !== 1 && !(shape.length === 2 && shape[1] === 1)) {
      throw new DataError(`${name} has the shape ${formatShape(shape)}; labels are [N] or [N, 1].`);
    }
    return element[0];
  });
  const [bytes, read] = element!;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return Uint8Array.from({ length: header.shape[0] }, (_, i) => {
    const label = read(view, i * bytes);
    if (label >= 0 && label < MOST_CLASSES) return label;
    throw new DataError(`${archive.path}: ${array}[${i}] is ${label}; labels are from 0 to ${MOST_CLASSES - 1}.`);
  });
}

/**
 * One array of an archive.
 * @param accept refuses what the header tells of, and says how many bytes an element has
 */
async function readArray(
  { zip, path, size, entries }: Archive,
  array: string,
  checksums: Checksum[],
  accept: (header: NpyHeader, name: string) => number,
): Promise<{ header: NpyHeader & Declared; data: Uint8Array }> {
  const entry = entries.get(array);
  if (!entry) {
    const names = entries.size > 0 ? someOf([...entries.keys()]) : 'nothing';
    throw new DataError(`${path} has no array ${array}; it holds ${names}.`);
  }
  const name = `${path} (${array})`;
  const { uncompressedSize, compressedSize } = entry;
  // Deflate cannot shrink anything to less than a 1032nd, so a larger claim is none that the file can keep.
  if (compressedSize > size || uncompressedSize > 1032 * compressedSize) {
    throw new DataError(`${name} is damaged: ${compressedSize} bytes cannot hold ${uncompressedSize}.`);
  }
  const parse = (head: Uint8Array, ended: boolean): (NpyHeader & Declared) | undefined => {
    if (!ended && head.length < npyHeaderBytes(head)) return undefined;
    const header = parseNpyHeader(head, name);
    if (header.fortranOrder && header.shape.filter(extent => extent !== 1).length > 1) {
      throw new DataError(`${name} is in Fortran order; save it with numpy.ascontiguousarray.`);
    }
    return { ...header, dataBytes: sizeOf(header.shape) * accept(header, name) };
  };
  const check = ({ dataStart, dataBytes, shape }: NpyHeader & Declared): void => {
    if (dataStart + dataBytes === uncompressedSize) return;
    throw new DataError(
      `${name} is damaged: the shape ${formatShape(shape)} takes ${dataBytes} bytes, found ${uncompressedSize - dataStart}.`,
    );
  };
  let sum = 0;
  try {
    const stream = await zip.openReadStreamPromise(entry);
    const { header, data, sha256 } = await readDeclared(
      watched(stream, chunk => {
        sum = crc32(chunk, sum);
      }),
      name,
      parse,
      check,
    );
    if (sum !== entry.crc32)
      throw new DataError(`${name} is damaged: its checksum (CRC-32) differs from the archive's.`);
    checksums.push({ name: `${array}.npy`, sha256 });
    return { header, data };
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(`${name} is damaged: ${plainText((error as Error).message)}.`);
  }
}

/** How many bytes the magic string, version, length and header of an .npy file take; at least 12 of them must be there. */
function npyHeaderBytes(head: Uint8Array): number {
  if (head.length < 12) return 12;
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  return head[6] === 1 ? 10 + view.getUint16(8, true) : 12 + view.getUint32(8, true);
}

async function* watched(chunks: AsyncIterable<Uint8Array>, see: (chunk: Uint8Array) => void) {
  for await (const chunk of chunks) {
    see(chunk);
    yield chunk;
  }
}
