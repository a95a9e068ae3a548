/**
 * Many small pictures on one sheet, in rows, with gaps between them: the filters of a layer, the images of a class, the
 * surest mistakes.
 */
import { UsageError } from '../devices/errors.ts';
import { enlarge, type Picture, pixelsOf } from './picture.ts';

export interface SheetOptions {
  /** Pictures in a row; by default about as many as there are rows. */
  columns?: number;
  /** Pixels between and around the pictures, counted after enlarging. */
  gap?: number;
  /** Whole number that every picture is enlarged by. */
  scale?: number;
  /** Colour of gaps and empty places: red, green, blue, opacity. Transparent by default, which suits light and dark pages. */
  background?: readonly [number, number, number, number];
}

/**
 * Lays pictures out in rows from the top left. Every place is as large as the largest picture; smaller ones are centred.
 *
 * @throws UsageError for no pictures, or a gap, scale or number of columns that is not a whole number
 */
export function imageSheet(pictures: readonly Picture[], options: SheetOptions = {}): Picture {
  const { columns = Math.ceil(Math.sqrt(pictures.length)), gap = 4, scale = 1, background = [0, 0, 0, 0] } = options;
  if (pictures.length === 0) throw new UsageError('A picture sheet needs at least one picture.');
  if (!Number.isInteger(columns) || columns < 1)
    throw new UsageError(`A picture sheet cannot have ${columns} columns.`);
  if (!Number.isInteger(gap) || gap < 0) throw new UsageError(`The gap of a picture sheet cannot be ${gap} pixels.`);

  const across = Math.min(columns, pictures.length);
  const down = Math.ceil(pictures.length / columns);
  const cellWidth = scale * Math.max(...pictures.map(picture => picture.width));
  const cellHeight = scale * Math.max(...pictures.map(picture => picture.height));
  const width = across * cellWidth + (across + 1) * gap;
  const height = down * cellHeight + (down + 1) * gap;
  const rgba = new Uint8Array(width * height * 4);
  for (let pixel = 0; pixel < rgba.length; pixel += 4) rgba.set(background, pixel);

  const sheet = pixelsOf({ width, height, rgba });
  pictures.forEach((picture, index) => {
    const large = enlarge(picture, scale);
    const left = gap + (index % columns) * (cellWidth + gap) + Math.floor((cellWidth - large.width) / 2);
    const top = gap + Math.floor(index / columns) * (cellHeight + gap) + Math.floor((cellHeight - large.height) / 2);
    const pixels = pixelsOf(large);
    for (let y = 0; y < large.height; y++) {
      sheet.set(pixels.subarray(y * large.width, (y + 1) * large.width), (top + y) * width + left);
    }
  });
  return { width, height, rgba };
}

/** Pictures one below the other, each in the middle of the widest's width. */
export function stacked(
  pictures: readonly Picture[],
  background: readonly [number, number, number, number] = [0, 0, 0, 0],
): Picture {
  if (pictures.length === 0) throw new UsageError('A stack needs at least one picture.');
  const width = Math.max(...pictures.map(picture => picture.width));
  const height = pictures.reduce((sum, picture) => sum + picture.height, 0);
  const rgba = new Uint8Array(width * height * 4);
  for (let pixel = 0; pixel < rgba.length; pixel += 4) rgba.set(background, pixel);
  const stack = pixelsOf({ width, height, rgba });
  let top = 0;
  for (const picture of pictures) {
    const pixels = pixelsOf(picture);
    const left = Math.floor((width - picture.width) / 2);
    for (let y = 0; y < picture.height; y++)
      stack.set(pixels.subarray(y * picture.width, (y + 1) * picture.width), (top + y) * width + left);
    top += picture.height;
  }
  return { width, height, rgba };
}
