/**
 * The tables against mathematics: derivatives against finite differences, values against closed forms and NumPy. The
 * devices are judged by these tables elsewhere (test/conformance).
 */
import { describe, expect, test } from 'vitest';
import { DTypeError, ShapeError, UsageError } from '../../src/devices/errors.ts';
import type { Spec } from '../../src/devices/kernel.ts';
import { binaryTable } from '../../src/kernels/elementwise/binary.table.ts';
import { broadcastWalk } from '../../src/kernels/elementwise/broadcast.ts';
import { forEachOffset } from '../../src/kernels/elementwise/elementwise.reference.ts';
import {
  affine,
  type BinaryOp,
  binary,
  cast,
  clamp,
  fill,
  type UnaryOp,
  unary,
  unaryGradient,
  where,
} from '../../src/kernels/elementwise/index.ts';
import { erf, roundHalfEven, unaryTable } from '../../src/kernels/elementwise/unary.table.ts';
import { wantsPositive } from '../support/examples.ts';

const float = (...shape: number[]): Spec => ({ shape, dtype: 'float32' });
const integer = (...shape: number[]): Spec => ({ shape, dtype: 'int32' });

describe('derivatives are those of the values', () => {
  const positive = [0.3, 0.9, 2.4];
  const anywhere = [-2.3, -0.7, -0.2, ...positive];
  for (const op of Object.keys(unaryTable) as UnaryOp[]) {
    test(op, () => {
      const { value, derivative } = unaryTable[op];
      const alpha = 0.3;
      for (const x of wantsPositive(op) ? positive : anywhere) {
        const h = 1e-5;
        const slope = (value(x + h, alpha) - value(x - h, alpha)) / (2 * h);
        const stated = derivative(x, value(x, alpha), alpha);
        expect(Math.abs(stated - slope), `${op}'(${x})`).toBeLessThan(1e-8 * Math.max(1, Math.abs(stated)) + 1e-9);
      }
    });
  }

  test('at kinks they are those of PyTorch', () => {
    expect(unaryTable.relu.derivative(0, 0, 1)).toBe(0);
    expect(unaryTable.leakyRelu.derivative(0, 0, 0.1)).toBe(0.1);
    expect(unaryTable.abs.derivative(0, 0, 1)).toBe(0);
  });
});

describe('values', () => {
  // Abramowitz and Stegun, table 7.1.
  test('erf is odd, saturates at 1, and agrees with tables to 10 digits', () => {
    expect(erf(0.5)).toBeCloseTo(0.5204998778, 10);
    expect(erf(1)).toBeCloseTo(0.8427007929, 10);
    expect(erf(-2)).toBeCloseTo(-0.995322265, 10);
    expect(erf(7)).toBe(1);
  });

  // torch.nn.functional: gelu(1) = 0.8413447460685429, silu(1) = 0.7310585786300049, softplus(1) = 1.3132616875182228
  test('activations agree with PyTorch at 1; relu passes NaN on', () => {
    expect(unaryTable.gelu.value(1, 1)).toBeCloseTo(0.8413447460685429, 14);
    expect(unaryTable.silu.value(1, 1)).toBeCloseTo(0.7310585786300049, 14);
    expect(unaryTable.softplus.value(1, 1)).toBeCloseTo(1.3132616875182228, 14);
    expect(unaryTable.relu.value(Number.NaN, 1)).toBeNaN();
  });

  test('round sends ties to the even neighbour', () => {
    expect([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.6].map(roundHalfEven).map(x => x + 0)).toEqual([-2, -2, 0, 0, 2, 2, 3]);
  });

  test('integers wrap', () => {
    const run = (op: BinaryOp, a: number, b: number): number => {
      const out = new Int32Array(1);
      binary.reference([Int32Array.of(a), Int32Array.of(b)], [out], [integer(1), integer(1)], { op });
      return out[0];
    };
    expect(run('add', 2 ** 31 - 1, 1)).toBe(-(2 ** 31));
    expect(run('mul', 65537, 65537)).toBe(131073);
    expect(run('and', 4, 2)).toBe(1); // truth values, not bits
  });

  test('casts truncate and saturate floats, and keep the low bits of integers', () => {
    const run = (values: Float64Array | Int32Array, spec: Spec, to: 'int32' | 'uint8' | 'uint32') => {
      const out =
        to === 'int32'
          ? new Int32Array(values.length)
          : to === 'uint8'
            ? new Uint8Array(values.length)
            : new Uint32Array(values.length);
      cast.reference([values], [out], [spec], { to });
      return [...out];
    };
    const floats = Float64Array.of(-1.9, 1.9, 3e10, -3e10, Number.NaN, 300);
    expect(run(floats, float(6), 'int32')).toEqual([-1, 1, 2 ** 31 - 1, -(2 ** 31), 0, 300]);
    expect(run(floats, float(6), 'uint8')).toEqual([0, 1, 255, 0, 0, 255]);
    expect(run(Int32Array.of(-1, 257), integer(2), 'uint8')).toEqual([255, 1]);
    expect(run(Int32Array.of(-1, 257), integer(2), 'uint32')).toEqual([2 ** 32 - 1, 257]);
  });

  test("pow follows C where JavaScript's differs", () => {
    expect(binaryTable.pow.value(1, Number.NaN)).toBe(1);
    expect(binaryTable.pow.value(-1, Infinity)).toBe(1);
  });
});

