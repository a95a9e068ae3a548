/**
 * Picture files to pixels, by sharp (libvips): JPEG, PNG, WebP, GIF, TIFF, AVIF, SVG; turned upright by their EXIF note,
 * colours in sRGB, transparency kept. sharp is a native package and is loaded only when a picture is decoded, so that
 * everything else works where it is missing.
 */
import { stat } from 'node:fs/promises';
import { DataError } from '../devices/errors.ts';
import type { PhotoPixels } from './photo-raster.ts';

/** Names that picture files end in, as far as they are looked for in folders. */
export const PICTURE_ENDING: RegExp = /\.(jpe?g|png|webp|gif|tiff?|avif|svg)$/i;

const FORMATS = 'JPEG, PNG, WebP, GIF, TIFF, AVIF or SVG';

async function loadSharp(path: string) {
  try {
    return (await import('sharp')).default;
  } catch (error) {
    const reason = (error as Error).message.trim().split('\n')[0];
    throw new DataError(
      `${path} cannot be decoded: the package sharp does not load here (${reason}); npm install sharp may help.`,
    );
  }
}

/**
 * Decodes a picture file.
 *
 * @param path of the file, or the bytes of one with a name for errors
 * @throws DataError: one sentence for a file that is missing, a folder, no picture, or damaged
 */
export async function readPicture(path: string, bytes?: Uint8Array): Promise<PhotoPixels> {
  if (!bytes) {
    const found = await stat(path).catch(() => undefined);
    if (!found) throw new DataError(`There is no file ${path}.`);
    if (found.isDirectory()) throw new DataError(`${path} is a folder, not a picture.`);
    if (found.size === 0) throw new DataError(`${path} is empty, not a picture.`);
  }
  const sharp = await loadSharp(path);
  try {
    const { data, info } = await sharp(bytes ?? path, { failOn: 'error' })
      .autoOrient()
      .toColourspace('srgb')
      .ensureAlpha()
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height, rgba: data };
  } catch (error) {
    const reason = (error as Error).message.trim().split('\n')[0];
    throw new DataError(`${path} is no picture that can be read (${FORMATS}): ${reason}.`);
  }
}
