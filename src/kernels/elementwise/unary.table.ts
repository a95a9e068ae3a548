/**
 * Operations of one operand. Each row holds value and derivative three times: as a student would write them, in float64;
 * as WGSL, in the variables `x` (or `y`, see `derivativeOf`) and `alpha`; and as instructions for WebAssembly. WGSL text
 * is written over the types `T` (element or vector of four), `U`, `I`, `B` of `map.wgsl.ts`, so that one text serves both,
 * and may use the functions of `math.wgsl.ts`.
 */
import type { F32x4, FunctionBuilder, I32x4 } from '../../devices/wasm/assembler/module.ts';
import { splat } from '../../devices/wasm/assembler/module.ts';
import * as normal from './normal.wasm.ts';
import * as trigonometry from './trigonometry.wasm.ts';
import * as vector from './vector-math.wasm.ts';

export interface UnaryOperation {
  /** f(x) */
  value(x: number, alpha: number): number;
  /** f'(x), given x and y = f(x). Where f has a kink: the derivative that PyTorch gives. */
  derivative(x: number, y: number, alpha: number): number;
  /** Whether the devices compute the derivative from x or from y = f(x); they read only that. */
  readonly derivativeOf: 'x' | 'y';
  readonly wgsl: { readonly value: string; readonly derivative: string };
  readonly wasm: {
    value(f: FunctionBuilder, x: F32x4, alpha: F32x4): F32x4;
    /** `v` is x or y, as `derivativeOf` says. */
    derivative(f: FunctionBuilder, v: F32x4, alpha: F32x4): F32x4;
    /** For int32, where the operation takes it. */
    integer?(x: I32x4): I32x4;
  };
  /** Instructions per vector, roughly in tens, where it is not about one: decides what is worth a thread. */
  readonly weight?: number;
  /** The same of the derivative. */
  readonly derivativeWeight?: number;
}

const logistic = (x: number): number => 1 / (1 + Math.exp(-x));

/** erf by the series 2/sqrt(pi) exp(-x^2) sum 2^n x^(2n+1) / (2n+1)!!, whose terms all have one sign. */
export function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

/** 1 - erf(x) for x >= 2, where erf has no digits left for it: Laplace's continued fraction, from its 60th term up. */
function complementOfErf(x: number): number {
  let fraction = x;
  for (let k = 60; k >= 1; k--) fraction = x + k / 2 / fraction;
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * fraction);
}

/** Nearest integer, ties to even (Math.round sends ties up). */
export function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const fraction = x - floor;
  if (fraction !== 0.5) return Math.round(x);
  if (x === -0.5) return -0;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Standard normal distribution: density and cumulative. */
const density = (x: number): number => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
const cumulative = (x: number): number =>
  x < -3 ? complementOfErf(-x / Math.SQRT2) / 2 : (1 + erf(x / Math.SQRT2)) / 2;

const zero = (): F32x4 => splat(0);

/**
 * mish(x) = x t with t = tanh(log(1 + e)), e = e^x. Without a logarithm t = n / (n + 2), n = e (e + 2), and the derivative
 * is t + 4 x e (e + 1) / (n + 2)^2. From 20 on t is 1 to the last digit, so e is that of 20 there and stays finite.
 */
const mish = {
  t: (x: number): number => Math.tanh(Math.log1p(Math.exp(x))),
  wgsl: {
    e: 'exponential(min(x, T(20.0)))',
    n: '(exponential(min(x, T(20.0))) * (exponential(min(x, T(20.0))) + 2.0))',
  },
  wasm(f: FunctionBuilder, x: F32x4): { e: F32x4; n: F32x4 } {
    const e = f.let(vector.exp(f, f.let(x.pmin(20))));
    return { e, n: f.let(e.add(2).mul(e)) };
  },
};

