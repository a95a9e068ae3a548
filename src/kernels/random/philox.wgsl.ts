/**
 * Philox 4x32-10 in WGSL, to be included in kernels: `philox(counter, key)` gives four random words. WGSL has no 64-bit
 * product, so its upper half is put together from 16-bit halves, both products of a round side by side in a vec2.
 */
import { PHILOX_M0, PHILOX_M1, PHILOX_ROUNDS, PHILOX_W0, PHILOX_W1 } from './philox.ts';

export const philoxWgsl = /* wgsl */ `
fn multiplyHigh(a: vec2u, b: vec2u) -> vec2u {
  let aLow = a & vec2u(0xffffu);
  let aHigh = a >> vec2u(16u);
  let bLow = b & vec2u(0xffffu);
  let bHigh = b >> vec2u(16u);
  let middle = aHigh * bLow + ((aLow * bLow) >> vec2u(16u));
  let cross = aLow * bHigh + (middle & vec2u(0xffffu));
  return aHigh * bHigh + (middle >> vec2u(16u)) + (cross >> vec2u(16u));
}

fn philox(counter: vec4u, key: vec2u) -> vec4u {
  const factors = vec2u(${PHILOX_M0}u, ${PHILOX_M1}u);
  var c = counter;
  var k = key;
  for (var round = 0u; round < ${PHILOX_ROUNDS}u; round++) {
    let high = multiplyHigh(c.xz, factors);
    let low = c.xz * factors;
    c = vec4u(high.y ^ c.y ^ k.x, low.y, high.x ^ c.w ^ k.y, low.x);
    k += vec2u(${PHILOX_W0}u, ${PHILOX_W1}u);
  }
  return c;
}

/** The uniform number in [0, 1) that 32 random bits stand for. */
fn uniformFromBits(bits: vec4u) -> vec4f {
  return vec4f(bits >> vec4u(8u)) * 0x1p-24f;
}
`;
