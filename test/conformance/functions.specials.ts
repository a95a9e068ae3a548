/**
 * What functions give where arithmetic ends: at zeros of both signs, infinities, NaN, beyond overflow and underflow. Values
 * are those of C (ISO 9899, Annex F) where it has the function, and elsewhere those of PyTorch's formulas: gelu and silu of
 * -infinity are products of infinity and 0, hence NaN. Derivatives are those of PyTorch: f'(x) for an upstream gradient of 1.
 */
import type { BinaryOp, UnaryOp } from '../../src/kernels/elementwise/index.ts';

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

/** x, f(x) and, where it is promised, f'(x). Zeros of a value carry their sign; those of a derivative need not. */
export type Special = readonly [x: number, value: number, derivative?: number];

/** For alpha = 0.25 where a function has one. */
export const ALPHA = 0.25;

export const UNARY_SPECIALS: Readonly<Record<UnaryOp, readonly Special[]>> = {
  relu: [
    [nan, nan, 1],
    [inf, inf, 1],
    [-inf, 0, 0],
    [0, 0, 0],
    [-3e38, 0, 0],
    [3e38, 3e38, 1],
  ],
  leakyRelu: [
    [nan, nan, ALPHA],
    [inf, inf, 1],
    [-inf, -inf, ALPHA],
    [0, 0, ALPHA],
    [-0, -0, ALPHA],
  ],
  elu: [
    [nan, nan, 1],
    [inf, inf, 1],
    [-inf, -ALPHA, 0],
    [0, 0, ALPHA],
    [-0, -0, ALPHA],
    [-3e38, -ALPHA, 0],
  ],
  gelu: [
    [nan, nan, nan],
    [inf, inf, nan],
    [-inf, nan, nan],
    [0, 0, 0.5],
    [-0, -0, 0.5],
    [-20, -0, 0],
    [3e38, 3e38, 1],
    [-3e38, -0, 0],
  ],
  mish: [
    [nan, nan, nan],
    [inf, inf],
    [-inf, nan],
    [0, 0, 0.6],
    [-0, -0, 0.6],
    [-3e38, -0],
    [3e38, 3e38, 1],
  ],
  silu: [
    [nan, nan, nan],
    [inf, inf, nan],
    [-inf, nan, nan],
    [0, 0, 0.5],
    [-0, -0, 0.5],
    [-3e38, -0, 0],
    [3e38, 3e38, 1],
  ],
  tanh: [
    [nan, nan, nan],
    [inf, 1, 0],
    [-inf, -1, 0],
    [0, 0, 1],
    [-0, -0, 1],
    [3e38, 1, 0],
    [-50, -1, 0],
  ],
  sigmoid: [
    [nan, nan, nan],
    [inf, 1, 0],
    [-inf, 0, 0],
    [0, 0.5, 0.25],
    [3e38, 1, 0],
    [-3e38, 0, 0],
  ],
  softplus: [
    [nan, nan, nan],
    [inf, inf, 1],
    [-inf, 0, 0],
    [3e38, 3e38, 1],
    [-3e38, 0, 0],
  ],
  exp: [
    [nan, nan, nan],
    [inf, inf, inf],
    [-inf, 0, 0],
    [0, 1, 1],
    [-0, 1, 1],
    [88.8, inf, inf],
    [3e38, inf, inf],
    [-104.5, 0, 0],
    [-3e38, 0, 0],
  ],
  log: [
    [nan, nan, nan],
    [inf, inf, 0],
    [-inf, nan],
    [0, -inf, inf],
    [-0, -inf, -inf],
    [1, 0, 1],
    [-1, nan],
    [-3e38, nan],
  ],
  sqrt: [
    [nan, nan, nan],
    [inf, inf, 0],
    [-inf, nan, nan],
    [0, 0, inf],
    [-0, -0, -inf],
    [-1, nan, nan],
    [4, 2, 0.25],
  ],
  rsqrt: [
    [nan, nan, nan],
    [inf, 0, 0],
    [-inf, nan, nan],
    [0, inf, -inf],
    [-0, -inf],
    [-1, nan, nan],
    [0.25, 2, -4],
  ],
  square: [
    [nan, nan, nan],
    [inf, inf, inf],
    [-inf, inf, -inf],
    [-0, 0, 0],
    [2e19, inf],
  ],
  abs: [
    [nan, nan, nan],
    [inf, inf, 1],
    [-inf, inf, -1],
    [0, 0, 0],
    [-0, 0, 0],
  ],
  neg: [
    [nan, nan, -1],
    [inf, -inf, -1],
    [-inf, inf, -1],
    [0, -0, -1],
    [-0, 0, -1],
  ],
  sign: [
    [nan, nan, 0],
    [inf, 1, 0],
    [-inf, -1, 0],
    [3e38, 1, 0],
    [-1e-30, -1, 0],
  ],
  reciprocal: [
    [nan, nan, nan],
    [inf, 0, 0],
    [-inf, -0, 0],
    [0, inf, -inf],
    [-0, -inf, -inf],
  ],
  sin: [
    [nan, nan, nan],
    [inf, nan, nan],
    [-inf, nan, nan],
    [0, 0, 1],
    [-0, -0, 1],
  ],
  cos: [
    [nan, nan, nan],
    [inf, nan, nan],
    [-inf, nan, nan],
    [0, 1, 0],
    [-0, 1, 0],
  ],
  erf: [
    [nan, nan, nan],
    [inf, 1, 0],
    [-inf, -1, 0],
    [-0, -0],
    [3e38, 1, 0],
    [-5, -1],
  ],
  floor: [
    [nan, nan, 0],
    [inf, inf, 0],
    [-inf, -inf, 0],
    [-0, -0, 0],
    [-0.5, -1, 0],
    [8388607.5, 8388607, 0],
    [-3e38, -3e38, 0],
  ],
  ceil: [
    [nan, nan, 0],
    [inf, inf, 0],
    [-inf, -inf, 0],
    [-0, -0, 0],
    [-0.5, -0, 0],
    [8388607.5, 8388608, 0],
    [3e38, 3e38, 0],
  ],
  round: [
    [nan, nan, 0],
    [inf, inf, 0],
    [-inf, -inf, 0],
    [-0, -0, 0],
    [-0.5, -0, 0],
    [0.5, 0, 0],
    [1.5, 2, 0],
    [2.5, 2, 0],
    [-2.5, -2, 0],
    [8388607.5, 8388608, 0],
    [-3e38, -3e38, 0],
  ],
};

/** Every pair of these is tried. Subnormal numbers are left out: webgpu drivers may take them for 0. */
export const OPERANDS = [
  ...[0, 1, 2, 3, 0.5, 2.5, 1e30, 3e38, 2 ** -100, 16777215, 16777216, 8388607.5, 0.99999994, 1.0000001].flatMap(x => [
    x,
    -x,
  ]),
  ...[inf, -inf, nan],
];

/** What C (and NumPy, PyTorch) say of two operands; JavaScript differs for pow alone. */
export const BINARY_VALUES: Partial<Record<BinaryOp, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  pow: (a, b) => (a === 1 || (a === -1 && Math.abs(b) === inf) ? 1 : a ** b),
  maximum: Math.max,
  minimum: Math.min,
  equal: (a, b) => Number(a === b),
  notEqual: (a, b) => Number(a !== b),
  less: (a, b) => Number(a < b),
  lessEqual: (a, b) => Number(a <= b),
  greater: (a, b) => Number(a > b),
  greaterEqual: (a, b) => Number(a >= b),
};
