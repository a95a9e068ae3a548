/**
 * What a profile saw, for people: a table of kernels, and a timeline in the format that Chrome's tracing page, Perfetto and
 * speedscope read.
 */
import type { ProfiledCall, ProfileEntry } from '../devices/device.ts';
import { alignedLines, threeDigits } from './text-table.ts';

/**
 * Entries per step as lines: the largest first, the small ones summed up in a last line.
 * @param entries slowest first, as `device.profile` gives them
 * @param steps how many steps they were collected over
 */
export function profileLines(entries: readonly (ProfileEntry & { shapes?: string })[], steps: number): string[] {
  const total = entries.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  const large = entries.filter(({ milliseconds }) => milliseconds >= 0.002 * total);
  const small = entries.filter(entry => !large.includes(entry));
  const line = (name: string, variant: string, of: readonly ProfileEntry[], shapes = ''): string[] => {
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
      shapes,
    ];
  };
  const rows = [
    ['kernel', 'variant', 'calls', 'ms', 'share', 'GFLOP/s', 'GB/s', ''],
    ...large.map(entry => line(entry.kernel, entry.variant, [entry], entry.shapes)),
    ...(small.length > 0 ? [line(`(${small.length} more)`, '', small)] : []),
    ...(entries.length > 0 ? [line('all kernels', '', entries)] : []),
  ];
  return alignedLines(rows, [false, false, true, true, true, true, true, false]);
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
