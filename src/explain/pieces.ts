/**
 * Batches of an explanation, cut on the reference device until each piece ends soon (see `Pieces`): it takes up to a second per
 * image, and the event loop must turn meanwhile. Other devices take whole batches. An image's values do not depend on the cut:
 * on the reference rows are computed one by one, and sums over pieces are taken on the host, row by row.
 */
import type { Device } from '../devices/device.ts';
import { Pieces } from '../devices/pieces.ts';

/** How many rows go through at once. */
class Cut {
  readonly #pieces: Pieces | undefined;
  readonly #batchSize: number;

  constructor(device: Device, batchSize: number) {
    this.#batchSize = batchSize;
    this.#pieces = device.kind === 'reference' ? new Pieces(device, batchSize) : undefined;
  }

  /** Rows at once, of `left` that are left. */
  next(left: number): number {
    return this.#pieces?.next(left) ?? Math.min(this.#batchSize, left);
  }

  /** Does the work of `rows` rows. */
  async run(rows: number, work: () => Promise<void>): Promise<void> {
    const began = performance.now();
    await work();
    this.#pieces?.took(rows, performance.now() - began);
  }
}

/**
 * Works through `rows` rows, at most `batchSize` at once.
 * @param work given the first row and how many
 */
export async function inPieces(
  device: Device,
  rows: number,
  batchSize: number,
  work: (start: number, count: number) => Promise<void>,
): Promise<void> {
  const cut = new Cut(device, batchSize);
  for (let start = 0, count = 0; start < rows; start += count) {
    count = cut.next(rows - start);
    await cut.run(count, () => work(start, count));
  }
}

/** Some images and some of the samples (steps, background images) that each of them is paired with. */
export interface PairChunk {
  readonly start: number;
  readonly count: number;
  readonly from: number;
  readonly to: number;
}

/**
 * Works through `images` x `samples` pairs, at most `batchSize` at once: several images with all their samples, or one image
 * with some of them.
 */
export async function inPairPieces(
  device: Device,
  images: number,
  samples: number,
  batchSize: number,
  work: (chunk: PairChunk) => Promise<void>,
): Promise<void> {
  const cut = new Cut(device, batchSize);
  for (let start = 0, from = 0; start < images; ) {
    const bound = cut.next(batchSize);
    const count = from === 0 ? Math.min(images - start, Math.max(1, Math.floor(bound / samples))) : 1;
    const to = Math.min(samples, from + bound);
    const chunk = { start, count, from, to };
    await cut.run(count * (to - from), () => work(chunk));
    if (to < samples) from = to;
    else [start, from] = [start + count, 0];
  }
}

/** Adds values [count, samples of the chunk, size] to sums [images, size], in the order of the samples. */
export function addSamples(sums: Float64Array, values: ArrayLike<number>, size: number, chunk: PairChunk): void {
  const samples = chunk.to - chunk.from;
  for (let row = 0; row < chunk.count * samples; row++) {
    const to = (chunk.start + Math.floor(row / samples)) * size;
    for (let k = 0; k < size; k++) sums[to + k] += values[row * size + k];
  }
}
