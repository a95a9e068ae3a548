/** Pair after pair. */
import type { TypedArray } from '../../devices/dtype.ts';
import type { Spec } from '../../devices/kernel.ts';
import { LEAST_LIKENESS } from './likeness.ts';

/** Calls back for every pair of a tile but those of a point with itself, with the squared distance. */
function eachPair(
  [products, rows, columns, [firstColumn, firstRow]]: readonly TypedArray[],
  [{ shape }]: readonly Spec[],
  see: (i: number, j: number, square: number) => void,
): void {
  const [height, width] = shape;
  for (let i = 0; i < height; i++) {
    for (let j = 0; j < width; j++) {
      if (firstRow >= 0 && firstRow + i === firstColumn + j) continue;
      see(i, j, Math.max(0, rows[i] + columns[j] - 2 * products[i * width + j]));
    }
  }
}

export function gaussianSumsReference(
  inputs: readonly TypedArray[],
  [sums]: readonly TypedArray[],
  specs: readonly Spec[],
): void {
  const [height] = specs[0].shape;
  const rows = inputs[1];
  eachPair(inputs, specs, (i, _, square) => {
    const x = square - rows[2 * height + i];
    const e = Math.exp(-rows[height + i] * x);
    sums[3 * i] += e;
    sums[3 * i + 1] += e * x;
    sums[3 * i + 2] += e * x * x;
  });
}

export function divergenceSumsReference(
  inputs: readonly TypedArray[],
  [sums]: readonly TypedArray[],
  specs: readonly Spec[],
): void {
  const [height, width] = specs[0].shape;
  const [, rows, columns] = inputs;
  eachPair(inputs, specs, (i, j, square) => {
    const p =
      Math.exp(rows[2 * height + i] - rows[height + i] * square) +
      Math.exp(columns[2 * width + j] - columns[width + j] * square);
    const du = rows[3 * height + i] - columns[3 * width + j];
    const dv = rows[4 * height + i] - columns[4 * width + j];
    sums[2 * i] += p * Math.log(Math.max(p, LEAST_LIKENESS) * (1 + du * du + dv * dv));
    sums[2 * i + 1] += p;
  });
}
