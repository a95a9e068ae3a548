/**
 * Noisy linear imputation: pixels that were taken out become the weighted mean of their neighbours, missing ones included,
 * plus a little noise. Unlike black, that leaves no edge that gives away what was removed. The missing pixels solve one
 * sparse symmetric system, here by conjugate gradients without ever writing the matrix down.
 *
 * Y. Rong, T. Leemann, V. Borisov, G. Kasneci, E. Kasneci: A consistent and efficient evaluation strategy for attribution
 * methods. ICML 2022.
 */
import { UsageError } from '../../devices/errors.ts';
import type { FloatArray } from '../attribution.ts';

/** Row, column and weight of the eight neighbours: 1/6 each beside, above and below, 1/12 on the diagonals. */
const NEIGHBOURS: readonly (readonly [number, number, number])[] = [
  [0, 1, 1 / 6],
  [0, -1, 1 / 6],
  [1, 0, 1 / 6],
  [-1, 0, 1 / 6],
  [1, 1, 1 / 12],
  [1, -1, 1 / 12],
  [-1, 1, 1 / 12],
  [-1, -1, 1 / 12],
];

/** Relative residual at which the system counts as solved: far below the noise that is added. */
const TOLERANCE = 1e-10;

/** Neighbours of every pixel of images of one size, worked out once. */
export class Neighbourhood {
  readonly pixels: number;
  /** Entries `first[p] .. first[p + 1]` of `neighbours` and `weights` are pixel p's. */
  readonly #first: Int32Array;
  readonly #neighbours: Int32Array;
  readonly #weights: Float64Array;

  constructor(height: number, width: number) {
    this.pixels = height * width;
    this.#first = new Int32Array(this.pixels + 1);
    this.#neighbours = new Int32Array(this.pixels * 8);
    this.#weights = new Float64Array(this.pixels * 8);
    let at = 0;
    for (let pixel = 0; pixel < this.pixels; pixel++) {
      const [y, x] = [Math.floor(pixel / width), pixel % width];
      for (const [down, right, weight] of NEIGHBOURS) {
        if (y + down < 0 || y + down >= height || x + right < 0 || x + right >= width) continue;
        this.#neighbours[at] = pixel + down * width + right;
        this.#weights[at++] = weight;
      }
      this.#first[pixel + 1] = at;
    }
  }

  /**
   * Replaces the pixels `missing` of one image by the solution of "each equals the weighted mean of its neighbours"
   * (weights normalised at the border), channel by channel.
   *
   * @param image `[H, W, channels]` at `offset`, changed in place
   * @throws UsageError when every pixel is missing: nothing is left to impute from
   */
  impute(image: FloatArray, offset: number, channels: number, missing: Uint32Array): void {
    if (missing.length === 0) return;
    if (missing.length >= this.pixels) {
      throw new UsageError('An image without a single pixel left cannot be imputed; remove fewer.');
    }
    const unknownOf = new Int32Array(this.pixels).fill(-1);
    for (const [k, pixel] of missing.entries()) unknownOf[pixel] = k;
    const right = new Float64Array(missing.length);
    for (let c = 0; c < channels; c++) {
      missing.forEach((pixel, k) => {
        right[k] = 0;
        for (let e = this.#first[pixel]; e < this.#first[pixel + 1]; e++) {
          const neighbour = this.#neighbours[e];
          if (unknownOf[neighbour] < 0) right[k] += this.#weights[e] * image[offset + neighbour * channels + c];
        }
      });
      const solution = this.#solve(right, missing, unknownOf);
      missing.forEach((pixel, k) => {
        image[offset + pixel * channels + c] = solution[k];
      });
    }
  }

  /** (D - W) v for the missing pixels: D the sum of a pixel's weights, W its weights among missing neighbours. */
  #apply(v: Float64Array, into: Float64Array, missing: Uint32Array, unknownOf: Int32Array): void {
    for (let k = 0; k < missing.length; k++) {
      const pixel = missing[k];
      let total = 0;
      for (let e = this.#first[pixel]; e < this.#first[pixel + 1]; e++) {
        const other = unknownOf[this.#neighbours[e]];
        total += this.#weights[e] * (other < 0 ? v[k] : v[k] - v[other]);
      }
      into[k] = total;
    }
  }

  /** Conjugate gradients (M. R. Hestenes, E. Stiefel, 1952): the matrix is symmetric and positive definite. */
  #solve(right: Float64Array, missing: Uint32Array, unknownOf: Int32Array): Float64Array {
    const n = right.length;
    const solution = new Float64Array(n);
    const residual = right.slice();
    const direction = right.slice();
    const image = new Float64Array(n);
    let square = dot(residual, residual);
    const goal = square * TOLERANCE ** 2;
    // In exact arithmetic n steps are enough; twice as many leave room for rounding.
    for (let step = 0; step < 2 * n + 10 && square > goal; step++) {
      this.#apply(direction, image, missing, unknownOf);
      const length = square / dot(direction, image);
      for (let k = 0; k < n; k++) {
        solution[k] += length * direction[k];
        residual[k] -= length * image[k];
      }
      const next = dot(residual, residual);
      const ratio = next / square;
      for (let k = 0; k < n; k++) direction[k] = residual[k] + ratio * direction[k];
      square = next;
    }
    return solution;
  }
}

function dot(a: Float64Array, b: Float64Array): number {
  let total = 0;
  for (let k = 0; k < a.length; k++) total += a[k] * b[k];
  return total;
}
