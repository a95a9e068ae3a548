/**
 * Resident memory of training at batch 128, ours and PyTorch's: what a process grows by while it trains on one batch, from
 * after the import of the library, before data, to the most it held.
 *
 *     npm run build && npx tsx bench/memory.ts [--network mini-resnet] [--batch 128] [--steps 30] [--node PATH] [--python PATH]
 *
 * Linux only: it reads /proc/self/status. Ours runs from dist/, as users run it.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command, Option } from 'commander';
import { UsageError } from '../src/devices/errors.ts';
import { alignedLines } from '../src/report/text-table.ts';
import { runScript } from './script.ts';

interface Options {
  readonly network: string;
  readonly batch: string;
  readonly steps: string;
  readonly node: string;
  readonly python: string;
}

/** MiB. */
interface Resident {
  readonly imported: number;
  readonly peak: number;
}

const beside = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

function measure(options: Options): void {
  if (process.platform !== 'linux')
    throw new UsageError('bench/memory.ts reads /proc/self/status, which only Linux has.');
  if (!existsSync(beside('../dist/index.js'))) throw new UsageError('Build the library first: npm run build.');
  const { network, batch, steps, node, python } = options;
  const rows: [string, Resident][] = [
    ['weft wasm', run(node, [beside('memory-process.mjs'), network, batch, steps])],
    ['PyTorch', run(python, [beside('torch_baseline.py'), '--memory', network, '--batch', batch, '--steps', steps])],
  ];
  const cells = rows.map(([name, { imported, peak }]) => [
    name,
    imported.toFixed(0),
    peak.toFixed(0),
    (peak - imported).toFixed(0),
  ]);
  console.log(
    alignedLines([['MiB resident', 'imported', 'at most', 'growth'], ...cells], [false, true, true, true]).join('\n'),
  );
}

const run = (command: string, args: readonly string[]): Resident =>
  JSON.parse(execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })) as Resident;

const program = new Command('memory')
  .addOption(new Option('--network <name>', 'which network').choices(['cnn', 'mini-resnet']).default('cnn'))
  .option('--batch <n>', 'images a step', '128')
  .option('--steps <n>', 'how many steps', '30')
  .option('--node <path>', 'the Node that runs ours', process.execPath)
  .option('--python <path>', 'a Python that has PyTorch', 'python3')
  .action(measure);

await runScript(program);
