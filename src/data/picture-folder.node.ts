/**
 * What a folder of pictures holds: `train/CLASS/...` and `test/CLASS/...`, or `CLASS/...` alone. A class is a folder; its
 * pictures are found with everything below it, through symbolic links too. Only names, sizes and times are read here.
 */
import { readdirSync, readFileSync, realpathSync, type Stats, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { DataError } from '../devices/errors.ts';
import { plainText } from '../devices/plain-text.ts';
import { MOST_CLASSES, parseClassNames, someOf } from './dataset.ts';
import type { Split } from './fashion-mnist.ts';
import { OTHER_PICTURE_ENDING, PICTURE_ENDING } from './picture-file.node.ts';
import { GrowingPictureList } from './picture-list.ts';

export interface PictureListing {
  readonly classNames: readonly string[];
  readonly train: GrowingPictureList;
  /** Undefined where no pictures are marked as test images. */
  readonly test: GrowingPictureList | undefined;
  readonly warnings: readonly string[];
}

/** Names that the two parts have; the first one there counts. */
const PARTS: Readonly<Record<Split, readonly string[]>> = {
  train: ['train', 'training'],
  test: ['test', 'testing', 'val', 'valid', 'validation'],
};

/**
 * Lists the pictures of a data set's folder; undefined where it holds none.
 * @throws DataError for too many classes, a class that classes.txt does not name, and test images without training images
 */
export async function listPictures(path: string): Promise<PictureListing | undefined> {
  const roots = partsOf(path);
  const warnings: string[] = [];
  const folders = [roots.train, roots.test].filter(root => root !== undefined);
  const classNames = classNamesOf(path, folders);
  const others: string[] = [];
  const lists: GrowingPictureList[] = [];
  for (const root of folders) {
    const pictures = new GrowingPictureList();
    const walk: Walk = { path, pictures, others };
    for (const name of classNames) {
      if (isFolder(join(root, name))) await collect(walk, join(root, name), classNames.indexOf(name), []);
    }
    lists.push(pictures);
  }
  if (lists.every(list => list.length === 0)) return undefined;
  if (lists[0].length === 0) throw new DataError(`${roots.train} has no training images.`);
  const loose = folders.flatMap(root =>
    names(root)
      .filter(isPictureName)
      .map(name => relative(path, join(root, name))),
  );
  if (loose.length > 0) warnings.push(`Pictures outside the folders of the classes are left out: ${someOf(loose)}.`);
  if (others.length > 0) warnings.push(`Files that are no pictures are left out: ${someOf(others)}.`);
  const unused = PARTS.test.map(name => join(path, name)).filter(part => part !== roots.test && isFolder(part));
  if (roots.test !== undefined && unused.length > 0) {
    warnings.push(
      `Test images are those of ${relative(path, roots.test)}; not used: ${someOf(unused.map(part => relative(path, part)))}.`,
    );
  }
  return { classNames, train: lists[0], test: lists[1], warnings };
}

/** The folders that hold the classes' folders. A part without folders in it is a class that happens to have such a name. */
function partsOf(path: string): { train: string; test: string | undefined } {
  const part = (split: Split): string | undefined =>
    PARTS[split].map(name => join(path, name)).find(folder => isFolder(folder) && subfolders(folder).length > 0);
  const train = part('train');
  return train === undefined ? { train: path, test: undefined } : { train, test: part('test') };
}

/** In the order of classes.txt where there is one; otherwise as numbers, if all names are, or by their characters. */
function classNamesOf(path: string, roots: readonly string[]): string[] {
  const found = [...new Set(roots.flatMap(subfolders))];
  if (found.length > MOST_CLASSES) {
    throw new DataError(`${path} has ${found.length} classes (folders); at most ${MOST_CLASSES} are read.`);
  }
  const list = join(path, 'classes.txt');
  if (aboutFile(list)?.isFile()) {
    const listed = parseClassNames(readFileSync(list, 'utf8'), list);
    const strangers = found.filter(name => !listed.includes(name));
    if (strangers.length === 0) return listed;
    throw new DataError(
      `${list} does not name the ${strangers.length === 1 ? 'folder' : 'folders'} ${someOf(strangers)}.`,
    );
  }
  const areNumbers = found.every(name => /^(0|[1-9]\d{0,8})$/.test(name));
  return found.sort(areNumbers ? (a, b) => Number(a) - Number(b) : (a, b) => (a < b ? -1 : 1));
}

interface Walk {
  readonly path: string;
  readonly pictures: GrowingPictureList;
  /** Files that are no pictures by their names. */
  readonly others: string[];
}

/** @param above real paths of the folders on the way here: a link to one of them is not followed round and round */
async function collect(walk: Walk, folder: string, label: number, above: readonly string[]): Promise<void> {
  const real = realpathSync(folder);
  if (above.includes(real)) return;
  const below = `${relative(walk.path, folder)}${sep}`;
  for (const entry of names(folder)) {
    const path = join(folder, entry);
    const about = aboutFile(path);
    if (about?.isDirectory()) await collect(walk, path, label, [...above, real]);
    else if (isPictureName(entry)) {
      const { size, mtimeMs, ctimeMs } = about ?? { size: 0, mtimeMs: 0, ctimeMs: 0 };
      walk.pictures.add(below, entry, label, size, [mtimeMs, ctimeMs]);
    } else walk.others.push(relative(walk.path, path));
  }
  // Synchronous calls are ten times as fast for thousands of files; between folders others have their turn.
  await setImmediate();
}

/** Entries of a folder in the order of their names, without hidden ones and what macOS adds to archives. */
function names(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter(name => !name.startsWith('.') && name !== '__MACOSX')
      .sort();
  } catch (error) {
    throw new DataError(`${folder} cannot be read (${plainText(String((error as NodeJS.ErrnoException).code))}).`);
  }
}

const aboutFile = (path: string): Stats | undefined => {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined; // A link that leads to itself.
  }
};
const isFolder = (path: string): boolean => aboutFile(path)?.isDirectory() === true;
const subfolders = (folder: string): string[] => names(folder).filter(name => isFolder(join(folder, name)));
const isPictureName = (name: string): boolean => PICTURE_ENDING.test(name) || OTHER_PICTURE_ENDING.test(name);