const rows = {
  relu: {
    value: x => Math.max(x, 0), // Math.max passes NaN on
    derivative: x => (x <= 0 ? 0 : 1),
    derivativeOf: 'y',
    wgsl: { value: 'select(x, T(0), isNegative(x))', derivative: 'select(T(1), T(0), isNotPositive(y))' },
    wasm: { value: (_, x) => x.pmax(0), derivative: (_, y) => vector.oneWhere(y.le(0).not()) },
  },
  leakyRelu: {
    value: (x, alpha) => (x <= 0 ? alpha * x : x),
    derivative: (x, _, alpha) => (x > 0 ? 1 : alpha), // of NaN too, as in PyTorch
    derivativeOf: 'x',
    wgsl: { value: 'select(x, alpha * x, isNegative(x))', derivative: 'select(alpha, T(1), isAboveZero(x))' },
    wasm: {
      value: (_, x, alpha) => x.le(0).select(x.mul(alpha), x),
      derivative: (_, x, alpha) => x.gt(0).select(splat(1), alpha),
    },
  },
  elu: {
    value: (x, alpha) => (x <= 0 ? alpha * Math.expm1(x) : x),
    derivative: (x, _, alpha) => (x <= 0 ? alpha * Math.exp(x) : 1),
    derivativeOf: 'x',
    wgsl: {
      value: 'select(x, alpha * expm1OfNegative(x), isBelowZero(x))',
      derivative: 'select(T(1), alpha * expOfSum(min(x, T(0)), T(0)), isNotPositive(x))',
    },
    wasm: {
      value: (f, x, alpha) => x.lt(0).select(vector.expm1OfNegative(f, x).mul(alpha), x),
      derivative: (f, x, alpha) => x.le(0).select(vector.exp(f, f.let(x.pmin(0))).mul(alpha), splat(1)),
    },
    weight: 4,
    derivativeWeight: 4,
  },
  gelu: {
    value: x => x * cumulative(x),
    derivative: x => cumulative(x) + x * density(x),
    derivativeOf: 'x',
    wgsl: {
      value: 'x * normalCumulative(x)',
      derivative: 'geluDerivative(x)',
    },
    wasm: {
      value: (f, x) => normal.normalCumulative(f, x).mul(x),
      derivative: normal.geluDerivative,
    },
    weight: 8,
    derivativeWeight: 10,
  },
  silu: {
    value: x => x * logistic(x),
    derivative: x => logistic(x) * (1 + x * (1 - logistic(x))),
    derivativeOf: 'x',
    wgsl: { value: 'x * sigmoid(x)', derivative: 'sigmoid(x) * (1.0 + x * (1.0 - sigmoid(x)))' },
    wasm: {
      value: (f, x) => vector.sigmoid(f, x).mul(x),
      derivative: (f, x) => {
        const s = vector.sigmoid(f, x);
        return splat(1).sub(s).mul(x).add(1).mul(s);
      },
    },
    weight: 4,
    derivativeWeight: 4,
  },
  mish: {
    value: x => x * mish.t(x),
    derivative: x => (x > 20 ? 1 : mish.t(x) + x * logistic(x) * (1 - mish.t(x) ** 2)),
    derivativeOf: 'x',
    wgsl: {
      value: `x * (${mish.wgsl.n} / (${mish.wgsl.n} + 2.0))`,
      derivative: `${mish.wgsl.n} / (${mish.wgsl.n} + 2.0) + select(min(x, T(20.0)), x, isNaN(x)) *
        (4.0 * ${mish.wgsl.e} * (${mish.wgsl.e} + 1.0) / ((${mish.wgsl.n} + 2.0) * (${mish.wgsl.n} + 2.0)))`,
    },
    wasm: {
      value(f, x) {
        const { n } = mish.wasm(f, x);
        return n.div(n.add(2)).mul(x);
      },
      derivative(f, x) {
        const { e, n } = mish.wasm(f, x);
        const d = f.let(n.add(2));
        return n.div(d).add(e.add(1).mul(e).mul(4).div(d.mul(d)).mul(x.pmin(20)));
      },
    },
    weight: 4,
  },
  tanh: {
    value: Math.tanh,
    derivative: (_, y) => 1 - y * y,
    derivativeOf: 'y',
    wgsl: { value: 'hyperbolicTangent(x)', derivative: '1.0 - y * y' },
    wasm: { value: vector.tanh, derivative: (_, y) => splat(1).sub(y.mul(y)) },
    weight: 5,
  },
  sigmoid: {
    value: logistic,
    derivative: (_, y) => y * (1 - y),
    derivativeOf: 'y',
    wgsl: { value: 'sigmoid(x)', derivative: 'y * (1.0 - y)' },
    wasm: { value: vector.sigmoid, derivative: (_, y) => y.mul(splat(1).sub(y)) },
    weight: 4,
  },
  softplus: {
    value: x => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
    derivative: logistic,
    derivativeOf: 'x',
    wgsl: { value: 'softplus(x)', derivative: 'sigmoid(x)' },
    wasm: {
      value: (f, x) => x.pmax(0).add(vector.log1pOfFraction(f, vector.exp(f, f.let(x.abs().neg())))),
      derivative: vector.sigmoid,
    },
    weight: 8,
    derivativeWeight: 4,
  },
  exp: {
    value: Math.exp,
    derivative: (_, y) => y,
    derivativeOf: 'y',
    wgsl: { value: 'exponential(x)', derivative: 'y' },
    wasm: { value: vector.exp, derivative: (_, y) => y },
    weight: 3,
  },
  log: {
    value: Math.log,
    derivative: x => 1 / x,
    derivativeOf: 'x',
    wgsl: { value: 'logarithm(x)', derivative: '1.0 / x' },
    wasm: { value: vector.log, derivative: (_, x) => splat(1).div(x) },
    weight: 4,
  },
  sqrt: {
    value: Math.sqrt,
    derivative: (_, y) => 0.5 / y,
    derivativeOf: 'y',
    wgsl: { value: 'squareRoot(x)', derivative: '0.5 / y' },
    wasm: { value: (_, x) => x.sqrt(), derivative: (_, y) => splat(0.5).div(y) },
  },
  rsqrt: {
    value: x => 1 / Math.sqrt(x),
    derivative: (_, y) => -0.5 * y * y * y,
    derivativeOf: 'y',
    wgsl: { value: '1.0 / squareRoot(x)', derivative: '-0.5 * y * y * y' },
    wasm: { value: (_, x) => splat(1).div(x.sqrt()), derivative: (_, y) => y.mul(-0.5).mul(y).mul(y) },
  },
  square: {
    value: x => x * x,
    derivative: x => 2 * x,
    derivativeOf: 'x',
    wgsl: { value: 'x * x', derivative: '2.0 * x' },
    wasm: { value: (_, x) => x.mul(x), derivative: (_, x) => x.add(x), integer: x => x.mul(x) },
  },
  abs: {
    value: Math.abs,
    derivative: Math.sign,
    derivativeOf: 'x',
    wgsl: { value: 'abs(x)', derivative: 'signOf(x)' },
    wasm: { value: (_, x) => x.abs(), derivative: vector.sign, integer: x => x.abs() },
  },
  neg: {
    value: x => -x,
    derivative: () => -1,
    derivativeOf: 'x',
    wgsl: { value: '-x', derivative: 'T(-1)' },
    wasm: { value: (_, x) => x.neg(), derivative: () => splat(-1), integer: x => x.neg() },
  },
  sign: {
    value: Math.sign,
    derivative: () => 0,
    derivativeOf: 'x',
    wgsl: { value: 'signOf(x)', derivative: 'T(0)' },
    wasm: { value: vector.sign, derivative: zero, integer: vector.signOfIntegers },
  },
  reciprocal: {
    value: x => 1 / x,
    derivative: (_, y) => -y * y,
    derivativeOf: 'y',
    wgsl: { value: '1.0 / x', derivative: '-y * y' },
    wasm: { value: (_, x) => splat(1).div(x), derivative: (_, y) => y.mul(y).neg() },
  },
  sin: {
    value: Math.sin,
    derivative: Math.cos,
    derivativeOf: 'x',
    wgsl: { value: 'sine(x)', derivative: 'cosine(x)' },
    wasm: { value: trigonometry.sin, derivative: trigonometry.cos },
    weight: 4,
    derivativeWeight: 4,
  },
  cos: {
    value: Math.cos,
    derivative: x => -Math.sin(x),
    derivativeOf: 'x',
    wgsl: { value: 'cosine(x)', derivative: '-sine(x)' },
    wasm: { value: trigonometry.cos, derivative: (f, x) => trigonometry.sin(f, x).neg() },
    weight: 4,
    derivativeWeight: 4,
  },
  erf: {
    value: erf,
    derivative: x => (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x),
    derivativeOf: 'x',
    wgsl: { value: 'erf(x)', derivative: '1.1283791671 * bell(x, 1.0)' },
    wasm: { value: normal.erf, derivative: (f, x) => normal.bell(f, x, 1).mul(2 / Math.sqrt(Math.PI)) },
    weight: 5,
    derivativeWeight: 4,
  },
  floor: {
    value: Math.floor,
    derivative: () => 0,
    derivativeOf: 'x',
    wgsl: { value: 'floor(x)', derivative: 'T(0)' },
    wasm: { value: (_, x) => x.floor(), derivative: zero },
  },
  ceil: {
    value: Math.ceil,
    derivative: () => 0,
    derivativeOf: 'x',
    wgsl: { value: 'ceil(x)', derivative: 'T(0)' },
    wasm: { value: (_, x) => x.ceil(), derivative: zero },
  },
  round: {
    value: roundHalfEven,
    derivative: () => 0,
    derivativeOf: 'x',
    wgsl: { value: 'round(x)', derivative: 'T(0)' },
    wasm: { value: (_, x) => x.nearest(), derivative: zero },
  },
} satisfies Record<string, UnaryOperation>;

/** The names of the rows: a new row is a new operation, and what else it needs no longer compiles until it is there. */
export type UnaryOp = keyof typeof rows;

export const unaryTable: Readonly<Record<UnaryOp, UnaryOperation>> = rows;
