/**
 * Files that are either whole or not there. What is written goes to a temporary name beside the target, is flushed to the
 * disk, and takes the target's name in one step; a process killed at any moment leaves the file as it was before.
 */
import { constants } from 'node:fs';
import { access, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { DataError } from '../devices/errors.ts';

let written = 0;

/**
 * Writes a file atomically; folders that lack are made. Of two writes to one path at the same time, the one that ends last
 * stands, whole.
 *
 * @throws DataError that names the path and the system's reason; the old file, if any, is untouched
 */
export async function writeFileAtomically(path: string, contents: string | Uint8Array): Promise<void> {
  const directory = dirname(path);
  const temporary = join(directory, `.${basename(path)}.${process.pid}-${written++}.part`);
  try {
    await mkdir(directory, { recursive: true });
    const handle = await open(temporary, 'wx');
    try {
      await handle.writeFile(contents);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw unwritable(path, error);
  }
  await flushDirectory(directory);
}

/** The sentence for a file or folder that cannot be written, with the system's reason. */
export function unwritable(path: string, error: unknown): DataError {
  return new DataError(`${path} cannot be written (${(error as NodeJS.ErrnoException).code ?? error}).`);
}

/** The new name must survive a power cut too; not every system lets a directory be opened for that. */
async function flushDirectory(directory: string): Promise<void> {
  try {
    const handle = await open(directory, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EISDIR' && code !== 'EPERM' && code !== 'EINVAL' && code !== 'EACCES') throw error;
  }
}

/**
 * Makes a folder where it lacks, before hours of work end with a file that cannot be written into it.
 * @throws DataError that names the folder and the system's reason
 */
export async function ensureWritable(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK);
  } catch (error) {
    throw unwritable(folder, error);
  }
}

/**
 * Checks that a file can be written, before work is done for it; folders that lack are made.
 * @throws DataError for a folder of that name, and for a place that cannot be written to
 */
export async function checkNewFile(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) throw new DataError(`${path} is a folder; name a file.`);
  await ensureWritable(dirname(path));
}

/** Writes a value as indented JSON with a final newline, atomically. */
export async function writeJsonAtomically(path: string, value: unknown): Promise<void> {
  await writeFileAtomically(path, `${JSON.stringify(value, null, 2)}\n`);
}
