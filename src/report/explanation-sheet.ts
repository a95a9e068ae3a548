/**
 * Explanations side by side: a row per image, a column per method, maps laid over the enlarged image. All maps of one
 * column share one scale, which the bar below it shows, so that rows can be compared; a scale of its own per picture would
 * make a weak explanation look like a strong one.
 */
import { ShapeError, UsageError } from '../devices/errors.ts';
import { type Attribution, pixelMaps, positiveMaps, resizeMaps } from '../explain/index.ts';
import { imageSheet } from './image-sheet.ts';
import { enlarge, heatPicture, imagePicture, overlay, type Picture, signedPicture } from './picture.ts';

export interface ExplanationColumn {
  readonly attribution: Pick<Attribution, 'method' | 'values' | 'shape'>;
  /** `signed`: blue against, red for, both to the same limit. `positive`: dark to light from zero. */
  readonly display: 'signed' | 'positive';
}

export interface ExplanationSheetOptions {
  /** Whole number by which images are enlarged. Default 4. */
  readonly scale?: number;
  /** Of the maps over the image. Default 0.7. */
  readonly opacity?: number;
}

/** What the two ends of a column's colours stand for. */
export interface ColumnScale {
  readonly method: string;
  readonly low: number;
  readonly high: number;
}

export interface ExplanationSheet {
  /** The images in the first column, one column per method, a row of colour bars at the bottom. */
  readonly sheet: Picture;
  readonly scales: readonly ColumnScale[];
}

const BAR_HEIGHT = 2;

/**
 * @param images [N, H, W, C] with C 1 or 3, values in [0, 1]
 * @param columns attributions of the same N images, [N, H, W, C] or [N, h, w]
 */
export function explanationSheet(
  images: { readonly values: ArrayLike<number>; readonly shape: readonly number[] },
  columns: readonly ExplanationColumn[],
  { scale = 4, opacity = 0.7 }: ExplanationSheetOptions = {},
): ExplanationSheet {
  if (images.shape.length !== 4) throw new ShapeError('A sheet of explanations shows images [N, H, W, C].');
  if (!(opacity >= 0 && opacity <= 1)) throw new UsageError(`An opacity lies between 0 and 1, not ${opacity}.`);
  const [count, height, width, channels] = images.shape;
  const size = height * width * channels;
  const large = Array.from({ length: count }, (_, i) => {
    const pixels = Array.prototype.slice.call(images.values, i * size, (i + 1) * size) as number[];
    return enlarge(imagePicture(pixels, width, height), scale);
  });
  const shown = columns.map(column => columnPictures(column, large, opacity));
  const rows = large.flatMap((picture, i) => [picture, ...shown.map(({ pictures }) => pictures[i])]);
  const blank: Picture = { width: 1, height: 1, rgba: new Uint8Array(4) };
  const sheet = imageSheet([...rows, blank, ...shown.map(({ bar }) => bar)], { columns: 1 + columns.length });
  return { sheet, scales: shown.map(({ scale: ends }) => ends) };
}

function columnPictures(
  { attribution, display }: ExplanationColumn,
  below: readonly Picture[],
  opacity: number,
): { pictures: Picture[]; bar: Picture; scale: ColumnScale } {
  const { method } = attribution;
  const [{ width, height }] = below;
  const pixels = pixelMaps(attribution);
  if (pixels.shape[0] !== below.length) {
    throw new ShapeError(`${method} explains ${pixels.shape[0]} images, but the sheet shows ${below.length}.`);
  }
  const maps = resizeMaps(display === 'positive' ? positiveMaps(pixels) : pixels, [height, width]);
  let limit = 0;
  for (const value of pixels.values) limit = Math.max(limit, display === 'positive' ? value : Math.abs(value));
  const low = display === 'positive' ? 0 : -limit;
  const paint = (values: ArrayLike<number>, w: number, h: number): Picture =>
    display === 'positive' ? heatPicture(values, w, h, { range: [0, limit] }) : signedPicture(values, w, h, { limit });
  const area = width * height;
  const ramp = Float64Array.from({ length: width }, (_, i) => low + ((limit - low) * i) / Math.max(1, width - 1));
  const barHeight = Math.max(1, Math.round((height * BAR_HEIGHT) / 28));
  const bar = Float64Array.from({ length: width * barHeight }, (_, i) => ramp[i % width]);
  return {
    pictures: below.map((image, i) =>
      overlay(image, paint(maps.values.subarray(i * area, (i + 1) * area), width, height), opacity),
    ),
    bar: paint(bar, width, barHeight),
    scale: { method, low, high: limit },
  };
}
