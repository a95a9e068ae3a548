/**
 * Pictures as PNG files, by pngjs, which needs Node's zlib; a page would draw the picture on a canvas instead.
 */
import { PNG } from 'pngjs';
import { ShapeError } from '../devices/errors.ts';
import type { Picture } from './picture.ts';

const COLOR_TYPE = { grey: 0, rgb: 2, rgba: 6 } as const;

/** The smallest of PNG's layouts that keeps every pixel as it is. */
function colorTypeOf(rgba: Uint8Array): 0 | 2 | 6 {
  let isGrey = true;
  for (let pixel = 0; pixel < rgba.length; pixel += 4) {
    if (rgba[pixel + 3] !== 255) return COLOR_TYPE.rgba;
    if (rgba[pixel] !== rgba[pixel + 1] || rgba[pixel] !== rgba[pixel + 2]) isGrey = false;
  }
  return isGrey ? COLOR_TYPE.grey : COLOR_TYPE.rgb;
}

/** The bytes of a PNG file, 8 bits a channel, lossless. */
export function encodePng({ width, height, rgba }: Picture): Uint8Array {
  if (rgba.length !== width * height * 4) {
    throw new ShapeError(`${rgba.length} bytes do not make a picture of ${width} x ${height} pixels.`);
  }
  const png = new PNG({ width, height });
  png.data = Buffer.from(rgba.buffer, rgba.byteOffset, rgba.byteLength);
  const colorType = colorTypeOf(rgba);
  // pngjs turns RGBA into grey by itself, from the red, green and blue that are equal here.
  return PNG.sync.write(png, { colorType, inputColorType: COLOR_TYPE.rgba, inputHasAlpha: true });
}
