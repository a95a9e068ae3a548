/**
 * What the tuner has found, kept in the cache directory: one file for each adapter with its driver, because a choice is
 * worth nothing on another. A file of another version is passed over: strategies change, and with them what was measured.
 * Tables of adapters that were measured before come with the package; what was measured here goes before them, call by call.
 *
 * A table for the package is made where its adapter is, by `WEFT_CACHE=assets weft bench --tune` in the repository; only
 * choices that beat the untuned ones belong into it.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { VariantChoices } from './variants.ts';

/** Raised when kernels change so much that earlier measurements say nothing any more. */
const VERSION = 1;

export interface TunedChoice {
  readonly variant: string;
  /** Milliseconds of the chosen variant, and of the one that would have been taken without measuring. */
  readonly milliseconds: number;
  readonly untuned: number;
}

export interface TuningTable {
  readonly version: number;
  readonly adapter: string;
  readonly choices: Readonly<Record<string, TunedChoice>>;
}

/** The tables that come with the package. */
export const SHIPPED_TUNING: string = fileURLToPath(new URL('../../assets/tuning', import.meta.url));

const fileName = (adapter: string): string =>
  `${adapter
    .toLowerCase()
    .replace(/[^a-z0-9.]+/g, '-')
    .replace(/^-+|-+$/g, '')}.json`;

/** Where the table of an adapter lies that was measured here. */
export function tuningFile(adapter: string, environment: NodeJS.ProcessEnv = process.env): string {
  const cache =
    environment.WEFT_CACHE ?? join(environment.XDG_CACHE_HOME || join(environment.HOME || homedir(), '.cache'), 'weft');
  return join(cache, 'tuning', fileName(adapter));
}

/**
 * The table of an adapter that was measured here; undefined when there is none, or it is unreadable, of another version or
 * adapter.
 */
export function readTuning(adapter: string, environment?: NodeJS.ProcessEnv): TuningTable | undefined {
  return readTable(tuningFile(adapter, environment), adapter);
}

/** The table of an adapter that comes with the package, under the same conditions. */
export function readShippedTuning(adapter: string, folder: string = SHIPPED_TUNING): TuningTable | undefined {
  return readTable(join(folder, fileName(adapter)), adapter);
}

function readTable(file: string, adapter: string): TuningTable | undefined {
  try {
    const table = JSON.parse(readFileSync(file, 'utf8')) as TuningTable;
    return table.version === VERSION && table.adapter === adapter ? table : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The choices for an adapter, as devices take them: those measured here, and the package's for calls that were not.
 * @param shipped the folder of the package's tables
 */
export function tunedChoices(
  adapter: string,
  environment?: NodeJS.ProcessEnv,
  shipped?: string,
): VariantChoices | undefined {
  const tables = [readShippedTuning(adapter, shipped), readTuning(adapter, environment)];
  if (tables.every(table => table === undefined)) return undefined;
  const choices = Object.assign({}, ...tables.map(table => table?.choices)) as TuningTable['choices'];
  return new Map(Object.entries(choices).map(([key, { variant }]) => [key, variant]));
}

/** Adds choices to the table of an adapter that is measured here; returns the file. */
export function writeTuning(
  adapter: string,
  choices: Readonly<Record<string, TunedChoice>>,
  environment?: NodeJS.ProcessEnv,
): string {
  const file = tuningFile(adapter, environment);
  const table: TuningTable = {
    version: VERSION,
    adapter,
    choices: { ...readTuning(adapter, environment)?.choices, ...choices },
  };
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.unfinished`, `${JSON.stringify(table, undefined, 1)}\n`);
  renameSync(`${file}.unfinished`, file);
  return file;
}
