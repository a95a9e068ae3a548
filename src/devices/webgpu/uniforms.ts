/**
 * Uniform blocks as kernels write them: a flat list of 32-bit words. Every member of a WGSL uniform struct used here is
 * an i32, u32 or f32 scalar, so the block is just those words in order, and one list of numbers describes it. Devices
 * intern blocks by content; two calls with equal words share one buffer slot.
 */

const floats = new Float32Array(1);
const bits = new Uint32Array(floats.buffer);

/** Bit pattern of `x` rounded to float32, so that an f32 member can stand in the list that `uniforms` takes. */
export function f32Bits(x: number): number {
  floats[0] = x;
  return bits[0];
}

/**
 * The bytes of a uniform block.
 * @param words u32 or i32 members in order (negative numbers as two's complement), or `f32Bits(x)` for f32 members.
 *   The list is padded with zeros to a multiple of four words, the size WGSL gives such a struct at most.
 * @example uniforms([rows, columns, f32Bits(0.5)])   // struct Params { rows: u32, columns: u32, scale: f32 }
 */
export function uniforms(words: readonly number[]): Uint32Array<ArrayBuffer> {
  const block = new Uint32Array(Math.max(4, Math.ceil(words.length / 4) * 4));
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    if (!Number.isInteger(word) || word < -0x80000000 || word > 0xffffffff) {
      throw new RangeError(`uniforms: word ${i} is ${word}, which is not a 32-bit integer (use f32Bits for floats).`);
    }
    block[i] = word;
  }
  return block;
}
