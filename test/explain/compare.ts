import { expect } from 'vitest';

/** As plain numbers, with 0 for -0 (which toEqual tells apart). */
export const plain = (values: ArrayLike<number>): number[] => Array.from(values, value => value + 0);

/** Every element within `bound` of its counterpart; says which is the worst. */
export function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, bound: number): void {
  expect(actual.length).toBe(expected.length);
  let worst = 0;
  let where = 0;
  for (let i = 0; i < actual.length; i++) {
    const distance = Math.abs(actual[i] - expected[i]);
    if (!(distance <= worst)) [worst, where] = [distance, i];
  }
  expect(worst, `element ${where} is ${actual[where]}, expected ${expected[where]}`).toBeLessThan(bound);
}
