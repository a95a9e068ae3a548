/** Where in the image a value of an inner layer looks. */
import type { Shape } from '../devices/shape.ts';
import type { ReceptiveField } from './field-arithmetic.ts';
import { runOnShapes, type ShapeRunnable } from './shape-run.ts';

export type { ReceptiveField } from './field-arithmetic.ts';

/** A rectangle of image pixels. */
export interface PixelWindow {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

/**
 * What each layer's values see, by path within the model.
 *
 * A. Araujo, W. Norris, J. Sim: Computing receptive fields of convolutional neural networks. Distill, 2019.
 *
 * @param inputShape of one image, [H, W, C]
 */
export function receptiveFields(model: ShapeRunnable, inputShape: Shape): Map<string, ReceptiveField> {
  return new Map([...runOnShapes(model, inputShape)].map(([path, { field }]) => [path, field]));
}

/**
 * The pixels that the value at `position` sees of an image of [H, W], what lies in the padding cut off.
 *
 * @param position [row, column] in the layer's output
 */
export function receptiveWindow(
  { start, jump, size }: ReceptiveField,
  position: readonly [number, number],
  image: readonly [number, number],
): PixelWindow {
  const span = (axis: 0 | 1): [number, number] => {
    const from = start[axis] + position[axis] * jump[axis];
    const to = Math.ceil(from + size[axis]); // Behind a transposed convolution neighbours lie fractions of a pixel apart.
    return [Math.min(Math.max(0, Math.floor(from)), image[axis]), Math.max(0, Math.min(image[axis], to))];
  };
  const [[top, bottom], [left, right]] = [span(0), span(1)];
  return { top, left, height: Math.max(0, bottom - top), width: Math.max(0, right - left) };
}
