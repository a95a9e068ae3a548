/**
 * Every operation's row. Not one of the files that compute imports this: it is for what asks about operations. A name of
 * OpName without a row does not compile.
 */
import {
  type BinaryOp,
  type BinaryParams,
  binary as binaryKernel,
  type UnaryOp,
  unaryGradient as unaryGradientKernel,
  unary as unaryKernel,
} from '../../kernels/elementwise/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Op, OpName } from '../op.ts';
import type { BinaryRow, Example, Linearity, OpRow, Sample, UnaryRow } from '../row.ts';
import { batchNormRows } from './batchnorm.ts';
import { broadcastRows } from './broadcast.ts';
import { CONDITIONS, comparisonRows, conditionRows } from './conditions.ts';
import { conv2dRows } from './conv2d.ts';
import { dropoutRows } from './dropout.ts';
import { ARITHMETIC, arithmeticRows, elementwiseRows, UNARY, unaryRows } from './elementwise.ts';
import * as library from './index.ts';
import { layoutRows } from './layout.ts';
import { matmulRows } from './matmul.ts';
import { poolRows } from './pool.ts';
import { SUMMARIES, searchRows, summaryRows } from './reduce.ts';
import { softmaxRows } from './softmax.ts';

/** `complete` of every row, under the same names. */
function mapRows<R extends Record<string, { readonly linearity: Linearity }>>(
  rows: R,
  complete: <N extends keyof R & string>(name: N, row: R[N]) => OpRow,
): { readonly [N in keyof R]: OpRow & Pick<R[N], 'linearity'> } {
  return Object.fromEntries(Object.entries(rows).map(([name, row]) => [name, complete(name, row as never)])) as never;
}

/** What the library calls the functions of one and of two values. An operation that it does not show does not compile. */
const unaryFunctions: Record<UnaryOp, (x: Tensor, alpha?: number) => Tensor> = library;
const binaryFunctions: Record<BinaryOp, (a: Tensor, b: Tensor) => Tensor> = {
  ...library,
  and: library.logicalAnd,
  or: library.logicalOr,
};

const unary = mapRows(unaryRows, (name, { values, alpha, ...row }: UnaryRow): OpRow => {
  const inputs: Sample[] = [{ shape: [2, 3, 4], values }];
  const examples: Example[] = [{ inputs, run: (x: Tensor) => unaryFunctions[name](x) }];
  if (alpha !== undefined) {
    examples.push({ title: `parameter ${alpha}`, inputs, run: (x: Tensor) => unaryFunctions[name](x, alpha) });
  }
  return {
    ...row,
    op: UNARY.get(name)!,
    functions: [unaryFunctions[name]],
    kernels: [unaryKernel, unaryGradientKernel],
    reach: 'same',
    examples,
  };
});

const ofTwo = (name: BinaryOp, op: Op<BinaryParams>, { examples, ...row }: BinaryRow): OpRow => ({
  ...row,
  op,
  functions: [binaryFunctions[name]],
  kernels: [binaryKernel],
  reach: 'same',
  examples: examples ?? [
    {
      inputs: [{ shape: [2, 1, 4] }, { shape: [3, 1] }],
      run: (a: Tensor, b: Tensor) => binaryFunctions[name](a, b),
    },
  ],
});

/** The rows by the file that they stand in. */
const FAMILIES = {
  elementwise: {
    ...mapRows(arithmeticRows, (name, row) => ofTwo(name, ARITHMETIC[name], row)),
    ...elementwiseRows,
    ...unary,
  },
  conditions: { ...mapRows(comparisonRows, (name, row) => ofTwo(name, CONDITIONS[name], row)), ...conditionRows },
  layout: layoutRows,
  broadcast: broadcastRows,
  reduce: { ...mapRows(summaryRows, (name, row): OpRow => ({ ...row, op: SUMMARIES[name] })), ...searchRows },
  matmul: matmulRows,
  conv2d: conv2dRows,
  pool: poolRows,
  batchnorm: batchNormRows,
  softmax: softmaxRows,
  dropout: dropoutRows,
};

export const OP_ROWS = {
  ...FAMILIES.elementwise,
  ...FAMILIES.conditions,
  ...FAMILIES.layout,
  ...FAMILIES.broadcast,
  ...FAMILIES.reduce,
  ...FAMILIES.matmul,
  ...FAMILIES.conv2d,
  ...FAMILIES.pool,
  ...FAMILIES.batchnorm,
  ...FAMILIES.softmax,
  ...FAMILIES.dropout,
} satisfies Record<OpName, OpRow>;

export const OP_NAMES = Object.keys(OP_ROWS) as readonly OpName[];

export const rowOf = (name: OpName): OpRow => OP_ROWS[name];

/** The names of the operations by the file of this folder that defines them. */
export const OP_FAMILIES: ReadonlyMap<string, readonly OpName[]> = new Map(
  Object.entries(FAMILIES).map(([file, rows]) => [file, Object.keys(rows) as OpName[]]),
);

/** The operations whose row says `L`. */
export type OpsThatAre<L extends Linearity> = {
  [N in OpName]: (typeof OP_ROWS)[N]['linearity'] extends L ? N : never;
}[OpName];
