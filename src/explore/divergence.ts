/**
 * How far a map is from what t-SNE wants, over all pairs: the Kullback-Leibler divergence of the map's likenesses from the
 * input's, with every point's Gaussian fitted to all others. What descent reports leaves out all but some neighbours of each
 * point, whose shares are small but many: at 10,000 images it says 1.50 where the divergence is 1.45. Two maps, of
 * whatever program, are compared by this.
 *
 * Up to some hundred points all pairs are gone through in float64. Beyond, products of vectors come a tile at a time and leave
 * sums behind (`kernels/likeness`), in float32 with the origin at the points' mean. Of clusters far apart beside their size,
 * distances within them lose digits there; shares then no longer add up to 1 for each point, which is noticed.
 */
import { matmul } from '../autograd/ops/matmul.ts';
import type { Device } from '../devices/device.ts';
import { ShapeError, UsageError } from '../devices/errors.ts';
import { giveWay } from '../devices/event-loop.ts';
import type { Kernel } from '../devices/kernel.ts';
import { divergenceSums, gaussianSums, type LikenessParams } from '../kernels/likeness/index.ts';
import { tsneRepulsion } from '../kernels/tsne/index.ts';
import { tensor } from '../tensor/creation.ts';
import { dispose } from '../tensor/lifetime.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { conditionalGaussian } from './affinities.ts';
import { checkNeighbours } from './checks.ts';
import { Distances } from './distances.ts';
import { Operands } from './interpolated-repulsion.ts';
import { type Neighbours, nearestNeighbours } from './neighbours.ts';
import type { Points } from './points.ts';

/** Up to so many points, in float64 on the host. */
const FEW = 1024;
/** By how much the likenesses may miss their sum, as a share of it: what float32 makes of them is within 1e-5 where it resolves the points. */
const MISSED_SUM = 1e-3;
const ROWS = 512;
const COLUMNS = 2048;
const MOST_FITS = 30;
/** Of the entropies, in nats: of each, and of all on average. The divergence is off by about as much. */
const TOLERANCE = 1e-5;

export interface DivergenceOptions {
  readonly device: Device;
  readonly perplexity?: number;
  /** Nearest neighbours of the points, if they are known: where fitting starts from. */
  readonly neighbours?: Neighbours;
  readonly signal?: AbortSignal;
}

/**
 * The divergence in nats of a map `[count, 2]` from the likenesses of the points that it shows; NaN where there are more than
 * 1,024 points and they lie so tight beside their extent that float32 does not resolve their distances.
 *
 * @throws UsageError for a perplexity that so few points cannot have, or a coordinate that is not finite; ShapeError when sizes
 *   do not fit; the signal's reason when aborted
 */
export async function klDivergence(points: Points, map: Points, options: DivergenceOptions): Promise<number> {
  const { device, perplexity = 30 } = options;
  const { count } = points;
  const distances = new Distances(points, points, 'divergence');
  new Distances(map, map, 'divergence: the map');
  if (map.count !== count || map.dimensions !== 2) {
    throw new ShapeError(
      `divergence: ${map.count} points in ${map.dimensions} dimensions are no map of ${count} points.`,
    );
  }
  if (options.neighbours) checkNeighbours(options.neighbours, 'divergence');
  if (options.neighbours && options.neighbours.count !== count)
    throw new ShapeError(
      `divergence: neighbours of ${options.neighbours.count} points were given for ${count} points.`,
    );
  if (!(perplexity >= 1 && perplexity <= count - 1)) {
    throw new UsageError(`divergence: a perplexity of ${perplexity} cannot be had of ${count} points.`);
  }
  if (count <= FEW) return divergenceOfFew(points, distances.unit, map, perplexity);
  const pairs = new AllPairs(distances, options);
  try {
    const { betas, constants } = await fitGaussians(pairs, distances, perplexity, options);
    const { scale = 1 } = map;
    const axis = (of: 0 | 1): Float64Array =>
      Float64Array.from({ length: count }, (_, i) => scale * map.values[2 * i + of]);
    const numbers = [betas, constants, axis(0), axis(1)];
    const sums = await pairs.sum(divergenceSums, numbers, numbers, 2);
    let cross = 0;
    let total = 0;
    for (let i = 0; i < count; i++) {
      cross += sums[2 * i];
      total += sums[2 * i + 1];
    }
    // Each point's shares, once as its own and once as the others'; what float32 makes of them is not quite that.
    if (!(Math.abs(total / (2 * count) - 1) < MISSED_SUM)) return Number.NaN;
    return cross / total - Math.log(total) + Math.log(await normalizerOf(numbers[2], numbers[3], device));
  } finally {
    pairs.dispose();
  }
}