describe('walks', () => {
  test('axes merge wherever all operands allow it', () => {
    expect(
      broadcastWalk(
        [
          [2, 3, 4],
          [2, 3, 4],
        ],
        [2, 3, 4],
      ),
    ).toEqual({ extents: [24], strides: [[1], [1]] });
    expect(broadcastWalk([[32, 14, 14, 64], [64]], [32, 14, 14, 64])).toEqual({
      extents: [6272, 64],
      strides: [
        [64, 1],
        [0, 1],
      ],
    });
    expect(broadcastWalk([[5, 7], []], [5, 7])).toEqual({ extents: [35], strides: [[1], [0]] });
    expect(broadcastWalk([[], []], [])).toEqual({ extents: [1], strides: [[1], [1]] });
  });

  test('a walk visits the same elements as unmerged broadcasting', () => {
    const [a, b, target] = [
      [2, 1, 3, 1, 2],
      [3, 1, 4, 1],
      [2, 3, 3, 4, 2],
    ];
    const offsets = (extents: readonly number[], strides: readonly (readonly number[])[]): string[] => {
      const seen: string[] = [];
      forEachOffset(extents, strides, (_, at) => seen.push(at.join()));
      return seen;
    };
    const walk = broadcastWalk([a, b], target);
    const plain = offsets(target, [
      [6, 0, 2, 0, 1],
      [0, 4, 0, 1, 0],
    ]);
    expect(offsets(walk.extents, walk.strides)).toEqual(plain);
  });
});

describe('mistakes', () => {
  test('shapes that do not broadcast are both named', () => {
    expect(() => binary.infer([float(2, 3), float(4)], { op: 'add' })).toThrow(ShapeError);
    expect(() => binary.infer([float(2, 3), float(4)], { op: 'add' })).toThrow(
      'add: shapes [2, 3] and [4] do not broadcast.',
    );
    expect(() => where.infer([integer(2), float(3), float(3)], {})).toThrow(ShapeError);
    expect(() => unaryGradient.infer([float(2), float(2), float(3)], { op: 'relu' })).toThrow(ShapeError);
    expect(() => binary.infer([float(1, 1, 1, 1, 1, 1, 1, 1, 1), float()], { op: 'add' })).toThrow('more than 8 axes');
  });

  test('dtypes an operation does not take', () => {
    expect(() => unary.infer([integer(2)], { op: 'exp' })).toThrow(DTypeError);
    expect(() => binary.infer([float(2), integer(2)], { op: 'add' })).toThrow('cast one of them');
    expect(() => binary.infer([float(2), float(2)], { op: 'and' })).toThrow(DTypeError);
    expect(() => fill.infer([], { value: 1.5, shape: [2], dtype: 'int32' })).toThrow('1.5 is not a value of int32');
    expect(() => fill.infer([], { value: 256, shape: [2], dtype: 'uint8' })).toThrow(DTypeError);
  });

  test('parameters that mean nothing', () => {
    expect(() => clamp.infer([float(2)], { min: 2, max: 1 })).toThrow(UsageError);
    expect(() => affine.infer([float(2)], { scale: Number.NaN, shift: 0 })).toThrow(UsageError);
    expect(() => unary.infer([float(2)], { op: 'elu', alpha: -1 })).toThrow(UsageError);
  });
});
