/** Photographs on a disk: files as they are named, folders with everything below them, and what they are known to show. */
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DataError } from '../devices/errors.ts';
import { labelOfWord, type PhotoLabel, parseLabels } from './photo-labels.ts';
import { OTHER_PICTURE_ENDING, PICTURE_ENDING } from './picture-file.node.ts';

/** The pictures of garments that come with this package. */
export const GARMENT_DIRECTORY: string = fileURLToPath(new URL('../../assets/garments', import.meta.url));

export interface PhotoFile {
  readonly path: string;
  /** As it is shown: relative to the folder it was found in, or its own name. */
  readonly name: string;
  /** Classes that count as right; undefined where nothing is known. */
  readonly label?: PhotoLabel;
}

export interface FindOptions {
  /** `auto`: labels.json or labels.csv in a folder where there is one, otherwise names of folders; `folders`; `none`; or a file. */
  readonly labels?: string;
}

const LISTS = ['labels.json', 'labels.csv'];

/**
 * The picture files that `paths` mean, in the order of their names within a folder.
 *
 * @param paths files, and folders that are searched with everything below them
 * @throws DataError for a path that is not there, a folder without pictures, or labels that cannot be read
 */
export async function findPhotos(
  paths: readonly string[],
  { labels = 'auto' }: FindOptions = {},
): Promise<PhotoFile[]> {
  const list = ['auto', 'folders', 'none'].includes(labels) ? undefined : await readLabels(labels);
  const photos: PhotoFile[] = [];
  for (const path of paths) {
    const found = await stat(path).catch(() => undefined);
    if (!found) throw new DataError(`There is no file or folder ${path}.`);
    const root = found.isDirectory() ? path : dirname(path);
    const files = found.isDirectory() ? await picturesBelow(path) : [path];
    if (files.length === 0) throw new DataError(`There are no pictures in ${path}.`);
    const own = list ?? (labels === 'auto' ? await ownList(root) : undefined);
    for (const file of files) {
      const name = relative(root, file);
      const label =
        labels === 'none' ? undefined : own ? listed(own, file, name) : labelOfWord(basename(dirname(file)));
      photos.push({ path: file, name: found.isDirectory() ? name : basename(file), label });
    }
  }
  return photos;
}

/**
 * Pictures in a folder and below it, through links too. A link to a folder that holds it is not followed round and round.
 * @param above real paths of the folders on the way here
 */
async function picturesBelow(folder: string, above: readonly string[] = []): Promise<string[]> {
  const real = await realpath(folder);
  if (above.includes(real)) return [];
  const found: string[] = [];
  for (const { name } of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, name);
    // What a link leads to; a link to nothing is kept, so that it is named.
    const about = await stat(path).catch(() => undefined);
    if (about?.isDirectory()) found.push(...(await picturesBelow(path, [...above, real])));
    else if ((!about || about.isFile()) && isPictureName(name)) found.push(path);
  }
  return above.length > 0 ? found : found.sort((a, b) => (a < b ? -1 : 1));
}

const isPictureName = (name: string): boolean => PICTURE_ENDING.test(name) || OTHER_PICTURE_ENDING.test(name);

async function readLabels(path: string): Promise<Map<string, PhotoLabel>> {
  const bytes = await readFile(path).catch(error => {
    throw new DataError(`The labels ${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? error}).`);
  });
  return parseLabels(textOf(bytes), path);
}

/** Spreadsheets mark what they save with a byte order mark, in UTF-8 or UTF-16. */
function textOf(bytes: Uint8Array): string {
  const mark = (bytes[0] << 8) | bytes[1];
  return new TextDecoder(mark === 0xfffe ? 'utf-16le' : mark === 0xfeff ? 'utf-16be' : 'utf-8').decode(bytes);
}

async function ownList(folder: string): Promise<Map<string, PhotoLabel> | undefined> {
  for (const name of LISTS) {
    const path = join(folder, name);
    if (await stat(path).catch(() => undefined)) return readLabels(path);
  }
  return undefined;
}

/** By path below the root, by file name, or by the folder that the file lies in. */
function listed(list: ReadonlyMap<string, PhotoLabel>, file: string, name: string): PhotoLabel | undefined {
  return list.get(name.split(sep).join('/')) ?? list.get(basename(file)) ?? list.get(basename(dirname(file)));
}
