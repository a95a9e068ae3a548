/**
 * Philox 4x32-10: random numbers that are counted, not drawn. A block of four 32-bit words is a pure function of a
 * 128-bit counter and a 64-bit key, so the n-th number of a stream can be had without the ones before it, by any thread,
 * on any device, with the same bits. This file is the host's form: the oracle of the device kernels, and the source of
 * everything the host itself must decide (shuffles, splits, initial weights).
 *
 * Ten rounds; in each, two of the words are multiplied by odd constants and the high and low halves of the products are
 * crossed with the other two words and the key, which then grows by the golden ratio and by sqrt(3) - 1.
 *
 * J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw: Parallel random numbers: as easy as 1, 2, 3. SC 2011.
 */
import { UsageError } from '../../devices/errors.ts';

export type Words4 = [number, number, number, number];
export type Words2 = [number, number];

export const PHILOX_M0 = 0xd2511f53;
export const PHILOX_M1 = 0xcd9e8d57;
export const PHILOX_W0 = 0x9e3779b9;
export const PHILOX_W1 = 0xbb67ae85;
export const PHILOX_ROUNDS = 10;

/** High 32 bits of the 64-bit product of two unsigned 32-bit numbers, by 16-bit halves. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const cross = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + (middle >>> 16) + (cross >>> 16)) >>> 0;
}

/**
 * Writes one block of four random words to `out[at .. at + 3]`.
 *
 * @param out receives unsigned 32-bit values
 * @param c0 counter, least significant word first (c0, c1, c2, c3)
 * @param k0 key (k0, k1)
 */
export function philoxBlock(
  out: Uint32Array,
  at: number,
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  k0: number,
  k1: number,
): void {
  for (let round = 0; round < PHILOX_ROUNDS; round++) {
    const high0 = multiplyHigh(c0 >>> 0, PHILOX_M0);
    const low0 = Math.imul(c0, PHILOX_M0);
    const high1 = multiplyHigh(c2 >>> 0, PHILOX_M1);
    const low1 = Math.imul(c2, PHILOX_M1);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + PHILOX_W0) | 0;
    k1 = (k1 + PHILOX_W1) | 0;
  }
  out[at] = c0;
  out[at + 1] = c1;
  out[at + 2] = c2;
  out[at + 3] = c3;
}

/**
 * Four random 32-bit words as a function of counter and key.
 *
 * @param counter four unsigned 32-bit words, least significant first
 * @param key two unsigned 32-bit words
 */
export function philox4x32(counter: Readonly<Words4>, key: Readonly<Words2>): Words4 {
  const out = new Uint32Array(4);
  philoxBlock(out, 0, counter[0], counter[1], counter[2], counter[3], key[0], key[1]);
  return [out[0], out[1], out[2], out[3]];
}

/** The uniform number in [0, 1) that 32 random bits stand for: 24 of them, so that it is exact in float32. */
export function uniformFromBits(bits: number): number {
  return (bits >>> 8) * 2 ** -24;
}

function checkWord(value: number, what: string): number {
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) {
    throw new UsageError(`${what} must be a whole number from 0 to 4294967295, not ${value}.`);
  }
  return value;
}

/**
 * A stream number for a purpose given by name (32-bit FNV-1a of its UTF-8 bytes), so that no list of numbers has to be
 * kept: `new PhiloxStream(seed, streamNamed('shuffle'))`.
 */
export function streamNamed(purpose: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(purpose)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/**
 * A sequence of random numbers keyed by (seed, stream), read word by word.
 *
 * The key is (seed, stream) and the counter is (block, block's high word, substream, 0), so two sequences share no
 * block unless all three agree. `position` alone says where a sequence stands: no number is held back between calls.
 */
export class PhiloxStream {
  readonly seed: number;
  readonly stream: number;
  readonly substream: number;
  readonly #block = new Uint32Array(4);
  #blockIndex = -1;
  #position = 0;

  /**
   * @param seed the user's seed, 0 .. 2^32 - 1
   * @param stream what the numbers are for, 0 .. 2^32 - 1
   * @param substream e.g. the epoch, 0 .. 2^32 - 1
   */
  constructor(seed: number, stream = 0, substream = 0) {
    this.seed = checkWord(seed, 'A random seed');
    this.stream = checkWord(stream, 'A random stream');
    this.substream = checkWord(substream, 'A random substream');
  }

  /** How many 32-bit words have been read; set it to continue from there. */
  get position(): number {
    return this.#position;
  }

  set position(words: number) {
    if (!Number.isSafeInteger(words) || words < 0) {
      throw new UsageError(`The position of a random stream must be a whole number of at least 0, not ${words}.`);
    }
    this.#position = words;
  }

  /** 32 random bits. */
  nextUint32(): number {
    const lane = this.#position % 4;
    const index = (this.#position - lane) / 4;
    if (index !== this.#blockIndex) {
      const high = Math.floor(index / 0x1_0000_0000);
      philoxBlock(this.#block, 0, index >>> 0, high, this.substream, 0, this.seed, this.stream);
      this.#blockIndex = index;
    }
    this.#position++;
    return this.#block[lane];
  }

  /** Uniform in [0, 1), a multiple of 2^-24. */
  uniform(): number {
    return uniformFromBits(this.nextUint32());
  }

  /**
   * A whole number in [0, n), each equally likely. Takes the high word of `bits * n` and rejects the few draws that
   * would make the first values likelier.
   *
   * D. Lemire: Fast random integer generation in an interval. ACM TOMACS 29(1), 2019.
   *
   * @param n 1 .. 2^32 - 1
   */
  below(n: number): number {
    if (checkWord(n, 'The bound of a random integer') === 0) throw new UsageError('No whole number lies in [0, 0).');
    let bits = this.nextUint32();
    let low = Math.imul(bits, n) >>> 0;
    if (low < n) {
      const threshold = (0x1_0000_0000 - n) % n;
      while (low < threshold) {
        bits = this.nextUint32();
        low = Math.imul(bits, n) >>> 0;
      }
    }
    return multiplyHigh(bits, n);
  }

  /**
   * A standard normal number in float64 by the Box-Muller transform. It uses two words and returns one number (the sine
   * half is dropped), so that `position` stays the whole state.
   */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log((this.nextUint32() + 0.5) * 2 ** -32));
    return radius * Math.cos(2 * Math.PI * this.nextUint32() * 2 ** -32);
  }
}
