/**
 * Operations of one operand. Each row holds value and derivative as a student would write them, in float64.
 */
import type { UnaryOp } from './elementwise.ts';

export interface UnaryOperation {
  /** f(x) */
  value(x: number, alpha: number): number;
  /** f'(x), given x and y = f(x). Where f has a kink: the derivative that PyTorch gives. */
  derivative(x: number, y: number, alpha: number): number;
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

export const unaryTable: Readonly<Record<UnaryOp, UnaryOperation>> = {
  relu: {
    value: x => Math.max(x, 0), // Math.max passes NaN on
    derivative: x => (x <= 0 ? 0 : 1),
  },
  leakyRelu: {
    value: (x, alpha) => (x <= 0 ? alpha * x : x),
    derivative: (x, _, alpha) => (x <= 0 ? alpha : 1),
  },
  elu: {
    value: (x, alpha) => (x <= 0 ? alpha * Math.expm1(x) : x),
    derivative: (x, y, alpha) => (x <= 0 ? y + alpha : 1),
  },
  gelu: {
    value: x => x * cumulative(x),
    derivative: x => cumulative(x) + x * density(x),
  },
  silu: {
    value: x => x * logistic(x),
    derivative: x => logistic(x) * (1 + x * (1 - logistic(x))),
  },
  tanh: {
    value: Math.tanh,
    derivative: (_, y) => 1 - y * y,
  },
  sigmoid: {
    value: logistic,
    derivative: (_, y) => y * (1 - y),
  },
  softplus: {
    value: x => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
    derivative: logistic,
  },
  exp: {
    value: Math.exp,
    derivative: (_, y) => y,
  },
  log: {
    value: Math.log,
    derivative: x => 1 / x,
  },
  sqrt: {
    value: Math.sqrt,
    derivative: (_, y) => 0.5 / y,
  },
  rsqrt: {
    value: x => 1 / Math.sqrt(x),
    derivative: (_, y) => -0.5 * y * y * y,
  },
  square: {
    value: x => x * x,
    derivative: x => 2 * x,
  },
  abs: {
    value: Math.abs,
    derivative: Math.sign,
  },
  neg: {
    value: x => -x,
    derivative: () => -1,
  },
  sign: {
    value: Math.sign,
    derivative: () => 0,
  },
  reciprocal: {
    value: x => 1 / x,
    derivative: (_, y) => -y * y,
  },
  sin: {
    value: Math.sin,
    derivative: Math.cos,
  },
  cos: {
    value: Math.cos,
    derivative: x => -Math.sin(x),
  },
  erf: {
    value: erf,
    derivative: x => (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x),
  },
  floor: {
    value: Math.floor,
    derivative: () => 0,
  },
  ceil: {
    value: Math.ceil,
    derivative: () => 0,
  },
  round: {
    value: roundHalfEven,
    derivative: () => 0,
  },
};
