/** What the measuring kernels compute, as plain loops: the oracle of their tests. */
import type { TypedArray } from '../../devices/dtype.ts';
import type { Spec } from '../../devices/kernel.ts';
import {
  CHAINS,
  type ChainParams,
  LANES,
  LINKS,
  PAGE_FLOATS,
  PANEL,
  type PeakParams,
  TRIAD_FACTOR,
  type WalkParams,
} from './ceilings.ts';

type Arrays = readonly TypedArray[];
type Specs = readonly Spec[];

export function peakMultiplyAddReference(
  [left, panel]: Arrays,
  [out]: Arrays,
  _: Specs,
  { rounds, tasks }: PeakParams,
): void {
  const { rows, columns, steps } = PANEL;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      let sum = 0;
      for (let step = 0; step < steps; step++) sum += left[row] * panel[step * columns + column];
      for (let task = 0; task < tasks; task++) out[(task * rows + row) * columns + column] = rounds * sum;
    }
  }
}

export function multiplyAddChainsReference(
  [start, [x, y]]: Arrays,
  [out]: Arrays,
  _: Specs,
  { rounds, invocations }: ChainParams,
): void {
  for (let i = 0; i < invocations; i++) {
    out[i] = 0;
    for (let chain = 0; chain < CHAINS; chain++) {
      let s = (start[chain] * ((i % LANES) + 1)) / LANES;
      for (let link = 0; link < rounds * LINKS; link++) s = s * x + y;
      out[i] += s;
    }
  }
}

export function memoryWalkReference([a, b]: Arrays, [out]: Arrays, _: Specs, { walk }: WalkParams): void {
  if (walk === 'read') out.fill(0);
  for (let i = 0; i < a.length; i++) {
    if (walk === 'triad') out[i] = a[i] + b[i] * TRIAD_FACTOR;
    else if (walk === 'copy') out[i] = a[i];
    else out[4 * Math.floor(i / PAGE_FLOATS) + (i % 4)] += a[i];
  }
}
