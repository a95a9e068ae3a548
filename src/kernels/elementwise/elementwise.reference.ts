/** Elementwise operations as one loop each. What an operation computes is in the tables. */
import type { TypedArray } from '../../devices/dtype.ts';
import type { Spec } from '../../devices/kernel.ts';
import { broadcastShapes, broadcastStrides, type Shape, stridesOf } from '../../devices/shape.ts';
import { binaryTable } from './binary.table.ts';
import {
  type AffineParams,
  alphaOf,
  type BinaryParams,
  type CastParams,
  type ClampParams,
  clampBounds,
  type FillParams,
  type NoParams,
  type UnaryParams,
} from './elementwise.ts';
import { unaryTable } from './unary.table.ts';

type Arrays = readonly TypedArray[];

export function unaryReference([x]: Arrays, [y]: Arrays, [spec]: readonly Spec[], params: UnaryParams): void {
  const { value } = unaryTable[params.op];
  const alpha = alphaOf(params);
  const integer = spec.dtype === 'int32';
  for (let i = 0; i < y.length; i++) {
    // Integers wrap: the square of a large one keeps its low 32 bits.
    y[i] = integer && params.op === 'square' ? Math.imul(x[i], x[i]) : value(x[i], alpha);
  }
}

export function unaryGradientReference(
  [x, y, dy]: Arrays,
  [dx]: Arrays,
  _: readonly Spec[],
  params: UnaryParams,
): void {
  const { derivative } = unaryTable[params.op];
  const alpha = alphaOf(params);
  for (let i = 0; i < dx.length; i++) dx[i] = dy[i] * derivative(x[i], y[i], alpha);
}

export function binaryReference([a, b]: Arrays, [out]: Arrays, specs: readonly Spec[], { op }: BinaryParams): void {
  const operation = binaryTable[op];
  const compute = (specs[0].dtype === 'int32' && operation.integer) || operation.value;
  const shape = broadcastShapes(specs[0].shape, specs[1].shape, op);
  const strides = [broadcastStrides(specs[0].shape, shape), broadcastStrides(specs[1].shape, shape)];
  forEachOffset(shape, strides, (i, [atA, atB]) => {
    out[i] = compute(a[atA], b[atB]);
  });
}

export function affineReference([x]: Arrays, [y]: Arrays, _: readonly Spec[], { scale, shift }: AffineParams): void {
  for (let i = 0; i < y.length; i++) y[i] = x[i] * scale + shift;
}

export function clampReference([x]: Arrays, [y]: Arrays, _: readonly Spec[], params: ClampParams): void {
  const [min, max] = clampBounds(params);
  for (let i = 0; i < y.length; i++) y[i] = Math.min(Math.max(x[i], min), max);
}

export function whereReference([condition, a, b]: Arrays, [out]: Arrays, specs: readonly Spec[], _: NoParams): void {
  const shape = specs.map(spec => spec.shape).reduce((x, y) => broadcastShapes(x, y, 'where'));
  const strides = specs.map(spec => broadcastStrides(spec.shape, shape));
  forEachOffset(shape, strides, (i, [atCondition, atA, atB]) => {
    out[i] = condition[atCondition] !== 0 ? a[atA] : b[atB];
  });
}

export function castReference([x]: Arrays, [y]: Arrays, [spec]: readonly Spec[], { to }: CastParams): void {
  // Storing into an integer array keeps the low bits; only floats need saturation first.
  const saturates = spec.dtype === 'float32' && to !== 'float32';
  const [low, high] = to === 'int32' ? [-(2 ** 31), 2 ** 31 - 1] : to === 'uint32' ? [0, 2 ** 32 - 1] : [0, 255];
  for (let i = 0; i < y.length; i++) y[i] = saturates ? Math.min(Math.max(Math.trunc(x[i]), low), high) : x[i];
}

export function fillReference(_: Arrays, [out]: Arrays, __: readonly Spec[], { value }: FillParams): void {
  out.fill(value);
}

export function accumulateReference([x]: Arrays, [out]: Arrays, _: readonly Spec[], __: NoParams): void {
  for (let i = 0; i < out.length; i++) out[i] += x[i];
}

/** Visits the elements of `shape` in order, with the offset of each operand that is read with the given strides. */
export function forEachOffset(
  shape: Shape,
  operandStrides: readonly (readonly number[])[],
  visit: (index: number, offsets: readonly number[]) => void,
): void {
  const size = shape.reduce((product, extent) => product * extent, 1);
  const own = stridesOf(shape);
  const offsets = new Array<number>(operandStrides.length);
  for (let i = 0; i < size; i++) {
    offsets.fill(0);
    for (let axis = 0; axis < shape.length; axis++) {
      const position = Math.floor(i / own[axis]) % shape[axis];
      for (let k = 0; k < offsets.length; k++) offsets[k] += position * operandStrides[k][axis];
    }
    visit(i, offsets);
  }
}
