/** The rescale rule, element by element. */
import type { NumberArray } from '../../devices/dtype.ts';
import type { Spec } from '../../devices/kernel.ts';
import { type RescaleParams, rowLength } from './rescale.ts';

export function rescaleReference(
  [x, y, upstream, plain]: readonly NumberArray[],
  [m]: readonly NumberArray[],
  [spec]: readonly Spec[],
  params: RescaleParams,
): void {
  const row = rowLength(spec, params);
  const group = row * (1 + params.backgrounds);
  for (let i = 0; i < m.length; i++) {
    const own = i - (i % group) + (i % row);
    const dx = x[i] - x[own];
    m[i] = Math.abs(dx) < params.threshold ? plain[i] : (upstream[i] * (y[i] - y[own])) / dx;
  }
}
