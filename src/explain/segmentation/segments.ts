/**
 * A picture cut into pieces: the players of SHAP, the switches of LIME, the features of an ablation. Every pixel belongs to
 * exactly one segment and the segments are numbered without gaps, so that a coalition is one bit per number. Our own cuts
 * number them in reading order (of their first pixels, row by row), which makes equal cuts equal arrays.
 */
import { ShapeError, UsageError } from '../../devices/errors.ts';

export interface Segments {
  /** `labels[y * W + x]`, in 0..count-1; every label occurs. */
  readonly labels: Int32Array;
  /** [H, W] */
  readonly shape: readonly [number, number];
  readonly count: number;
}

/**
 * Throws where a segment map cannot cut images of `height` x `width`.
 *
 * @throws ShapeError when the map is of another size, UsageError when a label is out of range or unused
 */
export function checkSegments(segments: Segments, height: number, width: number): void {
  const { labels, shape, count } = segments;
  if (shape[0] !== height || shape[1] !== width)
    throw new ShapeError(`The segments are of ${shape[0]} x ${shape[1]} pixels, the image of ${height} x ${width}.`);
  if (labels.length !== height * width)
    throw new ShapeError(
      `Segments of ${height} x ${width} pixels need ${height * width} labels, not ${labels.length}.`,
    );
  if (!(Number.isInteger(count) && count >= 1))
    throw new UsageError(`A segment map needs at least one segment; its count is ${count}.`);
  const used = new Uint8Array(count);
  labels.forEach((label, pixel) => {
    if (!(label >= 0 && label < count)) {
      const place = `row ${Math.floor(pixel / width)}, column ${pixel % width}`;
      throw new UsageError(`The label ${label} at ${place} is outside 0..${count - 1}.`);
    }
    used[label] = 1;
  });
  const unused = used.indexOf(0);
  if (unused >= 0) throw new UsageError(`No pixel belongs to segment ${unused} of ${count}.`);
}

/**
 * The caller's own cut: any whole numbers, one per pixel, made labels 0..count-1 in reading order. Equal numbers are one
 * segment even where they do not touch.
 *
 * @param map row by row, `height * width` whole numbers
 * @throws ShapeError for another length, UsageError for a value that is no whole number
 */
export function segmentsFromMap(map: ArrayLike<number>, [height, width]: readonly [number, number]): Segments {
  if (map.length !== height * width)
    throw new ShapeError(`Segments of ${height} x ${width} pixels need ${height * width} labels, not ${map.length}.`);
  const numbers = new Map<number, number>();
  const labels = new Int32Array(map.length);
  for (let pixel = 0; pixel < map.length; pixel++) {
    const value = map[pixel];
    if (!Number.isInteger(value))
      throw new UsageError(`Segment labels are whole numbers; pixel ${pixel} has ${value}.`);
    let label = numbers.get(value);
    if (label === undefined) numbers.set(value, (label = numbers.size));
    labels[pixel] = label;
  }
  if (labels.length === 0) throw new UsageError('A segment map needs at least one pixel.');
  return { labels, shape: [height, width], count: numbers.size };
}

/** Pixels in each segment [count]. */
export function segmentSizes({ labels, count }: Segments): Int32Array {
  const sizes = new Int32Array(count);
  for (const label of labels) sizes[label]++;
  return sizes;
}

/** The mean of `values` [H * W] over each segment [count]. */
export function segmentMeans(segments: Segments, values: ArrayLike<number>): Float64Array {
  if (values.length !== segments.labels.length) {
    throw new ShapeError(`Means over segments of ${segments.labels.length} pixels got ${values.length} values.`);
  }
  const means = new Float64Array(segments.count);
  segments.labels.forEach((label, pixel) => {
    means[label] += values[pixel];
  });
  const sizes = segmentSizes(segments);
  return means.map((sum, label) => sum / sizes[label]);
}

/** `perSegment` [count] written to every pixel of its segment [H * W]. */
export function spreadOverSegments({ labels }: Segments, perSegment: ArrayLike<number>): Float32Array {
  return Float32Array.from(labels, label => perSegment[label]);
}
