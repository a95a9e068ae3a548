/**
 * Finds Fashion-MNIST on a machine with files: a directory the user named, the cache, the system's data sets, the data
 * set's home on the web, Debian's package, and last the small sample that lies in this package. A directory the user
 * named is taken at its word: if its files are missing or damaged that is an error, nothing else is tried. Every other
 * step down the list is said aloud, the last one in the words "sample data".
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DataError } from '../devices/errors.ts';
import {
  assembleFashionMnist,
  type DataFile,
  type DataSource,
  type Edition,
  type FashionMnist,
  FULL_EDITION,
  type LoadedFile,
  SAMPLE_EDITION,
} from './fashion-mnist.ts';
import { decompress } from './gzip.node.ts';
import { downloadEdition, ensureWritable, unpackDebianPackage } from './obtain.node.ts';

const HOME_PAGE = 'http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/';
const SYSTEM_DIRECTORY = '/usr/share/datasets/fashion-mnist';

/** The sample, seen from `src/data` and from `dist/data` alike. */
export const SAMPLE_DIRECTORY: string = fileURLToPath(new URL('../../assets/fashion-mnist-sample', import.meta.url));

/** What the loader has to say while it works. */
export type DataProgress =
  | { kind: 'note'; message: string }
  | { kind: 'bytes'; file: string; received: number; total: number | undefined };

export interface LoadOptions {
  /** Where the four files are, plain or `.gz`; default: the environment's WEFT_DATA. Nothing else is tried then. */
  dir?: string;
  /** Neither download nor call apt-get. */
  offline?: boolean;
  /** Hears every step; default: notes go to stderr. */
  onProgress?: (progress: DataProgress) => void;
  /** Default: the environment's WEFT_CACHE, or `weft` in XDG_CACHE_HOME or `~/.cache`. */
  cacheDir?: string;
  /** Default: Debian's `/usr/share/datasets/fashion-mnist`. */
  systemDir?: string;
  /** Address of the directory to download from; default: the environment's WEFT_DATA_URL, or the data set's home. */
  baseUrl?: string;
  /** Milliseconds the server may take to answer. */
  connectTimeout?: number;
  /** The apt-get to call. */
  aptGet?: string;
}

/** The directory of cached files, by the rules of the XDG base directory specification; `part` is its last name. */
export function cacheDirectory(environment: NodeJS.ProcessEnv = process.env, part = 'fashion-mnist'): string {
  const own = environment.WEFT_CACHE;
  if (own) return join(own, part);
  return join(environment.XDG_CACHE_HOME || join(homedir(), '.cache'), 'weft', part);
}

/**
 * Loads Fashion-MNIST from the first place that has it; every file is checked by the SHA-256 of its decompressed bytes.
 *
 * @returns training and test set, with `source` telling where they came from and `isSample` whether they are the sample
 * @throws DataError when the directory named by `dir` or WEFT_DATA lacks a file or has a damaged one
 * @example
 * const { train, isSample } = await loadFashionMnist();
 * console.log(train.count, isSample ? 'sample data' : '');
 */
export function loadFashionMnist(options: LoadOptions = {}): Promise<FashionMnist> {
  return searchEdition(FULL_EDITION, options);
}

/** The search behind `loadFashionMnist`, for any edition (a test searches for the small one). */
export async function searchEdition(edition: Edition, options: LoadOptions): Promise<FashionMnist> {
  const report = options.onProgress ?? printNotes;
  const note = (message: string) => report({ kind: 'note', message });

  const named = options.dir ?? process.env.WEFT_DATA;
  if (named) return await readNamedDirectory(named, edition);

  const cacheDir = options.cacheDir ?? cacheDirectory();
  for (const place of [
    { kind: 'cache', path: cacheDir } as const,
    { kind: 'system', path: options.systemDir ?? SYSTEM_DIRECTORY } as const,
  ]) {
    const files = await tryTo(() => readDirectory(place.path, edition), note);
    if (files === undefined || files.size === 0) continue;
    const found = await tryTo(() => assembleFashionMnist(files, place, [edition]), note);
    if (found !== undefined) return found;
  }

  if (options.offline) note('Offline: Fashion-MNIST is not downloaded.');
  else {
    const obtained = await obtain(edition, cacheDir, options, report, note);
    if (obtained !== undefined) return obtained;
  }
  const sample = await readSample();
  note(
    `Using sample data: ${sample.train.count} training and ${sample.test.count} test images that come with this package ` +
      'stand in for Fashion-MNIST, which could not be had. Name a directory that has it by WEFT_DATA.',
  );
  return sample;
}

