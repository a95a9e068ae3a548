/**
 * A training run as a folder: what the run is (config.json), what happened (log.jsonl, a line of JSON per event), what came
 * out (metrics.json, figures/) and the states it can go on from (checkpoints/). Files are written whole or not at all, and
 * the log is only appended to, so a process killed at any moment leaves a folder that can be resumed.
 */
import { appendFile, mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError, UsageError } from '../devices/errors.ts';
import type { ModelSpec } from '../nn/index.ts';
import { unwritable, writeFileAtomically, writeJsonAtomically } from '../train/atomic-file.node.ts';
import { readCheckpointInfo } from '../train/checkpoint.node.ts';
import { historyOf } from '../train/checkpoint-info.ts';
import type { CheckpointInfo, Recipe, TrainedOn } from '../train/index.ts';
import { isPartial, LOCK_FILE } from './folder-lock.node.ts';

/** What a run's identity says of the images it leaves out. */
export interface DroppedIdentity {
  readonly images: number;
  /** SHA-256 of the ascending indices as JSON. */
  readonly sha256: string;
}

/** What makes a run this run: a checkpoint of any other is refused. */
export interface RunIdentity {
  readonly model: ModelSpec;
  readonly seed: number;
  /** Kept in every checkpoint as its `options`. */
  readonly trained: TrainedOn & {
    readonly recipe: Recipe;
    readonly from?: string;
    readonly dropped?: DroppedIdentity;
  };
}

/**
 * `last`: the state to go on from; `best`: the model of the best epoch on the images held out; `model`: what the run gives.
 */
export type RunCheckpoint = 'last' | 'best' | 'model';

/** Lists the training images that a run leaves out. */
export const LEFT_OUT_FILE = 'left-out.json';

const CHECKPOINTS: readonly RunCheckpoint[] = ['last', 'best', 'model'];

