/**
 * The bodies of `softmax.wgsl.ts` with their sums, and what is made of them, in pairs of float32: for devices of highest
 * precision. exp and log are those of float32. A pair cannot hold what is not finite: beside each result stands what float32
 * makes of the upper parts, and where that is not finite it stays (`settled`).
 */

import { forEachColumn, labelOf } from './rows.wgsl.ts';
import { DIFFERENCE_UNIT } from './softmax.ts';

/** `largest`, and the pair `sum` of exp(x - largest), of the row of array `x`. */
const exponentials = /* wgsl */ `
  var largestHere = -3.4028234e38;
  ${forEachColumn('largestHere = max(largestHere, x[i]);')}
  let largest = joinMax(largestHere, lane);
  var sumHere = 0.0;
  var lowHere = 0.0;
  ${forEachColumn('accumulate(&sumHere, &lowHere, exponential(x[i] - largest));')}
  let sum = joinPairs(FloatPair(sumHere, lowHere), lane);`;

/** log(sum): of its upper part, and to first order of the lower one. */
const logOfSum = 'FloatPair(logarithm(sum.high), sum.low / sum.high)';

const settled = (exact: string, plain: string): string => /* wgsl */ `
    let plain = ${plain};
    let settled = select(rounded(${exact}), plain, isLost(plain));`;

const single = (value: string): string => `FloatPair(${value}, 0.0)`;

export const softmaxBody = /* wgsl */ `${exponentials}
  ${forEachColumn(`y[i] = rounded(ratio(${single('exponential(x[i] - largest)')}, sum));`)}`;

export const logSoftmaxBody = /* wgsl */ `${exponentials}
  let logSum = ${logOfSum};
  ${forEachColumn(/* wgsl */ `
    ${settled('minus(sumOf(x[i], -largest), logSum)', 'x[i] - largest - logSum.high')}
    y[i] = settled;`)}`;

export const softmaxGradientBody = /* wgsl */ `
  var productHere = 0.0;
  var lowHere = 0.0;
  ${forEachColumn('addWholeProduct(&productHere, &lowHere, y[i], dy[i]);')}
  let product = joinPairs(FloatPair(productHere, lowHere), lane);
  ${forEachColumn(/* wgsl */ `
    ${settled(`times(${single('y[i]')}, minus(${single('dy[i]')}, product))`, 'y[i] * (dy[i] - product.high)')}
    dx[i] = settled;`)}`;

export const logSoftmaxGradientBody = /* wgsl */ `
  var totalHere = 0.0;
  var lowHere = 0.0;
  ${forEachColumn('accumulate(&totalHere, &lowHere, dy[i]);')}
  let total = joinPairs(FloatPair(totalHere, lowHere), lane);
  ${forEachColumn(/* wgsl */ `
    let p = exponential(y[i]);
    ${settled(`minus(${single('dy[i]')}, times(${single('p')}, total))`, 'dy[i] - p * total.high')}
    dx[i] = settled;`)}`;

/** The factors of a target, as pairs. */
const factors = /* wgsl */ `
  let keep = FloatPair(sizes.keep, sizes.keepLow);
  let spread = FloatPair(sizes.spread, sizes.spreadLow);`;

const shift = `let shift = largest * ${DIFFERENCE_UNIT};`;

export const lossBody = (hard: boolean, smooth: boolean): string => /* wgsl */ `${exponentials}
  ${labelOf}
  ${factors}
  ${shift}
  var exact = ${logOfSum};
  var plain = exact.high;
  ${
    hard
      ? /* wgsl */ `let own = x[start + label] * ${DIFFERENCE_UNIT};
  exact = minus(exact, times(keep, sumOf(own, -shift)));
  plain -= sizes.keep * (own - shift);`
      : ''
  }
  ${
    smooth
      ? /* wgsl */ `var totalHere = 0.0;
  var rest = 0.0;
  ${forEachColumn(/* wgsl */ `
    let z = sumOf(x[i] * ${DIFFERENCE_UNIT}, -shift);
    accumulate(&totalHere, &rest, z.high);
    rest += z.low;`)}
  let total = joinPairs(FloatPair(totalHere, rest), lane);
  exact = minus(exact, times(spread, total));
  plain -= sizes.spread * total.high;`
      : ''
  }
  let value = select(rounded(exact), plain, isLost(plain));
  if (lane == 0u) { loss[row] = select(bitcast<f32>(sizes.notANumber), value, possible); }`;

export const lossGradientBody = /* wgsl */ `${exponentials}
  ${labelOf}
  ${factors}
  let factor = select(bitcast<f32>(sizes.notANumber), dloss[row], possible);
  ${forEachColumn(/* wgsl */ `
    let e = exponential(x[i] - largest);
    var goal = spread;
    if (j == label) { goal = plus(spread, keep); }
    ${settled(
      `times(minus(ratio(${single('e')}, sum), goal), ${single('factor')})`,
      '(e / sum.high - goal.high) * factor',
    )}
    dx[i] = settled;`)}`;

export const softLossBody = /* wgsl */ `${exponentials}
  let logSum = FloatPair(logarithm(sum.high) * ${DIFFERENCE_UNIT}, sum.low / sum.high * ${DIFFERENCE_UNIT});
  ${shift}
  var totalHere = 0.0;
  var rest = 0.0;
  ${forEachColumn(/* wgsl */ `
    let own = x[i] * ${DIFFERENCE_UNIT};
    let plain = own - shift - logSum.high;
    let isMasked = (bitcast<u32>(goals[i]) & 0x7fffffffu) == 0u && bitcast<u32>(plain) == 0xff800000u; // 0 log 0 = 0
    if (!isMasked) {
      let term = times(${single('goals[i]')}, minus(sumOf(own, -shift), logSum));
      let plainTerm = goals[i] * plain;
      accumulate(&totalHere, &rest, select(term.high, plainTerm, isLost(plainTerm)));
      rest += term.low;
    }`)}
  let total = joinPairs(FloatPair(totalHere, rest), lane);
  if (lane == 0u) { loss[row] = rounded(total) * ${-1 / DIFFERENCE_UNIT}; }`;

export const softGradientBody = /* wgsl */ `${exponentials}
  var goalsHere = 0.0;
  var rest = 0.0;
  ${forEachColumn('accumulate(&goalsHere, &rest, goals[i]);')}
  let scale = ratio(joinPairs(FloatPair(goalsHere, rest), lane), sum);
  let factor = dloss[row];
  ${forEachColumn(/* wgsl */ `
    let e = exponential(x[i] - largest);
    ${settled(
      `times(minus(times(${single('e')}, scale), ${single('goals[i]')}), ${single('factor')})`,
      '(e * scale.high - goals[i]) * factor',
    )}
    dx[i] = settled;`)}`;
