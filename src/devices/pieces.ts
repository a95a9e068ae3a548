/**
 * Batches cut into pieces that end soon. A device that computes at once holds the event loop for as long as a batch takes,
 * so batches are cut until each piece ends within 0.4 s, by how long the last ones took. What an image's logits are does not
 * depend on the cut: kernels choose how they add up by the number of rows only where there are few of them, and no piece is so
 * small unless the batch was.
 */
import type { Device } from './device.ts';

/** Milliseconds that a piece should take; it is cut anew outside the limits. */
const AIM = 200;
const SHORTEST = 100;
const LONGEST = 300;
/** A new size is at most so many times the old one: the first pieces compile kernels, and say little. */
const MOST_GROWTH = 4;
/** Rows from which on a device adds up in the same order, however many there are. */
const FEWEST_ROWS = { reference: 1, wasm: 16 } as const;

export class Pieces {
  readonly #batchSize: number;
  readonly #fewest: number;
  #size: number;

  /** @param batchSize the most rows that a piece may have */
  constructor(device: Device, batchSize: number) {
    this.#batchSize = batchSize;
    // A GPU works while the host waits, and the loop turns meanwhile: nothing is cut.
    this.#fewest = device.kind === 'webgpu' ? batchSize : Math.min(batchSize, FEWEST_ROWS[device.kind]);
    this.#size = batchSize < 2 * this.#fewest ? batchSize : this.#fewest;
  }

  /** Rows of most pieces at present. */
  get size(): number {
    return this.#size;
  }

  /** Rows of the next piece, of a batch that has `left` rows left. */
  next(left: number): number {
    if (left <= this.#size) return left;
    const rest = left - this.#size;
    if (rest >= this.#fewest) return this.#size;
    return left >= 2 * this.#fewest ? left - this.#fewest : left;
  }

  /** Tells how long a piece took. */
  took(rows: number, milliseconds: number): void {
    if (rows < this.#size || (milliseconds >= SHORTEST && milliseconds <= LONGEST)) return;
    const factor = Math.min(MOST_GROWTH, AIM / Math.max(1, milliseconds));
    const wanted = Math.min(this.#batchSize, Math.max(this.#fewest, Math.floor(rows * factor)));
    // Parts as equal as can be: equal pieces can be recorded and replayed.
    this.#size = Math.max(this.#fewest, Math.ceil(this.#batchSize / Math.ceil(this.#batchSize / wanted)));
  }
}
