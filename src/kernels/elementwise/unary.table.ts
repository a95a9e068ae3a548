/**
 * Operations of one operand. Each row holds value and derivative three times: as a student would write them, in float64;
 * as WGSL, in the variables `x` (or `y`, see `derivativeOf`) and `alpha`; and as instructions for WebAssembly. WGSL text
 * is written over the types `T` (element or vector of four), `U`, `I`, `B` of `map.wgsl.ts`, so that one text serves both,
 * and may use the functions of `math.wgsl.ts`.
 */
import type { F32x4, FunctionBuilder, I32x4 } from '../../devices/wasm/assembler/module.ts';
import { splat } from '../../devices/wasm/assembler/module.ts';
import type { UnaryOp } from './elementwise.ts';
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

/** Nearest integer, ties to even (Math.round sends ties up). */
export function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const fraction = x - floor;
  if (fraction !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Standard normal distribution: density and cumulative. */
const density = (x: number): number => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
const cumulative = (x: number): number => (1 + erf(x / Math.SQRT2)) / 2;

/** c e^(-k x^2) */
const bell = (f: FunctionBuilder, x: F32x4, c: number, k: number): F32x4 =>
  vector.exp(f, f.let(x.mul(x).mul(-k))).mul(c);

const zero = (): F32x4 => splat(0);

export const unaryTable: Readonly<Record<UnaryOp, UnaryOperation>> = {
  relu: {
    value: x => Math.max(x, 0), // Math.max passes NaN on
    derivative: x => (x <= 0 ? 0 : 1),
    derivativeOf: 'y',
    wgsl: { value: 'select(x, T(0), isNegative(x))', derivative: 'select(T(1), T(0), isNotPositive(y))' },
    wasm: { value: (_, x) => x.pmax(0), derivative: (_, y) => vector.oneWhere(y.le(0).not()) },
  },
  leakyRelu: {
    value: (x, alpha) => (x <= 0 ? alpha * x : x),
    derivative: (x, _, alpha) => (x <= 0 ? alpha : 1),
    derivativeOf: 'x',
    wgsl: { value: 'select(x, alpha * x, isNegative(x))', derivative: 'select(T(1), alpha, isNotPositive(x))' },
    wasm: {
      value: (_, x, alpha) => x.le(0).select(x.mul(alpha), x),
      derivative: (_, x, alpha) => x.le(0).select(alpha, splat(1)),
    },
  },
  elu: {
    value: (x, alpha) => (x <= 0 ? alpha * Math.expm1(x) : x),
    derivative: (x, y, alpha) => (x <= 0 ? y + alpha : 1),
    derivativeOf: 'y',
    wgsl: {
      value: 'select(x, alpha * (exp(x) - T(1)), isNegative(x))',
      derivative: 'select(T(1), y + alpha, isNotPositive(y))',
    },
    wasm: {
      value: (f, x, alpha) => x.le(0).select(vector.expm1OfNegative(f, x).mul(alpha), x),
      derivative: (_, y, alpha) => y.le(0).select(y.add(alpha), splat(1)),
    },
    weight: 4,
  },
  gelu: {
    value: x => x * cumulative(x),
    derivative: x => cumulative(x) + x * density(x),
    derivativeOf: 'x',
    wgsl: {
      value: 'x * normalCumulative(x)',
      derivative: 'normalCumulative(x) + x * 0.3989422804 * exp(-0.5 * x * x)',
    },
    wasm: {
      value: (f, x) => vector.normalCumulative(f, x).mul(x),
      derivative: (f, x) => vector.normalCumulative(f, x).add(bell(f, x, 1 / Math.sqrt(2 * Math.PI), 0.5).mul(x)),
    },
    weight: 8,
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
    wgsl: { value: 'select(x, T(0), isNegative(x)) + log(1.0 + exp(-abs(x)))', derivative: 'sigmoid(x)' },
    wasm: {
      value: (f, x) => x.pmax(0).add(vector.log1pOfFraction(f, vector.exp(f, f.let(x.abs().neg())))),
      derivative: vector.sigmoid,
    },
    weight: 8,
  },
  exp: {
    value: Math.exp,
    derivative: (_, y) => y,
    derivativeOf: 'y',
    wgsl: { value: 'exp(x)', derivative: 'y' },
    wasm: { value: vector.exp, derivative: (_, y) => y },
    weight: 3,
  },
  log: {
    value: Math.log,
    derivative: x => 1 / x,
    derivativeOf: 'x',
    wgsl: { value: 'log(x)', derivative: '1.0 / x' },
    wasm: { value: vector.log, derivative: (_, x) => splat(1).div(x) },
    weight: 4,
  },
  sqrt: {
    value: Math.sqrt,
    derivative: (_, y) => 0.5 / y,
    derivativeOf: 'y',
    wgsl: { value: 'sqrt(x)', derivative: '0.5 / y' },
    wasm: { value: (_, x) => x.sqrt(), derivative: (_, y) => splat(0.5).div(y) },
  },
  rsqrt: {
    value: x => 1 / Math.sqrt(x),
    derivative: (_, y) => -0.5 * y * y * y,
    derivativeOf: 'y',
    wgsl: { value: '1.0 / sqrt(x)', derivative: '-0.5 * y * y * y' },
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
    wgsl: { value: 'abs(x)', derivative: 'sign(x)' },
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
    wgsl: { value: 'sign(x)', derivative: 'T(0)' },
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
    wasm: { value: vector.sin, derivative: vector.cos },
    weight: 4,
  },
  cos: {
    value: Math.cos,
    derivative: x => -Math.sin(x),
    derivativeOf: 'x',
    wgsl: { value: 'cosine(x)', derivative: '-sine(x)' },
    wasm: { value: vector.cos, derivative: (f, x) => vector.sin(f, x).neg() },
    weight: 4,
  },
  erf: {
    value: erf,
    derivative: x => (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x),
    derivativeOf: 'x',
    wgsl: { value: 'erf(x)', derivative: '1.1283791671 * exp(-x * x)' },
    wasm: { value: vector.erf, derivative: (f, x) => bell(f, x, 2 / Math.sqrt(Math.PI), 1) },
    weight: 5,
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
};
