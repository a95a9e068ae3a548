/** The first element that is not finite, by looking at one after another. */
import type { NumberArray } from '../../devices/dtype.ts';

export function firstNonFiniteReference([x]: readonly NumberArray[], [first]: readonly NumberArray[]): void {
  first[0] = (x as Float64Array).findIndex(value => !Number.isFinite(value));
}
