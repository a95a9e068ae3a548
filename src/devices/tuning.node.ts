/**
 * What the tuner has found, kept in the cache directory: one file for each adapter with its driver, because a choice is
 * worth nothing on another. A file of another version is passed over: strategies change, and with them what was measured.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
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

/** Where the table of an adapter lies. */
export function tuningFile(adapter: string, environment: NodeJS.ProcessEnv = process.env): string {
  const cache =
    environment.WEFT_CACHE ?? join(environment.XDG_CACHE_HOME || join(environment.HOME || homedir(), '.cache'), 'weft');
  const name = adapter
    .toLowerCase()
    .replace(/[^a-z0-9.]+/g, '-')
    .replace(/^-+|-+$/g, '');
  return join(cache, 'tuning', `${name}.json`);
}

/** The table of an adapter; undefined when there is none, or it is unreadable, of another version or adapter. */
export function readTuning(adapter: string, environment?: NodeJS.ProcessEnv): TuningTable | undefined {
  try {
    const table = JSON.parse(readFileSync(tuningFile(adapter, environment), 'utf8')) as TuningTable;
    return table.version === VERSION && table.adapter === adapter ? table : undefined;
  } catch {
    return undefined;
  }
}

/** The choices of an adapter's table, as devices take them. */
export function tunedChoices(adapter: string, environment?: NodeJS.ProcessEnv): VariantChoices | undefined {
  const table = readTuning(adapter, environment);
  return table && new Map(Object.entries(table.choices).map(([key, { variant }]) => [key, variant]));
}

/** Adds choices to an adapter's table; returns the file. */
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
