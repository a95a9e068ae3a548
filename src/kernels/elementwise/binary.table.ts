/**
 * Operations of two operands, each in three languages (see `unary.table.ts`). Comparisons and logic give 1 or 0.
 */
import type { F32x4, FunctionBuilder, I32x4 } from '../../devices/wasm/assembler/module.ts';
import { pow } from './power.wasm.ts';
import { flagWhere } from './vector-math.wasm.ts';

type Vector = F32x4 | I32x4;

export interface BinaryOperation {
  /** The result for floats, and for integers too unless `integer` says otherwise. */
  value(a: number, b: number): number;
  /** The low 32 bits of the exact result, where float64 could not hold it. */
  integer?(a: number, b: number): number;
  /** In the variables `a` and `b`, floats or integers. */
  readonly wgsl: string;
  readonly wasm: {
    float?(f: FunctionBuilder, a: F32x4, b: F32x4): Vector;
    integer?(a: I32x4, b: I32x4): I32x4;
  };
  readonly weight?: number;
}

const not = (mask: I32x4): I32x4 => mask.eq(0);

const rows = {
  add: {
    value: (a, b) => a + b,
    wgsl: 'a + b',
    wasm: { float: (_, a, b) => a.add(b), integer: (a, b) => a.add(b) },
  },
  sub: {
    value: (a, b) => a - b,
    wgsl: 'a - b',
    wasm: { float: (_, a, b) => a.sub(b), integer: (a, b) => a.sub(b) },
  },
  mul: {
    value: (a, b) => a * b,
    integer: Math.imul,
    wgsl: 'a * b',
    wasm: { float: (_, a, b) => a.mul(b), integer: (a, b) => a.mul(b) },
  },
  div: {
    value: (a, b) => a / b,
    wgsl: 'a / b',
    wasm: { float: (_, a, b) => a.div(b) },
  },
  pow: {
    value: power,
    wgsl: 'power(a, b)',
    wasm: { float: pow },
    weight: 15,
  },
  maximum: {
    value: Math.max,
    wgsl: 'maximum(a, b)',
    wasm: { float: (_, a, b) => a.max(b), integer: (a, b) => a.maxS(b) },
  },
  minimum: {
    value: Math.min,
    wgsl: 'minimum(a, b)',
    wasm: { float: (_, a, b) => a.min(b), integer: (a, b) => a.minS(b) },
  },
  equal: {
    value: (a, b) => Number(a === b),
    wgsl: 'flag(isEqual(a, b))',
    wasm: { float: (_, a, b) => flagWhere(a.eq(b)), integer: (a, b) => flagWhere(a.eq(b)) },
  },
  notEqual: {
    value: (a, b) => Number(a !== b),
    wgsl: 'flag(!isEqual(a, b))',
    wasm: { float: (_, a, b) => flagWhere(a.ne(b)), integer: (a, b) => flagWhere(not(a.eq(b))) },
  },
  less: {
    value: (a, b) => Number(a < b),
    wgsl: 'flag(isLess(a, b))',
    wasm: { float: (_, a, b) => flagWhere(a.lt(b)), integer: (a, b) => flagWhere(a.lt(b)) },
  },
  lessEqual: {
    value: (a, b) => Number(a <= b),
    wgsl: 'flag(isAtMost(a, b))',
    wasm: { float: (_, a, b) => flagWhere(a.le(b)), integer: (a, b) => flagWhere(a.le(b)) },
  },
  greater: {
    value: (a, b) => Number(a > b),
    wgsl: 'flag(isLess(b, a))',
    wasm: { float: (_, a, b) => flagWhere(a.gt(b)), integer: (a, b) => flagWhere(a.gt(b)) },
  },
  greaterEqual: {
    value: (a, b) => Number(a >= b),
    wgsl: 'flag(isAtMost(b, a))',
    wasm: { float: (_, a, b) => flagWhere(a.ge(b)), integer: (a, b) => flagWhere(a.ge(b)) },
  },
  and: {
    value: (a, b) => Number(a !== 0 && b !== 0),
    wgsl: 'flag((a != T(0)) & (b != T(0)))',
    wasm: { integer: (a, b) => flagWhere(not(a.eq(0).or(b.eq(0)))) },
  },
  or: {
    value: (a, b) => Number(a !== 0 || b !== 0),
    wgsl: 'flag((a != T(0)) | (b != T(0)))',
    wasm: { integer: (a, b) => flagWhere(not(a.or(b).eq(0))) },
  },
} satisfies Record<string, BinaryOperation>;

export type BinaryOp = keyof typeof rows;

export const binaryTable: Readonly<Record<BinaryOp, BinaryOperation>> = rows;

/** C's pow, which differs from JavaScript's where the base is 1 or -1: 1^NaN = 1, (-1)^inf = 1. */
function power(a: number, b: number): number {
  if (a === 1) return 1;
  if (a === -1 && (b === Infinity || b === -Infinity)) return 1;
  return a ** b;
}
