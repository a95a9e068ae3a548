/**
 * WGSL functions for the texts of the operation tables, over the aliases of `map.wgsl.ts`: `T` is a float or a vector of
 * four, `U`, `I`, `B` are unsigned, signed and boolean of the same width.
 *
 * WGSL lets a driver assume that there are no NaN and no infinities, round exp and tanh to 2^-11, flush subnormal numbers
 * to zero, and leave sqrt of negative numbers open; what drivers make of it differs (SwiftShader has exp(NaN) = inf and
 * log(0) = -88). So NaN, infinities, signs and order are read from the bits, and functions are polynomials of our own.
 */
import { exponentialFunctions } from './exponential.wgsl.ts';
import { normalFunctions } from './normal.wgsl.ts';
import { powerFunctions } from './power.wgsl.ts';
import { trigonometricFunctions } from './trigonometry.wgsl.ts';
import type { WgslLibrary } from './wgsl-library.ts';

/** Tests of bits, and what builds on nothing else. */
const FLOAT_FUNCTIONS: WgslLibrary = {
  isNaN: {
    text: /* wgsl */ `fn isNaN(x: T) -> B { return (bitcast<U>(x) & U(0x7fffffffu)) > U(0x7f800000u); }`,
  },
  notANumber: {
    text: /* wgsl */ `// A quiet NaN made of bits that only run time knows: WGSL forbids constants that are no numbers.
fn notANumber(x: T) -> T { return bitcast<T>(bitcast<U>(x) | U(0x7fc00000u)); }`,
  },
  isNegative: {
    text: /* wgsl */ `// -0 to -inf; not NaN
fn isNegative(x: T) -> B { return bitcast<U>(x) - U(0x80000000u) <= U(0x7f800000u); }`,
  },
  isNotPositive: {
    text: /* wgsl */ `// x <= 0; not NaN
fn isNotPositive(x: T) -> B { return isNegative(x) | (bitcast<U>(x) == U(0u)); }`,
    uses: ['isNegative'],
  },
  isBelowZero: {
    text: /* wgsl */ `// x < 0; not NaN
fn isBelowZero(x: T) -> B { return bitcast<U>(x) - U(0x80000001u) < U(0x7f800000u); }`,
  },
  isAboveZero: {
    text: /* wgsl */ `// x > 0; not NaN
fn isAboveZero(x: T) -> B { return bitcast<U>(x) - U(1u) < U(0x7f800000u); }`,
  },
  signOf: {
    text: /* wgsl */ `fn signOf(x: T) -> T {
  let magnitude = bitcast<U>(x) & U(0x7fffffffu);
  let isSigned = magnitude - U(1u) < U(0x7f800000u); // neither 0 nor NaN
  return select(x, bitcast<T>((bitcast<U>(x) & U(0x80000000u)) | U(0x3f800000u)), isSigned);
}`,
  },
  squareRoot: {
    text: /* wgsl */ `fn squareRoot(x: T) -> T {
  let isRegular = bitcast<U>(x) - U(1u) < U(0x7f7fffffu); // above 0, finite
  return select(select(x, notANumber(x), isBelowZero(x)), sqrt(x), isRegular);
}`,
    uses: ['isBelowZero', 'notANumber'],
  },
  ordered: {
    text: /* wgsl */ `// Integers in the order of the floats, -0 and 0 being one.
fn ordered(x: T) -> I {
  let bits = bitcast<I>(x);
  return select(bits, I(-2147483648) - bits, bits < I(0));
}`,
  },
  isLess: {
    text: /* wgsl */ `fn isLess(a: T, b: T) -> B { return (ordered(a) < ordered(b)) & !(isNaN(a) | isNaN(b)); }`,
    uses: ['isNaN', 'ordered'],
  },
  isAtMost: {
    text: /* wgsl */ `fn isAtMost(a: T, b: T) -> B { return (ordered(a) <= ordered(b)) & !(isNaN(a) | isNaN(b)); }`,
    uses: ['isNaN', 'ordered'],
  },
  isEqual: {
    text: /* wgsl */ `fn isEqual(a: T, b: T) -> B { return (ordered(a) == ordered(b)) & !isNaN(a); }`,
    uses: ['isNaN', 'ordered'],
  },
  maximum: {
    text: /* wgsl */ `fn maximum(a: T, b: T) -> T {
  return select(select(b, a, ordered(a) > ordered(b)), a + b, isNaN(a) | isNaN(b));
}`,
    uses: ['isNaN', 'ordered'],
  },
  minimum: {
    text: /* wgsl */ `fn minimum(a: T, b: T) -> T {
  return select(select(b, a, ordered(a) < ordered(b)), a + b, isNaN(a) | isNaN(b));
}`,
    uses: ['isNaN', 'ordered'],
  },
  ...exponentialFunctions,
  ...normalFunctions,
  ...trigonometricFunctions,
  ...powerFunctions,
};

const INTEGER_FUNCTIONS: WgslLibrary = {
  signOf: { text: /* wgsl */ `fn signOf(x: T) -> T { return sign(x); }` },
  isLess: { text: /* wgsl */ `fn isLess(a: T, b: T) -> B { return a < b; }` },
  isAtMost: { text: /* wgsl */ `fn isAtMost(a: T, b: T) -> B { return a <= b; }` },
  isEqual: { text: /* wgsl */ `fn isEqual(a: T, b: T) -> B { return a == b; }` },
  maximum: { text: /* wgsl */ `fn maximum(a: T, b: T) -> T { return max(a, b); }` },
  minimum: { text: /* wgsl */ `fn minimum(a: T, b: T) -> T { return min(a, b); }` },
};

const ANY_FUNCTIONS: WgslLibrary = {
  flag: { text: /* wgsl */ `fn flag(condition: B) -> I { return select(I(0), I(1), condition); }` },
};

/** The definitions of the library functions that an expression calls, and of those that these call. */
export function libraryFor(expression: string, type: 'f32' | 'i32' | 'u32'): string {
  const library: WgslLibrary = { ...ANY_FUNCTIONS, ...(type === 'f32' ? FLOAT_FUNCTIONS : INTEGER_FUNCTIONS) };
  const wanted = new Set<string>();
  const add = (name: string): void => {
    for (const used of library[name].uses ?? []) add(used);
    wanted.add(name);
  };
  for (const name of Object.keys(library)) if (new RegExp(`\\b${name}\\(`).test(expression)) add(name);
  return [...wanted].map(name => library[name].text).join('\n');
}
