/** The likenesses of a map, one after the other. */
import type { TypedArray } from '../../devices/dtype.ts';
import type { Spec } from '../../devices/kernel.ts';
import { attractionSizes } from './attraction.ts';

export function tsneAttractionReference(
  [y, starts, columns, values, others]: readonly TypedArray[],
  [attraction]: readonly TypedArray[],
  specs: readonly Spec[],
): void {
  const { points } = attractionSizes(specs);
  for (let i = 0; i < points; i++) {
    let forceX = 0;
    let forceY = 0;
    for (let entry = starts[i]; entry < starts[i + 1]; entry++) {
      const j = columns[entry];
      const dx = y[2 * i] - others[2 * j];
      const dy = y[2 * i + 1] - others[2 * j + 1];
      const pull = values[entry] / (1 + dx * dx + dy * dy);
      forceX += pull * dx;
      forceY += pull * dy;
    }
    attraction[2 * i] = forceX;
    attraction[2 * i + 1] = forceY;
  }
}
