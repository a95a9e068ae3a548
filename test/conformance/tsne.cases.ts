/**
 * Maps as they are at the start (all points within 1e-4 of each other), in the middle, and at the end (tens apart), and a
 * lonely point far from all others, whose normaliser is small: it must not be lost in a sum that once held a 1.
 */
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import { tsneRepulsion } from '../../src/kernels/tsne/index.ts';
import type { ConformanceCase, Tolerance } from './cases.ts';

const EPSILON = 2 ** -24;

function caseOf(title: string, n: number, spread: number, change?: (y: Float32Array) => void): ConformanceCase {
  const random = new PhiloxStream(n, Math.round(spread * 1e4));
  const y = Float32Array.from({ length: 2 * n }, () => spread * random.normal());
  change?.(y);
  // A similarity is off by a few units in the last place, a sum of n of them by about the root of n more.
  const share = EPSILON * (8 + 2 * Math.sqrt(Math.min(n, 1024)) + n / 1024);
  const close = (absolute: number, relative: number): Tolerance => ({ kind: 'close', absolute, relative });
  return {
    title: `tsneRepulsion: ${title}`,
    kernel: tsneRepulsion,
    params: {},
    inputs: [{ spec: { shape: [2, n], dtype: 'float32' }, values: y }],
    // Pushes cancel, so what counts is the sum of their magnitudes.
    tolerance: [close(share * largestPush(y, n), 0), close(1e-30, share)],
  };
}

/** The largest sum of magnitudes that any point's push is made of. */
function largestPush(y: Float32Array, n: number): number {
  let largest = 0;
  for (let i = 0; i < n; i++) {
    let sum = 0;
    for (let j = 0; j < n; j++) {
      const d2 = (y[i] - y[j]) ** 2 + (y[n + i] - y[n + j]) ** 2;
      sum += Math.sqrt(d2) / (1 + d2) ** 2;
    }
    largest = Math.max(largest, sum);
  }
  return largest;
}

export const cases: ConformanceCase[] = [
  caseOf('no point', 0, 1),
  caseOf('one point, which nothing pushes', 1, 1),
  caseOf('two points', 2, 1),
  caseOf('seven points', 7, 2),
  caseOf('two points in one place', 9, 1, y => {
    y[1] = y[0];
    y[9 + 1] = y[9];
  }),
  caseOf('at the start', 300, 1e-4),
  caseOf('in the middle', 513, 1),
  caseOf('at the end', 1000, 30),
  caseOf('a lonely point', 130, 1, y => {
    y[77] = 3000;
    y[130 + 77] = -4000;
  }),
  caseOf('more than a block', 2051, 10),
];