/** What JSON can hold. */
export const finiteOrNull = (value: number): number | null => (Number.isFinite(value) ? value : null);

/** The same by all pairs in float64. */
function divergenceOfFew(points: Points, unit: number, map: Points, perplexity: number): number {
  const { count } = points;
  const shares = new Float64Array(count * count);
  for (let i = 0; i < count; i++) {
    const distances = Float64Array.from({ length: count - 1 }, (_, j) =>
      distanceOf(points, unit, i, j < i ? j : j + 1),
    );
    const own = conditionalGaussian(distances, perplexity).shares;
    for (let j = 0; j < count - 1; j++) shares[i * count + (j < i ? j : j + 1)] = own[j];
  }
  let normalizer = 0;
  let divergence = 0;
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < i; j++) {
      const likeness = 1 / (1 + distanceOf(map, 1, i, j) ** 2);
      normalizer += 2 * likeness;
      const share = (shares[i * count + j] + shares[j * count + i]) / (2 * count);
      if (share > 0) divergence += 2 * share * Math.log(share / likeness);
    }
  }
  return divergence + Math.log(normalizer);
}

/** In units in which squares neither overflow nor vanish. */
function distanceOf({ values, dimensions, scale = 1 }: Points, unit: number, i: number, j: number): number {
  let sum = 0;
  for (let k = 0; k < dimensions; k++) {
    const difference = ((values[i * dimensions + k] - values[j * dimensions + k]) * scale) / unit;
    sum += difference * difference;
  }
  return Math.sqrt(sum);
}

/** Every point's beta, and c such that its shares are exp(c - beta d^2): both in units of the pairs. */
async function fitGaussians(
  pairs: AllPairs,
  { points, unit }: Distances,
  perplexity: number,
  { device, signal, neighbours }: DivergenceOptions,
): Promise<{ betas: Float64Array; constants: Float64Array }> {
  const { count } = points;
  const wanted = Math.min(count - 1, Math.ceil(3 * perplexity));
  const { distances, k } = neighbours ?? (await nearestNeighbours(points, wanted, { device, signal }));
  const betas = new Float64Array(count);
  const offsets = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const own = distances.subarray(i * k, (i + 1) * k);
    betas[i] = conditionalGaussian(own, Math.min(perplexity, k)).beta * unit * unit;
    offsets[i] = (own[0] / unit) ** 2;
  }
  const low = new Float64Array(count);
  const high = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
  const constants = new Float64Array(count);
  for (let fit = 0; fit < MOST_FITS; fit++) {
    const sums = await pairs.sum(gaussianSums, [betas, offsets], [], 3);
    const nextBetas = betas.slice();
    let off = 0;
    let isMoving = false;
    for (let i = 0; i < count; i++) {
      const sum = sums[3 * i];
      const average = sums[3 * i + 1] / sum;
      const variance = sums[3 * i + 2] / sum - average * average;
      const beta = betas[i];
      constants[i] = beta * offsets[i] - Math.log(sum);
      const excess = Math.log(sum) + beta * average - Math.log(perplexity);
      off += Math.abs(excess) / count;
      if (Math.abs(excess) < TOLERANCE) continue;
      if (excess > 0) low[i] = beta;
      else high[i] = beta;
      const newton = beta * Math.exp(excess / (beta * beta * variance));
      const half = high[i] === Number.POSITIVE_INFINITY ? 2 * beta : (low[i] + high[i]) / 2;
      const next = newton > low[i] && newton < high[i] ? newton : half;
      // Equally distant points share alike, and float32 may not tell two betas apart.
      if (!(Number.isFinite(next) && Math.abs(next - beta) > 1e-7 * beta)) continue;
      isMoving = true;
      nextBetas[i] = next;
    }
    // The constants belong to the betas that the sums were made with.
    if (!isMoving || off < TOLERANCE) break;
    betas.set(nextBetas);
  }
  return { betas, constants };
}

