/**
 * A map made of the images themselves: where a scatter chart shows that classes separate, this shows by what. The map is
 * cut into squares, each of which shows the image nearest to its middle.
 */
import { ShapeError, UsageError } from '../devices/errors.ts';
import { type Picture, pixelsOf } from './picture.ts';

export interface ThumbnailMapOptions {
  /** Squares along the longer side. */
  readonly across?: number;
}

/**
 * Lays pictures of one size out by their points `[N, 2]`; squares without a point stay transparent. The second coordinate
 * grows upwards, as in a chart.
 *
 * @throws ShapeError when points and pictures do not fit, UsageError when there are none
 */
export function thumbnailMap(
  points: ArrayLike<number>,
  pictures: readonly Picture[],
  { across = 40 }: ThumbnailMapOptions = {},
): Picture {
  if (pictures.length === 0) throw new UsageError('A map of pictures needs at least one picture.');
  if (!Number.isInteger(across) || across < 1) throw new UsageError(`A map cannot be ${across} pictures wide.`);
  if (points.length !== 2 * pictures.length) {
    throw new ShapeError(`${points.length} coordinates do not place ${pictures.length} pictures in the plane.`);
  }
  const [{ width: cellWidth, height: cellHeight }] = pictures;
  const odd = pictures.find(({ width, height }) => width !== cellWidth || height !== cellHeight);
  if (odd) {
    throw new ShapeError(
      `A map's pictures are of one size, not ${cellWidth} x ${cellHeight} and ${odd.width} x ${odd.height}.`,
    );
  }
  const ends = (axis: 0 | 1): [number, number] => {
    let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (let i = axis; i < points.length; i += 2) {
      low = Math.min(low, points[i]);
      high = Math.max(high, points[i]);
    }
    return [low, high];
  };
  const [[left, right], [bottom, top]] = [ends(0), ends(1)];
  // Points on the far edges belong to the last square.
  const side = (Math.max(right - left, top - bottom) || 1) / (across * (1 - 1e-9));
  const columns = Math.floor((right - left) / side) + 1;
  const rows = Math.floor((top - bottom) / side) + 1;
  const shown = new Map<number, { picture: Picture; distance: number }>();
  pictures.forEach((picture, i) => {
    const x = (points[2 * i] - left) / side;
    const y = (top - points[2 * i + 1]) / side;
    const cell = Math.floor(y) * columns + Math.floor(x);
    const distance = ((x % 1) - 0.5) ** 2 + ((y % 1) - 0.5) ** 2;
    if (distance < (shown.get(cell)?.distance ?? Number.POSITIVE_INFINITY)) shown.set(cell, { picture, distance });
  });
  const map: Picture = { width: columns * cellWidth, height: rows * cellHeight, rgba: new Uint8Array(0) };
  map.rgba = new Uint8Array(4 * map.width * map.height);
  const target = pixelsOf(map);
  for (const [cell, { picture }] of shown) {
    const pixels = pixelsOf(picture);
    const start = Math.floor(cell / columns) * cellHeight * map.width + (cell % columns) * cellWidth;
    for (let y = 0; y < cellHeight; y++) {
      target.set(pixels.subarray(y * cellWidth, (y + 1) * cellWidth), start + y * map.width);
    }
  }
  return map;
}
