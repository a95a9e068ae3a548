/**
 * Pictures: 8-bit RGBA rasters, made from what a network sees and says. Grey images, magnitudes and signed attributions
 * each have one way to become a picture, which says what its lightest and darkest mean.
 */
import { ShapeError, UsageError } from '../devices/errors.ts';
import { blueRed, type ColorMap, viridis } from './color.ts';

/** A raster, row by row from the top left, four bytes (red, green, blue, opacity) a pixel. */
export interface Picture {
  width: number;
  height: number;
  rgba: Uint8Array;
}

type Values = ArrayLike<number>;

function raster(width: number, height: number, values: Values, channels: number): Uint8Array {
  if (!Number.isInteger(width) || !Number.isInteger(height) || width < 1 || height < 1) {
    throw new ShapeError(`A picture cannot be ${width} x ${height} pixels.`);
  }
  if (values.length !== width * height * channels) {
    throw new ShapeError(`${values.length} values do not make a picture of ${height} x ${width} x ${channels}.`);
  }
  return new Uint8Array(width * height * 4);
}

function finite(value: number, index: number): number {
  if (!Number.isFinite(value))
    throw new UsageError(`Value ${index} of a picture is ${value}; only finite values have a colour.`);
  return value;
}

/**
 * A photograph or data image as it is.
 *
 * @param values `[height, width]` grey or `[height, width, 3]` RGB: bytes in a byte array, else shares in [0, 1] (what
 *   lies outside is cut off)
 */
export function imagePicture(values: Values, width: number, height: number): Picture {
  const channels = values.length === width * height * 3 ? 3 : 1;
  const rgba = raster(width, height, values, channels);
  const isBytes = values instanceof Uint8Array || values instanceof Uint8ClampedArray;
  for (let pixel = 0; pixel < width * height; pixel++) {
    for (let c = 0; c < 3; c++) {
      const index = channels === 3 ? pixel * 3 + c : pixel;
      const value = finite(values[index], index);
      rgba[pixel * 4 + c] = isBytes ? value : Math.round(255 * Math.min(1, Math.max(0, value)));
    }
    rgba[pixel * 4 + 3] = 255;
  }
  return { width, height, rgba };
}

/**
 * An image of any number of channels: grey by its first, or in colour by its first three.
 *
 * @param values `[height, width, channels]`, as `imagePicture` takes them
 */
export function valuesPicture(
  values: Uint8Array | readonly number[] | Float32Array,
  { height, width, channels }: { readonly height: number; readonly width: number; readonly channels: number },
): Picture {
  const shown = channels < 3 ? 1 : 3;
  const isShown = (_: number, i: number): boolean => i % channels < shown;
  return imagePicture(shown === channels ? values : values.filter(isShown), width, height);
}

function paint(values: Values, width: number, height: number, colorOf: (value: number) => readonly number[]): Picture {
  const rgba = raster(width, height, values, 1);
  for (let pixel = 0; pixel < width * height; pixel++) {
    rgba.set(colorOf(finite(values[pixel], pixel)), pixel * 4);
    rgba[pixel * 4 + 3] = 255;
  }
  return { width, height, rgba };
}

/** The least and the greatest value. */
export function valueRange(values: Values): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < values.length; index++) {
    low = Math.min(low, values[index]);
    high = Math.max(high, values[index]);
  }
  return [low, high];
}

/**
 * Magnitudes (a class activation map, a filter's response) in colour.
 *
 * @param values `[height, width]`
 * @param range the values that take the map's two ends; by default the least and the greatest, which makes two pictures
 *   incomparable: give them a common range
 */
export function heatPicture(
  values: Values,
  width: number,
  height: number,
  { map = viridis, range = valueRange(values) }: { map?: ColorMap; range?: readonly [number, number] } = {},
): Picture {
  const [low, high] = range;
  const extent = high - low;
  return paint(values, width, height, value => map(extent > 0 ? (value - low) / extent : 0));
}

/**
 * Signed values (attributions) in colour: zero is near-white, negative blue, positive red, both to the same limit.
 *
 * @param values `[height, width]`
 * @param limit the magnitude of the darkest colours; by default the greatest there is
 */
export function signedPicture(
  values: Values,
  width: number,
  height: number,
  { map = blueRed, limit = Math.max(...valueRange(values).map(Math.abs)) }: { map?: ColorMap; limit?: number } = {},
): Picture {
  return paint(values, width, height, value => map(limit > 0 ? 0.5 + value / (2 * limit) : 0.5));
}

/**
 * One picture over another of the same size.
 *
 * @param opacity of the upper one, 0 to 1
 */
export function overlay(below: Picture, above: Picture, opacity = 0.5): Picture {
  if (below.width !== above.width || below.height !== above.height) {
    throw new ShapeError(
      `A picture of ${above.width} x ${above.height} pixels does not cover one of ${below.width} x ${below.height}.`,
    );
  }
  const rgba = Uint8Array.from(below.rgba);
  for (let pixel = 0; pixel < rgba.length; pixel += 4) {
    const weight = (opacity * above.rgba[pixel + 3]) / 255;
    for (let c = 0; c < 3; c++) {
      rgba[pixel + c] = Math.round(rgba[pixel + c] * (1 - weight) + above.rgba[pixel + c] * weight);
    }
  }
  return { width: below.width, height: below.height, rgba };
}

/** Every pixel becomes a square of `factor` by `factor`: small images stay the pixels they are. */
export function enlarge(picture: Picture, factor: number): Picture {
  if (!Number.isInteger(factor) || factor < 1)
    throw new UsageError(`A picture is enlarged by a whole number, not ${factor}.`);
  const width = picture.width * factor;
  const height = picture.height * factor;
  const source = pixelsOf(picture);
  const rgba = new Uint8Array(width * height * 4);
  const target = pixelsOf({ width, height, rgba });
  for (let y = 0; y < height; y++) {
    const row = Math.floor(y / factor) * picture.width;
    for (let x = 0; x < width; x++) target[y * width + x] = source[row + Math.floor(x / factor)];
  }
  return { width, height, rgba };
}

/** A picture's pixels as whole 32-bit words (of no meaning but to be copied). */
export function pixelsOf({ rgba, width, height }: Picture): Uint32Array {
  const aligned = rgba.byteOffset % 4 === 0 ? rgba : Uint8Array.from(rgba);
  return new Uint32Array(aligned.buffer, aligned.byteOffset, width * height);
}
