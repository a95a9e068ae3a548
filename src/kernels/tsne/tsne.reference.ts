/** The pairs of a map, one after the other. */
import type { TypedArray } from '../../devices/dtype.ts';
import type { Spec } from '../../devices/kernel.ts';
import { pointsOf } from './tsne.ts';

export function tsneRepulsionReference(
  [y]: readonly TypedArray[],
  [repulsion, normalizer]: readonly TypedArray[],
  specs: readonly Spec[],
): void {
  const n = pointsOf(specs);
  for (let i = 0; i < n; i++) {
    let forceX = 0;
    let forceY = 0;
    let sum = 0;
    for (let j = 0; j < n; j++) {
      if (j === i) continue;
      const dx = y[i] - y[j];
      const dy = y[n + i] - y[n + j];
      const q = 1 / (1 + dx * dx + dy * dy);
      sum += q;
      forceX += q * q * dx;
      forceY += q * q * dy;
    }
    repulsion[i] = forceX;
    repulsion[n + i] = forceY;
    normalizer[i] = sum;
  }
}
