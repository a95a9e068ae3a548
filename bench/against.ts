/**
 * `npm run bench -- --against REF`: this working tree against another revision, which is checked out into a temporary folder
 * and measured by its own bench. Both run in processes of the same kind, taken in turns, so that a machine that heats up or
 * a busy neighbour hits both alike, and each round gives one ratio per case. Against a stored run (`--against FILE.json`)
 * the other side's figures are what they are: its machine was another one, or this one on another day.
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UsageError } from '../src/devices/errors.ts';
import { alignedLines, threeDigits } from '../src/report/text-table.ts';
import { FIRST_RESULT_ID, firstResultMilliseconds } from './first-result.ts';
import { type Results, timingOf } from './results.ts';
import { quantile } from './statistics.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

export interface AgainstOptions {
  /** A git revision, or the file of a stored run. */
  readonly against: string;
  /** The Node that runs this tree, and the other one unless `againstNode` names another. Default: this one. */
  readonly node?: string;
  readonly againstNode?: string;
  readonly rounds: number;
  readonly only?: RegExp;
  /** Whether the bench itself has cases to run, not only the time to a first result. */
  readonly hasCases: boolean;
  /** What both benches are told besides: cases, device, threads. */
  readonly args: readonly string[];
}

/** Median milliseconds by case. */
type Medians = ReadonlyMap<string, number>;

interface Side {
  readonly name: string;
  measure(): Promise<Medians>;
}

export interface PairedCase {
  readonly id: string;
  readonly mine: number;
  readonly theirs: number;
  /** Mine over theirs, one for each round. */
  readonly ratios: readonly number[];
}

/** Measures both sides in turns and returns the table. */
export async function compareAgainst(options: AgainstOptions, say: (line: string) => void): Promise<PairedCase[]> {
  const node = options.node ?? process.execPath;
  const mine = checkoutSide(`this tree on ${nodeVersion(node)}`, ROOT, node, options);
  const opened = openOther(options, options.againstNode ?? node);
  try {
    say(`A: ${mine.name}`);
    say(`B: ${opened.side.name}`);
    const rounds: [Medians, Medians][] = [];
    for (let round = 0; round < options.rounds; round++) {
      const [first, second] = round % 2 === 0 ? [mine, opened.side] : [opened.side, mine];
      const [a, b] = [await first.measure(), await second.measure()];
      rounds.push(round % 2 === 0 ? [a, b] : [b, a]);
      say(`Round ${round + 1} of ${options.rounds} done.`);
    }
    return pairCases(rounds);
  } finally {
    opened.close();
  }
}

/** Cases that both sides measured in every round. */
export function pairCases(rounds: readonly (readonly [Medians, Medians])[]): PairedCase[] {
  const ids = [...rounds[0][0].keys()].filter(id => rounds.every(([a, b]) => a.has(id) && b.has(id)));
  return ids.map(id => ({
    id,
    mine: quantile(
      rounds.map(([a]) => a.get(id)!),
      0.5,
    ),
    theirs: quantile(
      rounds.map(([, b]) => b.get(id)!),
      0.5,
    ),
    ratios: rounds.map(([a, b]) => a.get(id)! / b.get(id)!),
  }));
}

/** A line for each case: medians of both sides, the median of the ratios and how far they spread. */
export function pairedTable(cases: readonly PairedCase[]): string {
  const rows = cases.map(({ id, mine, theirs, ratios }) => [
    id,
    threeDigits(mine),
    threeDigits(theirs),
    quantile(ratios, 0.5).toFixed(3),
    `${Math.min(...ratios).toFixed(3)} to ${Math.max(...ratios).toFixed(3)}`,
  ]);
  const header = ['', 'A ms', 'B ms', 'A / B', 'rounds'];
  return alignedLines([header, ...rows], [false, true, true, true, true]).join('\n');
}

