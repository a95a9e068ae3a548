/**
 * SLIC superpixels: k-means over colour and place together, each centre looking only at its neighbourhood, so that the
 * pieces are of about equal size and follow edges. A centre and a pixel are apart by
 *
 *     D^2 = |colour difference|^2 / compactness^2 + |distance|^2 / step^2
 *
 * with step the side of a cell, so that `compactness` is the colour difference that counts as much as one cell. k-means
 * knows nothing of connection; afterwards every connected piece is a segment of its own, pieces that are too large are cut
 * and those that are too small join a neighbour (`connectivity.ts`).
 *
 * R. Achanta, A. Shaji, K. Smith, A. Lucchi, P. Fua, S. Süsstrunk: SLIC superpixels compared to state-of-the-art
 * superpixel methods. IEEE TPAMI 34(11), 2012. The compactness is for colours in [0, 1], as they are (no Lab space).
 */
import { ShapeError, UsageError } from '../../devices/errors.ts';
import { formatShape } from '../../devices/shape.ts';
import { connectedSegments } from './connectivity.ts';
import { gridFor } from './grid.ts';
import type { Segments } from './segments.ts';

export interface SlicOptions {
  /** About how many segments. Default 50. */
  readonly segments?: number;
  /** The colour difference, of a range of 1, that weighs as much as the distance between neighbouring centres. Default 0.3. */
  readonly compactness?: number;
  /** Most rounds of k-means. Default 10. */
  readonly iterations?: number;
  /** Smallest and largest size of a segment, in expected sizes. Default [0.5, 3]. */
  readonly sizes?: readonly [number, number];
}

/** One image on the host. */
export interface ImageValues {
  readonly values: ArrayLike<number>;
  /** [H, W] or [H, W, C] */
  readonly shape: readonly number[];
}

/**
 * Cuts one image into superpixels. The image is first scaled so that its least value is 0 and its greatest 1.
 *
 * @throws ShapeError for what is no image, UsageError for options out of range or values that are not finite
 */
export function slic(image: ImageValues, options: SlicOptions = {}): Segments {
  const { segments = 50, compactness = 0.3, iterations = 10, sizes = [0.5, 3] } = options;
  if (!(compactness > 0 && Number.isFinite(compactness)))
    throw new UsageError(`The compactness of SLIC is a positive number, not ${compactness}.`);
  if (!(Number.isInteger(iterations) && iterations >= 1))
    throw new UsageError(`SLIC needs a whole number of iterations of at least 1, not ${iterations}.`);
  if (!(sizes[0] >= 0 && sizes[0] <= 1 && sizes[1] >= 1))
    throw new UsageError(
      `The sizes of segments must be from 0 to 1 and at least 1 times the expected one, not ${sizes.join(' and ')}.`,
    );
  const [height, width, channels = 1] = image.shape;
  const colors = scaledColors(image);
  const grid = gridFor(segments, [height, width]);
  const labels = cluster(colors, [height, width, channels], grid, compactness, iterations);
  const expected = (height * width) / (grid[0] * grid[1]);
  return connectedSegments({ labels, shape: [height, width] }, colors, {
    smallest: Math.floor(sizes[0] * expected),
    largest: Math.max(1, Math.floor(sizes[1] * expected)),
  });
}

/** The image in [0, 1]; a flat one is all zeros. */
function scaledColors({ values, shape }: ImageValues): Float64Array {
  const size = shape.reduce((product, length) => product * length, 1);
  if (shape.length < 2 || shape.length > 3 || size < 1 || values.length !== size) {
    throw new ShapeError(
      `SLIC cuts images [H, W] or [H, W, C]; ${values.length} values of shape ${formatShape(shape)} are none.`,
    );
  }
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < size; i++) {
    if (!Number.isFinite(values[i]))
      throw new UsageError(`Value ${i} of the image is ${values[i]}; it cannot be cut into segments.`);
    low = Math.min(low, values[i]);
    high = Math.max(high, values[i]);
  }
  const extent = high > low ? high - low : 1;
  return Float64Array.from({ length: size }, (_, i) => (values[i] - low) / extent);
}

/** k-means from the centres of a grid of cells; the number of the nearest centre for each pixel. */
function cluster(
  colors: Float64Array,
  [height, width, channels]: readonly [number, number, number],
  [rows, columns]: readonly [number, number],
  compactness: number,
  iterations: number,
): Int32Array {
  const count = rows * columns;
  const step = Math.sqrt((height * width) / count);
  const spatialWeight = 1 / (step * step);
  const colorWeight = 1 / (compactness * compactness);
  const reach = 2 * step;
  // Of each centre: row, column, then its colour.
  const stride = 2 + channels;
  const centres = new Float64Array(count * stride);
  for (let k = 0; k < count; k++) {
    const y = ((Math.floor(k / columns) + 0.5) * height) / rows - 0.5;
    const x = (((k % columns) + 0.5) * width) / columns - 0.5;
    const pixel = Math.round(y) * width + Math.round(x);
    centres.set([y, x], k * stride);
    centres.set(colors.subarray(pixel * channels, (pixel + 1) * channels), k * stride + 2);
  }
  const labels = new Int32Array(height * width).fill(-1);
  const nearest = new Float64Array(height * width);
  const sums = new Float64Array(count * stride);
  const sizes = new Float64Array(count);
  for (let round = 0; round < iterations; round++) {
    nearest.fill(Number.POSITIVE_INFINITY);
    let changes = 0;
    const before = labels.slice();
    for (let k = 0; k < count; k++) {
      const at = k * stride;
      const bottom = Math.min(height - 1, Math.floor(centres[at] + reach));
      const right = Math.min(width - 1, Math.floor(centres[at + 1] + reach));
      const left = Math.max(0, Math.ceil(centres[at + 1] - reach));
      for (let y = Math.max(0, Math.ceil(centres[at] - reach)); y <= bottom; y++) {
        const vertical = (y - centres[at]) ** 2;
        for (let x = left; x <= right; x++) {
          const pixel = y * width + x;
          let distance = (vertical + (x - centres[at + 1]) ** 2) * spatialWeight;
          for (let c = 0; c < channels; c++)
            distance += (colors[pixel * channels + c] - centres[at + 2 + c]) ** 2 * colorWeight;
          // Strictly less: of two centres at the same distance the first wins, on every machine.
          if (distance < nearest[pixel]) {
            nearest[pixel] = distance;
            labels[pixel] = k;
          }
        }
      }
    }
    sums.fill(0);
    sizes.fill(0);
    for (let pixel = 0; pixel < labels.length; pixel++) {
      if (labels[pixel] !== before[pixel]) changes++;
      const at = labels[pixel] * stride;
      sizes[labels[pixel]]++;
      sums[at] += Math.floor(pixel / width);
      sums[at + 1] += pixel % width;
      for (let c = 0; c < channels; c++) sums[at + 2 + c] += colors[pixel * channels + c];
    }
    if (changes === 0) break;
    for (let i = 0; i < sums.length; i++) {
      const size = sizes[Math.floor(i / stride)];
      if (size > 0) centres[i] = sums[i] / size;
    }
  }
  return labels;
}
