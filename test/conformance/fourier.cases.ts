/**
 * Transforms of noise, of one wave and of one point, in sizes that need every factor. A sum of n^2 terms of size 1 by stages
 * is off by some roundings of its root: errors are measured against the root mean square of the transform.
 */
import { gridForces, isFourierSize, keptColumns, realFourier2d, twiddlesOf } from '../../src/kernels/fourier/index.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import type { ConformanceCase } from './cases.ts';

const EPSILON = 2 ** -24;
const float32 = (shape: number[]) => ({ shape, dtype: 'float32' }) as const;

function transformOf(title: string, size: number, value: (row: number, column: number) => number): ConformanceCase {
  const x = Float32Array.from({ length: size * size }, (_, at) => value(Math.floor(at / size), at % size));
  const norm = Math.sqrt(x.reduce((sum, v) => sum + v * v, 0));
  return {
    title: `realFourier2d: ${title}`,
    kernel: realFourier2d,
    params: {},
    inputs: [
      { spec: float32([size, size]), values: x },
      { spec: float32([size, 2]), values: Float32Array.from(twiddlesOf(size)) },
    ],
    tolerance: { kind: 'close', absolute: 16 * EPSILON * norm * Math.log2(size), relative: 2 * EPSILON },
  };
}

/** Spectra as they must be: the odd ones vanish where their sign would have to change. */
function spectraOf(nodes: number, random: PhiloxStream): Float32Array {
  const kept = keptColumns(2 * nodes);
  const plane = (nodes + 1) * kept;
  return Float32Array.from({ length: 3 * plane }, (_, at) => {
    const [part, row, column] = [Math.floor(at / plane), Math.floor((at % plane) / kept), at % kept];
    if (column > nodes) return 0;
    if (part === 1 && column % nodes === 0) return 0;
    if (part === 2 && row % nodes === 0) return 0;
    return part === 0 ? random.uniform() : random.normal();
  });
}

function forcesOf(nodes: number): ConformanceCase {
  const random = new PhiloxStream(nodes, 5);
  const charges = Float32Array.from({ length: nodes * nodes }, () => random.uniform());
  const total = charges.reduce((sum, v) => sum + v * v, 0);
  const kept = keptColumns(2 * nodes);
  return {
    title: `gridForces: ${nodes} nodes a side`,
    kernel: gridForces,
    params: {},
    inputs: [
      { spec: float32([nodes, nodes]), values: charges },
      { spec: float32([3, nodes + 1, kept]), values: spectraOf(nodes, random) },
      { spec: float32([2 * nodes, 2]), values: Float32Array.from(twiddlesOf(2 * nodes)) },
    ],
    tolerance: [
      // Back again, each of (2 nodes)^2 terms is the root of the charges' squares times one of size 1; the mean is larger.
      { kind: 'close', absolute: 64 * EPSILON * 2 * nodes * Math.sqrt(total) * nodes, relative: 1e-6 },
      { kind: 'close', absolute: 1e-30, relative: 64 * EPSILON },
    ],
  };
}

const noise = new PhiloxStream(1);
const sizes = [16, 32, 48, 64, 96, 144, 288].filter(isFourierSize);

export const cases: ConformanceCase[] = [
  ...sizes.map(size => transformOf(`noise, ${size} a side`, size, () => noise.normal())),
  transformOf('one point', 48, (row, column) => (row === 3 && column === 47 ? 1 : 0)),
  transformOf('one wave', 64, (row, column) => Math.cos((2 * Math.PI * (5 * row + 31 * column)) / 64)),
  ...[8, 16, 24, 72].map(forcesOf),
];
