/**
 * What says that a stage is done: `stage.json` in its folder, written in one step when everything else there is complete.
 * It holds what went in (to see whether that has changed) and the checksums of what came out (to see whether it is still
 * there, and so that stages that read it know it by its contents). While a stage is at work the file says so; a folder
 * that was cut off is known by that.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { UsageError } from '../devices/errors.ts';
import { writeJsonAtomically } from '../train/atomic-file.node.ts';
import { isPartial, LOCK_FILE, refuseLocked } from './folder-lock.node.ts';

const FILE = 'stage.json';
const FORMAT = 'weft-stage-1';

export interface Stamp {
  readonly format: typeof FORMAT;
  readonly stage: string;
  readonly state: 'begun' | 'done';
  /** Of everything that decides the result. */
  readonly inputs: string;
  /** Seconds of work so far, earlier attempts that were stopped in good order included. */
  readonly seconds: number;
  /** How often work on it was taken up. */
  readonly attempts: number;
  /** SHA-256 of every product by its path in the folder; empty until it is done. */
  readonly products: Readonly<Record<string, string>>;
  /** Stands for what later stages read of it; empty until it is done. */
  readonly output: string;
}

/** JSON with the keys of every object in order: the same for equal values, however they were put together. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

/** SHA-256 in hexadecimal of bytes, or of a value's canonical JSON. */
export function fingerprint(value: unknown): string {
  const bytes = value instanceof Uint8Array ? value : (canonicalJson(value) ?? 'undefined');
  return createHash('sha256').update(bytes).digest('hex');
}

/** The stamp of a stage's folder; undefined where there is none or where it cannot be understood. */
export async function readStamp(folder: string): Promise<Stamp | undefined> {
  try {
    const stamp = JSON.parse(await readFile(join(folder, FILE), 'utf8')) as Stamp;
    const isWhole =
      stamp.format === FORMAT &&
      (stamp.state === 'begun' || stamp.state === 'done') &&
      [stamp.stage, stamp.inputs, stamp.output].every(text => typeof text === 'string') &&
      Number.isFinite(stamp.seconds) &&
      Number.isFinite(stamp.attempts) &&
      isProducts(stamp.products);
    return isWhole ? stamp : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Checksums by paths that stay within the study, whose folder is that of the stage's: a stamp may come from elsewhere, and
 * looking for what it names must not wander over the disk.
 */
function isProducts(products: unknown): boolean {
  if (typeof products !== 'object' || products === null) return false;
  return Object.entries(products).every(([path, sum]) => {
    const inStudy = relative('/study', resolve('/study/stage', path));
    return typeof sum === 'string' && !isAbsolute(path) && inStudy !== '' && inStudy.split(sep)[0] !== '..';
  });
}

export async function writeStamp(folder: string, stamp: Omit<Stamp, 'format'>): Promise<Stamp> {
  const whole: Stamp = { format: FORMAT, ...stamp };
  await writeJsonAtomically(join(folder, FILE), whole);
  return whole;
}

/**
 * Empties a stage's folder.
 * @throws UsageError when the folder holds files and no stage.json: then they are somebody else's
 * @throws FolderLockedError when a run is at work in it
 */
export async function clearStage(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => [] as string[]);
  if (names.length === 0) return;
  if (!names.includes(FILE)) {
    throw new UsageError(`${folder} holds files that are not of a stage of this study; choose another --out.`);
  }
  await refuseLocked(folder);
  // The stamp goes last: a folder that was half emptied is still known as a stage's.
  for (const name of names) if (name !== FILE) await rm(join(folder, name), { recursive: true, force: true });
  await rm(join(folder, FILE), { force: true });
}

/**
 * Checksums of a stage's products by path.
 * @param products files, or folders of which every file counts; what is absent is left out
 */
export async function productSums(folder: string, products: readonly string[]): Promise<Record<string, string>> {
  const paths: string[] = [];
  for (const product of products) {
    const inside = await readdir(join(folder, product), { recursive: true, withFileTypes: true }).catch(
      () => undefined,
    );
    if (!inside) paths.push(product);
    else {
      for (const entry of inside) {
        const path = join(entry.parentPath, entry.name).slice(join(folder, '/').length);
        if (entry.isFile() && entry.name !== LOCK_FILE && !isPartial(entry.name)) paths.push(path);
      }
    }
  }
  const sums: Record<string, string> = {};
  for (const path of paths.sort()) {
    if (path === FILE) continue;
    const bytes = await readFile(join(folder, path)).catch(() => undefined);
    if (bytes) sums[path] = fingerprint(bytes);
  }
  return sums;
}

/** The first product that is no longer what the stamp says, if any. */
export async function lostProduct(folder: string, { products }: Stamp): Promise<string | undefined> {
  const now = await productSums(folder, Object.keys(products));
  return Object.keys(products).find(path => now[path] !== products[path]);
}
