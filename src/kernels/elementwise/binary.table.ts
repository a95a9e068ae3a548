/**
 * Operations of two operands. Comparisons and logic give 1 or 0.
 */
import type { BinaryOp } from './elementwise.ts';

export interface BinaryOperation {
  /** The result for floats, and for integers too unless `integer` says otherwise. */
  value(a: number, b: number): number;
  /** The low 32 bits of the exact result, where float64 could not hold it. */
  integer?(a: number, b: number): number;
}

export const binaryTable: Readonly<Record<BinaryOp, BinaryOperation>> = {
  add: { value: (a, b) => a + b },
  sub: { value: (a, b) => a - b },
  mul: { value: (a, b) => a * b, integer: Math.imul },
  div: { value: (a, b) => a / b },
  pow: { value: power },
  maximum: { value: Math.max },
  minimum: { value: Math.min },
  equal: { value: (a, b) => Number(a === b) },
  notEqual: { value: (a, b) => Number(a !== b) },
  less: { value: (a, b) => Number(a < b) },
  lessEqual: { value: (a, b) => Number(a <= b) },
  greater: { value: (a, b) => Number(a > b) },
  greaterEqual: { value: (a, b) => Number(a >= b) },
  and: { value: (a, b) => Number(a !== 0 && b !== 0) },
  or: { value: (a, b) => Number(a !== 0 || b !== 0) },
};

/** C's pow, which differs from JavaScript's where the base is 1 or -1: 1^NaN = 1, (-1)^inf = 1. */
function power(a: number, b: number): number {
  if (a === 1) return 1;
  if (a === -1 && (b === Infinity || b === -Infinity)) return 1;
  return a ** b;
}
