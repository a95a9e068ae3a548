/**
 * A regular grid: pieces of equal size that know nothing of the picture. It is a cut of its own for LIME and SHAP, and
 * where the centres of SLIC start.
 */
import { ShapeError, UsageError } from '../../devices/errors.ts';
import type { Segments } from './segments.ts';

/**
 * Rows and columns of nearly square cells, as close to `count` of them as a grid can be.
 *
 * @throws ShapeError for an image without pixels, UsageError for a count that the image cannot have
 */
export function gridFor(count: number, [height, width]: readonly [number, number]): [rows: number, columns: number] {
  if (!(Number.isInteger(height) && Number.isInteger(width) && height >= 1 && width >= 1))
    throw new ShapeError(`There is no image of ${height} x ${width} pixels to cut.`);
  if (!(Number.isInteger(count) && count >= 1 && count <= height * width))
    throw new UsageError(`An image of ${height} x ${width} pixels cannot be cut into ${count} segments.`);
  const perRow = Math.sqrt((count * height) / width);
  let best: [number, number] = [1, 1];
  let least = Number.POSITIVE_INFINITY;
  for (const rows of [Math.floor(perRow), Math.ceil(perRow)].map(value => Math.min(height, Math.max(1, value)))) {
    const columns = Math.min(width, Math.max(1, Math.round(count / rows)));
    // Closeness of the count decides, then how square the cells are.
    const misfit = Math.abs(rows * columns - count) + Math.abs(Math.log((rows * width) / (columns * height))) / 100;
    if (misfit < least) [best, least] = [[rows, columns], misfit];
  }
  return best;
}

/**
 * Cuts images of [H, W] into a grid.
 *
 * @param cells about how many, or exactly [rows, columns]
 */
export function gridSegments(shape: readonly [number, number], cells: number | readonly [number, number]): Segments {
  const [height, width] = shape;
  const [rows, columns] = typeof cells === 'number' ? gridFor(cells, shape) : cells;
  const fits = (parts: number, pixels: number) => Number.isInteger(parts) && parts >= 1 && parts <= pixels;
  if (!fits(rows, height) || !fits(columns, width))
    throw new UsageError(`An image of ${height} x ${width} pixels has no grid of ${rows} x ${columns} cells.`);
  const labels = new Int32Array(height * width);
  for (let y = 0; y < height; y++) {
    const first = Math.floor((y * rows) / height) * columns;
    for (let x = 0; x < width; x++) labels[y * width + x] = first + Math.floor((x * columns) / width);
  }
  return { labels, shape: [height, width], count: rows * columns };
}
