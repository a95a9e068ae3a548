/** The reference reductions against NumPy 2.4 (expected numbers in comments' calls), and how axes become steps. */
import { describe, expect, test } from 'vitest';
import { DTypeError, ShapeError } from '../../src/devices/errors.ts';
import type { Spec } from '../../src/devices/kernel.ts';
import { sizeOf } from '../../src/devices/shape.ts';
import { argReduce, type ReduceOp, reduce } from '../../src/kernels/reduce/index.ts';
import { reduceSteps } from '../../src/kernels/reduce/reduce.ts';

const float = (...shape: number[]): Spec => ({ shape, dtype: 'float32' });

// z = np.array([[3,1,4,1],[5,9,2,6],[5,3,5,8]], float); y = np.arange(24).reshape(2,3,4)
const z = Float64Array.of(3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8);
const y = Float64Array.from({ length: 24 }, (_, i) => i);

function run(op: ReduceOp, x: Float64Array, shape: number[], axes: number[], keepDims = false) {
  const [spec] = reduce.infer([float(...shape)], { op, axes, keepDims });
  const out = new Float64Array(sizeOf(spec.shape));
  reduce.reference([x], [out], [float(...shape)], { op, axes, keepDims });
  return { shape: spec.shape, values: [...out] };
}

describe('values of NumPy', () => {
  test('sum, mean, max, prod, sum of squares', () => {
    expect(run('sum', z, [3, 4], [0]).values).toEqual([13, 13, 11, 15]); // z.sum(0)
    expect(run('mean', z, [3, 4], [1]).values).toEqual([2.25, 5.5, 5.25]); // z.mean(1)
    expect(run('max', z, [3, 4], [0, 1])).toEqual({ shape: [], values: [9] }); // z.max()
    expect(run('prod', z, [3, 4], [0]).values).toEqual([75, 27, 40, 48]); // z.prod(0)
    expect(run('sumOfSquares', z, [3, 4], [1]).values).toEqual([27, 146, 123]); // (z * z).sum(1)
  });

  test('scattered axes, negative axes, kept axes', () => {
    expect(run('sum', y, [2, 3, 4], [0, 2]).values).toEqual([60, 92, 124]); // y.sum(axis=(0, 2))
    expect(run('mean', y, [2, 3, 4], [0, -1], true)).toEqual({ shape: [1, 3, 1], values: [7.5, 11.5, 15.5] });
  });

  test('the first of several wins; NaN wins', () => {
    const search = (op: 'argMax' | 'argMin', x: Float64Array, shape: number[], axis: number): number[] => {
      const params = { op, axis, keepDims: false };
      const out = new Int32Array(sizeOf(argReduce.infer([float(...shape)], params)[0].shape));
      argReduce.reference([x], [out], [float(...shape)], params);
      return [...out];
    };
    expect(search('argMax', z, [3, 4], 0)).toEqual([1, 1, 2, 2]); // z.argmax(0)
    expect(search('argMin', z, [3, 4], 1)).toEqual([1, 2, 1]); // z.argmin(1)
    const n = Float64Array.of(1, Number.NaN, 3, Number.NaN);
    expect([search('argMax', n, [4], 0), search('argMin', n, [4], 0)]).toEqual([[1], [1]]); // n.argmax(), n.argmin()
  });

  test('nothing sums to 0 and multiplies to 1', () => {
    expect(run('sum', new Float64Array(0), [0, 2], [0]).values).toEqual([0, 0]);
    expect(run('prod', new Float64Array(0), [0, 2], [0]).values).toEqual([1, 1]);
  });
});

describe('steps', () => {
  test('the common cases take one', () => {
    expect(reduceSteps([8, 28, 28, 32], [0, 1, 2, 3])).toEqual([{ outer: 1, extent: 200_704, inner: 1 }]);
    expect(reduceSteps([8, 28, 28, 32], [0, 1, 2])).toEqual([{ outer: 1, extent: 6272, inner: 32 }]);
    expect(reduceSteps([8, 28, 28, 32], [3])).toEqual([{ outer: 6272, extent: 32, inner: 1 }]);
    expect(reduceSteps([8, 28, 28, 32], [1, 2])).toEqual([{ outer: 8, extent: 784, inner: 32 }]);
  });

  test('scattered axes go innermost first; axes of size 1 do not count', () => {
    expect(reduceSteps([2, 3, 1, 4, 5], [0, 3])).toEqual([
      { outer: 6, extent: 4, inner: 5 },
      { outer: 1, extent: 2, inner: 15 },
    ]);
    expect(reduceSteps([3, 1, 4], [1])).toEqual([{ outer: 1, extent: 1, inner: 12 }]);
  });

  test('an empty extent takes one step that reads nothing', () => {
    expect(reduceSteps([0, 3, 5], [0, 2])).toEqual([{ outer: 1, extent: 0, inner: 3 }]);
  });
});

describe('mistakes', () => {
  test('the largest of nothing', () => {
    const params = { op: 'max', axes: [0], keepDims: false } as const;
    expect(() => reduce.infer([float(0, 3)], params)).toThrow(ShapeError);
    expect(() => reduce.infer([float(0, 3)], params)).toThrow('max: axes [0] of [0, 3] hold no elements.');
    expect(() => argReduce.infer([float(2, 0)], { op: 'argMax', axis: 1, keepDims: false })).toThrow(ShapeError);
  });

  test('axes that are not there, dtypes that are not taken', () => {
    expect(() => reduce.infer([float(2)], { op: 'sum', axes: [1], keepDims: false })).toThrow('axis 1 does not exist');
    const integers: Spec = { shape: [2], dtype: 'int32' };
    expect(() => reduce.infer([integers], { op: 'mean', axes: [0], keepDims: false })).toThrow(DTypeError);
  });
});
