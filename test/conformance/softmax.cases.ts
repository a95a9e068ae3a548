/**
 * Rows from one class to thousands, with and without tails; logits up to 1e4; labels that do not exist; NaN. WGSL promises
 * 3 + 2 |x| ULP for exp, which decides the bounds on probabilities, and 3 ULP (or 2^-21 near 1) for log.
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

const probabilities: Tolerance = close(1e-7, 3e-5);
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
];

export const cases = all.map(one => ({ ...one, title: `${one.kernel.name} ${one.title}` }));
