/** Philox 4x32-10 in WebAssembly, four blocks at a time: lane b of every vector belongs to block b. */
import { type FunctionBuilder, type I32, I32x4, splatI32 } from '../../devices/wasm/assembler/module.ts';
import { multiplyWide } from '../wide-product.wasm.ts';
import { PHILOX_M0, PHILOX_M1, PHILOX_ROUNDS, PHILOX_W0, PHILOX_W1 } from './philox.ts';

type Vectors4 = [I32x4, I32x4, I32x4, I32x4];

/**
 * Emits the ten rounds, unrolled.
 * @param counter its four words, each for four blocks
 * @param key its two words, the same for all blocks
 * @returns locals holding word 0, 1, 2 and 3 of the four blocks
 */
export function philoxBlocks(f: FunctionBuilder, counter: Vectors4, key: readonly [I32, I32]): Vectors4 {
  const [m0, m1] = [PHILOX_M0, PHILOX_M1].map(m => f.let(I32x4.constant(m, m, m, m)));
  const [c0, c1, c2, c3] = counter.map(c => f.let(c));
  for (let round = 0; round < PHILOX_ROUNDS; round++) {
    const [high0, low0] = multiplyWide(f, c0, m0);
    const [high1, low1] = multiplyWide(f, c2, m1);
    const k0 = splatI32(key[0].add(Math.imul(PHILOX_W0, round)));
    const k1 = splatI32(key[1].add(Math.imul(PHILOX_W1, round)));
    f.set(c0, high1.xor(c1).xor(k0));
    f.set(c1, low1);
    f.set(c2, high0.xor(c3).xor(k1));
    f.set(c3, low0);
  }
  return [c0, c1, c2, c3];
}

/** From word w of four blocks to block b of four words. */
export function transposeWords(f: FunctionBuilder, [w0, w1, w2, w3]: Vectors4): Vectors4 {
  const lower01 = f.let(w0.shuffle(w1, 0, 4, 1, 5));
  const lower23 = f.let(w2.shuffle(w3, 0, 4, 1, 5));
  const upper01 = f.let(w0.shuffle(w1, 2, 6, 3, 7));
  const upper23 = f.let(w2.shuffle(w3, 2, 6, 3, 7));
  return [
    f.let(lower01.shuffle(lower23, 0, 1, 4, 5)),
    f.let(lower01.shuffle(lower23, 2, 3, 6, 7)),
    f.let(upper01.shuffle(upper23, 0, 1, 4, 5)),
    f.let(upper01.shuffle(upper23, 2, 3, 6, 7)),
  ];
}
