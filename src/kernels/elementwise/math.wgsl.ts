/**
 * WGSL functions for the texts of the operation tables, over the aliases of `map.wgsl.ts`: `T` is a float or a vector of
 * four, `U`, `I`, `B` are unsigned, signed and boolean of the same width. NaN is recognised by its bits: a GPU's compiler
 * may assume that `x != x` is false, and its `max(NaN, 0)` is 0.
 */

import { HALF_PI } from './vector-math.wasm.ts';

interface LibraryFunction {
  readonly text: string;
  readonly uses?: readonly string[];
}

const FLOAT_FUNCTIONS: Readonly<Record<string, LibraryFunction>> = {
  isNaN: {
    text: /* wgsl */ `fn isNaN(x: T) -> B { return (bitcast<U>(x) & U(0x7fffffffu)) > U(0x7f800000u); }`,
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
  sigmoid: { text: /* wgsl */ `fn sigmoid(x: T) -> T { return 1.0 / (1.0 + exp(-x)); }` },
  hyperbolicTangent: {
    text: /* wgsl */ `// The builtin overflows on some drivers where |x| > 44.
fn hyperbolicTangent(x: T) -> T { return select(tanh(clamp(x, T(-20.0), T(20.0))), x, isNaN(x)); }`,
    uses: ['isNaN'],
  },
  erf: {
    text: /* wgsl */ `// After N. Juffa; the same polynomials as in vector-math.wasm.ts.
fn erf(x: T) -> T {
  let t = min(abs(x), T(4.0));
  let s = x * x;
  var near = T(-5.96761703e-4) * s + 4.99119423e-3;
  near = near * s - 2.67681349e-2;
  near = near * s + 1.12819925e-1;
  near = near * s - 3.76125336e-1;
  near = near * s + 1.28379166e-1;
  near = near * x + x;
  var far = T(-1.7285347e-5) * t + 3.83197126e-4;
  far = far * t - 3.88396438e-3;
  far = far * t + 2.42546219e-2;
  far = far * t - 1.06777877e-1;
  far = far * t - 6.34846687e-1;
  far = far * t - 1.28717512e-1;
  far = 1.0 - exp(far * t - t);
  return select(near, select(far, -far, isNegative(x)), abs(x) > T(0.927734375));
}`,
    uses: ['isNegative'],
  },
  sinQuarter: {
    text: /* wgsl */ `// sin(x + quarterTurns pi / 2) for |x| <= 1e5, else NaN, as in vector-math.wasm.ts. Drivers' own are
// good to 2^-11 within [-pi, pi] and promise nothing outside.
fn sinQuarter(x: T, quarterTurns: i32) -> T {
  let n = round(x * ${2 / Math.PI});
  let quadrant = I(n) + I(quarterTurns);
  let r = ${HALF_PI.reduce((rest, piece) => `(${rest} - n * ${piece})`, 'x')};
  let z = r * r;
  let sine = ((-1.9515295891e-4 * z + 8.3321608736e-3) * z - 1.6666654611e-1) * z * r + r;
  let cosine = ((2.443315711809948e-5 * z - 1.388731625493765e-3) * z + 4.166664568298827e-2) * z * z - 0.5 * z + 1.0;
  let value = select(sine, cosine, (quadrant & I(1)) == I(1));
  let turned = select(value, -value, (quadrant & I(2)) == I(2));
  let isFar = (bitcast<U>(x) & U(0x7fffffffu)) > U(0x47c35000u);
  return select(turned, bitcast<T>((bitcast<U>(x) & U(0x80000000u)) | U(0x7fc00000u)), isFar);
}`,
  },
  sine: { text: /* wgsl */ `fn sine(x: T) -> T { return sinQuarter(x, 0); }`, uses: ['sinQuarter'] },
  cosine: { text: /* wgsl */ `fn cosine(x: T) -> T { return sinQuarter(x, 1); }`, uses: ['sinQuarter'] },
  normalCumulative: {
    text: /* wgsl */ `fn normalCumulative(x: T) -> T { return 0.5 + 0.5 * erf(x * 0.7071067812); }`,
    uses: ['erf'],
  },
  maximum: {
    text: /* wgsl */ `fn maximum(a: T, b: T) -> T { return select(select(b, a, a > b), a + b, isNaN(a) | isNaN(b)); }`,
    uses: ['isNaN'],
  },
  minimum: {
    text: /* wgsl */ `fn minimum(a: T, b: T) -> T { return select(select(b, a, a < b), a + b, isNaN(a) | isNaN(b)); }`,
    uses: ['isNaN'],
  },
  power: {
    text: /* wgsl */ `// The builtin is undefined for negative x: the sign follows from the parity of y.
fn power(x: T, y: T) -> T {
  let half = 0.5 * y;
  let whole = y == trunc(y);
  let odd = whole & (half != trunc(half));
  let size = pow(abs(x), y);
  let signed = select(size, -size, isNegative(x) & odd);
  let notANumber = bitcast<T>((bitcast<U>(x) & U(0x80000000u)) | U(0x7fc00000u));
  let real = select(signed, notANumber, (x < T(0.0)) & !whole);
  return select(real, T(1.0), (y == T(0.0)) | (x == T(1.0)));
}`,
    uses: ['isNegative'],
  },
};

const INTEGER_FUNCTIONS: Readonly<Record<string, LibraryFunction>> = {
  maximum: { text: /* wgsl */ `fn maximum(a: T, b: T) -> T { return max(a, b); }` },
  minimum: { text: /* wgsl */ `fn minimum(a: T, b: T) -> T { return min(a, b); }` },
};

const ANY_FUNCTIONS: Readonly<Record<string, LibraryFunction>> = {
  flag: { text: /* wgsl */ `fn flag(condition: B) -> I { return select(I(0), I(1), condition); }` },
};

/** The definitions of the library functions that an expression calls. */
export function libraryFor(expression: string, type: 'f32' | 'i32' | 'u32'): string {
  const library = { ...ANY_FUNCTIONS, ...(type === 'f32' ? FLOAT_FUNCTIONS : INTEGER_FUNCTIONS) };
  const wanted = new Set<string>();
  const add = (name: string): void => {
    for (const used of library[name].uses ?? []) add(used);
    wanted.add(name);
  };
  for (const name of Object.keys(library)) if (expression.includes(`${name}(`)) add(name);
  return [...wanted].map(name => library[name].text).join('\n');
}