/** Sum of 1 / (1 + D^2) over all pairs of different points. */
async function normalizerOf(x: Float64Array, y: Float64Array, device: Device): Promise<number> {
  const { length } = x;
  const own = new Operands(device);
  try {
    const planes = new Float64Array(2 * length);
    planes.set(x);
    planes.set(y, length);
    const normalizers = own.of([length]);
    device.run(tsneRepulsion, [own.holding(planes, [2, length])], [own.of([2, length]), normalizers], {});
    const parts: ArrayLike<number> = await device.read(normalizers.storage);
    let sum = 0;
    for (let i = 0; i < length; i++) sum += parts[i];
    return sum;
  } finally {
    own.release();
  }
}

/** Points on the device, in tiles, to meet each other. */
class AllPairs {
  readonly #device: Device;
  readonly #signal?: AbortSignal;
  readonly #count: number;
  /** Squared lengths. */
  readonly #lengths: Float64Array;
  readonly #rows: Tensor[];
  readonly #columns: Tensor[];

  constructor({ points, extent, unit }: Distances, { device, signal }: DivergenceOptions) {
    const { values, count, dimensions, scale = 1 } = points;
    this.#device = device;
    this.#signal = signal;
    this.#count = count;
    const centre = new Float64Array(dimensions);
    for (let at = 0; at < values.length; at++) {
      const k = at % dimensions;
      centre[k] += (scale * values[at] - extent.low[k]) / unit / count;
    }
    const centred = Float32Array.from(values, (value, at) => {
      const k = at % dimensions;
      return (scale * value - extent.low[k]) / unit - centre[k];
    });
    this.#lengths = Float64Array.from({ length: count }, (_, i) =>
      centred.subarray(i * dimensions, (i + 1) * dimensions).reduce((sum, value) => sum + value * value, 0),
    );
    const tiles = (size: number): Tensor[] =>
      Array.from({ length: Math.ceil(count / size) }, (_, tile) => {
        const part = centred.slice(tile * size * dimensions, (tile + 1) * size * dimensions);
        return tensor(part, [part.length / dimensions, dimensions], { device });
      });
    this.#rows = tiles(ROWS);
    this.#columns = tiles(COLUMNS);
  }

  /** Sums of a kernel over each point's pairs, `[count, parts]`; rows and columns know their numbers besides lengths. */
  async sum(
    kernel: Kernel<LikenessParams>,
    rows: readonly Float64Array[],
    columns: readonly Float64Array[],
    parts: number,
  ): Promise<Float64Array> {
    const device = this.#device;
    const sums = new Float64Array(parts * this.#count);
    const others = this.#columns.map((_, tile) => this.#numbers(columns, tile * COLUMNS, COLUMNS));
    for (const [index, left] of this.#rows.entries()) {
      await giveWay();
      this.#signal?.throwIfAborted();
      const height = left.shape[0];
      const own = this.#numbers(rows, index * ROWS, ROWS);
      const out = tensor(new Float32Array(height * parts), [height, parts], { device });
      for (const [tile, right] of this.#columns.entries()) {
        const products = matmul(left, right, { transposeB: true });
        const places = tensor(Int32Array.of(tile * COLUMNS, index * ROWS), [2], { device });
        device.run(kernel, [products, own, others[tile], places], [out], {});
        dispose(products, places);
        await device.pace(2);
      }
      sums.set(await device.read(out.storage), index * ROWS * parts);
      dispose(own, out);
    }
    dispose(...others);
    return sums;
  }

  #numbers(of: readonly Float64Array[], start: number, size: number): Tensor {
    const parts = [this.#lengths, ...of].map(all => all.subarray(start, start + size));
    const length = parts[0].length;
    const values = new Float32Array(parts.length * length);
    parts.forEach((part, i) => {
      values.set(part, i * length);
    });
    return tensor(values, [parts.length, length], { device: this.#device });
  }

  dispose(): void {
    dispose(...this.#rows, ...this.#columns);
  }
}
