/** Four values in float64: two vectors of two, for sums that float32 would round too often. */
import {
  type F32,
  type F32x4,
  type F64x2,
  type FunctionBuilder,
  type I32,
  splat,
} from '../devices/wasm/assembler/module.ts';

/** Lanes 0 and 1, lanes 2 and 3. */
export type F64x4 = readonly [F64x2, F64x2];

export const both = (make: (half: 0 | 1) => F64x2): F64x4 => [make(0), make(1)];

export function promote(f: FunctionBuilder, value: F32x4): F64x4 {
  const whole = f.let(value);
  return both(half => f.let((half === 0 ? whole : whole.shuffle(whole, 2, 3, 2, 3)).promoteLow()));
}

/** The same number four times. */
export const wideSplat = (f: FunctionBuilder, value: F32): F64x4 => {
  const all = f.let(value.splat().promoteLow());
  return [all, all];
};

/** Four elements of an array, or one (then only the first number means something). */
export interface WideLanes {
  load(address: I32, offset?: number): F64x4;
  /** Rounded to float32. */
  store(address: I32, value: F64x4, offset?: number): void;
  storeRounded(address: I32, value: F32x4, offset?: number): void;
}

export const wideLanes = (f: FunctionBuilder, width: 1 | 4): WideLanes => {
  const storeRounded = (address: I32, value: F32x4, offset = 0): void =>
    width === 4 ? f.store(address, value, offset) : f.storeLane(address, value, 0, offset);
  return {
    load: (address, offset = 0) => promote(f, width === 4 ? address.f32x4(offset) : address.f32x4Zero(offset)),
    store: (address, value, offset) => storeRounded(address, demote(value), offset),
    storeRounded,
  };
};

/** a operation b, number by number. */
export const combined = (a: F64x4, b: F64x4, operation: 'add' | 'sub' | 'mul' | 'div'): F64x4 =>
  both(half => a[half][operation](b[half]));

/** The same, computed once. */
export const held = (f: FunctionBuilder, value: F64x4): F64x4 => both(half => f.let(value[half]));

export function assign(f: FunctionBuilder, variable: F64x4, value: F64x4): void {
  for (const half of [0, 1] as const) f.set(variable[half], value[half]);
}

export const wideZeros = (f: FunctionBuilder): F64x4 => both(() => f.let(splat(0).promoteLow()));

/** Rounded to float32. */
export const demote = ([low, high]: F64x4): F32x4 => low.demote().shuffle(high.demote(), 0, 1, 4, 5);