/** The sample that lies in this package. */
export async function readSample(): Promise<FashionMnist> {
  const files = await readDirectory(SAMPLE_DIRECTORY, SAMPLE_EDITION);
  return await assembleFashionMnist(files, { kind: 'sample', path: SAMPLE_DIRECTORY }, [SAMPLE_EDITION]);
}

async function readNamedDirectory(path: string, edition: Edition): Promise<FashionMnist> {
  const files = await readDirectory(path, edition);
  const editions = edition === SAMPLE_EDITION ? [edition] : [edition, SAMPLE_EDITION];
  return await assembleFashionMnist(files, { kind: 'directory', path }, editions);
}

/** Downloads, or unpacks Debian's package, into the cache (or, where that cannot be written, only into memory). */
async function obtain(
  edition: Edition,
  cacheDir: string,
  options: LoadOptions,
  report: (progress: DataProgress) => void,
  note: (message: string) => void,
): Promise<FashionMnist | undefined> {
  let target = cacheDir;
  const refusal = await ensureWritable(cacheDir);
  if (refusal !== undefined) {
    note(`The cache ${cacheDir} cannot be written (${refusal}); what is obtained now is not kept.`);
    target = await mkdtemp(join(tmpdir(), 'weft-data-'));
  }
  try {
    const baseUrl = options.baseUrl ?? (process.env.WEFT_DATA_URL || HOME_PAGE);
    note(`Downloading Fashion-MNIST from ${baseUrl}`);
    const ways: [DataSource['kind'], () => Promise<void>][] = [
      [
        'download',
        () =>
          downloadEdition(edition, target, {
            baseUrl,
            connectTimeout: options.connectTimeout ?? 5_000,
            onBytes: (file, received, total) => report({ kind: 'bytes', file, received, total }),
          }),
      ],
      ['debian-package', () => unpackDebianPackage(edition, target, { aptGet: options.aptGet ?? 'apt-get', note })],
    ];
    for (const [kind, way] of ways) {
      const found = await tryTo(async () => {
        await way();
        return await assembleFashionMnist(await readDirectory(target, edition), { kind, path: target }, [edition]);
      }, note);
      if (found !== undefined) return found;
    }
    return undefined;
  } finally {
    if (target !== cacheDir) await rm(target, { recursive: true, force: true });
  }
}

/** What `attempt` gives, or undefined after its DataError was said aloud. */
async function tryTo<T>(attempt: () => Promise<T>, note: (message: string) => void): Promise<T | undefined> {
  try {
    return await attempt();
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    note(error.message);
    return undefined;
  }
}

/** Reads and decompresses those of the edition's files that a directory has, plain or `.gz`. */
export async function readDirectory(directory: string, edition: Edition): Promise<Map<string, LoadedFile>> {
  const files = new Map<string, LoadedFile>();
  for (const file of edition.files) {
    const plain = join(directory, file.name);
    const bytes = await readIfPresent(plain, file);
    if (bytes !== undefined) {
      files.set(file.name, { bytes, location: plain });
      continue;
    }
    const packed = `${plain}.gz`;
    const compressed = await readIfPresent(packed, file);
    if (compressed !== undefined) {
      files.set(file.name, { bytes: await decompress(compressed, file, packed), location: packed });
    }
  }
  return files;
}

async function readIfPresent(path: string, file: DataFile): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new DataError(
      `${path} cannot be read (${code ?? error}); SHA-256 of its decompressed bytes should be ${file.sha256}.`,
    );
  }
}

function printNotes(progress: DataProgress): void {
  if (progress.kind === 'note') process.stderr.write(`${progress.message}\n`);
}
