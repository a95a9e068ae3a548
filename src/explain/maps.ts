/**
 * From raw maps to what a picture shows: the positive part, scaling to [0, 1], resizing to the image. Each is a step of
 * its own, because each throws something away; raw attributions stay as they are.
 */
import { NonFiniteError, ShapeError } from '../devices/errors.ts';
import { formatShape } from '../devices/shape.ts';
import { resizeBilinear } from '../kernels/image/index.ts';
import type { FloatArray } from './attribution.ts';

/** One number per pixel of each image. */
export interface Maps {
  readonly values: FloatArray;
  /** [N, h, w] */
  readonly shape: readonly number[];
}

function checkMaps({ values, shape }: Maps): void {
  if (shape.length === 3 && values.length === shape[0] * shape[1] * shape[2]) return;
  throw new ShapeError(`Maps must be [N, h, w]; ${values.length} values of shape ${formatShape(shape)} are not.`);
}

/** Maps of another size, bilinear with half-pixel centres: an inner layer's map on the image's grid. */
export function resizeMaps(maps: Maps, size: readonly [number, number]): Maps {
  checkMaps(maps);
  const [images, h, w] = maps.shape;
  const [height, width] = size;
  if (h === height && w === width) return maps;
  const params = { size: [height, width] as const, alignCorners: false };
  const spec = { shape: [images, h, w, 1], dtype: 'float32' as const };
  resizeBilinear.infer([spec], params);
  const out = new Float64Array(images * height * width);
  resizeBilinear.reference([maps.values], [out], [spec], params);
  return { values: out, shape: [images, height, width] };
}

/** Negative values become 0. */
export function positiveMaps({ values, shape }: Maps): Maps {
  return { values: values.map(value => Math.max(value, 0)) as FloatArray, shape };
}

/**
 * Each map scaled to [0, 1]: (L - min) / (max - min), whatever its unit; a flat map becomes zeros.
 * @throws NonFiniteError for a value that is not finite
 */
export function scaledMaps(maps: Maps): Maps {
  checkMaps(maps);
  const { shape } = maps;
  const values = maps.values.slice();
  const size = shape[1] * shape[2];
  for (let start = 0; start < values.length; start += size) {
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    for (let i = start; i < start + size; i++) {
      if (!Number.isFinite(values[i])) {
        throw new NonFiniteError(`Value ${i - start} of map ${start / size} is ${values[i]}; it cannot be scaled.`);
      }
      low = Math.min(low, values[i]);
      high = Math.max(high, values[i]);
    }
    // Halved, because the difference of two values may be beyond what either can be.
    const range = high / 2 - low / 2;
    for (let i = start; i < start + size; i++) values[i] = range > 0 ? (values[i] / 2 - low / 2) / range : 0;
  }
  return { values, shape };
}

/** The usual picture of a class activation map: positive part, scaled to [0, 1], on the image's grid. */
export function camPictureMaps(maps: Maps, size: readonly [number, number], options: { relu?: boolean } = {}): Maps {
  return resizeMaps(scaledMaps((options.relu ?? true) ? positiveMaps(maps) : maps), size);
}
