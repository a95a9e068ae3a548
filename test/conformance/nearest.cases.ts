/**
 * Heaps of whole numbers, which every device computes exactly, so that even the places in a heap are the same; first tiles,
 * later tiles, one set and two, numbers of columns that fill no vector, heaps larger than the tile.
 */
import { keepNearest } from '../../src/kernels/nearest/index.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import type { ConformanceCase } from './cases.ts';

interface Shape {
  readonly rows: number;
  readonly columns: number;
  readonly kept: number;
  /** Index of the first column, and of the first row (negative: of another set). */
  readonly places?: readonly [number, number];
  /** Heaps that hold a tile already. */
  readonly later?: boolean;
}

function caseOf(title: string, { rows, columns, kept, places = [0, -1], later = false }: Shape): ConformanceCase {
  const random = new PhiloxStream(rows, columns);
  const whole = (length: number, most: number): Float32Array =>
    Float32Array.from({ length }, () => Math.floor(most * random.uniform()));
  const bounds = new Float32Array(rows * kept).fill(Number.POSITIVE_INFINITY);
  const indices = new Int32Array(rows * kept).fill(-1);
  if (later) {
    // All entries alike are a heap, and so is one that is larger at the root.
    bounds.fill(700);
    for (let row = 0; row < rows; row++) bounds[row * kept] = 900 + row;
    indices.forEach((_, at) => {
      indices[at] = 10_000 + at;
    });
  }
  return {
    title: `keepNearest: ${title}`,
    kernel: keepNearest,
    params: { kept },
    inputs: [
      { spec: { shape: [rows, columns], dtype: 'float32' }, values: whole(rows * columns, 1000) },
      { spec: { shape: [rows], dtype: 'float32' }, values: whole(rows, 1000) },
      { spec: { shape: [columns], dtype: 'float32' }, values: whole(columns, 3000) },
      { spec: { shape: [2], dtype: 'int32' }, values: Int32Array.from(places) },
    ],
    updates: { 0: bounds, 1: indices },
    tolerance: { kind: 'exact' },
  };
}

export const cases: ConformanceCase[] = [
  caseOf('no row', { rows: 0, columns: 9, kept: 3 }),
  caseOf('no column', { rows: 3, columns: 0, kept: 3 }),
  caseOf('one of one', { rows: 1, columns: 1, kept: 1 }),
  caseOf('the first tile of one set', { rows: 40, columns: 67, kept: 10, places: [0, 0] }),
  caseOf('a later tile of one set, with some own columns', {
    rows: 33,
    columns: 80,
    kept: 7,
    places: [90, 64],
    later: true,
  }),
  caseOf('of two sets', { rows: 17, columns: 200, kept: 98, places: [400, -1], later: true }),
  caseOf('a heap larger than the tile', { rows: 5, columns: 19, kept: 64 }),
  caseOf('many rows', { rows: 700, columns: 130, kept: 2, places: [0, 0] }),
];
