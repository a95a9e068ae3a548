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

// Infinite or NaN, by the bits.
fn isLost(value: ${type}) -> ${type === 'f32' ? 'bool' : 'vec4<bool>'} {
  return (bitcast<${bitsOf(type)}>(value) & ${bitsOf(type)}(0x7f800000u)) == ${bitsOf(type)}(0x7f800000u);
}

// high + low as one number. Where something was not finite there is no error to add, and the upper part says it all.
fn joined(high: ${type}, low: ${type}) -> ${type} {
  return high + select(low, ${type}(), isLost(low));
}`;

const sums = (type: Float): string => /* wgsl */ `
// sum + low += value
fn addTo(sum: ptr<function, ${type}>, low: ptr<function, ${type}>, value: ${type}) {
  let before = *sum;
  let after = opaque(before + value);
  let added = opaque(after - before);
  *sum = after;
  *low += (before - (after - added)) + (value - added);
}

// The same, and what has come together in low goes over to the sum: for sums of any length.
fn accumulate(sum: ptr<function, ${type}>, low: ptr<function, ${type}>, value: ${type}) {
  addTo(sum, low, value);
  let rest = select(*low, ${type}(), isLost(*low));
  let before = *sum;
  let after = opaque(before + rest);
  let added = opaque(after - before);
  *sum = after;
  *low = select((before - (after - added)) + (rest - added), *low, isLost(*low));
}

// sum + low += a * b, within 2^-36 of the product: for contractions, whose products are many.
fn addProduct(sum: ptr<function, ${type}>, low: ptr<function, ${type}>, a: ${type}, b: ${type}) {
  let a0 = upper(a);
  let a1 = a - a0;
  let b0 = upper(b);
  let b1 = b - b0;
  addTo(sum, low, a0 * b0);
  *low += a0 * b1 + a1 * b0 + a1 * b1;
}

// The same, nothing of the product lost.
fn addWholeProduct(sum: ptr<function, ${type}>, low: ptr<function, ${type}>, a: ${type}, b: ${type}) {
  let a0 = upper(a);
  let a1 = a - a0;
  let b0 = upper(b);
  let b1 = b - b0;
  let first = a0 * b0;
  accumulate(sum, low, first);
  accumulate(sum, low, select(a0 * b1, ${type}(), isLost(first)));
  accumulate(sum, low, select(a1 * b0, ${type}(), isLost(first)));
  *low += a1 * b1;
}`;

const arithmetic = (type: Float): string => /* wgsl */ `
struct FloatPair {
  high: ${type},
  low: ${type},
}

fn rounded(x: FloatPair) -> ${type} {
  return joined(x.high, x.low);
}

// The sum of two numbers: rounded, and the rounding error.
fn sumOf(a: ${type}, b: ${type}) -> FloatPair {
  let sum = opaque(a + b);
  let added = opaque(sum - a);
  return FloatPair(sum, (a - (sum - added)) + (b - added));
}

fn plus(a: FloatPair, b: FloatPair) -> FloatPair {
  let sum = sumOf(a.high, b.high);
  return sumOf(sum.high, sum.low + (a.low + b.low));
}

fn minus(a: FloatPair, b: FloatPair) -> FloatPair {
  return plus(a, FloatPair(-b.high, -b.low));
}

fn times(a: FloatPair, b: FloatPair) -> FloatPair {
  let a0 = upper(a.high);
  let a1 = a.high - a0;
  let b0 = upper(b.high);
  let b1 = b.high - b0;
  let first = sumOf(a0 * b0, a0 * b1);
  let second = sumOf(first.high, a1 * b0);
  return sumOf(second.high, (first.low + second.low + a1 * b1) + (a.high * b.low + a.low * b.high));
}

fn ratio(a: FloatPair, b: FloatPair) -> FloatPair {
  let quotient = a.high / b.high;
  let rest = minus(a, times(FloatPair(quotient, ${type}()), b));
  return sumOf(quotient, rest.high / b.high);
}

fn over(a: FloatPair, b: ${type}) -> FloatPair {
  return ratio(a, FloatPair(b, ${type}()));
}

fn inverseRoot(a: FloatPair) -> FloatPair {
  let root = FloatPair(${type}(1.0) / sqrt(a.high), ${type}());
  let rest = minus(FloatPair(${type}(1.0), ${type}()), times(a, times(root, root)));
  return sumOf(root.high, root.high * rest.high * 0.5);
}`;

/** For long sums: `addTo` adds a number, `addProduct` the product of two. */
export const pairSums = (type: Float, zeroAtRunTime: string): string => `${base(type, zeroAtRunTime)}
${sums(type)}`;

/** Arithmetic of pairs, with relative errors of about 2^-44. */
export const pairArithmetic = (type: Float, zeroAtRunTime: string): string => `${base(type, zeroAtRunTime)}
${arithmetic(type)}`;

/** Quotients of such sums. Of what is not finite there is no error to go by: it is divided as it is. */
const quotients = (type: Float): string => /* wgsl */ `
// (sum + low) / divisor, rounded. After cancellation low may be the larger part, hence the sumOf.
fn quotient(sum: ${type}, low: ${type}, divisor: ${type}) -> ${type} {
  return select(rounded(over(sumOf(sum, low), divisor)), sum / divisor, isLost(sum));
}

// sum + low += value / divisor
fn addQuotient(sum: ptr<function, ${type}>, low: ptr<function, ${type}>, value: ${type}, divisor: ${type}) {
  let part = over(FloatPair(value, ${type}()), divisor);
  accumulate(sum, low, select(part.high, value / divisor, isLost(value)));
  *low += part.low;
}`;

/** All of it. */
export const pairSumsAndArithmetic = (type: Float, zeroAtRunTime: string): string => `${base(type, zeroAtRunTime)}
${sums(type)}
${arithmetic(type)}
${quotients(type)}`;
