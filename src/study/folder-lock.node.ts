/**
 * One writer for a run's or a study's folder. The lock is a file in it that names its owner: process, host, and when that
 * process began, so that a lock whose owner was killed is known for stale, also where its number has gone to another process.
 * An owner on another host cannot be looked for; its lock holds until somebody deletes the file.
 */
import { readFileSync, realpathSync, unlinkSync } from 'node:fs';
import { link, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { DataError, FolderLockedError } from '../devices/errors.ts';
import { unwritable } from '../train/atomic-file.node.ts';

/** The lock's name in the folder. */
export const LOCK_FILE = '.weft.lock';

interface Owner {
  readonly pid: number;
  readonly host: string;
  /** When the process began, as the system tells it; empty where it does not. */
  readonly began: string;
  /** When the lock was taken. */
  readonly since: string;
  readonly command: string;
}

/** Locks of this process by path; those that are still held go when it exits. */
const held = new Map<string, string>();
process.on('exit', () => {
  for (const path of held.keys()) release(path);
});

/** Attempts on a lock that comes and goes in between. */
const ATTEMPTS = 20;
/** Milliseconds in which an owner has written its name into the file that it has made. */
const NAMING_TIME = 200;

export class FolderLock {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /**
   * Takes the lock of a folder, which is made where it lacks.
   * @param command what is at work, for the sentence that somebody else gets
   * @throws FolderLockedError naming the owner, where there is one; DataError where the folder cannot be written
   */
  static async take(folder: string, command = 'weft'): Promise<FolderLock> {
    const path = await lockPath(folder);
    const owner: Owner = {
      pid: process.pid,
      host: hostname(),
      began: beginningOf(process.pid),
      since: new Date().toISOString(),
      command,
    };
    const text = `${JSON.stringify(owner)}\n`;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (await create(path, text)) {
        held.set(path, text);
        return new FolderLock(path);
      }
      const before = await readLock(path);
      if (before === undefined) continue;
      const other = parseOwner(before);
      if (other && isAtWork(other, path)) throw new FolderLockedError(refusal(folder, path, other));
      await removeStale(path, before);
    }
    throw new FolderLockedError(`${folder} is being locked and unlocked by other processes; try again.`);
  }

  /** Gives the folder free; twice is harmless. */
  release(): void {
    release(this.#path);
  }
}

/** @throws FolderLockedError where a process that is at work holds the folder */
export async function refuseLocked(folder: string): Promise<void> {
  const path = join(folder, LOCK_FILE);
  const owner = parseOwner(await readFile(path, 'utf8').catch(() => ''));
  if (owner && isAtWork(owner, path)) throw new FolderLockedError(refusal(folder, path, owner));
}

function refusal(folder: string, path: string, { pid, host, since, command }: Owner): string {
  const where = host === hostname() ? 'is at work' : `on ${host} was at work when last seen`;
  return (
    `${folder} is in use: process ${pid} ${where} in it since ${since} (${command}); wait for it or choose another --out` +
    ` (if it is no longer running, delete ${path}).`
  );
}

/** The lock's path, the same by whatever name the folder goes. */
async function lockPath(folder: string): Promise<string> {
  try {
    await mkdir(folder, { recursive: true });
    return join(realpathSync(folder), LOCK_FILE);
  } catch (error) {
    throw unwritable(folder, error);
  }
}

/** Makes the lock, where there is none. */
async function create(path: string, text: string): Promise<boolean> {
  try {
    const handle = await open(path, 'wx');
    try {
      await handle.writeFile(text);
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    } finally {
      await handle.close();
    }
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw unwritable(path, error);
  }
}

/** The lock's contents; undefined where it has gone. An owner may just be writing its name. */
async function readLock(path: string): Promise<string | undefined> {
  for (let waited = 0; ; waited += 20) {
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new DataError(`${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? error}).`);
    }
    if (parseOwner(text) || waited >= NAMING_TIME) return text;
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}

function parseOwner(text: string): Owner | undefined {
  try {
    const { pid, host, began, since, command } = JSON.parse(text) as Owner;
    const isOwner = Number.isSafeInteger(pid) && pid > 0 && [host, began, since, command].every(isText);
    return isOwner ? { pid, host, began, since, command } : undefined;
  } catch {
    return undefined;
  }
}

const isText = (value: unknown): boolean => typeof value === 'string';

function isAtWork({ pid, host, began }: Owner, path: string): boolean {
  if (host !== hostname()) return true;
  if (!isAlive(pid)) return false;
  const now = beginningOf(pid);
  // Where processes are not told apart by their beginning, this one knows what it holds itself.
  if (pid === process.pid && began === '') return held.has(pathOf(path));
  return began === '' || now === '' || began === now;
}

function pathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // A process of another user may not be signalled, but it is there.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** When a process began: the start of the system and ticks since then (proc(5), field 22 of stat); empty where unknown. */
function beginningOf(pid: number): string {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\)/s, '').trim().split(' ');
    // Counted from field 3, the state: what is before it has gone with the name, which may hold spaces.
    if (fields[0] === 'Z' || fields[0] === 'X') return 'ended';
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${fields[19]}`;
  } catch {
    return '';
  }
}

/** Takes a stale lock away, unless somebody else has done so and holds the folder now. */
async function removeStale(path: string, stale: string): Promise<void> {
  const aside = `${path}.${process.pid}-stale.part`;
  try {
    await rename(path, aside);
    if ((await readFile(aside, 'utf8')) !== stale) await link(aside, path);
  } catch (error) {
    // Gone already, or there is a new one: the next attempt sees which.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'EEXIST') throw unwritable(path, error);
  } finally {
    await rm(aside, { force: true });
  }
}

function release(path: string): void {
  const own = held.get(path);
  held.delete(path);
  try {
    if (own !== undefined && readFileSync(path, 'utf8') === own) unlinkSync(path);
  } catch {
    // A folder that was moved or deleted has no lock to give back.
  }
}

/** A name that `writeFileAtomically` gives what it has not finished: `.NAME.PID-COUNT.part`. */
const PARTIAL = /^\..+\.(\d+)-\w+\.part$/;

/** Whether a name is that of a file which was never finished. */
export const isPartial = (name: string): boolean => PARTIAL.test(name);

/** Removes what killed processes left half written in a folder that is locked, and in those below it; never fails for it. */
export async function sweepPartials(folder: string): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  for (const { name, parentPath } of entries.filter(entry => entry.isFile())) {
    const pid = Number(PARTIAL.exec(name)?.[1] ?? 0);
    const path = join(parentPath, name);
    if (pid > 0 && (await isLeftOver(path, pid))) await rm(path, { force: true }).catch(() => {});
  }
}

/** Its process is gone; or it had the number of this one, and this one began later. */
async function isLeftOver(path: string, pid: number): Promise<boolean> {
  if (pid !== process.pid) return !isAlive(pid);
  const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }));
  return mtimeMs < performance.timeOrigin;
}
