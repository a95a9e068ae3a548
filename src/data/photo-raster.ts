/** Grey rasters cut, scaled, sharpened and extended: the steps of preparing a photograph that know nothing of garments. */

/** A decoded picture: four bytes (red, green, blue, opacity) a pixel, row by row from the top left; the right way up. */
export interface PhotoPixels {
  readonly width: number;
  readonly height: number;
  readonly rgba: Uint8Array | Uint8ClampedArray;
}

/** Grey values `[height, width]`, 0 black to 1 white. */
export interface GreyRaster {
  readonly width: number;
  readonly height: number;
  readonly values: Float32Array | Float64Array;
}

export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** The part of a raster inside a box. */
export function crop({ values, width }: GreyRaster, { left, top, width: across, height: down }: Box): GreyRaster {
  const cut = new Float32Array(across * down);
  for (let y = 0; y < down; y++) {
    const start = (top + y) * width + left;
    cut.set(values.subarray(start, start + across), y * across);
  }
  return { width: across, height: down, values: cut };
}

/** The pixels that a pixel of the scaled raster covers in one direction, with the share of each; shares add up to 1. */
interface Cover {
  readonly first: number;
  readonly shares: Float64Array;
}

function covers(from: number, to: number): Cover[] {
  return Array.from({ length: to }, (_, i) => {
    const [start, end] = [(i * from) / to, ((i + 1) * from) / to];
    const first = Math.floor(start);
    const last = Math.min(from - 1, Math.ceil(end) - 1);
    const shares = Float64Array.from({ length: last - first + 1 }, (_, k) => {
      const overlap = Math.min(end, first + k + 1) - Math.max(start, first + k);
      return overlap / (end - start);
    });
    return { first, shares };
  });
}

/** Scales to `width` x `height`: each pixel is the mean over the area it covers, parts of pixels by their part. */
export function areaResize(raster: GreyRaster, width: number, height: number): GreyRaster {
  const { values } = raster;
  const [across, down] = [covers(raster.width, width), covers(raster.height, height)];
  const narrowed = new Float64Array(width * raster.height);
  for (let y = 0; y < raster.height; y++) {
    for (let x = 0; x < width; x++) {
      const { first, shares } = across[x];
      let sum = 0;
      for (let k = 0; k < shares.length; k++) sum += shares[k] * values[y * raster.width + first + k];
      narrowed[y * width + x] = sum;
    }
  }
  const scaled = new Float64Array(width * height);
  for (let y = 0; y < height; y++) {
    const { first, shares } = down[y];
    for (let k = 0; k < shares.length; k++) {
      for (let x = 0; x < width; x++) scaled[y * width + x] += shares[k] * narrowed[(first + k) * width + x];
    }
  }
  return { width, height, values: scaled };
}

/** Scales to `width` x `height` by taking the pixel in the middle of each area and leaving out the rest. */
export function subsample(
  { values, width: across, height: down }: GreyRaster,
  width: number,
  height: number,
): GreyRaster {
  const sampled = new Float64Array(width * height);
  for (let y = 0; y < height; y++) {
    const row = Math.min(down - 1, Math.floor(((y + 0.5) * down) / height));
    for (let x = 0; x < width; x++) {
      const column = Math.min(across - 1, Math.floor(((x + 0.5) * across) / width));
      sampled[y * width + x] = values[row * across + column];
    }
  }
  return { width, height, values: sampled };
}

/**
 * Sharpens as ImageMagick's `-sharpen 1x1` does: a 3 x 3 kernel of negative Gaussian weights (radius 1, sigma 1) around
 * a middle of minus twice the sum of them all (its own negative weight included), divided by its total; the edge's value
 * goes on beyond the edge, and the result is cut to [0, 1].
 */
export function sharpen({ values, width, height }: GreyRaster): GreyRaster {
  const weights = Float64Array.from({ length: 9 }, (_, k) => {
    const [dx, dy] = [(k % 3) - 1, Math.floor(k / 3) - 1];
    return -Math.exp(-(dx * dx + dy * dy) / 2);
  });
  weights[4] = -2 * weights.reduce((sum, weight) => sum + weight, 0);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const sharp = Float64Array.from(values, (_, p) => {
    const [x, y] = [p % width, Math.floor(p / width)];
    let sum = 0;
    for (let k = 0; k < 9; k++) {
      const column = Math.min(width - 1, Math.max(0, x + (k % 3) - 1));
      const row = Math.min(height - 1, Math.max(0, y + Math.floor(k / 3) - 1));
      sum += weights[k] * values[row * width + column];
    }
    return Math.min(1, Math.max(0, sum / total));
  });
  return { width, height, values: sharp };
}

/** Centres a raster on a square of `size` pixels of one grey. */
export function extend({ values, width, height }: GreyRaster, size: number, grey: number): GreyRaster {
  const square = new Float64Array(size * size).fill(grey);
  const [left, top] = [Math.floor((size - width) / 2), Math.floor((size - height) / 2)];
  for (let y = 0; y < height; y++) {
    square.set(values.subarray(y * width, (y + 1) * width), (top + y) * size + left);
  }
  return { width: size, height: size, values: square };
}
