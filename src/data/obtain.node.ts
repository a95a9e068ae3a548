/**
 * Two ways to get Fashion-MNIST onto a machine that lacks it: a download from the data set's home, and Debian's package
 * fetched with `apt-get download`, which needs no root. A file counts only when it is whole: it is checked in memory,
 * written under a temporary name, and renamed; a process killed at any moment leaves either no file or the right one.
 */
import { execFile } from 'node:child_process';
import { access, chmod, constants, mkdir, mkdtemp, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { DataError } from '../devices/errors.ts';
import { type DataFile, type Edition, verifyDataFile } from './fashion-mnist.ts';
import { decompress } from './gzip.node.ts';

const PACKAGE = 'dataset-fashion-mnist';
const STALL_TIMEOUT = 30_000;
const APT_TIMEOUT = 180_000;

/** Makes the directory; the reason (an error code) when it cannot be made or written. */
export async function ensureWritable(directory: string): Promise<string | undefined> {
  try {
    await mkdir(directory, { recursive: true });
    await access(directory, constants.W_OK);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

/** Writes a `.gz` file whose contents have been checked: temporary name, flush, rename. */
async function store(directory: string, file: DataFile, compressed: Uint8Array): Promise<void> {
  const target = join(directory, `${file.name}.gz`);
  const temporary = `${target}.${process.pid}.part`;
  try {
    const handle = await open(temporary, 'w');
    try {
      await handle.writeFile(compressed);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw new DataError(`${target} cannot be written (${(error as NodeJS.ErrnoException).code ?? error}).`);
  }
}

async function checkAndStore(directory: string, file: DataFile, compressed: Uint8Array, from: string): Promise<void> {
  await verifyDataFile(file, await decompress(compressed, file, from), from);
  await store(directory, file, compressed);
}

/** True when the directory already holds this file, whole. */
async function isStored(directory: string, file: DataFile): Promise<boolean> {
  const path = join(directory, `${file.name}.gz`);
  try {
    await verifyDataFile(file, await decompress(await readFile(path), file, path), path);
    return true;
  } catch {
    return false;
  }
}

/** A plain file beside the packed one would be read first; in the cache it is there only if it was found wanting. */
async function removePlain(directory: string, file: DataFile): Promise<void> {
  await rm(join(directory, file.name), { force: true });
}

export interface DownloadOptions {
  baseUrl: string;
  /** Milliseconds until the server must have answered. */
  connectTimeout: number;
  onBytes: (file: string, received: number, total: number | undefined) => void;
}

/**
 * Downloads the edition's `.gz` files into a directory, except those it already holds whole.
 *
 * @throws DataError when the server cannot be reached, refuses, stalls, or sends other bytes than the edition's
 */
export async function downloadEdition(edition: Edition, directory: string, options: DownloadOptions): Promise<void> {
  const base = options.baseUrl.endsWith('/') ? options.baseUrl : `${options.baseUrl}/`;
  // Labels first: they are small, so a server that has something else is found out before the long download.
  const order = [...edition.files].sort((a, b) => a.bytes - b.bytes);
  for (const file of order) {
    if (!(await isStored(directory, file))) {
      const url = `${base}${file.name}.gz`;
      await checkAndStore(directory, file, await fetchBytes(url, longestPacked(file), options), url);
    }
    await removePlain(directory, file);
  }
}

/** Bytes that a `.gz` of the file can have: gzip makes what it cannot compress longer, by less than a hundredth. */
const longestPacked = ({ bytes }: DataFile): number => Math.ceil(1.01 * bytes) + 2 ** 16;

/** @param most bytes that are taken; a server that has more to send is left at once */
async function fetchBytes(url: string, most: number, options: DownloadOptions): Promise<Uint8Array> {
  const controller = new AbortController();
  let limit = options.connectTimeout;
  let timer = setTimeout(() => controller.abort(), limit);
  try {
    const response = await fetch(url, { signal: controller.signal });
    if (!response.ok || response.body === null) {
      throw new DataError(
        `${url} cannot be downloaded: the server answered ${response.status} ${response.statusText}.`,
      );
    }
    const length = Number(response.headers.get('content-length'));
    const total = length > 0 ? length : undefined;
    const refuse = (sent: string): never => {
      controller.abort();
      throw new DataError(`${url} cannot be downloaded: the server sends ${sent}, the file has at most ${most}.`);
    };
    if (length > most) refuse(`${length} bytes`);
    const chunks: Uint8Array[] = [];
    let received = 0;
    limit = STALL_TIMEOUT;
    for await (const chunk of response.body) {
      clearTimeout(timer);
      timer = setTimeout(() => controller.abort(), limit);
      received += chunk.length;
      if (received > most) refuse(`more than ${received - 1} bytes`);
      chunks.push(chunk);
      options.onBytes(url, received, total);
    }
    return Buffer.concat(chunks);
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(`${url} cannot be downloaded: ${reasonOf(error, controller.signal.aborted, limit)}.`);
  } finally {
    clearTimeout(timer);
  }
}

/** `fetch failed` hides its reason in `cause`, and that in a list when several addresses were tried. */
function reasonOf(error: unknown, timedOut: boolean, limit: number): string {
  if (timedOut) return `no answer within ${limit / 1000} s`;
  let reason = error as Error;
  while (reason.cause instanceof Error) reason = reason.cause;
  if (reason instanceof AggregateError && reason.errors.length > 0) reason = reason.errors[0];
  return reason.message || (reason as NodeJS.ErrnoException).code || String(error);
}

export interface PackageOptions {
  aptGet: string;
  note: (message: string) => void;
}

/**
 * Fetches Debian's package with `apt-get download` into a temporary directory, unpacks it with `dpkg-deb -x` and stores
 * its files. On a machine whose package lists are missing (containers delete them) they are fetched, into the temporary
 * directory too, so that no root is needed.
 *
 * @throws DataError when there is no apt-get, or the package cannot be had, or does not hold the edition
 */
export async function unpackDebianPackage(edition: Edition, directory: string, options: PackageOptions): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), 'weft-package-'));
  try {
    await chmod(scratch, 0o755); // apt's own unprivileged user must be able to look in
    options.note(`Fetching Debian's package ${PACKAGE} with ${options.aptGet} download`);
    await fetchPackage(scratch, options);
    const archive = (await readdir(scratch)).find(name => name.endsWith('.deb'));
    if (archive === undefined) throw new DataError(`${options.aptGet} download left no .deb file of ${PACKAGE}.`);
    await execute('dpkg-deb', ['-x', archive, 'unpacked'], scratch);
    for (const file of edition.files) {
      const inside = join('usr/share/datasets/fashion-mnist', `${file.name}.gz`);
      const from = `${archive}: ${inside}`;
      let compressed: Uint8Array;
      try {
        compressed = await readFile(join(scratch, 'unpacked', inside));
      } catch {
        throw new DataError(`${archive} has no ${inside}.`);
      }
      await checkAndStore(directory, file, compressed, from);
      await removePlain(directory, file);
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function fetchPackage(scratch: string, { aptGet, note }: PackageOptions): Promise<void> {
  const quick = ['-o', 'Acquire::http::Timeout=10', '-o', 'Acquire::https::Timeout=10', '-o', 'Acquire::Retries=1'];
  try {
    await execute(aptGet, ['-q', ...quick, 'download', PACKAGE], scratch);
  } catch (error) {
    if (!(error instanceof DataError) || !/unable to locate|no packages found|can't find/i.test(error.message)) {
      throw error;
    }
    note(`${aptGet} does not know ${PACKAGE}; fetching the package lists into a temporary directory`);
    const lists = join(scratch, 'lists');
    const cache = join(scratch, 'cache');
    await mkdir(join(lists, 'partial'), { recursive: true });
    await mkdir(join(cache, 'archives', 'partial'), { recursive: true });
    const own = [...quick, '-o', `Dir::State::lists=${lists}`, '-o', `Dir::Cache=${cache}`];
    await execute(aptGet, ['-q', ...own, 'update'], scratch);
    await execute(aptGet, ['-q', ...own, 'download', PACKAGE], scratch);
  }
}

const execFileAsync = promisify(execFile);

async function execute(program: string, parameters: string[], directory: string): Promise<void> {
  try {
    await execFileAsync(program, parameters, {
      cwd: directory,
      timeout: APT_TIMEOUT,
      maxBuffer: 2 ** 24,
      env: { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
    });
  } catch (error) {
    const failure = error as Error & { code?: string | number; killed?: boolean; stderr?: string };
    if (failure.code === 'ENOENT') throw new DataError(`${program} is not on this machine.`);
    if (failure.killed) throw new DataError(`${program} was stopped after ${APT_TIMEOUT / 1000} s.`);
    const complaints = (failure.stderr ?? '').split('\n').filter(line => line.startsWith('E:') || /error/i.test(line));
    throw new DataError(`${program} failed (${complaints.join(' ').trim() || `exit code ${failure.code}`}).`);
  }
}
