/**
 * Rows from one class to thousands, with and without tails; logits up to 1e4, at the ends of float32 and masked by
 * -infinity; labels that do not exist; NaN.
 */
import type { Kernel } from '../../src/devices/kernel.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import {
  crossEntropy,
  crossEntropyGradient,
  crossEntropySoft,
  crossEntropySoftGradient,
  logSoftmax,
  logSoftmaxGradient,
  softmax,
  softmaxGradient,
} from '../../src/kernels/softmax/index.ts';
import type { ConformanceCase, Tolerance } from './cases.ts';

const SEED = 20264;
const stream = new PhiloxStream(SEED);

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, extent) => product * extent, 1);
const floats = (shape: readonly number[], make: (i: number) => number) => ({
  spec: { shape, dtype: 'float32' } as const,
  values: Float32Array.from({ length: sizeOf(shape) }, (_, i) => make(i)),
});
const integers = (values: readonly number[]) => ({
  spec: { shape: [values.length], dtype: 'int32' } as const,
  values: Int32Array.from(values),
});
const uniform = () => 2 * stream.uniform() - 1;
const close = (absolute: number, relative: number): Tolerance => ({ kind: 'close', absolute, relative });

const probabilities: Tolerance = close(1e-7, 1e-6);
const gradients: Tolerance = close(4e-6, 1e-5);

/** The kernels without labels; log-probabilities of large logits are as exact as the logits. */
function rows(shape: readonly number[], scale: number, what = ''): ConformanceCase[] {
  const x = floats(shape, () => scale * uniform());
  const title = `[${shape}] logits within ${scale} ${what}seed ${SEED}`;
  const y = floats(shape, () => stream.uniform());
  const logs = floats(shape, () => -8 * stream.uniform());
  const dy = floats(shape, uniform);
  const root = Math.sqrt(shape[shape.length - 1]);
  return [
    { title, kernel: softmax, params: {}, inputs: [x], tolerance: probabilities },
    { title, kernel: logSoftmax, params: {}, inputs: [x], tolerance: close(2e-6, 1e-6) },
    { title, kernel: softmaxGradient, params: {}, inputs: [y, dy], tolerance: close(1e-6 * root, 1e-5) },
    { title, kernel: logSoftmaxGradient, params: {}, inputs: [logs, dy], tolerance: close(1e-6 * root, 1e-5) },
  ];
}

function losses(
  [batch, classes]: readonly [number, number],
  scale: number,
  smoothing: number,
  labelOf = (_: number) => Math.floor(stream.uniform() * classes),
): ConformanceCase[] {
  const x = floats([batch, classes], () => scale * uniform());
  const labels = integers(Array.from({ length: batch }, (_, row) => labelOf(row)));
  const targets = floats([batch, classes], () => stream.uniform());
  const dloss = floats([batch], uniform);
  const title = `[${[batch, classes]}] logits within ${scale}, smoothing ${smoothing} seed ${SEED}`;
  const loss: Tolerance = close(4e-6 + scale * 2e-7, 2e-6);
  const soft = close(1e-6 * classes, 1e-5);
  const cases: ConformanceCase[] = [
    { title, kernel: crossEntropy, params: { smoothing }, inputs: [x, labels], tolerance: loss },
    { title, kernel: crossEntropyGradient, params: { smoothing }, inputs: [x, labels, dloss], tolerance: gradients },
  ];
  if (smoothing > 0) return cases;
  return [
    ...cases,
    { title, kernel: crossEntropySoft as Kernel, params: {}, inputs: [x, targets], tolerance: soft },
    { title, kernel: crossEntropySoftGradient as Kernel, params: {}, inputs: [x, targets, dloss], tolerance: soft },
  ];
}

/** Labels of which some do not exist: NaN there, and only there. */
const impossible = (classes: number) => (row: number) =>
  [0, -1, classes - 1, classes, 2 ** 31 - 1, -(2 ** 31), 1][row % 7];

const withNaN: ConformanceCase[] = rows([5, 11], 3, 'one NaN ').slice(0, 2);
for (const { inputs } of withNaN) inputs[0].values[2 * 11 + 9] = Number.NaN;

/** Masked classes (also a row of nothing else), logits at the ends of float32, targets of 0; the last row is ordinary. */
function extremes(classes: number): ConformanceCase[] {
  const rows = 6;
  const masked = Number.NEGATIVE_INFINITY;
  const logits = (i: number): number => {
    const [row, j] = [Math.floor(i / classes), i % classes];
    if (row === 0) return j % 3 === 0 ? masked : uniform();
    if (row === 1) return j === classes - 1 ? 2 : masked;
    if (row === 2) return masked;
    if (row === 3) return [3e38, -3e38, 3.4028234e38, 0][j % 4];
    if (row === 4) return j % 2 ? masked : -3.4028234e38;
    return uniform();
  };
  const x = floats([rows, classes], logits);
  const hard = integers(Array.from({ length: rows }, (_, row) => (row === 3 ? 2 % classes : classes - 1)));
  const targets = floats([rows, classes], i => (x.values[i] === masked || i % 5 === 0 ? 0 : 0.25));
  const dloss = floats([rows], uniform);
  const title = `[${[rows, classes]}] with masked and huge logits, seed ${SEED}`;
  const of = (kernel: Kernel<any>, params: object, inputs: ConformanceCase['inputs']): ConformanceCase => {
    return { title: `${title} ${JSON.stringify(params)}`, kernel, params, inputs, tolerance: close(4e-6, 1e-5) };
  };
  return [
    of(softmax, {}, [x]),
    of(logSoftmax, {}, [x]),
    of(crossEntropySoft, {}, [x, targets]),
    of(crossEntropySoftGradient, {}, [x, targets, dloss]),
    ...[0, 0.1, 1].flatMap(smoothing => [
      of(crossEntropy, { smoothing }, [x, hard]),
      of(crossEntropyGradient, { smoothing }, [x, hard, dloss]),
    ]),
  ];
}

const all: ConformanceCase[] = [
  ...rows([1], 1),
  ...rows([7, 1], 5),
  ...rows([3, 5, 2], 4),
  ...rows([5, 3], 10),
  ...rows([33, 10], 8),
  ...rows([4, 16], 1e4),
  ...rows([2, 3, 31], 80),
  ...rows([9, 37], 20),
  ...rows([3, 1000], 12),
  ...rows([2, 4099], 6),
  ...rows([70_000, 2], 3),
  ...rows([0, 4], 1),
  ...withNaN,
  ...losses([1, 1], 1, 0),
  ...losses([7, 10], 5, 0.1),
  ...losses([130, 10], 9, 0),
  ...losses([14, 10], 3, 0, impossible(10)),
  ...losses([14, 23], 3, 0.2, impossible(23)),
  ...losses([5, 7], 1e4, 0),
  ...losses([6, 100], 30, 1),
  ...losses([3, 1003], 10, 0.1),
  ...losses([2, 2050], 10, 0),
  ...losses([70_000, 3], 4, 0.1).slice(0, 1),
  ...[3, 8, 21].flatMap(extremes),
];

export const cases = all.map(one => ({ ...one, title: `${one.kernel.name} ${one.title}` }));
