/**
 * Numbers as pairs of float32, with about twice the digits of one: WGSL has no float64. Dekker, "A floating-point technique
 * for extending the available precision", 1971; Ogita, Rump and Oishi, "Accurate sum and dot product", 2005.
 *
 * The rounding error of an addition is recovered from its result. A compiler that rearranges float arithmetic would find
 * that error to be zero: `opaque` hides where a value comes from behind a number that is zero but known only at run time.
 * Products are not left to `fma`, which need not be fused: factors are cut into 12 digits each, whose product is exact.
 */
type Float = 'f32' | 'vec4f';

const bitsOf = (type: Float): string => (type === 'f32' ? 'u32' : 'vec4u');

const base = (type: Float, zeroAtRunTime: string): string => /* wgsl */ `
fn opaque(value: ${type}) -> ${type} {
  return bitcast<${type}>(bitcast<${bitsOf(type)}>(value) ^ ${bitsOf(type)}(${zeroAtRunTime}));
}

// The upper 12 digits.
fn upper(value: ${type}) -> ${type} {
  return bitcast<${type}>(bitcast<${bitsOf(type)}>(value) & ${bitsOf(type)}(0xfffff000u));
}

// high + low as one number. Where something was not finite there is no error to add, and the upper part says it all.
fn joined(high: ${type}, low: ${type}) -> ${type} {
  let lost = (bitcast<${bitsOf(type)}>(low) & ${bitsOf(type)}(0x7f800000u)) == ${bitsOf(type)}(0x7f800000u);
  return high + select(low, ${type}(), lost);
}`;

/** For long sums: `addTo` adds a number, `addProduct` the product of two. */
export function pairSums(type: Float, zeroAtRunTime: string): string {
  return /* wgsl */ `${base(type, zeroAtRunTime)}

// sum + low += value
fn addTo(sum: ptr<function, ${type}>, low: ptr<function, ${type}>, value: ${type}) {
  let before = *sum;
  let after = opaque(before + value);
  let added = opaque(after - before);
  *sum = after;
  *low += (before - (after - added)) + (value - added);
}

// sum + low += a * b
fn addProduct(sum: ptr<function, ${type}>, low: ptr<function, ${type}>, a: ${type}, b: ${type}) {
  let a0 = upper(a);
  let a1 = a - a0;
  let b0 = upper(b);
  let b1 = b - b0;
  addTo(sum, low, a0 * b0);
  *low += a0 * b1 + a1 * b0 + a1 * b1;
}`;
}

/** Arithmetic of pairs, with relative errors of about 2^-44. */
export function pairArithmetic(type: Float, zeroAtRunTime: string): string {
  return /* wgsl */ `${base(type, zeroAtRunTime)}

struct Pair {
  high: ${type},
  low: ${type},
}

fn rounded(x: Pair) -> ${type} {
  return joined(x.high, x.low);
}

// The sum of two numbers: rounded, and the rounding error.
fn sumOf(a: ${type}, b: ${type}) -> Pair {
  let sum = opaque(a + b);
  let added = opaque(sum - a);
  return Pair(sum, (a - (sum - added)) + (b - added));
}

fn plus(a: Pair, b: Pair) -> Pair {
  let sum = sumOf(a.high, b.high);
  return sumOf(sum.high, sum.low + (a.low + b.low));
}

fn minus(a: Pair, b: Pair) -> Pair {
  return plus(a, Pair(-b.high, -b.low));
}

fn times(a: Pair, b: Pair) -> Pair {
  let a0 = upper(a.high);
  let a1 = a.high - a0;
  let b0 = upper(b.high);
  let b1 = b.high - b0;
  return sumOf(a0 * b0, (a0 * b1 + a1 * b0 + a1 * b1) + (a.high * b.low + a.low * b.high));
}

fn over(a: Pair, b: ${type}) -> Pair {
  let quotient = a.high / b;
  let rest = minus(a, times(Pair(quotient, ${type}()), Pair(b, ${type}())));
  return sumOf(quotient, rest.high / b);
}

fn inverseRoot(a: Pair) -> Pair {
  let root = Pair(${type}(1.0) / sqrt(a.high), ${type}());
  let rest = minus(Pair(${type}(1.0), ${type}()), times(a, times(root, root)));
  return sumOf(root.high, root.high * rest.high * 0.5);
}`;
}