function openOther(options: AgainstOptions, node: string): { side: Side; close(): void } {
  const { against } = options;
  if (against.endsWith('.json')) {
    const results = readResults(against);
    const { date, machine } = results;
    const name = `${against}, stored on ${date.slice(0, 10)}: ${machine.processor}, Node ${machine.node} (not measured in turns)`;
    return { side: { name, measure: async () => mediansOf(results) }, close() {} };
  }
  const commit = revision(against);
  const folder = mkdtempSync(join(tmpdir(), 'weft-against-'));
  const close = (): void => {
    execFileSync('git', ['worktree', 'remove', '--force', folder], { cwd: ROOT, stdio: 'ignore' });
    rmSync(folder, { recursive: true, force: true });
  };
  const interrupted = (): void => {
    close();
    process.exit(130);
  };
  process.once('SIGINT', interrupted);
  try {
    execFileSync('git', ['worktree', 'add', '--detach', '--force', folder, commit], { cwd: ROOT, stdio: 'ignore' });
    provideModules(folder);
  } catch (error) {
    close();
    throw error;
  }
  const side = checkoutSide(`${against} (${commit.slice(0, 10)}) on ${nodeVersion(node)}`, folder, node, options);
  return {
    side,
    close() {
      process.off('SIGINT', interrupted);
      close();
    },
  };
}

/** The packages installed here where the other revision wants the same, its own otherwise. */
function provideModules(folder: string): void {
  const lock = (root: string): string => readFileSync(join(root, 'package-lock.json'), 'utf8');
  if (lock(folder) === lock(ROOT)) symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  else execFileSync('npm', ['ci', '--no-fund', '--no-audit'], { cwd: folder, stdio: 'ignore' });
}

function checkoutSide(name: string, root: string, node: string, { args, only, hasCases }: AgainstOptions): Side {
  return {
    name,
    async measure() {
      const medians = new Map(hasCases ? await benchMedians(root, node, args) : []);
      if (!only || only.test(FIRST_RESULT_ID)) medians.set(FIRST_RESULT_ID, await firstResultMilliseconds(root, node));
      return medians;
    },
  };
}

async function benchMedians(root: string, node: string, args: readonly string[]): Promise<Medians> {
  const folder = mkdtempSync(join(tmpdir(), 'weft-bench-'));
  try {
    const file = join(folder, 'results.json');
    const tsx = createRequire(join(root, 'package.json')).resolve('tsx/cli');
    const fixed = ['--no-peers', '--no-ceilings', '--json', file];
    await run(node, [tsx, join(root, 'bench', 'main.ts'), ...fixed, ...args], root);
    return mediansOf(readResults(file));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function run(command: string, args: readonly string[], cwd: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'ignore', 'pipe'] });
    let complaint = '';
    child.stderr.on('data', data => {
      complaint += data;
    });
    child.on('error', reject);
    child.on('close', code => {
      if (code === 0) resolve();
      else reject(new UsageError(`The bench in ${cwd} ended with ${code}: ${complaint.trim().split('\n').at(-1)}`));
    });
  });
}

function mediansOf(results: Results): Medians {
  const { rows } = results;
  const timings = rows.map(({ id }) => [id, timingOf(rows, id, 'weft')?.median] as const);
  return new Map(timings.filter((entry): entry is [string, number] => entry[1] !== undefined));
}

function readResults(file: string): Results {
  if (!existsSync(file)) throw new UsageError(`--against: there is no file ${file}.`);
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Results;
  } catch (error) {
    throw new UsageError(`--against: ${file} is not the result of a bench: ${(error as Error).message}.`);
  }
}

function revision(name: string): string {
  try {
    const args = ['rev-parse', '--verify', '--quiet', `${name}^{commit}`];
    return execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    throw new UsageError(`--against: "${name}" is no revision of this repository, and no file ending in .json.`);
  }
}

function nodeVersion(node: string): string {
  try {
    return `Node ${execFileSync(node, ['--version'], { encoding: 'utf8' }).trim()}`;
  } catch {
    throw new UsageError(`--node: ${node} cannot be run.`);
  }
}
