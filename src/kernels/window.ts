/** The numbers of a sliding window, in the range of the 32-bit indices that kernels count with. */
import {
  type Check,
  everyOf,
  integerInRange,
  nonNegativeInteger,
  pairOf,
  positiveInteger,
  refuse,
} from '../devices/checks.ts';

const LARGEST = 0x7fffffff;

/** A window's extent, stride or dilation along one axis, or a number of groups: a whole number of at least 1. */
export const windowStep: Check<number> = (what, name, value) =>
  value > LARGEST ? integerInRange(what, name, value, { from: 1, to: LARGEST }) : positiveInteger(what, name, value);

/** Padding on one side: a whole number of at least 0. */
export const windowPadding: Check<number> = (what, name, value) =>
  value > LARGEST ? integerInRange(what, name, value, { from: 0, to: LARGEST }) : nonNegativeInteger(what, name, value);

/** A window of pixels: both extents, and an area that can be counted. */
export function checkWindow(what: string, kernel: readonly [number, number]): void {
  pairOf(what, 'kernel', kernel, windowStep);
  if (kernel[0] * kernel[1] > LARGEST) refuse(what, 'kernel', kernel, `a window of at most ${LARGEST} pixels`);
}

/**
 * Padding of [top, bottom, left, right] that is less than the window on every side.
 * @param given what the message shows, where padding was given in another form
 */
export function checkPaddingWithin(
  what: string,
  padding: readonly number[],
  kernel: readonly [number, number],
  given: unknown = padding,
): void {
  everyOf(what, 'padding', padding, windowPadding);
  if (padding.some((pad, side) => pad >= kernel[side >> 1]))
    refuse(what, 'padding', given, `less than the kernel [${kernel.join(', ')}] on every side`);
}
