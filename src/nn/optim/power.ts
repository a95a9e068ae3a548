/**
 * Powers with the same bits everywhere. `**` with an exponent known only at run time is computed by the engine's own code
 * up to V8 12 and by the C library after it, and the two differ in the last bit of one result in twenty; nothing else that
 * a training run takes from `Math` does.
 */

/** A number as the unevaluated sum of two: twice the digits of a double. */
type Double = readonly [high: number, low: number];

/** Splits a double into two halves of 26 bits whose products are exact (Dekker 1971). */
const SPLIT = 2 ** 27 + 1;

/** a * b and its rounding error, exactly. */
function exactProduct(a: number, b: number): Double {
  const product = a * b;
  const [wideA, wideB] = [SPLIT * a, SPLIT * b];
  const [highA, highB] = [wideA - (wideA - a), wideB - (wideB - b)];
  const [lowA, lowB] = [a - highA, b - highB];
  return [product, lowA * lowB - (product - highA * highB - lowA * highB - highA * lowB)];
}

function times([a, lowA]: Double, [b, lowB]: Double): Double {
  const [high, low] = exactProduct(a, b);
  const rest = low + (a * lowB + lowA * b);
  const sum = high + rest;
  return [sum, rest - (sum - high)];
}

/**
 * base to a whole power, rounded once: squares and products in twice the digits of a double. For bases up to 1 in
 * magnitude, as decay factors are; a power too small for a double is 0.
 * @param exponent a whole number, at least 0
 */
export function wholePower(base: number, exponent: number): number {
  let result: Double = [1, 0];
  let square: Double = [base, 0];
  for (let rest = exponent; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result = times(result, square);
    if (rest > 1) square = times(square, square);
  }
  return result[0];
}
