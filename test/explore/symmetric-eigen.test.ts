/** Eigenvalues in closed form, and the definition itself on random matrices, ranks that are not full, equal eigenvalues. */
import { describe, expect, test } from 'vitest';
import { symmetricEigen } from '../../src/explore/symmetric-eigen.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';

/** The largest |A v - lambda v| and |V V^T - 1|. */
function residuals(a: Float64Array, n: number): { values: Float64Array; equation: number; orthogonality: number } {
  const { values, vectors } = symmetricEigen(a, n);
  let equation = 0;
  let orthogonality = 0;
  for (let i = 0; i < n; i++) {
    for (let row = 0; row < n; row++) {
      let product = 0;
      let dot = 0;
      for (let k = 0; k < n; k++) {
        product += a[row * n + k] * vectors[i * n + k];
        dot += vectors[i * n + k] * vectors[row * n + k];
      }
      equation = Math.max(equation, Math.abs(product - values[i] * vectors[i * n + row]));
      orthogonality = Math.max(orthogonality, Math.abs(dot - (row === i ? 1 : 0)));
    }
  }
  return { values, equation, orthogonality };
}

/** B B^T for a random B [n, rank]. */
function gram(n: number, rank: number, seed: number): Float64Array {
  const random = new PhiloxStream(seed);
  const b = Float64Array.from({ length: n * rank }, () => random.normal());
  const a = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      for (let k = 0; k < rank; k++) a[i * n + j] += b[i * rank + k] * b[j * rank + k];
    }
  }
  return a;
}

describe('symmetricEigen', () => {
  test('the second difference of 60 points: 2 - 2 cos(k pi / 61)', () => {
    const n = 60;
    const a = new Float64Array(n * n);
    for (let i = 0; i < n; i++) {
      a[i * (n + 1)] = 2;
      if (i > 0) a[i * n + i - 1] = a[(i - 1) * n + i] = -1;
    }
    const { values, equation, orthogonality } = residuals(a, n);
    for (let k = 1; k <= n; k++) expect(values[n - k]).toBeCloseTo(2 - 2 * Math.cos((k * Math.PI) / (n + 1)), 13);
    expect(Math.max(equation, orthogonality)).toBeLessThan(1e-13);
  });

  test.each([1, 2, 3, 7, 40, 121])('a random matrix of %i rows', n => {
    const a = gram(n, n, n);
    const { values, equation, orthogonality } = residuals(a, n);
    expect(equation).toBeLessThan(1e-14 * n * values[0]);
    expect(orthogonality).toBeLessThan(1e-14 * n);
    expect(Array.from(values)).toEqual(Array.from(values).sort((x, y) => y - x));
    const trace = Array.from({ length: n }, (_, i) => a[i * (n + 1)]).reduce((x, y) => x + y);
    expect(values.reduce((x, y) => x + y)).toBeCloseTo(trace, 9);
  });

  test('rank 5 of 50: 45 eigenvalues are 0', () => {
    const { values, equation, orthogonality } = residuals(gram(50, 5, 9), 50);
    expect(values[4]).toBeGreaterThan(1);
    for (const value of values.subarray(5)) expect(Math.abs(value)).toBeLessThan(1e-12);
    expect(Math.max(equation, orthogonality)).toBeLessThan(1e-12);
  });

  test('equal eigenvalues, diagonal, zero and negative matrices', () => {
    const identity = Float64Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1);
    expect(Array.from(residuals(identity, 3).values)).toEqual([1, 1, 1]);
    expect(Array.from(residuals(new Float64Array(16), 4).values)).toEqual([0, 0, 0, 0]);
    expect(Array.from(residuals(Float64Array.of(-3, 0, 0, 7), 2).values)).toEqual([7, -3]);
    const ones = new Float64Array(36).fill(-1);
    const { values, orthogonality } = residuals(ones, 6);
    expect(values[5]).toBeCloseTo(-6, 12);
    expect(orthogonality).toBeLessThan(1e-14);
  });

  test('only the lower triangle is read, and nothing is written', () => {
    const a = Float64Array.of(2, 99, 1, 2);
    expect(Array.from(symmetricEigen(a, 2).values)).toEqual([expect.closeTo(3, 14), expect.closeTo(1, 14)]);
    expect(Array.from(a)).toEqual([2, 99, 1, 2]);
  });

  test('what cannot be', () => {
    expect(() => symmetricEigen(new Float64Array(5), 2)).toThrow(/no 2 x 2 matrix/);
    expect(() => symmetricEigen([1, 0, Number.NaN, 1], 2)).toThrow(/element \[1, 0\] is NaN/);
  });
});
