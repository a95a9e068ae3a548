/** Places of images in a data set, as callers name them. */
import type { DeviceDataset } from '../data/device-dataset.ts';
import { refuse } from '../devices/checks.ts';

/**
 * Which images of a data set are meant: those at `indices`, or all.
 * @throws UsageError for an index outside the data, and for none at all
 */
export function imageIndices(
  what: string,
  name: string,
  indices: ArrayLike<number> | undefined,
  { count }: DeviceDataset,
): ArrayLike<number> {
  const chosen = indices ?? Uint32Array.from({ length: count }, (_, index) => index);
  if (chosen.length === 0) refuse(what, name, [], 'the places of some images');
  for (let i = 0; i < chosen.length; i++) {
    const index = chosen[i];
    if (!Number.isInteger(index) || index < 0 || index >= count) {
      refuse(what, `${name}[${i}]`, index, `the place of one of ${count} images, 0 to ${count - 1}`);
    }
  }
  return chosen;
}
