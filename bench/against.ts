/**
 * `npm run bench -- --against REF`: this working tree against another revision, which is checked out into a temporary folder
 * and measured by its own bench. Both run in processes of the same kind, which live side by side and take turns of a fraction
 * of a second, so that a machine that heats up or a busy neighbour hits both alike; each pair of turns gives one ratio.
 * Against a stored run (`--against FILE.json`) the other side's figures are what they are: its machine was another one, or
 * this one on another day.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DeviceKind } from '../src/devices/device.ts';
import { UsageError } from '../src/devices/errors.ts';
import { alignedLines, threeDigits } from '../src/report/text-table.ts';
import { FIRST_RESULT_ID, firstResultMilliseconds } from './first-result.ts';
import { type Results, timingOf } from './results.ts';
import { openSampler, type Sampler } from './sampler.ts';
import type { SampledCase } from './sampling-process.ts';
import { quantile } from './statistics.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

export interface AgainstOptions {
  /** A git revision, or the file of a stored run. */
  readonly against: string;
  /** The Node that runs this tree, and the other one unless `againstNode` names another. Default: this one. */
  readonly node?: string;
  readonly againstNode?: string;
  /** How often the two take turns in each case. */
  readonly rounds: number;
  readonly cases: readonly SampledCase[];
  /** Whether the time to a first result is measured too. */
  readonly firstResult: boolean;
  readonly device: DeviceKind;
  readonly threads?: number;
}

interface Side {
  readonly name: string;
  open(): Sampler;
}

export interface PairedCase {
  readonly id: string;
  readonly mine: number;
  readonly theirs: number;
  /** Mine over theirs, one for each round. */
  readonly ratios: readonly number[];
}

/** Measures both sides in turns and returns the cases that both have. */
export async function compareAgainst(options: AgainstOptions, say: (line: string) => void): Promise<PairedCase[]> {
  const node = options.node ?? process.execPath;
  const mine = checkoutSide(`this tree on ${nodeVersion(node)}`, ROOT, node, options);
  const other = openOther(options, options.againstNode ?? node);
  const samplers: Sampler[] = [];
  try {
    say(`A: ${mine.name}`);
    say(`B: ${other.side.name}`);
    for (const side of [mine, other.side]) samplers.push(side.open());
    const cases = options.firstResult ? [...options.cases, { id: FIRST_RESULT_ID }] : options.cases;
    const measured: PairedCase[] = [];
    for (const one of cases) {
      const ready = [await samplers[0].prepare(one), await samplers[1].prepare(one)];
      if (!ready[0] || !ready[1]) continue;
      measured.push(await takeTurns(one.id, samplers, options.rounds));
      say(pairedTable(measured.slice(-1)).split('\n')[1]);
    }
    return measured;
  } finally {
    for (const sampler of samplers) await sampler.close();
    other.close();
  }
}

/** A B, B A, A B ...: each pair of turns gives one ratio. */
export async function takeTurns(
  id: string,
  [a, b]: readonly Pick<Sampler, 'sample'>[],
  rounds: number,
): Promise<PairedCase> {
  const mine: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    if (round % 2 === 0) mine.push(await a.sample());
    theirs.push(await b.sample());
    if (round % 2 === 1) mine.push(await a.sample());
  }
  const ratios = mine.map((milliseconds, i) => milliseconds / theirs[i]);
  return { id, mine: quantile(mine, 0.5), theirs: quantile(theirs, 0.5), ratios };
}

/** A line for each case: medians of both sides, the median of the ratios and their quartiles. */
export function pairedTable(cases: readonly PairedCase[]): string {
  const rows = cases.map(({ id, mine, theirs, ratios }) => [
    id,
    threeDigits(mine),
    threeDigits(theirs),
    quantile(ratios, 0.5).toFixed(3),
    `${quantile(ratios, 0.25).toFixed(3)} to ${quantile(ratios, 0.75).toFixed(3)}`,
  ]);
  const header = ['', 'A ms', 'B ms', 'A / B', 'middle half'];
  return alignedLines([header, ...rows], [false, true, true, true, true]).join('\n');
}

function openOther(options: AgainstOptions, node: string): { side: Side; close(): void } {
  const { against } = options;
  if (against.endsWith('.json')) {
    const results = readResults(against);
    const { date, machine } = results;
    const name = `${against}, stored on ${date.slice(0, 10)}: ${machine.processor}, Node ${machine.node} (not measured in turns)`;
    return { side: { name, open: () => storedSampler(results) }, close() {} };
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

function checkoutSide(name: string, root: string, node: string, { device, threads }: AgainstOptions): Side {
  const open = (): Sampler => {
    const sampler = openSampler({ loader: ROOT, root, node, device, threads });
    let first = false;
    return {
      ...sampler,
      prepare: async one => {
        first = one.id === FIRST_RESULT_ID;
        return first || (await sampler.prepare(one));
      },
      sample: () => (first ? firstResultMilliseconds(root, node) : sampler.sample()),
    };
  };
  return { name, open };
}

/** A stored run answers with its medians. */
function storedSampler({ rows }: Results): Sampler {
  let median: number | undefined;
  return {
    async prepare({ id }) {
      median = timingOf(rows, id, 'weft')?.median;
      return median !== undefined;
    },
    sample: async () => median!,
    async close() {},
  };
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
