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

  // numpy.linalg.eigvalsh([[2,1,0],[1,2,1],[0,1,2]]) times the unit; in closed form 2 and 2 +- sqrt(2).
  test.each([1e-300, 1e-160, 1e-20, 1, 1e20, 1e160, 1e300])('elements of %d', unit => {
    const { values, vectors } = symmetricEigen(
      [2, 1, 0, 1, 2, 1, 0, 1, 2].map(value => value * unit),
      3,
    );
    for (const [i, wanted] of [2 + Math.SQRT2, 2, 2 - Math.SQRT2].entries()) {
      expect(values[i] / unit, `eigenvalue ${i}`).toBeCloseTo(wanted, 13);
    }
    expect(vectors[1] / vectors[0]).toBeCloseTo(Math.SQRT2, 13);
  });

  test('the unit changes no bit of the vectors, and the values by itself', () => {
    const a = gram(17, 17, 3);
    const usual = symmetricEigen(a, 17);
    for (const unit of [2 ** -600, 2 ** 500]) {
      const found = symmetricEigen(
        a.map(value => value * unit),
        17,
      );
      expect(found.vectors).toEqual(usual.vectors);
      expect(found.values).toEqual(usual.values.map(value => value * unit));
    }
  });

  test('the smallest numbers there are', () => {
    const { values } = symmetricEigen([3 * 2 ** -1074, 0, 0, 2 ** -1074], 2);
    expect(Array.from(values)).toEqual([3 * 2 ** -1074, 2 ** -1074]);
  });

  test('a matrix that is not square or not finite is refused', () => {
    for (const n of [0, -2, 1.5, Number.NaN]) {
      expect(() => symmetricEigen(new Float64Array(4), n)).toThrow(`no matrix of ${n} rows`);
    }
    expect(() => symmetricEigen([1, 0, 0, Number.POSITIVE_INFINITY], 2)).toThrow(/element \[1, 1\] is Infinity/);
    expect(() => symmetricEigen([1.5e308, 1.5e308, 1.5e308, 1.5e308], 2)).toThrow('beyond float64');
    expect(() => symmetricEigen(new Float64Array(5), 2)).toThrow(/no 2 x 2 matrix/);
    expect(() => symmetricEigen([1, 0, Number.NaN, 1], 2)).toThrow(/element \[1, 0\] is NaN/);
  });
});
