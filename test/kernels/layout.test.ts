/** The reference layout operations against NumPy 2.4: x = np.arange(6).reshape(2, 3), y = np.arange(24).reshape(2, 3, 4). */
import { describe, expect, test } from 'vitest';
import { DTypeError, ShapeError } from '../../src/devices/errors.ts';
import type { Kernel, Spec } from '../../src/devices/kernel.ts';
import { sizeOf } from '../../src/devices/shape.ts';
import {
  broadcastTo,
  concat,
  gather,
  oneHot,
  pad,
  scatterAdd,
  scatterSlice,
  slice,
  transpose,
} from '../../src/kernels/layout/index.ts';

const float = (...shape: number[]): Spec => ({ shape, dtype: 'float32' });
const integer = (...shape: number[]): Spec => ({ shape, dtype: 'int32' });
const counting = (count: number): Float64Array => Float64Array.from({ length: count }, (_, i) => i);
const x = counting(6);
const y = counting(24);

function run<P>(kernel: Kernel<P>, inputs: [Float64Array | Int32Array, Spec][], params: P) {
  const specs = inputs.map(([, spec]) => spec);
  const [{ shape }] = kernel.infer(specs, params);
  const out = new Float64Array(sizeOf(shape)).fill(77);
  kernel.reference(
    inputs.map(([values]) => values),
    [out],
    specs,
    params,
  );
  return { shape, values: [...out] };
}

describe('values of NumPy', () => {
  test('pad fills as np.pad does: reflect, edge, constant', () => {
    const values = (before: number[], after: number[], mode: 'reflect' | 'edge' | 'constant', value?: number) =>
      run(pad, [[x, float(2, 3)]], { before, after, mode, value }).values;
    expect(values([1, 2], [1, 1], 'reflect')).toEqual([
      5, 4, 3, 4, 5, 4, 2, 1, 0, 1, 2, 1, 5, 4, 3, 4, 5, 4, 2, 1, 0, 1, 2, 1,
    ]);
    expect(values([1, 2], [0, 1], 'edge')).toEqual([0, 0, 0, 1, 2, 2, 0, 0, 0, 1, 2, 2, 3, 3, 3, 4, 5, 5]);
    expect(values([0, 1], [1, 0], 'constant', 9)).toEqual([9, 0, 1, 2, 9, 3, 4, 5, 9, 9, 9, 9]);
  });

  test('y.transpose(2, 0, 1)', () => {
    expect(run(transpose, [[y, float(2, 3, 4)]], { perm: [2, 0, 1] })).toEqual({
      shape: [4, 2, 3],
      values: [0, 4, 8, 12, 16, 20, 1, 5, 9, 13, 17, 21, 2, 6, 10, 14, 18, 22, 3, 7, 11, 15, 19, 23],
    });
  });

  test('y[1::-1, 2:0:-2, 1:3]', () => {
    const params = { starts: [1, 2, 1], sizes: [2, 1, 2], steps: [-1, -2, 1] };
    expect(run(slice, [[y, float(2, 3, 4)]], params).values).toEqual([21, 22, 9, 10]);
  });

  test('np.take(y, [[2, 0]], axis=1); out of range gives NaN', () => {
    const indices: [Int32Array, Spec] = [Int32Array.of(2, 0), integer(1, 2)];
    expect(run(gather, [[y, float(2, 3, 4)], indices], { axis: 1 })).toEqual({
      shape: [2, 1, 2, 4],
      values: [8, 9, 10, 11, 0, 1, 2, 3, 20, 21, 22, 23, 12, 13, 14, 15],
    });
    const outside: [Int32Array, Spec] = [Int32Array.of(-1, 6, 1), integer(3)];
    expect(run(gather, [[x, float(6)], outside], { axis: 0 }).values).toEqual([Number.NaN, Number.NaN, 1]);
  });

  test('np.add.at(zeros(2, 3), (:, [2, 0, 2]), [[1, 2, 3], [4, 5, 6]])', () => {
    const updates: [Float64Array, Spec] = [Float64Array.of(1, 2, 3, 4, 5, 6), float(2, 3)];
    const indices: [Int32Array, Spec] = [Int32Array.of(2, 0, 2), integer(3)];
    expect(run(scatterAdd, [updates, indices], { axis: 1, size: 3 }).values).toEqual([2, 0, 4, 5, 0, 10]);
  });

  test('np.concatenate([y[:, :1], y[:, 2:]], axis=1)', () => {
    const part = (start: number) =>
      run(slice, [[y, float(2, 3, 4)]], { starts: [0, start, 0], sizes: [2, 1, 4] }).values;
    const inputs: [Float64Array, Spec][] = [0, 2].map(start => [Float64Array.from(part(start)), float(2, 1, 4)]);
    expect(run(concat, inputs, { axis: 1 }).values).toEqual([0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15, 20, 21, 22, 23]);
  });

  test('one-hot rows and repeats', () => {
    const labels: [Int32Array, Spec] = [Int32Array.of(1, 3, 0), integer(3)];
    expect(run(oneHot, [labels], { classes: 3 }).values).toEqual([0, 1, 0, 0, 0, 0, 1, 0, 0]);
    expect(run(broadcastTo, [[Float64Array.of(1, 2), float(2, 1)]], { shape: [2, 3] }).values).toEqual([
      1, 1, 1, 2, 2, 2,
    ]);
  });
});

test('scatterSlice undoes slice: <slice(a), b> = <a, scatterSlice(b)>', () => {
  const window = { starts: [0, 7, 1], steps: [1, -3, 2] };
  const [shape, sizes] = [
    [3, 8, 6],
    [2, 3, 3],
  ];
  const a = counting(144).map(i => Math.sin(i));
  const b = counting(18).map(i => Math.cos(3 * i));
  const dot = (p: ArrayLike<number>, q: ArrayLike<number>): number =>
    Array.from(p).reduce((sum, value, i) => sum + value * q[i], 0);
  const left = dot(run(slice, [[a, float(...shape)]], { ...window, sizes }).values, b);
  const right = dot(a, run(scatterSlice, [[b, float(...sizes)]], { ...window, shape }).values);
  expect(left).toBeCloseTo(right, 12);
});

describe('mistakes', () => {
  test('name what does not fit', () => {
    expect(() => transpose.infer([float(2, 3)], { perm: [0, 0] })).toThrow('[0, 0] is not a permutation');
    expect(() => slice.infer([float(5)], { starts: [3], sizes: [3] })).toThrow(ShapeError);
    expect(() => slice.infer([float(5)], { starts: [1], sizes: [3], steps: [-1] })).toThrow('do not lie within axis 0');
    expect(() => concat.infer([float(2, 3), float(3, 3)], { axis: 1 })).toThrow('[2, 3] and [3, 3]');
    expect(() => concat.infer([float(2), integer(2)], { axis: 0 })).toThrow(DTypeError);
    expect(() => pad.infer([float(3)], { before: [3], after: [0], mode: 'reflect' })).toThrow("mode 'reflect'");
    expect(() => gather.infer([float(3), float(2)], { axis: 0 })).toThrow('indices must be int32');
    expect(() => scatterAdd.infer([float(3), integer(2)], { axis: 0, size: 4 })).toThrow(ShapeError);
    expect(() => broadcastTo.infer([float(3)], { shape: [2] })).toThrow(ShapeError);
    expect(() => pad.infer([{ shape: [3], dtype: 'uint8' }], { before: [1], after: [0], mode: 'edge' })).toThrow(
      DTypeError,
    );
  });
});
