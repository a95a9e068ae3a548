/**
 * Maps as they are at the start (all points within 1e-4 of each other), in the middle, and at the end (tens apart), and a
 * lonely point far from all others, whose normaliser is small: it must not be lost in a sum that once held a 1.
 *
 * Forces between neighbours, with rows of no entry, of few, of many; charges that fill a grid, lie in one place, and at its
 * edges.
 */
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import { unitsPerPoint } from '../../src/kernels/tsne/grid.wgsl.ts';
import { tsneAttraction, tsneGather, tsneRepulsion, tsneSpread } from '../../src/kernels/tsne/index.ts';
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

const float32 = (shape: number[], values: Float32Array) => ({ spec: { shape, dtype: 'float32' as const }, values });
const int32 = (values: Int32Array) => ({ spec: { shape: [values.length], dtype: 'int32' as const }, values });

/** Rows of `lengths` entries among `others` points (the points themselves where 0). */
function attractionCase(title: string, lengths: readonly number[], others: number, spread: number): ConformanceCase {
  const n = lengths.length;
  const random = new PhiloxStream(n, others, Math.round(spread * 1e4));
  const points = (count: number): Float32Array =>
    Float32Array.from({ length: 2 * count }, () => spread * random.normal());
  const y = points(n);
  const starts = new Int32Array(n + 1);
  lengths.forEach((length, i) => {
    starts[i + 1] = starts[i] + length;
  });
  const columns = Int32Array.from({ length: starts[n] }, () => Math.floor(random.uniform() * (others || n)));
  const values = Float32Array.from(columns, () => random.uniform());
  const longest = Math.max(0, ...lengths);
  return {
    title: `tsneAttraction: ${title}`,
    kernel: tsneAttraction,
    params: {},
    inputs: [
      float32([n, 2], y),
      int32(starts),
      int32(columns),
      float32([values.length], values),
      others > 0 ? float32([others, 2], points(others)) : float32([n, 2], y),
    ],
    // A pull is at most 1/2, and spread where that is less.
    tolerance: { kind: 'close', absolute: 16 * EPSILON * Math.min(0.5, 4 * spread) * longest, relative: 0 },
  };
}

function placed(n: number, nodes: number, change?: (y: Float32Array) => void) {
  const random = new PhiloxStream(n, nodes, 3);
  // Nodes half a unit apart, the first at (-7, 11).
  const y = Float32Array.from({ length: 2 * n }, (_, at) => {
    const place = 1 + (nodes - 4) * random.uniform();
    return place / 2 + (at % 2 === 0 ? -7 : 11);
  });
  change?.(y);
  return [float32([n, 2], y), float32([3], Float32Array.of(-7, 11, 2))];
}

function spreadCase(title: string, n: number, nodes: number, change?: (y: Float32Array) => void): ConformanceCase {
  const share = EPSILON * (8 + 2 * nodes);
  return {
    title: `tsneSpread: ${title}`,
    kernel: tsneSpread,
    params: { nodes },
    inputs: placed(n, nodes, change),
    // In whole numbers each point adds half a unit of rounding, at most.
    tolerance: variant => ({
      kind: 'close',
      absolute: share + (variant === 'atomics' ? (0.5 * n) / unitsPerPoint(n) : 0),
      relative: n * EPSILON,
    }),
  };
}

function gatherCase(title: string, n: number, nodes: number): ConformanceCase {
  const random = new PhiloxStream(n, nodes, 4);
  const field = Float32Array.from({ length: 2 * nodes * nodes }, () => random.normal());
  return {
    title: `tsneGather: ${title}`,
    kernel: tsneGather,
    params: {},
    inputs: [...placed(n, nodes), float32([nodes, nodes, 2], field)],
    // A place is off by a rounding of its size, a weight by that much.
    tolerance: { kind: 'close', absolute: EPSILON * (64 + 32 * nodes), relative: 0 },
  };
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
  attractionCase('no point', [], 0, 1),
  attractionCase('rows of every length', [0, 1, 2, 3, 4, 5, 0, 7, 8, 9, 130], 0, 2),
  attractionCase(
    'at the start',
    Array.from({ length: 300 }, () => 33),
    0,
    1e-4,
  ),
  attractionCase(
    'at the end',
    Array.from({ length: 700 }, (_, i) => 90 + (i % 60)),
    0,
    30,
  ),
  attractionCase('to other points', [4, 0, 6, 15], 1000, 5),
  spreadCase('no point', 0, 8),
  spreadCase('one point', 1, 4),
  spreadCase('a grid', 900, 24),
  spreadCase('all in one place', 500, 16, y => y.fill(12.3)),
  spreadCase('beyond the edges', 40, 16, y => {
    y[3] = -1e6;
    y[10] = 1e6;
  }),
  gatherCase('no point', 0, 8),
  gatherCase('one point', 1, 4),
  gatherCase('a grid', 5000, 40),
];
