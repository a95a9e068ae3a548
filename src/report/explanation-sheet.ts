/**
 * Explanations side by side: a row per image, a column per method, maps laid over the enlarged image. All maps of one
 * column share one scale, which the bar below it shows, so that rows can be compared; a scale of its own per picture would
 * make a weak explanation look like a strong one. With captions the sheet explains itself: what the model says stands beside
 * each image, the method above each column, the ends of its scale below.
 */
import { ShapeError, UsageError } from '../devices/errors.ts';
import { type Attribution, pixelMaps, positiveMaps, resizeMaps, type Segments } from '../explain/index.ts';
import type { Rgb } from './color.ts';
import { imageSheet, stacked } from './image-sheet.ts';
import { textPicture } from './lettering.ts';
import { segmentBorders } from './outline.ts';
import { enlarge, heatPicture, overlay, type Picture, signedPicture, valuesPicture } from './picture.ts';

export interface ExplanationColumn {
  readonly attribution: Pick<Attribution, 'method' | 'values' | 'shape'>;
  /** `signed`: blue against, red for, both to the same limit. `positive`: dark to light from zero. */
  readonly display: 'signed' | 'positive';
  /** Of each image, whose borders are drawn on the maps: for methods that explain by pieces. */
  readonly segments?: readonly Segments[];
}

export interface ExplanationSheetOptions {
  /** Whole number by which images are enlarged. Default 4. */
  readonly scale?: number;
  /** Of the maps over the image. Default 0.7. */
  readonly opacity?: number;
  /**
   * Lines to stand beside each image (what the model says, for which class, how well a linear model fits). With them come
   * the methods' names above and the ends of the scales below, on white.
   */
  readonly captions?: readonly (readonly string[])[];
}

/** What the two ends of a column's colours stand for. */
export interface ColumnScale {
  readonly method: string;
  readonly low: number;
  readonly high: number;
}

export interface ExplanationSheet {
  /** The images in the first column (captions in the second), one column per method, colour bars at the bottom. */
  readonly sheet: Picture;
  readonly scales: readonly ColumnScale[];
}

const BAR_HEIGHT = 2;
/** Room for 22 letters: the longest name of a class with its probability. */
const CAPTION_WIDTH = 132;
const WHITE = [255, 255, 255, 255] as const;
/** On maps, which are light or coloured, dark lines show best. */
const BORDER: Rgb = [32, 32, 32];

/**
 * @param images [N, H, W, C], values in [0, 1]
 * @param columns attributions of the same N images, [N, H, W, C] or [N, h, w]
 */
export function explanationSheet(
  images: { readonly values: ArrayLike<number>; readonly shape: readonly number[] },
  columns: readonly ExplanationColumn[],
  { scale = 4, opacity = 0.7, captions }: ExplanationSheetOptions = {},
): ExplanationSheet {
  if (images.shape.length !== 4) throw new ShapeError('A sheet of explanations shows images [N, H, W, C].');
  if (!(opacity >= 0 && opacity <= 1)) throw new UsageError(`An opacity lies between 0 and 1, not ${opacity}.`);
  const [count, height, width, channels] = images.shape;
  if (captions && captions.length !== count)
    throw new ShapeError(`There are ${captions.length} captions for ${count} images.`);
  const size = height * width * channels;
  const large = Array.from({ length: count }, (_, i) => {
    const pixels = Array.prototype.slice.call(images.values, i * size, (i + 1) * size) as number[];
    return enlarge(valuesPicture(pixels, { height, width, channels }), scale);
  });
  const shown = columns.map(column => columnPictures(column, large, opacity));
  const sheet = captions ? captioned(large, shown, captions) : plain(large, shown);
  return { sheet, scales: shown.map(({ scale: ends }) => ends) };
}

function plain(images: readonly Picture[], columns: readonly ColumnPictures[]): Picture {
  const rows = images.flatMap((picture, i) => [picture, ...columns.map(({ pictures }) => pictures[i])]);
  const blank: Picture = { width: 1, height: 1, rgba: new Uint8Array(4) };
  return imageSheet([...rows, blank, ...columns.map(({ bar }) => bar)], { columns: 1 + columns.length });
}

function captioned(
  images: readonly Picture[],
  columns: readonly ColumnPictures[],
  captions: readonly (readonly string[])[],
): Picture {
  const width = Math.max(images[0].width, CAPTION_WIDTH);
  const text = (...lines: string[]): Picture => textPicture(lines, { width, align: 'centre' });
  const layout = { columns: 2 + columns.length, background: WHITE, gap: 6 };
  const body = images.flatMap((picture, i) => [
    picture,
    textPicture(captions[i], { width, height: picture.height }),
    ...columns.map(({ pictures }) => pictures[i]),
  ]);
  const ends = ({ scale: { low, high } }: ColumnPictures): Picture => {
    const half = { width: Math.floor(width / 2) };
    const numbers = [
      textPicture([shortNumber(low)], half),
      textPicture([shortNumber(high)], { ...half, align: 'right' }),
    ];
    return imageSheet(numbers, { columns: 2, gap: 0, background: WHITE });
  };
  return stacked(
    [
      imageSheet([text('image'), text('prediction'), ...columns.map(({ scale }) => text(scale.method))], layout),
      imageSheet(body, layout),
      imageSheet([text(''), text(''), ...columns.map(column => stacked([column.bar, ends(column)], WHITE))], layout),
    ],
    WHITE,
  );
}

/** Three digits, as short as they come. */
const shortNumber = (value: number): string => String(Number(value.toPrecision(3)));

interface ColumnPictures {
  readonly pictures: Picture[];
  readonly bar: Picture;
  readonly scale: ColumnScale;
}

function columnPictures(
  { attribution, display, segments }: ExplanationColumn,
  below: readonly Picture[],
  opacity: number,
): ColumnPictures {
  const { method } = attribution;
  const [{ width, height }] = below;
  const pixels = pixelMaps(attribution);
  if (pixels.shape[0] !== below.length) {
    throw new ShapeError(`${method} explains ${pixels.shape[0]} images, but the sheet shows ${below.length}.`);
  }
  if (segments && segments.length !== below.length)
    throw new ShapeError(`${method} has segments for ${segments.length} images, but the sheet shows ${below.length}.`);
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
    pictures: below.map((image, i) => {
      const over = overlay(image, paint(maps.values.subarray(i * area, (i + 1) * area), width, height), opacity);
      return segments ? segmentBorders(over, segments[i], { color: BORDER, opacity: 0.6 }) : over;
    }),
    bar: paint(bar, width, barHeight),
    scale: { method, low, high: limit },
  };
}
