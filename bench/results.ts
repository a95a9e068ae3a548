/** What a run leaves behind: every timing with what it was measured against, as plain data, and where it is kept. */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { arch, cpus, loadavg, platform, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Ceilings } from './ceilings.ts';
import type { Case } from './contender.ts';
import type { Outcome } from './harness.ts';
import type { EpochResult } from './networks/own.ts';
import type { Operation } from './operations.ts';
import type { Timing } from './statistics.ts';

export interface Row extends Case {
  readonly operation?: Operation;
  readonly outcomes: readonly Outcome[];
}

export interface PeerState {
  readonly name: string;
  readonly description?: string;
  readonly missing?: string;
}

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
  /** Processes that wanted to run in the minute before: above a few tenths, someone else is at work. */
  readonly loadBefore: number;
}

/** How a run stands to one gate (gates.ts). */
export interface Verdict {
  readonly what: string;
  readonly gate: string;
  readonly goal: string;
  readonly measured: string;
  /** `no gate`: only a goal was set, and it is not reached. */
  readonly verdict: 'goal' | 'gate' | 'missed' | 'no gate' | 'not measured';
}

export interface Results {
  readonly date: string;
  readonly machine: Machine;
  readonly device: { readonly kind: string; readonly adapter: string; readonly description: string };
  readonly threads: number;
  readonly quick: boolean;
  readonly peers: readonly PeerState[];
  readonly ceilings?: Ceilings;
  readonly rows: readonly Row[];
  readonly epoch?: EpochResult;
  readonly gates: readonly Verdict[];
}

export function describeMachine(): Machine {
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${platform()}-${arch()}`,
    node: process.version,
    loadBefore: Math.round(100 * loadavg()[0]) / 100,
  };
}

/** The timing of the contender whose name is `contender` or starts with it; undefined where there is none. */
export function timingOf(rows: readonly Row[], id: string, contender: string): Timing | undefined {
  const outcome = rows.find(row => row.id === id)?.outcomes.find(one => isNamed(one.contender, contender));
  return outcome && 'timing' in outcome ? outcome.timing : undefined;
}

/** Why there is no such timing, in a few words. */
export function reasonOf({ rows, peers }: Pick<Results, 'rows' | 'peers'>, id: string, contender: string): string {
  const row = rows.find(one => one.id === id);
  if (!row) return `"${id}" was not run`;
  const outcome = row.outcomes.find(one => isNamed(one.contender, contender));
  if (!outcome) {
    const peer = peers.find(({ name }) => name === contender);
    return `${contender}: ${peer ? (peer.missing ?? 'not run') : 'not asked for'}`;
  }
  if ('failed' in outcome) return `${contender} failed: ${outcome.failed}`;
  return 'missing' in outcome ? `${contender}: ${outcome.missing}` : 'measured';
}

/** `weft` means the device's own choice, not a variant that was named. */
export function isNamed(contender: string, wanted: string): boolean {
  return contender === wanted || (wanted === 'weft' && /^weft [^/]+$/.test(contender));
}

/**
 * Device, what computes behind it, and day as a file name of letters, digits and dashes: of an adapter its description up to
 * the first parenthesis, of a device on the CPU the processor.
 */
export function resultFileName({ device, machine, date }: Pick<Results, 'device' | 'machine' | 'date'>): string {
  const who = device.kind === 'webgpu' ? device.description.replace(/\(.*/, '') : machine.processor;
  const clean = `${device.kind} ${who}`
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');
  return `${clean}-${date.slice(0, 10)}.json`;
}

export function defaultResultPath(fileName: string): string {
  return join(fileURLToPath(new URL('results', import.meta.url)), fileName);
}

/** Writes the file whole or not at all. */
export async function writeResults(path: string, results: Results): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const unfinished = `${path}.unfinished`;
  await writeFile(unfinished, `${JSON.stringify(results, rounded, 1)}\n`);
  await rename(unfinished, path);
}

/** Six digits are more than any timing has. */
function rounded(_: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value;
}
