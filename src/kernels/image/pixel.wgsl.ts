/**
 * Bytes as pixels in WGSL. Division is only promised to 2.5 units in the last place there, but pixels must be the same bits
 * on every device, so u / 255 is put together from bits. In base 256 it is 0.uuu..., so its binary digits are the byte
 * repeated for ever: shift away the leading zeros, keep 24 digits, and round up, always, because the digits that follow
 * begin with the same 1 that the number itself begins with.
 */
export const pixelWgsl = /* wgsl */ `
/** The float32 nearest to u / 255, for u from 0 to 255. */
fn pixelFromByte(u: u32) -> f32 {
  let zeros = countLeadingZeros(u) - 24u;
  let digits = ((u * 0x01010101u) << (zeros & 31u)) >> 8u;
  return select(bitcast<f32>(((125u - zeros) << 23u) + digits + 1u), 0.0, u == 0u);
}
`;
