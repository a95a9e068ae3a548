/** The rescale rule, element by element. */
import type { TypedArray } from '../../devices/dtype.ts';
import type { Spec } from '../../devices/kernel.ts';
import { LARGEST, type RescaleParams, ROUNDING, rowLength } from './rescale.ts';

export function rescaleReference(
  [x, y, upstream, plain]: readonly TypedArray[],
  [m]: readonly TypedArray[],
  [spec]: readonly Spec[],
  params: RescaleParams,
): void {
  const row = rowLength(spec, params);
  const group = row * (1 + params.backgrounds);
  for (let i = 0; i < m.length; i++) {
    const own = i - (i % group) + (i % row);
    const dx = x[i] - x[own];
    const dy = y[i] - y[own];
    const isClose =
      Math.abs(dx) < params.threshold || Math.abs(dx) <= ROUNDING * Math.max(Math.abs(x[i]), Math.abs(x[own]));
    const isRounding = Math.abs(dy) <= ROUNDING * Math.max(Math.abs(y[i]), Math.abs(y[own]));
    const agrees = dx === 0 || (isClose && isRounding);
    if (agrees && Math.abs(plain[i]) <= LARGEST) m[i] = plain[i];
    else m[i] = dx === 0 ? 0 : (upstream[i] * dy) / dx;
  }
}
