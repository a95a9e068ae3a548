/** Number after number, each offered to its row's heap. */
import type { TypedArray } from '../../devices/dtype.ts';
import type { Spec } from '../../devices/kernel.ts';
import type { KeepNearestParams } from './nearest.ts';

export function keepNearestReference(
  [products, rowLengths, columnLengths, places]: readonly TypedArray[],
  [bounds, indices]: readonly TypedArray[],
  [{ shape }]: readonly Spec[],
  { kept }: KeepNearestParams,
): void {
  const [rows, columns] = shape;
  const [firstColumn, firstRow] = places;
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      const bound = rowLengths[i] + columnLengths[j] - 2 * products[i * columns + j];
      const isOwn = firstRow >= 0 && firstColumn + j === firstRow + i;
      if (!isOwn && bound < bounds[i * kept]) replaceWorst(bounds, indices, i * kept, kept, bound, firstColumn + j);
    }
  }
}

/** The root makes room: larger entries move up until the new one has its place. */
function replaceWorst(
  bounds: TypedArray,
  indices: TypedArray,
  heap: number,
  kept: number,
  bound: number,
  index: number,
): void {
  let hole = 0;
  for (;;) {
    let child = 2 * hole + 1;
    if (child >= kept) break;
    if (child + 1 < kept && bounds[heap + child + 1] > bounds[heap + child]) child++;
    if (!(bounds[heap + child] > bound)) break;
    bounds[heap + hole] = bounds[heap + child];
    indices[heap + hole] = indices[heap + child];
    hole = child;
  }
  bounds[heap + hole] = bound;
  indices[heap + hole] = index;
}
