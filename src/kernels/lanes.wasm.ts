/**
 * One lane or four. A vector loop over an array whose length is no multiple of four ends with a scalar loop over the same
 * formula. `F32` and `F32x4` have the same arithmetic methods, so a formula written once against `F32x4` emits both loops:
 * the casts in this file, and only they, tell the compiler that a scalar is a vector of one.
 */
import {
  F32,
  type F32x4,
  type FunctionBuilder,
  f32,
  f32x4,
  type I32,
  type I32x4,
  i32,
  i32x4,
  splat,
  splatI32,
  type ValueType,
} from '../devices/wasm/assembler/module.ts';

export interface Lanes {
  readonly width: 1 | 4;
  readonly type: ValueType<F32x4>;
  load(address: I32, offset?: number): F32x4;
  /** The same number in every lane. */
  all(value: F32 | number): F32x4;
  /** `value` where it is not negative (or NaN), else 0. */
  relu(f: FunctionBuilder, value: F32x4): F32x4;
  /** Lane by lane: `a` where the mask of a comparison is set, else `b`. */
  where(mask: I32x4, a: F32x4, b: F32x4): F32x4;
  /** Lane by lane: 0 where the mask is set, else `value`. */
  zeroWhere(mask: I32x4, value: F32x4): F32x4;
  readonly integerType: ValueType<I32x4>;
  allIntegers(value: I32): I32x4;
  lane(value: F32x4, lane: number): F32;
  integerLane(value: I32x4, lane: number): I32;
}

const asVector = (value: F32): F32x4 => value as unknown as F32x4;

export const fourLanes: Lanes = {
  width: 4,
  type: f32x4,
  load: (address, offset) => address.f32x4(offset),
  all: value => splat(value),
  relu: (_, value) => value.pmax(0),
  where: (mask, a, b) => mask.select(a, b),
  zeroWhere: (mask, value) => value.bits().andNot(mask).asF32x4(),
  integerType: i32x4,
  allIntegers: splatI32,
  lane: (value, lane) => value.lane(lane),
  integerLane: (value, lane) => value.lane(lane),
};

export const oneLane: Lanes = {
  width: 1,
  type: f32 as unknown as ValueType<F32x4>,
  load: (address, offset) => asVector(address.f32(offset)),
  all: value => asVector(typeof value === 'number' ? F32.constant(value) : value),
  relu(f, value) {
    const x = f.let(value) as unknown as F32;
    return asVector(x.lt(0).select(F32.constant(0), x));
  },
  where: (mask, a, b) => (mask as unknown as I32).select(a, b),
  zeroWhere: (mask, value) => (mask as unknown as I32).select(asVector(F32.constant(0)), value),
  integerType: i32 as unknown as ValueType<I32x4>,
  allIntegers: value => value as unknown as I32x4,
  lane: value => value as unknown as F32,
  integerLane: value => value as unknown as I32,
};
