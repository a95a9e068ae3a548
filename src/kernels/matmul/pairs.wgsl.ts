/**
 * Sums as pairs of float32, about twice the digits of one (Dekker, "A floating-point technique for extending the available
 * precision", 1971; Ogita, Rump and Oishi, "Accurate sum and dot product", 2005). The rounding error of an addition is
 * recovered from its result. A compiler that rearranges float arithmetic would find that error to be zero: `opaque` hides
 * where a value comes from behind a number that is zero but known only at run time.
 */
export function pairs(type: 'f32' | 'vec4f', zeroAtRunTime: string): string {
  const bits = type === 'f32' ? 'u32' : 'vec4u';
  return /* wgsl */ `
fn opaque(value: ${type}) -> ${type} {
  return bitcast<${type}>(bitcast<${bits}>(value) ^ ${bits}(${zeroAtRunTime}));
}

// sum + low += value
fn addTo(sum: ptr<function, ${type}>, low: ptr<function, ${type}>, value: ${type}) {
  let before = *sum;
  let after = opaque(before + value);
  let added = opaque(after - before);
  *sum = after;
  *low += (before - (after - added)) + (value - added);
}

// The pair as one number. Where something was not finite there is no error to add, and the sum says it all.
fn joined(sum: ${type}, low: ${type}) -> ${type} {
  let lost = (bitcast<${bits}>(low) & ${bits}(0x7f800000u)) == ${bits}(0x7f800000u);
  return sum + select(low, ${type}(), lost);
}`;
}
