/**
 * What a profile saw, for people: a table of kernels, and a timeline in the format that Chrome's tracing page, Perfetto and
 * speedscope read.
 */
import type { ProfiledCall, ProfileEntry } from '../devices/device.ts';
import type { Roofline, RooflineSum } from '../kernels/ceilings/roofline.ts';
import { alignedLines, threeDigits } from './text-table.ts';

/** An entry of a profile, by kernel and variant or by shapes too, and what the roofline allows its calls. */
export interface JudgedEntry extends ProfileEntry {
  readonly shapes?: string;
  readonly roof?: RooflineSum;
}

/**
 * Entries per step as lines: the largest first, the small ones summed up in a last line. Where the roofline is known, a
 * column says what share of its speed was reached (over 100 % for algorithms that save arithmetic), and by which of its
 * two roofs most of the time was judged: `fma` or `mem`.
 * @param entries slowest first, as `device.profile` gives them
 * @param steps how many steps they were collected over
 */
export function profileLines(entries: readonly JudgedEntry[], steps: number): string[] {
  const total = entries.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  const large = entries.filter(({ milliseconds }) => milliseconds >= 0.002 * total);
  const small = entries.filter(entry => !large.includes(entry));
  const isJudged = entries.some(({ roof }) => roof);
  const line = (name: string, variant: string, of: readonly JudgedEntry[], shapes = ''): string[] => {
    const sum = (key: 'calls' | 'milliseconds' | 'flops' | 'bytes') => of.reduce((all, one) => all + one[key], 0);
    const milliseconds = sum('milliseconds');
    return [
      name,
      variant,
      String(sum('calls') / steps),
      threeDigits(milliseconds / steps),
      `${((100 * milliseconds) / total).toFixed(1)} %`,
      threeDigits((sum('flops') / milliseconds) * 1e-6),
      threeDigits((sum('bytes') / milliseconds) * 1e-6),
      ...(isJudged ? [shareOfRoof(of)] : []),
      shapes,
    ];
  };
  const rows = [
    ['kernel', 'variant', 'calls', 'ms', 'share', 'GFLOP/s', 'GB/s', ...(isJudged ? ['of roofline'] : []), ''],
    ...large.map(entry => line(entry.kernel, entry.variant, [entry], entry.shapes)),
    ...(small.length > 0 ? [line(`(${small.length} more)`, '', small)] : []),
    ...(entries.length > 0 ? [line('all kernels', '', entries)] : []),
  ];
  return alignedLines(rows, [false, false, true, true, true, true, true, ...(isJudged ? [true] : []), false]);
}

/** Which kernels read subnormal numbers enough to be slowed by them, a sentence each. */
export function subnormalLines(entries: readonly ProfileEntry[]): string[] {
  return entries
    .filter(({ subnormals = 0 }) => subnormals >= 0.01)
    .map(
      ({ kernel, subnormals = 0 }) =>
        `${kernel}: ${(100 * subnormals).toFixed(0)} % of the numbers in an input are below 1.2e-38 (subnormal), with which ` +
        'some processors compute up to a hundred times slower; larger weights, or inputs in another unit, avoid them.',
    );
}

function shareOfRoof(entries: readonly JudgedEntry[]): string {
  const sum = (of: (entry: JudgedEntry) => number) => entries.reduce((total, entry) => total + of(entry), 0);
  const allowed = sum(({ roof }) => roof?.milliseconds ?? 0);
  if (allowed === 0) return '';
  const bound = sum(({ roof }) => roof?.arithmetic ?? 0) > allowed / 2 ? 'fma' : 'mem';
  return `${((100 * allowed) / sum(({ milliseconds }) => milliseconds)).toFixed(0)} % ${bound}`;
}

/** What the entries are judged by, in one line. */
export function rooflineLine({ peak, triad }: Roofline): string {
  const rates = triad.map(({ footprint, rate }) => `${threeDigits(rate)} (${threeDigits(footprint / 2 ** 20)} MiB)`);
  return `Roofline, measured just now: ${threeDigits(peak)} GFLOP/s; triad in GB/s by size of its arrays: ${rates.join(', ')}.`;
}

/**
 * Calls as a timeline (Trace Event Format: complete events, times in microseconds).
 * @param device one line, shown as the process's name
 */
export function chromeTrace(calls: readonly ProfiledCall[], device: string): object {
  const named = (name: string, args: object) => ({ name, ph: 'M', pid: 1, tid: 1, args });
  return {
    displayTimeUnit: 'ms',
    traceEvents: [
      named('process_name', { name: device }),
      named('thread_name', { name: 'kernels' }),
      ...calls.map(({ kernel, variant, shapes, start, milliseconds }) => ({
        name: kernel,
        cat: variant,
        ph: 'X',
        pid: 1,
        tid: 1,
        ts: 1e3 * start,
        dur: 1e3 * milliseconds,
        args: { variant, shapes },
      })),
    ],
  };
}
