/**
 * Lines on pictures: where one segment of an image ends and the next begins, and a frame around a part of it; and that part
 * alone. Small images are enlarged first, so that a line runs between the image's pixels and hides little of them.
 */
import { ShapeError, UsageError } from '../devices/errors.ts';
import type { Segments } from '../explain/index.ts';
import type { PixelWindow } from '../nn/index.ts';
import type { Rgb } from './color.ts';
import type { Picture } from './picture.ts';

export interface LineOptions {
  /** Default yellow, which grey images do not have. */
  readonly color?: Rgb;
  /** 0 to 1. Default 1. */
  readonly opacity?: number;
  /** Pixels of the picture. Default: an eighth of an image pixel, at least 1. */
  readonly thickness?: number;
}

export const YELLOW: Rgb = [255, 221, 0];

/** How many pixels of the picture each pixel of an image of `height` x `width` has become. */
function enlargement(picture: Picture, height: number, width: number): number {
  const factor = picture.width / width;
  if (Number.isInteger(factor) && factor >= 1 && picture.height === height * factor) return factor;
  throw new ShapeError(
    `A picture of ${picture.height} x ${picture.width} pixels is no enlargement of an image of ${height} x ${width}.`,
  );
}

/** A copy to draw on: `fill` blends the line's colour into a rectangle, what lies outside is cut off. */
function canvas(picture: Picture, factor: number, options: LineOptions) {
  const { color = YELLOW, opacity = 1, thickness = Math.max(1, Math.round(factor / 8)) } = options;
  if (!(opacity >= 0 && opacity <= 1)) throw new UsageError(`An opacity lies between 0 and 1, not ${opacity}.`);
  if (!Number.isInteger(thickness) || thickness < 1)
    throw new UsageError(`A line is a whole number of pixels thick, not ${thickness}.`);
  const { width, height } = picture;
  const rgba = Uint8Array.from(picture.rgba);
  const isDrawn = new Uint8Array(width * height);
  const fill = (left: number, top: number, right: number, bottom: number): void => {
    for (let y = Math.max(0, top); y < Math.min(height, bottom); y++) {
      for (let x = Math.max(0, left); x < Math.min(width, right); x++) {
        const pixel = y * width + x;
        if (isDrawn[pixel] === 1) continue;
        isDrawn[pixel] = 1;
        for (let c = 0; c < 3; c++)
          rgba[pixel * 4 + c] = Math.round(rgba[pixel * 4 + c] * (1 - opacity) + color[c] * opacity);
      }
    }
  };
  return { fill, thickness, drawn: { width, height, rgba } satisfies Picture };
}

/**
 * The borders between segments, drawn on a picture of the image they cut.
 *
 * @param picture the image enlarged by a whole number (`enlarge`), or an overlay of that size
 */
export function segmentBorders(picture: Picture, { labels, shape }: Segments, options: LineOptions = {}): Picture {
  const [height, width] = shape;
  const factor = enlargement(picture, height, width);
  const { fill, thickness, drawn } = canvas(picture, factor, options);
  const before = Math.floor(thickness / 2);
  const label = (y: number, x: number): number => labels[y * width + x];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [left, top] = [x * factor - before, y * factor - before];
      const isNewColumn = x > 0 && label(y, x) !== label(y, x - 1);
      const isNewRow = y > 0 && label(y, x) !== label(y - 1, x);
      if (isNewColumn) fill(left, y * factor, left + thickness, (y + 1) * factor);
      if (isNewRow) fill(x * factor, top, (x + 1) * factor, top + thickness);
      // Where lines meet they fill the corner between them.
      const isCorner = x > 0 && y > 0 && (isNewColumn || isNewRow || label(y, x) !== label(y - 1, x - 1));
      if (isCorner) fill(left, top, left + thickness, top + thickness);
    }
  }
  return drawn;
}

/**
 * A frame just inside a rectangle of image pixels.
 *
 * @param picture the image of [height, width] enlarged by a whole number
 */
export function windowFrame(
  picture: Picture,
  window: PixelWindow,
  [height, width]: readonly [number, number],
  options: LineOptions = {},
): Picture {
  const factor = enlargement(picture, height, width);
  checkWindow(window, height, width);
  const { fill, thickness, drawn } = canvas(picture, factor, options);
  const [left, top] = [window.left * factor, window.top * factor];
  const [right, bottom] = [left + window.width * factor, top + window.height * factor];
  fill(left, top, right, Math.min(bottom, top + thickness));
  fill(left, Math.max(top, bottom - thickness), right, bottom);
  fill(left, top, Math.min(right, left + thickness), bottom);
  fill(Math.max(left, right - thickness), top, right, bottom);
  return drawn;
}

/** A part of a picture as a picture. */
export function crop(picture: Picture, window: PixelWindow): Picture {
  checkWindow(window, picture.height, picture.width);
  const { top, left, width, height } = window;
  const rgba = new Uint8Array(width * height * 4);
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * picture.width + left) * 4;
    rgba.set(picture.rgba.subarray(from, from + width * 4), y * width * 4);
  }
  return { width, height, rgba };
}

function checkWindow({ top, left, width, height }: PixelWindow, rows: number, columns: number): void {
  const isWhole = [top, left, width, height].every(Number.isInteger);
  if (isWhole && top >= 0 && left >= 0 && width >= 1 && height >= 1 && top + height <= rows && left + width <= columns)
    return;
  throw new ShapeError(
    `A window of ${height} x ${width} pixels from row ${top}, column ${left} is no part of ${rows} x ${columns}.`,
  );
}
