/** Ways to cut a picture into pieces, and one way to name them. */
import { ShapeError, UsageError } from '../../devices/errors.ts';
import { formatShape } from '../../devices/shape.ts';
import { gridSegments } from './grid.ts';
import { checkSegments, type Segments } from './segments.ts';
import { slic } from './slic.ts';

export { gridSegments } from './grid.ts';
export * from './segments.ts';
export * from './slic.ts';

/** A way to cut, one cut for all images, or one for each. */
export type Segmentation = 'slic' | 'grid' | Segments | readonly Segments[];

/** Superpixels or cells that an image is cut into when nobody says otherwise. */
export const DEFAULT_SEGMENTS = 50;

/**
 * The segments of each image.
 *
 * @param images [N, H, W, C]
 * @param count about how many, for `slic` and `grid`
 * @throws ShapeError, UsageError when a cut does not fit the images
 */
export function segmentImages(
  { values, shape }: { readonly values: ArrayLike<number>; readonly shape: readonly number[] },
  segmentation: Segmentation = 'slic',
  count = DEFAULT_SEGMENTS,
): Segments[] {
  if (shape.length !== 4) throw new ShapeError(`Images to cut are [N, H, W, C], not ${formatShape(shape)}.`);
  const [images, height, width, channels] = shape;
  const each = <T>(f: (image: number) => T): T[] => Array.from({ length: images }, (_, image) => f(image));
  if (segmentation === 'slic') {
    const size = height * width * channels;
    return each(image =>
      slic(
        {
          values: Float64Array.from({ length: size }, (_, i) => values[image * size + i]),
          shape: [height, width, channels],
        },
        { segments: count },
      ),
    );
  }
  if (segmentation === 'grid') {
    const cells = gridSegments([height, width], count);
    return each(() => cells);
  }
  if (typeof segmentation === 'string')
    throw new UsageError(`Images are cut by 'slic', 'grid' or your own segments, not by '${segmentation}'.`);
  const given = 'labels' in segmentation ? each(() => segmentation) : [...segmentation];
  if (given.length !== images) throw new ShapeError(`There are ${given.length} segment maps for ${images} images.`);
  for (const one of new Set(given)) checkSegments(one, height, width);
  return given;
}
