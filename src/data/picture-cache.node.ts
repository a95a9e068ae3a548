/**
 * Decoded pictures, kept for the next time. An entry is found by the names, sizes and times of all files and by how they
 * were read; whatever of that changes, the pictures are decoded again. What is read back is checked by its SHA-256.
 */
import { createHash } from 'node:crypto';
import { mkdir, open, readdir, realpath, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { DatasetParts } from './dataset.ts';
import { allocate } from './declared-bytes.node.ts';
import type { ImageSet, Split } from './fashion-mnist.ts';
import type { PictureListing } from './picture-folder.node.ts';

/** Goes up when the same files give other arrays or warnings. */
const VERSION = 2;
const LENGTH_BYTES = 4;
const LONGEST_HEADER = 1 << 24;

/** What is kept of a folder of pictures. */
export type CachedPictures = Pick<DatasetParts, 'train' | 'test'> & {
  readonly warnings: readonly string[];
  /** Places of the pictures that could not be read, in the list of the training pictures and then those of the test. */
  readonly unread: readonly number[];
};

/** Where the pictures of a folder are kept. */
export interface CachePlace {
  readonly directory: string;
  /** What the names of all entries of this folder, read in this way, begin with. */
  readonly prefix: string;
  readonly file: string;
}

/** @param how the options that change what is read */
export async function cachePlace(
  directory: string,
  path: string,
  listing: PictureListing,
  how: unknown,
): Promise<CachePlace> {
  const files = createHash('sha256');
  files.update(JSON.stringify(listing.classNames));
  for (const list of [listing.train, listing.test]) {
    files.update('\n');
    list?.describe(part => files.update(part));
  }
  const folder = createHash('sha256').update(JSON.stringify([await realpath(path), VERSION, how]));
  const prefix = `${folder.digest('hex').slice(0, 16)}-`;
  return { directory, prefix, file: `${prefix}${files.digest('hex').slice(0, 32)}.pictures` };
}

/** SHA-256 of each part: its images, then its labels. */
export function partSums({ train, test }: Pick<CachedPictures, 'train' | 'test'>): Record<Split, string> {
  const sum = ({ images, labels }: ImageSet): string =>
    createHash('sha256').update(images).update(labels).digest('hex');
  return { train: sum(train), test: sum(test) };
}

type Header = Pick<CachedPictures, 'warnings' | 'unread'> & { readonly sums: Readonly<Record<Split, string>> } & Record<
    Split,
    Omit<ImageSet, 'images' | 'labels'>
  >;

const withoutArrays = ({ images: _, labels: __, ...sizes }: ImageSet): Omit<ImageSet, 'images' | 'labels'> => sizes;
const pixelsOf = ({ count, height, width, channels }: Omit<ImageSet, 'images' | 'labels'>): number =>
  count * height * width * channels;

/**
 * Keeps pictures, in place of what was kept of this folder before.
 * @returns the reason where that is not possible
 */
export async function keepPictures(
  { directory, prefix, file }: CachePlace,
  pictures: CachedPictures,
  sums: Record<Split, string>,
): Promise<string | undefined> {
  const { train, test, warnings, unread } = pictures;
  const header: Header = { warnings, unread, sums, train: withoutArrays(train), test: withoutArrays(test) };
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32LE(text.length);
  const temporary = join(directory, `${file}.${process.pid}.part`);
  try {
    await mkdir(directory, { recursive: true });
    const handle = await open(temporary, 'w');
    try {
      for (const part of [length, text, train.labels, test.labels, train.images, test.images]) {
        await handle.writeFile(part);
      }
    } finally {
      await handle.close();
    }
    await rename(temporary, join(directory, file));
    const old = (await readdir(directory)).filter(name => name.startsWith(prefix) && name !== file);
    for (const name of old.filter(one => one.endsWith('.pictures'))) await rm(join(directory, name), { force: true });
    return undefined;
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    return String((error as NodeJS.ErrnoException).code ?? error);
  }
}

/** What was kept; undefined where there is nothing, or it is damaged and must be made again. */
export async function keptPictures({
  directory,
  file,
}: CachePlace): Promise<(CachedPictures & { sums: Record<Split, string> }) | undefined> {
  const handle = await open(join(directory, file)).catch(() => undefined);
  if (!handle) return undefined;
  try {
    const { size } = await handle.stat();
    const read = async (bytes: number): Promise<Uint8Array> => {
      const part = allocate(bytes, file);
      let done = 0;
      while (done < bytes) {
        const { bytesRead } = await handle.read(part, done, bytes - done);
        if (bytesRead === 0) throw new Error('The file is shorter than it says.');
        done += bytesRead;
      }
      return part;
    };
    const [a, b, c, d] = await read(LENGTH_BYTES);
    const length = a + 256 * b + 65536 * c + 16777216 * d;
    if (length > Math.min(size, LONGEST_HEADER)) return undefined;
    const { warnings, unread, sums, train, test }: Header = JSON.parse(new TextDecoder().decode(await read(length)));
    if (LENGTH_BYTES + length + train.count + test.count + pixelsOf(train) + pixelsOf(test) !== size) return undefined;
    const labels = [await read(train.count), await read(test.count)];
    const images = [await read(pixelsOf(train)), await read(pixelsOf(test))];
    const pictures = {
      train: { ...train, images: images[0], labels: labels[0] },
      test: { ...test, images: images[1], labels: labels[1] },
      warnings,
      unread,
    };
    const found = partSums(pictures);
    return found.train === sums.train && found.test === sums.test ? { ...pictures, sums: found } : undefined;
  } catch {
    return undefined;
  } finally {
    await handle.close();
  }
}
