/**
 * Random numbers on the device, counted and not drawn. Every kernel here is a pure function of a `state` of four uint32
 * words, [seed, stream, counter low, counter high]: block i of its output is Philox4x32-10 of counter (i, 0, low, high)
 * under key (seed, stream), and element 4 i + j takes word j. The same state gives the same bits on every device, however
 * the work is cut; `advanceState` moves the counter on, on the device, so that a captured step draws anew at each replay.
 */
import { DTypeError, ShapeError, UsageError } from '../../devices/errors.ts';
import type { KernelDefinition, Spec } from '../../devices/kernel.ts';
import { checkShape, formatShape, sizeOf } from '../../devices/shape.ts';

export interface RandomParams {
  /** Shape of the output, any rank. */
  readonly shape: readonly number[];
}

export interface BernoulliParams extends RandomParams {
  /** Probability of a 1; 0 and 1 are exact. */
  readonly probability: number;
}

export interface DropoutParams {
  /** Probability with which an element becomes 0. */
  readonly rate: number;
}

export interface AdvanceParams {
  /** Added to the 64-bit counter; a whole number of at least 0. */
  readonly by: number;
}

/** Which of 2^32 equally likely words count as a hit: those below `threshold`, or all of them. */
export interface Threshold {
  readonly threshold: number;
  readonly always: boolean;
}

/** The comparison that holds with `probability`, rounded down to a multiple of 2^-32. */
export function thresholdOf(probability: number): Threshold {
  return { threshold: Math.floor(probability * 2 ** 32) >>> 0, always: probability === 1 };
}

/** What dropout multiplies the kept elements with: 1 / (1 - rate) as a float32, so that all devices multiply alike. */
export function dropoutScale(rate: number): number {
  return rate === 1 ? 0 : Math.fround(1 / (1 - rate));
}

function checkProbability(what: string, name: string, value: number): void {
  if (!(value >= 0 && value <= 1)) throw new UsageError(`${what}: ${name} must lie in [0, 1], not ${value}.`);
}

/** Throws unless `state` is uint32 [4]. */
export function checkState(what: string, state: Spec): void {
  if (state.dtype !== 'uint32') throw new DTypeError(`${what}: the random state must be uint32, got ${state.dtype}.`);
  if (state.shape.length !== 1 || state.shape[0] !== 4) {
    throw new ShapeError(
      `${what}: the random state must have shape [4] (seed, stream, counter low, counter high), ` +
        `got ${formatShape(state.shape)}.`,
    );
  }
}

function inferRandom(what: string, [state]: readonly Spec[], { shape }: RandomParams, dtype: Spec['dtype']): Spec[] {
  checkState(what, state);
  checkShape(shape, what);
  return [{ shape, dtype }];
}

/** Input [state]; output uint32 of `params.shape`. */
export const randomBitsDefinition: KernelDefinition<RandomParams> = {
  name: 'randomBits',
  infer: (inputs, params) => inferRandom('randomBits', inputs, params, 'uint32'),
  cost: (_, { shape }) => ({ flops: 0, bytes: 4 * (4 + sizeOf(shape)) }),
};

/** Input [state]; output float32 of `params.shape`, uniform in [0, 1): the upper 24 bits of each word times 2^-24. */
export const randomUniformDefinition: KernelDefinition<RandomParams> = {
  name: 'randomUniform',
  infer: (inputs, params) => inferRandom('randomUniform', inputs, params, 'float32'),
  cost: (_, { shape }) => ({ flops: sizeOf(shape), bytes: 4 * (4 + sizeOf(shape)) }),
};

/** Input [state]; output float32 0 or 1 of `params.shape`. */
export const bernoulliDefinition: KernelDefinition<BernoulliParams> = {
  name: 'bernoulli',
  infer(inputs, params) {
    checkProbability('bernoulli', 'probability', params.probability);
    return inferRandom('bernoulli', inputs, params, 'float32');
  },
  cost: (_, { shape }) => ({ flops: 0, bytes: 4 * (4 + sizeOf(shape)) }),
};

/**
 * Inputs [x, state]; output x * bernoulli(1 - rate) / (1 - rate). The kernel is linear in x and its own gradient: run on
 * dy with the same state it gives dx. A NaN or infinity in x is not hidden where it is dropped (0 * NaN is NaN).
 */
export const dropoutDefinition: KernelDefinition<DropoutParams> = {
  name: 'dropout',
  infer([x, state], { rate }) {
    checkProbability('dropout', 'rate', rate);
    if (x.dtype !== 'float32') throw new DTypeError(`dropout takes float32, not ${x.dtype}.`);
    checkState('dropout', state);
    return [{ shape: x.shape, dtype: 'float32' }];
  },
  cost: ([x]) => ({ flops: sizeOf(x.shape), bytes: 4 * (4 + 2 * sizeOf(x.shape)) }),
};

/** No inputs; output 0 is the state, changed in place. */
export const advanceStateDefinition: KernelDefinition<AdvanceParams> = {
  name: 'advanceState',
  updates: [0],
  infer(_, { by }) {
    if (!Number.isSafeInteger(by) || by < 0) {
      throw new UsageError(`advanceState: the counter moves by a whole number of at least 0, not ${by}.`);
    }
    return [{ shape: [4], dtype: 'uint32' }];
  },
  cost: () => ({ flops: 0, bytes: 32 }),
};
