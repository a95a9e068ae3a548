/**
 * Kernels that do nothing but what they measure: multiply-adds that never leave the registers, and the plain walks over
 * memory of the STREAM benchmark (J. D. McCalpin, 1995). What another kernel reaches is judged against these, on the same
 * device. The arithmetic has two definitions, because what keeps a processor's units busy does not keep a GPU's busy.
 */
import { ShapeError } from '../../devices/errors.ts';
import type { KernelDefinition, Spec } from '../../devices/kernel.ts';

// ------------------------------------------------------------------------------------- arithmetic, on a processor

/** The panel of `peakMultiplyAdd`: 128 steps of 8 floats, 4 KiB, and the rows of constants it is multiplied by. */
export const PANEL = { rows: 4, columns: 8, steps: 128 } as const;

export const PEAK_INPUTS: readonly Spec[] = [
  { shape: [PANEL.rows], dtype: 'float32' },
  { shape: [PANEL.steps, PANEL.columns], dtype: 'float32' },
];

export interface PeakParams {
  /** Fused multiply-add instead of a multiply and an add. */
  readonly fused: boolean;
  /** How often a task goes through the panel. */
  readonly rounds: number;
  readonly tasks: number;
}

/**
 * Inputs [left [4], panel [128, 8]]; output [tasks, 4, 8]: rounds times the sum over the panel of left x panel. Every step
 * adds the outer product of 4 constants and 8 floats to 32 sums: 8 multiply-adds of vectors per 2 loads.
 */
export const peakMultiplyAddDefinition: KernelDefinition<PeakParams> = {
  name: 'peakMultiplyAdd',
  infer: (_, { tasks }) => [{ shape: [tasks, PANEL.rows, PANEL.columns], dtype: 'float32' }],
  cost: (_, { tasks, rounds }) => ({
    flops: 2 * PANEL.rows * PANEL.columns * PANEL.steps * rounds * tasks,
    bytes: 4 * PANEL.columns * PANEL.steps,
  }),
};

// ------------------------------------------------------------------------------------------ arithmetic, on a GPU

/**
 * Independent chains of an invocation, to hide the latency of a multiply-add, and links of each in one round. Few links:
 * compilers for processors put those of a chain next to each other, where each waits for the last (README.md has figures).
 */
export const CHAINS = 24;
export const LINKS = 4;
/** Invocations that start alike; the others differ, so that no compiler finds a value that all of them share. */
export const LANES = 64;

export interface ChainParams {
  /** `fma(s, x, y)` instead of `s * x + y`, which a driver may fuse or not. */
  readonly fused: boolean;
  readonly rounds: number;
  readonly invocations: number;
}

/**
 * Inputs [start [24], factors [2] = (x, y)]; output [invocations]. Each invocation takes s = start * (lane + 1) / 64 through
 * `rounds` times 4 links s = s x + y, 24 chains side by side, and writes the sum of the chains; lane is its number modulo 64.
 */
export const multiplyAddChainsDefinition: KernelDefinition<ChainParams> = {
  name: 'multiplyAddChains',
  infer: (_, { invocations }) => [{ shape: [invocations], dtype: 'float32' }],
  cost: (_, { invocations, rounds }) => ({
    flops: 2 * CHAINS * LINKS * rounds * invocations,
    bytes: 4 * (CHAINS + 2 + invocations),
  }),
};

// --------------------------------------------------------------------------------------------------------- memory

/** Floats that one task of a memory walk covers: a page. */
export const PAGE_FLOATS = 1024;
export const TRIAD_FACTOR = 0.5;

export type WalkName = 'triad' | 'copy' | 'read';

export interface WalkParams {
  readonly walk: WalkName;
  /** How often the arrays are walked through before the kernel returns: small ones are done before a thread wakes up. */
  readonly rounds: number;
}

/** Arrays a walk touches, each once: triad reads two and writes one. As in STREAM, what a store fetches is not counted. */
export const WALK_ARRAYS: Readonly<Record<WalkName, number>> = { triad: 3, copy: 2, read: 1 };

/**
 * Inputs [a, b] of whole pages (b of one page where it is not read). triad: out = a + b / 2; copy: out = a; both of a's
 * shape. read: out[page][0..3] = sums of a page of `a`, lane by lane.
 */
export const memoryWalkDefinition: KernelDefinition<WalkParams> = {
  name: 'memoryWalk',
  infer([a], { walk }) {
    const pages = a.shape[0] / PAGE_FLOATS;
    if (!Number.isInteger(pages)) throw new ShapeError(`memoryWalk: ${a.shape[0]} floats are not whole pages.`);
    return [{ shape: walk === 'read' ? [pages, 4] : a.shape, dtype: 'float32' }];
  },
  cost([a], { walk, rounds }) {
    return { flops: walk === 'copy' ? 0 : rounds * a.shape[0], bytes: rounds * WALK_ARRAYS[walk] * 4 * a.shape[0] };
  },
};
