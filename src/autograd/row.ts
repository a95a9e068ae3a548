/**
 * What is known of an operation besides how it is computed: its row. Rows stand below their operations in
 * `ops/<family>.ts`; `ops/rows.ts` collects them and does not compile while one is missing. DeepSHAP's rules, receptive
 * fields, the tests of gradients and devices and `docs/operations.md` are made from them. Nothing that computes reads a
 * row, and rows are plain literals, so a bundle that only computes leaves them out.
 */
import type { DType } from '../devices/dtype.ts';
import type { Kernel } from '../devices/kernel.ts';
import type { Shape } from '../devices/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Op, OpName } from './operation.ts';

export interface OpRow {
  /** What it computes, in one sentence. */
  readonly about: string;
  readonly op: Op;
  /** The functions of the library that run it; absent where only gradients do. */
  readonly functions?: readonly ((...args: any[]) => Tensor)[];
  /** The kernel of its value, then those that its gradient runs itself; none where only the shape changes. */
  readonly kernels: readonly Kernel[];
  readonly linearity: Linearity;
  readonly reach: Reach;
  /** Its arithmetic is multiply-adds (of two operations each): a matrix product or a convolution. */
  readonly isContraction?: true;
  /** Inputs for the tests. The first example runs the operation and nothing else. */
  readonly examples: readonly Example[];
  /** The ONNX operator that computes the same. */
  readonly onnx?: string;
}

export type OpRows = Readonly<Partial<Record<OpName, OpRow>>>;

/**
 * How a difference of the inputs becomes a difference of the value; by this DeepSHAP chooses its rule. Only inputs count
 * through which a gradient flows.
 * - `linear`: the gradient is the same everywhere
 * - `bilinear`: linear in each of the first two inputs, and in the others
 * - `quadratic`: a sum of squares of one input
 * - `elementwise`: each element is a function of the element at its place
 * - `pairwise`: each element is a function of one element of either input
 * - `extremum`: each element is the largest or smallest of some elements
 * - `composed`: what the finer operations say that it is made of (`decompose`)
 * - `open`: none of these; DeepSHAP takes the gradient, which breaks additivity, and says that this operation did
 * - `stop`: no gradient passes
 */
export type Linearity =
  | 'linear'
  | 'bilinear'
  | 'quadratic'
  | 'elementwise'
  | 'pairwise'
  | 'extremum'
  | 'composed'
  | 'open'
  | 'stop';

/** Two numbers, or facts, for the vertical and the horizontal axis of [N, H, W, C]. */
export type PerAxis<T = number> = readonly [vertical: T, horizontal: T];

/** Which part of the image-like operand one element of the value sees. */
export type View =
  /** What lies at its own place; operands broadcast. */
  | 'same'
  /** Every place along these axes, its own along the other. */
  | { readonly everywhere: PerAxis<boolean> }
  /** A window that moves by `strides`; the first one begins `before` places in front of the first element. */
  | { readonly window: PerAxis; readonly strides: PerAxis; readonly before: PerAxis }
  /** The places whose windows, moved by `strides`, cover it: the way back through such a window. */
  | { readonly windowsOver: PerAxis; readonly strides: PerAxis; readonly before: PerAxis };

/** The view of a call; a function where it depends on parameters or on the shapes of the inputs. */
export type Reach = View | ((params: any, shapes: readonly Shape[]) => View);

export const EVERYWHERE: View = { everywhere: [true, true] };

/** Every place along `axes` (counted from the front) of an array; of one that holds no images, everything. */
export function everywhereAlong(axes: readonly number[], shape: Shape): View {
  if (shape.length === 4) return { everywhere: [axes.includes(1), axes.includes(2)] };
  return axes.some(axis => axis !== 0) ? EVERYWHERE : 'same';
}

/** Inputs of a call, and the call. */
export interface Example {
  /** Tells apart the examples of one operation. */
  readonly title?: string;
  readonly inputs: readonly Sample[];
  run(...inputs: any[]): Tensor;
}

/** One input of an example. */
export interface Sample {
  readonly shape: Shape;
  /**
   * - `signed` (the default): 0.2 <= |x| < 2, away from kinks at 0
   * - `positive`: 0.2 <= x < 2
   * - `distinct`: a tenth apart and in no order, so that nothing is near a tie
   * - the values themselves
   */
  readonly values?: 'signed' | 'positive' | 'distinct' | readonly number[];
  /** float32 unless said otherwise. */
  readonly dtype?: DType;
  /** State or a choice, not an operand: no gradient is taken with respect to it. */
  readonly isConstant?: true;
}

/** What distinguishes the rows of operations that share a kernel and everything else. */
export interface UnaryRow extends Pick<OpRow, 'about' | 'linearity' | 'onnx'> {
  /** Where it is defined, for its examples. */
  readonly values?: 'signed' | 'positive';
  /** A parameter other than its default, for a second example. */
  readonly alpha?: number;
}

export interface BinaryRow extends Pick<OpRow, 'about' | 'linearity' | 'onnx'> {
  /** Where two operands of either sign that broadcast will not do. */
  readonly examples?: readonly Example[];
}
