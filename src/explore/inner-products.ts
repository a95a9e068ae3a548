/**
 * All pairs of points by inner products in float32 on the device, as a filter: what it says of a pair is a bound that its
 * distance cannot be below. A pair whose bound is beyond what is asked for is passed over; every other one has to be measured.
 *
 * The bound. Rows are centred and brought to a range in which float32 neither overflows nor loses what matters (the
 * largest coordinate is near 2^40), in float64, then rounded, below eta = 2^-126 to 0: |u - U| <= rho |U| + eta in each
 * coordinate, rho = 2^-24 (1 + 2^-20). The device, which may flush products below eta, gives t = u.v with
 *
 *   |t - u.v| <= gamma sum |u_k v_k| + 2 d eta,  gamma = (d + 2) 2^-24 / (1 - (d + 2) 2^-24)
 *
 * in whatever order and with or without fused multiply-add it sums (N. J. Higham: Accuracy and stability of numerical
 * algorithms, 2nd edition, 2002, section 3.1). Write D = |U - V|, D' = |u - v|, q = |u|^2 + |v|^2. Then
 *
 *   D'^2  = q - 2 u.v  >=  q - 2 t - gamma q - 4 d eta              since 2 sum |u_k v_k| <= q
 *   D    >= D' - e,  e = rho' (|u| + |v|) + 3 eta sqrt(d)            with rho' = rho / (1 - rho)
 *   D^2  >= (1 - rho') D'^2 - e^2 / rho'                             since (a - b)^2 >= (1 - s) a^2 - (1 / s - 1) b^2
 *   e^2 / rho' <= 4 rho' q + (a multiple of eta^2, below eta)        since (|u| + |v|)^2 <= 2 q
 *
 * so D^2 >= (1 - rho') (q (1 - gamma - 5 rho) - 2 t - A), A = 5 d eta. Squared lengths are summed and compared in float64,
 * which adds less than (d + 8) 2^-51 q. With lengths shrunk once, p = |u|^2 (1 - gamma - 5 rho - (d + 8) 2^-51),
 *
 *   D^2 (1 + 2 rho) >= p_u + p_v - 2 t - A.
 *
 * A device computes the right side in float32: the lengths are rounded, added, and 2 t is taken off, three roundings of
 * which the first two are at most 2 rho' of p_u + p_v, the last rho of the result. With lengths shrunk by 4 rho once more it
 * gives at most D^2 (1 + 4 rho) + A (1 + rho).
 *
 * The slack is relative to the squared lengths of the two points themselves: a few far outliers cost the others nothing, and
 * where a cluster lies far from the centre beside its own size, its pairs are measured instead of trusted.
 */
import { matmul } from '../autograd/ops/matmul.ts';
import type { Device } from '../devices/device.ts';
import { tensor } from '../tensor/creation.ts';
import { dispose } from '../tensor/lifetime.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Distances } from './distances.ts';
import type { Points } from './points.ts';

/** Rows of a tile. */
export const TILE = 2048;

/** Unit roundoff of float32, and the least normal number: what is smaller may be flushed to 0. */
const ROUNDOFF = 2 ** -24;
const FLUSHED = 2 ** -126;
/** Coordinates are this many times their size in units, which leaves room for squares above and products below. */
const MAGNITUDE = 2 ** 40;

/** From so many dimensions on the bound says nothing. */
export const MOST_PRODUCT_DIMENSIONS = 2 ** 20;

/** A tile's rows on the device, and their squared lengths, shrunk as the bound wants them. */
export interface Tile {
  readonly start: number;
  readonly rows: Tensor;
  readonly shrunk: Float64Array;
  /** The same on the device, shrunk as float32 wants them. */
  readonly lengths: Tensor;
}

export function disposeTiles(tiles: readonly Tile[]): void {
  for (const { rows, lengths } of tiles) dispose(rows, lengths);
}

/** Rows of points for the device, centred on the mean of the points that are searched. */
export class InnerProducts {
  readonly #unit: number;
  readonly #centre: Float64Array;
  readonly #dimensions: number;

  constructor({ among, extent: { low }, unit }: Distances) {
    this.#unit = unit;
    this.#dimensions = among.dimensions;
    this.#centre = centreOf(among, low, unit);
  }

  tiles({ values, count, dimensions, scale = 1 }: Points, device: Device, size = TILE): Tile[] {
    const centre = this.#centre;
    const inverse = 1 / this.#unit;
    const shrink = 1 - this.#slack - 5 * ROUNDOFF - (dimensions + 8) * 2 ** -51;
    return Array.from({ length: Math.ceil(count / size) }, (_, tile) => {
      const start = tile * size;
      const length = Math.min(size, count - start);
      const rows = new Float32Array(length * dimensions);
      const shrunk = new Float64Array(length);
      for (let row = 0, at = 0, from = start * dimensions; row < length; row++) {
        let square = 0;
        for (let k = 0; k < dimensions; k++, at++, from++) {
          const centred = (scale * values[from] - centre[k]) * inverse * MAGNITUDE;
          rows[at] = Math.abs(centred) < FLUSHED ? 0 : centred;
          square += rows[at] * rows[at];
        }
        shrunk[row] = square * shrink;
      }
      const lengths = Float32Array.from(shrunk, square => square * (1 - 4 * ROUNDOFF));
      return {
        start,
        rows: tensor(rows, [length, dimensions], { device }),
        shrunk,
        lengths: tensor(lengths, [length], { device }),
      };
    });
  }

  /** Inner products of every row of one tile with every row of the other. */
  async of(a: Tile, b: Tile): Promise<ArrayLike<number>> {
    const product = matmul(a.rows, b.rows, { transposeB: true });
    try {
      return await product.data();
    } finally {
      product.dispose();
    }
  }

  /**
   * What `shrunk_a + shrunk_b - 2 product` exceeds only where the square of the distance as float64 measures it exceeds
   * `squared` (in units squared).
   */
  limit(squared: number): number {
    const measured = squared * MAGNITUDE ** 2 * (1 + 3 * ROUNDOFF + (this.#dimensions + 4) * 2 ** -51);
    return measured + 6 * this.#dimensions * FLUSHED;
  }

  /** As `limit`, of what the device makes of `lengths` and products in float32. */
  limitOnDevice(squared: number): number {
    return this.limit(squared) * (1 + 4 * ROUNDOFF);
  }

  /** gamma */
  get #slack(): number {
    const roundings = (this.#dimensions + 2) * ROUNDOFF;
    return roundings / (1 - roundings);
  }
}

function centreOf({ values, count, dimensions, scale = 1 }: Points, low: Float64Array, unit: number): Float64Array {
  const sums = new Float64Array(dimensions);
  for (let row = 0, at = 0; row < count; row++) {
    for (let k = 0; k < dimensions; k++) sums[k] += (scale * values[at++] - low[k]) / unit;
  }
  return low.map((from, k) => from + (sums[k] / Math.max(1, count)) * unit);
}
