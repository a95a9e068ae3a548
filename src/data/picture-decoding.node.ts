/**
 * Pictures of a list to one array `[N, H, W, C]`, without a second copy of it. Small PNG files are decoded one after the
 * other in this thread, all others by sharp on every core, as many at a time as there are cores. What is wrong with some of
 * the pictures is counted and told once for each kind.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { DataError } from '../devices/errors.ts';
import { plainText } from '../devices/plain-text.ts';
import { someOf } from './dataset.ts';
import type { DatasetOptions } from './dataset-options.ts';
import { allocate } from './declared-bytes.node.ts';
import { type PicturePixels, readPicturePixels } from './picture-file.node.ts';
import type { ListedPicture, PictureList } from './picture-list.ts';
import { MOST_SMALL_BYTES, readSmallPng } from './small-png.node.ts';

/** Files up to this many bytes are read here, where they may be small PNG pictures. */
const SMALL_FILE = 1 << 16;
/** Pictures after which others have their turn. */
const TURN = 64;
/** What transparent pixels are laid on. */
const GROUND = 255;

export interface DecodedPictures {
  /** [N, height, width, channels] of the pictures that could be read, in the order of the list. */
  readonly images: Uint8Array;
  /** Places in the list of those pictures. */
  readonly kept: readonly number[];
  readonly height: number;
  readonly width: number;
  /** 1 where all pictures are grey, otherwise 3. */
  readonly channels: number;
  readonly warnings: readonly string[];
}

/**
 * Decodes the pictures of a list.
 *
 * @param path the data set's folder, for errors
 * @throws DataError where sizes differ and `resize` does not say what to make of them, and where no picture can be read
 */
export async function decodePictures(
  list: PictureList,
  path: string,
  { resize, signal, onProgress }: Pick<DatasetOptions, 'resize' | 'signal' | 'onProgress'>,
): Promise<DecodedPictures> {
  const array = new PictureArray(list, path);
  const small = new SmallPictures(path, resize);
  let next = 0;
  let failed = false;
  const worker = async (): Promise<void> => {
    while (next < list.length && !failed) {
      const index = next++;
      signal?.throwIfAborted();
      if (index % TURN === 0) {
        onProgress?.(index, list.length);
        await setImmediate();
      }
      const listed = list.at(index);
      const pixels = small.read(listed);
      if (pixels) array.place(index, pixels);
      else {
        const picture = await readPicturePixels(join(path, listed.name), undefined, resize).catch((error: unknown) => {
          if (error instanceof DataError) return error;
          throw error;
        });
        if (picture instanceof DataError) array.leaveOut(index, picture);
        else array.place(index, picture);
      }
    }
  };
  const guarded = (): Promise<void> =>
    worker().catch(error => {
      failed = true;
      throw error;
    });
  await Promise.all(Array.from({ length: availableParallelism() }, guarded));
  return array.finish();
}

/** Reads small pictures through memory that is used again and again: a picture is valid until the next one is read. */
class SmallPictures {
  readonly #path: string;
  readonly #resize: DatasetOptions['resize'];
  readonly #file = Buffer.allocUnsafeSlow(SMALL_FILE);
  readonly #pixels = new Uint8Array(MOST_SMALL_BYTES);

  constructor(path: string, resize: DatasetOptions['resize']) {
    this.#path = path;
    this.#resize = resize;
  }

  /** The pixels of a small PNG file; undefined for any other, and for what the other way has to tell about. */
  read({ name, size }: ListedPicture): PicturePixels | undefined {
    if (size === 0 || size > SMALL_FILE || !/\.png$/i.test(name)) return undefined;
    const bytes = this.#contents(join(this.#path, name));
    const picture = bytes && readSmallPng(bytes, this.#pixels);
    const resize = this.#resize;
    const fits = !resize || (picture?.height === resize[0] && picture.width === resize[1]);
    return fits ? picture : undefined;
  }

  #contents(path: string): Buffer | undefined {
    let file: number | undefined;
    try {
      file = openSync(path, 'r');
      let filled = 0;
      for (;;) {
        const read = readSync(file, this.#file, filled, SMALL_FILE - filled, null);
        if (read === 0) return this.#file.subarray(0, filled);
        filled += read;
        if (filled === SMALL_FILE) return undefined;
      }
    } catch {
      return undefined;
    } finally {
      if (file !== undefined) closeSync(file);
    }
  }
}

/** The array while it is filled. */
class PictureArray {
  readonly #list: PictureList;
  readonly #path: string;
  /** The first picture that was placed, which says the size. */
  #first: { readonly index: number; readonly height: number; readonly width: number } | undefined;
  #channels: 1 | 3 = 1;
  #images: Uint8Array = new Uint8Array(0);
  readonly #isKept: Uint8Array;
  readonly #broken: { index: number; reason: string }[] = [];
  #grey = 0;
  #firstColour = -1;
  readonly #transparent: number[] = [];

  constructor(list: PictureList, path: string) {
    this.#list = list;
    this.#path = path;
    this.#isKept = new Uint8Array(list.length);
  }

