/**
 * Batched matrix multiplication `C = act(op(A) op(B) + bias)`, where op may transpose the last two axes. Transposes are
 * read in place, never copied; leading axes broadcast as in NumPy.
 */
import { DTypeError, ShapeError } from '../../devices/errors.ts';
import type { Cost, KernelDefinition, Spec } from '../../devices/kernel.ts';
import { broadcastShapes, formatShape, sizeOf } from '../../devices/shape.ts';

/** Activations that fold into the last step of a contraction. */
export type FusedActivation = 'none' | 'relu';

export interface MatmulParams {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly activation: FusedActivation;
}

/** The sizes of one multiplication: `batch` products of [m, k] by [k, n]. */
export interface MatmulSizes {
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Leading axes of the output. */
  readonly batchShape: readonly number[];
  /** Elements between consecutive matrices of A and B along each leading axis; 0 where it is broadcast. */
  readonly batchStridesA: readonly number[];
  readonly batchStridesB: readonly number[];
}

/** Sizes of `inputs` [A, B, bias?]; throws ShapeError naming both shapes. */
export function matmulSizes(inputs: readonly Spec[], params: MatmulParams): MatmulSizes {
  const [a, b] = inputs;
  if (a.shape.length < 2 || b.shape.length < 2) {
    throw new ShapeError(
      `matmul: ${formatShape(a.shape)} x ${formatShape(b.shape)} needs two tensors of rank 2 or more.`,
    );
  }
  const [rowsA, columnsA] = a.shape.slice(-2);
  const [rowsB, columnsB] = b.shape.slice(-2);
  const [m, k] = params.transposeA ? [columnsA, rowsA] : [rowsA, columnsA];
  const [kB, n] = params.transposeB ? [columnsB, rowsB] : [rowsB, columnsB];
  if (k !== kB) {
    const mark = (transposed: boolean) => (transposed ? ' transposed' : '');
    throw new ShapeError(
      `matmul: ${formatShape(a.shape)}${mark(params.transposeA)} x ${formatShape(b.shape)}${mark(params.transposeB)} ` +
        `has inner sizes ${k} and ${kB}.`,
    );
  }
  const batchShape = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2), 'matmul');
  return {
    batch: sizeOf(batchShape),
    m,
    n,
    k,
    batchShape,
    batchStridesA: matrixStrides(a.shape, batchShape),
    batchStridesB: matrixStrides(b.shape, batchShape),
  };
}

function matrixStrides(shape: readonly number[], batchShape: readonly number[]): number[] {
  const lead = shape.slice(0, -2);
  const strides = new Array<number>(batchShape.length).fill(0);
  let stride = shape[shape.length - 2] * shape[shape.length - 1];
  for (let i = 1; i <= lead.length; i++) {
    const extent = lead[lead.length - i];
    strides[batchShape.length - i] = extent === 1 ? 0 : stride;
    stride *= extent;
  }
  return strides;
}

/** Offsets (in elements) of the A and B matrices that make output matrix `index`. */
export function matrixOffsets(sizes: MatmulSizes, index: number): [number, number] {
  let offsetA = 0;
  let offsetB = 0;
  for (let axis = sizes.batchShape.length - 1; axis >= 0; axis--) {
    const position = index % sizes.batchShape[axis];
    index = (index - position) / sizes.batchShape[axis];
    offsetA += position * sizes.batchStridesA[axis];
    offsetB += position * sizes.batchStridesB[axis];
  }
  return [offsetA, offsetB];
}

/** Inputs [A, B] or [A, B, bias of shape [n]]; output [..., m, n]. All float32. */
export const matmulDefinition: KernelDefinition<MatmulParams> = {
  name: 'matmul',
  infer(inputs, params): Spec[] {
    for (const { dtype } of inputs)
      if (dtype !== 'float32') throw new DTypeError(`matmul takes float32, not ${dtype}.`);
    const { batchShape, m, n } = matmulSizes(inputs, params);
    const bias = inputs[2];
    if (bias && (bias.shape.length !== 1 || bias.shape[0] !== n)) {
      throw new ShapeError(`matmul: bias ${formatShape(bias.shape)} does not match ${n} columns.`);
    }
    return [{ shape: [...batchShape, m, n], dtype: 'float32' }];
  },
  cost(inputs, params): Cost {
    const { batch, m, n, k } = matmulSizes(inputs, params);
    const elements = inputs.reduce((total, { shape }) => total + sizeOf(shape), batch * m * n);
    return { flops: 2 * batch * m * n * k, bytes: 4 * elements };
  },
};
