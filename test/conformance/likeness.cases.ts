/** Tiles of points near each other and far apart, of one set and of two, of rows that fill no vector; sums go on where they were. */
import { divergenceSums, gaussianSums } from '../../src/kernels/likeness/index.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import type { ConformanceCase } from './cases.ts';

const EPSILON = 2 ** -24;

function caseOf(
  kernel: typeof gaussianSums,
  title: string,
  rows: number,
  columns: number,
  places: readonly [number, number],
): ConformanceCase {
  const random = new PhiloxStream(rows, columns, kernel === gaussianSums ? 1 : 2);
  const dimensions = 5;
  const all = Float32Array.from({ length: dimensions * (rows + columns) }, () => random.normal());
  const at = (i: number): Float32Array => all.subarray(i * dimensions, (i + 1) * dimensions);
  const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, k) => sum + value * b[k], 0);
  const products = Float32Array.from({ length: rows * columns }, (_, e) =>
    dot(at(Math.floor(e / columns)), at(rows + (e % columns))),
  );
  const numbers = (first: number, count: number, parts: readonly (() => number)[]): Float32Array =>
    Float32Array.from({ length: count * (1 + parts.length) }, (_, e) =>
      e < count ? dot(at(first + e), at(first + e)) : parts[Math.floor(e / count) - 1](),
    );
  const beta = (): number => 0.1 + random.uniform();
  const onMap = [beta, () => -3 - random.uniform(), () => 20 * random.normal(), () => 20 * random.normal()];
  const isGaussian = kernel === gaussianSums;
  const own = numbers(0, rows, isGaussian ? [beta, () => random.uniform()] : onMap);
  const others = numbers(rows, columns, isGaussian ? [] : onMap);
  const sums = isGaussian ? 3 : 2;
  const before = Float32Array.from({ length: rows * sums }, () => 2 * random.uniform());
  return {
    title: `${kernel.name}: ${title}`,
    kernel,
    params: {},
    inputs: [
      { spec: { shape: [rows, columns], dtype: 'float32' }, values: products },
      {
        spec: { shape: [own.length / Math.max(1, rows) || (isGaussian ? 3 : 5), rows], dtype: 'float32' },
        values: own,
      },
      { spec: { shape: [isGaussian ? 1 : 5, columns], dtype: 'float32' }, values: others },
      { spec: { shape: [2], dtype: 'int32' }, values: Int32Array.from(places) },
    ],
    updates: { 0: before },
    // Squares up to 60 lose some roundings, which a factor of 1.1 and an exponential carry on; sums are of one sign, or small.
    tolerance: { kind: 'close', absolute: 256 * EPSILON * (4 + Math.sqrt(columns)), relative: 512 * EPSILON },
  };
}

export const cases: ConformanceCase[] = [gaussianSums, divergenceSums].flatMap(kernel => [
  caseOf(kernel, 'no row', 0, 5, [0, -1]),
  caseOf(kernel, 'no column', 3, 0, [0, -1]),
  caseOf(kernel, 'of two sets', 9, 70, [0, -1]),
  caseOf(kernel, 'of one set', 40, 43, [0, 0]),
  caseOf(kernel, 'of one set, elsewhere', 21, 33, [100, 110]),
  caseOf(kernel, 'many rows', 300, 64, [0, 5000]),
]);
