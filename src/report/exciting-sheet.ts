/**
 * The images that excite channels most: a row per channel, the strongest image first, each either whole with a frame around
 * what the channel's largest value sees, or only that part. Frames show where, crops show what.
 */
import { ShapeError, UsageError } from '../devices/errors.ts';
import type { ExcitedChannel } from '../explain/index.ts';
import { imageSheet } from './image-sheet.ts';
import { textPicture } from './lettering.ts';
import { crop, windowFrame } from './outline.ts';
import { enlarge, imagePicture, type Picture } from './picture.ts';

export interface ExcitingSheetOptions {
  /** Default `frames`. */
  readonly style?: 'frames' | 'crops';
  /** Whole number by which images are enlarged. Default 3 for frames, 6 for crops. */
  readonly scale?: number;
}

/** Images as bytes or shares of 1, [count, H, W, C] with C 1 or 3; an `ImageSet` is one. */
export interface ImageSource {
  readonly images: Uint8Array | ArrayLike<number>;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

/**
 * @param source the images that were looked through, by the same positions
 * @throws ShapeError when a result is not of these images
 */
export function excitingSheet(
  channels: readonly ExcitedChannel[],
  source: ImageSource,
  { style = 'frames', scale = style === 'crops' ? 6 : 3 }: ExcitingSheetOptions = {},
): Picture {
  if (channels.length === 0) throw new UsageError('A sheet of exciting images needs at least one channel.');
  const { height, width } = source;
  const size = height * width * source.channels;
  const isBytes = source.images instanceof Uint8Array;
  const cells = channels.map(({ images }) =>
    images.map(({ index, window }): Picture => {
      if ((index + 1) * size > source.images.length)
        throw new ShapeError(
          `Image ${index} is not among the ${source.images.length / size} that the sheet was given.`,
        );
      const values = Array.prototype.slice.call(source.images, index * size, (index + 1) * size) as number[];
      const picture = imagePicture(isBytes ? Uint8Array.from(values) : values, width, height);
      if (style === 'crops') return enlarge(crop(picture, window), scale);
      return windowFrame(enlarge(picture, scale), window, [height, width]);
    }),
  );
  const columns = 1 + Math.max(...cells.map(row => row.length));
  const blank: Picture = { width: 1, height: 1, rgba: new Uint8Array(4) };
  return imageSheet(
    cells.flatMap((row, k) => [
      textPicture([`channel ${channels[k].channel}`], { background: [255, 255, 255, 0], color: [128, 128, 128] }),
      ...row,
      ...Array.from({ length: columns - 1 - row.length }, () => blank),
    ]),
    { columns },
  );
}
