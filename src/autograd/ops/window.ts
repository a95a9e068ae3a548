/**
 * Options of sliding windows, as convolution and pooling take them, and as layers do when they are made: their checks, and
 * what they mean for an image.
 */
import { everyOf, pairOf, refuse } from '../../devices/checks.ts';
import { windowPadding, windowStep } from '../../kernels/window.ts';

/** One number for both directions, or [vertical, horizontal]. */
export type Pair = number | readonly [number, number];
/**
 * `valid`: none; `same`: as many output as input pixels at stride 1 (extra pixel at bottom and right); a number or a
 * [vertical, horizontal] pair for both sides; or [top, bottom, left, right].
 */
export type Padding = 'valid' | 'same' | number | readonly [number, number] | readonly [number, number, number, number];

export const toPair = (value: Pair): [number, number] =>
  typeof value === 'number' ? [value, value] : [value[0], value[1]];

/** [top, bottom, left, right] for windows of `kernel` pixels (dilated) moved by `strides` over `size` pixels. */
export function resolvePadding(
  padding: Padding,
  size: readonly [number, number],
  kernel: readonly [number, number],
  strides: readonly [number, number],
  dilations: readonly [number, number] = [1, 1],
): [number, number, number, number] {
  if (padding === 'valid') return [0, 0, 0, 0];
  if (padding === 'same') {
    const along = (axis: 0 | 1): [number, number] => {
      const outputs = Math.ceil(size[axis] / strides[axis]);
      const total = Math.max(0, (outputs - 1) * strides[axis] + dilations[axis] * (kernel[axis] - 1) + 1 - size[axis]);
      return [Math.floor(total / 2), Math.ceil(total / 2)];
    };
    return [...along(0), ...along(1)];
  }
  if (typeof padding === 'number') return [padding, padding, padding, padding];
  if (padding.length === 2) return [padding[0], padding[0], padding[1], padding[1]];
  return [padding[0], padding[1], padding[2], padding[3]];
}

/**
 * Strides as kernels count with them: beyond the padded image, all that a stride says is that there is one window. A sum of
 * positions and strides then stays within 32 bits.
 */
export function resolveStrides(
  strides: readonly [number, number],
  size: readonly [number, number],
  [top, bottom, left, right]: readonly [number, number, number, number],
): [number, number] {
  return [Math.min(strides[0], size[0] + top + bottom), Math.min(strides[1], size[1] + left + right)];
}

/** A window size, stride or dilation: one whole number of at least 1, or [vertical, horizontal]. */
export function checkPair(what: string, name: string, value: Pair): Pair {
  pairOf(what, name, value, windowStep);
  return value;
}

/** See `Padding`. */
export function checkPadding(what: string, padding: Padding): Padding {
  if (padding === 'same' || padding === 'valid') return padding;
  if (typeof padding === 'number') {
    windowPadding(what, 'padding', padding);
  } else if (Array.isArray(padding) && (padding.length === 2 || padding.length === 4)) {
    everyOf(what, 'padding', padding as readonly number[], windowPadding);
  } else {
    refuse(what, 'padding', padding, "'same', 'valid', a whole number of at least 0, or an array of 2 or 4 of them");
  }
  return padding;
}
