/** Results as text for a terminal: aligned columns, numbers to the right. */
import { alignedLines, threeDigits } from '../src/report/text-table.ts';
import type { Ceilings } from './ceilings.ts';
import { rooflineShare } from './gates.ts';
import { isNamed, type Results, type Row, type Verdict } from './results.ts';

export { alignedLines, threeDigits };

const HEADER = ['', 'contender', 'ms', 'min', 'p90', 'GFLOP/s', 'GB/s', 'of ceiling', 'weft is', 'how'];
const RIGHT = [false, false, true, true, true, true, true, true, true, false];

/** The rows of one group; contenders below each other. */
export function groupTable(title: string, rows: readonly Row[], ceilings: Ceilings | undefined): string {
  const lines: string[][] = [HEADER];
  for (const row of rows) {
    const own = row.outcomes.find(({ contender }) => isNamed(contender, 'weft'));
    let label = row.id;
    for (const outcome of row.outcomes) {
      if (!('timing' in outcome)) continue;
      const { median, min, p90 } = outcome.timing;
      const isOwn = outcome.contender.startsWith('weft');
      const faster = own && 'timing' in own && outcome !== own ? `${threeDigits(median / own.timing.median)}x` : '';
      const roof = ceilings && isOwn && row.footprint > 0 ? rooflineShare(ceilings, row, median) : undefined;
      lines.push([
        label,
        outcome.contender,
        threeDigits(median),
        threeDigits(min),
        threeDigits(p90),
        row.flops > 0 ? threeDigits((row.flops / median) * 1e-6) : '',
        row.bytes > 0 ? threeDigits((row.bytes / median) * 1e-6) : '',
        roof ? `${(100 * roof.share).toFixed(0)} % ${roof.bound === 'memory' ? 'mem' : 'fma'}` : '',
        faster,
        outcome.note ?? '',
      ]);
      label = '';
    }
    if (label !== '') lines.push([label, '(nobody)', '', '', '', '', '', '', '', '']);
  }
  return [`\n${title}`, ...alignedLines(lines, RIGHT)].join('\n');
}

export function ceilingsTable({ caches, adapter, arithmetic, memory, notFused }: Ceilings): string {
  const lines = [
    ['', adapter ? 'invocations' : 'threads', 'GFLOP/s', 'GB/s'],
    ...arithmetic.flatMap(({ threads, separate, fused }) => [
      ['multiply + add', String(threads), threeDigits(separate), ''],
      ...(fused === undefined ? [] : [['fused multiply-add', String(threads), threeDigits(fused), '']]),
    ]),
    ...memory.map(({ threads, walk, footprint, rate }) => [
      `${walk}, ${threeDigits(footprint / 2 ** 20)} MiB`,
      adapter ? '' : String(threads),
      '',
      threeDigits(rate),
    ]),
  ];
  const whose = caches
    ? `caches ${caches.source}: level 2 ${caches.level2 / 1024} KiB per core, level 3 ${caches.level3 / 2 ** 20} MiB`
    : `of ${adapter}`;
  const title = `\nCeilings (${whose})`;
  const note = notFused ? [`fused multiply-add not measured: ${notFused}`] : [];
  return [title, ...alignedLines(lines, [false, true, true, true]), ...note].join('\n');
}

/** Who did not take part where, and why; one line per contender and reason. */
export function absences({ peers, rows }: Pick<Results, 'peers' | 'rows'>): string {
  const lines = new Map<string, string[]>();
  for (const { name, missing } of peers) if (missing !== undefined) lines.set(`${name}: ${missing}`, []);
  for (const { id, outcomes } of rows) {
    for (const outcome of outcomes) {
      if ('timing' in outcome) continue;
      const key = `${outcome.contender}: ${'failed' in outcome ? `FAILED: ${outcome.failed}` : outcome.missing}`;
      lines.set(key, [...(lines.get(key) ?? []), id]);
    }
  }
  if (lines.size === 0) return '';
  const text = [...lines].map(([reason, ids]) => {
    if (ids.length === 0) return `  ${reason}`;
    return `  ${reason} [${ids.length > 4 ? `${ids.slice(0, 3).join(', ')} and ${ids.length - 3} more` : ids.join(', ')}]`;
  });
  return ['\nNot measured', ...text].join('\n');
}

export function gatesTable(gates: readonly Verdict[]): string {
  const marks = {
    goal: 'GOAL MET',
    gate: 'met',
    missed: 'MISSED',
    'no gate': 'below the goal',
    'not measured': 'not measured',
  };
  const lines = [
    ['', 'gate', 'goal', 'measured', 'verdict'],
    ...gates.map(({ what, gate, goal, measured, verdict }) => [what, gate, goal, measured, marks[verdict]]),
  ];
  return ['\nGates', ...alignedLines(lines, [false, false, false, false, false])].join('\n');
}
