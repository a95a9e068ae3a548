/**
 * Picture files to pixels, by sharp (libvips): JPEG, PNG, WebP, GIF, TIFF, AVIF, SVG; turned upright by their EXIF note,
 * colours in sRGB, transparency kept. sharp is a native package and is loaded only when a picture is decoded, so that
 * everything else works where it is missing.
 */
import { open, stat } from 'node:fs/promises';
import { DataError } from '../devices/errors.ts';
import { plainText } from '../devices/plain-text.ts';
import type { PhotoPixels } from './photo-raster.ts';

/** Names that picture files end in, as far as they are looked for in folders. */
export const PICTURE_ENDING: RegExp = /\.(jpe?g|jfif|png|webp|gif|tiff?|avif|svg)$/i;

/** Names that other pictures end in. They are looked for too, so that they are named and not passed over. */
export const OTHER_PICTURE_ENDING: RegExp = /\.(bmp|hei[cf]|jxl|jp2|psd|ico)$/i;

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
  if (!bytes) await checkFile(path);
  return explained(path, bytes, async sharp => {
    checkDepth((await sharp(bytes ?? path).metadata()).depth, path);
    const { data, info } = await sharp(bytes ?? path, { failOn: 'error' })
      .autoOrient()
      .toColourspace('srgb')
      .ensureAlpha()
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height, rgba: data };
  });
}

async function checkFile(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (!found) throw new DataError(`There is no file ${path}.`);
  if (found.isDirectory()) throw new DataError(`${path} is a folder, not a picture.`);
  if (!found.isFile()) throw new DataError(`${path} is no file.`);
  if (found.size === 0) throw new DataError(`${path} is empty, not a picture.`);
}

/** A picture as it lies in a data set: grey pictures keep their one channel. */
export interface PicturePixels {
  readonly width: number;
  readonly height: number;
  /** 1 grey, 2 grey and alpha, 3 colour, 4 colour and alpha. */
  readonly channels: number;
  /** [height, width, channels] */
  readonly data: Uint8Array;
}

/**
 * Decodes a picture file without making grey ones colour.
 *
 * @param size [height, width] to stretch the picture to
 * @throws DataError as `readPicture` for a file that is no picture or damaged
 */
export async function readPicturePixels(
  path: string,
  bytes?: Uint8Array,
  size?: readonly [number, number],
): Promise<PicturePixels> {
  if (!bytes) await checkFile(path);
  return explained(path, bytes, async sharp => {
    const { depth, space, hasAlpha } = await sharp(bytes ?? path).metadata();
    checkDepth(depth, path);
    const upright = sharp(bytes ?? path, { failOn: 'error' }).autoOrient();
    const sized = size ? upright.resize(size[1], size[0], { fit: 'fill' }) : upright;
    const isGrey = space === 'b-w' || space === 'grey16';
    const { data, info } = await sized
      // sharp 0.35.5 drops the alpha of what becomes grey.
      .toColourspace(isGrey && !hasAlpha ? 'b-w' : 'srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    const { width, height, channels } = info;
    if (!isGrey || channels !== 4) return { width, height, channels, data };
    return { width, height, channels: 2, data: data.filter((_, i) => i % 4 === 0 || i % 4 === 3) };
  });
}

/**
 * Which value is white is not said in files of floats, and a cast to bytes would make most of them black; of signed bytes
 * sharp 0.35.5 drops the negative ones and takes 127 for opaque.
 */
function checkDepth(depth: string | undefined, path: string): void {
  if (depth === undefined || ['uchar', 'ushort'].includes(depth)) return;
  throw new DataError(`${path} holds values of type ${depth}; save it with 8 or 16 unsigned bits for each channel.`);
}

/** What `decode` gives, its failures told in a sentence about the file. */
async function explained<T>(
  path: string,
  bytes: Uint8Array | undefined,
  decode: (sharp: Awaited<ReturnType<typeof loadSharp>>) => Promise<T>,
): Promise<T> {
  const sharp = await loadSharp(path);
  try {
    return await decode(sharp);
  } catch (error) {
    if (error instanceof DataError) throw error;
    const format = formatOf(bytes?.subarray(0, HEAD) ?? (await headOf(path)));
    if (format !== undefined) {
      throw new DataError(`${path} is a ${format} picture, which is not read here; save it as JPEG or PNG.`);
    }
    const reason = plainText((error as Error).message.trim().split('\n')[0]);
    throw new DataError(`${path} is no picture that can be read (${FORMATS}): ${reason}.`);
  }
}

/** Bytes of a file that say what it is. */
const HEAD = 16;

async function headOf(path: string): Promise<Uint8Array> {
  const head = new Uint8Array(HEAD);
  const file = await open(path).catch(() => undefined);
  await file?.read(head, 0, HEAD, 0).catch(() => undefined);
  await file?.close();
  return head;
}

/** The format of a picture that sharp's own build does not decode, by the first bytes of the file. */
function formatOf(head: Uint8Array): string | undefined {
  const text = String.fromCharCode(...head);
  if (text.startsWith('BM')) return 'BMP';
  if (/^....ftyp(hei[cmsx]|hev[cmsx]|mif1|msf1)/s.test(text)) return 'HEIC';
  if (text.startsWith('\xff\x0a') || text.startsWith('\0\0\0\x0cJXL ')) return 'JPEG XL';
  if (text.startsWith('\0\0\0\x0cjP  ')) return 'JPEG 2000';
  if (text.startsWith('8BPS')) return 'Photoshop';
  if (text.startsWith('\0\0\x01\0')) return 'ICO';
  return undefined;
}
