/**
 * A kernel is data: what it computes, what it costs, and for each device a list of variants, each a plan of passes. The
 * reference form is plain loops in float64 and the oracle of every test. A variant says whether it applies to given
 * shapes on a given adapter, and plans: which programs run, on which storages, over how much work. Devices execute plans;
 * they know nothing of what a kernel means.
 *
 * Plans are cached by kernel, variant, specs and parameters, so `plan` may do real work, and parameters must be plain
 * JSON data. Whatever changes from step to step (a learning rate, a step or random counter) is an input storage.
 */
import type { DType, TypedArray } from './dtype.ts';
import type { Shape } from './shape.ts';
import type { WasmProgram } from './wasm/assembler/module.ts';

/** Shape and element type of one input, output or scratch array. */
export interface Spec {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** Arithmetic operations and the bytes that must at least be moved (each input and output once). */
export interface Cost {
  readonly flops: number;
  readonly bytes: number;
}

export interface Kernel<P = any> {
  readonly name: string;
  /** Output specs; throws ShapeError or DTypeError, naming what does not fit. */
  infer(inputs: readonly Spec[], params: P): Spec[];
  cost(inputs: readonly Spec[], params: P): Cost;
  /**
   * Plain loops in float64. Must write every element of `outputs`. Outputs listed in `updates` hold their previous
   * contents on entry.
   */
  reference(inputs: readonly TypedArray[], outputs: readonly TypedArray[], specs: readonly Spec[], params: P): void;
  /** Indices of outputs whose previous contents the kernel reads (optimizer state, running statistics). */
  readonly updates?: readonly number[];
  /** In order of preference; see chooseVariant. The last one applies to everything. */
  readonly wgsl: readonly WgslVariant<P>[];
  readonly wasm: readonly WasmVariant<P>[];
}

/** The part of a kernel that all its forms share: what `<family>.ts` defines and `<family>/index.ts` completes. */
export type KernelDefinition<P = any> = Pick<Kernel<P>, 'name' | 'infer' | 'cost' | 'updates'>;

/** Which array a program binds: the n-th input, output or scratch array of the kernel call. */
export interface Slot {
  readonly kind: 'input' | 'output' | 'scratch';
  readonly index: number;
}
export const input = (index: number): Slot => ({ kind: 'input', index });
export const output = (index: number): Slot => ({ kind: 'output', index });
export const scratch = (index: number): Slot => ({ kind: 'scratch', index });

/**
 * How sums are rounded on a device that stores float32. `default`: as is fastest, Winograd's transforms included.
 * `highest`: every sum of floats adds up beyond float32 (float64 on wasm, pairs of float32 on webgpu), and what a kernel
 * makes of it is rounded once, when it is stored: matrix products, convolutions, sums, means and sums of squares (so also
 * gradients of what was broadcast), pools, batch norm, scatterAdd, and the sums in softmax and losses, with their gradients.
 *
 * What is stored is then the float64 value rounded to float32, in 99 of 100 elements, and off by no more than one unit in
 * the last place in the others; what cancels to less than 2^-16 of the largest element is right to 2^-39 of that. On webgpu
 * the products of a contraction count to 2^-36 of their size. Functions of one element are float32 as ever: softmax and
 * losses carry the rounding of their exp and log. So does whatever is composed of several operations (norm, variance,
 * logSumExp): each of them rounds what it stores. A product over axes is no sum, and additions of two tensors are stored one
 * by one. test/kernels/highest-coverage.test.ts knows all kernels.
 *
 * Five to seven times slower: for telling rounding from mistakes, and for following another program's run.
 */
export type Precision = 'default' | 'highest';

/**
 * Which way convolutions are computed on a device that stores float32. `default`: the fastest, Winograd's transforms
 * included, whose rounding errors spread over tiles of 4 x 4 outputs. `direct`: every output is the sum over its own taps,
 * so that a pixel changes no bit of an output that does not see it; 3 x 3 convolutions take up to three times longer.
 */
export type Convolution = 'default' | 'direct';

// ---------------------------------------------------------------------------------------------------------- WebGPU

/** What a WebGPU variant may ask about the adapter it will run on. */
export interface WebGpuAdapterInfo {
  readonly vendor: string;
  readonly architecture: string;
  readonly description: string;
  /** A CPU implementation (lavapipe, SwiftShader): prefers register tiles and subgroup broadcasts to workgroup memory. */
  readonly isSoftware: boolean;
  /** 0 where the `subgroups` feature is missing; otherwise the size when it is fixed (min = max), else 0. */
  readonly subgroupSize: number;
  readonly features: ReadonlySet<string>;
  readonly maxComputeInvocationsPerWorkgroup: number;
  readonly maxComputeWorkgroupStorageSize: number;
  readonly maxComputeWorkgroupsPerDimension: number;
  readonly maxStorageBufferBindingSize: number;
  readonly precision: Precision;
  readonly convolution: Convolution;
}

export interface WgslVariant<P = any> {
  readonly name: string;
  /** The precision of the devices on which it may run without being asked for by name; absent means any. */
  readonly precision?: Precision;
  /** The convolution of the devices on which it may run without being asked for by name; absent means any. */
  readonly convolution?: Convolution;
  /** Whether the variant computes this call on this adapter: shapes and capabilities, not taste. */
  applies(specs: readonly Spec[], params: P, adapter: WebGpuAdapterInfo): boolean;
  /** Whether it should be taken here without being asked for by name; absent means always. See chooseVariant. */
  prefers?(specs: readonly Spec[], params: P, adapter: WebGpuAdapterInfo): boolean;
  plan(specs: readonly Spec[], params: P, adapter: WebGpuAdapterInfo): WgslPlan;
}

export interface WgslPlan {
  readonly passes: readonly WgslPass[];
  /** Temporary arrays, alive during the plan only. */
  readonly scratch?: readonly Spec[];
}

/**
 * One dispatch. The source binds `bindings[i]` at `@group(0) @binding(i)` (inputs `read`, outputs and scratch
 * `read_write`, at most 8), and the uniform block, if any, at `@binding(bindings.length)`. Entry point `main`.
 * Pipelines are cached by source text, so bake in only what is worth a compilation of its own.
 */
export interface WgslPass {
  readonly source: string;
  readonly bindings: readonly Slot[];
  /** Bytes of the uniform block (multiple of 4); see `uniforms()` in webgpu/uniforms.ts. */
  readonly uniforms?: Uint32Array;
  readonly workgroups: readonly [number, number, number];
}

// ------------------------------------------------------------------------------------------------------------ WASM

/** What a WASM variant may ask about the engine. Results must not depend on `threads`. */
export interface WasmAdapterInfo {
  readonly threads: number;
  /** Fused multiply-add through the relaxed SIMD instructions: available, and measured faster or asked for. */
  readonly relaxedSimd: boolean;
  /** Pairs of neighbouring vectors become one instruction of 256 bits: kernels walk two side by side. Changes no bits. */
  readonly wide: boolean;
  readonly precision: Precision;
  readonly convolution: Convolution;
}

export interface WasmVariant<P = any> {
  readonly name: string;
  /** The precision of the devices on which it may run without being asked for by name; absent means any. */
  readonly precision?: Precision;
  /** The convolution of the devices on which it may run without being asked for by name; absent means any. */
  readonly convolution?: Convolution;
  applies(specs: readonly Spec[], params: P, adapter: WasmAdapterInfo): boolean;
  prefers?(specs: readonly Spec[], params: P, adapter: WasmAdapterInfo): boolean;
  plan(specs: readonly Spec[], params: P, adapter: WasmAdapterInfo): WasmPlan;
}

export interface WasmPlan {
  readonly passes: readonly WasmPass[];
  readonly scratch?: readonly WasmScratch[];
}

/** Scratch memory in bytes, 64-byte aligned; with `perThread` each thread gets its own. */
export interface WasmScratch {
  readonly bytes: number;
  readonly perThread?: boolean;
}

/** Arguments of a pass: the address of an array, or a number (an i32 or f32 as the function's signature says). */
export type WasmArgument = Slot | number;

/**
 * One parallel loop over `tasks` units of work: each thread calls `entry(start, end, ...args)` with its own contiguous
 * part of `[0, tasks)`, and all join before the next pass. What a task computes must not depend on how tasks are cut.
 */
export interface WasmPass {
  readonly program: WasmProgram;
  readonly entry: string;
  readonly tasks: number;
  readonly args: readonly WasmArgument[];
  /** Fewest tasks that are worth waking another thread for; default 1. Small work runs on the calling thread alone. */
  readonly grain?: number;
  /** It makes scratch of inputs alone, and later passes only read that: replays may leave it out where the inputs are constant. */
  readonly prepares?: boolean;
}
