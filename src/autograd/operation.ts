/**
 * What an operation is: how it runs and how its gradient is made of other operations. `autograd/ops/<family>.ts` defines
 * them, forward and gradient in one screenful, and below them a row for each with what else is known of it (`row.ts`).
 */
import type { DType } from '../devices/dtype.ts';
import type { Shape } from '../devices/shape.ts';
import type { Storage } from '../devices/storage.ts';
import type { BinaryOp, UnaryOp } from '../kernels/elementwise/index.ts';
import type { Tensor } from '../tensor/tensor.ts';

/**
 * Every operation that can stand on the tape. A name here that has no row does not compile (`ops/rows.ts`), and an
 * operation with another name does not either.
 */
export type OpName =
  | UnaryOp
  | BinaryOp
  | 'affine'
  | 'norm'
  | 'clamp'
  | 'where'
  | 'cast'
  | 'reshape'
  | 'identity'
  | 'clone'
  | 'transpose'
  | 'slice'
  | 'scatterSlice'
  | 'concat'
  | 'pad'
  | 'gather'
  | 'scatterAdd'
  | 'oneHot'
  | 'broadcastTo'
  | 'sum'
  | 'mean'
  | 'max'
  | 'min'
  | 'prod'
  | 'sumOfSquares'
  | 'argReduce'
  | 'matmul'
  | 'fusedMatmul'
  | 'conv2d'
  | 'fusedConv2d'
  | 'conv2dInputGradient'
  | 'conv2dWeightGradient'
  | 'maxPool2d'
  | 'maxPool2dGradient'
  | 'maxPool2dPick'
  | 'avgPool2d'
  | 'avgPool2dGradient'
  | 'globalAveragePool'
  | 'globalAveragePoolGradient'
  | 'batchNormTrain'
  | 'batchNormEval'
  | 'softmax'
  | 'logSoftmax'
  | 'crossEntropy'
  | 'crossEntropySoft'
  | 'dropout';

/** An array that a node keeps alive for its gradient. */
export interface SavedArray {
  readonly storage: Storage;
  readonly shape: Shape;
  readonly dtype: DType;
}

/** What a gradient may use. Only output 0 of an op carries a gradient; further outputs are its private notes. */
export interface GradientContext<P = any> {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly params: P;
  /** Gradient of output 0. */
  readonly upstream: Tensor;
  /** Which inputs' gradients are wanted. */
  readonly needs: readonly boolean[];
  /** Where an input's gradient may be written directly; the returned tensor then has this storage. */
  readonly into: readonly (Storage | undefined)[];
  /** True when the backward pass is recorded itself: only differentiable operations may be used. */
  readonly recorded: boolean;
}

export type VectorJacobianProduct<P = any> = (context: GradientContext<P>) => readonly (Tensor | undefined)[];

export interface Op<P = any> {
  readonly name: OpName;
  /** Runs the op; the first output becomes the op's value. */
  run(inputs: readonly Tensor[], params: P): SavedArray[];
  /** Gradients of the inputs, in order; undefined where none flows. */
  readonly gradient: VectorJacobianProduct<P>;
  /**
   * The same value made of finer operations. A fused op is replaced by them in a backward pass with rules, or when its
   * gradient is differentiated again.
   */
  readonly decompose?: (inputs: readonly Tensor[], params: P) => Tensor;
}
