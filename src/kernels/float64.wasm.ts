/** Four values in float64: two vectors of two, for sums that float32 would round too often. */
import type { F32x4, F64x2, FunctionBuilder } from '../devices/wasm/assembler/module.ts';

/** Lanes 0 and 1, lanes 2 and 3. */
export type Pair = readonly [F64x2, F64x2];

export const both = (make: (half: 0 | 1) => F64x2): Pair => [make(0), make(1)];

export function promote(f: FunctionBuilder, value: F32x4): Pair {
  const whole = f.let(value);
  return both(half => f.let((half === 0 ? whole : whole.shuffle(whole, 2, 3, 2, 3)).promoteLow()));
}

/** Rounded to float32. */
export const demote = ([low, high]: Pair): F32x4 => low.demote().shuffle(high.demote(), 0, 1, 4, 5);