  place(index: number, picture: PicturePixels): void {
    const { height, width, channels } = picture;
    const isGrey = channels < 3;
    if (!this.#first) {
      this.#first = { index, height, width };
      this.#channels = isGrey ? 1 : 3;
      this.#images = allocate(this.#list.length * height * width * this.#channels, this.#path);
    }
    if (height !== this.#first.height || width !== this.#first.width) this.#refuseSize(index, picture);
    if (isGrey) this.#grey++;
    else if (this.#firstColour < 0 || index < this.#firstColour) this.#firstColour = index;
    if (!isGrey && this.#channels === 1) this.#makeColour();
    const pixels = height * width * this.#channels;
    const target = this.#images.subarray(index * pixels, (index + 1) * pixels);
    if (fill(target, this.#channels, picture)) this.#transparent.push(index);
    this.#isKept[index] = 1;
  }

  leaveOut(index: number, { message }: DataError): void {
    this.#broken.push({ index, reason: message });
  }

  #refuseSize(index: number, { height, width }: PicturePixels): never {
    const first = this.#first!;
    const named = (at: number, h: number, w: number): string => `${plainText(this.#list.at(at).name)} is ${h} x ${w}`;
    throw new DataError(
      `${this.#path} has pictures of different sizes (${named(first.index, first.height, first.width)}, ` +
        `${named(index, height, width)}; height x width); say by the option resize (--resize) what to stretch them to.`,
    );
  }

  /** Three equal channels instead of one, when the first picture in colour comes after grey ones. */
  #makeColour(): void {
    const grey = this.#images;
    const colour = allocate(3 * grey.length, this.#path);
    for (let i = 0, to = 0; i < grey.length; i++) {
      colour[to++] = grey[i];
      colour[to++] = grey[i];
      colour[to++] = grey[i];
    }
    this.#images = colour;
    this.#channels = 3;
  }

  finish(): DecodedPictures {
    const broken = this.#broken.sort((a, b) => a.index - b.index);
    if (!this.#first) {
      throw new DataError(
        `None of the ${this.#list.length} pictures of ${this.#path} can be read: ${broken[0].reason}`,
      );
    }
    const { height, width } = this.#first;
    const pixels = height * width * this.#channels;
    const kept: number[] = [];
    this.#isKept.forEach((isKept, index) => {
      if (isKept === 0) return;
      if (kept.length < index) this.#images.copyWithin(kept.length * pixels, index * pixels, (index + 1) * pixels);
      kept.push(index);
    });
    const images = this.#images.subarray(0, kept.length * pixels);
    return { images, kept, height, width, channels: this.#channels, warnings: this.#warnings(kept.length) };
  }

  #warnings(count: number): string[] {
    const broken = this.#broken;
    const nameAt = (index: number): string => this.#list.at(index).name;
    const found: string[] = [];
    if (broken.length > 0) {
      const subject = `${broken.length} of ${this.#list.length} pictures`;
      found.push(
        `${subject} cannot be read and ${broken.length === 1 ? 'is' : 'are'} left out (${someOf(broken.map(({ index }) => nameAt(index)))}): ${broken[0].reason}`,
      );
    }
    if (this.#grey > 0 && this.#grey < count) {
      const colour = count - this.#grey;
      found.push(
        `Grey and colour are mixed: ${this.#grey} pictures are grey, ${colour} in colour (${plainText(nameAt(this.#firstColour))}${colour > 1 ? ' and others' : ''}); ` +
          'grey ones are read as three equal channels.',
      );
    }
    if (this.#transparent.length > 0) {
      const named = this.#transparent.sort((a, b) => a - b).map(nameAt);
      found.push(`Transparent pixels are laid on white in ${someOf(named)}.`);
    }
    return found;
  }
}

/** Shares of red, green and blue in the grey of a JPEG file (ITU-R BT.601). */
const LUMA = [0.299, 0.587, 0.114];

/** Puts a picture into its place, on the ground where it is transparent; whether it is anywhere. */
function fill(target: Uint8Array, channels: 1 | 3, { data, channels: given }: PicturePixels): boolean {
  if (given === channels) {
    target.set(data);
    return false;
  }
  const hasAlpha = given % 2 === 0;
  let isTransparent = false;
  for (let from = 0, to = 0; from < data.length; from += given) {
    const alpha = hasAlpha ? data[from + given - 1] : 255;
    if (alpha < 255) isTransparent = true;
    const isMadeGrey = channels === 1 && given >= 3;
    for (let channel = 0; channel < channels; channel++) {
      const value = isMadeGrey
        ? LUMA.reduce((sum, share, i) => sum + share * data[from + i], 0)
        : data[from + (given < 3 ? 0 : channel)];
      target[to++] = Math.round((value * alpha + GROUND * (255 - alpha)) / 255);
    }
  }
  return isTransparent;
}

/**
 * One picture file as the pictures of a data set are decoded: stretched to the size where it has another, transparent
 * pixels laid on white, grey as three equal channels or colour made grey where the data set is so.
 *
 * @param shape [height, width, channels], channels 1 or 3
 * @returns bytes [height, width, channels]
 * @throws DataError for a file that is no picture or damaged
 */
export async function readPictureLike(path: string, shape: readonly [number, number, number]): Promise<Uint8Array> {
  const [height, width, channels] = shape;
  if (channels !== 1 && channels !== 3) {
    throw new DataError(`${path} cannot be made a picture of ${channels} channels; pictures have 1 or 3.`);
  }
  const picture = await readPicturePixels(path, undefined, [height, width]);
  const bytes = new Uint8Array(height * width * channels);
  fill(bytes, channels, picture);
  return bytes;
}
