/** The table of a profile: shares of a known roofline, worked out by hand. */
import { describe, expect, it } from 'vitest';
import { rooflineSums } from '../../src/kernels/ceilings/roofline.ts';
import { profileLines, rooflineLine, subnormalLines } from '../../src/report/profile-report.ts';

const MIB = 2 ** 20;
/** 100 GFLOP/s; 10 GB/s whatever the size. */
const ROOFLINE = { peak: 100, triad: [{ footprint: MIB, rate: 10 }] };

const entries = [
  { kernel: 'conv2d', variant: 'tiles', calls: 4, milliseconds: 8, flops: 4e8, bytes: 4e6 },
  { kernel: 'add', variant: 'simd', calls: 2, milliseconds: 4, flops: 1e6, bytes: 2e7 },
  { kernel: 'nothing', variant: 'simd', calls: 2, milliseconds: 1, flops: 0, bytes: 0 },
];
const calls = entries.flatMap(({ kernel, variant, calls: count, flops, bytes }) =>
  Array.from({ length: count }, () => ({
    kernel,
    variant,
    work: { flops: flops / count, bytes: bytes / count, footprint: MIB },
  })),
);

describe('profileLines', () => {
  it('shows the share of the roofline, and by which roof', () => {
    const roofs = rooflineSums(calls, ROOFLINE);
    const judged = entries.map(entry => ({ ...entry, roof: roofs.get(`${entry.kernel}/${entry.variant}`) }));
    const [head, conv, add, nothing, all] = profileLines(judged, 2);
    const column = head.indexOf('of roofline') + 'of roofline'.length;
    const shareIn = (line: string): string => line.slice(0, column).split('  ').at(-1)!.trim();
    expect(shareIn(conv)).toBe('50 % fma'); // 4 ms of arithmetic at 100 GFLOP/s in 8 ms
    expect(shareIn(add)).toBe('50 % mem'); // 2 ms for 20 MB at 10 GB/s in 4 ms
    expect(nothing.trimEnd()).not.toMatch(/fma|mem/);
    expect(all).toMatch(/^all kernels/);
    expect(shareIn(all)).toBe('46 % fma'); // 6 of 13 ms, 4 of them arithmetic
  });

  it('has no such column where the roofline is not known', () => {
    expect(profileLines(entries, 2).join('\n')).not.toMatch(/roofline|fma|mem/);
  });

  it('names the kernels that subnormal numbers slow, and no others', () => {
    const [conv, add, nothing] = entries;
    const seen = [{ ...conv, subnormals: 0.37 }, { ...add, subnormals: 0.001 }, nothing];
    expect(subnormalLines(seen)).toEqual([
      'conv2d: 37 % of the numbers in an input are below 1.2e-38 (subnormal), with which some processors compute up to a hundred ' +
        'times slower; larger weights, or inputs in another unit, avoid them.',
    ]);
  });

  it('says what the shares are of', () => {
    expect(rooflineLine(ROOFLINE)).toBe(
      'Roofline, measured just now: 100 GFLOP/s; triad in GB/s by size of its arrays: 10.0 (1.00 MiB).',
    );
  });
});
