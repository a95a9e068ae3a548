/**
 * An address-space allocator: best fit with coalescing. Free blocks hang in one list per exact size, found by binary
 * search over the sorted sizes, because a training step asks for the same few hundred sizes over and over: each finds
 * the block it gave back a step earlier, still warm in the cache (lists are last in, first out), and nothing grows. It
 * deals in numbers only, so that a capture can run one of its own over memory it got from the device's.
 */

/** Addresses and sizes are multiples of this: a cache line, and four vectors. */
export const GRANULE = 64;

/** A stretch of address space. Neighbours in memory are linked so that free ones can merge. */
export interface Block {
  readonly address: number;
  bytes: number;
  free: boolean;
  before: Block | undefined;
  after: Block | undefined;
  previousOfSize: Block | undefined;
  nextOfSize: Block | undefined;
}

export const roundToGranule = (bytes: number): number => Math.max(1, Math.ceil(bytes / GRANULE)) * GRANULE;

export class Heap {
  /** Sizes for which a free block exists, ascending, and the first block of each. */
  readonly #sizes: number[] = [];
  readonly #firstOfSize = new Map<number, Block>();
  #last: Block | undefined;
  #freeBytes = 0;

  get freeBytes(): number {
    return this.#freeBytes;
  }

  /** The largest request that would succeed. */
  get largestFree(): number {
    return this.#sizes.at(-1) ?? 0;
  }

  /** Free bytes at the very end, which more memory added there would extend. */
  get freeAtEnd(): number {
    return this.#last?.free ? this.#last.bytes : 0;
  }

  /** Adds memory; merges with what was added last if it follows it directly. Both numbers are multiples of GRANULE. */
  add(address: number, bytes: number): void {
    const last = this.#last;
    const adjoins = last !== undefined && last.address + last.bytes === address;
    const block = newBlock(address, bytes);
    if (adjoins) link(last, block);
    this.#last = block;
    this.#release(block);
  }

  /** A block of at least `bytes`, or undefined if no free block is large enough. */
  allocate(bytes: number): Block | undefined {
    const wanted = roundToGranule(bytes);
    const at = this.#search(wanted);
    if (at === this.#sizes.length) return undefined;
    const block = this.#firstOfSize.get(this.#sizes[at])!;
    this.#unlist(block);
    if (block.bytes > wanted) {
      const rest = newBlock(block.address + wanted, block.bytes - wanted);
      block.bytes = wanted;
      const { after } = block;
      link(block, rest);
      if (after) link(rest, after);
      if (this.#last === block) this.#last = rest;
      this.#list(rest);
    }
    return block;
  }

  free(block: Block): void {
    if (block.free) throw new Error(`heap: the block at ${block.address} is free already.`);
    this.#release(block);
  }

  #release(block: Block): void {
    const { before, after } = block;
    if (after?.free) {
      this.#unlist(after);
      this.#absorb(block, after);
    }
    if (before?.free) {
      this.#unlist(before);
      this.#absorb(before, block);
      this.#list(before);
    } else {
      this.#list(block);
    }
  }

  #absorb(block: Block, next: Block): void {
    block.bytes += next.bytes;
    block.after = next.after;
    if (next.after) next.after.before = block;
    if (this.#last === next) this.#last = block;
  }

  #list(block: Block): void {
    const first = this.#firstOfSize.get(block.bytes);
    block.free = true;
    block.previousOfSize = undefined;
    block.nextOfSize = first;
    if (first) first.previousOfSize = block;
    else this.#sizes.splice(this.#search(block.bytes), 0, block.bytes);
    this.#firstOfSize.set(block.bytes, block);
    this.#freeBytes += block.bytes;
  }

  #unlist(block: Block): void {
    const { previousOfSize, nextOfSize } = block;
    if (nextOfSize) nextOfSize.previousOfSize = previousOfSize;
    if (previousOfSize) {
      previousOfSize.nextOfSize = nextOfSize;
    } else if (nextOfSize) {
      this.#firstOfSize.set(block.bytes, nextOfSize);
    } else {
      this.#firstOfSize.delete(block.bytes);
      this.#sizes.splice(this.#search(block.bytes), 1);
    }
    block.free = false;
    block.previousOfSize = undefined;
    block.nextOfSize = undefined;
    this.#freeBytes -= block.bytes;
  }

  /** Index of the smallest listed size that is at least `bytes`. */
  #search(bytes: number): number {
    let low = 0;
    let high = this.#sizes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#sizes[middle] < bytes) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function newBlock(address: number, bytes: number): Block {
  return {
    address,
    bytes,
    free: false,
    before: undefined,
    after: undefined,
    previousOfSize: undefined,
    nextOfSize: undefined,
  };
}

function link(before: Block, after: Block): void {
  before.after = after;
  after.before = before;
}