export class RunFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  checkpoint(name: RunCheckpoint): string {
    return join(this.path, 'checkpoints', `${name}.safetensors`);
  }

  get #log(): string {
    return join(this.path, 'log.jsonl');
  }

  /**
   * Whether a new run may begin here: in a folder that is not there or empty, or that holds a run without a checkpoint.
   * @param replaces a run that got further may be lost
   * @throws UsageError for a folder that holds anything else
   */
  async checkFree(replaces: boolean): Promise<void> {
    const config = await this.#config();
    if (!config) {
      const strange = await this.#strangeName();
      if (strange === undefined) return;
      throw new UsageError(
        `${this.path} is not the folder of a run (it holds ${JSON.stringify(strange)}); choose another --out.`,
      );
    }
    if (replaces) return;
    const { model, seed } = config;
    if (await isThere(join(this.path, 'metrics.json'))) {
      throw new UsageError(
        `${this.path} holds a finished run (${model.name}, seed ${seed}); choose another --out, or replace it with --force.`,
      );
    }
    if (await this.isResumable()) {
      throw new UsageError(
        `${this.path} holds a run that was cut off (${model.name}, seed ${seed}); go on with it with --resume, ` +
          `choose another --out, or replace it with --force.`,
      );
    }
  }

  /** The run's config.json; undefined where there is none of a run. */
  async #config(): Promise<RunIdentity | undefined> {
    try {
      const config = JSON.parse(await readFile(join(this.path, 'config.json'), 'utf8'));
      const isRun = typeof config.model?.name === 'string' && typeof config.recipe === 'object' && 'seed' in config;
      return isRun ? config : undefined;
    } catch {
      return undefined;
    }
  }

  /** Something in the folder that no run puts there before its config.json. */
  async #strangeName(): Promise<string | undefined> {
    const names = await readdir(this.path).catch(error => {
      if (error.code === 'ENOENT') return [];
      throw unwritable(this.path, error);
    });
    for (const name of names) {
      if (BEFORE_CONFIG.has(name) || isPartial(name)) continue;
      const isOwnFolder = name === 'checkpoints' || name === 'figures';
      const inside = isOwnFolder ? await readdir(join(this.path, name)).catch(() => [name]) : [name];
      if (!inside.every(isPartial)) return name;
    }
    return undefined;
  }

  /** Makes the folder a run's: a new run begins anew, and nothing of one before is left beside it. */
  async begin({ model, seed, trained }: RunIdentity, isResumed: boolean): Promise<void> {
    try {
      await mkdir(join(this.path, 'checkpoints'), { recursive: true });
      await mkdir(join(this.path, 'figures'), { recursive: true });
      if (!isResumed) await this.#clear();
    } catch (error) {
      throw unwritable(this.path, error);
    }
    await writeJsonAtomically(join(this.path, 'config.json'), { model, seed, ...trained });
  }

  /** Removes a run's files; config.json stays to say whose folder it is. */
  async #clear(): Promise<void> {
    // What makes the run a finished one goes first: if it is cut off here, what is left says so.
    const files = ['metrics.json', 'profile.json', LEFT_OUT_FILE].map(name => join(this.path, name));
    files.push(...CHECKPOINTS.map(name => this.checkpoint(name)), this.#log);
    for (const file of files) await rm(file, { force: true });
    const figures = await readdir(join(this.path, 'figures'));
    for (const name of figures.filter(one => one.endsWith('.svg'))) await rm(join(this.path, 'figures', name));
  }

  /**
   * The state to go on from.
   * @throws CheckpointError where there is none, or it is of another run
   */
  async resumable({ model, seed, trained }: RunIdentity): Promise<CheckpointInfo> {
    const path = this.checkpoint('last');
    const info = await readCheckpointInfo(path);
    const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
    if (!same(info.model, model) || !same(info.options, trained) || info.seed !== seed || !info.position) {
      throw new CheckpointError(
        `${path} belongs to a run with other options or data (see config.json beside it); repeat those, or choose another --out.`,
      );
    }
    return { ...info, history: historyOf(info, path) };
  }

  /** Whether there is a state to go on from. */
  async isResumable(): Promise<boolean> {
    return isThere(this.checkpoint('last'));
  }

  /**
   * Adds an event to the log.
   * @throws DataError when that cannot be written
   */
  async note(event: object): Promise<void> {
    try {
      await appendFile(this.#log, `${JSON.stringify({ time: new Date().toISOString(), ...event })}\n`);
    } catch (error) {
      throw unwritable(this.#log, error);
    }
  }

  /**
   * How many steps' losses the log holds, from the first one on. Lines that were cut off or damaged go, and losses that no
   * longer follow on those before them; a checkpoint has them all, so they can be added again.
   * @param onDamage told how many lines were damaged, where any were; a last one that was cut off is none
   */
  async loggedSteps(onDamage: (lines: number) => void = () => {}): Promise<number> {
    const text = await readFile(this.#log, 'utf8').catch(() => '');
    const lines = text
      .slice(0, text.lastIndexOf('\n') + 1)
      .split('\n')
      .filter(line => line !== '');
    let steps = 0;
    let damaged = 0;
    let kept = '';
    for (const line of lines) {
      const event = parseEvent(line);
      if (!event) damaged++;
      else if (event.losses && (event.first ?? steps) !== steps) continue;
      else {
        steps += event.losses?.length ?? 0;
        kept += `${line}\n`;
      }
    }
    if (kept !== text) await writeFileAtomically(this.#log, kept);
    if (damaged > 0) onDamage(damaged);
    return steps;
  }

  async writeMetrics(metrics: object): Promise<void> {
    await writeJsonAtomically(join(this.path, 'metrics.json'), metrics);
  }
}

/** Names that may be there before a run's config.json is: a lock, and the mark of a stage of a study. */
const BEFORE_CONFIG: ReadonlySet<string> = new Set([LOCK_FILE, 'stage.json']);

const isThere = async (path: string): Promise<boolean> => (await stat(path).catch(() => undefined)) !== undefined;

/** A line of a log; undefined where it is damaged. */
function parseEvent(line: string): { readonly first?: number; readonly losses?: readonly number[] } | undefined {
  try {
    const event = JSON.parse(line);
    const { first, losses } = event;
    const isWhole =
      typeof event.event === 'string' &&
      (first === undefined || Number.isSafeInteger(first)) &&
      (losses === undefined || Array.isArray(losses));
    return isWhole ? event : undefined;
  } catch {
    return undefined;
  }
}
