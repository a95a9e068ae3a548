/**
 * Vectors that are walked two at a time: in wide mode V8 packs neighbours 16 bytes apart into one register of 256 bits, if it
 * finds their loads, their arithmetic and their stores in pairs (see devices/wasm/wide.ts). What becomes of each vector is the
 * same either way.
 */
import { type F32x4, type FunctionBuilder, type I32, splat } from '../devices/wasm/assembler/module.ts';

export interface VectorWalk {
  /** The mode is wide and the number of vectors even. */
  readonly paired: boolean;
  /** Vectors to walk over, at least one. */
  readonly vectors: I32 | number;
  /**
   * The results for the vectors that lie `offset` bytes (0 or 16) ahead; it may load, but must not store. Numbers are to be
   * taken from `constant`: V8 packs only what two vectors are multiplied by if it is one value.
   */
  compute(offset: number, constant: (value: number) => F32x4): readonly F32x4[];
  /** Stores result number `index`. */
  store(value: F32x4, index: number, offset: number): void;
  /** Moves all pointers on. */
  advance(bytes: number): void;
}

/** Emits the walk. */
export function walkVectors(f: FunctionBuilder, walk: VectorWalk): void {
  const { paired, vectors } = walk;
  const offsets = paired ? [0, 16] : [0];
  const pairs = typeof vectors === 'number' ? vectors / 2 : vectors.shrU(1);
  f.repeat(paired ? pairs : vectors, () => {
    const shared = new Map<number, F32x4>();
    const constant = (value: number): F32x4 => {
      if (!paired) return splat(value);
      const known = shared.get(value) ?? f.let(splat(value));
      shared.set(value, known);
      return known;
    };
    const results = offsets.map(offset => walk.compute(offset, constant));
    results[0].forEach((_, index) => {
      offsets.forEach((offset, k) => {
        walk.store(results[k][index], index, offset);
      });
    });
    walk.advance(16 * offsets.length);
  });
}

/** Whether rows of `channels` are walked in pairs by a program of such tiles. */
export const isPaired = (tileWidth: number, channels: number): boolean => tileWidth === 16 && channels % 8 === 0;
