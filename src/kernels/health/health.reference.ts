/** The first element that is not finite, by looking at one after another. */
import type { TypedArray } from '../../devices/dtype.ts';

export function firstNonFiniteReference([x]: readonly TypedArray[], [first]: readonly TypedArray[]): void {
  first[0] = (x as Float64Array).findIndex(value => !Number.isFinite(value));
}
