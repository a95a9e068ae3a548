/**
 * Matrix products of every form: all four transposes, bias and ReLU, broadcast batches, sizes below, at and beside the
 * tiles, contractions long enough to be cut into blocks, thin matrices (vectors, few rows, few columns), empty ones, and
 * more outputs than one dispatch dimension counts. Values are uniform in +-0.5, so sums neither grow nor cancel oddly.
 */
import { type MatmulParams, matmul } from '../../src/kernels/matmul/index.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import type { ConformanceCase } from './cases.ts';

const SEED = 20261;
const stream = new PhiloxStream(SEED);

function floats(shape: readonly number[]) {
  const length = shape.reduce((product, extent) => product * extent, 1);
  return {
    spec: { shape, dtype: 'float32' } as const,
    values: Float32Array.from({ length }, () => stream.uniform() - 0.5),
  };
}

interface Options extends Partial<MatmulParams> {
  readonly bias?: boolean;
  readonly batchA?: readonly number[];
  readonly batchB?: readonly number[];
  readonly note?: string;
}

/** One product of [m, k] by [k, n]. */
function product(m: number, n: number, k: number, options: Options = {}): ConformanceCase<MatmulParams> {
  const { transposeA = false, transposeB = false, activation = 'none', bias = false } = options;
  const { batchA = [], batchB = [], note } = options;
  const inputs = [
    floats([...batchA, ...(transposeA ? [k, m] : [m, k])]),
    floats([...batchB, ...(transposeB ? [n, k] : [k, n])]),
  ];
  if (bias) inputs.push(floats([n]));
  const batch = batchA.length + batchB.length > 0 ? ` batch [${batchA}] x [${batchB}]` : '';
  const form = `${transposeA ? 'T' : 'N'}${transposeB ? 'T' : 'N'}${bias ? ' bias' : ''}${activation === 'relu' ? ' relu' : ''}`;
  return {
    title: `${note ? `${note}: ` : ''}${m} x ${n} x ${k} ${form}${batch}, seed ${SEED}`,
    kernel: matmul,
    params: { transposeA, transposeB, activation },
    inputs,
    tolerance: { kind: 'contraction', c: 8, terms: k + 1 },
  };
}

const transposes = [false, true].flatMap(transposeA => [false, true].map(transposeB => ({ transposeA, transposeB })));

/** Inf and NaN in the inputs reach every sum they belong to, and no other. */
function nonFinite(): ConformanceCase<MatmulParams> {
  const one = product(9, 21, 12, { note: 'Inf and NaN' });
  one.inputs[0].values[12 * 2 + 3] = Number.POSITIVE_INFINITY;
  one.inputs[0].values[12 * 5 + 7] = Number.NaN;
  one.inputs[1].values[21 * 4 + 20] = Number.NEGATIVE_INFINITY;
  return one;
}

export const cases: ConformanceCase[] = [
  ...transposes.flatMap(form => [
    product(37, 29, 53, form),
    product(64, 48, 32, { ...form, bias: true, activation: 'relu' }),
    product(5, 3, 2, { ...form, bias: true, batchA: [2, 3], batchB: [3] }),
    product(70, 44, 600, { ...form, bias: true, note: 'blocks of k' }),
    product(1, 131, 77, { ...form, bias: true, note: 'one row' }),
    product(131, 1, 77, { ...form, activation: 'relu', note: 'one column' }),
    product(3, 260, 100, { ...form, activation: 'relu', note: 'few rows' }),
    product(203, 10, 128, { ...form, bias: true, note: 'few columns' }),
  ]),
  product(1, 1, 1),
  product(1, 1, 1, { bias: true, activation: 'relu' }),
  product(4, 8, 1),
  product(2, 3, 4, { batchA: [2, 1], batchB: [1, 3] }),
  product(6, 5, 7, { batchA: [1], batchB: [4], transposeB: true }),
  product(6, 5, 7, { batchA: [4], batchB: [], transposeA: true }),
  product(16, 16, 16, { batchA: [3, 2], batchB: [3, 2], bias: true }),
  product(1, 9, 30, { batchA: [5], batchB: [5] }),
  product(8, 16, 0, { bias: true, note: 'empty sum' }),
  product(3, 5, 0, { activation: 'relu', note: 'empty sum' }),
  product(0, 5, 4, { note: 'no rows' }),
  product(4, 0, 3, { note: 'no columns' }),
  product(3, 4, 5, { batchA: [0], batchB: [1], note: 'no matrices' }),
  product(128, 128, 128, { note: 'whole tiles' }),
  product(96, 160, 257, { bias: true, activation: 'relu' }),
  product(128, 128, 784, { transposeA: true, note: 'dense layer weight gradient' }),
  product(2, 2, 3, { batchA: [70_000], batchB: [], note: 'more than 65,535 matrices' }),
  product(300_000, 2, 3, { note: 'more than 65,535 row tiles' }),
  product(2, 300_000, 3, { transposeB: true, note: 'more than 65,535 column tiles' }),
  nonFinite(),
];
