/** Counted random numbers as plain loops over Philox blocks of four words. */
import type { TypedArray } from '../../devices/dtype.ts';
import type { Spec } from '../../devices/kernel.ts';
import { philoxBlock, uniformFromBits } from './philox.ts';
import {
  type AdvanceParams,
  type BernoulliParams,
  type DropoutParams,
  dropoutScale,
  type RandomParams,
  thresholdOf,
} from './random.ts';

/** Calls `use` with every element's index and its 32 random bits. */
function forEachWord(state: TypedArray, length: number, use: (element: number, bits: number) => void): void {
  const block = new Uint32Array(4);
  for (let element = 0; element < length; element++) {
    if (element % 4 === 0) philoxBlock(block, 0, element / 4, 0, state[2], state[3], state[0], state[1]);
    use(element, block[element % 4]);
  }
}

export function randomBitsReference(
  [state]: readonly TypedArray[],
  [y]: readonly TypedArray[],
  _specs: readonly Spec[],
  _params: RandomParams,
): void {
  forEachWord(state, y.length, (i, bits) => {
    y[i] = bits;
  });
}

export function randomUniformReference(
  [state]: readonly TypedArray[],
  [y]: readonly TypedArray[],
  _specs: readonly Spec[],
  _params: RandomParams,
): void {
  forEachWord(state, y.length, (i, bits) => {
    y[i] = uniformFromBits(bits);
  });
}

export function bernoulliReference(
  [state]: readonly TypedArray[],
  [y]: readonly TypedArray[],
  _specs: readonly Spec[],
  params: BernoulliParams,
): void {
  const { threshold, always } = thresholdOf(params.probability);
  forEachWord(state, y.length, (i, bits) => {
    y[i] = always || bits < threshold ? 1 : 0;
  });
}

export function dropoutReference(
  [x, state]: readonly TypedArray[],
  [y]: readonly TypedArray[],
  _specs: readonly Spec[],
  params: DropoutParams,
): void {
  const { threshold, always } = thresholdOf(1 - params.rate);
  const scale = dropoutScale(params.rate);
  forEachWord(state, y.length, (i, bits) => {
    y[i] = x[i] * (always || bits < threshold ? scale : 0);
  });
}

export function advanceStateReference(
  _inputs: readonly TypedArray[],
  [state]: readonly TypedArray[],
  _specs: readonly Spec[],
  params: AdvanceParams,
): void {
  const low = state[2] + (params.by % 2 ** 32);
  const carry = low >= 2 ** 32 ? 1 : 0;
  state[2] = low >>> 0;
  state[3] = (state[3] + Math.floor(params.by / 2 ** 32) + carry) >>> 0;
}
